//! The packet filter and NAT of the box.
//!
//! # What it is for
//! It turns a [`FirewallSpec`] into the rules of one nftables table, `inet cell`, loads them, and says what is loaded.
//! Devices live in named sets, so that one of 10,000 can come, change or go without touching the rest.
//!
//! # What it promises
//! - A [`FirewallStep`] is one nftables transaction: the kernel takes all of it or none, and no packet ever meets half a
//!   generation.
//! - What is not allowed by a rule is dropped. [`Phase::Closed`] rules name interfaces
//!   only by text, so they load before any interface exists.
//! - What leaves the sets stops at once, established flows included: devices are checked against the sets before
//!   connection tracking may wave a packet through, and other cells against what they were given.
//! - Rules outlive the process: nothing ties the table to whoever loaded it.
//!
//! # What it must never do
//! - Touch a table other than its own, or flush the rule set: container networks keep tables beside it.
//! - Decide anything: who may do what is in the spec.
//!
//! # Where to start reading
//! `render/chains.rs` holds the rules, `render/sets.rs` the sets; `apply.rs` is the only code that changes the kernel.

mod apply;
mod error;
pub mod fake;
mod observe;
mod render;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use async_trait::async_trait;
use cell_model::name::InterfaceName;
use cell_model::spec::{FirewallContainers, FirewallSpec, PeerAccess, Phase};
use cell_model::step::FirewallStep;

pub use apply::Nft;
pub use error::FirewallError;
pub use render::{render_patch, render_replace};

/// The packet filter, as the reconciler uses it.
#[async_trait]
pub trait Firewall: Send + Sync {
    /// Reads what is loaded. Reads every element: about a second of CPU with 10,000 devices on a small board.
    ///
    /// # Errors
    /// `nft` cannot be run, refuses, or answers something else than a listing.
    async fn observe(&self) -> Result<FirewallStatus, FirewallError>;

    /// Carries out the step. Doing it again changes nothing.
    ///
    /// # Errors
    /// `nft` cannot be run or refuses; the rules are then as they were.
    async fn apply(&self, step: &FirewallStep) -> Result<(), FirewallError>;

    /// Asks the kernel whether the step is in effect. After a patch only the elements it touched are looked at.
    ///
    /// # Errors
    /// [`FirewallError::NotInEffect`] when it is not; otherwise as for [`observe`](Self::observe).
    async fn verify(&self, step: &FirewallStep) -> Result<(), FirewallError>;
}

/// What the kernel holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirewallStatus {
    /// There is no table of ours, or one that bears no generation of ours.
    Absent,
    /// A generation is loaded.
    Loaded(LoadedRules),
}

impl FirewallStatus {
    /// What is to be seen once this spec is loaded.
    pub fn of(spec: &FirewallSpec) -> Self {
        Self::Loaded(LoadedRules {
            generation: Generation::of(spec),
            peers: spec.peers.clone(),
            intact: true,
        })
    }
}

/// A loaded generation and its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedRules {
    /// Which rules.
    pub generation: Generation,
    /// Devices as read from the sets, by IPv4 address.
    pub peers: BTreeMap<Ipv4Addr, PeerAccess>,
    /// Whether sets and rules hold together. If not, somebody else changed them and only
    /// [`FirewallStep::Replace`] mends it.
    pub intact: bool,
}

/// Names the rules of a spec, its devices left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// How far the box is open.
    pub phase: Phase,
    /// Stands for the text of every rule: 16 hexadecimal digits.
    pub fingerprint: String,
    /// How many rules there are.
    pub rules: usize,
}

impl Generation {
    /// The generation this spec renders to.
    pub fn of(spec: &FirewallSpec) -> Self {
        render::generation(spec)
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let phase = match words.next()? {
            "closed" => Phase::Closed,
            "open" => Phase::Open,
            _ => return None,
        };
        let fingerprint = words.next()?.to_owned();
        let rules = words.next()?.parse().ok()?;
        words.next().is_none().then_some(Self {
            phase,
            fingerprint,
            rules,
        })
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Closed => "closed",
            Phase::Open => "open",
        };
        write!(f, "{phase} {} {}", self.fingerprint, self.rules)
    }
}

/// The rules of the first moments: nothing is forwarded, nobody is answered, the box may ask for an address.
/// For loading before any interface is up and before the config is read.
pub fn closed_boot_spec(wan: InterfaceName, lan: Option<InterfaceName>) -> FirewallSpec {
    FirewallSpec {
        phase: Phase::Closed,
        wan,
        lan,
        vpn: None,
        local_sources: BTreeSet::new(),
        admin_ports: BTreeSet::new(),
        https: None,
        dns_port: DNS_PORT,
        peers: BTreeMap::new(),
        services: BTreeSet::new(),
        containers: FirewallContainers::default(),
        links: Vec::new(),
        exits: Vec::new(),
    }
}

/// RFC 1035, section 4.2.
const DNS_PORT: u16 = 53;

#[cfg(test)]
mod tests {
    use cell_model::spec::WayOut;

    use super::*;

    #[test]
    fn generation_survives_being_written_down() {
        let spec = closed_boot_spec("eth0".parse().unwrap(), None);
        let generation = Generation::of(&spec);
        assert_eq!(
            Generation::parse(&generation.to_string()),
            Some(generation.clone())
        );
        assert_eq!(Generation::parse("ajar 00 1"), None);
        assert_eq!(Generation::parse(&format!("{generation} more")), None);
        assert_eq!(Generation::parse(""), None);
    }

    #[test]
    fn phase_changes_the_generation_but_peers_do_not() {
        let mut closed = closed_boot_spec("eth0".parse().unwrap(), Some("eth1".parse().unwrap()));
        closed.local_sources = BTreeSet::from(["192.168.1.0/24".parse().unwrap()]);
        let mut open = closed.clone();
        open.phase = Phase::Open;
        assert_ne!(
            Generation::of(&closed).fingerprint,
            Generation::of(&open).fingerprint
        );
        let mut peered = closed.clone();
        peered.peers.insert(
            Ipv4Addr::new(10, 9, 8, 2),
            PeerAccess {
                address6: "fd00::2".parse().unwrap(),
                internet: WayOut::Uplink,
                peer_to_peer: true,
                services: BTreeSet::new(),
            },
        );
        assert_eq!(Generation::of(&closed), Generation::of(&peered));
    }
}
