//! Links to other cells.

use cell_control::link::{
    LinkCode, LinkForm, LinkInviteForm, LinkInviteView, LinkView, NewLinkInvite,
};
use cell_control::view::Page;

use crate::answer::LinkAnswer;
use crate::parameter::{CURSOR, LIMIT};
use crate::routes::cells::{self, ExitOfferForm, PauseForm, PermissionsForm};
use crate::row::{CHANGE, READ, Row, handler};

pub(super) static ROWS: &[Row] = &[
    Row::get("/api/cells", "cells", handler!(cells::list, &[LIMIT, CURSOR]))
        .is(READ, "Other cells, linked or on the way there.")
        .answers::<Page<LinkView>>(),
    Row::post("/api/cells", "addCell", handler!(cells::add))
        .is(
            CHANGE,
            "Import an invite of another cell. 201: both are linked; 202: the other owner has to compare the code, or the \
             other cell was not reached and is tried again until the invite is over.",
        )
        .dangerous()
        .takes::<LinkForm>(r#"{"invite":{"cell":"","document":{"payloadType":"","payload":"","signatures":[]}}}"#)
        .creates::<LinkAnswer>()
        .refuses(&[409]),
    Row::get(
        "/api/cells/invites",
        "cellInvites",
        handler!(cells::invites, &[LIMIT, CURSOR]),
    )
    .is(READ, "Invites for other cells that count, the oldest first; without their secrets.")
    .answers::<Page<LinkInviteView>>(),
    Row::post(
        "/api/cells/invites",
        "addCellInvite",
        handler!(cells::add_invite),
    )
    .is(
        CHANGE,
        "Invite another cell: its owner imports what is answered, which comes this once. Good for one cell.",
    )
    .dangerous()
    .takes::<LinkInviteForm>(r#"{"auto_accept":false,"expires_in_s":3600}"#)
    .creates::<NewLinkInvite>()
    .refuses(&[409]),
    Row::delete(
        "/api/cells/invites/{id}",
        "removeCellInvite",
        handler!(cells::remove_invite),
    )
    .is(CHANGE, "Take an invite for another cell back.")
    .refuses(&[404, 409]),
    Row::get("/api/cells/{name}", "cell", handler!(cells::show))
        .is(READ, "One other cell.")
        .answers::<LinkView>()
        .refuses(&[404]),
    Row::delete("/api/cells/{name}", "removeCell", handler!(cells::remove))
        .is(CHANGE, "End the link with another cell, or give one up that is not there yet.")
        .may_wait()
        .refuses(&[404, 409]),
    Row::post(
        "/api/cells/{name}/confirm",
        "confirmCell",
        handler!(cells::confirm),
    )
    .is(
        CHANGE,
        "Link with a cell that has used an invite, when the code is the one that it shows. Three wrong ones end the invite.",
    )
    .dangerous()
    .takes::<LinkCode>(r#"{"code":"123456"}"#)
    .answers::<LinkAnswer>()
    .refuses(&[403, 404, 409]),
    Row::put(
        "/api/cells/{name}/permissions",
        "changeCellPermissions",
        handler!(cells::permissions),
    )
    .is(CHANGE, "Say which services here the other cell's people may use; what is not named stays.")
    .takes::<PermissionsForm>(r#"{"calendar":true,"files":false}"#)
    .answers::<LinkAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::put(
        "/api/cells/{name}/exit-offer",
        "changeCellExitOffer",
        handler!(cells::exit_offer),
    )
    .is(CHANGE, "Say whether the other cell's people may go out to the internet by way of this one.")
    .takes::<ExitOfferForm>(r#"{"offer":true}"#)
    .answers::<LinkAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::post(
        "/api/cells/{name}/accept",
        "acceptCell",
        handler!(cells::accept),
    )
    .is(
        CHANGE,
        "Have a linked cell be what it wants to be from now on (`held`), though its domain is one of the internet's.",
    )
    .dangerous()
    .answers::<LinkAnswer>()
    .refuses(&[404, 409]),
    Row::put("/api/cells/{name}/pause", "pauseCell", handler!(cells::pause))
        .is(CHANGE, "Have nothing pass between the two for now, or have it pass again.")
        .takes::<PauseForm>(r#"{"paused":true}"#)
        .answers::<LinkAnswer>()
        .may_wait()
        .refuses(&[404, 409]),
];
