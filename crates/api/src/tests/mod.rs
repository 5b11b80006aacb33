//! The table before a scripted core, asked through the gate as programs ask it.

mod bad_input;
mod happy;
mod mail;
mod refusals;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell_control::fake::{Call, FakeControl, Stage};
use cell_gate::{Access, Faces, Gate, Reply};
use cell_model::account::Role;
use http::request::Builder;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::sync::watch;

use crate::{Operation, operations, routes};

/// A box that is asked.
struct World {
    control: Arc<FakeControl>,
    gate: Gate,
}

/// What came back.
struct Answered {
    status: u16,
    headers: HeaderMap,
    text: String,
    calls: Vec<Call>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn code(&self) -> String {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.text
        );
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The only call the core got.
    fn call(mut self) -> Call {
        assert_eq!(self.calls.len(), 1, "{:?}", self.calls);
        self.calls.remove(0)
    }
}

impl World {
    fn new(stage: Stage) -> Self {
        let control = Arc::new(FakeControl::new(stage));
        let faces = Faces {
            api: routes(),
            pages: &[],
            page_error: |problem, _, _| Reply::problem(problem),
        };
        let (_, hosts) = watch::channel(BTreeSet::new());
        let gate = Gate::new(control.clone(), faces, hosts).unwrap();
        Self { control, gate }
    }

    /// At the stage an operation is for.
    fn of(operation: &Operation) -> Self {
        match operation.access {
            Access::Setup => Self::new(Stage::BeforeSetup),
            _ => Self::new(Stage::Ready),
        }
    }

    async fn send(
        &self,
        role: Option<Role>,
        method: &str,
        uri: &str,
        body: Option<&[u8]>,
    ) -> Answered {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "10.0.0.1")
            .header("user-agent", "test");
        if let Some(role) = role {
            let session = FakeControl::session(role);
            request = request
                .header("cookie", format!("__Host-cell={session}"))
                .header("x-csrf-token", FakeControl::CSRF_TOKEN);
        }
        self.answer(request, body).await
    }

    /// As a program with a token does: without a cookie, and without the token of forms.
    async fn send_token(&self, operation: &Operation, body: Option<&str>) -> Answered {
        let token = format!("Bearer {}", FakeControl::API_TOKEN);
        let request = Request::builder()
            .method(&operation.method)
            .uri(uri(operation))
            .header("host", "10.0.0.1")
            .header("authorization", token);
        self.answer(request, body.map(str::as_bytes)).await
    }

    async fn answer(&self, mut request: Builder, body: Option<&[u8]>) -> Answered {
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = Bytes::copy_from_slice(body.unwrap_or_default());
        let request = request.body(Full::new(body)).unwrap();
        let peer = "192.168.1.20:50000".parse().unwrap();
        let response = self.gate.answer(request, peer, Duration::ZERO).await;
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        Answered {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(text.to_vec()).unwrap(),
            calls: self
                .control
                .take_calls()
                .into_iter()
                .map(|(_, call)| call)
                .collect(),
        }
    }

    /// Asks as whoever may, with this body.
    async fn ask(&self, operation: &Operation, uri: &str, body: Option<&Value>) -> Answered {
        let body = body.map(|value| serde_json::to_vec(value).unwrap());
        self.send(
            who(operation),
            operation.method.as_str(),
            uri,
            body.as_deref(),
        )
        .await
    }
}

/// Somebody an operation is open to.
fn who(operation: &Operation) -> Option<Role> {
    match operation.access {
        Access::Only(role) => Some(role),
        access if access.needs_identity() => Some(Role::Owner),
        _ => None,
    }
}

/// The path of an operation with names that can be, and the query it needs.
fn uri(operation: &Operation) -> String {
    let mut uri = operation.path.to_owned();
    for (name, value) in [
        ("{name}", "anna-phone"),
        ("{username}", "ben"),
        ("{number}", "7"),
        ("{part}", "dns"),
        ("{id}", "0f0f"),
        ("{group}", "family"),
        ("{service}", "files"),
        ("{alias}", "info"),
        ("{selector}", "c202611"),
        ("{connection}", "6f1c7c9e-7a0b-4b52-9b0a-0d4a2f6f2f11"),
    ] {
        uri = uri.replace(name, value);
    }
    let needed = operation.query.iter().filter(|field| field.required);
    let needed: Vec<_> = needed.map(|field| format!("{}=x", field.name)).collect();
    if needed.is_empty() {
        uri
    } else {
        format!("{uri}?{}", needed.join("&"))
    }
}

fn operation(id: &str) -> Operation {
    let found = operations()
        .into_iter()
        .find(|operation| operation.id == id);
    found.unwrap_or_else(|| panic!("no operation {id}"))
}

/// The only field that is wrong.
fn wrong_field(answered: &Answered) -> (String, String) {
    let document = answered.json();
    let errors = document["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{document}"));
    assert_eq!(errors.len(), 1, "{document}");
    let text = |key: &str| errors[0][key].as_str().unwrap().to_owned();
    (text("field"), text("message"))
}
