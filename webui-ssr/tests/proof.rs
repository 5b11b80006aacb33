//! What is dangerous, as a browser without a script meets it when the password was entered long ago.

mod support;

use cell_control::action::Action;
use cell_control::fake::{Call, Stage};
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_webui::routes::PAGES;

use support::{Site, TOKEN, concrete};

const OWNER: Option<Role> = Some(Role::Owner);

fn long_ago() -> Site {
    let site = Site::new(Stage::Ready);
    site.core.forget_proofs();
    site
}

/// The password, sent from the page that a person was led to.
async fn prove(site: &Site, page: &str) -> support::Answer {
    let shown = site.get(OWNER, page).await;
    assert_eq!(shown.status, 200, "{page}");
    let hidden = |name: &str| {
        let start = format!("name=\"{name}\" value=\"");
        let rest = &shown.body[shown.body.find(&start)? + start.len()..];
        rest.split('"').next().map(str::to_owned)
    };
    let (next, form) = (hidden("next"), hidden("form"));
    let mut pairs = vec![("password", "correct horse"), TOKEN];
    pairs.extend(next.iter().map(|next| ("next", next.as_str())));
    pairs.extend(form.iter().map(|form| ("form", form.as_str())));
    site.post(OWNER, "/reauthenticate", &pairs).await
}

#[tokio::test]
async fn every_dangerous_page_and_form_leads_to_the_password_and_back() {
    for page in PAGES {
        let path = concrete(page.path);
        if page.dangerous {
            let site = long_ago();
            let led = site.get(OWNER, &path).await;
            let back = prove(&site, led.location.as_deref().expect(&path)).await;
            assert_eq!(back.location.as_deref(), Some(path.as_str()));
            assert_eq!(site.get(OWNER, &path).await.status, 200, "{path}");
        }
        for post in page.posts.iter().filter(|post| post.dangerous) {
            let site = long_ago();
            let sent = concrete(post.path);
            let led = site.post(OWNER, &sent, &[TOKEN]).await;
            assert_eq!(led.status, 303, "{sent}");
            let acts = site.core.take_calls();
            assert!(acts.is_empty(), "{sent}: {acts:?}");
            let back = prove(&site, led.location.as_deref().expect(&sent)).await;
            // To the page that the form is on, which says that nothing has happened.
            let expected = format!("{path}?done=proven");
            assert_eq!(back.location, Some(expected), "{sent}");
        }
    }
}

#[tokio::test]
async fn way_back_leads_nowhere_else() {
    for next in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/me",
        "/nowhere",
        "/sign-in",
        "",
    ] {
        for word in ["next", "form"] {
            let pairs = [("password", "x"), (word, next), TOKEN];
            let answer = long_ago().post(OWNER, "/reauthenticate", &pairs).await;
            assert_eq!(answer.location.as_deref(), Some("/"), "{word} {next}");
        }
    }
    let pairs = [("password", "x"), ("form", "/system/drop"), TOKEN];
    let member = Some(Role::Member);
    let answer = long_ago().post(member, "/reauthenticate", &pairs).await;
    assert_eq!(answer.location.as_deref(), Some("/me"));
}

#[tokio::test]
async fn wrong_password_is_said_at_the_field_and_the_way_back_is_kept() {
    let site = long_ago();
    let wrong = Problem {
        status: 403,
        code: "wrong_password".into(),
        ..Problem::field("password", "is not your present password")
    };
    let too_often = Problem::new(429, "too_many_tries", "Too many failed tries", "Wait.");
    for (problem, status, said) in [
        (wrong, 403, "Password is not your present password"),
        (too_often, 429, "Too many failed tries"),
    ] {
        site.core.refuse(problem);
        let pairs = [("password", "hunter-22"), ("next", "/system/other"), TOKEN];
        // Looking at the settings for the frame is no call that the core refuses first: members see none.
        let answer = site
            .post(Some(Role::Member), "/reauthenticate", &pairs)
            .await;
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(said), "{}", answer.body);
        assert!(answer.body.contains("value=\"/system/other\""));
        assert!(!answer.body.contains("hunter-22"));
    }
    let empty = site.post(OWNER, "/reauthenticate", &[TOKEN]).await;
    assert_eq!(empty.status, 422);
    assert!(empty.body.contains("must not be empty"));
}

#[tokio::test]
async fn file_is_asked_for_after_the_password() {
    let site = long_ago();
    let page = site.get(OWNER, "/system").await;
    assert_eq!(page.status, 200, "looking is not dangerous");
    assert!(!page.body.contains("type=\"file\""));
    let link = "/reauthenticate?next=/system";
    assert!(page.body.contains(&format!("href=\"{link}\"")));
    let sent = site.upload(OWNER, "/system", TOKEN, &[7; 100_000]).await;
    assert_eq!(
        (sent.status, sent.location.as_deref()),
        (303, Some("/reauthenticate?form=/system"))
    );
    let acts = site.core.take_calls();
    assert!(
        !acts
            .iter()
            .any(|(_, call)| matches!(call, Call::Receive(..))),
        "{acts:?}"
    );
    assert_eq!(
        prove(&site, link).await.location.as_deref(),
        Some("/system")
    );
    let page = site.get(OWNER, "/system").await;
    assert!(page.body.contains("type=\"file\""));
    let proven = site.core.take_calls().into_iter().any(|(_, call)| {
        matches!(call, Call::Act(Action::Reauthenticate { password }) if password.expose() == "correct horse")
    });
    assert!(proven);
}
