use cell_model::config::LoginName;
use cell_model::secret::Secret;
use serde_json::json;

use super::*;
use crate::edit::sample::{self, with_context};

fn name(text: &str) -> LocalPart {
    text.parse().unwrap()
}

fn targets(all: &[&str]) -> BTreeSet<MailTarget> {
    all.iter().map(|target| target.parse().unwrap()).collect()
}

fn put(config: &Config, alias: &str, all: &[&str]) -> Result<Config, Problem> {
    put_alias(config, &name(alias), &targets(all)).map(|edit| edit.config)
}

fn changed(
    config: &Config,
    has_password: bool,
    sections: serde_json::Value,
) -> Result<Edit, Problem> {
    let form: MailUpdate = serde_json::from_value(sections).unwrap();
    with_context(|context| {
        let context = Context {
            relay_password: has_password,
            ..*context
        };
        update(config, &form, &context)
    })
}

fn fields(refused: Result<Edit, Problem>) -> Vec<String> {
    let errors = refused.unwrap_err().errors.into_iter();
    errors.map(|error| error.field).collect()
}

#[test]
fn aliases_are_made_changed_and_removed() {
    let config = sample::with_peers(&[]);
    let edit = put_alias(&config, &name("info"), &targets(&["anna"])).unwrap();
    assert_eq!(edit.summary, "Added the mail alias info");
    let own = format!("Ben+x@{}", config.domain.name);
    let edit = put_alias(
        &edit.config,
        &name("info"),
        &targets(&[&own, "a@b.example"]),
    )
    .unwrap();
    assert_eq!(edit.summary, "Changed the mail alias info");
    let kept = &edit.config.mail.aliases[&name("info")];
    assert_eq!(*kept, targets(&["ben", "a@b.example"]));
    let config = put(&edit.config, "shop", &["info"]).unwrap();
    let used = remove_alias(&config, &name("info")).unwrap_err();
    assert_eq!((used.status, &*used.code), (409, "alias_in_use"));
    let config = remove_alias(&config, &name("shop")).unwrap().config;
    let config = remove_alias(&config, &name("info")).unwrap().config;
    assert!(config.mail.aliases.is_empty());
    assert_eq!(
        remove_alias(&config, &name("info")).unwrap_err().status,
        404
    );
}

#[test]
fn alias_leads_to_somebody_and_not_back() {
    let config = sample::with_peers(&[]);
    let refused = |config: &Config, alias: &str, all: &[&str]| {
        let problem = put(config, alias, all).unwrap_err();
        assert_eq!(problem.errors[0].field, "targets", "{problem}");
    };
    refused(&config, "info", &[]);
    refused(&config, "info", &["info"]);
    let back = format!("info@{}", config.domain.name);
    refused(&config, "info", &[&back]);
    let odd = format!("o'brien@{}", config.domain.name);
    refused(&config, "info", &[&odd]);
    let config = put(&config, "shop", &["info"]).unwrap();
    let config = put(&config, "sales", &["shop"]).unwrap();
    refused(&config, "info", &["anna", "sales"]);
    assert!(put(&config, "info", &["anna"]).is_ok());
}

#[test]
fn aliases_are_few_and_come_to_few() {
    let many: Vec<String> = (0..=MailConfig::MAX_TARGETS)
        .map(|number| format!("a{number}@b.example"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut config = sample::with_peers(&[]);
    assert!(put(&config, "all", &many).is_err());
    config = put(&config, "all", &many[1..]).unwrap();
    assert!(put(&config, "more", &["all", "anna"]).is_err());
    config = put(&config, "more", &["some", "anna"]).unwrap();
    // What leads there grows with it.
    assert!(put(&config, "some", &["all"]).is_err());
    for number in 2..MailConfig::MAX_ALIASES {
        config = put(&config, &format!("alias{number}"), &["anna"]).unwrap();
    }
    assert_eq!(
        put(&config, "last", &["anna"]).unwrap_err().code,
        "too_many"
    );
    assert!(put(&config, "alias2", &["ben"]).is_ok());
}

#[test]
fn settings_are_changed_one_by_one_and_all_that_is_wrong_is_told() {
    let config = sample::with_peers(&[]);
    let edit = changed(
        &config,
        false,
        json!({ "catch_all": "anna", "quota_mib": 4096, "quotas": { "ben": 64 } }),
    );
    let edit = edit.unwrap();
    assert_eq!(
        edit.summary,
        "Changed who gets mail for nobody and how much mail is kept"
    );
    let kept = changed(
        &edit.config,
        false,
        json!({ "delivery": { "mode": "receive_only" } }),
    );
    let mail = kept.unwrap().config.mail;
    assert_eq!(mail.quota_of(&"ben".parse().unwrap()), 64);
    assert!(mail.catch_all.is_some() && mail.delivery == DeliveryConfig::ReceiveOnly);
    let none = json!({ "catch_all": null, "quotas": { "ben": null } });
    let mail = changed(&edit.config, false, none).unwrap().config.mail;
    assert!(mail.catch_all.is_none() && mail.quotas.is_empty() && mail.quota_mib == 4096);
    let wrong = json!({
        "quota_mib": 63, "quotas": { "ben": 4_194_305 },
        "delivery": { "mode": "relay", "relay": { "host": "printer.lan", "port": 0 } },
    });
    let wrong = fields(changed(&config, false, wrong));
    assert_eq!(
        wrong,
        [
            "quota_mib",
            "quotas.ben",
            "delivery.relay.host",
            "delivery.relay.port"
        ]
    );
}

#[test]
fn relay_is_a_host_on_the_internet() {
    let config = sample::with_peers(&[]);
    let own = config.domain.name.to_string();
    let below = format!("mail.{own}");
    let to = |host: &str| {
        let relay = json!({ "mode": "relay", "relay": { "host": host, "port": 25 } });
        changed(&config, false, json!({ "delivery": relay }))
    };
    for bad in [&own, &below, "smtp", "nas.home", "nas.internal"] {
        assert_eq!(fields(to(bad)), ["delivery.relay.host"], "{bad}");
    }
    assert!(to("smtp.example.org").is_ok() && to(&format!("x{own}.example")).is_ok());
}

#[test]
fn password_of_a_relay_is_for_one_host_and_name() {
    let config = sample::with_peers(&[]);
    let relay = |host: &str, port: u16, username: Option<&str>| {
        json!({
            "mode": "relay", "relay": { "host": host, "port": port, "username": username },
        })
    };
    let first = relay("smtp.example.org", 587, Some("hut"));
    let missing = changed(&config, false, json!({ "delivery": first }));
    assert_eq!(fields(missing), ["relay_password"]);
    for bad in ["", " x", "a\nb"] {
        let bad = json!({ "delivery": first, "relay_password": bad });
        assert_eq!(fields(changed(&config, false, bad)), ["relay_password"]);
    }
    let secret = Secret::new("s3cret".to_owned());
    let set = json!({ "delivery": first, "relay_password": "s3cret" });
    let edit = changed(&config, false, set).unwrap();
    assert_eq!(edit.relay_password, Some(Some(secret.clone())));
    assert!(!format!("{edit:?}").contains("s3cret"));
    let config = edit.config;
    let username: LoginName = "hut".parse().unwrap();
    assert_eq!(config.mail.relay().unwrap().username, Some(username));
    // Another port is the same host.
    let port = relay("smtp.example.org", 465, Some("hut"));
    let edit = changed(&config, true, json!({ "delivery": port })).unwrap();
    assert_eq!(edit.relay_password, None);
    for other in [
        relay("smtp.example.net", 587, Some("hut")),
        relay("smtp.example.org", 587, Some("other")),
    ] {
        let refused = changed(&config, true, json!({ "delivery": other }));
        assert_eq!(fields(refused), ["relay_password"]);
    }
    for gone in [
        json!({ "mode": "direct" }),
        json!({ "mode": "receive_only" }),
        relay("smtp.example.org", 587, None),
    ] {
        let edit = changed(&config, true, json!({ "delivery": gone })).unwrap();
        assert_eq!(edit.relay_password, Some(None));
        let stray = json!({ "delivery": gone, "relay_password": "x" });
        assert_eq!(fields(changed(&config, true, stray)), ["relay_password"]);
    }
    // When it is gone, the rest can still be set.
    let edit = changed(&config, false, json!({ "quota_mib": 100 })).unwrap();
    assert_eq!(edit.relay_password, None);
    let edit = changed(&config, false, json!({ "relay_password": "s3cret" })).unwrap();
    assert_eq!(edit.relay_password, Some(Some(secret)));
}
