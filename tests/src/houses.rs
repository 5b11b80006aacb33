//! Houses that are on one internet, each with a cell of its own: who is where, how their owners link them, and what people in
//! one see of another.
//!
//! All have the same network at home, as so many do: other cells know the box and its devices, and nobody behind it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{CELL_WAN, HOME_GATEWAY};
use cell_testkit::{CelldOptions, Client, Namespace, Reply, World, wait_for};
use serde_json::{Value, json};

use crate::probe::{lookup, pings};
use crate::{Cell, DOMAIN, OWNER, PASSWORD, VPN_ADDRESS, expect_status, setup_form, start_fresh};

/// As long as a change waits to be kept.
const CONFIRMATION: Duration = Duration::from_secs(90);
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
    domain: DOMAIN,
    wan: CELL_WAN,
    vpn: VPN_ADDRESS,
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
    #[must_use]
    pub fn world(&self) -> World {
        let world = World::new().unwrap();
        if *self != HOME {
            let router = self.router();
            world
                .internet
                .ip(&format!(
                    "addr flush dev cell0\naddr add {router}/24 dev cell0"
                ))
                .unwrap();
            self.is_at(&world, self.wan);
        }
        world
    }

    /// Gives its cell this address on the internet, and no other.
    pub fn is_at(&self, world: &World, address: Ipv4Addr) {
        let router = self.router();
        world
            .cell
            .ip(&format!(
                "addr flush dev wan0\naddr add {address}/24 dev wan0\nroute add default via {router}"
            ))
            .unwrap();
    }

    /// Sets its cell up.
    #[must_use]
    pub fn cell_in(&self, world: World) -> Cell {
        let celld = start_fresh(&world, CelldOptions::default());
        let mut form = setup_form(&celld);
        form["cell_name"] = json!(self.name);
        form["domain"] = json!(self.domain);
        form["vpn_subnet"] = json!(self.vpn_subnet());
        let stranger = celld.client(&world.laptop).unwrap();
        expect_status(&stranger.post("/api/setup/complete", &form).unwrap(), 200);
        let owner = celld.client(&world.laptop).unwrap();
        let signed_in = wait_for(PATIENCE, || owner.login(OWNER, PASSWORD).ok());
        expect_status(&signed_in.unwrap(), 200);
        let mut cell = Cell {
            owner,
            celld,
            world,
        };
        cell.settle();
        cell
    }

    /// Waits until the cell of an owner has this one as linked, and people at the laptop there find it by name and reach it.
    #[must_use]
    pub fn is_found_by(&self, owner: &Client, laptop: &Namespace, limit: Duration) -> bool {
        let linked = (self.name.to_owned(), "linked".to_owned());
        let server = format!("@{HOME_GATEWAY}");
        let found = wait_for(limit, || {
            let is_linked = states(owner).contains(&linked);
            let is_known = lookup(laptop, &[&server, self.domain]) == self.vpn.to_string();
            (is_linked && is_known && pings(laptop, self.vpn.into())).then_some(())
        });
        found.is_some()
    }
}

/// Leads from the internet of one house to that of another, whose peering is the one of this number.
pub fn connect(number: u8, one: (&House, &World), other: (&House, &World)) {
    let [a, b] = PEERINGS;
    let end = |host: u8| Ipv4Addr::new(a, b, number, host);
    let device = format!("peering{number}");
    let ((here, near), (there, far)) = (one, other);
    near.internet
        .ip(&format!(
            "link add {device} type veth peer name {device} netns {}",
            far.internet.name()
        ))
        .unwrap();
    for (world, own, next, house) in [(near, end(1), end(2), there), (far, end(2), end(1), here)] {
        let network = network(house.wan);
        world
            .internet
            .ip(&format!(
                "addr add {own}/30 dev {device}\nlink set {device} up\nroute add {network} via {next}"
            ))
            .unwrap();
    }
}

/// The /24 of an address.
fn network(address: Ipv4Addr) -> String {
    let [a, b, c, _] = address.octets();
    format!("{a}.{b}.{c}.0/24")
}

/// Makes an invite as the JSON says.
pub fn invites(owner: &Client, form: &Value) -> Value {
    let made = owner.post("/api/cells/invites", form).unwrap();
    expect_status(&made, 201);
    made.json()
}

/// Takes an invite of another cell's.
pub fn imports(owner: &Client, invite: &Value) -> Reply {
    owner
        .post("/api/cells", &json!({ "invite": invite }))
        .unwrap()
}

/// Other cells by name, with how far they are.
#[must_use]
pub fn states(owner: &Client) -> Vec<(String, String)> {
    let reply = owner.get("/api/cells").unwrap();
    expect_status(&reply, 200);
    let cells = reply.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = cells["items"].as_array().unwrap().iter();
    items
        .map(|item| (text(&item["name"]), text(&item["state"])))
        .collect()
}

/// Changes settings, and keeps the change where that is asked.
pub fn becomes(owner: &Client, settings: &Value) {
    let reply = owner.put("/api/config", settings).unwrap();
    assert!(reply.status < 300, "{}", reply.text());
    let kept = wait_for(CONFIRMATION, || {
        let reply = owner.post("/api/config/confirm", &json!({})).ok()?;
        (reply.status == 200 || reply.json()["code"] == "nothing_to_confirm").then_some(())
    });
    assert!(kept.is_some(), "{settings} is not kept");
}

/// Says to which services here the people of a cell come, and that to no other.
pub fn shares(owner: &Client, with: &House, services: &[&str]) {
    let form: Value = ["calendar", "files", "mail", "webdav"]
        .iter()
        .map(|service| ((*service).to_owned(), json!(services.contains(service))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let path = format!("/api/cells/{}/permissions", with.name);
    expect_status(&owner.put(&path, &form).unwrap(), 200);
}

/// What curl is answered, whose name server is that of the namespace: the status (0: no answer), and everything after it.
#[must_use]
pub fn visit(
    from: &Namespace,
    authority: &Path,
    url: &str,
    arguments: &[&str],
    limit: Duration,
) -> (u16, String) {
    let mut curl = from.command("curl");
    curl.args(["--silent", "--show-error", "--include", "--max-time"])
        .arg(limit.as_secs().to_string())
        .arg("--cacert")
        .arg(authority)
        .args(arguments)
        .arg(url);
    let output = curl.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let errors = String::from_utf8_lossy(&output.stderr);
    (status.unwrap_or_default(), format!("{text}{errors}"))
}
