//! Which peer an address belongs to: the longest allowed network that holds it.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

/// A peer's place in the engine: the upper 24 bits of its session numbers.
pub(super) type PeerIndex = u32;

/// Allowed networks of all peers. A network belongs to one peer; who was given it last has it.
#[derive(Default)]
pub(super) struct Routes {
    v4: PrefixMap<Ipv4Net, PeerIndex>,
    v6: PrefixMap<Ipv6Net, PeerIndex>,
}

impl Routes {
    /// Gives a network to a peer, taking it from any other.
    pub(super) fn insert(&mut self, network: IpNet, peer: PeerIndex) {
        match network.trunc() {
            IpNet::V4(network) => self.v4.insert(network, peer),
            IpNet::V6(network) => self.v6.insert(network, peer),
        };
    }

    /// Takes a network from a peer, if that peer has it.
    pub(super) fn remove(&mut self, network: IpNet, peer: PeerIndex) {
        if self.owner(network) != Some(peer) {
            return;
        }
        match network.trunc() {
            IpNet::V4(network) => self.v4.remove(&network),
            IpNet::V6(network) => self.v6.remove(&network),
        };
    }

    /// The peer that has exactly this network.
    pub(super) fn owner(&self, network: IpNet) -> Option<PeerIndex> {
        match network.trunc() {
            IpNet::V4(network) => self.v4.get(&network).copied(),
            IpNet::V6(network) => self.v6.get(&network).copied(),
        }
    }

    /// The peer whose networks hold this address most closely.
    pub(super) fn peer_of(&self, address: IpAddr) -> Option<PeerIndex> {
        match address {
            IpAddr::V4(address) => self.v4.get_lpm(&address.into()).map(|(_, &peer)| peer),
            IpAddr::V6(address) => self.v6.get_lpm(&address.into()).map(|(_, &peer)| peer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn longest_network_wins_in_both_families() {
        let mut routes = Routes::default();
        routes.insert(net("0.0.0.0/0"), 1);
        routes.insert(net("10.8.0.0/24"), 2);
        routes.insert(net("10.8.0.7/32"), 3);
        routes.insert(net("fd00::/8"), 4);
        routes.insert(net("fd00::7/128"), 5);
        assert_eq!(routes.peer_of(addr("192.0.2.1")), Some(1));
        assert_eq!(routes.peer_of(addr("10.8.0.8")), Some(2));
        assert_eq!(routes.peer_of(addr("10.8.0.7")), Some(3));
        assert_eq!(routes.peer_of(addr("fd00::8")), Some(4));
        assert_eq!(routes.peer_of(addr("fd00::7")), Some(5));
        assert_eq!(routes.peer_of(addr("2001:db8::1")), None);
    }

    #[test]
    fn network_moves_to_whom_it_is_given_last() {
        let mut routes = Routes::default();
        routes.insert(net("10.8.0.7/32"), 1);
        routes.insert(net("10.8.0.7/32"), 2);
        routes.remove(net("10.8.0.7/32"), 1);
        assert_eq!(routes.peer_of(addr("10.8.0.7")), Some(2));
        routes.remove(net("10.8.0.7/32"), 2);
        assert_eq!(routes.peer_of(addr("10.8.0.7")), None);
    }

    #[test]
    fn host_bits_of_a_network_do_not_matter() {
        let mut routes = Routes::default();
        routes.insert(net("10.8.0.7/24"), 1);
        assert_eq!(routes.owner(net("10.8.0.0/24")), Some(1));
        assert_eq!(routes.peer_of(addr("10.8.0.200")), Some(1));
    }
}
