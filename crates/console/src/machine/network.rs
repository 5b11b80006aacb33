//! Interfaces and addresses as the kernel has them.

use cell_model::facts::is_private;
use cell_netlink::{Link, Netlink, NetlinkError, Scope};
use ipnet::IpNet;

use crate::situation::Interface;

/// All interfaces but loopback, by name; private IPv4 addresses first, since those are what people type.
///
/// # Errors
/// When the kernel does not answer.
pub async fn interfaces() -> Result<Vec<Interface>, NetlinkError> {
    let netlink = Netlink::new();
    let addresses = netlink.addresses().await?;
    let mut found: Vec<Interface> = netlink
        .links()
        .await?
        .into_iter()
        .filter(|link| link.name.as_str() != "lo")
        .map(|link| {
            let mut own: Vec<IpNet> = addresses
                .iter()
                .filter(|address| address.interface == link.name)
                // An IPv4 address of link scope is the one a box without DHCP gives itself.
                .filter(|address| address.scope != Scope::Link || address.address.addr().is_ipv4())
                .map(|address| address.address)
                .collect();
            own.sort_by_key(|network| {
                let address = network.addr();
                (address.is_ipv6(), !is_private(address), *network)
            });
            Interface {
                carrier: link.carrier,
                is_port: is_port(&link),
                name: link.name,
                addresses: own,
            }
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// Hardware, or the end of a virtual cable; not what software made on top of others.
fn is_port(link: &Link) -> bool {
    link.kind.as_deref().is_none_or(|kind| kind == "veth")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_and_tunnels_are_no_ports() {
        for (kind, port) in [
            (None, true),
            (Some("veth"), true),
            (Some("bridge"), false),
            (Some("wireguard"), false),
        ] {
            let link = Link {
                name: "x0".parse().unwrap(),
                index: 1,
                up: true,
                carrier: true,
                carrier_changes: 0,
                kind: kind.map(str::to_owned),
                mtu: 1_500,
                mac: None,
            };
            assert_eq!(is_port(&link), port, "{kind:?}");
        }
    }
}
