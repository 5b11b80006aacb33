//! Reverse names (`4.3.2.1.in-addr.arpa`, `…ip6.arpa`) and the private ones that are never passed on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks whose reverse names are answered here: RFC 6303 section 4, RFC 7793 for 100.64/10.
const LOCAL: [IpNet; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 2, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([255, 255, 255, 255], 32),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32),
    // RFC 6303 names d.f only; fc00::/8 is not assigned and just as private.
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
];

const fn v4(octets: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(
        Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]),
        length,
    ))
}

const fn v6(groups: [u16; 8], length: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = groups;
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, d, e, f, g, h),
        length,
    ))
}

/// A reverse name, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reverse {
    /// The network it names; a single address when it is complete.
    pub(crate) network: IpNet,
    /// Labels in front that are no part of an address, such as `lb._dns-sd._udp`.
    pub(crate) deeper: bool,
    /// Labels of the name that say the network, `in-addr.arpa` included.
    labels: usize,
}

impl Reverse {
    /// Reads a name in lower case; `None` when it is not below `in-addr.arpa` or `ip6.arpa`.
    pub(crate) fn read(name: &Name) -> Option<Self> {
        let mut labels = name.iter().rev();
        if labels.next()? != b"arpa" {
            return None;
        }
        match labels.next()? {
            b"in-addr" => Some(Self::octets(labels)),
            b"ip6" => Some(Self::nibbles(labels)),
            _ => None,
        }
    }

    fn octets<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut octets = [0_u8; 4];
        let mut count = 0_u8;
        let mut deeper = false;
        for label in labels {
            let octet = std::str::from_utf8(label).ok().and_then(|t| t.parse().ok());
            match (octets.get_mut(usize::from(count)), octet) {
                (Some(place), Some(octet)) => {
                    *place = octet;
                    count += 1;
                }
                _ => {
                    deeper = true;
                    break;
                }
            }
        }
        Self {
            network: v4(octets, count * 8),
            deeper,
            labels: usize::from(count) + 2,
        }
    }

    fn nibbles<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut bits = 0_u128;
        let mut count = 0_u8;
        let mut deeper = false;
        for label in labels {
            let nibble = match label {
                [digit] => char::from(*digit).to_digit(16),
                _ => None,
            };
            match nibble {
                Some(nibble) if count < 32 => {
                    bits |= u128::from(nibble) << (124 - 4 * u32::from(count));
                    count += 1;
                }
                _ => {
                    deeper = true;
                    break;
                }
            }
        }
        Self {
            network: IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from(bits), count * 4)),
            deeper,
            labels: usize::from(count) + 2,
        }
    }

    /// The address, when the name is exactly one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        let complete = self.network.prefix_len() == self.network.max_prefix_len();
        (complete && !self.deeper).then(|| self.network.addr())
    }

    /// The private network the name belongs to.
    pub(crate) fn local(&self) -> Option<IpNet> {
        LOCAL.into_iter().find(|net| net.contains(&self.network))
    }

    /// The name of the zone that holds `network`, which holds this name: cut at the next whole label.
    pub(crate) fn zone(&self, name: &Name, network: IpNet) -> Name {
        let step = match network {
            IpNet::V4(_) => 8,
            IpNet::V6(_) => 4,
        };
        let labels = usize::from(network.prefix_len().div_ceil(step)) + 2;
        name.trim_to(labels.min(self.labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<Reverse> {
        Reverse::read(&Name::from_ascii(name).unwrap())
    }

    #[test]
    fn whole_reverse_name_is_an_address() {
        for address in ["10.31.7.2", "fd12:3456:789a:1::2", "203.0.113.9"] {
            let address: IpAddr = address.parse().unwrap();
            let reverse = Reverse::read(&Name::from(address)).unwrap();
            assert_eq!(reverse.address(), Some(address));
        }
    }

    #[test]
    fn part_of_a_reverse_name_is_a_network_and_no_address() {
        let reverse = read("31.10.in-addr.arpa.").unwrap();
        assert_eq!(reverse.network, "10.31.0.0/16".parse::<IpNet>().unwrap());
        assert_eq!(reverse.address(), None);
    }

    #[test]
    fn labels_in_front_of_an_address_are_seen() {
        let reverse = read("lb._dns-sd._udp.0.1.168.192.in-addr.arpa.").unwrap();
        assert!(reverse.deeper);
        assert_eq!(reverse.address(), None);
        assert_eq!(
            reverse.local(),
            Some("192.168.0.0/16".parse::<IpNet>().unwrap())
        );
    }

    #[test]
    fn public_reverse_names_are_not_local() {
        assert_eq!(read("8.8.8.8.in-addr.arpa.").unwrap().local(), None);
        assert_eq!(read("15.172.in-addr.arpa.").unwrap().local(), None);
        assert_eq!(read("in-addr.arpa.").unwrap().local(), None);
        assert_eq!(read("8.b.d.0.1.0.0.2.ip6.arpa.").unwrap().local(), {
            Some("2001:db8::/32".parse::<IpNet>().unwrap())
        });
        assert!(read("example.").is_none());
    }

    #[test]
    fn zone_is_cut_at_a_whole_label() {
        let name = Name::from_ascii("2.7.20.172.in-addr.arpa.").unwrap();
        let reverse = Reverse::read(&name).unwrap();
        let zone = reverse.zone(&name, reverse.local().unwrap());
        assert_eq!(zone.to_ascii(), "20.172.in-addr.arpa.");
    }
}
