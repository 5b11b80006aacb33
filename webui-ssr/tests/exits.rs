//! Ways out: what a person does on their pages and on those of devices, and what the core is asked for then.
#![expect(clippy::panic, reason = "code of tests: what goes wrong ends the test")]

mod support;

use cell_control::change::{Change, PeerUpdate};
use cell_control::connection::{ConnectionForm, ProxyForm, WayForm};
use cell_control::fake::{Call, Stage};
use cell_control::query::Answer as Told;
use cell_control::view::Page;
use cell_model::account::Role;
use cell_model::problem::{FieldError, Problem};

use support::ways::{NEW, OFF, PROVIDER, TUNNEL, WORK, connection, connections, peer};
use support::{Answer, Site, TOKEN};

const OWNER: Option<Role> = Some(Role::Owner);
const HELPER: Option<Role> = Some(Role::Helper);

const PROXY: [(&str, &str); 9] = [
    ("name", "Work"),
    ("config.scheme", "socks5"),
    ("config.host", "proxy.example.org"),
    ("config.port", "1080"),
    ("config.username", "anna"),
    ("config.password", "correct horse"),
    ("resolvers", "9.9.9.9"),
    ("enabled", "yes"),
    TOKEN,
];

const ACCESS: [(&str, &str); 3] = [("tunnel", "full"), ("services", "mail"), TOKEN];

/// A form with something else in some of its fields.
fn with<'a>(form: &[(&'a str, &'a str)], other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let stays = |pair: &&(&str, &str)| other.iter().all(|(name, _)| *name != pair.0);
    form.iter().filter(stays).chain(other).copied().collect()
}

fn changes(site: &Site) -> Vec<Change> {
    let calls = site.core.take_calls().into_iter();
    let change = calls.filter_map(|(_, call)| match call {
        Call::Submit(change) => Some(change),
        _ => None,
    });
    change.collect()
}

/// The form that a change of one way sets.
fn put(site: &Site, way: &str) -> ConnectionForm {
    match changes(site).pop() {
        Some(Change::PutConnection { id, form }) if id.to_string() == way => *form,
        other => panic!("{other:?}"),
    }
}

fn proxy(form: &ConnectionForm) -> &ProxyForm {
    match &form.way {
        WayForm::Proxy(proxy) => proxy,
        WayForm::WireguardExt(_) => panic!("{form:?}"),
    }
}

/// The file that came with a form of a tunnel.
fn file(form: &ConnectionForm) -> Option<&str> {
    match &form.way {
        WayForm::WireguardExt(tunnel) => tunnel.file.as_ref().map(|file| file.expose().as_str()),
        WayForm::Proxy(_) => panic!("{form:?}"),
    }
}

/// Sends the form of a device, and the update that became of it.
async fn given(pairs: &[(&str, &str)]) -> (Answer, PeerUpdate) {
    let site = Site::with_ways(Stage::Ready);
    let answer = site
        .post(OWNER, "/peers/anna-tablet", &with(&ACCESS, pairs))
        .await;
    match changes(&site).pop() {
        Some(Change::ChangePeer { update, .. }) => (answer, update),
        other => panic!("{other:?}: {answer:?}"),
    }
}

fn shown(way: &str) -> Site {
    let site = Site::with_ways(Stage::Ready);
    site.core
        .answer(Told::Connection(Box::new(connection(way))));
    site
}

/// A core that says no to the change, and answers what it is asked as a box with ways does.
fn refusing(problem: Problem, way: &str) -> Site {
    let site = Site::refusing(Stage::Ready, problem);
    site.core.answer(connections());
    site.core
        .answer(Told::Connection(Box::new(connection(way))));
    site
}

#[tokio::test]
async fn list_without_a_way_says_what_it_is_for_and_what_to_do_next() {
    let site = Site::new(Stage::Ready);
    let items = Vec::new();
    site.core
        .answer(Told::Connections(Page { items, next: None }));
    let page = site.get(OWNER, "/exits").await.body;
    assert!(page.contains("There is no way out yet"), "{page}");
    assert!(page.contains("href=\"/exits/new/proxy\""), "{page}");
    let page = site.get(HELPER, "/exits").await.body;
    assert!(!page.contains("/exits/new/proxy"), "{page}");
    // Then devices are asked for no choice that they do not have.
    for path in ["/peers/new", "/peers/anna-phone"] {
        let page = site.get(OWNER, path).await.body;
        assert!(!page.contains("Quad9") && !page.contains("exit_connection_id"));
        assert!(!page.contains("While its way out"), "{page}");
    }
    let pairs = with(&ACCESS, &[("failopen", "yes")]);
    let kept = site.post(OWNER, "/peers/anna-phone", &pairs).await;
    assert_eq!(kept.status, 303, "{kept:?}");
}

#[tokio::test]
async fn list_says_how_each_way_is_where_it_leads_and_who_has_it() {
    let page = shown(WORK).get(HELPER, "/exits").await.body;
    for said in [
        "Leads out",
        "41\u{a0}ms",
        "Leads nowhere",
        "Switched off",
        "Being looked at",
        "SOCKS5 proxy",
        "proxy.example.org, port 1080",
        "HTTP proxy",
        "TCP only",
        "href=\"/peers/ben-laptop\"",
        "datetime=\"2026-11-27T18:00:00Z\"",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    for way in [WORK, PROVIDER, TUNNEL, OFF, NEW] {
        assert!(page.contains(&format!("href=\"/exits/{way}\"")), "{way}");
    }
}

#[tokio::test]
async fn proxy_is_added_and_its_page_opens() {
    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/exits/new/proxy").await.body;
    assert!(page.contains("Neither SOCKS5 nor HTTP is encrypted"));
    assert!(page.contains("value=\"socks5\" checked") && page.contains("value=\"yes\" checked"));
    // Nothing is above it that is not there.
    assert!(!page.contains("href=\"/exits/new\""), "{page}");
    let added = site.post(OWNER, "/exits/new/proxy", &PROXY).await;
    let location = format!("/exits/{WORK}?done=added");
    assert_eq!(added.location.as_deref(), Some(&*location));
    let Some(Change::AddConnection(form)) = changes(&site).pop() else {
        panic!("nothing was added");
    };
    let config = proxy(&form);
    let password = config.password.as_ref().map(|password| password.expose());
    assert_eq!(password.map(String::as_str), Some("correct horse"));
    assert_eq!(
        (form.name.as_str(), form.enabled, config.port),
        ("Work", true, 1080)
    );
    let page = site.get(OWNER, &location).await.body;
    assert!(page.contains("<h1>Work</h1>") && page.contains("Added."));
}

#[tokio::test]
async fn tunnel_is_added_by_the_file_of_its_provider() {
    const FILE: &str = "[Interface]\nPrivateKey = AAEB\n[Peer]\nEndpoint = vpn.example.net:51821\n";
    let site = Site::with_ways(Stage::Ready);
    let page = site.get(OWNER, "/exits/new/wireguard").await.body;
    assert!(page.contains("<textarea") && page.contains("with the ending .conf"));
    let form = [
        ("name", "Sweden"),
        ("config.file", FILE),
        ("enabled", "yes"),
        TOKEN,
    ];
    let added = site.post(OWNER, "/exits/new/wireguard", &form).await;
    assert_eq!(added.status, 303, "{}", added.body);
    let Some(Change::AddConnection(form)) = changes(&site).pop() else {
        panic!("nothing was added");
    };
    assert_eq!(file(&form).map(str::trim), Some(FILE.trim()));
    let none = [
        ("name", "Sweden"),
        ("config.file", " "),
        ("enabled", "yes"),
        TOKEN,
    ];
    let refused = site.post(OWNER, "/exits/new/wireguard", &none).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("id=\"f-config.file-error\""));
    // A file that is refused for anything is not on the page, which may stay open for others to see.
    let wrong = [
        ("name", "a/b"),
        ("config.file", FILE),
        ("enabled", "yes"),
        TOKEN,
    ];
    let refused = site.post(OWNER, "/exits/new/wireguard", &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("a/b") && !refused.body.contains("AAEB"),
        "{}",
        refused.body
    );

    // Its page says where it leads, and what passes; the tunnel stays as it is without a file, and is switched as it is.
    let site = shown(TUNNEL);
    let path = format!("/exits/{TUNNEL}");
    let page = site.get(OWNER, &path).await.body;
    for said in [
        "vpn.example.net, port 51821",
        "WireGuard tunnel",
        "10.2.0.1",
        "fd02::2",
        "wgext_4",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(
        !page.contains("Turned away") && !page.contains("is encrypted"),
        "{page}"
    );
    let named = [
        ("name", "Norway"),
        ("config.file", ""),
        ("resolvers", ""),
        TOKEN,
    ];
    assert_eq!(site.post(OWNER, &path, &named).await.status, 303);
    let form = put(&site, TUNNEL);
    assert_eq!((form.name.as_str(), file(&form)), ("Norway", None));
    let off = site.post(OWNER, &format!("{path}/off"), &[TOKEN]).await;
    assert_eq!(off.status, 303);
    let form = put(&site, TUNNEL);
    assert_eq!((form.enabled, file(&form)), (false, None));
}

#[tokio::test]
async fn wrong_fields_come_back_with_what_was_typed_but_not_the_password() {
    let site = Site::new(Stage::Ready);
    let wrong = [
        ("name", "work/home"),
        ("config.host", "proxy:1080"),
        ("config.port", "0"),
        ("resolvers", "router"),
    ];
    let pairs = with(&PROXY, &wrong);
    let refused = site.post(OWNER, "/exits/new/proxy", &pairs).await;
    assert_eq!(refused.status, 422);
    assert!(changes(&site).is_empty());
    for (field, _) in wrong {
        let link = format!("href=\"#f-{field}\"");
        assert!(refused.body.contains(&link), "{link}");
        let error = format!("id=\"f-{field}-error\"");
        assert!(refused.body.contains(&error), "{error}");
    }
    for kept in ["work/home", "proxy:1080", "anna"] {
        assert!(refused.body.contains(&format!("value=\"{kept}\"")));
    }
    assert!(refused.body.contains(">router</textarea>"));
    assert!(!refused.body.contains("correct horse"));
}

#[tokio::test]
async fn what_the_core_finds_wrong_is_said_at_its_field() {
    let error = |field: &str| FieldError {
        field: field.to_owned(),
        message: "must be another".to_owned(),
    };
    let fields = ["config.host", "config.password", "resolvers"];
    let problem = Problem::fields(fields.map(error).into());
    for path in ["/exits/new/proxy".to_owned(), format!("/exits/{WORK}")] {
        let pairs = match path.ends_with("proxy") {
            true => PROXY.to_vec(),
            false => PROXY
                .into_iter()
                .filter(|(name, _)| *name != "enabled")
                .collect(),
        };
        let site = refusing(problem.clone(), WORK);
        let refused = site.post(OWNER, &path, &pairs).await;
        assert_eq!(refused.status, 422, "{path}: {refused:?}");
        for field in fields {
            let link = format!("href=\"#f-{field}\"");
            assert!(refused.body.contains(&link), "{path}: {link}");
        }
        assert!(!refused.body.contains("correct horse"));
        let taken = Problem::conflict("connection_exists", "The name is taken", "Choose another.");
        let refused = refusing(taken, WORK).post(OWNER, &path, &pairs).await;
        assert_eq!(refused.status, 409, "{path}");
        assert!(refused.body.contains("href=\"#f-name\""), "{path}");
    }
}

#[tokio::test]
async fn way_is_changed_and_keeps_its_password_and_its_switch() {
    let site = shown(WORK);
    let path = format!("/exits/{WORK}");
    let page = site.get(OWNER, &path).await.body;
    assert!(page.contains("value=\"proxy.example.org\"") && page.contains(">9.9.9.9</textarea>"));
    assert!(page.contains("Empty: the one that is there stays"));
    let pairs = with(&PROXY, &[("config.port", "1081"), ("config.password", "")]);
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter(|(name, _)| *name != "enabled")
        .collect();
    let saved = site.post(OWNER, &path, &pairs).await;
    let location = format!("{path}?done=saved");
    assert_eq!(saved.location.as_deref(), Some(&*location));
    let form = put(&site, WORK);
    assert_eq!((proxy(&form).port, form.enabled), (1081, true));
    assert!(proxy(&form).password.is_none());

    // One that is off stays so.
    let site = shown(OFF);
    let path = format!("/exits/{OFF}");
    assert_eq!(site.post(OWNER, &path, &pairs).await.status, 303);
    assert!(!put(&site, OFF).enabled);
}

#[tokio::test]
async fn way_is_switched_off_and_on_as_it_is() {
    for (way, word, enabled) in [(WORK, "off", false), (OFF, "on", true)] {
        let site = shown(way);
        let path = format!("/exits/{way}");
        let button = format!("action=\"{path}/{word}\"");
        let page = site.get(OWNER, &path).await.body;
        assert!(page.contains(&button), "{page}");
        assert_eq!(
            page.matches("/off\"").count() + page.matches("/on\"").count(),
            1
        );
        let page = site.get(HELPER, &path).await.body;
        assert!(!page.contains("<form"), "a helper reads: {page}");
        let done = site.post(OWNER, &format!("{path}/{word}"), &[TOKEN]).await;
        let location = format!("{path}?done=saved");
        assert_eq!(done.location.as_deref(), Some(&*location));
        let (form, before) = (put(&site, way), connection(way));
        assert_eq!((form.enabled, &form.name), (enabled, &before.name));
        assert_eq!(form.resolvers, before.resolvers);
        assert!(proxy(&form).password.is_none(), "that stays");
    }
}

#[tokio::test]
async fn page_of_a_way_says_how_it_is_what_passes_and_who_has_it() {
    let page = shown(PROVIDER)
        .get(HELPER, &format!("/exits/{PROVIDER}"))
        .await
        .body;
    for said in [
        "<h1>Provider in Iceland</h1>",
        "Leads nowhere",
        "The proxy does not answer at 198.51.100.77:3128.",
        "As hut-7, with a password that is kept sealed",
        "Turned away at once",
        "href=\"/peers/anna-tablet\"",
        "href=\"/peers/ben-laptop\"",
        "<strong>anna-tablet</strong> leaves by the box's own connection now",
        "0x1000",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(page.matches("Open now").count(), 1);
    let details = page.split("<details>").nth(1).expect("details");
    assert!(details.contains("0x1000") && details.contains("9100"));
    let page = shown(WORK).get(HELPER, &format!("/exits/{WORK}")).await;
    assert!(!page.body.contains("Open now"));
}

#[tokio::test]
async fn device_is_given_a_way_and_another_and_none() {
    let site = Site::with_ways(Stage::Ready);
    site.core.answer(Told::Peer(peer("ben-laptop")));
    let page = site.get(OWNER, "/peers/ben-laptop").await.body;
    let chosen = format!("value=\"{PROVIDER}\" checked");
    assert!(
        page.contains(&chosen) && page.contains("value=\"no\" checked"),
        "{page}"
    );
    assert!(page.contains("Provider in Iceland (HTTP proxy)"));

    let pairs = [("exit_connection_id", WORK), ("failopen", "usual")];
    let (answer, update) = given(&pairs).await;
    let location = "/peers/anna-tablet?done=saved";
    assert_eq!(answer.location.as_deref(), Some(location));
    let id = update.exit_connection_id.flatten();
    assert_eq!(id.map(|id| id.to_string()).as_deref(), Some(WORK));
    assert_eq!(update.failopen, Some(None));

    let pairs = [("exit_connection_id", ""), ("failopen", "yes")];
    let (_, update) = given(&pairs).await;
    assert_eq!(update.exit_connection_id, Some(None));
    assert_eq!(update.failopen, Some(Some(true)));
    let pairs = [("exit_connection_id", OFF), ("failopen", "no")];
    assert_eq!(given(&pairs).await.1.failopen, Some(Some(false)));
}

#[tokio::test]
async fn way_that_is_gone_meanwhile_is_said_at_its_field() {
    let problem = Problem::field("exit_connection_id", "must name a connection that exists");
    let pairs = [("exit_connection_id", OFF), ("failopen", "usual")];
    let site = refusing(problem.clone(), WORK);
    let refused = site
        .post(OWNER, "/peers/anna-phone", &with(&ACCESS, &pairs))
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("href=\"#f-exit_connection_id\""));
    let pairs = [("exit_connection_id", OFF), ("name", "anna-phone")];
    let site = refusing(problem, WORK);
    let refused = site.post(OWNER, "/peers/new", &with(&ACCESS, &pairs)).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("href=\"#f-exit_connection_id\""));
}

#[tokio::test]
async fn new_device_starts_with_the_way_that_was_chosen() {
    let site = Site::with_ways(Stage::Ready);
    let page = site.get(OWNER, "/peers/new").await.body;
    assert!(page.contains("name=\"exit_connection_id\" type=\"radio\" value=\"\" checked"));
    let pairs = [("name", "anna-phone"), ("exit_connection_id", WORK)];
    let added = site.post(OWNER, "/peers/new", &with(&ACCESS, &pairs)).await;
    assert_eq!(added.status, 200);
    let Some(Change::AddPeer(form)) = changes(&site).pop() else {
        panic!("no device was added");
    };
    let id = form.exit_connection_id.map(|id| id.to_string());
    assert_eq!(id.as_deref(), Some(WORK));
}

#[tokio::test]
async fn device_that_leaves_by_the_boxs_own_connection_says_so_wherever_it_is() {
    let site = Site::with_ways(Stage::Ready);
    for role in [OWNER, HELPER] {
        let list = site.get(role, "/peers").await.body;
        assert_eq!(list.matches("Open now").count(), 1);
        let row = list.split("<tr>").find(|row| row.contains("anna-tablet"));
        let row = row.expect("its row");
        assert!(row.contains("Provider in Iceland") && row.contains("Open now"));
        site.core.answer(Told::Peer(peer("anna-tablet")));
        let page = site.get(role, "/peers/anna-tablet").await.body;
        assert!(
            page.contains("It leaves by the box's own connection now"),
            "{page}"
        );
        assert!(page.contains("Open now"));
        site.core.answer(Told::Peer(peer("ben-laptop")));
        let page = site.get(role, "/peers/ben-laptop").await.body;
        assert!(!page.contains("Open now"), "{page}");
    }
}

#[tokio::test]
async fn way_is_removed_once_no_device_has_it() {
    let site = shown(PROVIDER);
    let path = format!("/exits/{PROVIDER}/remove");
    let page = site.get(OWNER, &path).await.body;
    assert!(page.contains("<h1>Remove Provider in Iceland</h1>"));
    assert!(page.contains("cannot be removed") && page.contains("href=\"/peers/anna-tablet\""));
    assert!(!page.contains("<form"), "{page}");

    // A device was given it since the page was shown.
    let problem = Problem::conflict(
        "connection_in_use",
        "Devices leave by this way",
        "Provider in Iceland is the way out of ben-laptop.",
    );
    let refused = refusing(problem, PROVIDER)
        .post(OWNER, &path, &[TOKEN])
        .await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("Devices leave by this way"));
    assert!(refused.body.contains("is the way out of ben-laptop"));
    assert!(refused.body.contains("href=\"/peers/ben-laptop\""));

    let site = shown(OFF);
    let path = format!("/exits/{OFF}/remove");
    let page = site.get(OWNER, &path).await.body;
    assert!(page.contains(&format!("action=\"{path}\"")), "{page}");
    let removed = site.post(OWNER, &path, &[TOKEN]).await;
    assert_eq!(removed.location.as_deref(), Some("/exits?done=removed"));
    let gone = changes(&site).pop();
    assert!(
        matches!(&gone, Some(Change::RemoveConnection { id }) if id.to_string() == OFF),
        "{gone:?}"
    );
}
