//! What a person does in several steps, as a browser without a script does it.

mod support;

use cell_control::action::Action;
use cell_control::change::{Change, SettingsUpdate};
use cell_control::fake::{Call, FakeControl, Stage};
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
async fn sign_in_with_a_second_factor_asks_for_the_code_on_a_page_of_its_own() {
    let site = Site::new(Stage::Ready);
    site.core.ask_for_codes();
    let pairs = [
        ("username", "owner"),
        ("password", "correct horse"),
        ("next", "/peers"),
    ];
    let asked = site.post(None, "/sign-in", &pairs).await;
    assert_eq!((asked.status, asked.cookie), (200, None));
    assert!(!asked.body.contains("correct horse"));
    assert!(asked.body.contains("one-time-code"), "{}", asked.body);
    let ticket = hidden(&asked.body, "ticket").expect("carried along");
    assert_eq!(ticket, FakeControl::TICKET);
    let next = hidden(&asked.body, "next").expect("carried along");
    let wrong = Problem::new(401, "wrong_code", "The code is wrong", "");
    site.core.refuse(wrong);
    let code = [("ticket", &*ticket), ("next", &*next), ("code", "000000")];
    let again = site.post(None, "/sign-in/code", &code).await;
    assert_eq!((again.status, again.cookie), (401, None));
    assert_eq!(hidden(&again.body, "ticket").as_ref(), Some(&ticket));
    let signed_in = site.post(None, "/sign-in/code", &code).await;
    assert_eq!(signed_in.location.as_deref(), Some("/peers"));
    assert!(signed_in.cookie.is_some());
}

#[tokio::test]
async fn second_factor_is_set_up_from_picture_to_recovery_codes() {
    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/account/second-factor").await.body;
    assert!(page.contains("Set it up"));
    let shown = site.post(OWNER, "/account/second-factor", &[TOKEN]).await;
    let key = "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ";
    assert!(shown.body.contains("<svg xmlns") && shown.body.contains(key));
    let pairs = [("code", "123456"), TOKEN];
    let path = "/account/second-factor/code";
    let problem = Problem::field("code", "is not what the app shows now");
    site.core.refuse(problem);
    let wrong = site.post(OWNER, path, &pairs).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("is not what the app shows now"));
    assert!(!wrong.body.contains("GEZD"), "it was shown once");
    let added = site.post(OWNER, path, &pairs).await.body;
    assert!(added.contains("0123A-BCDEF") && added.contains("shown once"));
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
