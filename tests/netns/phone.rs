//! Shows 2: a phone that has nothing but the text of the web page, with the real WireGuard programs.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cell_testkit::world::{CELL_WAN, LAPTOP, OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{Client, Namespace, WgClient, wait_for};
use cell_tests::probe::{connect, dig, echoes, fetch, is_silent, lookup, pings, serve_echo};
use cell_tests::{Cell, DOMAIN, VPN_ADDRESS, expect_status};
use serde_json::json;

/// How long a removed device may go on at most.
const CUT_OFF: Duration = Duration::from_secs(2);

fn outside_page() -> String {
    format!("http://{OUTSIDE_NAME}/")
}

fn shakes_hands(client: &WgClient) -> bool {
    let limit = Duration::from_secs(20);
    wait_for(limit, || client.has_handshake().unwrap().then_some(())).is_some()
}

/// When `ping -D` had its last answer, in seconds since 1970.
fn last_ping_answer(printed: &str) -> Option<f64> {
    let mut answers = printed.lines().filter(|line| line.contains("bytes from"));
    let time = answers.next_back()?.strip_prefix('[')?.split(']').next()?;
    time.parse().ok()
}

#[test]
fn phone_finds_names_the_admin_page_and_the_internet_through_the_tunnel() {
    let mut cell = Cell::start();
    let peer = cell.add_peer(&json!({ "name": "Annas_phone" }));
    assert!(
        peer.answer["qr_svg"]
            .as_str()
            .is_some_and(|svg| svg.starts_with("<svg")),
        "{}",
        peer.answer
    );
    let phone = &cell.world.phone;
    let tunnel = WgClient::up(phone, &peer.config).unwrap();

    let admin = format!("admin.{DOMAIN}");
    assert_eq!(lookup(phone, &[&admin]), VPN_ADDRESS.to_string());
    assert!(tunnel.has_handshake().unwrap());
    assert_eq!(lookup(phone, &[DOMAIN]), VPN_ADDRESS.to_string());
    let own = format!("annas-phone.{DOMAIN}");
    assert_eq!(lookup(phone, &[&own]), peer.address.to_string());
    let pointer = lookup(phone, &["-x", &peer.address.to_string()]);
    assert_eq!(pointer, format!("{own}."));
    assert_eq!(lookup(phone, &[OUTSIDE_NAME]), OUTSIDE_WEB.to_string());
    assert_eq!(
        lookup(phone, &["+tcp", OUTSIDE_NAME]),
        OUTSIDE_WEB.to_string()
    );

    let page = Client::new(phone, format!("https://{admin}:8443"), &cell.celld.ca_pem()).unwrap();
    expect_status(&page.get("/health").unwrap(), 200);

    let answer = fetch(phone, &outside_page()).expect("the phone reaches the internet");
    assert_eq!(answer["source"], CELL_WAN.to_string());
    assert_eq!(cell.world.web.sources(), [IpAddr::from(CELL_WAN)]);

    let seen = cell.get("/api/peers/Annas_phone");
    assert!(seen["peer"]["latest_handshake"].is_string(), "{seen}");
}

#[test]
fn removed_phone_is_cut_off_at_once_in_the_middle_of_its_flows() {
    let mut cell = Cell::start();
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let kept = cell.add_peer(&json!({ "name": "kept", "full_tunnel": false }));
    let phone = cell.world.phone.clone();
    let _tunnel = WgClient::up(&phone, &peer.config).unwrap();
    let _other = WgClient::up(&cell.world.laptop, &kept.config).unwrap();
    assert!(pings(&cell.world.laptop, VPN_ADDRESS.into()));

    let echo = SocketAddr::from((OUTSIDE_WEB, 7));
    serve_echo(&cell.world.internet, echo);
    let mut flow = connect(&phone, echo, Duration::from_secs(10)).expect("the flow opens");
    assert!(echoes(&mut flow, Duration::from_secs(10)));
    let mut ping = phone
        .command("ping")
        .args(["-n", "-D", "-i", "0.2", &OUTSIDE_WEB.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let reply = cell.owner.delete("/api/peers/phone").unwrap();
    let (removed, removed_at) = (Instant::now(), SystemTime::now());
    expect_status(&reply, 204);
    let mut last_echo = Duration::ZERO;
    while removed.elapsed() < CUT_OFF * 2 {
        if echoes(&mut flow, Duration::from_millis(200)) {
            last_echo = removed.elapsed();
        }
    }
    ping.kill().unwrap();
    let pinged = String::from_utf8(ping.wait_with_output().unwrap().stdout).unwrap();
    assert!(last_echo < CUT_OFF, "{last_echo:?}");
    let last_answer = last_ping_answer(&pinged).expect("the ping was answered before");
    let deadline = removed_at.duration_since(UNIX_EPOCH).unwrap() + CUT_OFF;
    assert!(last_answer < deadline.as_secs_f64(), "{pinged}");
    assert!(is_silent(&phone, VPN_ADDRESS.into()));

    let name = format!("phone.{DOMAIN}");
    let gone = dig(&cell.world.laptop, &[&name]);
    assert!(gone.contains("status: NXDOMAIN"), "{gone}");
    // Nobody else noticed.
    assert!(pings(&cell.world.laptop, VPN_ADDRESS.into()));
}

#[test]
fn split_tunnel_device_reaches_the_cell_and_cannot_leave_by_its_uplink() {
    let mut cell = Cell::start();
    let peer = cell.add_peer(&json!({ "name": "tablet", "full_tunnel": false }));
    let phone = &cell.world.phone;
    assert!(!peer.config.contains("0.0.0.0/0"), "{}", peer.config);
    let tunnel = WgClient::up(phone, &peer.config).unwrap();
    assert!(pings(phone, VPN_ADDRESS.into()));
    // The internet is reached as before, past the tunnel.
    let answer = fetch(phone, &outside_page()).unwrap();
    assert_ne!(answer["source"], CELL_WAN.to_string());
    tunnel.down();

    // A device that helps itself to a full tunnel gets no further.
    let helped: Vec<&str> = peer
        .config
        .lines()
        .map(|line| match line.starts_with("AllowedIPs") {
            true => "AllowedIPs = 0.0.0.0/0",
            false => line,
        })
        .collect();
    let _tunnel = WgClient::up(phone, &helped.join("\n")).unwrap();
    assert!(pings(phone, VPN_ADDRESS.into()));
    assert!(is_silent(phone, OUTSIDE_WEB.into()));
    assert!(is_silent(phone, LAPTOP.into()));

    // Allowed later, it leaves without being set up again.
    let reply = cell
        .owner
        .put("/api/peers/tablet", &json!({ "full_tunnel": true }));
    expect_status(&reply.unwrap(), 200);
    cell.settle();
    assert!(pings(&cell.world.phone, OUTSIDE_WEB.into()));
}

#[test]
fn devices_reach_each_other_only_while_both_may() {
    let mut cell = Cell::start();
    let peers = ["one", "other"].map(|name| {
        cell.add_peer(&json!({ "name": name, "full_tunnel": false, "peer_to_peer": true }))
    });
    let _one = WgClient::up(&cell.world.phone, &peers[0].config).unwrap();
    let _other = WgClient::up(&cell.world.laptop, &peers[1].config).unwrap();
    let reach = |from: &Namespace, to: usize| pings(from, peers[to].address.into());
    // Both have spoken, so the cell knows where they are.
    assert!(pings(&cell.world.phone, VPN_ADDRESS.into()));
    assert!(pings(&cell.world.laptop, VPN_ADDRESS.into()));
    assert!(reach(&cell.world.phone, 1) && reach(&cell.world.laptop, 0));

    let reply = cell
        .owner
        .put("/api/peers/other", &json!({ "peer_to_peer": false }));
    expect_status(&reply.unwrap(), 200);
    cell.settle();
    assert!(is_silent(&cell.world.phone, peers[1].address.into()));
    assert!(is_silent(&cell.world.laptop, peers[0].address.into()));
    assert!(pings(&cell.world.laptop, VPN_ADDRESS.into()));
}

#[test]
fn device_that_made_its_own_key_is_given_everything_but_the_private_line() {
    let mut cell = Cell::start();
    let text = |command: &mut Command| {
        let output = command.output().unwrap().stdout;
        String::from_utf8(output).unwrap().trim().to_owned()
    };
    let private = text(Command::new("wg").arg("genkey"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &private).unwrap();
    let public = text(
        Command::new("wg")
            .arg("pubkey")
            .stdin(file.reopen().unwrap()),
    );

    let peer = cell.add_peer(&json!({ "name": "own", "public_key": public }));
    assert_eq!(peer.answer["peer"]["public_key"], public);
    assert!(peer.answer["qr_svg"].is_null(), "{}", peer.answer);
    assert!(
        !peer
            .config
            .lines()
            .any(|line| line.starts_with("PrivateKey")),
        "{}",
        peer.config
    );
    let whole = peer.config.replace(
        "[Interface]",
        &format!("[Interface]\nPrivateKey = {private}"),
    );
    let tunnel = WgClient::up(&cell.world.phone, &whole).unwrap();
    assert!(fetch(&cell.world.phone, &outside_page()).is_some());
    assert!(shakes_hands(&tunnel));
}

#[test]
fn phone_of_a_person_loses_access_with_them() {
    let cell = Cell::start();
    let (phone, owner) = (&cell.world.phone, &cell.owner);
    let password = "a brook that is short";
    let invite = json!({ "username": "ben", "role": "member" });
    let invite = owner.post("/api/auth/invites", &invite).unwrap();
    expect_status(&invite, 201);
    let ben = cell.celld.client(&cell.world.laptop).unwrap();
    let accepted = json!({ "code": invite.json()["code"], "password": password });
    let joined = ben.post("/api/auth/accept-invite", &accepted).unwrap();
    expect_status(&joined, 201);
    let device = ben.post("/api/peer/devices", &json!({ "name": "ben-phone" }));
    let device = device.unwrap();
    expect_status(&device, 201);
    let config = device.json()["config"].as_str().unwrap().to_owned();
    let tunnel = WgClient::up(phone, &config).unwrap();
    assert!(shakes_hands(&tunnel) && pings(phone, VPN_ADDRESS.into()));

    // Their access ends by itself.
    let end = SystemTime::now() + Duration::from_secs(3);
    let end = cell_model::Timestamp::try_from(end).unwrap();
    let ends = |end: Option<cell_model::Timestamp>| {
        let form = json!({ "access_until": end });
        let reply = owner.put("/api/auth/users/ben", &form).unwrap();
        expect_status(&reply, 204);
    };
    ends(Some(end));
    let silent = || is_silent(phone, VPN_ADDRESS.into()).then_some(());
    assert!(wait_for(Duration::from_secs(20), silent).is_some());
    expect_status(&ben.get("/api/auth/me").unwrap(), 401);
    // And comes back with more time.
    ends(None);
    let answers = || pings(phone, VPN_ADDRESS.into()).then_some(());
    assert!(wait_for(Duration::from_secs(20), answers).is_some());

    // They are removed, and the phone with them.
    expect_status(&owner.delete("/api/auth/users/ben").unwrap(), 204);
    assert!(is_silent(phone, VPN_ADDRESS.into()));
    let listed = cell.get("/api/wireguard/status");
    assert_eq!(listed["peers"], json!([]), "{listed}");
}
