//! Requests that another site made a browser send.

use super::*;

#[tokio::test]
async fn token_or_nothing_changes_anything() {
    for (sent, status) in [
        (None, 403),
        (Some(""), 403),
        (Some("stale"), 403),
        (Some(FakeControl::CSRF_TOKEN), 200),
    ] {
        let mut ask = post_peer().without("x-csrf-token");
        if let Some(token) = sent {
            ask = ask.with("x-csrf-token", token);
        }
        assert_eq!(send(ask).await.status, status, "{sent:?}");
    }
    assert_eq!(
        send(post_peer().with_token()).await.status,
        403,
        "two tokens"
    );
}

#[tokio::test]
async fn api_takes_no_token_from_a_body() {
    let body = format!("csrf_token={}", FakeControl::CSRF_TOKEN);
    let ask = Ask::new("POST", "/api/peers")
        .signed_in_as(Role::Admin)
        .form(&body);
    assert_eq!(send(ask).await.code(), "csrf");
}

#[tokio::test]
async fn form_carries_the_token_as_a_field() {
    let token = FakeControl::CSRF_TOKEN;
    let post = |body: &str| {
        Ask::new("POST", "/peers")
            .signed_in_as(Role::Admin)
            .form(body)
    };
    assert_eq!(
        send(post(&format!("name=a&csrf_token={token}")))
            .await
            .status,
        200
    );
    assert_eq!(send(post("name=a&csrf_token=stale")).await.status, 403);
    assert_eq!(send(post("name=a")).await.status, 403);
    assert_eq!(send(post(&"x".repeat(2_000))).await.status, 413);
    let unknown = Ask {
        uri: "/unknown".to_owned(),
        ..post(&format!("csrf_token={token}"))
    };
    assert_eq!(send(unknown).await.status, 404);
}

#[tokio::test]
async fn sign_in_and_setup_need_no_token_but_the_own_origin() {
    for (stage, path) in [
        (Stage::Ready, "/api/auth/login"),
        (Stage::BeforeSetup, "/api/setup/complete"),
        (Stage::Ready, "/sign-in"),
    ] {
        let ask = Ask::new("POST", path);
        assert_eq!(send_at(stage, ask.clone()).await.status, 200, "{path}");
        let own = ask.clone().with("origin", "https://box.local:8443");
        assert_eq!(send_at(stage, own).await.status, 200, "{path}");
        for (name, value) in [("origin", "null"), ("sec-fetch-site", "cross-site")] {
            let answered = send_at(stage, ask.clone().with(name, value)).await;
            assert_eq!(answered.status, 403, "{path} {name}");
            assert!(answered.calls.is_empty());
        }
    }
}

#[tokio::test]
async fn reading_is_not_asked_where_it_comes_from() {
    let ask = Ask::new("GET", "/")
        .signed_in_as(Role::Admin)
        .with("sec-fetch-site", "cross-site");
    let answered = send(ask).await;
    assert_eq!(answered.status, 200);
    assert!(
        answered.body.contains(FakeControl::CSRF_TOKEN),
        "pages get the token for their forms"
    );
}

#[tokio::test]
async fn hosts_that_are_not_ours_are_refused_on_every_path() {
    for (host, status) in [
        ("evil.example", 421),
        ("192.168.1.1.evil.example", 421),
        ("", 400),
        ("[::1]", 200),
        ("10.0.0.1:99", 200),
        ("LOCALHOST:1", 200),
    ] {
        let ask = Ask::new("GET", "/health")
            .without("host")
            .with("host", host);
        assert_eq!(send(ask).await.status, status, "{host}");
    }
    let two = Ask::new("GET", "/health").with("host", HOST_NAME);
    assert_eq!(send(two).await.code(), "bad_host");
    let absolute = Ask::new("GET", "https://evil.example/health");
    assert_eq!(send(absolute).await.status, 400);
    let page = Ask::new("GET", "/x")
        .without("host")
        .with("host", "evil.example");
    assert_eq!(send(page).await.body, "foreign_host for nobody at /x");
}
