//! A device: new, or its access.

use std::collections::BTreeSet;

use cell_control::change::{OwnPeerForm, PeerForm, PeerUpdate};
use cell_control::view::PeerView;
use cell_model::Timestamp;
use cell_model::config::ServiceToggle;

use super::Draft;
use super::field::{Choice, Field};
use super::peer_exit::{self, EXIT, FAILOPEN};
use crate::clock::Clock;

/// Kinds of service.
pub(super) const SERVICES: &[Choice] = &[
    ("calendar", "Calendar and contacts"),
    ("files", "Files in the browser"),
    ("mail", "Mail"),
    ("webdav", "Files over WebDAV"),
];

const TUNNEL: &[Choice] = &[
    ("full", "All of its traffic goes through the cell"),
    ("split", "Only traffic for the cell and its services"),
];

const FULL_TUNNEL: Field = Field::one("tunnel", "Tunnel", TUNNEL);
const PEER_TO_PEER: Field = Field::flag("peer_to_peer", "May reach other devices")
    .hint("Both devices need this to reach each other.");
const SERVICE_BOXES: Field = Field::boxes("services", "Services it may use", SERVICES);
const EXPIRES_AT: Field = Field::moment("expires_at", "Access ends")
    .hint("In the time zone of the cell. Leave it empty for access without an end.")
    .optional();

const PERSON: Field = Field::text("username", "Whose it is")
    .hint("The name of an account: that person may look after it. Empty: the household's.")
    .optional();
const PUBLIC_KEY: Field = Field::text("public_key", "Public key")
    .hint("Only when the device made its own key. Otherwise the box makes one and shows it once.")
    .optional();

/// Fields of a new device of one's own.
pub(crate) const OWN: &[Field] = &[
    Field::text("name", "Name")
        .hint("Letters, digits, hyphens, dots. Say whose it is and what it is: anna-phone."),
    FULL_TUNNEL,
    PUBLIC_KEY,
];

/// Fields of a new device.
pub(crate) const NEW: &[Field] = &[
    Field::text("name", "Name")
        .hint("Letters, digits, hyphens, dots. Say whose it is and what it is: anna-phone."),
    PERSON,
    FULL_TUNNEL,
    EXIT,
    SERVICE_BOXES,
    PEER_TO_PEER,
    EXPIRES_AT,
    PUBLIC_KEY,
    Field::flag("preshared_key", "Add a pre-shared key").hint(
        "A second key that both ends keep: protects recorded traffic against future computers.",
    ),
];

/// Fields of a device that exists.
pub(crate) const ACCESS: &[Field] = &[
    PERSON,
    FULL_TUNNEL,
    EXIT,
    FAILOPEN,
    SERVICE_BOXES,
    PEER_TO_PEER,
    EXPIRES_AT,
];

/// What a new device starts with: everything, as at home. `fields`: [`NEW`] with the ways out there are.
pub(crate) fn proposal<'a>(fields: &'a [Field<'a>]) -> Draft<'a> {
    SERVICES
        .iter()
        .fold(Draft::new(fields, []), |draft, (word, _)| {
            draft.propose(SERVICE_BOXES.name, *word)
        })
        .propose(FULL_TUNNEL.name, "full")
        .propose(EXIT.name, "")
}

/// The form as the device is now. `fields`: [`ACCESS`] with the ways out there are.
pub(crate) fn of<'a>(fields: &'a [Field<'a>], peer: &PeerView, clock: &Clock) -> Draft<'a> {
    let draft = peer
        .services
        .iter()
        .fold(Draft::new(fields, []), |draft, service| {
            draft.propose(SERVICE_BOXES.name, service.as_str())
        });
    peer_exit::propose(draft, peer)
        .propose(
            PERSON.name,
            peer.username
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        )
        .propose(
            FULL_TUNNEL.name,
            if peer.full_tunnel { "full" } else { "split" },
        )
        .propose(
            PEER_TO_PEER.name,
            if peer.peer_to_peer { "yes" } else { "" },
        )
        .propose(
            EXPIRES_AT.name,
            peer.expires_at
                .map(|at| clock.local(at))
                .unwrap_or_default(),
        )
}

/// Reads a new device.
pub(crate) fn parse_new(draft: &mut Draft, clock: &Clock) -> Option<PeerForm> {
    let name = draft.require("name");
    let public_key = draft.maybe("public_key");
    let preshared_key = draft.flag("preshared_key");
    let exit_connection_id = peer_exit::exit(draft);
    let access = parse_rights(draft, clock);
    let form = || {
        let access = access?;
        Some(PeerForm {
            name: name?,
            username: access.username?,
            public_key: public_key?,
            preshared_key: preshared_key?,
            full_tunnel: access.full_tunnel?,
            services: access.services,
            peer_to_peer: access.peer_to_peer?,
            exit_connection_id: exit_connection_id?,
            expires_at: access.expires_at?,
        })
    };
    draft.accept(form())
}

/// Reads a device's access. Everything in it is set: the page shows all of it.
pub(crate) fn parse_access(draft: &mut Draft, clock: &Clock) -> Option<PeerUpdate> {
    let exit_connection_id = peer_exit::exit(draft);
    let failopen = peer_exit::failopen(draft);
    let update = PeerUpdate {
        exit_connection_id,
        failopen,
        ..parse_rights(draft, clock)?
    };
    draft.accept(Some(update))
}

/// Reads what a device may and how long, new or not.
fn parse_rights(draft: &mut Draft, clock: &Clock) -> Option<PeerUpdate> {
    let username = draft.maybe(PERSON.name);
    let full_tunnel = full_tunnel(draft);
    let services = services(draft);
    let peer_to_peer = draft.flag(PEER_TO_PEER.name);
    let expires_at: Option<Option<Timestamp>> = draft.maybe_with(EXPIRES_AT.name, |text| {
        clock
            .parse_local(text)
            .ok_or_else(|| "must be a date and time, such as 2027-01-31T18:00".to_owned())
    });
    Some(PeerUpdate {
        username: Some(username?),
        full_tunnel: Some(full_tunnel?),
        services: Some(services?),
        peer_to_peer: Some(peer_to_peer?),
        expires_at: Some(expires_at?),
        ..PeerUpdate::default()
    })
}

/// What a new device of one's own starts with.
pub(crate) fn own_proposal() -> Draft<'static> {
    Draft::new(OWN, [(FULL_TUNNEL.name, "full".to_owned())])
}

/// Reads a new device of one's own.
pub(crate) fn parse_own(draft: &mut Draft) -> Option<OwnPeerForm> {
    let name = draft.require("name");
    let public_key = draft.maybe(PUBLIC_KEY.name);
    let full_tunnel = full_tunnel(draft);
    let form = || {
        Some(OwnPeerForm {
            name: name?,
            full_tunnel: full_tunnel?,
            public_key: public_key?,
        })
    };
    draft.accept(form())
}

fn full_tunnel(draft: &mut Draft) -> Option<bool> {
    match draft.typed(FULL_TUNNEL.name) {
        "full" => Some(true),
        "split" => Some(false),
        _ => {
            draft.note(FULL_TUNNEL.name, "must be one of those shown");
            None
        }
    }
}

/// What a kind of service is called.
pub(crate) fn service_name(service: ServiceToggle) -> &'static str {
    let mut services = SERVICES.iter();
    let known = services.find(|(word, _)| *word == service.as_str());
    known.map_or(service.as_str(), |(_, name)| *name)
}

/// Which kinds of service are ticked.
pub(super) fn services(draft: &mut Draft) -> Option<BTreeSet<ServiceToggle>> {
    let known = |word: &str| {
        ServiceToggle::ALL
            .into_iter()
            .find(|service| service.as_str() == word)
    };
    let services: Option<_> = draft.all(SERVICE_BOXES.name).map(known).collect();
    if services.is_none() {
        draft.note(SERVICE_BOXES.name, "must be some of those shown");
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    fn read(body: &str) -> (Draft<'static>, Option<PeerForm>) {
        let mut draft = Draft::read(NEW, &Form::parse(body.as_bytes()).unwrap());
        let form = parse_new(&mut draft, &Clock::now(None));
        (draft, form)
    }

    #[test]
    fn device_is_read_as_ticked() {
        let (_, form) = read(
            "name=anna-phone&tunnel=split&services=mail&peer_to_peer=yes&expires_at=2027-01-31T18:00",
        );
        let form = form.unwrap();
        assert!(!form.full_tunnel && form.peer_to_peer && !form.preshared_key);
        assert_eq!(form.services, Some(BTreeSet::from([ServiceToggle::Mail])));
        assert_eq!(form.expires_at.unwrap().to_string(), "2027-01-31T18:00:00Z");
    }

    #[test]
    fn no_box_ticked_is_no_service_and_not_all_of_them() {
        let (_, form) = read("name=a&tunnel=full");
        assert_eq!(form.unwrap().services, Some(BTreeSet::new()));
    }

    #[test]
    fn each_wrong_field_is_named_and_kept() {
        let long = "x".repeat(256);
        for (field, value) in [
            ("name", ""),
            ("name", "a b"),
            ("name", "\u{430}nna"),
            ("name", "a\0"),
            ("name", long.as_str()),
            ("tunnel", "both"),
            ("tunnel", ""),
            ("services", "root"),
            ("peer_to_peer", "maybe"),
            ("preshared_key", "1"),
            ("expires_at", "soon"),
            ("username", "a b"),
            ("public_key", "abc"),
            ("exit_connection_id", "Work"),
        ] {
            let pairs = [("name", "anna"), ("tunnel", "full"), (field, value)];
            let body: Vec<String> = pairs
                .iter()
                .enumerate()
                .filter(|(at, (name, _))| *at == 2 || *name != field)
                .map(|(_, (name, value))| format!("{name}={}", cell_gate::form::encode(value)))
                .collect();
            let (draft, form) = read(&body.join("&"));
            assert!(form.is_none(), "{field}={value:?}");
            assert!(draft.error(field).is_some(), "{field}={value:?}");
            assert_eq!((draft.errors().len(), draft.typed(field)), (1, value));
        }
    }

    #[test]
    fn form_of_a_device_reads_back_as_it_is() {
        let mut draft = proposal(NEW);
        draft = draft.propose("name", "anna");
        let form = parse_new(&mut draft, &Clock::now(None)).unwrap();
        assert!(form.full_tunnel && form.expires_at.is_none());
        assert_eq!(form.services, Some(BTreeSet::from(ServiceToggle::ALL)));
    }
}
