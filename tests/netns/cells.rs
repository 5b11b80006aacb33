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
use cell_testkit::houses;
use cell_testkit::world::{CELL_WAN, HOME_GATEWAY};
use cell_testkit::{Namespace, World, wait_for};
use cell_tests::houses::{becomes, cell_in, imports, invites, states};
use cell_tests::probe::{connects, lookup, pings};
use cell_tests::{Cell, DOMAIN, OWNER, PASSWORD, VPN_ADDRESS, browser, expect_status};
use serde_json::{Value, json};

const CABIN_WAN: Ipv4Addr = houses::CABIN.wan;
const CABIN_VPN: Ipv4Addr = houses::CABIN.vpn;
const CABIN: &str = houses::CABIN.domain;
/// The VPN's, and so that of other cells.
const PORT: u16 = 51820;

/// Home and cabin, strangers to each other.
fn two() -> (Cell, Cell) {
    let (home, cabin) = (houses::HOME, houses::CABIN);
    let (near, far) = (home.world().unwrap(), cabin.world().unwrap());
    houses::connect(0, (&home, &near), (&cabin, &far)).unwrap();
    (cell_in(&home, near), cell_in(&cabin, far))
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

    let made = invites(&cabin.owner, &json!({ "auto_accept": true }));
    let open = wait_for(PATIENCE, || knocks_at_cabin(&home.world).then_some(()));
    assert!(open.is_some(), "{}", cabin.celld.log_end());
    assert!(!knocks(), "only who has invited listens");

    // Whoever else comes there finds nothing but that.
    strangers_find_nothing(&home.world);

    let reply = imports(&home.owner, &made["invite"]);
    expect_status(&reply, 201);
    let cell = &reply.json()["cell"];
    assert_eq!(cell["name"], "cabin", "{cell}");
    assert_eq!(cell["domain"], CABIN, "{cell}");
    assert_eq!(cell["vpn_subnet"], "10.40.0.0/24", "{cell}");
    assert_eq!(cell["state"], "linked", "{cell}");
    assert_eq!(states(&home.owner), linked("cabin"));
    assert_eq!(states(&cabin.owner), linked("home"));
    reach_each_other(&home, &cabin);

    // Again, it is the same.
    expect_status(&imports(&home.owner, &made["invite"]), 201);
    assert_eq!(states(&home.owner), linked("cabin"));

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
    assert_eq!(states(&home.owner), []);
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
            (states(&cell.owner).is_empty() && peers == json!([])).then_some(())
        });
        assert!(
            over.is_some(),
            "{:?}\n{}",
            states(&cell.owner),
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
    let made = invites(&cabin.owner, &json!({ "auto_accept": true }));
    expect_status(&imports(&home.owner, &made["invite"]), 201);
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
        &home.owner,
        &json!({ "cell": { "name": "manor", "timezone": "UTC" } }),
    );
    let vpn = json!({ "subnet": "10.77.0.0/24", "subnet6": "fd00:77::/64" });
    becomes(&home.owner, &json!({ "vpn": vpn }));
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
    let made = invites(&cabin.owner, &json!({ "expires_in_s": 600 }));
    let reply = imports(&home.owner, &made["invite"]);
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
    assert_eq!(states(&cabin.owner), linked("home"));
    let both = wait_for(PATIENCE, || {
        (states(&home.owner) == linked("cabin")).then_some(())
    });
    assert!(both.is_some(), "{:?}", states(&home.owner));
    reach_each_other(&home, &cabin);
    expect_status(&confirm(&cabin, "home", &code), 409);

    // Guessed thrice, an invite is over for both.
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 204);
    is_over_for(&[&home, &cabin]);
    let made = invites(&cabin.owner, &json!({}));
    expect_status(&imports(&home.owner, &made["invite"]), 202);
    for _ in 0..3 {
        expect_status(&confirm(&cabin, "home", "no"), 400);
    }
    let code = cabin.get("/api/cells")["items"][0]["code"].clone();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        expect_status(&confirm(&cabin, "home", wrong), 403);
    }
    assert_eq!(states(&cabin.owner), []);
    let gone = wait_for(PATIENCE, || states(&home.owner).is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", states(&home.owner));
    let refused = imports(&home.owner, &made["invite"]);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(states(&home.owner), []);
}

#[test]
fn invite_that_is_none_or_cannot_be_changes_nothing_on_either_side() {
    let (home, cabin) = two();
    let made = invites(
        &cabin.owner,
        &json!({ "auto_accept": true, "expires_in_s": 600 }),
    );
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
        let reply = imports(&home.owner, &invite);
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
    }
    // One's own.
    let own = imports(&cabin.owner, &good);
    assert_eq!(own.status, 409, "{}", own.text());
    assert_eq!((state(&home), state(&cabin)), before);

    // A cell that is the same as this one, in what it claims.
    let twin = cell_in(&houses::HOME, World::new().unwrap());
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
        let made = invites(&twin.owner, &json!({ "auto_accept": true }));
        let refused = imports(&home.owner, &made["invite"]);
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
    let reply = imports(&home.owner, &good);
    expect_status(&reply, 202);
    assert_eq!(reply.json()["cell"]["state"], "failed", "{}", reply.text());
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 204);
    assert_eq!(states(&home.owner), []);

    // Both at the same moment.
    let one = invites(&cabin.owner, &json!({ "auto_accept": true }))["invite"].clone();
    let other = invites(&home.owner, &json!({ "auto_accept": true }))["invite"].clone();
    let replies = std::thread::scope(|scope| {
        let near = scope.spawn(|| imports(&home.owner, &one));
        let far = scope.spawn(|| imports(&cabin.owner, &other));
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
        (states(&home.owner) == linked("cabin") && states(&cabin.owner) == linked("home"))
            .then_some(())
    });
    assert!(
        both.is_some(),
        "{:?} {:?}",
        states(&home.owner),
        states(&cabin.owner)
    );
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

/// The only other cell that one has is linked, and each reaches the other.
#[track_caller]
fn come_together(home: &Cell, cabin: &Cell) {
    let both = wait_for(PATIENCE.max(Duration::from_secs(120)), || {
        let states = (states(&home.owner), states(&cabin.owner));
        (states == (linked("cabin"), linked("home"))).then_some(())
    });
    let cells = || (home.get("/api/cells"), cabin.get("/api/cells"));
    assert!(both.is_some(), "{:?}\n{}", cells(), home.celld.log_end());
    reach_each_other(home, cabin);
}

/// What the owner of a cell does in a browser, and what each deed has led to.
fn does(cell: &Cell, deeds: &Value) -> Vec<Value> {
    let base = format!("https://{}", cell.celld.admin());
    let patience = u64::try_from(PATIENCE.max(Duration::from_secs(120)).as_millis()).unwrap();
    let given = json!({
        "username": OWNER, "password": PASSWORD, "deeds": deeds, "patience_ms": patience,
    });
    let led = browser::run(&cell.world.laptop, &base, "cells.mjs", given);
    led.as_array().unwrap().clone()
}

#[test]
fn owners_link_their_cells_share_and_see_it_with_pages_alone() {
    let (home, cabin) = two();
    let made = does(&cabin, &json!([{ "do": "invite", "how": "compare" }]));
    assert_eq!(made[0]["status"], 200, "{made:?}");
    let text = made[0]["text"].as_str().unwrap();
    let deeds = json!([
        { "do": "import", "text": "{}" },
        { "do": "import", "text": text },
    ]);
    let [refused, imported] = <[Value; 2]>::try_from(does(&home, &deeds)).unwrap();
    assert_eq!(refused["status"], 422, "{refused}");
    assert!(says(&refused, "must be an invite"), "{refused}");
    assert_eq!(imported["path"], "/cells/cabin", "{imported}");
    let code = cabin.get("/api/cells")["items"][0]["code"].clone();
    let code = code.as_str().unwrap();
    assert!(says(&imported, code), "{code}: {imported}");

    let deeds = json!([
        { "do": "look", "path": "/cells", "until": "A code is to be compared" },
        { "do": "look", "path": "/cells/home", "until": code },
        { "do": "confirm", "path": "/cells/home/confirm", "digits": code },
        { "do": "share", "path": "/cells/home", "service": "calendar" },
    ]);
    let led = does(&cabin, &deeds);
    assert!(says(&led[0], "A code is to be compared"), "{led:?}");
    assert!(says(&led[1], "Compare it with the other owner"), "{led:?}");
    assert_eq!(led[2]["path"], "/cells/home", "{led:?}");
    assert!(says(&led[3], "cell.link.change"), "its history: {led:?}");
    let deeds = json!([
        { "do": "look", "path": "/cells", "until": "Connected" },
        {
            "do": "look", "path": "/cells/cabin", "section": "What it shares with this cell",
            "until": "Calendar and contacts",
        },
    ]);
    let led = does(&home, &deeds);
    assert!(says(&led[0], "Connected"), "{led:?}");
    assert!(says(&led[1], "Calendar and contacts"), "{led:?}");
    come_together(&home, &cabin);
}

fn says(page: &Value, words: &str) -> bool {
    page["main"].as_str().unwrap().contains(words)
}

#[test]
fn inviter_whom_nobody_can_call_is_linked_by_what_is_handed_back() {
    let (home, cabin) = two();
    let before = state(&cabin);
    // As where a provider gives many houses one address.
    let rules = "table inet provider {\n chain forward {\n  type filter hook forward priority 0;\n  \
                 iifname \"peering0\" ct state new drop\n }\n}\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    let mut nft = cabin.world.internet.command("nft");
    let loaded = nft.arg("--file").arg(file.path()).status().unwrap();
    assert!(loaded.success());

    let made = invites(&cabin.owner, &json!({}));
    let reply = imports(&home.owner, &made["invite"]);
    expect_status(&reply, 202);
    let cell = &reply.json()["cell"];
    assert_eq!(cell["state"], "failed", "{cell}");
    let acceptance = cell["acceptance"].clone();
    assert!(acceptance.is_object(), "{cell}");

    // Only as it is, and only where the invite was made.
    for (changed, status) in [
        (json!({ "cell": "ab".repeat(32) }), 400),
        (json!({ "cell": cell["identity"] }), 400),
    ] {
        let mut altered = acceptance.clone();
        altered["cell"] = changed["cell"].clone();
        let refused = imports(&cabin.owner, &altered);
        assert_eq!(refused.status, status, "{}", refused.text());
    }
    expect_status(&imports(&home.owner, &acceptance), 404);
    let mut after = state(&cabin);
    after[3] = before[3].clone();
    assert_eq!(after, before);

    let taken = imports(&cabin.owner, &acceptance);
    expect_status(&taken, 202);
    assert_eq!(taken.json()["cell"]["name"], "home");
    let code = wait_for(PATIENCE.max(Duration::from_secs(120)), || {
        let cells = [&home, &cabin].map(|cell| cell.get("/api/cells")["items"][0]["code"].clone());
        (cells[0].is_string() && cells[0] == cells[1]).then(|| cells[0].clone())
    });
    let cells = || (home.get("/api/cells"), cabin.get("/api/cells"));
    let code = code.unwrap_or_else(|| panic!("{:?}\n{}", cells(), cabin.celld.log_end()));
    // The boxes speak with each other, and nothing else passes.
    for (from, to) in [(&home, CABIN_VPN), (&cabin, VPN_ADDRESS)] {
        assert!(!pings(&from.world.cell, to.into()), "{to}");
    }
    let form = json!({ "code": code });
    let confirmed = cabin.owner.post("/api/cells/home/confirm", &form).unwrap();
    expect_status(&confirmed, 200);
    come_together(&home, &cabin);
    expect_status(&home.owner.delete("/api/cells/cabin").unwrap(), 204);
    is_over_for(&[&home, &cabin]);
}

#[test]
fn cells_that_both_have_moved_find_each_other_by_a_name() {
    const NAME: &str = "cabin.example.net";
    let (mut home, cabin) = two();
    home.world.dns.lead(NAME, CABIN_WAN.into());
    let named = json!({ "name": "cabin", "timezone": "UTC", "endpoint": NAME });
    becomes(&cabin.owner, &json!({ "cell": named }));
    let made = invites(&cabin.owner, &json!({ "auto_accept": true }));
    expect_status(&imports(&home.owner, &made["invite"]), 201);
    reach_each_other(&home, &cabin);

    home.celld.terminate().unwrap();
    let [a, b, c, _] = CABIN_WAN.octets();
    let moved = Ipv4Addr::new(a, b, c, 99);
    houses::CABIN.is_at(&cabin.world, moved).unwrap();
    let [a, b, c, _] = CELL_WAN.octets();
    houses::HOME
        .is_at(&home.world, Ipv4Addr::new(a, b, c, 99))
        .unwrap();
    home.world.dns.lead(NAME, moved.into());
    home.celld.restart().unwrap();
    home.sign_in();
    come_together(&home, &cabin);
    let asked = home.world.dns.queries();
    assert!(asked.iter().any(|name| name == NAME), "{asked:?}");
}
