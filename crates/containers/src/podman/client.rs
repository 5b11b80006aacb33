//! Podman's REST API over its socket.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use cell_unix_http::{CallError, Limits};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::body::RequestBody;
use crate::ContainersError;

/// The version of the API that all paths are of. Podman answers older ones than its own.
const VERSION: &str = "v5.0.0";
/// What a call may take: starting a container takes seconds on a slow board.
pub(super) const CALL: Duration = Duration::from_secs(120);
/// Unpacking an image onto an SD card.
pub(super) const LOAD: Duration = Duration::from_secs(3_600);
/// The largest answer: a list of some hundred containers has 1 MB.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// How to reach podman.
#[derive(Debug, Clone)]
pub(super) struct Client {
    socket: PathBuf,
}

/// A call.
pub(super) struct Call {
    /// As a verb and its object, for whoever reads of it.
    pub(super) what: String,
    method: Method,
    path: String,
    content_type: &'static str,
    body: RequestBody,
    limit: Duration,
}

/// What an answer says that is none (libpod `ErrorModel`).
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Call {
    fn new(method: Method, path: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            method,
            path: path.into(),
            content_type: "application/json",
            body: RequestBody::none(),
            limit: CALL,
        }
    }

    pub(super) fn get(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Method::GET, path, what)
    }

    pub(super) fn post(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Method::POST, path, what)
    }

    pub(super) fn delete(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, what)
    }

    pub(super) fn json(mut self, value: &serde_json::Value) -> Self {
        self.body = RequestBody::json(value);
        self
    }

    /// With an archive, which takes longer.
    pub(super) fn archive(mut self, body: RequestBody) -> Self {
        self.content_type = "application/x-tar";
        self.body = body;
        self.limit = LOAD;
        self
    }
}

impl Client {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Whether somebody listens.
    pub(super) async fn connects(&self) -> Result<(), ContainersError> {
        let connected = UnixStream::connect(&self.socket).await;
        connected.map(drop).map_err(ContainersError::Connect)
    }

    /// Makes a call; the answer's body.
    pub(super) async fn send(&self, call: Call) -> Result<Bytes, ContainersError> {
        let what = call.what;
        let request = Request::builder()
            .method(call.method)
            .uri(format!("/{VERSION}/libpod{}", call.path))
            .header("host", "podman")
            .header("content-type", call.content_type)
            .body(call.body)
            .expect("paths are made of names, which need no escapes");
        let limits = Limits {
            time: call.limit,
            answer: MOST_BYTES,
        };
        let (status, body) = match cell_unix_http::call(&self.socket, request, limits).await {
            Ok(answer) => (answer.status(), answer.into_body()),
            Err(error) => return Err(unanswered(what, error)),
        };
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(body);
        }
        let refusal = serde_json::from_slice::<Refusal>(&body);
        Err(ContainersError::Refused {
            what,
            status: status.as_u16(),
            message: refusal.map_or_else(
                |_| "it did not say why".to_owned(),
                |refusal| refusal.message,
            ),
        })
    }

    /// Makes a call whose answer is JSON.
    pub(super) async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, ContainersError> {
        let what = call.what.clone();
        let body = self.send(call).await?;
        serde_json::from_slice(&body).map_err(|source| ContainersError::Answer { what, source })
    }
}

fn unanswered(what: String, error: CallError) -> ContainersError {
    match error {
        CallError::Connect(source) => ContainersError::Connect(source),
        CallError::Talk(source) => ContainersError::Talk { what, source },
        CallError::TimedOut(limit) => ContainersError::TimedOut { what, limit },
        CallError::AnswerSize(_) => ContainersError::AnswerSize { what },
    }
}
