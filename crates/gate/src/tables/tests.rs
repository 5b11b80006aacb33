//! A socket on the disk, asked as Postfix asks it.

use cell_control::fake::{Call, FakeControl, Stage};
use cell_control::query::Query;
use proptest::prelude::*;
use tempfile::TempDir;
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
        let listener = UnixListener::bind(folder.path().join("tables.sock")).unwrap();
        let control = Arc::new(FakeControl::new(stage));
        let asked: Arc<dyn Control> = control.clone();
        let (stop, stopped) = watch::channel(false);
        let service = ServiceId::mail();
        let task = tokio::spawn(serve_tables(listener, asked, service, stopped));
        Self {
            folder,
            control,
            stop,
            task,
        }
    }

    async fn connect(&self) -> UnixStream {
        let path = self.folder.path().join("tables.sock");
        UnixStream::connect(path).await.unwrap()
    }
}

/// Sends something, then reads so many answers; fewer when the other side closes.
async fn answers(stream: &mut UnixStream, sent: &[u8], count: usize) -> Vec<String> {
    stream.write_all(sent).await.unwrap();
    let (mut buffer, mut answers) = (BytesMut::new(), Vec::new());
    while answers.len() < count {
        match netstring::take(&mut buffer).unwrap() {
            Some(answer) => answers.push(String::from_utf8(answer.to_vec()).unwrap()),
            None => match stream.read_buf(&mut buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            },
        }
    }
    answers
}

async fn ask_for(site: &Site, question: &str) -> String {
    let mut stream = site.connect().await;
    let asked = netstring::wrap(question.as_bytes());
    answers(&mut stream, &asked, 1).await.concat()
}

#[tokio::test]
async fn one_connection_asks_as_often_as_it_likes() {
    let site = Site::start(Stage::Ready);
    let mut stream = site.connect().await;
    let questions = [
        "mailbox Member@home.cell",
        "alias member@home.cell",
        "mailbox x y@home.cell",
    ];
    let sent: Vec<u8> = questions
        .iter()
        .flat_map(|question| netstring::wrap(question.as_bytes()))
        .collect();
    let wanted = ["OK member", "NOTFOUND ", "NOTFOUND "];
    assert_eq!(answers(&mut stream, &sent, 3).await, wanted);
    assert_eq!(answers(&mut stream, &sent, 3).await, wanted);
    let calls = site.control.take_calls();
    let (caller, Call::Snapshot(Query::MailLookup(lookup))) = &calls[2] else {
        panic!("{calls:?}");
    };
    assert!(matches!(caller.credential, Credential::Nobody));
    let asked = (lookup.service.as_str(), lookup.table, &*lookup.key);
    assert_eq!(asked, ("mail", MailTable::Mailbox, "x y@home.cell"));
}

#[tokio::test]
async fn what_is_no_question_for_a_table_is_told_so() {
    let site = Site::start(Stage::Ready);
    for question in [
        "",
        "mailbox",
        "passwd x@home.cell",
        "MAILBOX x@home.cell",
        " x",
    ] {
        let answer = ask_for(&site, question).await;
        assert!(answer.starts_with("PERM "), "{question}: {answer}");
    }
    assert!(site.control.take_calls().is_empty());
    let mut stream = site.connect().await;
    let latin = netstring::wrap(b"transport \xe4@example.org");
    assert_eq!(answers(&mut stream, &latin, 1).await, ["NOTFOUND "]);
}

#[tokio::test]
async fn mail_waits_while_the_core_is_away() {
    for stage in [Stage::Unreachable, Stage::BeforeSetup] {
        let site = Site::start(stage);
        let answer = ask_for(&site, "mailbox member@home.cell").await;
        // The fake answers questions that need no sign-in at any stage but this.
        if let Stage::Unreachable = stage {
            assert!(answer.starts_with("TEMP "), "{answer}");
        }
    }
    let site = Site::start(Stage::Ready);
    site.control
        .refuse(cell_model::problem::Problem::internal());
    let answer = ask_for(&site, "mailbox member@home.cell").await;
    assert!(answer.starts_with("TEMP "), "{answer}");
}

#[tokio::test]
async fn who_speaks_something_else_is_cut_off() {
    let site = Site::start(Stage::Ready);
    for bad in ["GET / HTTP/1.1\r\n\r\n", "999999:", "3:abcd", ":,"] {
        let mut stream = site.connect().await;
        assert!(
            answers(&mut stream, bad.as_bytes(), 1).await.is_empty(),
            "{bad}"
        );
    }
    assert_eq!(
        ask_for(&site, "mailbox member@home.cell").await,
        "OK member"
    );
}

#[tokio::test(start_paused = true)]
async fn who_rests_too_long_or_stops_within_a_question_is_sent_away() {
    let site = Site::start(Stage::Ready);
    for (sent, least) in [(&b""[..], IDLE_TIME), (b"30:mailbox", TRANSFER_TIME)] {
        let began = tokio::time::Instant::now();
        let mut stream = site.connect().await;
        assert!(answers(&mut stream, sent, 1).await.is_empty());
        assert!(began.elapsed() >= least && began.elapsed() < least * 2);
    }
}

#[tokio::test]
async fn stop_ends_connections_that_rest() {
    let site = Site::start(Stage::Ready);
    let mut stream = site.connect().await;
    let asked = netstring::wrap(b"mailbox member@home.cell");
    assert_eq!(answers(&mut stream, &asked, 1).await, ["OK member"]);
    site.stop.send(true).unwrap();
    site.task.await.unwrap().unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[test]
fn answer_that_is_too_long_for_postfix_is_none() {
    let long = Answer::Found("x".repeat(netstring::MAX));
    assert_eq!(long.text(), "PERM the answer is too long");
    let fits = Answer::Found("x".repeat(netstring::MAX - 3)).text();
    assert!(fits.starts_with("OK x"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn garbage_ends_its_own_connection_and_no_other(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let site = Site::start(Stage::Ready);
            let mut stream = site.connect().await;
            let _ = stream.write_all(&bytes).await;
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert_eq!(ask_for(&site, "mailbox member@home.cell").await, "OK member");
        });
    }
}
