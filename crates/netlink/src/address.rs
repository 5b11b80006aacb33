use std::collections::BTreeMap;
use std::net::IpAddr;

use cell_model::name::InterfaceName;
use ipnet::IpNet;
use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Ifa, IfaF, RtAddrFamily, RtScope, Rtm};
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder};
use neli::types::{Buffer, RtBuffer};
use rustix::io::Errno;

use crate::attribute::{self, as_address, family};
use crate::error::settled;
use crate::{Netlink, NetlinkError, socket};

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface that has it.
    pub interface: InterfaceName,
    /// The address with its prefix length; of a point-to-point interface, our own end.
    pub address: IpNet,
    /// How far it reaches.
    pub scope: Scope,
}

/// How far an address reaches (`rtm_scope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// This site (deprecated IPv6 site-local addresses).
    Site,
    /// The neighbours on the same wire: 169.254/16 where so configured, fe80::/10.
    Link,
    /// This host alone.
    Host,
}

impl Netlink {
    /// All addresses of all interfaces that [`Netlink::links`] lists, without those that nothing can listen on: while the
    /// kernel still asks whether somebody else has an IPv6 address, and when somebody has. A watch tells when that ends.
    pub async fn addresses(&self) -> Result<Vec<Address>, NetlinkError> {
        let names: BTreeMap<u32, InterfaceName> = self.names().await?;
        let request = builder(RtAddrFamily::Unspecified, 0, 0)
            .build()
            .expect("every required field is set");
        let parts = socket::list("list addresses", Rtm::Getaddr, request).await?;
        Ok(parts.iter().filter_map(|part| read(part, &names)).collect())
    }

    /// Gives an interface an address. An IPv6 address can be used at once, without a search for duplicates.
    pub async fn add_address(
        &self,
        interface: &InterfaceName,
        address: IpNet,
    ) -> Result<(), NetlinkError> {
        let attempt = format!("add address {address} to {interface}");
        let index = self.link(interface).await?.index;
        let flags = NlmF::CREATE | NlmF::EXCL;
        let result = socket::change(&attempt, Rtm::Newaddr, flags, message(index, address)).await;
        settled(result, &[Errno::EXIST])
    }

    /// Takes an address from an interface. IPv4 addresses of the same subnet that were added later go with it, unless
    /// the interface promotes them (`net.ipv4.conf.*.promote_secondaries`).
    pub async fn remove_address(
        &self,
        interface: &InterfaceName,
        address: IpNet,
    ) -> Result<(), NetlinkError> {
        let attempt = format!("remove address {address} from {interface}");
        let index = match self.link(interface).await {
            Err(NetlinkError::NoInterface(_)) => return Ok(()),
            other => other?.index,
        };
        let request = message(index, address);
        let result = socket::change(&attempt, Rtm::Deladdr, NlmF::empty(), request).await;
        settled(result, &[Errno::ADDRNOTAVAIL, Errno::NODEV])
    }

    /// Names of the interfaces by number.
    pub(crate) async fn names(&self) -> Result<BTreeMap<u32, InterfaceName>, NetlinkError> {
        let links = self.links().await?;
        Ok(links
            .into_iter()
            .map(|link| (link.index, link.name))
            .collect())
    }
}

fn builder(family: RtAddrFamily, prefix: u8, index: u32) -> IfaddrmsgBuilder {
    IfaddrmsgBuilder::default()
        .ifa_family(family)
        .ifa_prefixlen(prefix)
        .ifa_scope(RtScope::Universe)
        .ifa_index(index)
}

fn message(index: u32, address: IpNet) -> Ifaddrmsg {
    let host = address.addr();
    // Both, or removal takes any prefix length for a match.
    let attributes: RtBuffer<Ifa, Buffer> = [Ifa::Local, Ifa::Address]
        .map(|kind| attribute::address(kind, host))
        .into_iter()
        .collect();
    let scope = if host.is_loopback() {
        RtScope::Host
    } else {
        RtScope::Universe
    };
    let flags = match host {
        IpAddr::V4(_) => IfaF::empty(),
        IpAddr::V6(_) => IfaF::NODAD,
    };
    builder(family(host), address.prefix_len(), index)
        .ifa_scope(scope)
        .ifa_flags(flags)
        .rtattrs(attributes)
        .build()
        .expect("every required field is set")
}

fn read(message: &Ifaddrmsg, names: &BTreeMap<u32, InterfaceName>) -> Option<Address> {
    let flags = message.ifa_flags();
    let is_asked_for = flags.contains(IfaF::TENTATIVE) && !flags.contains(IfaF::OPTIMISTIC);
    if is_asked_for || flags.contains(IfaF::DADFAILED) {
        return None;
    }
    // IFA_ADDRESS is the other end of a point-to-point IPv4 interface; IPv6 mostly has no IFA_LOCAL.
    let host = as_address(message.rtattrs(), Ifa::Local)
        .or_else(|| as_address(message.rtattrs(), Ifa::Address))?;
    Some(Address {
        interface: names.get(message.ifa_index())?.clone(),
        address: IpNet::new(host, *message.ifa_prefixlen()).ok()?,
        scope: match message.ifa_scope() {
            RtScope::Site => Scope::Site,
            RtScope::Link => Scope::Link,
            RtScope::Host => Scope::Host,
            _ => Scope::Global,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> BTreeMap<u32, InterfaceName> {
        [(3, "eth0".parse().unwrap())].into()
    }

    #[test]
    fn address_is_read_as_it_was_written() {
        for text in ["192.168.7.1/24", "fd00::1/64", "127.0.0.2/8"] {
            let address: IpNet = text.parse().unwrap();
            let read = read(&message(3, address), &names()).unwrap();
            assert_eq!(read.address, address);
            assert_eq!(read.interface.as_str(), "eth0");
            assert_eq!(read.scope == Scope::Host, text.starts_with("127"));
        }
    }

    #[test]
    fn address_that_may_be_somebody_elses_is_left_out() {
        let flagged = |flags| {
            builder(RtAddrFamily::Inet6, 64, 3)
                .ifa_flags(flags)
                .rtattrs(
                    [attribute::address(Ifa::Address, "fd00::1".parse().unwrap())]
                        .into_iter()
                        .collect(),
                )
                .build()
                .unwrap()
        };
        let is_read = |flags| read(&flagged(flags), &names()).is_some();
        assert!(is_read(IfaF::PERMANENT));
        assert!(!is_read(IfaF::TENTATIVE));
        assert!(is_read(IfaF::TENTATIVE | IfaF::OPTIMISTIC));
        assert!(!is_read(IfaF::DADFAILED | IfaF::PERMANENT));
    }

    #[test]
    fn only_ipv6_skips_the_search_for_duplicates() {
        let v4 = message(3, "192.168.7.1/24".parse().unwrap());
        let v6 = message(3, "fd00::1/64".parse().unwrap());
        assert!(v4.ifa_flags().is_empty());
        assert!(v6.ifa_flags().contains(IfaF::NODAD));
    }

    #[test]
    fn address_of_an_interface_that_has_gone_is_left_out() {
        let message = message(4, "192.168.7.1/24".parse().unwrap());
        assert_eq!(read(&message, &names()), None);
    }
}
