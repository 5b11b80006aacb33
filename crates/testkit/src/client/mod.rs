//! An HTTPS client: the real `curl`, run in a namespace, with its own cookie jar.
//!
//! [`Client::get`] and its sisters send JSON and add the CSRF token as a browser script would. [`Client::send`] sends
//! anything a [`Request`] can say, for bad input.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use thiserror::Error;

use crate::namespace::Namespace;

mod exchange;

use exchange::read_head;
pub use exchange::{Reply, Request};

/// The header that carries the CSRF token (BEHAVIOUR B32).
const CSRF_HEADER: &str = "X-CSRF-Token";
/// Seconds after which a request is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What can go wrong before there is a reply.
#[derive(Debug, Error)]
pub enum ClientError {
    /// A file for the cookie jar, a body or a reply could not be used.
    #[error("cannot use a file of the client")]
    File(#[source] io::Error),
    /// `curl` could not be started.
    #[error("cannot start `curl`")]
    Start(#[source] io::Error),
    /// No reply came: refused connection, untrusted certificate, time-out.
    #[error("no reply to {method} {url}: {message}")]
    NoReply {
        /// The request's method.
        method: String,
        /// The request's URL.
        url: String,
        /// What `curl` said.
        message: String,
    },
}

/// Whether the server's certificate is checked.
#[derive(Debug, Clone)]
enum Trust {
    /// Against this file, read anew for each request: it changes with setup.
    File(PathBuf),
    /// Not at all.
    Anything,
}

/// A browser's worth of state: cookies, CSRF token, trusted CA.
#[derive(Debug)]
pub struct Client {
    namespace: Namespace,
    base: String,
    trust: Trust,
    resolve: Vec<String>,
    folder: TempDir,
    csrf: Mutex<Option<String>>,
}

impl Client {
    /// A client in `namespace` for `base` (`https://192.168.77.1:8443`) that trusts only the CA in `ca`.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn new(
        namespace: &Namespace,
        base: impl Into<String>,
        ca: &Path,
    ) -> Result<Self, ClientError> {
        Self::with(namespace, base.into(), Trust::File(ca.to_owned()))
    }

    /// A client that does not check the certificate.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn trusting_anything(
        namespace: &Namespace,
        base: impl Into<String>,
    ) -> Result<Self, ClientError> {
        Self::with(namespace, base.into(), Trust::Anything)
    }

    fn with(namespace: &Namespace, base: String, trust: Trust) -> Result<Self, ClientError> {
        Ok(Self {
            namespace: namespace.clone(),
            base,
            trust,
            resolve: Vec::new(),
            folder: tempfile::tempdir().map_err(ClientError::File)?,
            csrf: Mutex::default(),
        })
    }

    /// Makes `host` mean `address` for this client, with no name server asked.
    #[must_use]
    pub fn resolving(mut self, host: &str, address: SocketAddr) -> Self {
        self.resolve
            .push(format!("{host}:{}:{}", address.port(), address.ip()));
        self
    }

    /// GET.
    ///
    /// # Errors
    /// [`ClientError`]; an error status is a [`Reply`].
    pub fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.send(&Request::new("GET", path))
    }

    /// POST with a JSON body and the CSRF token.
    ///
    /// # Errors
    /// [`ClientError`]; an error status is a [`Reply`].
    pub fn post(&self, path: &str, json: &Value) -> Result<Reply, ClientError> {
        self.change("POST", path, Some(json))
    }

    /// PUT with a JSON body and the CSRF token.
    ///
    /// # Errors
    /// [`ClientError`]; an error status is a [`Reply`].
    pub fn put(&self, path: &str, json: &Value) -> Result<Reply, ClientError> {
        self.change("PUT", path, Some(json))
    }

    /// DELETE with the CSRF token.
    ///
    /// # Errors
    /// [`ClientError`]; an error status is a [`Reply`].
    pub fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        self.change("DELETE", path, None)
    }

    /// Signs in; the session is in the cookie jar from then on.
    ///
    /// # Errors
    /// [`ClientError`]; a wrong password is a [`Reply`].
    pub fn login(&self, username: &str, password: &str) -> Result<Reply, ClientError> {
        let credentials = serde_json::json!({ "username": username, "password": password });
        let reply = self.send(&Request::new("POST", "/api/auth/login").json(&credentials))?;
        // The token belongs to the session.
        self.forget_csrf_token();
        Ok(reply)
    }

    /// The session's CSRF token, fetched once; none without a session.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn csrf_token(&self) -> Result<Option<String>, ClientError> {
        let mut token = self.csrf.lock().unwrap_or_else(PoisonError::into_inner);
        if token.is_none() {
            let reply = self.get("/api/auth/csrf-token")?;
            *token = reply.json()["csrf_token"].as_str().map(str::to_owned);
        }
        Ok(token.clone())
    }

    /// Sends the request with cookies and without a CSRF token of its own.
    ///
    /// # Errors
    /// [`ClientError`]; an error status is a [`Reply`].
    pub fn send(&self, request: &Request) -> Result<Reply, ClientError> {
        self.send_within(request, PATIENCE)
    }

    /// As [`send`](Self::send), for what takes longer.
    ///
    /// # Errors
    /// As there.
    pub fn send_within(&self, request: &Request, limit: Duration) -> Result<Reply, ClientError> {
        // A folder for each request: clients are shared between threads.
        let folder = tempfile::tempdir_in(self.folder.path()).map_err(ClientError::File)?;
        let (head, body) = (folder.path().join("head"), folder.path().join("body"));
        // Each works on a copy of the cookies: curl writes the file of them anew at its end, and another could read it then.
        let (jar, cookies) = (
            folder.path().join("cookies"),
            self.folder.path().join("cookies"),
        );
        if cookies.exists() {
            std::fs::copy(&cookies, &jar).map_err(ClientError::File)?;
        }

        let mut curl = self.namespace.command("curl");
        curl.args(["--silent", "--show-error", "--path-as-is", "--globoff"]);
        curl.args(["--noproxy", "*", "--max-time", &limit.as_secs().to_string()]);
        curl.arg("--cookie").arg(&jar).arg("--cookie-jar").arg(&jar);
        curl.arg("--dump-header")
            .arg(&head)
            .arg("--output")
            .arg(&body);
        match &self.trust {
            Trust::File(ca) => curl.arg("--cacert").arg(ca),
            Trust::Anything => curl.arg("--insecure"),
        };
        for entry in &self.resolve {
            curl.args(["--resolve", entry]);
        }
        if request.method == "HEAD" {
            curl.arg("--head");
        } else {
            curl.args(["--request", &request.method]);
        }
        let typed = request
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        // Without these, curl waits before a large body and calls every body a form.
        curl.args(["--header", "Expect:"]);
        if !typed {
            curl.args(["--header", "Content-Type:"]);
        }
        for (name, value) in &request.headers {
            // A header ended by a semicolon is curl's way to send an empty one.
            let line = if value.is_empty() {
                format!("{name};")
            } else {
                format!("{name}: {value}")
            };
            curl.args(["--header", &line]);
        }
        if request.is_http1 {
            curl.arg("--http1.1");
        }
        if let Some(rate) = request.rate {
            curl.args(["--limit-rate", &rate.to_string()]);
        }
        if let Some(bytes) = &request.body {
            let sent = folder.path().join("sent");
            std::fs::write(&sent, bytes).map_err(ClientError::File)?;
            curl.arg("--data-binary")
                .arg(format!("@{}", sent.display()));
        }
        let url = format!("{}{}", self.base, request.path);
        let output = curl.arg(&url).output().map_err(ClientError::Start)?;

        // An early answer to a large body is a reply although curl could not send everything.
        let head = std::fs::read(&head).unwrap_or_default();
        let Some((status, headers)) = read_head(&String::from_utf8_lossy(&head)) else {
            return Err(ClientError::NoReply {
                method: request.method.clone(),
                url,
                message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        };
        let reply = Reply {
            status,
            headers,
            body: std::fs::read(&body).unwrap_or_default(),
        };
        if reply.header("set-cookie").is_some() {
            std::fs::rename(&jar, &cookies).map_err(ClientError::File)?;
        }
        Ok(reply)
    }

    fn change(&self, method: &str, path: &str, json: Option<&Value>) -> Result<Reply, ClientError> {
        let mut request = Request::new(method, path);
        if let Some(json) = json {
            request = request.json(json);
        }
        if let Some(token) = self.csrf_token()? {
            request = request.header(CSRF_HEADER, token);
        }
        let reply = self.send(&request)?;
        if matches!(reply.status, 401 | 403) || path.starts_with("/api/auth/") {
            self.forget_csrf_token();
        }
        Ok(reply)
    }

    fn forget_csrf_token(&self) {
        *self.csrf.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WebServer;

    fn served() -> (Namespace, WebServer, Client) {
        let namespace = Namespace::create("client").unwrap();
        let server = WebServer::start(&namespace, &["127.0.0.1:80".parse().unwrap()]).unwrap();
        let client = Client::trusting_anything(&namespace, "http://127.0.0.1").unwrap();
        (namespace, server, client)
    }

    #[test]
    fn a_reply_has_status_headers_and_body() {
        let (_namespace, _server, client) = served();
        let reply = client.get("/a/../b?x=[1]").unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("Content-Type"), Some("application/json"));
        assert_eq!(reply.json()["target"], "/a/../b?x=[1]");
    }

    #[test]
    fn without_a_server_the_error_says_why() {
        let namespace = Namespace::create("client").unwrap();
        let client = Client::trusting_anything(&namespace, "http://127.0.0.1:9").unwrap();
        let error = client.get("/").unwrap_err().to_string();
        assert!(
            error.starts_with("no reply to GET http://127.0.0.1:9/: curl: (7)"),
            "{error}"
        );
    }

    #[test]
    fn a_name_can_mean_an_address() {
        let (namespace, _server, _) = served();
        let client = Client::trusting_anything(&namespace, "http://admin.home.test").unwrap();
        let client = client.resolving("admin.home.test", "127.0.0.1:80".parse().unwrap());
        assert_eq!(client.get("/").unwrap().status, 200);
    }

    #[test]
    fn a_request_goes_out_as_it_was_written() {
        let namespace = Namespace::create("client").unwrap();
        let listener = namespace
            .run(|| std::net::TcpListener::bind("127.0.0.1:80").unwrap())
            .unwrap();
        let received = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"a=%26+%00") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                bytes.push(byte[0]);
            }
            stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Big\r\nX-A: b\r\n\r\n")
                .unwrap();
            String::from_utf8(bytes).unwrap()
        });
        let client = Client::trusting_anything(&namespace, "http://127.0.0.1").unwrap();
        let request = Request::new("BREW", "/pot")
            .header("Host", "evil")
            .header("X-Empty", "");
        let reply = client.send(&request.body("a=%26+%00")).unwrap();
        assert_eq!((reply.status, reply.header("x-a")), (413, Some("b")));
        let received = received.join().unwrap();
        assert!(
            received.starts_with("BREW /pot HTTP/1.1\r\nHost: evil\r\n"),
            "{received}"
        );
        assert!(received.contains("X-Empty:\r\n"), "{received}");
        assert!(
            !received.to_lowercase().contains("content-type"),
            "{received}"
        );
    }
}
