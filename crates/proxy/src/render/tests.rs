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
