//! What a person does in several steps, as a browser without a script does it.

mod support;

use cell_control::action::Action;
use cell_control::change::{Change, SettingsUpdate};
use cell_control::fake::{Call, Stage};
use cell_model::account::Role;
use cell_model::problem::Problem;

use support::{Site, TOKEN};

const OWNER: Option<Role> = Some(Role::Owner);

const SETTINGS: [(&str, &str); 7] = [
    ("cell.name", "attic"),
    ("domain.name", "home.cell"),
    ("vpn.subnet", "10.31.7.0/24"),
    ("cell.endpoint", ""),
    ("cell.timezone", "Europe/Vienna"),
    ("revision", "7"),
    TOKEN,
];

fn settings(word: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    let reviewed = word.map(|word| ("reviewed", word));
    SETTINGS.into_iter().chain(reviewed).collect()
}

fn acts(site: &Site) -> Vec<Call> {
    let calls = site.core.take_calls().into_iter().map(|(_, call)| call);
    calls
        .filter(|call| !matches!(call, Call::Snapshot(_)))
        .collect()
}

fn hidden(page: &str, name: &str) -> Option<String> {
    let start = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let at = page.find(&start)? + start.len();
    page[at..].split('"').next().map(str::to_owned)
}

#[tokio::test]
async fn sign_in_leads_to_where_the_person_was_going() {
    let site = Site::new(Stage::Ready);
    let turned_away = site.get(None, "/peers?cursor=a").await;
    let sign_in = turned_away.location.expect("to the sign-in");
    let page = site.get(None, &sign_in).await.body;
    let next = hidden(&page, "next").expect("carried along");
    let pairs = [
        ("username", "owner"),
        ("password", "correct horse"),
        ("next", &next),
    ];
    let signed_in = site.post(None, "/sign-in", &pairs).await;
    assert_eq!(signed_in.location.as_deref(), Some("/peers?cursor=a"));
    let cookie = signed_in.cookie.expect("a session");
    assert!(cookie.starts_with("__Host-cell="), "{cookie}");
}

#[tokio::test]
async fn sign_in_leads_nowhere_else() {
    let site = Site::new(Stage::Ready);
    for next in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/me",
        "/nowhere",
    ] {
        let pairs = [("username", "owner"), ("password", "x"), ("next", next)];
        let signed_in = site.post(None, "/sign-in", &pairs).await;
        assert_eq!(signed_in.location.as_deref(), Some("/"), "{next}");
    }
}

#[tokio::test]
async fn wrong_password_keeps_the_name_and_not_the_password() {
    let problem = Problem::new(
        401,
        "wrong_credentials",
        "The name or the password is wrong",
        "",
    );
    let site = Site::refusing(Stage::Ready, problem);
    let pairs = [("username", "anna"), ("password", "hunter-22")];
    let answer = site.post(None, "/sign-in", &pairs).await;
    assert_eq!((answer.status, answer.cookie), (401, None));
    assert!(answer.body.contains("The name or the password is wrong"));
    assert!(answer.body.contains("value=\"anna\"") && !answer.body.contains("hunter-22"));
}

#[tokio::test]
async fn signing_out_takes_the_session_away() {
    let site = Site::new(Stage::Ready);
    let answer = site.post(OWNER, "/sign-out", &[TOKEN]).await;
    assert_eq!(answer.location.as_deref(), Some("/sign-in?done=signed-out"));
    assert!(
        answer
            .cookie
            .is_some_and(|cookie| cookie.contains("Max-Age=0"))
    );
}

#[tokio::test]
async fn key_is_shown_once_as_picture_text_and_download() {
    let site = Site::new(Stage::Ready);
    let pairs = [("name", "anna-phone"), ("tunnel", "full"), TOKEN];
    let page = site.post(OWNER, "/peers/new", &pairs).await.body;
    assert!(page.contains("<svg xmlns") && page.contains("PrivateKey = "));
    assert!(page.contains("href=\"data:application/octet-stream"));
    assert!(
        page.contains("download=\"anna-phone.conf\"") && page.contains("It works only at home.")
    );
    let later = site
        .post(OWNER, "/peers/anna-phone/file", &[TOKEN])
        .await
        .body;
    assert!(later.contains("[Interface]") && !later.contains("PrivateKey"));
}

#[tokio::test]
async fn app_password_is_shown_once_and_removed_after_a_question() {
    let site = Site::new(Stage::Ready);
    for (role, base, whose) in [
        (Some(Role::Member), "/account", None),
        (OWNER, "/people/helper", Some("helper")),
    ] {
        let list = format!("{base}/app-passwords");
        let pairs = [("device", "Anna's phone"), TOKEN];
        let made = site.post(role, &format!("{list}/new"), &pairs).await.body;
        assert!(made.contains("This is shown once"), "{made}");
        assert!(made.contains("<pre>01234-56789-abcde-fghjk-mnpqrs</pre>"));
        let acts_done = acts(&site);
        let [Call::Act(Action::AddAppPassword(form))] = &acts_done[..] else {
            panic!("{acts_done:?}");
        };
        assert_eq!(form.username.as_ref().map(|name| name.as_str()), whose);
        let page = site.get(role, &list).await.body;
        assert!(page.contains("2026-11-18") && !page.contains("01234"));
        let question = format!("{list}/0f0f/remove");
        assert!(page.contains(&format!("href=\"{question}\"")), "{page}");
        let asked = site.get(role, &question).await.body;
        assert!(asked.contains(&format!("action=\"{question}\"")) && acts(&site).is_empty());
        let gone = site.post(role, &question, &[TOKEN]).await;
        assert_eq!(gone.location, Some(format!("{list}?done=removed")));
        assert!(
            matches!(&acts(&site)[..], [Call::Act(Action::RemoveAppPassword { id })] if id == "0f0f")
        );
    }
    let missing = site.get(OWNER, "/account/app-passwords/none/remove").await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn settings_change_only_after_they_were_reviewed() {
    let site = Site::new(Stage::Ready);
    let review = site.post(OWNER, "/settings", &settings(None)).await;
    assert_eq!(review.status, 200);
    assert!(review.body.contains("The name server is told."));
    assert!(matches!(acts(&site)[..], [Call::Preview(_)]));
    assert_eq!(hidden(&review.body, "cell.name").as_deref(), Some("attic"));

    let back = site.post(OWNER, "/settings", &settings(Some("no"))).await;
    assert!(back.body.contains("value=\"attic\"") && acts(&site).is_empty());
    assert_eq!(hidden(&back.body, "reviewed"), None);

    let done = site.post(OWNER, "/settings", &settings(Some("yes"))).await;
    assert_eq!(done.location.as_deref(), Some("/settings?done=saved"));
    let acts = acts(&site);
    let [Call::Submit(Change::Settings(update))] = &acts[..] else {
        panic!("{acts:?}");
    };
    let SettingsUpdate {
        cell,
        network,
        dns,
        revision,
        ..
    } = &**update;
    assert_eq!(cell.as_ref().map(|cell| cell.name.as_str()), Some("attic"));
    assert_eq!(
        (network.is_none(), dns.is_none(), *revision),
        (true, true, Some(7))
    );
}

#[tokio::test]
async fn form_that_came_too_late_can_be_sent_again() {
    let problem = Problem::conflict("stale_revision", "The settings have changed meanwhile", "");
    let site = Site::refusing(Stage::Ready, problem);
    let mut late = settings(Some("yes"));
    late.retain(|(name, _)| *name != "revision");
    late.push(("revision", "5"));
    let answer = site.post(OWNER, "/settings", &late).await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("value=\"attic\""));
    assert_eq!(hidden(&answer.body, "revision").as_deref(), Some("7"));
    assert_eq!(hidden(&answer.body, "reviewed"), None);
}

#[tokio::test]
async fn risky_change_leads_to_where_it_is_confirmed() {
    let site = Site::new(Stage::Ready);
    site.core.hold_changes();
    let waiting = site.post(OWNER, "/settings", &settings(Some("yes"))).await;
    assert_eq!(waiting.location.as_deref(), Some("/"));
    let kept = site.post(OWNER, "/confirm", &[TOKEN]).await;
    assert_eq!(kept.location.as_deref(), Some("/?done=confirmed"));
    assert!(matches!(acts(&site)[..], [Call::Submit(_), Call::Confirm]));
}

#[tokio::test]
async fn setup_sends_back_what_was_typed_but_not_the_password() {
    let site = Site::new(Stage::BeforeSetup);
    let page = site.get(None, "/setup").await.body;
    assert!(page.contains("value=\"10.31.7.0/24\""));
    let mut pairs = vec![
        ("setup_code", "ABCD2345"),
        ("cell_name", "my home"),
        ("vpn_subnet", "10.31.7.0/24"),
        ("timezone", "Europe/Vienna"),
        ("admin_username", "anna"),
        ("admin_password", "correct horse"),
    ];
    let again = site.post(None, "/setup", &pairs).await;
    assert_eq!(again.status, 422);
    assert!(again.body.contains("value=\"my home\"") && again.body.contains("value=\"anna\""));
    assert!(!again.body.contains("correct horse") && acts(&site).is_empty());
    pairs[1].1 = "home";
    let done = site.post(None, "/setup", &pairs).await;
    assert_eq!(done.location.as_deref(), Some("/setup/done"));
    assert!(
        matches!(&acts(&site)[..], [Call::Submit(Change::SetUp(form))] if form.domain.as_str() == "home.cell")
    );
}

#[tokio::test]
async fn setup_is_over_once_it_is_done() {
    let site = Site::new(Stage::Ready);
    let answer = site.get(None, "/setup").await;
    assert_eq!(answer.status, 410);
    assert!(answer.body.contains("href=\"/sign-in\""));
    assert!(
        site.get(None, "/ca.pem")
            .await
            .body
            .starts_with("-----BEGIN CERTIFICATE")
    );
    let early = Site::new(Stage::BeforeSetup).get(None, "/peers").await;
    assert_eq!(early.location.as_deref(), Some("/setup"));
}

#[tokio::test]
async fn live_part_is_the_same_with_and_without_the_script() {
    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/").await.body;
    let fragment = site.get(OWNER, "/fragments/status").await.body;
    let parts = |html: &str| html.matches("<tr>").count();
    assert_eq!(parts(&page), parts(&fragment));
    assert!(!fragment.contains("<html") && page.contains("href=\"/\">Refresh"));
    assert_eq!(
        site.get(Some(Role::Member), "/fragments/status")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn address_says_only_words_of_ours() {
    let site = Site::new(Stage::Ready);
    let said = site.get(OWNER, "/peers?done=removed").await.body;
    assert!(said.contains("role=\"status\"") && said.contains("Removed."));
    let foreign = site.get(OWNER, "/peers?done=call+0900").await.body;
    assert!(!foreign.contains("role=\"status\"") && !foreign.contains("0900"));
}

#[tokio::test]
async fn bundle_goes_to_the_box_whole_and_its_refusal_comes_back_with_the_page() {
    let site = Site::new(Stage::Ready);
    let bundle: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
    let sent = site.upload(OWNER, "/system", TOKEN, &bundle).await;
    assert_eq!(
        (sent.status, sent.location.as_deref()),
        (303, Some("/system?done=received"))
    );
    match &acts(&site)[..] {
        [Call::Receive(_, bytes)] => assert!(*bytes == bundle, "byte for byte"),
        calls => panic!("{calls:?}"),
    }

    let refusal = Problem::new(
        422,
        "wrong_board",
        "The bundle is for another board",
        "For pi.",
    );
    site.core.refuse(refusal);
    let refused = site.upload(OWNER, "/system", TOKEN, &bundle).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("The bundle is for another board"));
    assert!(refused.body.contains("type=\"file\""), "to try again");
    site.core.take_calls();

    let forged = ("csrf_token", "another");
    let refused = site.upload(OWNER, "/system", forged, &bundle).await;
    assert_eq!(refused.status, 403);
    let other = ("name", "value");
    assert_eq!(
        site.upload(OWNER, "/system", other, &bundle).await.status,
        403
    );
    let helper = Some(Role::Helper);
    assert_eq!(
        site.upload(helper, "/system", TOKEN, &bundle).await.status,
        403
    );
    assert!(acts(&site).is_empty());
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
    ] {
        let pair = format!("<key>{key}</key>{value}");
        assert!(profile.body.contains(&pair), "{pair}: {}", profile.body);
    }
    assert!(!profile.body.contains("Password"));
    let again = site.get(OWNER, "/services/files/profile").await.body;
    assert_eq!(again, profile.body, "installed again, it replaces itself");
    let others = site
        .get(Some(Role::Helper), "/services/files/profile")
        .await;
    assert!(others.body.contains("<string>helper</string>") && others.body != profile.body);
    assert_eq!(
        site.get(Some(Role::Member), "/services/files/profile")
            .await
            .status,
        403
    );
}
