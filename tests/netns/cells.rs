//! Two boxes in two houses, which their owners link with nothing but an invite.
//!
//! ```text
//! laptop ── home (203.0.113.2) ── internet ── internet ── (192.0.32.2) cabin ── laptop
//! ```
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use cell_model::signer::SignerKey;
use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{CELL_WAN, HOME_GATEWAY};
use cell_testkit::{CelldOptions, Namespace, Reply, World, wait_for};
use cell_tests::probe::{connects, lookup, pings};
use cell_tests::{
    Cell, DOMAIN, OWNER, PASSWORD, VPN_ADDRESS, expect_status, setup_form, start_fresh,
};
use serde_json::{Value, json};

const CABIN_WAN: Ipv4Addr = Ipv4Addr::new(192, 0, 32, 2);
const CABIN_VPN: Ipv4Addr = Ipv4Addr::new(10, 40, 0, 1);
const CABIN: &str = "cabin.cell";
/// The VPN's, and so that of other cells.
const PORT: u16 = 51820;

/// A house elsewhere.
fn elsewhere() -> World {
    let world = World::new().unwrap();
    let router = "192.0.32.1/24";
    world
        .internet
        .ip(&format!(
            "addr flush dev cell0\naddr add {router} dev cell0"
        ))
        .unwrap();
    world
        .cell
        .ip(&format!(
            "addr flush dev wan0\naddr add {CABIN_WAN}/24 dev wan0\nroute add default via 192.0.32.1"
        ))
        .unwrap();
    world
}

/// Leads from one internet to the other.
fn connect(one: &World, other: &World) {
    one.internet
        .ip(&format!(
            "link add peering type veth peer name peering netns {}\naddr add 100.64.0.1/30 dev peering\n\
             link set peering up",
            other.internet.name()
        ))
        .unwrap();
    other
        .internet
        .ip("addr add 100.64.0.2/30 dev peering\nlink set peering up\nroute add 203.0.113.0/24 via 100.64.0.1")
        .unwrap();
    one.internet
        .ip("route add 192.0.32.0/24 via 100.64.0.2")
        .unwrap();
}

fn cell_in(world: World, answers: &Value) -> Cell {
    let celld = start_fresh(&world, CelldOptions::default());
    let mut form = setup_form(&celld);
    for (key, value) in answers.as_object().unwrap() {
        form[key] = value.clone();
    }
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

/// Home and cabin, strangers to each other.
fn two() -> (Cell, Cell) {
    let (near, far) = (World::new().unwrap(), elsewhere());
    connect(&near, &far);
    let answers = json!({ "cell_name": "cabin", "domain": CABIN, "vpn_subnet": "10.40.0.0/24" });
    (cell_in(near, &json!({})), cell_in(far, &answers))
}

fn invites(cell: &Cell, form: &Value) -> Value {
    let made = cell.owner.post("/api/cells/invites", form).unwrap();
    expect_status(&made, 201);
    let listens = wait_for(PATIENCE, || {
        let wan = cell.get("/api/cells/invites")["items"].clone();
        (wan != json!([])).then_some(())
    });
    assert!(listens.is_some());
    made.json()
}

fn imports(cell: &Cell, invite: &Value) -> Reply {
    let form = json!({ "invite": invite });
    cell.owner.post("/api/cells", &form).unwrap()
}

/// Other cells by name, with how far they are.
fn states(cell: &Cell) -> Vec<(String, String)> {
    let cells = cell.get("/api/cells");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = cells["items"].as_array().unwrap().iter();
    items
        .map(|item| (text(&item["name"]), text(&item["state"])))
        .collect()
}

fn linked(name: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), "linked".to_owned())]
}

/// All that a refusal must leave alone.
fn state(cell: &Cell) -> Vec<Value> {
    let mut status = cell.get("/api/status")["revision"].clone();
    vec![
        status.take(),
        cell.get("/api/config"),
        cell.get("/api/cells"),
        cell.get("/api/cells/invites"),
        cell.get("/api/wireguard/status")["peers"].clone(),
    ]
}

/// Waits until the boxes reach each other through the tunnel.
#[track_caller]
fn reach_each_other(home: &Cell, cabin: &Cell) {
    for (from, to) in [(home, CABIN_VPN), (cabin, VPN_ADDRESS)] {
        let reached = wait_for(PATIENCE, || {
            pings(&from.world.cell, to.into()).then_some(())
        });
        assert!(
            reached.is_some(),
            "{to}\n{}\n{}",
            home.celld.log_end(),
            cabin.celld.log_end()
        );
    }
}

/// Asks at the cabin's listener for other cells, in many ways, for what is not there.
fn strangers_find_nothing(from: &World) {
    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(10 << 20).unwrap();
    let body = format!("@{}", large.path().display());
    let pairing = "/api/cells/peer-sync/pairing";
    let sync = "/api/cells/peer-sync/sync";
    let envelope = json!({
        "cell": "ab".repeat(32),
        "document": {
            "payloadType": "application/vnd.cell.statement+json;version=1",
            "payload": "e30=",
            "signatures": [{ "keyid": "", "sig": "e30=" }],
        },
    });
    let statement = &*json!({ "sync": envelope }).to_string();
    let json = ["--header", "Content-Type: application/json"];
    let post = |data| [&json[..], &["--data-binary", data]].concat();
    let mut others = Vec::new();
    for (path, arguments, expected) in [
        ("/", vec![], "401"),
        ("/sign-in", vec![], "401"),
        ("/ca.pem", vec![], "401"),
        ("/api/config", vec![], "401"),
        ("/api/cells", post("{}"), "401"),
        ("/api/auth/login", post("{}"), "401"),
        (pairing, vec![], "405"),
        (pairing, post(""), "400"),
        (pairing, post("{"), "400"),
        (pairing, post("{\"join\":1}"), "400"),
        (pairing, post(&body), "413"),
        (pairing, vec!["--data", "join=1"], "415"),
        // What linked cells say, from where none is.
        (sync, vec![], "405"),
        (sync, post("{\"sync\":{}}"), "400"),
        (sync, post(statement), "403"),
        (sync, post(&body), "413"),
    ] {
        let mut curl = from.internet.command("curl");
        curl.args([
            "--silent",
            "--insecure",
            "--max-time",
            "20",
            "--output",
            "/dev/null",
        ])
        .args(["--write-out", "%{http_code}"])
        .args(arguments)
        .arg(format!("https://{CABIN_WAN}:{PORT}{path}"));
        let answered = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        if answered != expected {
            others.push(format!("{path}: {answered} instead of {expected}"));
        }
    }
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn two_cells_are_linked_by_an_invite_alone_and_neither_sees_more_than_it_should() {
    let (home, mut cabin) = two();
    let knocks = || connects(&home.world.phone, (CELL_WAN, PORT).into());
    let knocks_at_cabin = |from: &World| connects(&from.internet, (CABIN_WAN, PORT).into());
    assert!(
        !knocks() && !knocks_at_cabin(&home.world),
        "nobody is expected"
    );

    let made = invites(&cabin, &json!({ "auto_accept": true }));
    let open = wait_for(PATIENCE, || knocks_at_cabin(&home.world).then_some(()));
    assert!(open.is_some(), "{}", cabin.celld.log_end());
    assert!(!knocks(), "only who has invited listens");

    // Whoever else comes there finds nothing but that.
    strangers_find_nothing(&home.world);

    let reply = imports(&home, &made["invite"]);
    expect_status(&reply, 201);
    let cell = &reply.json()["cell"];
    assert_eq!(cell["name"], "cabin", "{cell}");
    assert_eq!(cell["domain"], CABIN, "{cell}");
    assert_eq!(cell["vpn_subnet"], "10.40.0.0/24", "{cell}");
    assert_eq!(cell["state"], "linked", "{cell}");
    assert_eq!(states(&home), linked("cabin"));
    assert_eq!(states(&cabin), linked("home"));
    reach_each_other(&home, &cabin);

    // Again, it is the same.
    expect_status(&imports(&home, &made["invite"]), 201);
    assert_eq!(states(&home), linked("cabin"));

    // Names of the other cell are known at home, and lead into the tunnel; all else about it stays its own.
    let laptop = &home.world.laptop;
    let asked = format!("@{HOME_GATEWAY}");
    let found = wait_for(PATIENCE, || {
        let found = lookup(laptop, &[&asked, CABIN]);
        (found == CABIN_VPN.to_string()).then_some(())
    });
    assert!(found.is_some(), "{}", lookup(laptop, &[&asked, CABIN]));
    let from_cabin = format!("@{VPN_ADDRESS}");
    let cabin_box = &cabin.world.cell;
    assert_eq!(
        lookup(cabin_box, &[&from_cabin, "www.example.net"]),
        "",
        "a linked cell gets no names of the internet"
    );
    assert!(pings(laptop, CABIN_VPN.into()), "{}", home.celld.log_end());
    for port in [443, 8443, 22] {
        let at_home = (VPN_ADDRESS, port).into();
        assert!(!connects(cabin_box, at_home), "{port}");
    }
    // Restarted, both find each other again.
    cabin.celld.kill9().unwrap();
    cabin.celld.restart().unwrap();
    cabin.sign_in();
    reach_each_other(&home, &cabin);

    // Paused, nothing passes; and what is ended is gone.
    let pause = |paused: bool| {
        let form = json!({ "paused": paused });
        expect_status(
            &home.owner.put("/api/cells/cabin/pause", &form).unwrap(),
            200,
        );
    };
    pause(true);
    let silent = wait_for(PATIENCE, || {
        (!pings(&home.world.cell, CABIN_VPN.into())).then_some(())
    });
    assert!(silent.is_some());
    pause(false);
    reach_each_other(&home, &cabin);
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 204);
    assert_eq!(states(&home), []);
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 404);
    // The other side is told, and then neither has anything of the other.
    is_over_for(&[&home, &cabin]);
}

/// Waits until these have nothing of other cells.
#[track_caller]
fn is_over_for(cells: &[&Cell]) {
    for cell in cells {
        let over = wait_for(PATIENCE.max(Duration::from_secs(60)), || {
            let peers = cell.get("/api/wireguard/status")["peers"].clone();
            (states(cell).is_empty() && peers == json!([])).then_some(())
        });
        assert!(
            over.is_some(),
            "{:?}\n{}",
            states(cell),
            cell.celld.log_end()
        );
    }
}

/// The only other cell that one knows, once it is so.
#[track_caller]
fn seen(cell: &Cell, is_so: impl Fn(&Value) -> bool) -> Value {
    let view = || cell.get("/api/cells")["items"][0].clone();
    let found = wait_for(PATIENCE.max(Duration::from_secs(60)), || {
        Some(view()).filter(|view| is_so(view))
    });
    assert!(found.is_some(), "{}\n{}", view(), cell.celld.log_end());
    found.unwrap()
}

/// Changes settings, and keeps the change where that is asked.
fn becomes(cell: &Cell, settings: &Value) {
    let reply = cell.owner.put("/api/config", settings).unwrap();
    assert!(reply.status < 300, "{}", reply.text());
    let kept = wait_for(PATIENCE, || {
        let reply = cell.owner.post("/api/config/confirm", &json!({})).ok()?;
        (reply.status == 200 || reply.json()["code"] == "nothing_to_confirm").then_some(())
    });
    assert!(kept.is_some(), "{}", cell.celld.log_end());
}

/// Where a cell is spoken to inside the tunnel.
fn link_address(of: &Cell, seen_by: &Cell) -> Ipv6Addr {
    let name = of.get("/api/config")["cell"]["name"].clone();
    let cells = seen_by.get("/api/cells");
    let mut items = cells["items"].as_array().unwrap().iter();
    let item = items.find(|item| item["name"] == name).unwrap();
    let key: SignerKey = item["identity"].as_str().unwrap().parse().unwrap();
    key.link_address()
}

#[test]
fn linked_cells_tell_each_other_what_changes_and_nobody_else_is_heard() {
    let (home, mut cabin) = two();
    let made = invites(&cabin, &json!({ "auto_accept": true }));
    expect_status(&imports(&home, &made["invite"]), 201);
    reach_each_other(&home, &cabin);
    let shares = json!({ "calendar": true, "files": true });
    let shared = home.owner.put("/api/cells/cabin/permissions", &shares);
    expect_status(&shared.unwrap(), 200);
    let offers = json!({ "offer": true });
    let offered = home.owner.put("/api/cells/cabin/exit-offer", &offers);
    expect_status(&offered.unwrap(), 200);
    let view = seen(&cabin, |view| view["theirs"]["offers_exit"] == json!(true));
    assert_eq!(view["theirs"]["services"], json!(["calendar", "files"]));
    assert!(view["latency_ms"].is_number() || view["last_contact"].is_string());
    seen(&home, |view| view["told"] == json!(true));

    // Away for a while, in which the other becomes another; the tunnel of before leads nowhere.
    let address = link_address(&home, &cabin);
    cabin.celld.kill9().unwrap();
    becomes(
        &home,
        &json!({ "cell": { "name": "manor", "timezone": "UTC" } }),
    );
    let vpn = json!({ "subnet": "10.77.0.0/24", "subnet6": "fd00:77::/64" });
    becomes(&home, &json!({ "vpn": vpn }));
    assert_eq!(
        seen(&home, |view| view["told"] == json!(false))["name"],
        "cabin"
    );
    cabin.celld.restart().unwrap();
    cabin.sign_in();
    let view = seen(&cabin, |view| view["name"] == "manor");
    let view = match view["vpn_subnet"] == "10.77.0.0/24" {
        true => view,
        false => seen(&cabin, |view| view["vpn_subnet"] == "10.77.0.0/24"),
    };
    assert_eq!(view["held"], Value::Null, "{view}");
    for (from, to) in [(&home, CABIN_VPN), (&cabin, Ipv4Addr::new(10, 77, 0, 1))] {
        let reached = wait_for(PATIENCE, || {
            pings(&from.world.cell, to.into()).then_some(())
        });
        assert!(reached.is_some(), "{to}\n{}", from.celld.log_end());
    }

    // Where boxes speak with each other, there is nothing else, and nobody else reaches it.
    assert_eq!(link_address(&home, &cabin), address, "it stays");
    let own = link_address(&cabin, &home);
    let sync = format!("https://[{address}]:{PORT}/api/cells/peer-sync/sync");
    let asks = |from: &Namespace, arguments: &[&str], url: &str| {
        let mut curl = from.command("curl");
        curl.args([
            "--silent",
            "--insecure",
            "--max-time",
            "5",
            "--output",
            "/dev/null",
        ])
        .args(["--write-out", "%{http_code}"])
        .args(arguments)
        .arg(url);
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    let there = &cabin.world.cell;
    let source = own.to_string();
    let from = [
        "--interface",
        &source,
        "--header",
        "Content-Type: application/json",
    ];
    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(10 << 20).unwrap();
    let large = format!("@{}", large.path().display());
    for (body, expected) in [("{", "400"), ("{\"sync\":{}}", "400"), (&*large, "413")] {
        let arguments = [&from[..], &["--data-binary", body]].concat();
        assert_eq!(asks(there, &arguments, &sync), expected, "{body}");
    }
    let page = format!("https://[{address}]:{PORT}/api/config");
    assert_eq!(asks(there, &from, &page), "401");
    for port in [22, 53, 443, 8443] {
        let url = format!("https://[{address}]:{port}/");
        assert_eq!(asks(there, &from, &url), "000", "{port}");
    }
    let elsewhere = cabin.get("/api/config")["vpn"]["subnet6"].clone();
    let elsewhere = elsewhere.as_str().unwrap().replace("/64", "1");
    let from_elsewhere = ["--interface", &elsewhere];
    assert_eq!(asks(there, &from_elsewhere, &sync), "000", "{elsewhere}");
    assert_eq!(
        asks(&home.world.laptop, &from[2..], &sync),
        "000",
        "from home"
    );

    // Paused there, this side knows, and both speak with each other all the same.
    let pause = json!({ "paused": true });
    let paused = cabin.owner.put("/api/cells/manor/pause", &pause);
    expect_status(&paused.unwrap(), 200);
    seen(&home, |view| view["theirs"]["paused"] == json!(true));
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 204);
    is_over_for(&[&home, &cabin]);
}

#[test]
fn code_is_compared_where_the_invite_was_made_and_three_wrong_ones_end_it() {
    let (home, cabin) = two();
    let made = invites(&cabin, &json!({ "expires_in_s": 600 }));
    let reply = imports(&home, &made["invite"]);
    expect_status(&reply, 202);
    let cell = &reply.json()["cell"];
    assert_eq!(cell["state"], "awaiting_confirmation", "{cell}");
    let code = cell["code"].as_str().unwrap().to_owned();
    let waiting = cabin.get("/api/cells")["items"][0].clone();
    assert_eq!(waiting["state"], "awaiting_confirmation", "{waiting}");
    assert_eq!(waiting["code"], json!(code), "both show the same");
    assert_eq!(home.get("/api/wireguard/status")["peers"], json!([]));

    let wrong = match &*code {
        "000000" => "000001",
        _ => "000000",
    };
    let confirm = |cell: &Cell, name: &str, code: &str| {
        let path = format!("/api/cells/{name}/confirm");
        cell.owner.post(&path, &json!({ "code": code })).unwrap()
    };
    expect_status(&confirm(&cabin, "home", wrong), 403);
    expect_status(&confirm(&cabin, "nobody", &code), 404);
    expect_status(&confirm(&cabin, "home", "12"), 400);
    expect_status(&confirm(&home, "cabin", &code), 409);
    expect_status(&confirm(&cabin, "home", &code), 200);
    assert_eq!(states(&cabin), linked("home"));
    let both = wait_for(PATIENCE, || {
        (states(&home) == linked("cabin")).then_some(())
    });
    assert!(both.is_some(), "{:?}", states(&home));
    reach_each_other(&home, &cabin);
    expect_status(&confirm(&cabin, "home", &code), 409);

    // Guessed thrice, an invite is over for both.
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 204);
    is_over_for(&[&home, &cabin]);
    let made = invites(&cabin, &json!({}));
    expect_status(&imports(&home, &made["invite"]), 202);
    for _ in 0..3 {
        expect_status(&confirm(&cabin, "home", "no"), 400);
    }
    let code = cabin.get("/api/cells")["items"][0]["code"].clone();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        expect_status(&confirm(&cabin, "home", wrong), 403);
    }
    assert_eq!(states(&cabin), []);
    let gone = wait_for(PATIENCE, || states(&home).is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", states(&home));
    let refused = imports(&home, &made["invite"]);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(states(&home), []);
}

#[test]
fn invite_that_is_none_or_cannot_be_changes_nothing_on_either_side() {
    let (home, cabin) = two();
    let made = invites(&cabin, &json!({ "auto_accept": true, "expires_in_s": 600 }));
    let good = made["invite"].clone();
    let before = (state(&home), state(&cabin));
    let altered = |change: fn(&mut Value)| {
        let mut invite = good.clone();
        change(&mut invite);
        invite
    };
    let cases = [
        ("no object", json!("hello"), 400),
        ("empty", json!({}), 400),
        (
            "another's name",
            altered(|invite| invite["cell"] = json!("ab".repeat(32))),
            400,
        ),
        (
            "no signature",
            altered(|invite| invite["document"]["signatures"] = json!([])),
            400,
        ),
        (
            "other content",
            altered(|invite| invite["document"]["payload"] = json!("e30=")),
            400,
        ),
        (
            "unknown key",
            altered(|invite| invite["more"] = json!(1)),
            400,
        ),
    ];
    for (what, invite, status) in cases {
        let reply = imports(&home, &invite);
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
    }
    // One's own.
    let own = imports(&cabin, &good);
    assert_eq!(own.status, 409, "{}", own.text());
    assert_eq!((state(&home), state(&cabin)), before);

    // A cell that is the same as this one, in what it claims.
    let twin = cell_in(World::new().unwrap(), &json!({}));
    for (changed, code) in [
        (json!({}), "link_name_own"),
        (
            json!({ "cell": { "name": "twin", "timezone": "UTC" } }),
            "link_domain_own",
        ),
    ] {
        if changed != json!({}) {
            let reply = twin.owner.put("/api/config", &changed).unwrap();
            assert!(reply.status < 300, "{}", reply.text());
        }
        let made = invites(&twin, &json!({ "auto_accept": true }));
        let refused = imports(&home, &made["invite"]);
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert_eq!(refused.json()["code"], code, "{}", refused.text());
    }
    assert_eq!(state(&home), before.0);

    // Taken back, it is good for nothing.
    let id = cabin.get("/api/cells/invites")["items"][0]["id"].clone();
    let path = format!("/api/cells/invites/{}", id.as_str().unwrap());
    expect_status(&cabin.owner.delete(&path).unwrap(), 204);
    let closed = wait_for(PATIENCE, || {
        (!connects(&home.world.internet, (CABIN_WAN, PORT).into())).then_some(())
    });
    assert!(closed.is_some(), "{}", cabin.celld.log_end());
    let reply = imports(&home, &good);
    expect_status(&reply, 202);
    assert_eq!(reply.json()["cell"]["state"], "failed", "{}", reply.text());
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 204);
    assert_eq!(states(&home), []);

    // Both at the same moment.
    let one = invites(&cabin, &json!({ "auto_accept": true }))["invite"].clone();
    let other = invites(&home, &json!({ "auto_accept": true }))["invite"].clone();
    let replies = std::thread::scope(|scope| {
        let near = scope.spawn(|| imports(&home, &one));
        let far = scope.spawn(|| imports(&cabin, &other));
        [near.join().unwrap(), far.join().unwrap()]
    });
    for reply in &replies {
        assert!(
            reply.status == 201 || reply.status == 202,
            "{}",
            reply.text()
        );
    }
    let both = wait_for(PATIENCE.max(Duration::from_secs(60)), || {
        (states(&home) == linked("cabin") && states(&cabin) == linked("home")).then_some(())
    });
    assert!(both.is_some(), "{:?} {:?}", states(&home), states(&cabin));
    reach_each_other(&home, &cabin);

    // From now on, neither becomes what would clash with the other; `home.cell` lies beside `cabin.cell`, not below.
    let clash = json!({ "vpn": { "subnet": "10.40.0.0/25", "subnet6": "fd00:1::/64" } });
    let refused = home.owner.put("/api/config", &clash).unwrap();
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("cabin"), "{}", refused.text());
    let clash = json!({ "domain": { "mode": "lan", "name": format!("x.{CABIN}") } });
    let refused = home.owner.put("/api/config", &clash).unwrap();
    assert_eq!(
        refused.json()["code"],
        "link_domain_own",
        "{}",
        refused.text()
    );
    assert_eq!(home.get("/api/config")["domain"]["name"], DOMAIN);
}
