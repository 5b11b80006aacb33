use std::time::Duration;

use cell_audit::Outcome;
use cell_control::action::{Action, LogLevel, Verbosity};
use cell_control::caller::Caller;
use cell_control::change::{Change, PeerForm, PeerUpdate};
use cell_model::account::Role;
use cell_model::status::Part;
use serde_json::json;

use super::home::{Home, OWNER, PASSWORD, peer};

#[tokio::test]
async fn every_change_and_every_refused_one_has_a_record() {
    let home = Home::set_up().await;
    let name = || "phone".parse().unwrap();
    let form = PeerForm {
        preshared_key: true,
        ..peer("phone")
    };
    let update = PeerUpdate {
        full_tunnel: Some(false),
        ..PeerUpdate::default()
    };
    let changes = [
        (Change::AddPeer(form.clone()), "peer.add", Outcome::Ok),
        (Change::AddPeer(form), "peer.add", Outcome::Refused),
        (
            Change::ChangePeer {
                name: name(),
                update,
            },
            "peer.change",
            Outcome::Ok,
        ),
        (
            Change::FetchPeerFile { name: name() },
            "peer.fetch",
            Outcome::Ok,
        ),
        // Nothing changes this time, but a shared key leaves the box again.
        (
            Change::FetchPeerFile { name: name() },
            "peer.fetch",
            Outcome::Ok,
        ),
        (
            Change::RekeyPeer { name: name() },
            "peer.rekey",
            Outcome::Ok,
        ),
        (
            Change::RemovePeer { name: name() },
            "peer.remove",
            Outcome::Ok,
        ),
        (
            Change::RemovePeer { name: name() },
            "peer.remove",
            Outcome::Refused,
        ),
        (
            Change::RestoreRevision { number: 3 },
            "config.restore",
            Outcome::Ok,
        ),
        (
            Change::RestoreRevision { number: 99 },
            "config.restore",
            Outcome::Refused,
        ),
        (settings("10.40.0.0/24"), "config.change", Outcome::Ok),
        (settings("10.41.0.0/24"), "config.change", Outcome::Refused),
    ];
    let mut expected = vec![("setup.complete".to_owned(), Outcome::Ok)];
    for (change, action, outcome) in changes {
        let result = home.submit(change).await;
        assert_eq!(
            result.is_ok(),
            outcome == Outcome::Ok,
            "{action}: {result:?}"
        );
        expected.push((action.to_owned(), outcome));
    }
    home.core.revert(&Caller::local()).await.unwrap();
    expected.push(("config.revert".to_owned(), Outcome::Ok));
    let records = home.audit();
    let found: Vec<(String, Outcome)> = records
        .iter()
        .map(|record| (record.action.clone(), record.outcome))
        .collect();
    assert_eq!(found, expected);
    for record in &records[1..] {
        assert_eq!(record.actor.as_ref().unwrap().as_str(), "root@console");
        assert_eq!(record.role, Some(Role::Owner));
        assert!(record.object.is_some() || record.action.starts_with("config."));
    }
    assert!(home.core.audit.verify().is_ok());
}

fn settings(subnet: &str) -> Change {
    let update = json!({"vpn": {"subnet": subnet, "subnet6": "fd12:3456:789a:1::/64"}});
    Change::Settings(Box::new(serde_json::from_value(update).unwrap()))
}

#[tokio::test]
async fn acts_that_change_something_have_a_record() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let verbosity = Verbosity {
        part: Some(Part::Dns),
        level: LogLevel::Debug,
    };
    for action in [
        Action::TestPart { part: Part::Vault },
        Action::RestartPart { part: Part::Dns },
        Action::SetVerbosity(verbosity),
        Action::SignOut,
    ] {
        home.core.act(&owner, action).await.unwrap();
    }
    let found: Vec<(String, Option<String>)> = home.audit()[1..]
        .iter()
        .map(|record| (record.action.clone(), record.object.clone()))
        .collect();
    let row = |action: &str, object: Option<&str>| (action.to_owned(), object.map(str::to_owned));
    assert_eq!(
        found,
        [
            row("auth.login", None),
            row("part.restart", Some("dns")),
            row("logs.verbosity", Some("dns")),
            row("auth.logout", None),
        ]
    );
}

#[tokio::test]
async fn restarted_box_asks_for_its_first_name_again() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    for (others, expected) in [(1, "hut-2.local"), (0, "hut.local")] {
        home.mdns.meet(others);
        let restart = Action::RestartPart { part: Part::Mdns };
        home.core.act(&owner, restart).await.unwrap();
        let found = async {
            while home.core.local_name().as_deref() != Some(expected) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(10), found).await;
        found.expect(expected);
    }
}

#[tokio::test]
async fn no_key_and_no_password_is_in_audit_history_or_listings() {
    let home = Home::set_up().await;
    let code = "AAAAAAAA";
    assert!(home.submit(home.setup_form_with(code)).await.is_err());
    let form = PeerForm {
        preshared_key: true,
        ..peer("phone")
    };
    let made = home
        .submit(Change::AddPeer(form))
        .await
        .unwrap()
        .peer
        .unwrap();
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    assert!(home.sign_in(OWNER, "wrong but long").await.is_err());

    let mut secrets = vec![
        PASSWORD.to_owned(),
        "wrong but long".to_owned(),
        code.to_owned(),
    ];
    let file = made.config.unwrap();
    for line in file.expose().lines() {
        if let Some((name, value)) = line.split_once(" = ")
            && name.ends_with("Key")
            && name != "PublicKey"
        {
            secrets.push(value.to_owned());
        }
    }
    assert_eq!(secrets.len(), 5);
    if let cell_control::caller::Credential::Session(token) = &owner.credential {
        secrets.push(token.expose().clone());
    }

    let mut told = serde_json::to_string(&home.audit()).unwrap();
    let store = &home.core.store;
    for revision in 1..=home.revision() {
        told.push_str(&format!("{:?}", store.revision(revision).unwrap()));
        for json in store.documents_at(revision).unwrap().values() {
            told.push_str(&String::from_utf8_lossy(json));
        }
    }
    told.push_str(&format!("{:?}", home.core.desired.borrow().clone()));
    for secret in secrets {
        assert!(!told.contains(&secret), "{secret} in {told}");
    }
}
