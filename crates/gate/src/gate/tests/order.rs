//! Which refusal comes first, for whom.

use cell_control::caller::Credential;
use http::header::RETRY_AFTER;

use super::*;

#[tokio::test]
async fn each_failure_hides_the_later_ones() {
    // Everything is wrong at first; each row puts one thing right and meets the next failure.
    let mut ask = Ask::new("PATCH", "/api/peers")
        .without("host")
        .with("host", "evil.example")
        .with("origin", "https://evil.example");
    ask.body = vec![b'x'; 2_000];
    let meets = async |stage, ask: &Ask, status: u16, code: &str| {
        let answered = send_at(stage, ask.clone()).await;
        assert_eq!((answered.status, answered.code().as_str()), (status, code));
        assert!(answered.calls.is_empty(), "{code} let something through");
    };
    meets(Stage::BeforeSetup, &ask, 421, "foreign_host").await;
    ask = ask.without("host").with("host", HOST_NAME);
    meets(Stage::BeforeSetup, &ask, 428, "setup_required").await;
    meets(Stage::WithoutAccounts, &ask, 503, "no_accounts").await;
    meets(Stage::Unreachable, &ask, 503, "unavailable").await;
    meets(Stage::Ready, &ask, 401, "sign_in_required").await;
    ask = ask.signed_in_as(Role::Member);
    meets(Stage::Ready, &ask, 403, "wrong_role").await;
    ask = ask.signed_in_as(Role::Admin);
    meets(Stage::Ready, &ask, 403, "csrf").await;
    ask = ask.without("origin");
    meets(Stage::Ready, &ask, 403, "csrf").await;
    ask = ask.with_token();
    meets(
        Stage::Ready,
        &Ask {
            uri: "/api/unknown".to_owned(),
            ..ask.clone()
        },
        404,
        "not_found",
    )
    .await;
    meets(Stage::Ready, &ask, 405, "method_not_allowed").await;
    ask.method = "POST";
    meets(Stage::Ready, &ask, 413, "too_large").await;
    ask.body.truncate(10);
    meets(Stage::Ready, &ask, 415, "unsupported_media_type").await;
    ask = ask.with("content-type", "application/json");
    meets(
        Stage::Ready,
        &Ask {
            uri: "/api/peers?q=%zz".to_owned(),
            ..ask.clone()
        },
        400,
        "invalid_query",
    )
    .await;
    let passed = send(ask).await;
    assert_eq!((passed.status, passed.calls.len()), (200, 1));
}

#[tokio::test]
async fn problem_of_a_handler_comes_last() {
    let ask = post_peer();
    let answered = send(Ask {
        method: "PUT",
        uri: "/api/peers/a".to_owned(),
        ..ask
    })
    .await;
    assert_eq!((answered.status, answered.code().as_str()), (409, "taken"));
}

#[tokio::test]
async fn before_setup_only_setup_and_health_answer() {
    for (method, path, status) in [
        ("GET", "/health", 200),
        ("POST", "/api/setup/complete", 200),
        ("GET", "/api/setup/unknown", 404),
        ("GET", "/api/setup/complete", 405),
        ("GET", "/api/peers", 428),
        ("POST", "/api/auth/login", 428),
        ("GET", "/api/unknown", 428),
        ("GET", "/api", 428),
    ] {
        let answered = send_at(Stage::BeforeSetup, Ask::new(method, path)).await;
        assert_eq!(answered.status, status, "{method} {path}");
    }
    for (path, location) in [
        ("/", "/setup"),
        ("/sign-in", "/setup"),
        ("/unknown?x", "/setup"),
    ] {
        let answered = send_at(Stage::BeforeSetup, Ask::new("GET", path)).await;
        assert_eq!(
            (answered.status, answered.location()),
            (303, location),
            "{path}"
        );
    }
    assert_eq!(
        send_at(Stage::BeforeSetup, Ask::new("GET", "/setup"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn after_setup_its_routes_are_gone() {
    for stage in [Stage::Ready, Stage::WithoutAccounts] {
        for path in ["/api/setup/complete", "/api/setup/unknown"] {
            let answered = send_at(stage, Ask::new("POST", path).signed_in_as(Role::Owner)).await;
            assert_eq!(
                (answered.status, answered.code().as_str()),
                (410, "setup_complete")
            );
        }
    }
    let page = send(Ask::new("GET", "/setup")).await;
    assert_eq!(
        (page.status, page.body.as_str()),
        (410, "setup_complete for nobody at /setup")
    );
    let unreachable = send_at(Stage::Unreachable, Ask::new("GET", "/setup")).await;
    assert_eq!(
        (unreachable.status, &unreachable.headers[RETRY_AFTER]),
        (503, &HeaderValue::from(1))
    );
}

#[tokio::test]
async fn without_a_session_unknown_and_known_paths_look_alike() {
    for path in [
        "/api/peers",
        "/api/unknown",
        "/api",
        "/api/",
        "/api/peer/dashboard",
    ] {
        for method in ["GET", "POST", "OPTIONS", "FOO"] {
            let answered = send(Ask::new(method, path)).await;
            assert_eq!(
                (answered.status, answered.code().as_str()),
                (401, "sign_in_required")
            );
        }
    }
    assert_eq!(
        send(Ask::new("GET", "/api/unknown").signed_in_as(Role::Member))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn browser_without_a_session_is_led_to_the_sign_in_and_back() {
    let answered = send(Ask::new("GET", "/unknown?a=b&c")).await;
    assert_eq!(answered.status, 303);
    assert_eq!(answered.location(), "/sign-in?next=/unknown%3Fa%3Db%26c");
    let posted = send(Ask::new("POST", "/peers").form("csrf_token=x")).await;
    assert_eq!(
        (posted.status, posted.body.as_str()),
        (401, "sign_in_required for nobody at /peers")
    );
}

#[tokio::test]
async fn role_opens_exactly_its_routes() {
    use Role::{Admin, Helper, Member, Owner};
    for (path, may) in [
        ("/api/auth/me", &[Member, Helper, Admin, Owner][..]),
        ("/api/peers", &[Helper, Admin, Owner]),
        ("/api/peer/dashboard", &[Member]),
        ("/", &[Helper, Admin, Owner]),
    ] {
        for role in [Member, Helper, Admin, Owner] {
            let status = if may.contains(&role) { 200 } else { 403 };
            let answered = send(Ask::new("GET", path).signed_in_as(role)).await;
            assert_eq!(answered.status, status, "{role:?} {path}");
        }
    }
    let page = send(Ask::new("GET", "/").signed_in_as(Member)).await;
    assert_eq!(page.body, "wrong_role for member at /");
}

#[tokio::test]
async fn session_cookie_counts_by_its_exact_name_and_value() {
    let token = FakeControl::session(Role::Owner);
    for cookie in [
        format!("cell={token}"),
        format!("__Host-Cell={token}"),
        format!("__Host-cell={token}x"),
        format!("__Host-cell=\"{token}\""),
        format!("__Host-cell={token}; __Host-cell={token}"),
        "__Host-cell=replayed".to_owned(),
        "__Host-cell=".to_owned(),
    ] {
        let answered = send(Ask::new("GET", "/api/auth/me").with("cookie", &cookie)).await;
        assert_eq!(answered.status, 401, "{cookie}");
    }
}

#[tokio::test]
async fn caller_is_what_the_connection_says_and_not_what_headers_claim() {
    let ask = Ask::new("GET", "/api/auth/me")
        .signed_in_as(Role::Owner)
        .with("x-forwarded-for", "127.0.0.1")
        .with("forwarded", "for=127.0.0.1;host=evil.example")
        .with("x-real-ip", "127.0.0.1")
        .with("x-forwarded-host", "evil.example");
    let answered = send(ask).await;
    let (caller, _) = &answered.calls[0];
    assert_eq!(caller.address, Some("192.168.1.20".parse().unwrap()));
    assert_eq!(caller.connected_at, CONNECTED_AT);
    assert!(matches!(caller.credential, Credential::Session(_)));
}
