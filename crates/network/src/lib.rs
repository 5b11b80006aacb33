//! Addresses, default route and forwarding of the box, and the DHCP clients that ask for addresses.
//!
//! Promises: interfaces the spec does not name are left alone; a new address is there before an old one goes, so that
//! connections survive; applying a spec twice changes nothing the second time; what cannot be done on one interface
//! does not keep the others from their turn. A lease is a fact and no more: its address comes when a spec says so.
//! Must never: touch IPv6 addresses (the kernel and the router advertisements look after those), routes of other
//! tables, the packet filter, or decide what the network should look like.
//! Start reading at [`Network`], then [`plan`], which is pure and decides all there is to decide.

mod apply;
pub mod dhcp;
mod error;
pub mod fake;
mod kernel;
mod observe;
pub mod plan;
pub mod resolver;
mod setting;
pub mod state;

use async_trait::async_trait;
use cell_model::facts::NetworkFacts;
use cell_model::spec::NetworkSpec;
use cell_model::step::NetworkStep;
use ipnet::IpNet;
use tokio::sync::mpsc;

pub use dhcp::DhcpOptions;
pub use error::NetworkError;
pub use kernel::KernelNetwork;
pub use plan::{Change, NetworkPlan};

/// The network of the box, as reconcile sees it.
#[async_trait]
pub trait Network: Send + Sync {
    /// Reads what is so.
    async fn observe(&self) -> Result<NetworkFacts, NetworkError>;

    /// Makes it as the step says; what is so already is left alone.
    ///
    /// # Errors
    /// The first that occurred, after everything that does not depend on what failed was done.
    async fn apply(&self, step: &NetworkStep) -> Result<(), NetworkError>;

    /// What is still to be done for the spec to hold; an empty plan: it holds.
    async fn verify(&self, spec: &NetworkSpec) -> Result<NetworkPlan, NetworkError>;

    /// Starts to listen. Each value means: something that [`Network::observe`] reports may have changed since the last
    /// one; changes that nobody took yet are one value. Ends when the receiver is dropped.
    fn watch(&self) -> Result<mpsc::Receiver<()>, NetworkError>;
}

/// Whether the facts show what the spec asks for. Forwarding is not among the facts: [`Network::verify`] sees it.
pub fn is_applied(facts: &NetworkFacts, spec: &NetworkSpec) -> bool {
    let addressed = spec.interfaces.iter().all(|(name, wanted)| {
        let v4 = facts.addresses(name).filter(|found| found.addr().is_ipv4());
        let up = facts.interfaces.get(name).is_some_and(|found| found.up);
        up && v4.eq(wanted.addresses.iter().copied().map(IpNet::from))
    });
    let asked = spec.dhcp.keys().eq(facts.dhcp.keys());
    let routed =
        plan::default_gateway(spec).is_none_or(|(_, gateway)| facts.gateway == Some(gateway));
    addressed && asked && routed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cell_model::facts::InterfaceFacts;
    use cell_model::spec::InterfaceSpec;

    use super::*;

    fn facts(addresses: &[&str]) -> NetworkFacts {
        let eth0 = InterfaceFacts {
            up: true,
            carrier: false,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        };
        NetworkFacts {
            interfaces: [("eth0".parse().unwrap(), eth0)].into(),
            gateway: Some("192.168.7.254".parse().unwrap()),
            ..NetworkFacts::default()
        }
    }

    fn spec(gateway: Option<&str>) -> NetworkSpec {
        let eth0 = InterfaceSpec {
            addresses: ["192.168.7.1/24".parse().unwrap()].into(),
            gateway: gateway.map(|text| text.parse().unwrap()),
        };
        NetworkSpec {
            interfaces: [("eth0".parse().unwrap(), eth0)].into(),
            dhcp: BTreeMap::new(),
            forwarding: true,
        }
    }

    #[test]
    fn ipv6_addresses_do_not_matter_and_a_carrier_is_not_needed() {
        let facts = facts(&["192.168.7.1/24", "2001:db8::1/64"]);
        assert!(is_applied(&facts, &spec(None)));
        assert!(is_applied(&facts, &spec(Some("192.168.7.254"))));
    }

    #[test]
    fn client_that_is_not_at_work_or_too_many_is_not_applied() {
        let mut facts = facts(&["192.168.7.1/24"]);
        let mut spec = spec(None);
        spec.dhcp = [("eth0".parse().unwrap(), Default::default())].into();
        assert!(!is_applied(&facts, &spec));
        facts.dhcp = [("eth0".parse().unwrap(), Default::default())].into();
        assert!(is_applied(&facts, &spec));
        spec.dhcp.clear();
        assert!(!is_applied(&facts, &spec));
    }

    #[test]
    fn interface_without_lease_has_no_address() {
        let mut spec = spec(None);
        spec.interfaces
            .values_mut()
            .for_each(|eth0| eth0.addresses.clear());
        assert!(is_applied(&facts(&["2001:db8::1/64"]), &spec));
        assert!(!is_applied(&facts(&["192.168.7.1/24"]), &spec));
    }

    #[test]
    fn anything_but_the_one_address_is_not_applied() {
        for addresses in [
            &[] as &[&str],
            &["192.168.7.1/16"],
            &["192.168.7.2/24"],
            &["192.168.7.1/24", "192.168.7.2/24"],
        ] {
            assert!(!is_applied(&facts(addresses), &spec(None)), "{addresses:?}");
        }
    }

    #[test]
    fn another_gateway_or_a_downed_or_absent_interface_is_not_applied() {
        let mut facts = facts(&["192.168.7.1/24"]);
        assert!(!is_applied(&facts, &spec(Some("192.168.7.253"))));
        for found in facts.interfaces.values_mut() {
            found.up = false;
        }
        assert!(!is_applied(&facts, &spec(None)));
        facts.interfaces = BTreeMap::new();
        assert!(!is_applied(&facts, &spec(None)));
    }
}
