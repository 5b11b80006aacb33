//! Mail: what reaches the core, and what comes back.

use cell_control::action::Action;
use cell_control::change::Change;
use cell_model::config::{DeliveryConfig, MailTarget};
use serde_json::json;

use super::*;

async fn send(method: &str, uri: &str, body: Option<Value>) -> Answered {
    let body = body.map(|body| body.to_string());
    let body = body.as_deref().map(str::as_bytes);
    let world = World::new(Stage::Ready);
    world.send(Some(Role::Admin), method, uri, body).await
}

#[tokio::test]
async fn change_names_what_changes_and_leaves_the_rest() {
    let body = json!({ "catch_all": null, "quotas": { "ben": null, "anna": 512 } });
    let answered = send("PUT", "/api/mail", Some(body)).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    assert_eq!(answered.json(), json!({ "revision": 7 }));
    let Call::Submit(Change::Mail(update)) = answered.call() else {
        panic!("nothing changed");
    };
    assert_eq!(update.catch_all, Some(None));
    let quotas: Vec<_> = update.quotas.into_iter().collect();
    assert_eq!(quotas.len(), 2);
    assert_eq!((quotas[0].0.as_str(), quotas[0].1), ("anna", Some(512)));
    assert_eq!((quotas[1].0.as_str(), quotas[1].1), ("ben", None));
    assert!(update.quota_mib.is_none() && update.delivery.is_none());
    assert!(update.relay_password.is_none());
}

#[tokio::test]
async fn password_of_a_relay_goes_in_and_never_comes_out() {
    let relay = json!({ "host": "smtp.example.net", "username": "home" });
    let delivery = json!({ "mode": "relay", "relay": relay });
    let body = json!({ "delivery": delivery, "relay_password": "hunter2-hunter2" });
    let answered = send("PUT", "/api/mail", Some(body)).await;
    assert!(!answered.text.contains("hunter2"), "{}", answered.text);
    let Call::Submit(Change::Mail(update)) = answered.call() else {
        panic!("nothing changed");
    };
    let password = update.relay_password.unwrap();
    assert_eq!(password.expose().as_str(), "hunter2-hunter2");
    let Some(DeliveryConfig::Relay(relay)) = update.delivery else {
        panic!("no relay");
    };
    assert_eq!((relay.host.as_str(), relay.port), ("smtp.example.net", 587));
    let shown = send("GET", "/api/mail", None).await;
    assert_eq!(shown.json()["relay_password_set"], true);
    assert!(shown.json().get("relay_password").is_none());
}

#[tokio::test]
async fn relay_is_an_object_and_no_list() {
    let delivery = json!({ "mode": "relay", "relay": ["smtp.example.net", 587, "home"] });
    let answered = send("PUT", "/api/mail", Some(json!({ "delivery": delivery }))).await;
    assert_eq!(answered.status, 400, "{}", answered.text);
    let (field, message) = wrong_field(&answered);
    assert_eq!(
        (field.as_str(), message.as_str()),
        ("delivery.relay", "must be an object")
    );
    assert!(answered.calls.is_empty());
}

#[tokio::test]
async fn alias_is_put_listed_and_removed_by_its_name() {
    let targets = json!({ "targets": ["member", "friend@Example.ORG"] });
    let put = send("PUT", "/api/mail/aliases/Info", Some(targets)).await;
    assert_eq!(put.json()["alias"]["address"], "info@home.cell");
    let Some(Call::Submit(Change::PutMailAlias { name, targets })) = put.calls.first() else {
        panic!("no alias: {:?}", put.calls);
    };
    let targets: Vec<String> = targets.iter().map(MailTarget::to_string).collect();
    assert_eq!(name.as_str(), "info");
    assert_eq!(targets, ["member", "friend@example.org"]);
    let listed = send("GET", "/api/mail/aliases?limit=1", None).await.json();
    assert_eq!(listed["items"][0]["name"], "info");
    assert_eq!(listed["next"], Value::Null);
    let removed = send("DELETE", "/api/mail/aliases/info", None).await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    let Call::Submit(Change::RemoveMailAlias { name }) = removed.call() else {
        panic!("nothing removed");
    };
    assert_eq!(name.as_str(), "info");
}

#[tokio::test]
async fn records_come_as_a_list_and_as_a_file() {
    let listed = send("GET", "/api/mail/records", None).await.json();
    assert_eq!(listed["records"][0]["type"], "MX");
    let file = send("GET", "/api/mail/records/zone", None).await;
    assert_eq!(file.headers["content-type"], "text/dns; charset=utf-8");
    let disposition = file.headers["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"mail.zone\"");
    assert_eq!(listed["zone"], file.text);
}

#[tokio::test]
async fn key_is_made_and_signed_with() {
    let made = send("POST", "/api/mail/dkim", None).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["state"], "made");
    assert!(matches!(made.call(), Call::Act(Action::AddDkimKey)));
    let signs = send("POST", "/api/mail/dkim/c202611/sign", None).await;
    assert_eq!((signs.status, signs.text.as_str()), (204, ""));
    let Call::Act(Action::SignWithDkimKey { selector }) = signs.call() else {
        panic!("nothing signs");
    };
    assert_eq!(selector.as_str(), "c202611");
}

#[tokio::test]
async fn everybody_sees_their_own_mail_and_only_that() {
    let world = World::new(Stage::Ready);
    let own = world
        .send(Some(Role::Member), "GET", "/api/peer/mail", None)
        .await;
    assert_eq!(own.json()["address"], "member@home.cell");
    for path in ["", "/aliases", "/records", "/records/zone", "/dkim"] {
        let uri = format!("/api/mail{path}");
        let refused = world.send(Some(Role::Member), "GET", &uri, None).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "wrong_role")
        );
    }
}
