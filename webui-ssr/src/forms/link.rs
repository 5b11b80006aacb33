//! Links to other cells: invites, and what a link is like here.

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::link::{InviteText, LinkCode, LinkForm, LinkInviteForm, LinkUpdate, LinkView};
use cell_model::name::CellName;
use cell_model::secret::Secret;

use super::Draft;
use super::field::{Choice, Field};
use super::peer::{SERVICES, services};

const EXPIRES: &[Choice] = &[
    ("3600", "An hour"),
    ("86400", "A day"),
    ("604800", "A week"),
    ("2592000", "30 days"),
];

const HOW: &[Choice] = &[
    ("compare", "After both owners have compared a code"),
    ("at_once", "At once: I carry the invite there myself"),
];

const PUBLIC_DOMAIN: Field = Field::flag(
    "allow_public_domain",
    "It may have a domain of the internet's",
)
.hint("Only if that domain belongs to its owner: names there are then asked of that cell alone.");
const SHARED: Field = Field::boxes("services", "Its people may use", SERVICES);
const OFFERS_EXIT: Field = Field::flag(
    "offers_exit",
    "Its people may go out to the internet by way of this cell",
);

/// Fields of a new invite.
pub(crate) const INVITE: &[Field] = &[
    Field::one("expires_in_s", "The invite counts for", EXPIRES),
    Field::one("how", "The other cell is linked", HOW),
    PUBLIC_DOMAIN,
];

/// Fields of taking an invite back.
pub(crate) const REVOKE: &[Field] = &[Field::hidden("id")];

/// Fields of an invite that is imported.
pub(crate) const IMPORT: &[Field] = &[
    Field::lines("invite", "What the other owner gave you")
        .hint("All of its text, from the first bracket to the last."),
    PUBLIC_DOMAIN,
];

/// Fields of the code that both owners compare.
pub(crate) const CODE: &[Field] =
    &[Field::text("digits", "The code that the other cell shows").hint("Six digits.")];

/// Fields of what a link is like here.
pub(crate) const TERMS: &[Field] = &[SHARED, OFFERS_EXIT];

/// What an invite starts with.
pub(crate) fn proposal() -> Draft<'static> {
    let usual = [("expires_in_s", "86400"), ("how", "compare")];
    Draft::new(INVITE, usual.map(|(name, value)| (name, value.to_owned())))
}

/// The form as the link is now.
pub(crate) fn of(link: &LinkView) -> Draft<'static> {
    let draft = link
        .services
        .iter()
        .fold(Draft::new(TERMS, []), |draft, service| {
            draft.propose(SHARED.name, service.as_str())
        });
    draft.propose(OFFERS_EXIT.name, if link.offers_exit { "yes" } else { "" })
}

/// Reads a new invite.
pub(crate) fn parse_invite(draft: &mut Draft) -> Option<Action> {
    let expires_in_s = draft.require("expires_in_s");
    let auto_accept = draft.require_with("how", |text| match text {
        "at_once" => Ok(true),
        "compare" => Ok(false),
        _ => Err("must be one of those shown".to_owned()),
    });
    let allow_public_domain = draft.flag(PUBLIC_DOMAIN.name);
    let form = || {
        Some(Action::InviteCell(LinkInviteForm {
            auto_accept: auto_accept?,
            expires_in_s: Some(expires_in_s?),
            allow_public_domain: allow_public_domain?,
        }))
    };
    draft.accept(form())
}

/// Reads an invite of another cell's.
pub(crate) fn parse_import(draft: &mut Draft) -> Option<Action> {
    let invite = draft.require_with("invite", |text| {
        let invite: Result<InviteText, _> = serde_json::from_str(text);
        invite.map_err(|_| {
            "must be an invite or an acceptance as another cell has made it".to_owned()
        })
    });
    let allow_public_domain = draft.flag(PUBLIC_DOMAIN.name);
    let form = || {
        Some(Action::LinkCell(Box::new(LinkForm {
            invite: invite?,
            allow_public_domain: allow_public_domain?,
        })))
    };
    draft.accept(form())
}

/// Reads the code, as people type it, perhaps with blanks between.
pub(crate) fn parse_code(draft: &mut Draft, name: CellName) -> Option<Action> {
    let code = draft.require_with("digits", |text| {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        match digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Ok(Secret::new(digits)),
            false => Err("must be the six digits that the other cell shows".to_owned()),
        }
    })?;
    let code = LinkCode { code };
    draft.accept(Some(Action::ConfirmLink { name, code }))
}

/// Reads what a link is like here. Everything in it is set: the page shows all of it.
pub(crate) fn parse_terms(draft: &mut Draft, name: CellName) -> Option<Change> {
    let services = services(draft);
    let offers_exit = draft.flag(OFFERS_EXIT.name);
    let change = || {
        let update = LinkUpdate {
            services: Some(services?),
            offers_exit: Some(offers_exit?),
            paused: None,
        };
        Some(Change::ChangeLink { name, update })
    };
    draft.accept(change())
}
