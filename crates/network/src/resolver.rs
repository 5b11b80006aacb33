//! The name servers the uplink was given, out of a file such as `/etc/resolv.conf` (resolv.conf(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use cell_model::name::InterfaceName;

/// Where name servers listen.
const PORT: u16 = 53;

/// Name servers of the text, in its order, each once.
///
/// Left out: loopback, unspecified and `own` addresses, so that the box never forwards to itself; and link-local IPv6
/// addresses without a zone that is in `indexes`, which lead nowhere.
pub fn parse(
    text: &str,
    own: &BTreeSet<IpAddr>,
    indexes: &BTreeMap<InterfaceName, u32>,
) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let server = words.next().and_then(|word| server(word, indexes));
        if let Some(server) = server
            && is_elsewhere(server.ip(), own)
            && !servers.contains(&server)
        {
            servers.push(server);
        }
    }
    servers
}

/// Name servers of a lease, in its order, without `own` addresses.
pub fn granted(servers: &[Ipv4Addr], own: &BTreeSet<IpAddr>) -> Vec<SocketAddr> {
    let servers = servers.iter().map(|server| IpAddr::from(*server));
    servers
        .filter(|server| is_elsewhere(*server, own))
        .map(|server| SocketAddr::new(server, PORT))
        .collect()
}

fn server(word: &str, indexes: &BTreeMap<InterfaceName, u32>) -> Option<SocketAddr> {
    let (address, zone) = match word.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (word, None),
    };
    match address.parse().ok()? {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            let zone = index(zone?, indexes)?;
            Some(SocketAddrV6::new(v6, PORT, 0, zone).into())
        }
        address if zone.is_none() => Some(SocketAddr::new(address, PORT)),
        _ => None,
    }
}

/// A zone is the name or the number of an interface (RFC 4007 section 11.2).
fn index(zone: &str, indexes: &BTreeMap<InterfaceName, u32>) -> Option<u32> {
    let by_name = zone
        .parse()
        .ok()
        .and_then(|name: InterfaceName| indexes.get(&name).copied());
    by_name.or_else(|| {
        let number = zone.parse().ok()?;
        indexes
            .values()
            .any(|index| *index == number)
            .then_some(number)
    })
}

fn is_elsewhere(address: IpAddr, own: &BTreeSet<IpAddr>) -> bool {
    // ::ffff:127.0.0.1 is 127.0.0.1.
    let address = address.to_canonical();
    !address.is_loopback() && !address.is_unspecified() && !own.contains(&address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Vec<String> {
        let own = ["192.168.7.1", "fd00::1"].map(|text| text.parse().unwrap());
        let indexes = [("eth0".parse().unwrap(), 3)];
        parse(text, &own.into(), &indexes.into())
            .iter()
            .map(SocketAddr::to_string)
            .collect()
    }

    #[test]
    fn servers_keep_their_order_and_come_once() {
        let text = "# by the DHCP client\nsearch lan\nnameserver 9.9.9.9\nnameserver\t2620:fe::fe \n\
                    nameserver 9.9.9.9 # again\noptions edns0\nnameserver 1.1.1.1";
        assert_eq!(
            parsed(text),
            ["9.9.9.9:53", "[2620:fe::fe]:53", "1.1.1.1:53"]
        );
    }

    #[test]
    fn the_box_itself_is_no_server() {
        for own in [
            "127.0.0.53",
            "::1",
            "0.0.0.0",
            "::",
            "192.168.7.1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.7.1",
        ] {
            assert_eq!(parsed(&format!("nameserver {own}")), [""; 0], "{own}");
        }
    }

    #[test]
    fn granted_servers_leave_the_box_out() {
        let own = BTreeSet::from(["192.168.7.1".parse().unwrap()]);
        let servers = ["9.9.9.9", "192.168.7.1", "127.0.0.1"].map(|text| text.parse().unwrap());
        assert_eq!(granted(&servers, &own), ["9.9.9.9:53".parse().unwrap()]);
    }

    #[test]
    fn link_local_server_needs_an_interface_that_exists() {
        assert_eq!(parsed("nameserver fe80::1%eth0"), ["[fe80::1%3]:53"]);
        assert_eq!(parsed("nameserver fe80::1%3"), ["[fe80::1%3]:53"]);
        for useless in ["fe80::1", "fe80::1%eth9", "fe80::1%9", "9.9.9.9%eth0"] {
            assert_eq!(parsed(&format!("nameserver {useless}")), [""; 0]);
        }
    }

    #[test]
    fn what_is_no_server_line_is_passed_over() {
        let text = "nameserver\nnameserver dns.example\n;nameserver 9.9.9.9\nNAMESERVER 9.9.9.9\nnameserver9.9.9.9";
        assert_eq!(parsed(text), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_text_gives_only_foreign_servers(text in "(nameserver [0-9a-f:.%]{0,12}\n|.{0,20}\n){0,8}") {
            for server in parse(&text, &BTreeSet::new(), &BTreeMap::new()) {
                prop_assert_eq!(server.port(), 53);
                prop_assert!(!server.ip().is_loopback());
            }
        }
    }
}
