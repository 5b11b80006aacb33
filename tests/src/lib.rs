//! A cell that is set up as its owner would, for tests that look at it from outside.
//!
//! Everything goes through what the outside has: REST, DNS, WireGuard. Promises: what could not be set up ends the test
//! with the reply in sight; every wait has a limit. Must never: reach into the daemon.
//!
//! Start reading at [`Cell::start`].
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

pub mod authenticator;
pub mod browser;
pub mod device;
pub mod houses;
pub mod mail;
pub mod passkey;
pub mod probe;
mod process;
pub mod services;
pub mod silence;
pub mod slots;
pub mod traffic;
pub mod update;
pub mod version;
pub mod vm;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use cell_auth::Session;
use cell_model::Timestamp;
use cell_store::{Batch, Store, Tree};
use cell_testkit::celld::PATIENCE;
use cell_testkit::world::OUTSIDE_DNS;
use cell_testkit::{Celld, CelldOptions, Client, Namespace, Reply, World, wait_for};
use serde_json::{Value, json};

pub use process::Process;

/// The cell's domain in every test.
pub const DOMAIN: &str = "home.cell";
/// The VPN's network in every test.
pub const VPN_SUBNET: &str = "10.31.7.0/24";
/// The cell in the VPN.
pub const VPN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 31, 7, 1);
/// The owner.
pub const OWNER: &str = "anna";
/// The owner's password.
pub const PASSWORD: &str = "a long and quiet river";
/// What a seed says of it, as in [`seed_answers`]: `argon2 saltsaltsalt -id -t 2 -k 19456 -p 1 -e`.
pub const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$i6oG9C2kR+klmffCjyQT2UGGGAJOBmLF+QHkzV34POU";

/// A world with a daemon that is set up, and its owner at the laptop.
#[derive(Debug)]
pub struct Cell {
    /// The owner's browser on the laptop, signed in.
    pub owner: Client,
    /// The daemon.
    pub celld: Celld,
    /// Where it stands.
    pub world: World,
}

/// A device as the box handed it out.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// The text for its WireGuard app.
    pub config: String,
    /// The whole answer.
    pub answer: Value,
}

impl Cell {
    /// Sets a cell up in a router's place.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(World::new().unwrap(), CelldOptions::default())
    }

    /// Sets a cell up in this world.
    #[must_use]
    pub fn start_in(world: World, options: CelldOptions) -> Self {
        let celld = start_fresh(&world, options);
        let owner = set_up(&celld, &world.laptop);
        let mut cell = Self {
            owner,
            celld,
            world,
        };
        cell.settle();
        cell
    }

    /// Adds a device as the JSON says and waits until it may connect.
    pub fn add_peer(&mut self, form: &Value) -> Peer {
        let reply = self.owner.post("/api/peers", form).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
        self.settle();
        let answer = reply.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Peer {
            name: text(&answer["peer"]["name"]),
            address: text(&answer["peer"]["address"]).parse().unwrap(),
            config: text(&answer["config"]),
            answer,
        }
    }

    /// Waits until everything acknowledged so far is in force.
    pub fn settle(&mut self) {
        let status = self.get("/api/status");
        let revision = status["revision"].as_u64().unwrap();
        self.celld.wait_applied(revision).unwrap();
    }

    /// GET as the owner; anything but 200 ends the test.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let reply = self.owner.get(path).unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// Signs the owner in anew, as needed after the daemon was restarted.
    pub fn sign_in(&mut self) {
        self.owner = self.celld.client(&self.world.laptop).unwrap();
        expect_status(&self.owner.login(OWNER, PASSWORD).unwrap(), 200);
    }

    /// The process that carries a part (`dns`, `web`, `wireguard`), and how often it was started anew.
    #[must_use]
    pub fn process(&self, part: &str) -> (u32, u64) {
        let view = self.get(&format!("/api/parts/{part}"));
        let process_id = view["process_id"].as_u64().unwrap_or_default();
        (
            process_id.try_into().unwrap(),
            view["restarts"].as_u64().unwrap_or_default(),
        )
    }

    /// Waits until a part is as asked.
    pub fn wait_ok(&self, part: &str) {
        let path = format!("/api/parts/{part}");
        let ok = wait_for(PATIENCE, || {
            let reply = self.owner.get(&path).ok()?;
            (reply.json()["state"] == "ok").then_some(())
        });
        assert!(ok.is_some(), "{}", self.get(&path));
    }
}

/// Starts a daemon that was never set up and asks the outside DNS server, as the uplink's provider says.
#[must_use]
pub fn start_fresh(world: &World, options: CelldOptions) -> Celld {
    world
        .cell
        .set_resolvers(&[IpAddr::from(OUTSIDE_DNS)])
        .unwrap();
    Celld::start_with(world, options).unwrap()
}

/// The answers of the setup wizard, with this code.
#[must_use]
pub fn setup_answers(code: &str) -> Value {
    json!({
        "setup_code": code,
        "cell_name": "home",
        "domain_mode": "lan",
        "domain": DOMAIN,
        "vpn_subnet": VPN_SUBNET,
        "admin_username": OWNER,
        "admin_password": PASSWORD,
        "timezone": "Europe/Vienna",
    })
}

/// The answers of the setup wizard to a daemon.
#[must_use]
pub fn setup_form(celld: &Celld) -> Value {
    setup_answers(&celld.setup_code().unwrap())
}

/// The same answers in a seed.
#[must_use]
pub fn seed_answers() -> String {
    format!(
        "[setup.answers]\ndomain_mode = \"lan\"\ndomain = \"{DOMAIN}\"\nvpn_subnet = \"{VPN_SUBNET}\"\n\
         admin_username = \"{OWNER}\"\nadmin_password_hash = \"{PASSWORD_HASH}\"\ntimezone = \"Europe/Vienna\"\n"
    )
}

/// Completes setup from `namespace` and signs the owner in there.
#[must_use]
pub fn set_up(celld: &Celld, namespace: &Namespace) -> Client {
    // The certificate that is trusted changes with this very answer.
    let stranger = celld.client(namespace).unwrap();
    let reply = stranger
        .post("/api/setup/complete", &setup_form(celld))
        .unwrap();
    expect_status(&reply, 200);
    let owner = celld.client(namespace).unwrap();
    let signed_in = wait_for(PATIENCE, || owner.login(OWNER, PASSWORD).ok());
    expect_status(&signed_in.expect("the box answers after setup"), 200);
    owner
}

/// Makes every session of a daemon that is stopped so much older.
pub fn age_sessions(state_dir: &Path, time: Duration) {
    let tree = Tree::new("sessions");
    let store = Store::open(state_dir).unwrap();
    let mut batch = Batch::new(Timestamp::now(), None, "time passes");
    batch.urgent();
    for (key, mut session) in store.records::<Session>(tree).scan().unwrap() {
        session.created_at -= time;
        session.last_seen_at -= time;
        batch.put(tree, key, &session).unwrap();
    }
    store.commit(batch).unwrap();
}

/// Ends the test when a reply has another status.
pub fn expect_status(reply: &Reply, status: u16) {
    if reply.status != status {
        panic!("{} instead of {status}: {}", reply.status, reply.text());
    }
}

/// Pauses for the length of an observation: time in which something must not happen.
pub fn observe(time: Duration) {
    std::thread::sleep(time);
}

/// A moment that is another one each time.
#[must_use]
pub fn random_below(limit: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let limit = u64::try_from(limit.as_micros()).unwrap();
    Duration::from_micros(random % limit)
}
