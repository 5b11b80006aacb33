//! By a proxy.
//!
//! ```text
//! phone ══ WireGuard ══ cell (203.0.113.2) ── internet: proxy 192.0.2.20, leaves as 192.0.2.21
//!                                                       192.0.2.54 answers names out there
//! ```

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Stdio};

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{CELL_WAN, LAPTOP, OUTSIDE_NAME, OUTSIDE_WEB, WorldOptions};
use cell_testkit::{DnsServer, Namespace, WgClient, World, wait_for};
use cell_tests::probe::{connect, echoes, lookup, pings, serve_echo};
use cell_tests::{Cell, Process, VPN_ADDRESS, expect_status};
use serde_json::{Value, json};

use crate::lab::{
    A_WHILE, ONLY_THERE, Uplink, add, assign, becomes, crash_while_sending, path, seen_as,
    send_all_kinds, set_failopen,
};

const PROXY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);
/// What the proxy leaves as.
const LEAVES_AS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 21);
const PORT: u16 = 1080;
/// Who is asked for names out there.
const NAMES: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 54);
const USERNAME: &str = "anna";
const PASSWORD: &str = "s3cret";

/// A proxy that runs until dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Proxy {
    fn socks5(internet: &Namespace) -> Self {
        let mut command = internet.command("microsocks");
        let (port, leaves_as) = (PORT.to_string(), LEAVES_AS.to_string());
        command.args(["-i", &PROXY.to_string(), "-p", &port, "-b", &leaves_as]);
        command.args(["-u", USERNAME, "-P", PASSWORD]);
        Self::start(internet, command)
    }

    fn http(internet: &Namespace, folder: &tempfile::TempDir) -> Self {
        let file = folder.path().join("tinyproxy.conf");
        let text = format!(
            "Port {PORT}\nListen {PROXY}\nBind {LEAVES_AS}\nTimeout 60\nMaxClients 50\nBasicAuth {USERNAME} {PASSWORD}\n"
        );
        fs::write(&file, text).unwrap();
        let mut command = internet.command("tinyproxy");
        command.arg("-d").arg("-c").arg(file);
        Self::start(internet, command)
    }

    fn start(internet: &Namespace, mut command: std::process::Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = Self(command.spawn().unwrap());
        let address = SocketAddr::from((PROXY, PORT));
        let listens = || internet.run(|| TcpStream::connect(address).ok()).unwrap();
        assert!(wait_for(PATIENCE, listens).is_some(), "no proxy came up");
        proxy
    }
}

/// A cell with somebody who answers names out there, and where a proxy can be started.
fn start() -> (Cell, DnsServer) {
    let ipv6 = WorldOptions {
        ipv6: true,
        ..WorldOptions::default()
    };
    let world = World::build(ipv6).unwrap();
    let addresses =
        [PROXY, LEAVES_AS, NAMES].map(|address| format!("addr add {address}/32 dev lo"));
    world.internet.ip(&addresses.join("\n")).unwrap();
    let zone = [
        (OUTSIDE_NAME, IpAddr::from(OUTSIDE_WEB)),
        (ONLY_THERE, IpAddr::from(OUTSIDE_WEB)),
    ];
    let names = SocketAddr::from((NAMES, 53));
    let names = DnsServer::start(&world.internet, &[names], &zone).unwrap();
    (Cell::start_in(world, Default::default()), names)
}

fn form(scheme: &str) -> Value {
    json!({
        "type": "proxy", "name": format!("A {scheme} proxy"), "resolvers": [NAMES],
        "config": {
            "scheme": scheme, "host": PROXY, "port": PORT, "username": USERNAME, "password": PASSWORD,
        },
    })
}

/// What the box speaks with the proxy.
fn with_proxy() -> String {
    format!("ip daddr {PROXY} tcp dport {PORT}")
}

#[test]
fn device_leaves_by_each_kind_of_proxy_and_by_nothing_else() {
    let (mut cell, _names) = start();
    let folder = tempfile::tempdir().unwrap();
    let phone = cell.world.phone.clone();
    let internet = cell.world.internet.clone();
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&phone, &peer.config).unwrap();
    assert_eq!(seen_as(&phone), Some(json!(CELL_WAN)));
    // Each answers one after the other, and whoever is cut off takes no leave.
    let mut echo = (7000..).map(|port| SocketAddr::from((OUTSIDE_WEB, port)));
    let mut echo = || {
        let address = echo.next().unwrap();
        serve_echo(&internet, address);
        address
    };

    let mut ids = Vec::new();
    for (scheme, mark) in [("socks5", 0x1000), ("http", 0x1010)] {
        let _proxy = match scheme {
            "socks5" => Proxy::socks5(&internet),
            _ => Proxy::http(&internet, &folder),
        };
        let made = add(&cell, &form(scheme));
        assert!(!made.to_string().contains(PASSWORD), "{made}");
        assert_eq!(
            (&made["mark"], &made["type"]),
            (&json!(mark), &json!("proxy"))
        );
        assert_eq!(made["config"]["password_set"], true, "{made}");
        becomes(&cell, &made["id"], "ok");
        // What was open by the other way ends.
        let mut flow = connect(&phone, echo(), PATIENCE).unwrap();
        assert!(echoes(&mut flow, PATIENCE));
        let given = assign(&mut cell, &peer, Some(&made["id"]));
        assert_eq!(given["exit_connection_id"], made["id"]);
        assert!(!echoes(&mut flow, A_WHILE));

        let uplink = Uplink::watch(&internet, &with_proxy());
        assert_eq!(seen_as(&phone), Some(json!(LEAVES_AS)), "{scheme}");
        assert_eq!(lookup(&phone, &[ONLY_THERE]), OUTSIDE_WEB.to_string());
        let mut flow = connect(&phone, echo(), PATIENCE).unwrap();
        assert!(echoes(&mut flow, PATIENCE));
        // Home and the box are reached without leaving, and what is not TCP does not pass.
        assert!(pings(&phone, VPN_ADDRESS.into()));
        assert!(pings(&phone, LAPTOP.into()));
        send_all_kinds(&phone);
        assert!(!pings(&phone, OUTSIDE_WEB.into()));
        uplink.is_silent(scheme);
        Uplink::nft(&internet, "delete table inet uplink");
        let refused = cell.owner.delete(&path(&made["id"])).unwrap();
        expect_status(&refused, 409);
        assert_eq!(refused.json()["code"], "connection_in_use");
        ids.push(made["id"].clone());
        assign(&mut cell, &peer, None);
        assert_eq!(seen_as(&phone), Some(json!(CELL_WAN)));
    }
    // People at home were asked of the usual servers all the while.
    assert_eq!(
        lookup(
            &cell.world.laptop,
            &[&format!("@{}", cell.world.home_address()), ONLY_THERE]
        ),
        ""
    );

    for id in &ids {
        expect_status(&cell.owner.delete(&path(id)).unwrap(), 204);
        expect_status(&cell.owner.get(&path(id)).unwrap(), 404);
    }
    cell.settle();
    assert_eq!(
        cell.get("/api/connectivity/connections")["items"],
        json!([])
    );
}

#[test]
fn nothing_leaves_by_the_uplink_whatever_goes_down() {
    let (mut cell, _names) = start();
    let phone = cell.world.phone.clone();
    let internet = cell.world.internet.clone();
    let proxy = Proxy::socks5(&internet);
    let made = add(&cell, &form("socks5"));
    let id = made["id"].clone();
    let peer = cell.add_peer(&json!({ "name": "phone", "exit_connection_id": id }));
    let _tunnel = WgClient::up(&phone, &peer.config).unwrap();
    becomes(&cell, &id, "ok");
    assert_eq!(seen_as(&phone), Some(json!(LEAVES_AS)));

    let uplink = Uplink::watch(&internet, &with_proxy());
    let nothing_leaves = |what: &str| {
        send_all_kinds(&phone);
        uplink.is_silent(what);
    };
    nothing_leaves("at rest");

    drop(proxy);
    let down = becomes(&cell, &id, "failed");
    let expected = format!("the proxy does not answer at {PROXY}:{PORT}");
    assert_eq!(down["detail"], expected);
    nothing_leaves("without the proxy");
    assert!(seen_as(&phone).is_none());
    let _proxy = Proxy::socks5(&internet);
    becomes(&cell, &id, "ok");
    assert_eq!(seen_as(&phone), Some(json!(LEAVES_AS)));

    let core = |cell: &Cell| Process(cell.celld.process_id().unwrap());
    let relay = wait_for(PATIENCE, || core(&cell).role("relay")).unwrap();
    relay.kill9();
    nothing_leaves("after the relay was killed");
    let back = || core(&cell).role("relay").filter(|found| *found != relay);
    assert!(wait_for(PATIENCE, back).is_some());
    becomes(&cell, &id, "ok");
    assert_eq!(seen_as(&phone), Some(json!(LEAVES_AS)));

    crash_while_sending(&mut cell, &phone);
    nothing_leaves("after the daemon was killed");
    becomes(&cell, &id, "ok");
    let by_the_way = || (seen_as(&phone) == Some(json!(LEAVES_AS))).then_some(());
    assert!(wait_for(PATIENCE, by_the_way).is_some());
    uplink.is_silent("at the end");

    let mut off = form("socks5");
    off["enabled"] = json!(false);
    expect_status(&cell.owner.put(&path(&id), &off).unwrap(), 200);
    cell.settle();
    nothing_leaves("switched off");
    assert!(seen_as(&phone).is_none());
    off["enabled"] = json!(true);
    // The password stays where it is for the same user at the same host.
    off["config"].as_object_mut().unwrap().remove("password");
    expect_status(&cell.owner.put(&path(&id), &off).unwrap(), 200);
    becomes(&cell, &id, "ok");
    assert!(wait_for(PATIENCE, by_the_way).is_some());
    uplink.is_silent("at the end");
}

#[test]
fn only_who_may_leaves_by_the_uplink_while_the_way_leads_nowhere() {
    let (mut cell, _names) = start();
    let phone = cell.world.phone.clone();
    let internet = cell.world.internet.clone();
    let proxy = Proxy::socks5(&internet);
    let id = add(&cell, &form("socks5"))["id"].clone();
    let peer = cell.add_peer(&json!({ "name": "phone", "exit_connection_id": id }));
    let _tunnel = WgClient::up(&phone, &peer.config).unwrap();
    becomes(&cell, &id, "ok");
    set_failopen(&mut cell, &peer, json!(true));
    assert_eq!(seen_as(&phone), Some(json!(LEAVES_AS)));
    let view = |cell: &Cell| cell.get("/api/peers/phone")["peer"].clone();
    assert_eq!(
        (&view(&cell)["failopen"], &view(&cell)["open_now"]),
        (&json!(true), &json!(false))
    );

    drop(proxy);
    becomes(&cell, &id, "failed");
    let leaves_as = |expected: Ipv4Addr| {
        wait_for(PATIENCE, || {
            (seen_as(&phone) == Some(json!(expected))).then_some(())
        })
        .is_some()
    };
    assert!(leaves_as(CELL_WAN));
    assert_eq!(view(&cell)["open_now"], true);
    let _proxy = Proxy::socks5(&internet);
    assert!(leaves_as(LEAVES_AS));
    assert_eq!(view(&cell)["open_now"], false);
    drop(_proxy);
    becomes(&cell, &id, "failed");
    assert!(leaves_as(CELL_WAN));
    for closed in [json!(null), json!(false)] {
        set_failopen(&mut cell, &peer, closed);
        assert!(seen_as(&phone).is_none());
        set_failopen(&mut cell, &peer, json!(true));
        assert!(leaves_as(CELL_WAN));
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let (mut cell, _names) = start();
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let id = add(&cell, &form("http"))["id"].clone();
    let state = |cell: &Cell| {
        (
            cell.get("/api/config"),
            cell.get("/api/peers"),
            cell.get("/api/connectivity/connections")["items"][0]["config"].clone(),
        )
    };
    let before = state(&cell);
    let unknown = "00000000-0000-4000-8000-000000000000";
    let changed = |change: Value| {
        let mut wrong = form("http");
        for (key, value) in change.as_object().unwrap() {
            match wrong["config"].get(key).is_some() {
                true => wrong["config"][key] = value.clone(),
                false => wrong[key] = value.clone(),
            }
        }
        wrong
    };
    let add = "/api/connectivity/connections".to_owned();
    let exit = format!("/api/peers/{}/exit", peer.name);
    let failopen = format!("/api/connectivity/peers/{}/failopen", peer.name);
    for (method, path, body, status, code) in [
        ("POST", &add, form("http"), 409, "connection_exists"),
        (
            "POST",
            &add,
            changed(json!({ "type": "carrier_pigeon" })),
            400,
            "invalid_field",
        ),
        (
            "POST",
            &add,
            changed(json!({ "scheme": "ftp" })),
            400,
            "invalid_field",
        ),
        (
            "POST",
            &add,
            changed(json!({ "host": "127.0.0.1", "name": "b" })),
            400,
            "invalid_field",
        ),
        (
            "POST",
            &add,
            changed(json!({ "port": 0, "name": "b" })),
            400,
            "invalid_field",
        ),
        (
            "POST",
            &add,
            changed(json!({ "extra": 1, "name": "b" })),
            400,
            "invalid_field",
        ),
        (
            "POST",
            &add,
            json!({ "type": "proxy", "name": "b" }),
            400,
            "invalid_field",
        ),
        (
            "PUT",
            &exit,
            json!({ "exit_connection_id": unknown }),
            422,
            "unknown_connection",
        ),
        (
            "PUT",
            &exit,
            json!({ "exit_connection_id": "work" }),
            400,
            "invalid_field",
        ),
        ("PUT", &exit, json!({}), 400, "invalid_field"),
        (
            "PUT",
            &failopen,
            json!({ "failopen": "yes" }),
            400,
            "invalid_field",
        ),
        ("PUT", &failopen, json!({}), 400, "invalid_field"),
        (
            "PUT",
            &format!("{add}/{unknown}"),
            form("http"),
            404,
            "not_found",
        ),
        (
            "DELETE",
            &format!("{add}/{unknown}"),
            json!(null),
            404,
            "not_found",
        ),
        (
            "DELETE",
            &format!("{add}/work"),
            json!(null),
            404,
            "not_found",
        ),
    ] {
        let reply = match method {
            "POST" => cell.owner.post(path, &body),
            "PUT" => cell.owner.put(path, &body),
            _ => cell.owner.delete(path),
        }
        .unwrap();
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["code"]),
            (status, &json!(code)),
            "{method} {path} {body}: {told}"
        );
        assert!(!reply.text().contains(PASSWORD), "{}", reply.text());
        assert_eq!(state(&cell), before, "{method} {path} {body}");
    }
    // Another host is not told the password that was for this one.
    let mut elsewhere = changed(json!({ "host": "192.0.2.99" }));
    elsewhere["config"]
        .as_object_mut()
        .unwrap()
        .remove("password");
    let reply = cell.owner.put(&path(&id), &elsewhere).unwrap();
    assert_eq!(
        (reply.status, &reply.json()["errors"][0]["field"]),
        (400, &json!("config.password"))
    );
    assert_eq!(state(&cell), before);
}
