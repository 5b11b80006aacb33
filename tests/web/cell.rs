//! A cell that is set up, with an account of each role signed in on the laptop.

use cell_model::account::Role;
use cell_testkit::{Celld, Client, Reply, Request, World};
use cell_tests::slots::Slots;
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "a long and quiet river";
pub(crate) const DOMAIN: &str = "hut.cell";

/// Words of the roles, and names of the accounts that have them.
pub(crate) const ROLES: [&str; 4] = ["owner", "admin", "helper", "member"];

/// The role of a word.
pub(crate) fn role(word: &str) -> Role {
    match word {
        "owner" => Role::Owner,
        "admin" => Role::Admin,
        "helper" => Role::Helper,
        _ => Role::Member,
    }
}

/// The daemon and the world around it. Dropped in this order.
pub(crate) struct Cell {
    pub(crate) celld: Celld,
    pub(crate) world: World,
    pub(crate) slots: Slots,
}

impl Cell {
    /// Before setup.
    pub(crate) fn fresh() -> Self {
        let world = World::new().unwrap();
        let slots = Slots::new();
        let celld = Celld::start_with(&world, slots.options()).unwrap();
        Self {
            celld,
            world,
            slots,
        }
    }

    /// Set up, with one device named `phone`.
    pub(crate) fn set_up() -> Self {
        let cell = Self::fresh();
        let client = cell.client();
        let answers = cell.setup_answers();
        let reply = client
            .send(&Request::new("POST", "/api/setup/complete").json(&answers))
            .unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let owner = cell.signed_in("owner");
        for role in &ROLES[1..] {
            let account = json!({ "username": role, "password": PASSWORD, "role": role });
            let reply = owner.post("/api/auth/users", &account).unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text());
        }
        let reply = owner
            .post("/api/peers", &json!({ "name": "phone" }))
            .unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
        cell
    }

    /// Right answers of the wizard.
    pub(crate) fn setup_answers(&self) -> Value {
        json!({
            "setup_code": self.celld.setup_code().unwrap(),
            "cell_name": "hut",
            "domain_mode": "lan",
            "domain": DOMAIN,
            "vpn_subnet": "10.31.7.0/24",
            "admin_username": "owner",
            "admin_password": PASSWORD,
            "timezone": "UTC",
        })
    }

    /// Nobody, on the laptop.
    pub(crate) fn client(&self) -> Client {
        self.celld.client(&self.world.laptop).unwrap()
    }

    /// An account named like its role.
    pub(crate) fn signed_in(&self, role: &str) -> Client {
        let client = self.client();
        let reply = client.login(role, PASSWORD).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        client
    }

    /// Everything a refused request must not change: the audit may grow, the rest may not.
    pub(crate) fn state(&self, owner: &Client) -> Value {
        let get = |path: &str| {
            let reply = owner.get(path).unwrap();
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            reply.json()
        };
        let mut peers = get("/api/peers");
        for peer in peers["items"].as_array_mut().unwrap() {
            // What the interface counts is not state of ours.
            for counter in [
                "received_bytes",
                "sent_bytes",
                "latest_handshake",
                "endpoint",
            ] {
                peer[counter] = Value::Null;
            }
        }
        json!([
            get("/api/config"),
            peers,
            get("/api/auth/users"),
            get("/api/app-passwords"),
            get("/api/logs/verbosity")
        ])
    }
}

/// The stable code of a problem document.
pub(crate) fn code(reply: &Reply) -> String {
    reply.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// Fails unless the reply is a problem document of that status and code.
pub(crate) fn assert_problem(reply: &Reply, status: u16, expected: &str, what: &str) {
    assert_eq!(
        (reply.status, code(reply).as_str()),
        (status, expected),
        "{what}: {}",
        reply.text()
    );
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{what}"
    );
}
