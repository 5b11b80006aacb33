use std::collections::BTreeMap;

use cell_control::change::{Change, PeerUpdate};
use cell_control::connection::ConnectionBody;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::edit::{apply, sample};

fn read(body: Value) -> ConnectionForm {
    let body: ConnectionBody = serde_json::from_value(body).unwrap();
    body.form().unwrap()
}

fn form(name: &str, config: Value) -> ConnectionForm {
    read(json!({ "type": "proxy", "name": name, "config": config }))
}

/// A tunnel, by a provider's file in which the words are replaced.
fn tunnel(name: &str, words: &[(&str, &str)]) -> ConnectionForm {
    let mut file = FILE.to_owned();
    for (from, to) in words {
        file = file.replace(from, to);
    }
    read(json!({ "type": "wireguard_ext", "name": name, "config": { "file": file } }))
}

const FILE: &str = "[Interface]\n\
    PrivateKey = AAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAUE=\n\
    Address = 10.2.0.2/32\n\
    DNS = 10.2.0.1\n\
    [Peer]\n\
    PublicKey = zo060cy2M+x7cMF4FKXHbs0CloUFDTRHRboFhw5YfVk=\n\
    PresharedKey = AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n\
    AllowedIPs = 0.0.0.0/0\n\
    Endpoint = vpn.example.net:51820\n";

fn plain(name: &str) -> ConnectionForm {
    form(
        name,
        json!({ "scheme": "http", "host": "192.0.2.7", "port": 3128 }),
    )
}

fn with_login(name: &str, host: &str, username: &str, password: Option<&str>) -> ConnectionForm {
    let mut config =
        json!({ "scheme": "socks5", "host": host, "port": 1080, "username": username });
    if let Some(password) = password {
        config["password"] = json!(password);
    }
    form(name, config)
}

fn added(config: &Config, form: ConnectionForm) -> Result<Edit, Problem> {
    let change = Change::AddConnection(Box::new(form));
    sample::with_context(|context| apply(config, &change, context))
}

/// As it is when the box has a password of this way, or none.
fn changed(
    config: &Config,
    id: Uuid,
    form: ConnectionForm,
    password: bool,
) -> Result<Edit, Problem> {
    let change = Change::PutConnection {
        id,
        form: Box::new(form),
    };
    sample::with_context(|context| {
        let secrets = ConnectionSecret::ALL.into_iter().filter(|_| password);
        let known = secrets.map(|secret| (id, secret)).collect();
        let context = Context {
            connection_secrets: &known,
            ..*context
        };
        apply(config, &change, &context)
    })
}

fn assign(config: &Config, name: &str, id: Option<Uuid>) -> Result<Edit, Problem> {
    let change = Change::ChangePeer {
        name: name.parse().unwrap(),
        update: PeerUpdate {
            exit_connection_id: Some(id),
            ..PeerUpdate::default()
        },
    };
    sample::with_context(|context| apply(config, &change, context))
}

fn code(result: Result<Edit, Problem>) -> String {
    result.map_or_else(|problem| problem.code.into_owned(), |_| "ok".to_owned())
}

fn wrong_fields(result: Result<Edit, Problem>) -> Vec<String> {
    let errors = result
        .err()
        .map(|problem| problem.errors)
        .unwrap_or_default();
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn way_is_added_changed_and_removed_and_keeps_its_numbers() {
    let config = sample::with_peers(&["phone"]);
    let first = added(&config, plain("Work")).unwrap();
    let (&id, connection) = first.config.connections.first_key_value().unwrap();
    assert_eq!(first.connection, Some(id));
    let numbers = (
        connection.slot.mark(),
        connection.slot.table(),
        connection.port.unwrap().get(),
    );
    assert_eq!(numbers, (0x1000, 1000, 9100));
    let second = added(&first.config, plain("Home")).unwrap().config;
    let gone = sample::with_context(|context| {
        apply(&second, &Change::RemoveConnection { id }, context)
            .unwrap()
            .config
    });
    let form = form(
        "Abroad",
        json!({ "scheme": "socks5", "host": "example.org", "port": 1 }),
    );
    let (&other, before) = gone.connections.first_key_value().unwrap();
    let after = changed(&gone, other, form, false).unwrap().config;
    let after = &after.connections[&other];
    assert_eq!((after.slot, after.port), (before.slot, before.port));
    assert_eq!(after.name.as_str(), "Abroad");
    // What became free is given away again.
    let third = added(&gone, plain("Third")).unwrap();
    let third = &third.config.connections[&third.connection.unwrap()];
    assert_eq!(
        (third.slot.mark(), third.port.unwrap().get()),
        (0x1000, 9100)
    );
    assert_eq!(code(changed(&gone, id, plain("Work"), false)), "not_found");
}

#[test]
fn names_are_unique() {
    let config = added(&sample::with_peers(&[]), plain("Work"))
        .unwrap()
        .config;
    assert_eq!(code(added(&config, plain("Work"))), "connection_exists");
    assert_eq!(code(added(&config, plain("  Work "))), "connection_exists");
    let (&id, _) = config.connections.first_key_value().unwrap();
    assert_eq!(code(changed(&config, id, plain("Work"), false)), "ok");
    let config = added(&config, plain("Home")).unwrap().config;
    assert_eq!(
        code(changed(&config, id, plain("Home"), false)),
        "connection_exists"
    );
}

#[test]
fn what_cannot_be_is_told_by_field_and_changes_nothing() {
    let config = sample::with_peers(&[]);
    let own = config.vpn.address().to_string();
    for (change, field) in [
        (json!({ "port": 0 }), "config.port"),
        (json!({ "host": "127.0.0.1" }), "config.host"),
        (json!({ "host": "::1" }), "config.host"),
        (json!({ "host": "0.0.0.0" }), "config.host"),
        (json!({ "host": "224.0.0.1" }), "config.host"),
        (json!({ "host": "255.255.255.255" }), "config.host"),
        (json!({ "host": own }), "config.host"),
        (json!({ "password": "x" }), "config.password"),
        (json!({ "username": "anna" }), "config.password"),
        (
            json!({ "username": "anna", "password": "" }),
            "config.password",
        ),
        (
            json!({ "username": "anna", "password": "a\nb" }),
            "config.password",
        ),
        (
            json!({ "username": "anna", "password": "x".repeat(256) }),
            "config.password",
        ),
    ] {
        let mut proxy = json!({ "scheme": "http", "host": "192.0.2.7", "port": 3128 });
        for (key, value) in change.as_object().unwrap() {
            proxy[key] = value.clone();
        }
        let result = added(&config, form("Work", proxy));
        assert_eq!(wrong_fields(result), [field], "{change}");
    }
    for resolvers in [json!(["127.0.0.1"]), json!(vec!["9.9.9.9"; 5])] {
        let form = json!({
            "type": "proxy", "name": "Work", "resolvers": resolvers,
            "config": { "scheme": "http", "host": "192.0.2.7", "port": 3128 },
        });
        let result = added(&config, read(form));
        assert_eq!(wrong_fields(result), ["resolvers"]);
    }
}

#[test]
fn password_stays_for_the_same_user_at_the_same_host_alone() {
    let config = sample::with_peers(&[]);
    let first = added(
        &config,
        with_login("Work", "a.example", "anna", Some("s3cret")),
    )
    .unwrap();
    let id = first.connection.unwrap();
    let kept: Vec<_> = first.connection_secrets.iter().map(|(of, _)| *of).collect();
    assert_eq!(kept, [(id, ConnectionSecret::Password)]);
    let config = first.config;
    for (form, password, expected) in [
        (with_login("Other", "a.example", "anna", None), true, "ok"),
        (
            with_login("Work", "a.example", "anna", None),
            false,
            "invalid_field",
        ),
        (
            with_login("Work", "b.example", "anna", None),
            true,
            "invalid_field",
        ),
        (
            with_login("Work", "a.example", "bert", None),
            true,
            "invalid_field",
        ),
        (
            with_login("Work", "b.example", "bert", Some("new")),
            true,
            "ok",
        ),
    ] {
        assert_eq!(code(changed(&config, id, form, password)), expected);
    }
    let without = changed(&config, id, plain("Work"), true).unwrap();
    let has_login = |config: &Config| has_use(config, id, ConnectionSecret::Password);
    assert!(without.connection_secrets.is_empty() && !has_login(&without.config));
    assert!(has_login(&config));
}

#[test]
fn password_of_now_is_not_for_the_host_of_a_revision_that_comes_back() {
    let config = sample::with_peers(&[]);
    let then = added(
        &config,
        with_login("Work", "a.example", "anna", Some("one")),
    )
    .unwrap();
    let id = then.connection.unwrap();
    let elsewhere = with_login("Work", "b.example", "bert", Some("two"));
    let now = changed(&then.config, id, elsewhere, true).unwrap().config;
    let known = BTreeSet::from([(id, ConnectionSecret::Password)]);
    let without = |now: &Config, coming: &Config, known: &BTreeSet<SecretOf>| {
        without_secrets(now, coming, known).count()
    };
    assert_eq!(without(&now, &then.config, &known), 1);
    assert_eq!(without(&now, &now, &known), 0);
    assert_eq!(without(&now, &now, &BTreeSet::new()), 1);
    assert_eq!(without(&config, &now, &known), 1);
    let open = changed(&now, id, plain("Work"), true).unwrap().config;
    assert_eq!(without(&now, &open, &known), 0);
}

#[test]
fn tunnel_of_a_provider_has_an_interface_and_its_keys_are_no_config() {
    let config = sample::with_peers(&[]);
    let edit = added(&config, tunnel("Sweden", &[])).unwrap();
    let id = edit.connection.unwrap();
    let connection = &edit.config.connections[&id];
    assert_eq!((connection.slot.mark(), connection.port), (0x1000, None));
    assert_eq!(connection.slot.interface().as_str(), "wgext_0");
    let kept: Vec<_> = edit.connection_secrets.iter().map(|(of, _)| of.1).collect();
    assert_eq!(
        kept,
        [ConnectionSecret::PrivateKey, ConnectionSecret::PresharedKey]
    );
    let config = edit.config;
    let text = serde_json::to_string(&config.connections).unwrap();
    assert!(!text.contains("AAEBAQEB") && !text.contains("AwMDAwMD"));

    // Another name leaves the tunnel as it is, as long as the box has its keys.
    let mut named = tunnel("Norway", &[]);
    named.way = WayForm::WireguardExt(WireguardExtForm::default());
    let after = changed(&config, id, named.clone(), true).unwrap();
    assert!(after.connection_secrets.is_empty());
    let after = &after.config.connections[&id];
    assert_eq!(
        (after.name.as_str(), &after.way),
        ("Norway", &config.connections[&id].way)
    );
    // Without them it can still be named, and switched off.
    assert_eq!(code(changed(&config, id, named.clone(), false)), "ok");
    assert_eq!(wrong_fields(added(&config, named)), ["config.file"]);
    assert_eq!(
        code(added(&config, tunnel("Twice", &[]))),
        "connection_key_taken"
    );
    assert_eq!(
        code(changed(&config, id, tunnel("Sweden", &[]), true)),
        "ok"
    );
    // It stays a tunnel, and a proxy stays a proxy.
    assert_eq!(
        wrong_fields(changed(&config, id, plain("Work"), true)),
        ["type"]
    );
    let config = added(&config, plain("Work")).unwrap();
    let proxy = config.connection.unwrap();
    let refused = changed(&config.config, proxy, tunnel("Work", &[]), true);
    assert_eq!(wrong_fields(refused), ["type"]);
    // Keys of now are not for the tunnel of a revision that comes back.
    let moved = tunnel(
        "Sweden",
        &[
            (
                "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
                "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=",
            ),
            (
                "zo060cy2M+x7cMF4FKXHbs0CloUFDTRHRboFhw5YfVk=",
                "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
            ),
        ],
    );
    let now = changed(&config.config, id, moved, true).unwrap().config;
    let known: BTreeSet<_> = ConnectionSecret::ALL.map(|secret| (id, secret)).into();
    assert_eq!(without_secrets(&now, &config.config, &known).count(), 1);
    assert_eq!(without_secrets(&now, &now, &known).count(), 0);
}

#[test]
fn file_that_would_run_programs_or_lacks_something_changes_nothing() {
    let config = sample::with_peers(&[]);
    for words in [
        [("DNS = 10.2.0.1", "PostUp = /bin/sh")],
        [("Endpoint = vpn.example.net:51820", "")],
        [("AllowedIPs = 0.0.0.0/0", "AllowedIPs = 10.0.0.0/8")],
        [("DNS = 10.2.0.1", "DNS = 127.0.0.1")],
        [("vpn.example.net", "224.0.0.1")],
    ] {
        let refused = added(&config, tunnel("Sweden", &words));
        assert_eq!(wrong_fields(refused), ["config.file"], "{words:?}");
    }
    // More than one thing is told at once.
    let both = tunnel("Sweden", &[("DNS =", "PreUp ="), ("PrivateKey", "Key")]);
    let refused = added(&config, both);
    let told = refused.unwrap_err().errors;
    assert!(
        told.len() == 1 && told[0].message.contains("; "),
        "{told:?}"
    );
}

#[test]
fn way_that_a_device_has_stays() {
    let config = sample::with_peers(&["phone", "laptop"]);
    let first = added(&config, plain("Work")).unwrap();
    let id = first.connection.unwrap();
    let used = assign(&first.config, "phone", Some(id)).unwrap().config;
    let remove = Change::RemoveConnection { id };
    let refused = sample::with_context(|context| apply(&used, &remove, context)).unwrap_err();
    assert_eq!((refused.status, &*refused.code), (409, "connection_in_use"));
    assert!(refused.detail.contains("phone") && !refused.detail.contains("laptop"));
    let free = assign(&used, "phone", None).unwrap().config;
    assert!(sample::with_context(|context| apply(&free, &remove, context)).is_ok());
    assert_eq!(
        code(assign(&config, "phone", Some(id))),
        "unknown_connection"
    );
}

#[test]
fn pools_end() {
    let mut config = sample::with_peers(&[]);
    for number in 0..100 {
        config = added(&config, plain(&format!("Way {number}")))
            .unwrap()
            .config;
    }
    let before = config.clone();
    assert_eq!(code(added(&config, plain("One more"))), "pool_full");
    assert_eq!(config, before);
    // Ways that the kernel carries have no port.
    for connection in config.connections.values_mut() {
        Arc::make_mut(connection).port = None;
    }
    let mut slots = ExitSlot::all().skip(100);
    for number in 100..256_u128 {
        let mut connection = ConnectionConfig::clone(config.connections.values().next().unwrap());
        connection.slot = slots.next().unwrap();
        connection.name = format!("Way {number}").parse().unwrap();
        config
            .connections
            .insert(Uuid::from_u128(number), Arc::new(connection));
    }
    assert_eq!(code(added(&config, plain("One more"))), "pool_full");
}

/// What may be done to ways.
#[derive(Debug, Clone)]
enum Deed {
    Add(u8),
    Remove(prop::sample::Index),
}

proptest! {
    #[test]
    fn no_two_ways_ever_share_a_number(
        deeds in prop::collection::vec(
            prop_oneof![
                any::<u8>().prop_map(Deed::Add),
                any::<prop::sample::Index>().prop_map(Deed::Remove),
            ],
            0..60,
        )
    ) {
        let mut config = sample::with_peers(&[]);
        let mut known: BTreeMap<Uuid, (ExitSlot, Option<RelayPort>)> = BTreeMap::new();
        for deed in deeds {
            let result = match deed {
                Deed::Add(number) => added(&config, plain(&format!("Way {number}"))),
                Deed::Remove(_) if config.connections.is_empty() => continue,
                Deed::Remove(index) => {
                    let id = *index.get(&config.connections.keys().copied().collect::<Vec<_>>());
                    let change = Change::RemoveConnection { id };
                    sample::with_context(|context| apply(&config, &change, context))
                }
            };
            if let Ok(edit) = result {
                config = edit.config;
            }
            let numbers: BTreeMap<_, _> = config
                .connections
                .iter()
                .map(|(id, connection)| (*id, (connection.slot, connection.port)))
                .collect();
            for (id, numbers) in &numbers {
                prop_assert!(known.get(id).is_none_or(|before| before == numbers));
            }
            let slots: BTreeSet<_> = numbers.values().map(|(slot, _)| *slot).collect();
            let ports: BTreeSet<_> = numbers.values().map(|(_, port)| *port).collect();
            prop_assert_eq!((slots.len(), ports.len()), (numbers.len(), numbers.len()));
            known = numbers;
        }
    }
}
