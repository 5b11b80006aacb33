//! By a provider's WireGuard tunnel.
//!
//! ```text
//! phone, laptop ══ WireGuard ══ cell ══ WireGuard ══ provider n (10.99.n.2) ── internet
//!                                                    answers names in its tunnel, at 10.2.0.1
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cell_model::key::PrivateKey;
use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{
    CELL_WAN, LAPTOP, OUTSIDE_NAME, OUTSIDE_WEB, OUTSIDE_WEB6, PHONE, WorldOptions,
};
use cell_testkit::{DnsServer, Namespace, WgClient, World, wait_for};
use cell_tests::probe::{connect, echoes, fetch, lookup, pings, serve_echo};
use cell_tests::{Cell, Process, VPN_ADDRESS, expect_status};
use serde_json::{Value, json};

use crate::lab::{
    A_WHILE, ONLY_THERE, Uplink, add, assign, becomes, crash_while_sending, path, seen_as,
    send_all_kinds, set_failopen,
};

const PORT: u16 = 51820;
/// Where each provider answers names, in its tunnel.
const NAMES: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

/// A provider, gone when dropped.
struct Provider {
    number: u8,
    namespace: Namespace,
    names: DnsServer,
    tunnel: Option<WgClient>,
}

impl Provider {
    fn start(internet: &Namespace, number: u8) -> Self {
        let namespace = Namespace::create("provider").unwrap();
        let (there, link) = (namespace.name().to_owned(), format!("provider{number}"));
        internet
            .ip(&format!(
                "link add {link} type veth peer name eth0 netns {there}
                 addr add 10.99.{number}.1/24 dev {link}
                 link set {link} up"
            ))
            .unwrap();
        namespace
            .ip(&format!(
                "addr add 10.99.{number}.2/24 dev eth0
                 link set eth0 up
                 route add default via 10.99.{number}.1"
            ))
            .unwrap();
        internet
            .ip6(&format!("addr add fd99:{number}::1/64 dev {link} nodad"))
            .unwrap();
        namespace
            .ip6(&format!(
                "addr add fd99:{number}::2/64 dev eth0 nodad
                 route add default via fd99:{number}::1"
            ))
            .unwrap();
        namespace.set_sysctl("net.ipv4.ip_forward", "1").unwrap();
        namespace
            .set_sysctl("net.ipv6.conf.all.forwarding", "1")
            .unwrap();
        for line in [
            "add table inet leave",
            "add chain inet leave out { type nat hook postrouting priority 100 ; }",
            "add rule inet leave out oifname eth0 masquerade",
        ] {
            Uplink::nft(&namespace, line);
        }
        namespace
            .ip(&format!("addr add {NAMES}/32 dev lo"))
            .unwrap();
        // What is found there is another thing at each.
        let only_there = IpAddr::from([192, 0, 2, 100 + number]);
        let zone = [(OUTSIDE_NAME, OUTSIDE_WEB.into()), (ONLY_THERE, only_there)];
        let names = SocketAddr::from((NAMES, 53));
        let names = DnsServer::start(&namespace, &[names], &zone).unwrap();
        let mut provider = Self {
            number,
            namespace,
            names,
            tunnel: None,
        };
        provider.serve();
        provider
    }

    fn keys(&self) -> [PrivateKey; 2] {
        let key = |byte| PrivateKey::from_bytes([byte; 32]);
        [key(100 + self.number), key(150 + self.number)]
    }

    fn serve(&mut self) {
        let [own, customer] = self.keys();
        let config = format!(
            "[Interface]\nPrivateKey = {}\nAddress = 10.2.0.254/24, fd02::1/64\nListenPort = {PORT}\n\
             [Peer]\nPublicKey = {}\nAllowedIPs = 10.2.0.2/32, fd02::2/128\n",
            own.expose_text().expose(),
            customer.public_key(),
        );
        self.tunnel = Some(WgClient::up(&self.namespace, &config).unwrap());
    }

    fn stop(&mut self) {
        self.tunnel = None;
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.number, 2)
    }

    fn address6(&self) -> String {
        format!("fd99:{}::2", self.number)
    }

    /// The file that it gives its customer, with its other end called so.
    fn file(&self, host: &str) -> String {
        let [own, customer] = self.keys();
        format!(
            "# Provider {}\n[Interface]\nPrivateKey = {}\nAddress = 10.2.0.2/32, fd02::2/128\nDNS = {NAMES}\n\n\
             [Peer]\nPublicKey = {}\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = {host}:{PORT}\n",
            self.number,
            customer.expose_text().expose(),
            own.public_key(),
        )
    }

    fn form(&self) -> Value {
        form(
            &format!("Provider {}", self.number),
            &self.file(&self.address().to_string()),
        )
    }

    /// What the box speaks with it: the tunnel's packets, and that nobody is there for those that come while it is off.
    fn spoken(&self) -> String {
        format!("ip daddr {}", self.address())
    }
}

fn form(name: &str, file: &str) -> Value {
    json!({ "type": "wireguard_ext", "name": name, "config": { "file": file } })
}

fn start() -> Cell {
    let ipv6 = WorldOptions {
        ipv6: true,
        ..WorldOptions::default()
    };
    Cell::start_in(World::build(ipv6).unwrap(), Default::default())
}

/// Who asks for the page over IPv6, as the web server sees it.
fn seen_as6(from: &Namespace) -> Option<Value> {
    fetch(from, &format!("http://[{OUTSIDE_WEB6}]/")).map(|answer| answer["source"].clone())
}

#[test]
fn two_devices_leave_by_two_tunnels_and_ask_for_names_by_them() {
    let mut cell = start();
    let (phone, laptop) = (cell.world.phone.clone(), cell.world.laptop.clone());
    let internet = cell.world.internet.clone();
    let first = Provider::start(&internet, 1);
    let second = Provider::start(&internet, 2);
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let tunnel = WgClient::up(&phone, &peer.config).unwrap();
    assert_eq!(seen_as(&phone), Some(json!(CELL_WAN)));
    // Without a way of its own, IPv6 leaves by the uplink: what does not later on would be seen there.
    assert_eq!(seen_as6(&phone), Some(json!("2001:db8:1::2")));

    let one = add(&cell, &first.form());
    let numbers = (
        &one["mark"],
        &one["table"],
        &one["iface"],
        &one["redirect_port"],
    );
    let expected = (
        &json!(0x1000),
        &json!(1000),
        &json!("wgext_0"),
        &json!(null),
    );
    assert_eq!(numbers, expected);
    let private = first.keys()[1].expose_text();
    assert!(!one.to_string().contains(private.expose()));
    assert!(
        !cell
            .get("/api/config")
            .to_string()
            .contains(private.expose())
    );
    assert_eq!(
        one["config"]["server_public_key"],
        json!(first.keys()[0].public_key())
    );
    // The other one by its name.
    cell.world
        .dns
        .lead("vpn.example.net", second.address().into());
    let two = add(&cell, &form("Provider 2", &second.file("vpn.example.net")));
    for way in [&one, &two] {
        becomes(&cell, &way["id"], "ok");
    }

    // Each answers one after the other, and whoever is cut off takes no leave.
    let [echo, another, third] =
        [7001, 7002, 7003].map(|port| SocketAddr::from((OUTSIDE_WEB, port)));
    for address in [echo, another, third] {
        serve_echo(&internet, address);
    }
    // What was open by the uplink ends.
    let mut flow = connect(&phone, echo, PATIENCE).unwrap();
    assert!(echoes(&mut flow, PATIENCE));
    assign(&mut cell, &peer, Some(&one["id"]));
    assert!(!echoes(&mut flow, A_WHILE));

    let uplink = Uplink::watch(&internet, &first.spoken());
    let also = format!(
        "insert rule inet uplink arrivals {} accept",
        second.spoken()
    );
    Uplink::nft(&internet, &also);
    assert_eq!(seen_as(&phone), Some(json!(first.address())));
    assert_eq!(seen_as6(&phone), Some(json!(first.address6())));
    assert_eq!(lookup(&phone, &[ONLY_THERE]), "192.0.2.101");
    assert!(pings(&phone, OUTSIDE_WEB.into()));
    assert!(pings(&phone, VPN_ADDRESS.into()) && pings(&phone, LAPTOP.into()));

    // Another device by the other one, at the same time.
    drop(tunnel);
    let other = cell.add_peer(&json!({ "name": "laptop", "exit_connection_id": two["id"] }));
    let _both = [
        WgClient::up(&phone, &peer.config).unwrap(),
        WgClient::up(&laptop, &other.config).unwrap(),
    ];
    assert_eq!(seen_as(&laptop), Some(json!(second.address())));
    assert_eq!(seen_as(&phone), Some(json!(first.address())));
    assert_eq!(lookup(&laptop, &[ONLY_THERE]), "192.0.2.102");
    assert_eq!(lookup(&phone, &[ONLY_THERE]), "192.0.2.101");
    send_all_kinds(&phone);
    send_all_kinds(&laptop);
    uplink.is_silent("at the end");
    assert!(
        first
            .names
            .queries()
            .iter()
            .any(|name| name.contains("only-there"))
    );

    // From one to the other.
    let mut flow = connect(&phone, another, PATIENCE).unwrap();
    assert!(echoes(&mut flow, PATIENCE));
    assign(&mut cell, &peer, Some(&two["id"]));
    assert!(!echoes(&mut flow, A_WHILE));
    assert_eq!(seen_as(&phone), Some(json!(second.address())));
    let refused = cell.owner.delete(&path(&two["id"])).unwrap();
    expect_status(&refused, 409);
    expect_status(&cell.owner.delete(&path(&one["id"])).unwrap(), 204);
    cell.settle();
    assert_eq!(seen_as(&phone), Some(json!(second.address())));
    uplink.is_silent("at the end");
    // Another file for the same way: what was open by the one before ends.
    let mut flow = connect(&phone, third, PATIENCE).unwrap();
    assert!(echoes(&mut flow, PATIENCE));
    let other = form("Provider 2", &first.file(&first.address().to_string()));
    expect_status(&cell.owner.put(&path(&two["id"]), &other).unwrap(), 200);
    let by_it = || (seen_as(&phone) == Some(json!(first.address()))).then_some(());
    assert!(wait_for(PATIENCE, by_it).is_some());
    assert!(!echoes(&mut flow, A_WHILE));
    uplink.is_silent("with another file");
    let links = cell.world.cell.command("ip").args(["-br", "link"]).output();
    let links = String::from_utf8(links.unwrap().stdout).unwrap();
    assert!(
        !links.contains("wgext_0") && links.contains("wgext_1"),
        "{links}"
    );
}

#[test]
fn nothing_leaves_by_the_uplink_whatever_becomes_of_a_tunnel() {
    let mut cell = start();
    let phone = cell.world.phone.clone();
    let internet = cell.world.internet.clone();
    let mut provider = Provider::start(&internet, 1);
    let id = add(&cell, &provider.form())["id"].clone();
    let peer = cell.add_peer(&json!({ "name": "phone", "exit_connection_id": id }));
    let _tunnel = WgClient::up(&phone, &peer.config).unwrap();
    becomes(&cell, &id, "ok");
    let by_it = json!(provider.address());
    assert_eq!(seen_as(&phone), Some(by_it.clone()));

    let uplink = Uplink::watch(&internet, &provider.spoken());
    let nothing_leaves = |what: &str| {
        send_all_kinds(&phone);
        uplink.is_silent(what);
    };
    let comes_back = |what: &str| {
        let back = wait_for(PATIENCE, || {
            (seen_as(&phone) == Some(by_it.clone())).then_some(())
        });
        assert!(back.is_some(), "{what}");
        uplink.is_silent(what);
    };
    nothing_leaves("at rest");

    provider.stop();
    nothing_leaves("while the provider goes down");
    becomes(&cell, &id, "failed");
    nothing_leaves("without the provider");
    assert!(seen_as(&phone).is_none());
    provider.serve();
    comes_back("the provider is back");
    becomes(&cell, &id, "ok");

    let core = |cell: &Cell| Process(cell.celld.process_id().unwrap());
    let relay = wait_for(PATIENCE, || core(&cell).role("relay")).unwrap();
    relay.kill9();
    nothing_leaves("after the process that asks for names was killed");
    comes_back("it is back");

    let tunnels = core(&cell).role("tunnels").unwrap();
    tunnels.kill9();
    nothing_leaves("after the process that carries the tunnel was killed");
    comes_back("it is started again");
    assert_ne!(core(&cell).role("tunnels"), Some(tunnels));

    // Somebody takes interface, routes and rules away.
    for line in [
        "link del wgext_0",
        "route flush table 1000",
        "rule del fwmark 0x1000/0x1ff0 lookup 1000",
    ] {
        cell.world.cell.ip(line).unwrap();
        nothing_leaves(line);
        comes_back(line);
    }

    crash_while_sending(&mut cell, &phone);
    nothing_leaves("after the daemon was killed");
    comes_back("the daemon is back");

    // The sets are patched.
    cell.add_peer(&json!({ "name": "laptop" }));
    let mut off = form("Provider 1", "");
    off["config"] = json!({});
    off["enabled"] = json!(false);
    expect_status(&cell.owner.put(&path(&id), &off).unwrap(), 200);
    cell.settle();
    nothing_leaves("switched off");
    assert!(seen_as(&phone).is_none());
    off["enabled"] = json!(true);
    expect_status(&cell.owner.put(&path(&id), &off).unwrap(), 200);
    comes_back("switched on");

    // The uplink gets another address beside.
    let other = "203.0.113.77";
    let also = format!("insert rule inet uplink arrivals ip saddr {other} jump strangers");
    for line in [
        "add chain inet uplink strangers".to_owned(),
        format!(
            "add rule inet uplink strangers {} accept",
            provider.spoken()
        ),
        format!("add rule inet uplink strangers ip daddr {PHONE} accept"),
        "add rule inet uplink strangers counter".to_owned(),
        "add rule inet uplink strangers accept".to_owned(),
        also,
    ] {
        Uplink::nft(&internet, &line);
    }
    cell.world
        .cell
        .ip(&format!("addr add {other}/24 dev wan0"))
        .unwrap();
    nothing_leaves("with two addresses");
    comes_back("with two addresses");
    let listing = Uplink::nft(&internet, "list chain inet uplink strangers");
    assert!(listing.contains("counter packets 0 "), "{listing}");
}

#[test]
fn only_who_may_leaves_by_the_uplink_while_a_tunnel_leads_nowhere() {
    let mut cell = start();
    let phone = cell.world.phone.clone();
    let mut provider = Provider::start(&cell.world.internet, 1);
    let id = add(&cell, &provider.form())["id"].clone();
    let peer = cell.add_peer(&json!({ "name": "phone", "exit_connection_id": id }));
    let _tunnel = WgClient::up(&phone, &peer.config).unwrap();
    becomes(&cell, &id, "ok");
    set_failopen(&mut cell, &peer, json!(true));
    assert_eq!(seen_as(&phone), Some(json!(provider.address())));
    let leaves_as = |expected: Ipv4Addr| {
        let is = || (seen_as(&phone) == Some(json!(expected))).then_some(());
        wait_for(PATIENCE, is).is_some()
    };
    provider.stop();
    becomes(&cell, &id, "failed");
    assert!(leaves_as(CELL_WAN));
    assert_eq!(cell.get("/api/peers/phone")["peer"]["open_now"], true);
    provider.serve();
    becomes(&cell, &id, "ok");
    assert!(leaves_as(provider.address()));
    assert_eq!(cell.get("/api/peers/phone")["peer"]["open_now"], false);
}

#[test]
fn file_that_cannot_be_is_refused_and_changes_nothing() {
    let cell = start();
    let provider = Provider::start(&cell.world.internet, 1);
    let whole = provider.file("10.99.1.2");
    let state = |cell: &Cell| {
        (
            cell.get("/api/config"),
            cell.get("/api/connectivity/connections"),
        )
    };
    let before = state(&cell);
    let all = "/api/connectivity/connections";
    for (from, to, status, code, says) in [
        (
            "[Peer]",
            "PostUp = /bin/sh\n[Peer]",
            400,
            "invalid_field",
            "postup runs a program",
        ),
        (
            "[Peer]",
            "PreDown = /bin/sh\n[Peer]",
            400,
            "invalid_field",
            "predown runs a program",
        ),
        (
            "[Peer]",
            "Jc = 4\n[Peer]",
            400,
            "invalid_field",
            "jc is a setting of another",
        ),
        ("PublicKey", "#", 400, "invalid_field", "PublicKey"),
        ("PrivateKey", "#", 400, "invalid_field", "PrivateKey"),
        ("Endpoint", "#", 400, "invalid_field", "Endpoint"),
        (
            "10.2.0.2/32",
            "192.168.77.99/32",
            409,
            "connection_address_taken",
            "192.168.77",
        ),
        (
            "10.99.1.2",
            "10.31.7.3",
            409,
            "connection_address_taken",
            "tunnel",
        ),
        (
            "10.2.0.2/32",
            &format!("{VPN_ADDRESS}/32"),
            409,
            "connection_address_taken",
            "VPN",
        ),
    ] {
        let body = form("Sweden", &whole.replace(from, to));
        let reply = cell.owner.post(all, &body).unwrap();
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["code"]),
            (status, &json!(code)),
            "{to}: {told}"
        );
        assert!(told.to_string().contains(says), "{to}: {told}");
        let private = provider.keys()[1].expose_text();
        assert!(!reply.text().contains(private.expose()), "{told}");
        assert_eq!(state(&cell), before, "{to}");
    }
    for (config, field) in [
        (json!({}), "config.file"),
        (json!({ "file": 7 }), "config.file"),
        (json!({ "file": "", "host": "x" }), "config.host"),
        (json!([]), "config"),
        (json!(null), "config"),
    ] {
        let body = json!({ "type": "wireguard_ext", "name": "Sweden", "config": config });
        let reply = cell.owner.post(all, &body).unwrap();
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["errors"][0]["field"]),
            (400, &json!(field)),
            "{told}"
        );
        assert_eq!(state(&cell), before);
    }

    // Whatever else somebody may paste: a key alone on its line, bytes of anything, too much of it.
    let private = provider.keys()[1].expose_text();
    let private = private.expose();
    let own = provider.keys()[1].public_key().to_string();
    let server = provider.keys()[0].public_key().to_string();
    let long = "#".repeat(17_000);
    for (from, to, says) in [
        ("PrivateKey = ", "PrivateKey =\n", "line 3"),
        ("PrivateKey = ", "PrivateKey: ", "setting"),
        ("[Interface]", "\u{0}\u{1b}[31m", "line 2"),
        ("[Interface]", &long, "16384 bytes"),
        ("[Interface]", "<html>", "line 2"),
        ("10.2.0.2/32", "10.2.0.2/33", "address is not valid"),
        ("10.2.0.2/32", "127.0.0.1/8", "one machine"),
        ("fd02::2/128", "fe80::2/64", "one machine"),
        ("fd02::2/128", "::ffff:10.2.0.2/128", "one machine"),
        ("10.99.1.2:51820", "10.99.1.2:0", "endpoint"),
        ("10.99.1.2:51820", "10.99.1.2:99999", "endpoint"),
        ("10.99.1.2:51820", "[::1]:51820", "other machines"),
        ("10.99.1.2:51820", "0.0.0.0:51820", "other machines"),
        ("DNS = 10.2.0.1", "DNS = 127.0.0.1", "other machines"),
        ("DNS = 10.2.0.1", "MTU = 1e3", "mtu is not valid"),
        ("DNS = 10.2.0.1", "MTU = 9000", "from 1280 to 1500"),
        (&server, &own, "the provider's PublicKey"),
    ] {
        let file = whole.replace(from, to);
        assert_ne!(file, whole, "{from}");
        let reply = cell.owner.post(all, &form("Sweden", &file)).unwrap();
        let told = reply.json();
        let field = &told["errors"][0]["field"];
        assert_eq!(
            (reply.status, field),
            (400, &json!("config.file")),
            "{to}: {told}"
        );
        let text = reply.text();
        assert!(text.contains(says), "{to}: {told}");
        let has_key = text.to_lowercase().contains(&private[..20].to_lowercase());
        assert!(!has_key && !text.contains('\u{1b}'), "{to}: {told}");
        assert_eq!(state(&cell), before, "{to}");
    }

    // The same file twice, another kind, and none for what is not there.
    let made = add(&cell, &provider.form());
    let (id, before) = (path(&made["id"]), state(&cell));
    let proxy = json!({ "type": "proxy", "name": "Provider 1",
        "config": { "scheme": "http", "host": "192.0.2.7", "port": 3128 } });
    let twice = form("Twice", &whole);
    let unknown = format!("{all}/00000000-0000-4000-8000-000000000000");
    for (is_post, path, body, status, code) in [
        (true, all, &twice, 409, "connection_key_taken"),
        (true, all, &provider.form(), 409, "connection_exists"),
        (false, id.as_str(), &proxy, 400, "invalid_field"),
        (false, unknown.as_str(), &twice, 404, "not_found"),
    ] {
        let reply = match is_post {
            true => cell.owner.post(path, body),
            false => cell.owner.put(path, body),
        }
        .unwrap();
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["code"]),
            (status, &json!(code)),
            "{told}"
        );
        assert_eq!(state(&cell), before, "{told}");
    }
}
