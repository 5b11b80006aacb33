//! A process that is killed while it commits loses nothing it was told is kept.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use cell_model::Timestamp;
use cell_store::{Batch, Store, Tree};

const DIR: &str = "CELL_STORE_CRASH_DIR";
const KILLS: u64 = 20;
/// Commits a child makes if nobody kills it.
const BOUND: u64 = 5_000;
const RECORDS: Tree = Tree::new("log");

/// Not a test of its own: the process that is killed. It prints each revision once it is acknowledged.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let store = Store::open(Path::new(&dir)).unwrap();
    let mut out = std::io::stdout().lock();
    for _ in 0..BOUND {
        let number = store.latest_revision().unwrap() + 1;
        assert_eq!(store.commit(batch(number)).unwrap(), Some(number));
        writeln!(out, "\nkept {number}").unwrap();
        out.flush().unwrap();
    }
}

/// Revision `n` is known from its number: one document among 50, sometimes a long one, another removed.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, format!("change {number}"));
    for (key, json) in writes(number) {
        match json {
            Some(json) => batch.set_document(key, json),
            None => batch.remove_document(key),
        };
    }
    batch.set_secret("last", number.to_be_bytes().to_vec());
    batch
        .put(RECORDS, format!("{number:016x}"), &number)
        .unwrap();
    batch
}

fn writes(number: u64) -> Vec<(String, Option<Vec<u8>>)> {
    // Every 16th is long, so that cutting into pieces takes part.
    let length = if number.is_multiple_of(16) {
        150_000
    } else {
        40
    };
    let json = format!("\"{number} {}\"", "x".repeat(length)).into_bytes();
    vec![
        (format!("peer/{}", number % 50), Some(json)),
        (format!("peer/{}", (number + 25) % 50), None),
    ]
}

fn expected(latest: u64) -> BTreeMap<String, Vec<u8>> {
    let mut documents = BTreeMap::new();
    for number in 1..=latest {
        for (key, json) in writes(number) {
            match json {
                Some(json) => documents.insert(key, json),
                None => documents.remove(&key),
            };
        }
    }
    documents
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the child acknowledge some revisions, kills it a moment later, and answers the last one it acknowledged.
fn kill_after(mut child: Child, acknowledged: u64, moment: Duration) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    let mut seen = 0;
    while seen < acknowledged {
        let line = lines.next().expect("the child ended by itself").unwrap();
        if let Some(number) = line.strip_prefix("kept ") {
            last = number.parse().unwrap();
            seen += 1;
        }
    }
    thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        // The last line may be cut off by the kill.
        let line = line.unwrap();
        if let Some(Ok(number)) = line.strip_prefix("kept ").map(str::parse::<u64>) {
            last = last.max(number);
        }
    }
    last
}

#[test]
fn every_acknowledged_revision_survives_kills_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..KILLS {
        // Spread over the phases of a commit, the same in each run.
        let moment = Duration::from_micros(round * 7_919 % 6_000);
        let acknowledged = kill_after(start(dir.path()), 1 + round % 7, moment);

        let store = Store::open(dir.path()).unwrap();
        let (latest, documents) = store.current().unwrap();
        assert!(
            latest >= acknowledged,
            "round {round}: {latest} kept of {acknowledged}"
        );
        assert!(
            documents == expected(latest),
            "round {round}: config is torn"
        );
        assert_eq!(
            store.records::<u64>(RECORDS).count().unwrap() as u64,
            latest
        );
        assert_eq!(
            store.secret("last").unwrap().unwrap(),
            latest.to_be_bytes().to_vec()
        );
        for number in 1..=latest {
            let revision = store.revision(number).unwrap();
            assert_eq!(revision.summary.summary, format!("change {number}"));
        }
        let middle = latest / 2;
        assert!(store.documents_at(middle).unwrap() == expected(middle));
    }
}
