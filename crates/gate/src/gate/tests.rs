//! The gate before a core that is scripted, without sockets.

use cell_control::action::Action;
use cell_control::caller::Credential;
use cell_control::fake::{Call, FakeControl, Stage};
use cell_model::account::Role;
use http::StatusCode;
use http::header::{LOCATION, RETRY_AFTER};
use http_body_util::BodyExt;

use super::*;
use crate::route::{Body, Handler};

const HOST_NAME: &str = "box.local:8443";
const CONNECTED_AT: Duration = Duration::from_secs(42);

/// Says what the handler saw, so that a test can tell that it was reached.
const ECHO: Handler = |visit| {
    Box::pin(async move {
        visit.control.act(&visit.caller, Action::SignOut).await?;
        Reply::json(
            StatusCode::OK,
            &serde_json::json!({
                "who": visit.identity.as_ref().map(|identity| identity.role),
                "name": visit.param("name"),
                "q": visit.query.get("q"),
                "token": visit.csrf_token,
                "body": String::from_utf8_lossy(&visit.body),
                "agent": visit.user_agent(),
            }),
        )
    })
};

const REFUSES: Handler =
    |_| Box::pin(async { Err(Problem::conflict("taken", "That name is taken", "")) });

const fn row(method: Method, path: &'static str, access: Access, body: Body) -> Route {
    Route {
        method,
        path,
        access,
        body,
        limit: 1_000,
        handler: ECHO,
    }
}

static API: [Route; 9] = [
    row(Method::GET, "/health", Access::Open, Body::None),
    row(
        Method::POST,
        "/api/setup/complete",
        Access::Setup,
        Body::Json,
    ),
    row(Method::POST, "/api/auth/login", Access::SignIn, Body::Json),
    row(Method::GET, "/api/auth/me", Access::SignedIn, Body::None),
    row(
        Method::GET,
        "/api/peers",
        Access::AtLeast(Role::Helper),
        Body::None,
    ),
    row(
        Method::POST,
        "/api/peers",
        Access::AtLeast(Role::Admin),
        Body::Json,
    ),
    row(
        Method::DELETE,
        "/api/peers/{name}",
        Access::AtLeast(Role::Admin),
        Body::None,
    ),
    row(
        Method::GET,
        "/api/peer/dashboard",
        Access::Only(Role::Member),
        Body::None,
    ),
    Route {
        method: Method::PUT,
        path: "/api/peers/{name}",
        access: Access::AtLeast(Role::Admin),
        body: Body::Json,
        limit: 1_000,
        handler: REFUSES,
    },
];

static PAGES: [Route; 5] = [
    row(Method::GET, "/", Access::AtLeast(Role::Helper), Body::None),
    row(Method::GET, "/setup", Access::Setup, Body::None),
    row(Method::GET, "/sign-in", Access::SignIn, Body::None),
    row(Method::POST, "/sign-in", Access::SignIn, Body::Form),
    row(
        Method::POST,
        "/peers",
        Access::AtLeast(Role::Admin),
        Body::Form,
    ),
];

fn page_error(problem: &Problem, identity: Option<&Identity>, path: &str) -> Reply {
    let who = identity.map_or("nobody", |identity| identity.role.as_str());
    let status = StatusCode::from_u16(problem.status).unwrap();
    Reply::html(status, format!("{} for {who} at {path}", problem.code))
}

/// A request that passes everything until a test spoils it.
#[derive(Clone)]
struct Ask {
    method: &'static str,
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Ask {
    fn new(method: &'static str, uri: &str) -> Self {
        let headers = vec![("host", HOST_NAME.to_owned())];
        Self {
            method,
            uri: uri.to_owned(),
            headers,
            body: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    fn signed_in_as(self, role: Role) -> Self {
        let cookie = format!("__Host-cell={}", FakeControl::session(role));
        self.without("cookie").with("cookie", &cookie)
    }

    fn with_token(self) -> Self {
        self.with("x-csrf-token", FakeControl::CSRF_TOKEN)
    }

    fn json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.without("content-type")
            .with("content-type", "application/json")
    }

    fn form(mut self, body: &str) -> Self {
        self.body = body.into();
        self.with("content-type", "application/x-www-form-urlencoded")
    }
}

struct Answered {
    status: u16,
    headers: http::HeaderMap,
    body: String,
    calls: Vec<(Caller, Call)>,
}

impl Answered {
    fn code(&self) -> String {
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(document["type"], "about:blank");
        assert_eq!(document["status"], self.status);
        document["code"].as_str().unwrap().to_owned()
    }

    fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }
}

async fn send_at(stage: Stage, ask: Ask) -> Answered {
    let control = Arc::new(FakeControl::new(stage));
    let faces = Faces {
        api: &API,
        pages: &PAGES,
        page_error,
    };
    let (_names, hosts) = watch::channel(BTreeSet::from(["box.local".to_owned()]));
    let gate = Gate::new(control.clone(), faces, hosts).unwrap();
    let mut request = Request::builder().method(ask.method).uri(ask.uri);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(ask.body))).unwrap();
    let peer = "[::ffff:192.168.1.20]:50000".parse().unwrap();
    let response = gate.answer(request, peer, CONNECTED_AT).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answered {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        calls: control.take_calls(),
    }
}

async fn send(ask: Ask) -> Answered {
    send_at(Stage::Ready, ask).await
}

fn post_peer() -> Ask {
    Ask::new("POST", "/api/peers")
        .signed_in_as(Role::Admin)
        .with_token()
        .json("{\"name\":\"a\"}")
}

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

#[tokio::test]
async fn unknown_methods_are_told_the_known_ones() {
    for method in ["OPTIONS", "FOO", "TRACE", "PROPFIND", "get"] {
        let answered = send(Ask::new(method, "/api/peers").signed_in_as(Role::Helper)).await;
        assert_eq!(
            (answered.status, answered.code().as_str()),
            (405, "method_not_allowed")
        );
        assert_eq!(answered.headers[ALLOW], "GET, HEAD, POST");
        assert!(!answered.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(send(Ask::new("OPTIONS", "/health")).await.status, 405);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let get = send(Ask::new("GET", "/api/peers").signed_in_as(Role::Helper)).await;
    let head = send(Ask::new("HEAD", "/api/peers").signed_in_as(Role::Helper)).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        head.headers["content-length"],
        get.body.len().to_string().as_str()
    );
}

#[tokio::test]
async fn ten_megabytes_are_too_much_for_everyone_who_may_send() {
    let big = vec![b' '; 10 * 1024 * 1024];
    let answered = send(post_peer().json(big.clone())).await;
    assert_eq!(
        (answered.status, answered.code().as_str()),
        (413, "too_large")
    );
    let nobody = Ask::new("POST", "/api/peers").json(big.clone());
    assert_eq!(send(nobody).await.status, 401);
    let sign_in = Ask::new("POST", "/api/auth/login").json(big);
    assert_eq!(send(sign_in).await.status, 413);
}

#[tokio::test]
async fn handler_sees_decoded_parts_and_the_body() {
    let ask = Ask::new("DELETE", "/api/peers/a%20b?q=1+2")
        .signed_in_as(Role::Admin)
        .with_token();
    let seen: serde_json::Value = serde_json::from_str(&send(ask).await.body).unwrap();
    assert_eq!(
        (&seen["name"], &seen["q"], &seen["who"]),
        (&"a b".into(), &"1 2".into(), &"admin".into())
    );
}

#[tokio::test]
async fn every_answer_is_protected() {
    for ask in [
        Ask::new("GET", "/health"),
        Ask::new("GET", "/unknown"),
        Ask::new("GET", "/api/unknown"),
        Ask::new("GET", "/").without("host"),
    ] {
        let answered = send(ask).await;
        assert_eq!(answered.headers["x-content-type-options"], "nosniff");
        assert_eq!(answered.headers["cache-control"], "no-store");
        assert!(answered.headers.contains_key("content-security-policy"));
        assert!(!answered.headers.contains_key("www-authenticate"));
    }
}
