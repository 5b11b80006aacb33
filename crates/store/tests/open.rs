//! Opening, and what is on the disk around the database.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cell_model::Timestamp;
use cell_store::{Batch, SCHEMA, Store, StoreError};

fn fill(store: &Store, revisions: u64) {
    for number in 1..=revisions {
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, format!("change {number}"));
        batch.set_document("dns", number.to_string().into_bytes());
        store.commit(batch).unwrap();
    }
}

/// Every file below a directory with its content and rights.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(path, (mode, Vec::new()));
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, (mode, content));
        }
    }
    found
}

#[test]
fn second_opener_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(matches!(
        Store::open(dir.path()),
        Err(StoreError::Locked(_))
    ));
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[test]
fn newer_store_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    fill(&Store::open(dir.path()).unwrap(), 3);
    // The last handle is dropped, but sled's threads may still be writing: opening again waits for them.
    drop(Store::open(dir.path()).unwrap());
    let scratch = tempfile::tempdir().unwrap();
    Store::check(dir.path(), scratch.path()).unwrap();
    fs::write(dir.path().join("store/schema"), format!("{}\n", SCHEMA + 1)).unwrap();
    let before = tree(dir.path());

    for refused in [
        Store::open(dir.path()).map(|_| ()),
        Store::check(dir.path(), scratch.path()).map(|_| ()),
    ] {
        match refused {
            Err(StoreError::NewerSchema { found, known }) => {
                assert_eq!((found, known), (SCHEMA + 1, SCHEMA));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn older_store_is_migrated_on_a_copy_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    fill(&Store::open(dir.path()).unwrap(), 3);
    // Schema 0 is schema 1 without the count of its history, which its migration overwrites.
    fs::write(dir.path().join("store/schema"), "0\n").unwrap();

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.latest_revision().unwrap(), 3);
    assert_eq!(store.documents_at(1).unwrap()["dns"], b"1");
    fill(&store, 4);
    assert_eq!(store.latest_revision().unwrap(), 7);
    assert_eq!(
        fs::read_to_string(dir.path().join("store/schema")).unwrap(),
        format!("{SCHEMA}\n")
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("store.v0/schema")).unwrap(),
        "0\n"
    );
    assert!(!dir.path().join("store.next").exists());
}

#[test]
fn unfinished_migration_is_started_over() {
    let dir = tempfile::tempdir().unwrap();
    fill(&Store::open(dir.path()).unwrap(), 2);
    fs::write(dir.path().join("store/schema"), "0\n").unwrap();
    fs::create_dir(dir.path().join("store.next")).unwrap();
    fs::write(dir.path().join("store.next/db"), "half a copy").unwrap();

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.documents().unwrap()["dns"], b"2");
    assert!(!dir.path().join("store.next").exists());
}

#[test]
fn migration_cut_off_after_the_exchange_keeps_the_older_store() {
    let dir = tempfile::tempdir().unwrap();
    fill(&Store::open(dir.path()).unwrap(), 2);
    fs::create_dir(dir.path().join("store.next")).unwrap();
    fs::write(dir.path().join("store.next/schema"), "0\n").unwrap();

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.latest_revision().unwrap(), 2);
    assert!(dir.path().join("store.v0/schema").exists());
}

#[test]
fn store_that_lost_its_schema_is_damage_and_not_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    fill(&Store::open(dir.path()).unwrap(), 1);
    fs::remove_file(dir.path().join("store/schema")).unwrap();
    assert!(matches!(
        Store::open(dir.path()),
        Err(StoreError::BadSchema(_))
    ));
}

#[test]
fn nothing_is_readable_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = Store::open(&state).unwrap();
    fill(&store, 2);
    store.snapshot(2, Timestamp::UNIX_EPOCH).unwrap();
    let mode = fs::metadata(&state).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    for (path, (mode, _)) in tree(&state) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}", path.display());
    }
}

#[test]
fn reopening_shows_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    fill(&store, 3);
    let before = store.current().unwrap();
    store.reopen().unwrap();
    assert_eq!(store.current().unwrap(), before);
    fill(&store, 1);
    assert_eq!(store.latest_revision().unwrap(), 4);
}

#[test]
fn one_change_among_ten_thousand_documents_writes_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "many");
    for number in 0..10_000 {
        let json = format!(
            "{{\"address\":\"10.0.0.1\",\"number\":{number},\"note\":\"{}\"}}",
            "x".repeat(200)
        );
        batch.set_document(format!("peer/{number}"), json.into_bytes());
    }
    store.commit(batch).unwrap();
    store.reopen().unwrap();
    assert_eq!(store.documents().unwrap().len(), 10_000);

    let before = store.size().unwrap();
    for value in 0..20 {
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "one");
        batch.set_document("peer/5000", value.to_string().into_bytes());
        store.commit(batch).unwrap();
    }
    // Twenty times all documents would be more than 50 MB; two segments are what sled may open meanwhile.
    let grown = store.size().unwrap().saturating_sub(before);
    assert!(grown <= 2 * 512 * 1024, "{grown} bytes for twenty changes");
}
