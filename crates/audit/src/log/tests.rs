//! The log over a real store.

use std::fs;

use cell_model::name::Username;

use super::*;
use crate::Outcome;

struct Log {
    log: AuditLog,
    _dir: tempfile::TempDir,
}

fn log(limit: u64) -> Log {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path()).unwrap());
    Log {
        log: AuditLog::with_limit(store, limit),
        _dir: dir,
    }
}

fn time(second: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
}

impl Log {
    fn fill(&self, count: u64) {
        for at in 0..count {
            self.log
                .record(AuditEvent::new("peer.add"), time(at))
                .unwrap();
        }
    }

    /// Changes the stored log behind its back.
    fn tamper(&self, change: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "");
        change(&mut batch);
        self.log.store.commit(batch).unwrap();
    }

    fn fault(&self) -> (u64, Fault) {
        match self.log.verify() {
            Err(AuditError::Broken(broken)) => (broken.number, broken.fault),
            other => panic!("expected a broken chain, got {other:?}"),
        }
    }

    fn numbers(&self, query: &AuditQuery, limit: usize) -> (Vec<u64>, Option<u64>) {
        let page = self.log.query(query, limit).unwrap();
        (page.items.iter().map(|r| r.number).collect(), page.next)
    }
}

#[test]
fn record_is_committed_with_its_change() {
    let t = log(MAX_RECORDS);
    let mut batch = Batch::new(time(1), None, "add a peer");
    batch.set_document("peer/anna", b"{}".to_vec());
    let done = t.log.commit(batch, AuditEvent::new("peer.add")).unwrap();
    assert_eq!((done.revision, done.record), (Some(1), 1));
    assert_eq!(t.log.verify().unwrap().0, 1);
}

#[test]
fn refused_change_leaves_no_record_and_the_next_one_follows_on() {
    let t = log(MAX_RECORDS);
    t.fill(2);
    let mut stale = Batch::new(time(1), None, "");
    stale.expect_revision(7).set_document("x", b"1".to_vec());
    assert!(matches!(
        t.log.commit(stale, AuditEvent::new("peer.add")),
        Err(AuditError::Store(StoreError::Stale { .. }))
    ));
    assert_eq!(
        t.log.record(AuditEvent::new("peer.add"), time(2)).unwrap(),
        3
    );
    assert_eq!(t.log.verify().unwrap().0, 3);
}

#[test]
fn empty_log_verifies_and_shows_nothing() {
    let t = log(MAX_RECORDS);
    assert_eq!(t.log.verify().unwrap(), (0, ChainHead::default()));
    assert_eq!(t.numbers(&AuditQuery::default(), 10), (vec![], None));
}

#[test]
fn log_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for expected in 1..=3 {
        let log = AuditLog::new(Arc::new(Store::open(dir.path()).unwrap()));
        assert_eq!(
            log.record(AuditEvent::new("start"), time(0)).unwrap(),
            expected
        );
        assert_eq!(log.verify().unwrap().0, expected);
    }
}

#[test]
fn writers_at_the_same_time_make_one_chain() {
    let t = log(MAX_RECORDS);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| t.fill(10));
        }
    });
    assert_eq!(t.log.verify().unwrap().0, 40);
}

#[test]
fn rotation_drops_the_oldest_and_the_rest_verifies() {
    let t = log(5);
    t.fill(12);
    assert_eq!(t.log.verify().unwrap().0, 5);
    let (numbers, next) = t.numbers(&AuditQuery::default(), 10);
    assert_eq!((numbers, next), (vec![12, 11, 10, 9, 8], None));
}

#[test]
fn rotation_does_not_hide_a_record_that_was_taken_out() {
    let t = log(5);
    t.fill(5);
    t.tamper(|batch| {
        batch.remove(RECORDS, key(2));
    });
    t.fill(5);
    assert_eq!(t.fault(), (2, Fault::Missing));
}

#[test]
fn damaged_record_does_not_stop_the_log() {
    let t = log(3);
    t.fill(3);
    t.tamper(|batch| {
        batch.put(RECORDS, key(1), &"not a record").unwrap();
    });
    t.fill(3);
    assert_eq!(t.fault(), (1, Fault::Unreadable));
    assert_eq!(t.log.end(HEAD).unwrap().number, 6);
}

#[test]
fn log_cut_at_its_end_is_found() {
    let t = log(MAX_RECORDS);
    t.fill(4);
    t.tamper(|batch| {
        batch.remove(RECORDS, key(4));
    });
    assert_eq!(t.fault(), (4, Fault::Missing));
}

#[test]
fn log_cut_at_its_beginning_is_found() {
    let t = log(MAX_RECORDS);
    t.fill(4);
    t.tamper(|batch| {
        batch.remove(RECORDS, key(1));
    });
    assert_eq!(t.fault(), (1, Fault::Missing));
}

#[test]
fn altered_record_is_found() {
    let t = log(MAX_RECORDS);
    t.fill(4);
    let mut record = t.log.records().get(&key(3)).unwrap().unwrap();
    record.outcome = Outcome::Refused;
    t.tamper(|batch| {
        batch.put(RECORDS, key(3), &record).unwrap();
    });
    assert_eq!(t.fault(), (3, Fault::Altered));
}

#[test]
fn record_that_cannot_be_read_is_named() {
    let t = log(MAX_RECORDS);
    t.fill(4);
    t.tamper(|batch| {
        batch.put(RECORDS, key(3), &"not a record").unwrap();
    });
    assert_eq!(t.fault(), (3, Fault::Unreadable));
}

#[test]
fn pages_meet_without_gap_or_overlap() {
    let t = log(MAX_RECORDS);
    t.fill(7);
    let mut query = AuditQuery::default();
    let mut seen = Vec::new();
    loop {
        let (numbers, next) = t.numbers(&query, 3);
        seen.extend(numbers);
        query.cursor = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

#[test]
fn filters_work_together() {
    let t = log(MAX_RECORDS);
    let anna: Username = "anna".parse().unwrap();
    for (at, (actor, action, outcome)) in [
        (Some(&anna), "peer.add", Outcome::Ok),
        (Some(&anna), "peer.add", Outcome::Refused),
        (None, "peer.remove", Outcome::Ok),
        (Some(&anna), "session.start", Outcome::Ok),
        (Some(&anna), "peer.remove", Outcome::Ok),
    ]
    .into_iter()
    .enumerate()
    {
        let mut event = AuditEvent::new(action).outcome(outcome);
        event.actor = actor.cloned();
        let event = event.on(["phone", "laptop"][at % 2]);
        t.log.record(event, time(at as u64)).unwrap();
    }
    let of_laptop = AuditQuery {
        object: Some("laptop".to_owned()),
        ..AuditQuery::default()
    };
    assert_eq!(t.numbers(&of_laptop, 10), (vec![4, 2], None));
    let query = AuditQuery {
        actor: Some(anna),
        action: Some("peer".to_owned()),
        outcome: Some(Outcome::Ok),
        ..AuditQuery::default()
    };
    assert_eq!(t.numbers(&query, 10), (vec![5, 1], None));
    let late = AuditQuery {
        since: Some(time(2)),
        ..query.clone()
    };
    assert_eq!(t.numbers(&late, 10).0, [5]);
    let early = AuditQuery {
        until: Some(time(4)),
        ..query
    };
    assert_eq!(t.numbers(&early, 10).0, [1]);
}

#[test]
fn secret_in_a_detail_does_not_reach_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let log = AuditLog::new(Arc::new(Store::open(dir.path()).unwrap()));
    let event = AuditEvent::new("test").detail("password=correct-horse-battery");
    log.record(event, time(0)).unwrap();
    drop(log);
    let disk = fs::read(dir.path().join("store/db")).unwrap();
    let found = |needle: &[u8]| disk.windows(needle.len()).any(|part| part == needle);
    assert!(found(b"password=[redacted]"));
    assert!(!found(b"correct-horse"));
}
