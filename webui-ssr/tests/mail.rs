//! Mail: what a person does on its pages, and what the core is asked for then.
#![expect(clippy::panic, reason = "code of tests: what goes wrong ends the test")]

mod support;

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::fake::{Call, Stage};
use cell_control::mail::MailUpdate;
use cell_model::account::Role;
use cell_model::config::DeliveryConfig;
use cell_model::problem::Problem;

use support::{Answer, Site, TOKEN};

const OWNER: Option<Role> = Some(Role::Owner);
const HELPER: Option<Role> = Some(Role::Helper);
const MEMBER: Option<Role> = Some(Role::Member);

fn acts(site: &Site) -> Vec<Call> {
    let calls = site.core.take_calls().into_iter().map(|(_, call)| call);
    calls
        .filter(|call| !matches!(call, Call::Snapshot(_)))
        .collect()
}

/// Sends a form, and the update that became of it.
async fn update(path: &str, pairs: &[(&str, &str)]) -> (Answer, MailUpdate) {
    let site = Site::new(Stage::Ready);
    let pairs = [pairs, &[TOKEN]].concat();
    let answer = site.post(OWNER, path, &pairs).await;
    match acts(&site).pop() {
        Some(Call::Submit(Change::Mail(update))) => (answer, *update),
        other => panic!("{other:?}: {answer:?}"),
    }
}

#[tokio::test]
async fn page_says_how_mail_is_and_offers_changes_to_whoever_may_make_them() {
    let site = Site::new(Stage::Ready);
    let owner = site.get(OWNER, "/mail").await.body;
    let helper = site.get(HELPER, "/mail").await.body;
    for page in [&owner, &helper] {
        for said in [
            "info@home.cell",
            "member, friend@example.org",
            "abuse, postmaster",
            "goes to <strong>owner</strong>",
            "2 GiB",
            "4 GiB",
            "smtp.example.net, port 587",
            "Kept, sealed",
            "is a name for home.",
            "href=\"/mail/records\"",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }
    for link in [
        "/mail/aliases/new",
        "/mail/aliases/info",
        "/mail/rest",
        "/mail/room",
        "/mail/delivery",
    ] {
        let link = format!("href=\"{link}\"");
        assert!(owner.contains(&link), "{link}");
        assert!(!helper.contains(&link), "{link}");
    }
}

#[tokio::test]
async fn address_is_added_changed_and_removed() {
    let site = Site::new(Stage::Ready);
    let pairs = [
        ("name", "Club"),
        ("targets", "anna\r\n\r\nX@Example.org"),
        TOKEN,
    ];
    let added = site.post(OWNER, "/mail/aliases/new", &pairs).await;
    assert_eq!(added.location.as_deref(), Some("/mail?done=added"));
    let Some(Call::Submit(Change::PutMailAlias { name, targets })) = acts(&site).pop() else {
        panic!("nothing was added");
    };
    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
    assert_eq!(name.as_str(), "club");
    assert_eq!(targets, ["anna", "X@example.org"]);

    let page = site.get(OWNER, "/mail/aliases/info").await.body;
    assert!(
        page.contains("member\nfriend@example.org</textarea>"),
        "{page}"
    );
    let pairs = [("targets", "anna"), TOKEN];
    let changed = site.post(OWNER, "/mail/aliases/info", &pairs).await;
    assert_eq!(changed.location.as_deref(), Some("/mail?done=saved"));
    let put = acts(&site).pop();
    assert!(
        matches!(&put, Some(Call::Submit(Change::PutMailAlias { name, .. })) if name.as_str() == "info"),
        "{put:?}"
    );

    let removed = site
        .post(OWNER, "/mail/aliases/info/remove", &[TOKEN])
        .await;
    assert_eq!(removed.location.as_deref(), Some("/mail?done=removed"));
    let gone = acts(&site).pop();
    assert!(
        matches!(&gone, Some(Call::Submit(Change::RemoveMailAlias { name })) if name.as_str() == "info"),
        "{gone:?}"
    );
}

#[tokio::test]
async fn address_that_is_there_is_not_overwritten_by_a_new_one() {
    let site = Site::new(Stage::Ready);
    let pairs = [("name", "INFO"), ("targets", "anna"), TOKEN];
    let refused = site.post(OWNER, "/mail/aliases/new", &pairs).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("Name is there already"),
        "{}",
        refused.body
    );
    assert!(refused.body.contains("value=\"INFO\""));
    assert!(acts(&site).is_empty());
    let unknown = site.get(OWNER, "/mail/aliases/nobody").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn rest_goes_to_somebody_or_is_refused() {
    let (answer, changed) = update("/mail/rest", &[("catch_all", "anna")]).await;
    assert_eq!(answer.location.as_deref(), Some("/mail?done=saved"));
    assert_eq!(changed.catch_all.flatten().unwrap().as_str(), "anna");
    let (_, changed) = update("/mail/rest", &[("catch_all", "")]).await;
    assert_eq!(changed.catch_all, Some(None));
    assert!(changed.delivery.is_none() && changed.quotas.is_empty());
}

#[tokio::test]
async fn room_is_typed_with_its_unit() {
    let pairs = [("quota_mib", "3 GiB"), ("quotas", "anna 512 MB")];
    let (_, changed) = update("/mail/room", &pairs).await;
    assert_eq!(changed.quota_mib, Some(3_072));
    let quotas: Vec<_> = changed.quotas.into_iter().collect();
    // The member had 4 GiB, and is not named any more.
    assert_eq!(quotas.len(), 2);
    assert_eq!((quotas[0].0.as_str(), quotas[0].1), ("anna", Some(512)));
    assert_eq!((quotas[1].0.as_str(), quotas[1].1), ("member", None));
}

#[tokio::test]
async fn amount_for_somebody_unknown_is_wrong_at_the_field() {
    let problem = Problem::field("quotas.zoe", "must be of somebody who has an account");
    let site = Site::refusing(Stage::Ready, problem);
    let pairs = [("quota_mib", "2 GiB"), ("quotas", "zoe 3 GiB"), TOKEN];
    let refused = site.post(OWNER, "/mail/room", &pairs).await;
    assert_eq!(refused.status, 422);
    let said =
        "<a href=\"#f-quotas\">Other amounts of zoe must be of somebody who has an account</a>";
    assert!(refused.body.contains(said), "{}", refused.body);
    assert!(refused.body.contains("zoe 3 GiB</textarea>"));
}

#[tokio::test]
async fn delivery_is_changed_after_the_password_and_shows_none() {
    let pairs = [
        ("delivery.mode", "relay"),
        ("delivery.relay.host", "smtp.example.org"),
        ("delivery.relay.port", "465"),
        ("delivery.relay.username", "hut@example.org"),
        ("relay_password", "hunter2-hunter2"),
    ];
    let (answer, changed) = update("/mail/delivery", &pairs).await;
    assert_eq!(answer.location.as_deref(), Some("/mail?done=saved"));
    let Some(DeliveryConfig::Relay(relay)) = changed.delivery else {
        panic!("no relay");
    };
    assert_eq!((relay.host.as_str(), relay.port), ("smtp.example.org", 465));
    let password = changed.relay_password.unwrap();
    assert_eq!(password.expose().as_str(), "hunter2-hunter2");

    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/mail/delivery").await.body;
    assert!(page.contains("value=\"smtp.example.net\""), "{page}");
    site.core.forget_proofs();
    let led = site.get(OWNER, "/mail/delivery").await;
    let location = led.location.unwrap();
    assert!(location.starts_with("/reauthenticate"), "{location}");
    let pairs = [&pairs[..], &[TOKEN]].concat();
    let led = site.post(OWNER, "/mail/delivery", &pairs).await;
    assert_eq!(led.status, 303);
    assert!(acts(&site).is_empty());
}

#[tokio::test]
async fn records_are_there_to_copy_and_as_a_file() {
    let site = Site::new(Stage::Ready);
    let page = site.get(HELPER, "/mail/records").await.body;
    for said in [
        "<code class=\"value\">10 mail.home.cell.</code>",
        "Mail for the domain comes to this box",
        "download=\"home.cell.zone\"",
        "home.cell.%203600%20IN%20MX%2010%20mail.home.cell.",
        "The address of the server is missing below.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn look_at_mail_says_what_to_do_and_is_asked_for_by_who_helps() {
    let site = Site::new(Stage::Ready);
    for role in [OWNER, HELPER] {
        let page = site.get(role, "/mail/check").await.body;
        for words in [
            "Copy the record to wherever the DNS of the domain is kept.",
            "What is as it should be",
            "Look now",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
    acts(&site);
    let looked = site
        .post(HELPER, "/mail/check", &[TOKEN, ("greet", "example.net")])
        .await;
    assert_eq!(looked.location.as_deref(), Some("/mail/check?done=looked"));
    let asked = acts(&site);
    let [Call::Act(Action::CheckMail(form))] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(form.greet, Some("example.net".parse().unwrap()));
    let wrong = site
        .post(HELPER, "/mail/check", &[TOKEN, ("greet", "not a domain")])
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("not a domain"), "{}", wrong.body);
    assert!(acts(&site).is_empty());
}

#[tokio::test]
async fn key_is_made_and_signed_with() {
    let site = Site::new(Stage::Ready);
    let page = site.get(OWNER, "/mail/keys").await.body;
    assert!(
        page.contains("Signs") && page.contains("Make a new key"),
        "{page}"
    );
    let made = site.post(OWNER, "/mail/keys", &[TOKEN]).await;
    assert_eq!(made.location.as_deref(), Some("/mail/keys?done=key-made"));
    assert!(matches!(acts(&site)[..], [Call::Act(Action::AddDkimKey)]));
    let path = "/mail/keys/c202611/sign";
    let page = site.get(OWNER, path).await.body;
    assert!(page.contains("Mail is signed with this key already."));
    let signs = site.post(OWNER, path, &[TOKEN]).await;
    assert_eq!(signs.location.as_deref(), Some("/mail/keys?done=saved"));
    let Some(Call::Act(Action::SignWithDkimKey { selector })) = acts(&site).pop() else {
        panic!("nothing signs");
    };
    assert_eq!(selector.as_str(), "c202611");
    let gone = site.get(OWNER, "/mail/keys/c199901/sign").await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn everybody_finds_what_to_type_into_a_device() {
    let site = Site::new(Stage::Ready);
    let page = site.get(MEMBER, "/account/mail").await.body;
    for said in [
        "<strong>member@home.cell</strong>",
        "info@home.cell",
        "mail.home.cell, port 993, TLS (SSL)",
        "mail.home.cell, port 465, TLS (SSL)",
        "mail.home.cell, port 587, STARTTLS",
        "member, or the whole address",
        "href=\"/account/app-passwords\"",
        "href=\"/services/files/profile\"",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    for from in ["/me", "/account", "/account/services"] {
        let page = site.get(MEMBER, from).await.body;
        assert!(page.contains("href=\"/account/mail\""), "{from}");
    }
    assert_eq!(site.get(MEMBER, "/mail").await.status, 403);
}

#[tokio::test]
async fn whoever_has_no_mail_is_told_so() {
    let site = Site::new(Stage::Ready);
    site.core
        .refuse(Problem::new(404, "no_mail", "You have no mail here", ""));
    let page = site.get(MEMBER, "/account/mail").await;
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("You have no mail here."),
        "{}",
        page.body
    );
}
