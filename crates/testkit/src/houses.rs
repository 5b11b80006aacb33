//! Houses that are on one internet: who is where, and the ways between them.
//!
//! All have the same network at home, as so many do: other cells know the box and its devices, and nobody behind it.
//!
//! ```text
//! laptop ── home (203.0.113.2) ── internet ── internet ── (192.0.32.2) cabin ── laptop
//!                                     └─── internet ── (192.0.34.2) barn ── laptop
//! ```

use std::net::Ipv4Addr;

use crate::namespace::NamespaceError;
use crate::world::{CELL_WAN, World, WorldError};

/// Where the internet of one house leads to that of another (RFC 6598).
const PEERINGS: [u8; 2] = [100, 64];

/// A house, as others know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct House {
    /// What its cell is called.
    pub name: &'static str,
    /// The domain of its cell.
    pub domain: &'static str,
    /// Where its cell is on the internet; a network of /24, with the router as its first host.
    pub wan: Ipv4Addr,
    /// Its cell in the VPN, which is a /24.
    pub vpn: Ipv4Addr,
}

/// Where [`World`] has a cell.
pub const HOME: House = House {
    name: "home",
    domain: "home.cell",
    wan: CELL_WAN,
    vpn: Ipv4Addr::new(10, 31, 7, 1),
};
/// A house elsewhere.
pub const CABIN: House = House {
    name: "cabin",
    domain: "cabin.cell",
    wan: Ipv4Addr::new(192, 0, 32, 2),
    vpn: Ipv4Addr::new(10, 40, 0, 1),
};
/// A third one.
pub const BARN: House = House {
    name: "barn",
    domain: "barn.cell",
    wan: Ipv4Addr::new(192, 0, 34, 2),
    vpn: Ipv4Addr::new(10, 50, 0, 1),
};

impl House {
    /// Its next hop on the internet.
    #[must_use]
    pub fn router(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.wan.octets();
        Ipv4Addr::new(a, b, c, 1)
    }

    /// The network of its cell's VPN.
    #[must_use]
    pub fn vpn_subnet(&self) -> String {
        network(self.vpn)
    }

    /// The world around it, which leads to no other house yet.
    ///
    /// # Errors
    /// [`WorldError`], nothing is left behind.
    pub fn world(&self) -> Result<World, WorldError> {
        let world = World::new()?;
        if *self != HOME {
            let router = self.router();
            world.internet.ip(&format!(
                "addr flush dev cell0\naddr add {router}/24 dev cell0"
            ))?;
            self.is_at(&world, self.wan)?;
        }
        Ok(world)
    }

    /// Gives its cell this address on the internet, and no other.
    ///
    /// # Errors
    /// The address cannot be its.
    pub fn is_at(&self, world: &World, address: Ipv4Addr) -> Result<(), NamespaceError> {
        let router = self.router();
        world.cell.ip(&format!(
            "addr flush dev wan0\naddr add {address}/24 dev wan0\nroute add default via {router}"
        ))
    }
}

/// Leads from the internet of one house to that of another, whose peering is the one of this number.
///
/// # Errors
/// There is one of this number already.
pub fn connect(
    number: u8,
    one: (&House, &World),
    other: (&House, &World),
) -> Result<(), NamespaceError> {
    let [a, b] = PEERINGS;
    let end = |host: u8| Ipv4Addr::new(a, b, number, host);
    let device = format!("peering{number}");
    let ((here, near), (there, far)) = (one, other);
    near.internet.ip(&format!(
        "link add {device} type veth peer name {device} netns {}",
        far.internet.name()
    ))?;
    for (world, own, next, house) in [(near, end(1), end(2), there), (far, end(2), end(1), here)] {
        let network = network(house.wan);
        world.internet.ip(&format!(
            "addr add {own}/30 dev {device}\nlink set {device} up\nroute add {network} via {next}"
        ))?;
    }
    Ok(())
}

/// The /24 of an address.
fn network(address: Ipv4Addr) -> String {
    let [a, b, c, _] = address.octets();
    format!("{a}.{b}.{c}.0/24")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_two_houses_reach_each_other_and_keep_their_homes_to_themselves() {
        let (home, cabin) = (HOME.world().unwrap(), CABIN.world().unwrap());
        connect(0, (&HOME, &home), (&CABIN, &cabin)).unwrap();
        let reaches = |from: &World, to: Ipv4Addr| {
            let mut ping = from.cell.command("ping");
            ping.args(["-c", "1", "-W", "2", &to.to_string()]);
            ping.output().unwrap().status.success()
        };
        assert!(reaches(&home, CABIN.wan));
        assert!(reaches(&cabin, HOME.wan));
        cabin.cell.ip("addr add 192.168.78.1/24 dev lan0").unwrap();
        assert!(!reaches(&home, Ipv4Addr::new(192, 168, 78, 1)));
    }
}
