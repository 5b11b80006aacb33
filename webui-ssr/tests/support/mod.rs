//! The pages behind the gate, before a core without a box. What each test asks goes the way a browser's request goes.

#![expect(
    dead_code,
    reason = "every test file is a program of its own and uses its part of this"
)]

pub(crate) mod hostile;
mod refusing;
pub(crate) mod ways;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell_control::Control;
use cell_control::fake::{FakeControl, Stage};
use cell_control::query::Answer as Told;
use cell_gate::{Access, Faces, Gate};
use cell_model::account::Role;
use cell_model::problem::Problem;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use tokio::sync::watch;

use hostile::Hostile;
use refusing::Refusing;

/// Every role there is.
pub(crate) const ROLES: [Role; 4] = [Role::Member, Role::Helper, Role::Admin, Role::Owner];

/// What browsers put into the token field.
pub(crate) const TOKEN: (&str, &str) = ("csrf_token", FakeControl::CSRF_TOKEN);

/// The pages behind their gate.
pub(crate) struct Site {
    gate: Gate,
    /// The core, to script it and to see what it was asked.
    pub(crate) core: Arc<FakeControl>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) cookie: Option<String>,
    /// Its content type.
    pub(crate) kind: Option<String>,
    /// Who may keep it.
    pub(crate) cache: Option<String>,
    pub(crate) body: String,
}

impl Site {
    pub(crate) fn new(stage: Stage) -> Self {
        let core = Arc::new(FakeControl::new(stage));
        Self::before(core.clone(), core)
    }

    /// A site that shows somebody's text wherever somebody can put text.
    pub(crate) fn hostile(stage: Stage) -> Self {
        let core = Arc::new(FakeControl::new(stage));
        Self::before(Arc::new(Hostile(core.clone())), core)
    }

    /// A site with ways out in every state, and with devices that leave by them. Whichever is asked for, it is one that
    /// leads nowhere, and a device that leaves by the uplink for that.
    pub(crate) fn with_ways(stage: Stage) -> Self {
        let site = Self::new(stage);
        let connection = Box::new(ways::connection(ways::PROVIDER));
        for answer in [
            ways::connections(),
            Told::Connection(connection),
            ways::peers(),
            Told::Peer(ways::peer("anna-tablet")),
        ] {
            site.core.answer(answer);
        }
        site
    }

    /// A site where nothing can be done.
    pub(crate) fn refusing(stage: Stage, problem: Problem) -> Self {
        let core = Arc::new(FakeControl::new(stage));
        Self::before(Arc::new(Refusing(core.clone(), problem)), core)
    }

    fn before(control: Arc<dyn Control>, core: Arc<FakeControl>) -> Self {
        let faces = Faces {
            api: &[],
            pages: cell_webui::routes(),
            page_error: cell_webui::error_page,
        };
        let (_, hosts) = watch::channel(BTreeSet::new());
        let gate = Gate::new(control, faces, hosts).expect("no two routes collide");
        Self { gate, core }
    }

    pub(crate) async fn get(&self, role: Option<Role>, path: &str) -> Answer {
        self.send(Method::GET, role, path, String::new()).await
    }

    pub(crate) async fn head(&self, role: Option<Role>, path: &str) -> Answer {
        self.send(Method::HEAD, role, path, String::new()).await
    }

    pub(crate) async fn post(
        &self,
        role: Option<Role>,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Answer {
        let form = "application/x-www-form-urlencoded";
        self.send_as(Method::POST, role, path, form, encoded(pairs).into())
            .await
    }

    /// Sends a form with a file in it, as a browser does.
    pub(crate) async fn upload(
        &self,
        role: Option<Role>,
        path: &str,
        token: (&str, &str),
        file: &[u8],
    ) -> Answer {
        let (name, value) = token;
        let head = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--edge\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), file, b"\r\n--edge--\r\n"].concat();
        let form = "multipart/form-data; boundary=edge";
        self.send_as(Method::POST, role, path, form, body.into())
            .await
    }

    async fn send(&self, method: Method, role: Option<Role>, path: &str, body: String) -> Answer {
        self.send_as(method, role, path, "", body.into()).await
    }

    async fn send_as(
        &self,
        method: Method,
        role: Option<Role>,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(HOST, "192.168.1.1:8443");
        if let Some(role) = role {
            let cookie = format!("__Host-cell={}", FakeControl::session(role));
            request = request.header(COOKIE, cookie);
        }
        if method == Method::POST {
            request = request
                .header(CONTENT_TYPE, kind)
                .header("origin", "https://192.168.1.1:8443");
        }
        let request = request.body(Full::new(body)).expect("a request");
        let from = SocketAddr::from((Ipv4Addr::new(192, 168, 1, 20), 40_000));
        let response = self
            .gate
            .answer(request, from, Duration::from_secs(1))
            .await;
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let (status, location, cookie) = (
            response.status().as_u16(),
            header(LOCATION),
            header(SET_COOKIE),
        );
        let (kind, cache) = (header(CONTENT_TYPE), header(CACHE_CONTROL));
        let body = response.into_body().collect().await.expect("a whole body");
        let body = String::from_utf8(body.to_bytes().to_vec()).expect("text");
        Answer {
            status,
            location,
            cookie,
            kind,
            cache,
            body,
        }
    }
}

/// Pairs as a browser sends them.
pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
    let encode = cell_gate::form::encode;
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A path of the table with something that exists in place of each placeholder.
pub(crate) fn concrete(path: &str) -> String {
    // Data is kept of what was removed.
    path.replace("{service}/data", "photos/data")
        .replace("{name}", "anna-phone")
        .replace("{username}", "helper")
        .replace("{part}", "dns")
        .replace("{number}", "7")
        .replace("{service}", "files")
        .replace("{source}", "friends")
        .replace("{group}", "family")
        .replace("{cell}", "cabin")
        .replace("{alias}", "info")
        .replace("{selector}", "c202611")
        .replace("{connection}", ways::WORK)
        .replace("{id}", "0f0f")
}

/// How far the box is where a route is open, and the roles that may use it; `None`: nobody who is signed in.
pub(crate) fn audience(access: Access) -> (Stage, Vec<Option<Role>>) {
    match access {
        Access::Setup => (Stage::BeforeSetup, vec![None]),
        Access::Open | Access::SignIn => (Stage::Ready, vec![None]),
        _ => {
            let roles = ROLES.into_iter().filter(|role| access.admits(*role));
            (Stage::Ready, roles.map(Some).collect())
        }
    }
}
