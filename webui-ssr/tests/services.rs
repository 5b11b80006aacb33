//! What a person does with services, as a browser without a script does it.

mod support;

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::fake::{Call, Stage};
use cell_model::account::Role;
use cell_model::problem::Problem;

use support::{Site, TOKEN};

const OWNER: Option<Role> = Some(Role::Owner);

fn acts(site: &Site) -> Vec<Call> {
    let calls = site.core.take_calls().into_iter().map(|(_, call)| call);
    calls
        .filter(|call| !matches!(call, Call::Snapshot(_)))
        .collect()
}

#[tokio::test]
async fn what_a_service_asks_is_answered_and_set_back() {
    let site = Site::new(Stage::Ready);
    let path = "/services/files/settings";
    let page = site.get(OWNER, path).await.body;
    assert!(
        page.contains(
            "name=\"answers.max_upload\" type=\"text\" inputmode=\"numeric\" value=\"512\""
        )
    );
    assert!(page.contains("From 1 to 9999. As it came: 1024."));
    assert!(page.contains("value=\"by name\" checked") && page.contains("value=\"yes\" checked"));
    let overview = site.get(OWNER, "/services/files").await.body;
    assert!(overview.contains(&format!("href=\"{path}\"")), "{overview}");
    let helpers = site.get(Some(Role::Helper), "/services/files").await.body;
    assert!(!helpers.contains(path));
    acts(&site);

    let pairs = [
        ("answers.max_upload", "1024"),
        ("answers.greeting", "good day"),
        ("answers.order", "by date"),
        TOKEN,
    ];
    let saved = site.post(OWNER, path, &pairs).await;
    assert_eq!(
        saved.location.as_deref(),
        Some("/services/files?done=saved")
    );
    let sent = acts(&site);
    let [Call::Submit(Change::ChangeService { update, .. })] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        serde_json::to_value(&update.answers).unwrap(),
        serde_json::json!({ "max_upload": null, "greeting": "good day", "previews": false, "order": "by date" })
    );

    let wrong = [
        ("answers.max_upload", "0"),
        ("answers.order", "by size"),
        TOKEN,
    ];
    let refused = site.post(OWNER, path, &wrong).await;
    assert_eq!((refused.status, acts(&site).len()), (422, 0));
    for link in ["#f-answers.max_upload", "#f-answers.order"] {
        assert!(refused.body.contains(&format!("href=\"{link}\"")), "{link}");
    }
    assert!(refused.body.contains("<title>Error: ") && refused.body.contains("value=\"0\""));

    let reset = site.post(OWNER, &format!("{path}/reset"), &[TOKEN]).await;
    assert_eq!(
        reset.location.as_deref(),
        Some("/services/files?done=saved")
    );
    let sent = acts(&site);
    let [Call::Submit(Change::ChangeService { update, .. })] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert!(update.answers.len() == 4 && update.answers.values().all(Option::is_none));
}

#[tokio::test]
async fn what_the_core_does_not_take_comes_back_with_the_form() {
    let problem = Problem::field("answers.greeting", "must not have '$'");
    let site = Site::refusing(Stage::Ready, problem);
    let pairs = [
        ("answers.max_upload", "7"),
        ("answers.greeting", "$HOME"),
        ("answers.order", "by name"),
        TOKEN,
    ];
    for path in ["/services/files/settings", "/services/files/install"] {
        let refused = site.post(OWNER, path, &pairs).await;
        assert_eq!(refused.status, 422, "{path}");
        assert!(
            refused.body.contains("href=\"#f-answers.greeting\""),
            "{path}"
        );
        assert!(refused.body.contains("value=\"$HOME\""), "{path}");
    }
}

#[tokio::test]
async fn service_is_installed_with_what_was_answered() {
    let site = Site::new(Stage::Ready);
    let path = "/services/files/install";
    let page = site.get(OWNER, path).await.body;
    assert!(page.contains("name=\"answers.greeting\"") && page.contains("Install it"));
    acts(&site);
    let pairs = [
        ("answers.max_upload", "7"),
        ("answers.greeting", "hello"),
        ("answers.previews", "yes"),
        ("answers.order", "by name"),
        TOKEN,
    ];
    let installed = site.post(OWNER, path, &pairs).await;
    assert_eq!(
        installed.location.as_deref(),
        Some("/services/files?done=installing")
    );
    let sent = acts(&site);
    let [Call::Submit(Change::InstallService(form))] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        serde_json::to_value(&form.answers).unwrap(),
        serde_json::json!({ "max_upload": 7 }),
        "what is as it came goes with the manifest"
    );
}

#[tokio::test]
async fn service_shows_what_it_uses_and_says_and_is_started_anew() {
    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/services/files").await.body;
    for shown in [
        "12.0 MiB of 128 MiB",
        "3 % of 50 %",
        "4 of 32",
        "3.0 GiB",
        "listening on port 8080",
        "Stop it",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    acts(&site);
    let restarted = site.post(OWNER, "/services/files/restart", &[TOKEN]).await;
    let told = "/services/files?done=service-restarted";
    assert_eq!(restarted.location.as_deref(), Some(told));
    assert!(
        matches!(&acts(&site)[..], [Call::Act(Action::RestartService { id })] if id.as_str() == "files")
    );
    assert!(
        site.get(OWNER, told)
            .await
            .body
            .contains("The service was started anew.")
    );
    let helpers = site.get(Some(Role::Helper), "/services/files").await.body;
    assert!(!helpers.contains("/restart") && helpers.contains("listening on port 8080"));
}

#[tokio::test]
async fn service_is_opened_to_the_internet_after_a_review_and_closed_without_one() {
    let site = Site::new(Stage::Ready);
    let path = "/services/files/internet";
    let overview = site.get(OWNER, "/services/files").await.body;
    assert!(overview.contains("People at home and devices of the VPN."));
    assert!(overview.contains(&format!("href=\"{path}\"")));
    let helpers = site.get(Some(Role::Helper), "/services/files").await.body;
    assert!(helpers.contains("People at home") && !helpers.contains(path));
    let page = site.get(OWNER, path).await.body;
    assert!(page.contains("Review") && page.contains("the admin page never is"));
    acts(&site);

    let review = site.post(OWNER, path, &[TOKEN]).await;
    assert_eq!(review.status, 200);
    assert!(review.body.contains("Make the change"), "{}", review.body);
    let made = |call: &Call| matches!(call, Call::Submit(_));
    assert!(!acts(&site).iter().any(made), "it is only looked at");
    let back = site.post(OWNER, path, &[("reviewed", "no"), TOKEN]).await;
    assert!(back.body.contains("Review") && !acts(&site).iter().any(made));

    for (path, pairs, published) in [
        (path.to_owned(), &[("reviewed", "yes"), TOKEN][..], true),
        (format!("{path}/close"), &[TOKEN], false),
    ] {
        let changed = site.post(OWNER, &path, pairs).await;
        assert_eq!(
            changed.location.as_deref(),
            Some("/services/files?done=saved")
        );
        let sent = acts(&site);
        let [Call::Submit(Change::ChangeService { update, .. })] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(update.published, Some(published));
        assert!(update.enabled.is_none() && update.answers.is_empty());
    }
}

#[tokio::test]
async fn data_that_was_kept_is_deleted_on_a_page_of_its_own() {
    let site = Site::new(Stage::Ready);
    let list = site.get(OWNER, "/services").await.body;
    assert!(list.contains("Data that was kept") && list.contains("5.0 GiB"));
    assert!(list.contains("href=\"/services/photos/data\""));
    let helpers = site.get(Some(Role::Helper), "/services").await.body;
    assert!(!helpers.contains("href=\"/services/photos/data\""));
    let page = site.get(OWNER, "/services/photos/data").await.body;
    assert!(page.contains("gone for good") && page.contains("Keep it"));
    acts(&site);
    let deleted = site.post(OWNER, "/services/photos/data", &[TOKEN]).await;
    assert_eq!(deleted.location.as_deref(), Some("/services?done=removed"));
    let sent = acts(&site);
    assert!(
        matches!(&sent[..], [Call::Submit(Change::RemoveService { id, delete_data: true })] if id.as_str() == "photos"),
        "{sent:?}"
    );
    // What is installed is not deleted this way.
    let refused = site.post(OWNER, "/services/calendar/data", &[TOKEN]).await;
    assert_eq!((refused.status, acts(&site).len()), (404, 0));
}

#[tokio::test]
async fn apple_devices_get_a_profile_without_a_password() {
    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/services/files").await.body;
    assert!(page.contains("href=\"/services/files/profile\"") && page.contains("class=\"qr\""));
    let profile = site.get(OWNER, "/services/files/profile").await;
    assert_eq!(
        (
            profile.status,
            profile.kind.as_deref(),
            profile.cache.as_deref()
        ),
        (
            200,
            Some("application/x-apple-aspen-config"),
            Some("no-store")
        )
    );
    for (key, value) in [
        ("CalDAVHostName", "<string>files.home.cell</string>"),
        ("CalDAVUsername", "<string>owner</string>"),
        ("CalDAVPort", "<integer>443</integer>"),
        ("CardDAVHostName", "<string>files.home.cell</string>"),
        ("CardDAVUsername", "<string>owner</string>"),
        ("CardDAVUseSSL", "<true/>"),
        ("EmailAddress", "<string>owner@home.cell</string>"),
        (
            "IncomingMailServerHostName",
            "<string>mail.home.cell</string>",
        ),
        ("IncomingMailServerPortNumber", "<integer>993</integer>"),
        ("OutgoingMailServerPortNumber", "<integer>465</integer>"),
        ("OutgoingMailServerUseSSL", "<true/>"),
        (
            "OutgoingMailServerUsername",
            "<string>owner@home.cell</string>",
        ),
        ("OutgoingPasswordSameAsIncomingPassword", "<true/>"),
    ] {
        let pair = format!("<key>{key}</key>{value}");
        assert!(profile.body.contains(&pair), "{pair}: {}", profile.body);
    }
    for secret in ["<key>IncomingPassword", "<key>OutgoingPassword</key>"] {
        assert!(!profile.body.contains(secret), "{secret}");
    }
    assert!(!profile.body.contains("DAVPassword"));
    let again = site.get(OWNER, "/services/files/profile").await.body;
    assert_eq!(again, profile.body, "installed again, it replaces itself");
    // Everybody has their own.
    for (role, name) in [(Role::Helper, "helper"), (Role::Member, "member")] {
        let others = site.get(Some(role), "/services/files/profile").await;
        let named = others.body.contains(&format!("<string>{name}</string>"));
        assert!(named && others.body != profile.body, "{name}");
    }
}
