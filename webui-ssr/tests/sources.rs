//! What a person does with sources of services, as a browser without a script does it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

mod support;

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::fake::{Call, Stage};
use cell_model::account::Role;
use cell_model::config::ServicesSettings;
use cell_model::problem::Problem;

use support::{Site, TOKEN};

const OWNER: Option<Role> = Some(Role::Owner);

const KEYS: &str = r#"{"threshold":2,"keys":[
    "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f",
    "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"]}"#;

fn typed(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let url = "https://others.example.org/cell";
    let form = [("url", url), ("keys", KEYS), ("revision", "7"), TOKEN];
    form.iter().chain(more).copied().collect()
}

fn acts(site: &Site) -> Vec<Call> {
    let calls = site.core.take_calls().into_iter().map(|(_, call)| call);
    calls
        .filter(|call| !matches!(call, Call::Snapshot(_)))
        .collect()
}

fn submitted(site: &Site) -> ServicesSettings {
    match acts(site).as_slice() {
        [Call::Submit(Change::Settings(update))] => update.services.clone().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keys_are_seen_before_a_source_is_trusted() {
    let site = Site::new(Stage::Ready);
    let form = site.get(OWNER, "/sources/new").await.body;
    assert!(form.contains("Adding a source is trusting its publisher."));
    acts(&site);
    let pairs = typed(&[("name", "others")]);
    let review = site.post(OWNER, "/sources/new", &pairs).await;
    assert_eq!(review.status, 200);
    let sent = acts(&site);
    assert!(
        matches!(&sent[..], [Call::Preview(Change::Settings(_))]),
        "{sent:?}"
    );
    assert_eq!(review.body.matches("Fingerprint <strong").count(), 2);
    assert!(review.body.contains("Trust it and add it"));

    let back = site
        .post(
            OWNER,
            "/sources/new",
            &typed(&[("name", "others"), ("reviewed", "no")]),
        )
        .await;
    assert!(back.status == 200 && back.body.contains("value=\"others\""));
    assert!(acts(&site).is_empty());

    let yes = typed(&[("name", "others"), ("reviewed", "yes")]);
    let added = site.post(OWNER, "/sources/new", &yes).await;
    assert_eq!(added.location.as_deref(), Some("/sources?done=added"));
    let services = submitted(&site);
    assert_eq!(services.sources.len(), 2, "the other one stays");
    assert_eq!(services.network.to_string(), "172.20.0.0/16");
}

#[tokio::test]
async fn what_the_core_does_not_take_stands_at_its_field() {
    let problem = Problem::field(
        "services.sources.others.url",
        "must be that of another host",
    );
    let site = Site::refusing(Stage::Ready, problem);
    let pairs = typed(&[("name", "others")]);
    let refused = site.post(OWNER, "/sources/new", &pairs).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("href=\"#f-url\""), "{}", refused.body);
    assert!(refused.body.contains("others.example.org"));
}

#[tokio::test]
async fn other_keys_are_told_to_be_another_publisher() {
    let site = Site::new(Stage::Ready);
    let path = "/sources/friends/change";
    let form = site.get(OWNER, path).await.body;
    assert!(form.contains("store.example.org") && form.contains(&"77".repeat(32)));
    let review = site.post(OWNER, path, &typed(&[])).await.body;
    assert!(review.contains("These are other keys"), "{review}");
    acts(&site);
    let saved = site.post(OWNER, path, &typed(&[("reviewed", "yes")])).await;
    assert_eq!(saved.location.as_deref(), Some("/sources?done=saved"));
    let services = submitted(&site);
    let friends = &services.sources[&"friends".parse().unwrap()];
    assert_eq!(friends.url.keeper(), "others.example.org");
    assert_eq!(site.get(OWNER, "/sources/nobody/change").await.status, 404);
}

#[tokio::test]
async fn sources_are_asked_and_one_is_removed_with_what_that_means() {
    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/sources").await.body;
    assert!(page.contains("Look for news now") && page.contains("Version 3, with 2 services"));
    acts(&site);
    let asked = site.post(OWNER, "/sources/refresh", &[TOKEN]).await;
    assert_eq!(asked.location.as_deref(), Some("/sources?done=asked"));
    let sent = acts(&site);
    assert!(
        matches!(&sent[..], [Call::Act(Action::RefreshStore)]),
        "{sent:?}"
    );

    let page = site.get(OWNER, "/sources/friends/remove").await.body;
    assert!(page.contains("stays and goes on: files"), "{page}");
    assert!(page.contains("Data that was kept stays: photos"), "{page}");
    acts(&site);
    let removed = site.post(OWNER, "/sources/friends/remove", &[TOKEN]).await;
    assert_eq!(removed.location.as_deref(), Some("/sources?done=removed"));
    assert!(submitted(&site).sources.is_empty());

    let helpers = site.get(Some(Role::Helper), "/sources").await.body;
    assert!(
        helpers.contains("friends")
            && !helpers.contains("<form class=\"inline\" method=\"post\" action=\"/sources")
    );
}
