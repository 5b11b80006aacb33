//! The pages in a real browser: a person's way through them with JavaScript off, and every page held against the rules
//! for accessible pages, narrow and wide, light and dark.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

#[path = "cell.rs"]
#[expect(dead_code, reason = "the other tests of pages use the rest")]
mod cell;

use cell_model::account::Role;
use cell_testkit::Client;
use cell_testkit::Request;
use cell_testkit::firmware::Version;
use cell_tests::browser::{self, page, sent};
use cell_tests::passkey;
use cell_webui::routes::PAGES;
use serde_json::{Value, json};

use crate::cell::{Cell, DOMAIN, PASSWORD};

/// As long as a name of a device may be.
const LONG_NAME: &str = "tablet-of-the-grandmother-who-lives-upstairs-and-likes-her-quiet";

/// Runs a script in the laptop's browser.
fn run(cell: &Cell, script: &str, given: Value) -> Value {
    browser::run(&cell.world.laptop, &base(cell), script, given)
}

fn base(cell: &Cell) -> String {
    format!("https://{}", cell.celld.admin())
}

#[test]
fn person_gets_everything_done_with_javascript_off() {
    let cell = Cell::fresh();
    let given = json!({
        "setup_code": cell.celld.setup_code().unwrap(),
        "password": PASSWORD,
        "bundle": cell.slots.bundle_file(&Version::new(11)),
        "wrong_bundle": cell.celld.ca_pem(),
    });
    let seen = run(&cell, "journey.mjs", given);
    for (step, expected) in [
        (
            "refused setup",
            json!({
                "status": 422, "at": "/setup", "kept": "hut", "password": "", "wrong": ["#f-vpn_subnet"],
            }),
        ),
        ("set up", json!([200, "/setup/done"])),
        ("signed in", json!("/")),
        ("wrong bundle", json!([400, true])),
        ("bundle", json!([200, "/system"])),
        ("ready", json!([true, true])),
        ("dropped", json!(true)),
        (
            "device",
            json!({ "key": true, "picture is large enough": true }),
        ),
        ("key again", json!(false)),
        ("split", json!(true)),
        ("record", json!(true)),
        ("upstream", json!(true)),
        ("reviewed", json!(true)),
        ("waiting", json!(["/", 1])),
        ("confirmed", json!(["/", 0])),
        ("removed", json!(false)),
        (
            "revisions",
            json!([
                "Set the box up",
                "Added the device phone",
                "Changed the device phone",
                "Changed the DNS records",
                "Changed the upstream DNS servers",
                "Changed the settings of network",
                "Removed the device phone",
            ]),
        ),
        ("second revision", json!(true)),
        ("restored", json!(true)),
        (
            "audited",
            json!([
                "setup.complete",
                "auth.login",
                "firmware.receive",
                "firmware.receive",
                "firmware.drop",
                "peer.add",
                "peer.change",
                "config.change",
                "config.change",
                "config.change",
                "config.confirm",
                "peer.remove",
                "config.restore",
                "account.add",
            ]),
        ),
        ("signed out", json!("/sign-in")),
        ("devices without a session", json!("/sign-in")),
        ("first page of the member", json!("/account/password")),
        ("member's pages", json!(["/account", "/me"])),
        ("member at the devices", json!(403)),
    ] {
        assert_eq!(seen[step], expected, "{step}: {seen:#}");
    }
}

#[test]
fn no_page_has_a_barrier_in_any_size_or_theme() {
    let cell = Cell::fresh();
    hold(
        &cell,
        None,
        &[page("/setup", 200), sent("/setup", &json!({}), 422)],
    );
    drop(cell);

    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let device = json!({ "name": LONG_NAME, "expires_at": "2031-01-31T12:00:00Z" });
    let reply = owner.post("/api/peers", &device).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let app_password = |username: &str| {
        let form = json!({ "username": username, "device": LONG_NAME });
        let reply = owner.post("/api/app-passwords", &form).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["app_password"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let has = |username: &'static str| {
        let client = cell.signed_in(username);
        let made = |path: &str, form: Value| {
            let reply = client.post(path, &form).unwrap();
            assert!(reply.status < 300, "{path}: {}", reply.text());
            reply
        };
        let device = format!("{username}-phone");
        made("/api/peer/devices", json!({ "name": device }));
        let token = json!({ "label": LONG_NAME, "scopes": ["peers:read", "people:write"] });
        let token = made("/api/auth/tokens", token).json()["api_token"]["id"].clone();
        Has {
            app_password: app_password(username),
            token: token.as_str().unwrap().to_owned(),
            passkey: passkey::add(&client, LONG_NAME),
            device,
        }
    };
    let [owners, members] = ["owner", "member"].map(has);
    let group = json!({ "members": ["member", "owner"] });
    let reply = owner.put("/api/groups/family", &group).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let alias = json!({ "targets": ["member", "owner", "somebody@example.org"] });
    let reply = owner.put("/api/mail/aliases/info", &alias).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let proxy = json!({ "type": "proxy", "name": LONG_NAME[1..], "config": {
        "scheme": "socks5", "host": "192.0.2.77", "port": 1080, "username": "anna", "password": "correct horse",
    } });
    let reply = owner.post("/api/connectivity/connections", &proxy).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let connection = reply.json()["connection"]["id"].clone();
    let connection = connection.as_str().unwrap();
    let laptop = json!({ "name": "laptop", "exit_connection_id": connection });
    let reply = owner.post("/api/peers", &laptop).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let invite = json!({ "username": LONG_NAME, "role": "member" });
    let invite = owner.post("/api/auth/invites", &invite).unwrap().json();
    let code = invite["code"].as_str().unwrap();
    change(&owner, |config| {
        config["dns"]["upstreams"] = json!([{ "address": "192.0.2.53" }]);
        config["dns"]["records"] = json!([
            { "name": "printer", "type": "A", "value": "192.168.77.9" },
            { "name": "long", "type": "TXT", "value": "v=long".repeat(30) },
        ]);
        let keys: Vec<String> = ["1f", "a0", "77"].map(|byte| byte.repeat(32)).into();
        config["services"]["sources"] = json!({ "friends": {
            "url": "https://store.example.org/cell", "keys": { "threshold": 2, "keys": keys },
        } });
    });

    let line = "daemon.notice celld: WARN cell_reconcile: <b>it</b> does not answer within 10 s\n";
    cell.slots
        .keep_trial_log("not well: dns is not well\n".to_owned() + &line.repeat(1_000));
    let bundle = Version::new(11).bundle(&cell.slots.keys);
    let token = owner.csrf_token().unwrap().unwrap_or_default();
    let sent_bundle = Request::new("POST", "/api/firmware/bundle")
        .header("content-type", "application/octet-stream")
        .header("x-csrf-token", token)
        .body(bundle);
    assert_eq!(owner.send(&sent_bundle).unwrap().status, 202);

    let wrong = json!({ "username": "nobody", "password": "not the password" });
    hold(
        &cell,
        None,
        &[
            page("/sign-in", 200),
            page("/sign-in/passkey", 200),
            sent("/sign-in", &wrong, 401),
            page(&format!("/invite?code={code}"), 200),
            page("/invite?code=0123456789abcdefghjkmnpqrs", 401),
        ],
    );
    let mut pages = pages_of(Role::Owner, &owners, &members, connection);
    pages.extend([
        page(&format!("/peers/{LONG_NAME}"), 200),
        page("/me", 403),
        page("/no/such/page", 404),
        page("/audit?action=none.such", 200),
        sent("/peers/phone/key", &json!({}), 200),
        sent("/reauthenticate", &json!({ "password": "a guess" }), 403),
        sent("/peers/new", &json!({ "public_key": "no key" }), 422),
        sent(
            "/account/app-passwords/new",
            &json!({ "device": LONG_NAME }),
            200,
        ),
        sent("/people/member/app-passwords/new", &json!({}), 422),
        page("/peers/laptop", 200),
        sent("/exits/new/proxy", &json!({ "name": "work/home" }), 422),
        sent("/exits/new/wireguard", &json!({ "name": "work/home" }), 422),
        sent("/dns/records/new", &json!({ "name": "a b" }), 422),
        sent("/mail/aliases/new", &json!({ "name": "a b" }), 422),
        sent("/mail/room", &json!({ "quotas": "nobody 2 GiB" }), 422),
        sent("/mail/delivery", &json!({ "delivery.mode": "relay" }), 422),
        sent("/network/addresses", &json!({}), 200),
        sent("/account/second-factor", &json!({}), 200),
        sent("/people/invite", &json!({ "username": "carla" }), 200),
        sent("/people/invite", &json!({ "username": "a b" }), 422),
        sent(
            "/account/tokens/new",
            &json!({ "label": LONG_NAME, "scopes": true }),
            200,
        ),
        sent("/account/devices/owner-phone/key", &json!({}), 200),
    ]);
    hold(&cell, Some("owner"), &pages);
    hold(
        &cell,
        Some("member"),
        &pages_of(Role::Member, &members, &members, connection),
    );

    // It waits for its confirmation while the overview is looked at.
    change(&owner, |config| {
        config["network"]["lan"]["addressing"] =
            json!({ "mode": "static", "address": "192.168.77.1/24" });
    });
    hold(&cell, Some("owner"), &[page("/", 200)]);
}

#[test]
fn people_are_invited_and_sign_in_with_a_passkey() {
    let cell = Cell::set_up();
    let admin = cell.celld.admin();
    let name = format!("admin.{DOMAIN}");
    let laptop = &cell.world.laptop;
    laptop.set_hosts(&[(admin.ip(), name.clone())]).unwrap();
    let base = format!("https://{name}:{}", admin.port());
    let given = json!({
        "owner": "owner", "password": PASSWORD, "own": "a brook that is short",
        "by_address": self::base(&cell),
    });
    let seen = browser::run(laptop, &base, "people.mjs", given);
    let not_used = "No passkey was used: it was cancelled, took too long, or your device has none for this box.";
    for (step, expected) in [
        ("invited", json!(200)),
        ("link is for this box", json!(true)),
        ("invite is listed", json!(true)),
        ("told", json!(true)),
        ("short password", json!([422, true])),
        ("joined", json!([200, "/account/welcome"])),
        ("link again", json!(true)),
        ("device", json!([200, true])),
        ("device is listed", json!(true)),
        ("without script", json!([true, false])),
        ("told nothing", json!(null)),
        ("added", json!(["/account/passkeys", true])),
        (
            "twice",
            json!("This device has a passkey for the box already."),
        ),
        ("offered", json!(true)),
        ("signed in", json!("/account/devices")),
        ("reauthenticated", json!("/account/tokens/new")),
        ("bad signature", json!(["/sign-in/passkey", true])),
        ("nobody verified", json!(["/sign-in/passkey", true])),
        ("refused", json!(not_used)),
        (
            "by address",
            json!(format!("Passkeys work at {base} only. Open the box there.")),
        ),
        ("ended elsewhere", json!("/sign-in")),
        ("removed", json!(["/sign-in/passkey", true])),
    ] {
        assert_eq!(seen[step], expected, "{step}: {seen:#}");
    }
}

fn change(owner: &Client, edit: impl FnOnce(&mut Value)) {
    let mut config = owner.get("/api/config").unwrap().json();
    edit(&mut config);
    let reply = owner.put("/api/config", &config).unwrap();
    assert!(reply.status < 300, "{}", reply.text());
}

/// What somebody has that has a page of its own.
struct Has {
    app_password: String,
    token: String,
    passkey: String,
    device: String,
}

/// Every page of a role, but the one that sends on whoever is signed in.
fn pages_of(role: Role, own: &Has, members: &Has, connection: &str) -> Vec<Value> {
    let names = [
        ("{username}", "member"),
        ("{number}", "2"),
        ("{part}", "dns"),
        ("{source}", "friends"),
        ("{group}", "family"),
        ("{alias}", "info"),
        ("{connection}", connection),
    ];
    PAGES
        .iter()
        .filter(|page| {
            page.access.admits(role) && page.path != "/sign-in" && page.path != "/sign-in/passkey"
        })
        // No service is installed here, and so no key of mail is there: `netns: clients` has some. No other cell is there.
        .filter(|page| {
            let missing = ["{service}", "{selector}", "{cell}"];
            !missing.iter().any(|part| page.path.contains(part))
        })
        .map(|shown| {
            let id = match shown.path {
                path if path.starts_with("/people") => &members.app_password,
                path if path.starts_with("/account/tokens") => &own.token,
                path if path.starts_with("/account/passkeys") => &own.passkey,
                _ => &own.app_password,
            };
            let device = match shown.path.starts_with("/account") {
                true => own.device.as_str(),
                false => "phone",
            };
            let path = names
                .iter()
                .chain([&("{id}", id.as_str()), &("{name}", device)])
                .fold(shown.path.to_owned(), |path, (from, to)| {
                    path.replace(from, to)
                });
            page(&path, 200)
        })
        .collect()
}

/// Holds pages as somebody, or as nobody.
#[track_caller]
fn hold(cell: &Cell, username: Option<&str>, pages: &[Value]) {
    let signed_in = username.map(|username| (username, PASSWORD));
    browser::hold(&cell.world.laptop, &base(cell), signed_in, pages);
}
