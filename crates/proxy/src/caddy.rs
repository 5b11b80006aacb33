//! Caddy's control over its socket (its API below `/config/` and `/load`).

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cell_model::spec::ProxySpec;
use cell_unix_http::{CallError, Limits};
use http_body_util::Full;
use hyper::{Method, Request};
use serde::Deserialize;
use tracing::info;

use crate::config::Config;
use crate::{Certificates, Proxy, ProxyError, ProxyStatus};

/// What a call may take. Loading a config takes a second on a slow board.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer: a config has some 5 kB a host.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a refusal that are told.
const TOLD: usize = 500;

/// A running Caddy.
#[derive(Debug, Clone)]
pub struct Caddy {
    socket: PathBuf,
    patience: Duration,
}

/// A call.
struct Call {
    what: &'static str,
    method: Method,
    path: &'static str,
    body: Bytes,
}

/// What an answer says that is none.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Caddy {
    /// The one that is controlled by this socket; only the core may open it.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            patience: PATIENCE,
        }
    }

    async fn load(&self, config: &Config) -> Result<(), ProxyError> {
        let call = Call {
            what: "load a config",
            method: Method::POST,
            path: "/load",
            body: Bytes::from_owner(config.text()),
        };
        self.send(call).await.map(drop)
    }

    /// Makes a call; the answer's body.
    async fn send(&self, call: Call) -> Result<Bytes, ProxyError> {
        let what = call.what;
        let request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header("host", "caddy")
            .header("content-type", "application/json")
            .body(Full::new(call.body))
            .expect("paths are plain");
        let limits = Limits {
            time: self.patience,
            answer: MOST_BYTES,
        };
        let (status, body) = match cell_unix_http::call(&self.socket, request, limits).await {
            Ok(answer) => (answer.status(), answer.into_body()),
            Err(error) => return Err(unanswered(what, error)),
        };
        match status.is_success() {
            true => Ok(body),
            false => Err(ProxyError::Refused {
                what,
                status: status.as_u16(),
                message: complaint(&body),
            }),
        }
    }
}

#[async_trait]
impl Proxy for Caddy {
    async fn observe(&self) -> Result<ProxyStatus, ProxyError> {
        let what = "tell its config";
        let call = Call {
            what,
            method: Method::GET,
            path: "/config/",
            body: Bytes::new(),
        };
        let answer = self.send(call).await?;
        let config = Config::read(&answer).map_err(|source| ProxyError::Answer { what, source })?;
        Ok(config.status())
    }

    async fn apply(&self, spec: &ProxySpec, certificates: &Certificates) -> Result<(), ProxyError> {
        let config = Config::of(spec, certificates);
        let wanted = config.status();
        if self.observe().await? != wanted {
            self.load(&config).await?;
            let admin = spec.admin.is_some();
            info!(hosts = spec.hosts.len(), admin, loaded = %wanted, "proxy is told what to answer");
        }
        Ok(())
    }
}

fn unanswered(what: &'static str, error: CallError) -> ProxyError {
    match error {
        CallError::Connect(source) => ProxyError::Connect(source),
        CallError::Talk(source) => ProxyError::Talk { what, source },
        CallError::TimedOut(limit) => ProxyError::TimedOut { what, limit },
        CallError::AnswerSize(_) => ProxyError::AnswerSize { what },
    }
}

/// Why it refuses, in its words, but not all of them.
fn complaint(body: &[u8]) -> String {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { error }) => error.chars().take(TOLD).collect(),
        Err(_) => "it did not say why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;
    use crate::render::sample;

    /// Something in Caddy's place that gives every caller the same answer and hangs up, or says nothing.
    struct Other {
        caddy: Caddy,
        /// How each call began.
        asked: Arc<Mutex<Vec<String>>>,
        _folder: TempDir,
    }

    fn other(answer: Option<Vec<u8>>) -> Other {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answer, noted) = (answer.clone(), Arc::clone(&noted));
                tokio::spawn(async move {
                    let mut begin = [0; 4_096];
                    let length = stream.read(&mut begin).await.unwrap();
                    let text = String::from_utf8_lossy(&begin[..length]);
                    let line = text.lines().next().unwrap_or_default().to_owned();
                    noted.lock().unwrap().push(line);
                    match answer {
                        Some(answer) => drop(stream.write_all(&answer).await),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Other {
            caddy: caddy(&socket),
            asked,
            _folder: folder,
        }
    }

    fn caddy(socket: &Path) -> Caddy {
        Caddy {
            patience: Duration::from_secs(1),
            ..Caddy::new(socket)
        }
    }

    fn ok(body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[tokio::test]
    async fn nobody_at_the_socket_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = caddy(&folder.path().join("none.sock")).observe().await;
        assert!(matches!(error, Err(ProxyError::Connect(_))), "{error:?}");
    }

    #[tokio::test]
    async fn silence_is_given_up() {
        let other = other(None);
        let error = other.caddy.observe().await;
        assert!(
            matches!(error, Err(ProxyError::TimedOut { .. })),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn answer_without_an_end_is_given_up() {
        let other = other(Some(ok(&vec![b' '; MOST_BYTES + 1])));
        let error = other.caddy.observe().await;
        assert!(
            matches!(error, Err(ProxyError::AnswerSize { .. })),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn answer_that_is_no_config_is_told() {
        let other = other(Some(ok(b"<html>")));
        let error = other.caddy.observe().await;
        assert!(matches!(error, Err(ProxyError::Answer { .. })), "{error:?}");
    }

    #[tokio::test]
    async fn refusal_is_told_in_its_words_but_not_all_of_them() {
        let words = format!("{{\"error\":\"loading: {}\"}}", "x".repeat(9_000));
        let answer = [
            format!(
                "HTTP/1.1 400 Bad\r\nContent-Length: {}\r\n\r\n",
                words.len()
            ),
            words,
        ];
        let other = other(Some(answer.concat().into_bytes()));
        match other.caddy.observe().await {
            Err(ProxyError::Refused {
                status, message, ..
            }) => {
                assert_eq!(status, 400);
                assert!(message.starts_with("loading: x"), "{message}");
                assert_eq!(message.len(), TOLD);
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_loaded_is_not_loaded_again() {
        let (spec, certificates) = (sample::spec(), sample::certificates());
        let config = Config::of(&spec, &certificates);
        let other = other(Some(ok(&config.text())));
        other.caddy.apply(&spec, &certificates).await.unwrap();
        other.caddy.verify(&spec, &certificates).await.unwrap();
        let asked = "GET /config/ HTTP/1.1".to_owned();
        assert_eq!(*other.asked.lock().unwrap(), [asked.clone(), asked]);

        let mut less = spec.clone();
        less.hosts.clear();
        let error = other.caddy.verify(&less, &certificates).await;
        assert!(
            matches!(error, Err(ProxyError::NotInEffect { .. })),
            "{error:?}"
        );
        other.caddy.apply(&less, &certificates).await.unwrap();
        let last = other.asked.lock().unwrap().last().cloned();
        assert_eq!(last.as_deref(), Some("POST /load HTTP/1.1"));
    }
}
