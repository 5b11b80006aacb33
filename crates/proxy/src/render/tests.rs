use cell_model::secret::Secret;
use serde_json::Value;

use super::*;
use crate::ProxyStatus;
use crate::config::Config;

fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// Where routes lead.
fn routes(config: &Value) -> &Vec<Value> {
    config["apps"]["http"]["servers"]["https"]["routes"]
        .as_array()
        .unwrap()
}

#[test]
fn box_with_services_renders_as_recorded() {
    insta::assert_snapshot!(text(&config(&sample::spec(), &sample::certificates())));
}

#[test]
fn box_with_nothing_to_answer_has_no_http() {
    let mut spec = sample::spec();
    spec.hosts.clear();
    spec.admin = None;
    let config = config(&spec, &sample::certificates());
    assert_eq!(config.get("apps"), None);
    assert_eq!(
        config["admin"]["listen"],
        "unix//run/caddy/control.sock|0600"
    );
    assert_eq!(
        ProxyStatus::of(&spec, &sample::certificates()),
        ProxyStatus::Empty
    );
}

#[test]
fn nobody_is_at_home_where_there_is_no_home() {
    let mut spec = sample::spec();
    spec.sources.clear();
    let text = text(&config(&spec, &sample::certificates()));
    assert!(!text.contains("\"ranges\": []"), "{text}");
    assert!(text.contains("0.0.0.0/32"), "{text}");
}

/// What a client of a network is answered by: names it may begin TLS with, and those of routes it is led to.
fn open_to(config: &Value, network: &str) -> [BTreeSet<String>; 3] {
    let servers = &config["apps"]["http"]["servers"];
    let is_open = |matched: &Value| {
        let ranges = &matched["remote_ip"]["ranges"];
        ranges
            .as_array()
            .is_none_or(|ranges| ranges.iter().any(|range| range == network))
    };
    let names = |list: &Value, matched: fn(&Value) -> &Value, key: &str| -> BTreeSet<String> {
        let all = list.as_array().unwrap().iter().map(matched);
        let open = all.filter(|matched| matched.get(key).is_some() && is_open(matched));
        open.flat_map(|matched| matched[key].as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    [
        names(
            &servers["https"]["tls_connection_policies"],
            |one| &one["match"],
            "sni",
        ),
        names(&servers["https"]["routes"], |one| &one["match"][0], "host"),
        names(&servers["http"]["routes"], |one| &one["match"][0], "host"),
    ]
}

#[test]
fn guest_knows_of_what_is_public_and_of_what_is_shared_with_its_cell() {
    let mut spec = sample::spec();
    let without = config(&spec, &sample::certificates());
    spec.hosts[1].guests = ["10.40.0.0/24", "10.41.0.0/24"]
        .map(|net| net.parse().unwrap())
        .into();
    spec.hosts[2].guests = ["10.41.0.0/24".parse().unwrap()].into();
    let config = config(&spec, &sample::certificates());
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let public: BTreeSet<String> = set(&["calendar.home.example", "autoconfig.home.example"]);
    let wiki: BTreeSet<String> = set(&["wiki.home.example", "notes.home.example"]);
    let photos: BTreeSet<String> = set(&["photos.home.example"]);
    for (network, shared) in [
        ("10.40.0.0/24", wiki.clone()),
        ("10.41.0.0/24", &wiki | &photos),
        ("10.42.0.0/24", BTreeSet::new()),
    ] {
        let all = &public | &shared;
        assert_eq!(
            open_to(&config, network),
            [(); 3].map(|()| all.clone()),
            "{network}"
        );
    }
    for network in ["192.168.1.0/24", "10.42.0.0/24"] {
        assert_eq!(open_to(&config, network), open_to(&without, network));
    }
    assert_eq!(open_to(&config, "192.168.1.0/24")[1].len(), 7, "all names");
}

#[test]
fn header_that_says_who_asks_is_taken_from_requests_to_every_host() {
    let mut spec = sample::spec();
    spec.hosts[1].account_header = Some("Remote-Person".to_owned());
    let config = config(&spec, &sample::certificates());
    let first = &routes(&config)[0];
    assert_eq!(first.get("match"), None, "it is for every host");
    let taken = first["handle"][0]["request"]["delete"].as_array().unwrap();
    for header in ["X-Remote-User", "Remote-Person", "X-Account", "*_*"] {
        assert!(taken.iter().any(|name| name == header), "{header}");
    }
}

#[test]
fn redirect_names_the_port_that_clients_use() {
    let mut spec = sample::spec();
    let location = |spec: &ProxySpec| {
        let config = config(spec, &sample::certificates());
        let routes = &config["apps"]["http"]["servers"]["http"]["routes"];
        routes[1]["handle"][0]["headers"]["Location"][0].clone()
    };
    assert_eq!(
        location(&spec),
        "https://{http.request.host}{http.request.uri}"
    );
    spec.outside_https_port = 8443;
    assert_eq!(
        location(&spec),
        "https://{http.request.host}:8443{http.request.uri}"
    );
}

#[test]
fn path_of_a_manifest_is_no_placeholder() {
    let mut spec = sample::spec();
    let path = "/{env.HOME}/".to_owned();
    spec.hosts[0].well_known.insert("carddav".to_owned(), path);
    let text = text(&config(&spec, &sample::certificates()));
    assert!(text.contains(r"/\\{env.HOME}/"), "{text}");
}

#[test]
fn another_key_is_another_config_and_shows_itself_nowhere() {
    let spec = sample::spec();
    let mut certificates = sample::certificates();
    let before = ProxyStatus::of(&spec, &certificates);
    certificates.key_der = Secret::new(b"hunter2".to_vec());
    let config = Config::of(&spec, &certificates);
    assert_ne!(config.status(), before);
    let key = certificates.key();
    let shown = format!("{config:?} {certificates:?} {key:?} {}", config.status());
    for secret in ["hunter2", "aHVudGVyMg==", "104, 117"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let sent = String::from_utf8(config.text().to_vec()).unwrap();
    assert!(
        sent.contains("aHVudGVyMg=="),
        "it is what Caddy is told alone"
    );
}

#[test]
fn order_of_keys_makes_no_other_config() {
    let config = Config::of(&sample::spec(), &sample::certificates());
    let back = Config::read(&config.text()).unwrap();
    assert_eq!(back.status(), config.status());
    let nothing = [r#"{"apps":{}}"#, "null", r#"{"admin":{}}"#];
    for answer in nothing {
        let read = Config::read(answer.as_bytes()).unwrap();
        assert_eq!(read.status(), ProxyStatus::Empty, "{answer}");
    }
}
