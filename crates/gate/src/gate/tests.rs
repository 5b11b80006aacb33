//! The gate before a core that is scripted, without sockets.

mod forgery;
mod order;
mod proof;
mod shape;

use cell_control::action::Action;
use cell_control::fake::{Call, FakeControl, Stage};
use cell_model::account::Role;
use http::StatusCode;
use http::header::LOCATION;
use http_body_util::BodyExt;

use super::*;
use crate::route::{Body, Handler};

const HOST_NAME: &str = "box.local:8443";
const CONNECTED_AT: Duration = Duration::from_secs(42);

/// Says what the handler saw, so that a test can tell that it was reached.
const ECHO: Handler = |visit| {
    Box::pin(async move {
        if !visit.only_headers {
            visit.control.act(&visit.caller, Action::SignOut).await?;
        }
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

/// Counts what comes, or answers after the first piece when it is asked to be quick.
const COUNTS: Handler = |visit| {
    Box::pin(async move {
        let stream = visit.stream.clone().unwrap();
        let mut bytes = 0;
        while let Some(piece) = stream.next().await {
            bytes += piece?.len();
            if visit.query.get("quick").is_some() {
                break;
            }
        }
        Reply::json(StatusCode::OK, &serde_json::json!({ "bytes": bytes }))
    })
};

/// Forgets about `HEAD`.
const ACTS: Handler = |visit| {
    Box::pin(async move {
        visit.control.act(&visit.caller, Action::SignOut).await?;
        Ok(Reply::no_content())
    })
};

const fn row(method: Method, path: &'static str, access: Access, body: Body) -> Route {
    Route {
        method,
        path,
        access,
        dangerous: false,
        scope: None,
        body,
        limit: 1_000,
        handler: ECHO,
    }
}

static API: [Route; 12] = [
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
        method: Method::POST,
        path: "/api/stream",
        access: Access::AtLeast(Role::Admin),
        dangerous: false,
        scope: None,
        body: Body::Stream,
        limit: 100_000,
        handler: COUNTS,
    },
    Route {
        method: Method::POST,
        path: "/api/danger",
        access: Access::AtLeast(Role::Admin),
        dangerous: true,
        scope: None,
        body: Body::Stream,
        limit: 100 << 20,
        handler: COUNTS,
    },
    Route {
        method: Method::GET,
        path: "/api/acts",
        access: Access::SignedIn,
        dangerous: false,
        scope: None,
        body: Body::None,
        limit: 1_000,
        handler: ACTS,
    },
    Route {
        method: Method::PUT,
        path: "/api/peers/{name}",
        access: Access::AtLeast(Role::Admin),
        dangerous: false,
        scope: None,
        body: Body::Json,
        limit: 1_000,
        handler: REFUSES,
    },
];

static PAGES: [Route; 7] = [
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
    Route {
        method: Method::GET,
        path: "/danger",
        access: Access::AtLeast(Role::Admin),
        dangerous: true,
        scope: None,
        body: Body::None,
        limit: 1_000,
        handler: ECHO,
    },
    Route {
        method: Method::POST,
        path: "/danger",
        access: Access::AtLeast(Role::Admin),
        dangerous: true,
        scope: None,
        body: Body::Upload,
        limit: 100 << 20,
        handler: COUNTS,
    },
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
    headers: HeaderMap,
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

async fn send_at(stage: Stage, mut ask: Ask) -> Answered {
    let control = Arc::new(FakeControl::new(stage));
    let body = Full::new(Bytes::from(std::mem::take(&mut ask.body)));
    send_to(&control, ask, body).await
}

async fn send_to<B>(control: &Arc<FakeControl>, ask: Ask, body: B) -> Answered
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    let faces = Faces {
        api: &API,
        pages: &PAGES,
        page_error,
    };
    let (_names, hosts) = watch::channel(BTreeSet::from(["box.local".to_owned()]));
    let core = Arc::clone(control) as Arc<dyn Control>;
    let gate = Gate::new(core, faces, hosts).unwrap();
    let mut request = Request::builder().method(ask.method).uri(ask.uri);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let request = request.body(body).unwrap();
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
