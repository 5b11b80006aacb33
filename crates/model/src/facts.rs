//! What is so without anybody having asked for it: interfaces, addresses, how the daemon was started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::config::InitialConfig;
use crate::name::{DnsLabel, InterfaceName};
use crate::spec::{HTTP_PORT, HTTPS_PORT};

/// How the daemon was started. Does not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOptions {
    /// The uplink.
    pub wan: InterfaceName,
    /// The home side; `None`: one-armed.
    pub lan: Option<InterfaceName>,
    /// Admin listener: an address of its own, or only a port when the address is unspecified.
    pub admin: Option<SocketAddr>,
    /// Port of the name server.
    pub dns_port: u16,
    /// Port of the VPN.
    pub wireguard_port: u16,
    /// Whether containers may be run.
    pub containers: bool,
    /// What holds until the box is set up.
    pub initial: InitialConfig,
}

impl StartOptions {
    /// Port of the admin page where nothing else is said.
    pub const ADMIN_PORT: u16 = 8443;

    /// The port of the admin page.
    pub fn admin_port(&self) -> u16 {
        self.admin
            .map_or(Self::ADMIN_PORT, |address| address.port())
    }

    /// What the box was started with that is in the place of the services' reverse proxy, as on the command line; `None`:
    /// nothing.
    pub fn in_place_of_proxy(&self) -> Option<String> {
        let taken = [
            ("--admin", self.admin_port(), &[HTTP_PORT, HTTPS_PORT][..]),
            ("--dns-port", self.dns_port, &[HTTP_PORT, HTTPS_PORT][..]),
            // Over UDP, where HTTP/3 is.
            ("--wg-port", self.wireguard_port, &[HTTPS_PORT][..]),
        ];
        let mut taken = taken.into_iter();
        let (option, port, _) = taken.find(|(_, port, needed)| needed.contains(port))?;
        Some(format!("{option} with port {port}"))
    }

    /// The interface people at home are behind: `lan`, or the uplink of a one-armed box.
    pub fn home(&self) -> &InterfaceName {
        self.lan.as_ref().unwrap_or(&self.wan)
    }
}

/// What the network looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFacts {
    /// Interfaces that exist, by name.
    pub interfaces: BTreeMap<InterfaceName, InterfaceFacts>,
    /// Next hop of the IPv4 default route.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers the uplink was given.
    pub resolvers: Vec<SocketAddr>,
    /// What the DHCP clients know, by the interface they ask on.
    #[serde(default)]
    pub dhcp: BTreeMap<InterfaceName, DhcpFacts>,
    /// The label of the name the box is found by at home; `None` while it is found by none.
    #[serde(default)]
    pub found_as: Option<DnsLabel>,
}

/// What one interface looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceFacts {
    /// Administratively up.
    pub up: bool,
    /// A carrier is there.
    pub carrier: bool,
    /// Its addresses with prefix lengths; link-local IPv6 left out.
    pub addresses: BTreeSet<IpNet>,
}

/// What a DHCP client knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpFacts {
    /// Nothing is known yet, so the addresses that are there stay.
    pub undecided: bool,
    /// What a server granted, fit for use and not run out.
    pub lease: Option<LeaseFacts>,
    /// A free link-local address (RFC 3927) to use because no server was heard for long.
    pub fallback: Option<Ipv4Net>,
    /// What is wrong with the newest grant, in a sentence.
    pub complaint: Option<String>,
}

/// What a DHCP server granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseFacts {
    /// Address and prefix length.
    pub address: Ipv4Net,
    /// Where everything else goes.
    pub router: Option<Ipv4Addr>,
    /// Name servers, in order.
    pub resolvers: Vec<Ipv4Addr>,
    /// Who granted it.
    pub server: Option<Ipv4Addr>,
    /// When it ends: time since boot, sleep included (`CLOCK_BOOTTIME`), which nobody sets.
    pub until: Duration,
}

impl NetworkFacts {
    /// Addresses of an interface; none when it does not exist.
    pub fn addresses(&self, interface: &InterfaceName) -> impl Iterator<Item = IpNet> {
        self.interfaces
            .get(interface)
            .into_iter()
            .flat_map(|facts| facts.addresses.iter().copied())
    }
}

/// Reachable from anywhere, as far as the address itself tells: not private, shared (RFC 6598), loopback,
/// link-local, multicast, of this network (0.0.0.0/8) or kept for the future (240.0.0.0/4).
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            !(matches!(first, 0 | 240..)
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || shared)
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
    }
}

/// Whether an address is of a private network: RFC 1918, RFC 3927 or RFC 4193.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
