//! A socket on the disk, spoken to as the proxy speaks.

use std::collections::BTreeSet;

use cell_control::fake::{FakeControl, Stage};
use http::Method;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;
use crate::route::{Access, Body, Faces, Route};
use crate::serve::MAX_PER_SOURCE;
use crate::{Handler, Reply};

/// Says who was told to the core, and what is left of what the proxy said.
const ECHO: Handler = |visit| {
    Box::pin(async move {
        let said = visit
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("x-forwarded"));
        let said: Vec<&str> = said.map(HeaderName::as_str).collect();
        let caller = &visit.caller;
        let seen = format!("{:?} {:?} {said:?}", caller.address, caller.connected_at);
        Ok(Reply::html(StatusCode::OK, seen))
    })
};
/// Waits for ever.
const WAITS: Handler = |_| Box::pin(std::future::pending());

const fn row(path: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::GET,
        path,
        access: Access::Open,
        dangerous: false,
        scope: None,
        body: Body::None,
        limit: Route::LIMIT,
        handler,
    }
}

static API: [Route; 2] = [row("/health", ECHO), row("/waits", WAITS)];

struct Site {
    folder: TempDir,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("page.sock")).unwrap();
        let faces = Faces {
            api: &API,
            pages: &[],
            page_error: |problem, _, _| Reply::problem(problem),
        };
        let (_, hosts) = watch::channel(BTreeSet::from(["admin.home.cell".to_owned()]));
        let control = Arc::new(FakeControl::new(Stage::Ready));
        let gate = Arc::new(Gate::new(control, faces, hosts).unwrap());
        let (stop, stopped) = watch::channel(false);
        Self {
            folder,
            stop,
            task: tokio::spawn(serve(listener, gate, stopped)),
        }
    }

    async fn connect(&self) -> UnixStream {
        let path = self.folder.path().join("page.sock");
        UnixStream::connect(path).await.unwrap()
    }

    /// Asks with these lines in the head; all that is answered.
    async fn ask(&self, lines: &str) -> String {
        let mut stream = self.connect().await;
        stream
            .write_all(asked("/health", lines).as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn asked(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: admin.home.cell\r\n{lines}Connection: close\r\n\r\n")
}

fn from(address: &str) -> String {
    format!("X-Forwarded-For: {address}\r\nX-Forwarded-Since: 1500000\r\n")
}

#[tokio::test]
async fn core_is_told_where_the_client_is_and_the_age_of_its_connection() {
    let site = Site::start();
    let answer = site.ask(&from("192.168.1.20")).await;
    assert!(answer.ends_with("Some(192.168.1.20) 1.5s []"), "{answer}");
    let answer = site.ask(&from("fd00::7")).await;
    assert!(answer.ends_with("Some(fd00::7) 1.5s []"), "{answer}");
    // The checks are the same as everywhere.
    let foreign = from("192.168.1.20").replace("X-Forwarded-For", "X-A: b\r\nX-Forwarded-For");
    let request = asked("/health", &foreign).replace("admin.home.cell", "evil.example");
    let mut stream = site.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
}

#[tokio::test]
async fn request_of_which_it_is_not_said_where_it_comes_from_is_refused() {
    let site = Site::start();
    let since = "X-Forwarded-Since: 1\r\n";
    for lines in [
        String::new(),
        since.to_owned(),
        "X-Forwarded-For: 192.168.1.20\r\n".to_owned(),
        format!("X-Forwarded-For: 192.168.1.20, 192.168.1.21\r\n{since}"),
        format!("X-Forwarded-For: unknown\r\n{since}"),
        format!("{}X-Forwarded-For: 192.168.1.21\r\n", from("192.168.1.20")),
        format!("{}{since}", from("192.168.1.20")),
        from("192.168.1.20").replace("1500000", "-1"),
    ] {
        let answer = site.ask(&lines).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{lines}: {answer}");
    }
}

#[tokio::test]
async fn one_client_does_not_take_the_places_of_all() {
    let site = Site::start();
    let mut held = Vec::new();
    for _ in 0..MAX_PER_SOURCE {
        let mut stream = site.connect().await;
        let request = asked("/waits", &from("192.168.1.20"));
        stream.write_all(request.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let mut answer = String::new();
    for _ in 0..100 {
        answer = site.ask(&from("192.168.1.20")).await;
        if answer.starts_with("HTTP/1.1 503 ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(answer.contains("retry-after: 5"), "{answer}");
    let other = site.ask(&from("192.168.1.21")).await;
    assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
}

#[tokio::test]
async fn socket_closes_when_it_is_told_to() {
    let site = Site::start();
    assert!(site.ask(&from("192.168.1.20")).await.contains("200"));
    site.stop.send_replace(true);
    site.task.await.unwrap().unwrap();
}
