//! A socket on the disk, asked as the proxy asks it.

use std::path::PathBuf;

use cell_control::fake::{Call, FakeControl, Stage};
use data_encoding::BASE64;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;

struct Site {
    folder: TempDir,
    control: Arc<FakeControl>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Site {
    fn start(stage: Stage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("accounts.sock")).unwrap();
        let control = Arc::new(FakeControl::new(stage));
        let asked: Arc<dyn Control> = control.clone();
        let (stop, stopped) = watch::channel(false);
        let task =
            tokio::spawn(
                async move { serve(listener, asked, &"hut".parse().unwrap(), stopped).await },
            );
        Self {
            folder,
            control,
            stop,
            task,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("accounts.sock")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path()).await.unwrap()
    }

    /// Sends a whole conversation and reads until the other side closes.
    async fn speak(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        // What a refused head leaves unread breaks the connection off behind the answer.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8(answer).unwrap()
    }
}

/// One question with these lines in its head; the last of its connection.
fn asked(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: accounts\r\n{lines}Connection: close\r\n\r\n")
}

fn from_phone(shown: &str) -> String {
    let shown = BASE64.encode(shown.as_bytes());
    format!("X-Forwarded-For: 10.31.7.2\r\nAuthorization: Basic {shown}\r\n")
}

fn right() -> String {
    from_phone(&format!("Anna:{}", FakeControl::APP_PASSWORD))
}

const CHECK: &str = "/check?service=dav";

#[tokio::test]
async fn right_app_password_is_told_with_its_account() {
    let site = Site::start(Stage::Ready);
    let answer = site.speak(&asked(CHECK, &right())).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for line in [
        "x-account: anna\r\n",
        "cache-control: no-store\r\n",
        "content-length: 0\r\n",
    ] {
        assert!(answer.contains(line), "{answer}");
    }
    let calls = site.control.take_calls();
    let [(caller, Call::Act(Action::CheckAppPassword(sign_in)))] = &calls[..] else {
        panic!("{calls:?}");
    };
    assert_eq!(caller.address, Some([10, 31, 7, 2].into()));
    assert_eq!(sign_in.service.as_str(), "dav");
}

#[tokio::test]
async fn whoever_shows_none_or_a_wrong_one_is_asked_for_it() {
    let site = Site::start(Stage::Ready);
    let none = "X-Forwarded-For: 10.31.7.2\r\n".to_owned();
    let bearer = format!("{none}Authorization: Bearer abc\r\n");
    for lines in [none, bearer, from_phone("anna:wrong"), from_phone(":")] {
        let answer = site.speak(&asked(CHECK, &lines)).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{lines}: {answer}");
        let challenge = "www-authenticate: Basic realm=\"hut\", charset=\"UTF-8\"\r\n";
        assert!(answer.contains(challenge), "{answer}");
    }
    // Who has shown nothing has not guessed either.
    assert_eq!(site.control.take_calls().len(), 2);
}

#[tokio::test]
async fn what_the_core_refuses_is_refused() {
    let site = Site::start(Stage::Ready);
    let problem = |status, seconds| Problem {
        retry_after: seconds,
        ..Problem::new(status, "some_code", "No", "")
    };
    for (refusal, status, line) in [
        (problem(403, None), "403", ""),
        (problem(429, Some(840)), "429", "retry-after: 840\r\n"),
        (problem(429, None), "429", "retry-after: 60\r\n"),
        (problem(428, None), "503", ""),
        (Problem::unavailable(), "503", ""),
        (Problem::internal(), "503", ""),
    ] {
        site.control.refuse(refusal);
        let answer = site.speak(&asked(CHECK, &right())).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains(line) && !answer.contains("x-account"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn garbage_is_refused_and_never_reaches_the_core() {
    let site = Site::start(Stage::Ready);
    let post = asked(CHECK, &right()).replacen("GET", "POST", 1);
    let long = format!("X-Long: {}\r\n", "x".repeat(200_000));
    for (text, status) in [
        (asked("/", &right()), "404"),
        (asked("/check/?service=dav", &right()), "404"),
        (post, "405"),
        (asked("/check", &right()), "400"),
        (asked("/check?service=dav&service=files", &right()), "400"),
        (asked(CHECK, "Authorization: Basic YTpi\r\n"), "400"),
        (asked(CHECK, &format!("{}{}", right(), right())), "400"),
        (
            asked(
                CHECK,
                "X-Forwarded-For: 10.31.7.2\r\nAuthorization: Basic ***\r\n",
            ),
            "400",
        ),
        (asked(CHECK, &long), "431"),
        (asked(CHECK, &"X-Many: x\r\n".repeat(150)), "431"),
        ("\u{0}\u{1}\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = site.speak(&text).await;
        let start: String = text.chars().take(60).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{start}: {answer}"
        );
    }
    assert!(site.control.take_calls().is_empty());
}

#[tokio::test]
async fn thousand_questions_on_one_connection_are_answered_in_turn() {
    let site = Site::start(Stage::Ready);
    let question = asked(CHECK, &right()).replace("Connection: close\r\n", "");
    let mut stream = site.connect().await;
    let mut buffer = vec![0; 4096];
    for _ in 0..1_000 {
        stream.write_all(question.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the connection stays");
            answer.extend_from_slice(&buffer[..read]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }
    assert_eq!(site.control.take_calls().len(), 1_000);
}

#[tokio::test]
async fn connection_too_many_waits_for_another_to_end() {
    let site = Site::start(Stage::Ready);
    let mut taken = Vec::new();
    for _ in 0..LIMITS.connections {
        taken.push(site.connect().await);
    }
    let waiting = asked(CHECK, &right());
    let waiting = site.speak(&waiting);
    tokio::pin!(waiting);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting);
    assert!(early.await.is_err(), "there is no room yet");
    taken.pop();
    let answer = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn stop_ends_resting_connections_and_the_socket() {
    let site = Site::start(Stage::Ready);
    let mut resting = site.connect().await;
    let question = asked(CHECK, &right()).replace("Connection: close\r\n", "");
    resting.write_all(question.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    resting.read_exact(&mut first).await.unwrap();
    site.stop.send_replace(true);
    site.task.await.unwrap().unwrap();
    let late = UnixStream::connect(site.folder.path().join("accounts.sock"));
    assert!(late.await.is_err());
}

/// The socket of the mail service.
fn start_people(stage: Stage) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("accounts.sock")).unwrap();
    let control = Arc::new(FakeControl::new(stage));
    let asked: Arc<dyn Control> = control.clone();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        let realm = "hut".parse().unwrap();
        serve_people(listener, asked, ServiceId::mail(), &realm, stopped).await
    });
    Site {
        folder,
        control,
        stop,
        task,
    }
}

#[tokio::test]
async fn socket_of_a_service_answers_for_that_one_alone() {
    let site = start_people(Stage::Ready);
    // As Dovecot asks: with the whole address of what it asks for.
    for target in ["http://box/check?service=dav", "/check"] {
        let answer = site.speak(&asked(target, &right())).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let calls = site.control.take_calls();
        let [(_, Call::Act(Action::CheckAppPassword(sign_in)))] = &calls[..] else {
            panic!("{calls:?}");
        };
        assert_eq!(sign_in.service, ServiceId::mail());
    }
}

#[tokio::test]
async fn service_asks_who_there_is_and_the_proxy_does_not() {
    let site = start_people(Stage::Ready);
    let person = asked("http://box/person?name=member%40home.cell", "");
    let answer = site.speak(&person).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for line in ["x-account: member\r\n", "x-quota-mib: 2048\r\n"] {
        assert!(answer.contains(line), "{answer}");
    }
    for (refusal, status) in [
        (Problem::not_found("such person"), "404"),
        (Problem::internal(), "503"),
        (Problem::new(428, "setup_required", "No", ""), "503"),
    ] {
        site.control.refuse(refusal);
        let answer = site.speak(&person).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && !answer.contains("x-account"),
            "{answer}"
        );
    }
    for bad in ["/person", "/person?name=a&name=b", "/person?service=mail"] {
        let answer = site.speak(&asked(bad, "")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bad}: {answer}");
    }
    let answer = Site::start(Stage::Ready).speak(&person).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let answer = start_people(Stage::Unreachable).speak(&person).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}
