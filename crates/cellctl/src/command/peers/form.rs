//! What is typed about a device.

use std::collections::BTreeSet;
use std::str::FromStr;

use cell_control::change::{PeerForm, PeerUpdate};
use cell_model::Timestamp;
use cell_model::config::ServiceToggle;
use cell_model::key::PublicKey;
use cell_model::name::{PeerName, Username};
use clap::{ArgAction, Args};
use uuid::Uuid;

use super::Picture;
use crate::choice::{self, End};

/// Options of `peers add`.
#[derive(Debug, Args)]
pub(crate) struct Addition {
    /// Its name
    name: PeerName,
    /// Whose it is; the household's when not said
    #[arg(long, value_name = "PERSON")]
    person: Option<Username>,
    /// Its key, when it made its own; otherwise the box makes a key pair
    #[arg(long, value_name = "KEY")]
    public_key: Option<PublicKey>,
    /// Send only what is for the cell through the tunnel, not all traffic
    #[arg(long)]
    split: bool,
    /// Let it talk to other devices that may
    #[arg(long)]
    peer_to_peer: bool,
    #[command(flatten)]
    services: Services,
    /// Add a further key that both ends share
    #[arg(long)]
    preshared_key: bool,
    /// When it loses access by itself, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
    #[command(flatten)]
    pub(super) picture: Picture,
}

/// Options of `peers change`.
#[derive(Debug, Args)]
pub(crate) struct Changes {
    /// Its name
    name: PeerName,
    #[command(flatten)]
    access: Access,
}

/// At least one of these makes a change.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Access {
    /// Send all of its traffic through the tunnel
    #[arg(long, conflicts_with = "split")]
    full: bool,
    /// Send only what is for the cell through the tunnel
    #[arg(long)]
    split: bool,
    /// Whether it may talk to other devices that may
    #[arg(long, value_name = "YES|NO", action = ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    peer_to_peer: Option<bool>,
    /// Kinds of service it may use
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = choice::service())]
    services: Option<Vec<ServiceToggle>>,
    /// Let it use no service
    #[arg(long, conflicts_with = "services")]
    no_services: bool,
    /// Whose it is: an account, or `nobody`
    #[arg(long, value_name = "PERSON|nobody")]
    person: Option<Whose>,
    /// Another key, made on the device
    #[arg(long, value_name = "KEY")]
    public_key: Option<PublicKey>,
    /// Its way out: the id of one, as `exits list` has it, or `uplink`
    #[arg(long, value_name = "ID|uplink")]
    exit: Option<Exit>,
    /// Whether it leaves by the uplink while its way out leads nowhere; `usual`: it does not
    #[arg(long, value_name = "yes|no|usual")]
    fail_open: Option<Failopen>,
    /// When it loses access by itself: a time, or `never`
    #[arg(long, value_name = "TIME|never")]
    expires: Option<End>,
}

/// Which services a new device may use; all of them when nothing is said.
#[derive(Debug, Args)]
struct Services {
    /// Kinds of service it may use; all of them when not said
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = choice::service())]
    services: Option<Vec<ServiceToggle>>,
    /// Let it use no service
    #[arg(long, conflicts_with = "services")]
    no_services: bool,
}

/// Whose a device is; `None`: nobody's in particular.
#[derive(Debug, Clone)]
struct Whose(Option<Username>);

impl FromStr for Whose {
    type Err = <Username as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "nobody" => Ok(Self(None)),
            name => name.parse().map(|name| Self(Some(name))),
        }
    }
}

/// A way out; `None`: the uplink.
#[derive(Debug, Clone, Copy)]
struct Exit(Option<Uuid>);

impl FromStr for Exit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "uplink" => Ok(Self(None)),
            id => id
                .parse()
                .map(|id| Self(Some(id)))
                .map_err(|_| "must be an id as `exits list` has it, or uplink"),
        }
    }
}

/// What becomes of a device while its way out leads nowhere; `None`: as usual.
#[derive(Debug, Clone, Copy)]
struct Failopen(Option<bool>);

impl FromStr for Failopen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "yes" => Ok(Self(Some(true))),
            "no" => Ok(Self(Some(false))),
            "usual" => Ok(Self(None)),
            _ => Err("must be yes, no or usual"),
        }
    }
}

impl Addition {
    /// The form the core takes.
    pub(super) fn form(self) -> PeerForm {
        PeerForm {
            name: self.name,
            username: self.person,
            full_tunnel: !self.split,
            public_key: self.public_key,
            services: chosen(self.services.services, self.services.no_services),
            peer_to_peer: self.peer_to_peer,
            preshared_key: self.preshared_key,
            exit_connection_id: None,
            expires_at: self.expires,
        }
    }
}

impl Changes {
    /// Which device, and what changes.
    pub(super) fn update(self) -> (PeerName, PeerUpdate) {
        let access = self.access;
        let update = PeerUpdate {
            username: access.person.map(|Whose(person)| person),
            full_tunnel: (access.full || access.split).then_some(access.full),
            peer_to_peer: access.peer_to_peer,
            services: chosen(access.services, access.no_services),
            public_key: access.public_key,
            exit_connection_id: access.exit.map(|Exit(id)| id),
            failopen: access.fail_open.map(|Failopen(failopen)| failopen),
            expires_at: access.expires.map(End::time),
        };
        (self.name, update)
    }
}

fn chosen(named: Option<Vec<ServiceToggle>>, none: bool) -> Option<BTreeSet<ServiceToggle>> {
    if none {
        return Some(BTreeSet::new());
    }
    named.map(BTreeSet::from_iter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Add {
        // `--qr` may not stand beside this option of the whole program.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        addition: Addition,
    }

    #[derive(Debug, Parser)]
    struct Change {
        #[command(flatten)]
        changes: Changes,
    }

    fn form(words: &str) -> PeerForm {
        let words = ["add"].into_iter().chain(words.split(' '));
        Add::parse_from(words).addition.form()
    }

    fn update(words: &str) -> Result<PeerUpdate, clap::Error> {
        let words = ["change", "anna"]
            .into_iter()
            .chain(words.split_terminator(' '));
        Change::try_parse_from(words).map(|parsed| parsed.changes.update().1)
    }

    #[test]
    fn device_gets_everything_but_its_neighbours_unless_said() {
        let form = form("anna");
        assert!(form.full_tunnel && !form.peer_to_peer && !form.preshared_key);
        assert_eq!(
            (form.services, form.public_key, form.expires_at),
            (None, None, None)
        );
    }

    #[test]
    fn options_of_a_new_device_reach_the_form() {
        let form = form(
            "anna --split --peer-to-peer --services mail,files --expires 2027-01-31T00:00:00Z",
        );
        assert!(!form.full_tunnel && form.peer_to_peer);
        assert_eq!(
            form.services,
            Some(BTreeSet::from([ServiceToggle::Files, ServiceToggle::Mail]))
        );
        assert_eq!(
            form.expires_at,
            Some("2027-01-31T00:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn no_service_differs_from_nothing_said() {
        assert_eq!(form("anna --no-services").services, Some(BTreeSet::new()));
        assert_eq!(
            update("--no-services").unwrap().services,
            Some(BTreeSet::new())
        );
        assert!(update("--no-services --services mail").is_err());
    }

    #[test]
    fn change_leaves_what_is_not_named() {
        let changed = update("--split").unwrap();
        assert_eq!(changed.full_tunnel, Some(false));
        assert_eq!((changed.peer_to_peer, changed.services), (None, None));
        assert_eq!(changed.expires_at, None);
        assert_eq!(update("--full").unwrap().full_tunnel, Some(true));
        assert_eq!(
            update("--peer-to-peer no").unwrap().peer_to_peer,
            Some(false)
        );
    }

    #[test]
    fn never_takes_the_date_away() {
        assert_eq!(update("--expires never").unwrap().expires_at, Some(None));
        let at = update("--expires 2027-01-31T00:00:00Z").unwrap().expires_at;
        assert!(at.flatten().is_some());
        assert!(update("--expires tomorrow").is_err());
    }

    #[test]
    fn change_of_nothing_and_both_tunnels_are_refused() {
        assert!(update("").is_err());
        assert!(update("--full --split").is_err());
    }
}
