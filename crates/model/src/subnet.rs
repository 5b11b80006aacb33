//! VPN subnets: which are allowed, and how addresses are handed out of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Why a subnet cannot be the VPN's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// No prefix length, or not an IPv4 network.
    #[error("must be an IPv4 network with a prefix length, such as 10.31.7.0/24")]
    Form,
    /// Outside RFC 1918.
    #[error("must be private: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 (RFC 1918)")]
    NotPrivate,
    /// Bits set behind the prefix.
    #[error("must not have bits set behind the prefix: is {0} meant?")]
    HostBits(Ipv4Net),
    /// Too small to hold the box and a device, or larger than the private range itself.
    #[error("must have a prefix length from 8 to 30")]
    Size,
}

const PRIVATE: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// Reads a VPN subnet: RFC 1918, with a prefix length, no host bits.
pub fn parse_vpn_subnet(text: &str) -> Result<Ipv4Net, SubnetError> {
    let subnet: Ipv4Net = text.parse().map_err(|_| SubnetError::Form)?;
    check_vpn_subnet(subnet)?;
    Ok(subnet)
}

/// The same test for a network that is one already.
pub fn check_vpn_subnet(subnet: Ipv4Net) -> Result<(), SubnetError> {
    if !PRIVATE
        .iter()
        .any(|range| range.contains(&subnet.network()))
    {
        return Err(SubnetError::NotPrivate);
    }
    if subnet.trunc() != subnet {
        return Err(SubnetError::HostBits(subnet.trunc()));
    }
    if !(8..=30).contains(&subnet.prefix_len())
        || !PRIVATE.iter().any(|range| range.contains(&subnet))
    {
        return Err(SubnetError::Size);
    }
    Ok(())
}

/// The box's own address: the first host of the subnet.
pub fn cell_address(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()) + 1)
}

/// The IPv6 address that belongs to an IPv4 address of the VPN: the same host number in the ULA /64.
pub fn matching_v6(subnet6: Ipv6Net, subnet: Ipv4Net, address: Ipv4Addr) -> Ipv6Addr {
    let host = u32::from(address) - u32::from(subnet.network());
    Ipv6Addr::from(u128::from(subnet6.network()) + u128::from(host))
}

/// Host addresses for devices, in order: from the second host to the last before the broadcast address.
pub fn peer_addresses(subnet: Ipv4Net) -> impl Iterator<Item = Ipv4Addr> {
    let first = u32::from(subnet.network()) + 2;
    let last = u32::from(subnet.broadcast()) - 1;
    (first..=last).map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vpn_subnet_must_be_private_with_a_prefix() {
        assert!(parse_vpn_subnet("10.31.7.0/24").is_ok());
        assert!(parse_vpn_subnet("172.31.0.0/16").is_ok());
        assert_eq!(parse_vpn_subnet("10.31.7.0"), Err(SubnetError::Form));
        assert_eq!(parse_vpn_subnet("8.8.8.0/24"), Err(SubnetError::NotPrivate));
        assert_eq!(
            parse_vpn_subnet("172.32.0.0/16"),
            Err(SubnetError::NotPrivate)
        );
        assert_eq!(parse_vpn_subnet("10.0.0.0/31"), Err(SubnetError::Size));
        assert_eq!(
            parse_vpn_subnet("172.16.0.0/11"),
            Err(SubnetError::NotPrivate)
        );
        assert_eq!(
            parse_vpn_subnet("192.168.0.0/12"),
            Err(SubnetError::NotPrivate)
        );
        assert_eq!(parse_vpn_subnet("fd00::/64"), Err(SubnetError::Form));
        assert_eq!(
            parse_vpn_subnet("10.31.7.9/24"),
            Err(SubnetError::HostBits("10.31.7.0/24".parse().unwrap()))
        );
    }

    #[test]
    fn addresses_start_behind_the_box_and_end_before_broadcast() {
        let subnet = "10.31.7.0/30".parse().unwrap();
        assert_eq!(cell_address(subnet), Ipv4Addr::new(10, 31, 7, 1));
        assert_eq!(
            peer_addresses(subnet).collect::<Vec<_>>(),
            [Ipv4Addr::new(10, 31, 7, 2)]
        );
        let v6 = matching_v6(
            "fd12:3456:789a:1::/64".parse().unwrap(),
            subnet,
            Ipv4Addr::new(10, 31, 7, 2),
        );
        assert_eq!(v6, "fd12:3456:789a:1::2".parse::<Ipv6Addr>().unwrap());
    }
}
