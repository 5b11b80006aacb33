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
use cell_webui::routes::PAGES;
use serde_json::{Value, json};

use crate::cell::{Cell, PASSWORD};

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
    let [owners, members] = ["owner", "member"].map(app_password);
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
        &[page("/sign-in", 200), sent("/sign-in", &wrong, 401)],
    );
    let mut pages = pages_of(Role::Owner, &owners, &members);
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
        sent("/dns/records/new", &json!({ "name": "a b" }), 422),
        sent("/network/addresses", &json!({}), 200),
        sent("/account/second-factor", &json!({}), 200),
    ]);
    hold(&cell, Some("owner"), &pages);
    hold(
        &cell,
        Some("member"),
        &pages_of(Role::Member, &members, &members),
    );

    // It waits for its confirmation while the overview is looked at.
    change(&owner, |config| {
        config["network"]["lan"]["addressing"] =
            json!({ "mode": "static", "address": "192.168.77.1/24" });
    });
    hold(&cell, Some("owner"), &[page("/", 200)]);
}

fn change(owner: &Client, edit: impl FnOnce(&mut Value)) {
    let mut config = owner.get("/api/config").unwrap().json();
    edit(&mut config);
    let reply = owner.put("/api/config", &config).unwrap();
    assert!(reply.status < 300, "{}", reply.text());
}

/// Every page of a role, but the one that sends on whoever is signed in. The ids are those of an app password of one's own
/// and of the member's.
fn pages_of(role: Role, own: &str, members: &str) -> Vec<Value> {
    let names = [
        ("{name}", "phone"),
        ("{username}", "member"),
        ("{number}", "2"),
        ("{part}", "dns"),
        ("{source}", "friends"),
    ];
    PAGES
        .iter()
        .filter(|page| page.access.admits(role) && page.path != "/sign-in")
        // No service is installed here: `netns: clients` has some.
        .filter(|page| !page.path.contains("{service}"))
        .map(|shown| {
            let id = match shown.path.starts_with("/people") {
                true => members,
                false => own,
            };
            let path = names
                .iter()
                .chain([&("{id}", id)])
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
