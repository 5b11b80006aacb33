//! The world of a test: who is where, with which address.
//!
//! ```text
//! Layout::Router                                     Layout::OneArmed
//!
//! phone ── internet ── wan0 cell lan0 ── laptop      phone ── internet ─┬─ wan0 cell
//!                                                                       └─ laptop
//! ```
//!
//! `internet` routes between its links and hosts a web server and a DNS server on addresses of their own. In the
//! router layout it knows no way back to the home network, so an answer proves address translation. In the one-armed
//! layout it is the home router, and the cell's uplink is the home network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use crate::dns::{DnsServer, DnsServerError};
use crate::namespace::{Namespace, NamespaceError};
use crate::web::{WebServer, WebServerError};

/// The name that the outside DNS server answers with the web server's address.
/// Reserved for documentation (RFC 2606), and unlike those below `.test` a name that resolvers ask about.
pub const OUTSIDE_NAME: &str = "www.example.net";
/// The outside web server (RFC 5737 documentation network, as all outside addresses here).
pub const OUTSIDE_WEB: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The outside DNS server.
pub const OUTSIDE_DNS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The cell's uplink in [`Layout::Router`].
pub const CELL_WAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// The cell on the home network in [`Layout::Router`], the home router in [`Layout::OneArmed`].
pub const HOME_GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
/// The cell on the home network in [`Layout::OneArmed`].
pub const ONE_ARMED_CELL: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);
/// The laptop on the home network.
pub const LAPTOP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);
/// The phone, away from home.
pub const PHONE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The outside web server over IPv6 (RFC 3849 documentation prefix).
pub const OUTSIDE_WEB6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, 0x10);
/// The outside DNS server over IPv6.
pub const OUTSIDE_DNS6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, 0x53);

/// How the cell stands in the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Between uplink (`wan0`) and home network (`lan0`).
    #[default]
    Router,
    /// One more host (`wan0`) of a home network that has its own router.
    OneArmed,
}

/// What world to build.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorldOptions {
    /// Where the cell stands.
    pub layout: Layout,
    /// Adds IPv6 to every link: a ULA at home, documentation prefixes outside.
    pub ipv6: bool,
}

/// What can go wrong while a world is built.
#[derive(Debug, Error)]
pub enum WorldError {
    /// A namespace or link could not be made.
    #[error("cannot build the network")]
    Network(#[from] NamespaceError),
    /// The outside web server did not start.
    #[error("cannot start the outside web server")]
    Web(#[from] WebServerError),
    /// The outside DNS server did not start.
    #[error("cannot start the outside DNS server")]
    Dns(#[from] DnsServerError),
}

/// Four hosts, their links and two servers; dropped, all are gone.
#[derive(Debug)]
pub struct World {
    /// The web server on the internet; says who asked.
    pub web: WebServer,
    /// The DNS server on the internet.
    pub dns: DnsServer,
    /// A device of the owner, away from home.
    pub phone: Namespace,
    /// A device of the owner on the home network.
    pub laptop: Namespace,
    /// The box; forwarding and rules are left to the daemon.
    pub cell: Namespace,
    /// Everything outside.
    pub internet: Namespace,
    layout: Layout,
}

impl World {
    /// Builds a world with the default options: router layout, IPv4.
    ///
    /// # Errors
    /// [`WorldError`], nothing is left behind.
    pub fn new() -> Result<Self, WorldError> {
        Self::build(WorldOptions::default())
    }

    /// Builds a world.
    ///
    /// # Errors
    /// [`WorldError`], nothing is left behind.
    pub fn build(options: WorldOptions) -> Result<Self, WorldError> {
        let internet = Namespace::create("internet")?;
        let cell = Namespace::create("cell")?;
        let laptop = Namespace::create("laptop")?;
        let phone = Namespace::create("phone")?;

        let mut servers = vec![IpAddr::from(OUTSIDE_WEB), IpAddr::from(OUTSIDE_DNS)];
        connect_phone(&internet, &phone)?;
        match options.layout {
            Layout::Router => connect_router(&internet, &cell, &laptop)?,
            Layout::OneArmed => connect_one_armed(&internet, &cell, &laptop)?,
        }
        if options.ipv6 {
            add_ipv6(options.layout, &internet, &cell, &laptop, &phone)?;
            servers.extend([IpAddr::from(OUTSIDE_WEB6), IpAddr::from(OUTSIDE_DNS6)]);
        }

        let on_port = |addresses: &[IpAddr], port| -> Vec<SocketAddr> {
            addresses
                .iter()
                .map(|address| SocketAddr::new(*address, port))
                .collect()
        };
        let (web, dns): (Vec<IpAddr>, Vec<IpAddr>) = servers
            .iter()
            .partition(|address| **address == OUTSIDE_WEB || **address == OUTSIDE_WEB6);
        let zone: Vec<(&str, IpAddr)> =
            web.iter().map(|address| (OUTSIDE_NAME, *address)).collect();
        Ok(Self {
            web: WebServer::start(&internet, &on_port(&web, 80))?,
            dns: DnsServer::start(&internet, &on_port(&dns, 53), &zone)?,
            phone,
            laptop,
            cell,
            internet,
            layout: options.layout,
        })
    }

    /// How the cell stands in the home.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The cell's uplink address, the one a phone outside dials.
    #[must_use]
    pub fn wan_address(&self) -> Ipv4Addr {
        match self.layout {
            Layout::Router => CELL_WAN,
            Layout::OneArmed => ONE_ARMED_CELL,
        }
    }

    /// The cell's address on the home network, where admin page and DNS answer.
    #[must_use]
    pub fn home_address(&self) -> Ipv4Addr {
        match self.layout {
            Layout::Router => HOME_GATEWAY,
            Layout::OneArmed => ONE_ARMED_CELL,
        }
    }

    /// The daemon's interface options in this world.
    #[must_use]
    pub fn interface_options(&self) -> &'static [&'static str] {
        match self.layout {
            Layout::Router => &["--wan", "wan0", "--lan", "lan0"],
            Layout::OneArmed => &["--wan", "wan0"],
        }
    }
}

fn connect_phone(internet: &Namespace, phone: &Namespace) -> Result<(), NamespaceError> {
    internet.set_sysctl("net.ipv4.ip_forward", "1")?;
    internet.ip(&format!(
        "addr add {OUTSIDE_WEB}/32 dev lo
         addr add {OUTSIDE_DNS}/32 dev lo
         link add phone0 type veth peer name eth0 netns {}
         addr add 198.51.100.1/24 dev phone0
         link set phone0 up",
        phone.name()
    ))?;
    phone.ip(&format!(
        "addr add {PHONE}/24 dev eth0
         link set eth0 up
         route add default via 198.51.100.1"
    ))
}

fn connect_router(
    internet: &Namespace,
    cell: &Namespace,
    laptop: &Namespace,
) -> Result<(), NamespaceError> {
    internet.ip(&format!(
        "link add cell0 type veth peer name wan0 netns {}
         addr add 203.0.113.1/24 dev cell0
         link set cell0 up",
        cell.name()
    ))?;
    cell.ip(&format!(
        "addr add {CELL_WAN}/24 dev wan0
         link set wan0 up
         route add default via 203.0.113.1
         link add lan0 type veth peer name eth0 netns {}
         addr add {HOME_GATEWAY}/24 dev lan0
         link set lan0 up",
        laptop.name()
    ))?;
    connect_laptop(laptop)
}

fn connect_one_armed(
    internet: &Namespace,
    cell: &Namespace,
    laptop: &Namespace,
) -> Result<(), NamespaceError> {
    internet.ip(&format!(
        "link add home0 type bridge
         link add cell0 type veth peer name wan0 netns {}
         link add laptop0 type veth peer name eth0 netns {}
         link set cell0 master home0 up
         link set laptop0 master home0 up
         addr add {HOME_GATEWAY}/24 dev home0
         link set home0 up",
        cell.name(),
        laptop.name()
    ))?;
    cell.ip(&format!(
        "addr add {ONE_ARMED_CELL}/24 dev wan0
         link set wan0 up
         route add default via {HOME_GATEWAY}"
    ))?;
    connect_laptop(laptop)
}

fn connect_laptop(laptop: &Namespace) -> Result<(), NamespaceError> {
    laptop.ip(&format!(
        "addr add {LAPTOP}/24 dev eth0
         link set eth0 up
         route add default via {HOME_GATEWAY}"
    ))
}

/// Addresses without duplicate address detection: each is unique by construction and must work at once.
fn add_ipv6(
    layout: Layout,
    internet: &Namespace,
    cell: &Namespace,
    laptop: &Namespace,
    phone: &Namespace,
) -> Result<(), NamespaceError> {
    internet.set_sysctl("net.ipv6.conf.all.forwarding", "1")?;
    internet.ip(&format!(
        "addr add {OUTSIDE_WEB6}/128 dev lo
         addr add {OUTSIDE_DNS6}/128 dev lo
         addr add 2001:db8:2::1/64 dev phone0 nodad"
    ))?;
    match layout {
        Layout::Router => {
            internet.ip("addr add 2001:db8:1::1/64 dev cell0 nodad")?;
            cell.ip("addr add 2001:db8:1::2/64 dev wan0 nodad
                     route add default via 2001:db8:1::1
                     addr add fd77:77:77::1/64 dev lan0 nodad")?;
        }
        Layout::OneArmed => {
            internet.ip("addr add fd77:77:77::1/64 dev home0 nodad")?;
            cell.ip("addr add fd77:77:77::2/64 dev wan0 nodad
                     route add default via fd77:77:77::1")?;
        }
    }
    laptop.ip("addr add fd77:77:77::10/64 dev eth0 nodad
               route add default via fd77:77:77::1")?;
    phone.ip("addr add 2001:db8:2::2/64 dev eth0 nodad
              route add default via 2001:db8:2::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(from: &Namespace, address: IpAddr) -> Option<serde_json::Value> {
        let url = format!("http://{}/", SocketAddr::new(address, 80));
        let output = from
            .command("curl")
            .args(["-sS", "--max-time", "5", &url])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    fn reaches(from: &Namespace, to: Ipv4Addr) -> bool {
        let mut ping = from.command("ping");
        ping.args(["-c", "1", "-W", "2", &to.to_string()])
            .output()
            .unwrap()
            .status
            .success()
    }

    #[test]
    fn the_phone_reaches_the_web_server_with_its_own_address() {
        let world = World::new().unwrap();
        let answer = fetch(&world.phone, OUTSIDE_WEB.into()).unwrap();
        assert_eq!(answer["source"], PHONE.to_string());
        assert_eq!(world.web.sources(), [IpAddr::from(PHONE)]);
    }

    #[test]
    fn the_phone_reaches_the_cell_from_another_network() {
        let world = World::new().unwrap();
        assert!(reaches(&world.phone, world.wan_address()));
        assert!(!reaches(&world.phone, LAPTOP));
    }

    #[test]
    fn without_a_daemon_the_laptop_gets_no_further_than_the_cell() {
        let world = World::new().unwrap();
        assert!(reaches(&world.laptop, world.home_address()));
        assert!(!reaches(&world.laptop, OUTSIDE_WEB));
    }

    #[test]
    fn in_a_one_armed_world_cell_and_laptop_share_the_home_network() {
        let world = World::build(WorldOptions {
            layout: Layout::OneArmed,
            ipv6: false,
        })
        .unwrap();
        assert!(reaches(&world.laptop, world.home_address()));
        assert!(reaches(&world.phone, world.wan_address()));
        let answer = fetch(&world.laptop, OUTSIDE_WEB.into()).unwrap();
        assert_eq!(answer["source"], LAPTOP.to_string());
    }

    #[test]
    fn a_world_with_ipv6_serves_both_families() {
        for layout in [Layout::Router, Layout::OneArmed] {
            let world = World::build(WorldOptions { layout, ipv6: true }).unwrap();
            for address in [IpAddr::from(OUTSIDE_WEB), IpAddr::from(OUTSIDE_WEB6)] {
                assert!(
                    fetch(&world.cell, address).is_some(),
                    "{layout:?} {address}"
                );
                assert!(
                    fetch(&world.phone, address).is_some(),
                    "{layout:?} {address}"
                );
            }
        }
    }

    #[test]
    fn worlds_do_not_meet() {
        let (one, other) = (World::new().unwrap(), World::new().unwrap());
        fetch(&one.phone, OUTSIDE_WEB.into()).unwrap();
        assert_eq!(one.web.sources().len(), 1);
        assert!(other.web.sources().is_empty());
    }
}
