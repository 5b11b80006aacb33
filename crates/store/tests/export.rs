//! Exports, snapshots, restoring, checking.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::fs;
use std::path::Path;

use cell_model::Timestamp;
use cell_store::{Batch, Extent, SCHEMA, Store, StoreError, Tree};

const ACCOUNTS: Tree = Tree::new("accounts");
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn filled(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    let mut batch = Batch::new(NOW, Some("anna".parse().unwrap()), "first");
    batch
        .set_document("dns", b"{\"a\": 1.50}".to_vec())
        .set_document("peer/a", b"null".to_vec())
        .set_secret("wg0", vec![0, 255, 10])
        .put(ACCOUNTS, "anna/1", &"hash")
        .unwrap();
    store.commit(batch).unwrap();
    let mut batch = Batch::new(NOW, None, "second");
    batch.remove_document("peer/a");
    store.commit(batch).unwrap();
    store
}

fn export(store: &Store, extent: Extent) -> String {
    let mut out = Vec::new();
    store.export(&mut out, extent, NOW).unwrap();
    String::from_utf8(out).unwrap()
}

fn assert_same_now(store: &Store) {
    let (revision, documents) = store.current().unwrap();
    assert_eq!(revision, 2);
    assert_eq!(documents["dns"], b"{\"a\": 1.50}");
    assert_eq!(documents.len(), 1);
    assert_eq!(store.secret("wg0").unwrap().unwrap(), [0, 255, 10]);
    let account = store.records::<String>(ACCOUNTS).get("anna/1").unwrap();
    assert_eq!(account.as_deref(), Some("hash"));
}

#[test]
fn export_has_the_documented_form() {
    let dir = tempfile::tempdir().unwrap();
    let text = export(&filled(dir.path()), Extent::WithHistory);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..lines.len() - 1],
        [
            r#"{"export":{"version":1,"revision":2,"first":1,"time":"1970-01-01T00:00:00Z"}}"#,
            r#"{"document":{"key":"dns","value":{"a": 1.50}}}"#,
            r#"{"secret":{"name":"wg0","sealed":"AP8K"}}"#,
            r#"{"record":{"tree":"accounts","key":"anna/1","value":"hash"}}"#,
            r#"{"revision":{"number":1,"header":{"time":"1970-01-01T00:00:00Z","actor":"anna","summary":"first","changes":2,"bytes":44}}}"#,
            r#"{"difference":{"revision":1,"document":"dns","after":{"a": 1.50}}}"#,
            r#"{"difference":{"revision":1,"document":"peer/a","after":null}}"#,
            r#"{"revision":{"number":2,"header":{"time":"1970-01-01T00:00:00Z","summary":"second","changes":1,"bytes":21}}}"#,
            r#"{"difference":{"revision":2,"document":"peer/a","before":null}}"#,
        ]
    );
    assert!(lines[lines.len() - 1].starts_with(r#"{"end":{"lines":9,"sha256":""#));
}

#[test]
fn restored_snapshot_has_the_present_and_goes_on_counting() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let snapshot = filled(&state).snapshot(3, NOW).unwrap();

    let store = Store::restore(&state, &snapshot).unwrap();
    assert_same_now(&store);
    assert_eq!(store.oldest_revision().unwrap(), 2);
    assert!(matches!(
        store.documents_at(1),
        Err(StoreError::NoRevision(1))
    ));
    assert_eq!(store.documents_at(2).unwrap(), store.documents().unwrap());
    let mut batch = Batch::new(NOW, None, "third");
    batch.set_document("dns", b"2".to_vec());
    assert_eq!(store.commit(batch).unwrap(), Some(3));
    assert!(state.join("store.replaced/schema").exists());
    drop(store);
    let report = Store::check(&state, dir.path()).unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
}

#[test]
fn damaged_store_is_restored_from_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = filled(dir.path()).snapshot(1, NOW).unwrap();
    fs::write(dir.path().join("store/schema"), "garbage").unwrap();
    assert!(Store::open(dir.path()).is_err());
    assert_same_now(&Store::restore(dir.path(), &snapshot).unwrap());
}

#[test]
fn damaged_export_is_refused_and_the_store_stays() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state);
    let good = export(&store, Extent::WithHistory);
    drop(store);
    let lines: Vec<_> = good.lines().collect();
    let without = |gone: usize| {
        let mut lines = lines.clone();
        lines.remove(gone);
        lines.join("\n") + "\n"
    };
    for (what, bad) in [
        ("one letter differs", good.replace("second", "seconD")),
        ("a line is missing", without(3)),
        ("the head is missing", without(0)),
        ("the end is missing", without(lines.len() - 1)),
        ("it is cut inside a line", good[..good.len() / 2].to_owned()),
        ("it is empty", String::new()),
        (
            "another version",
            good.replace("\"version\":1", "\"version\":2"),
        ),
        (
            "a field is unknown",
            good.replace("\"key\":\"dns\"", "\"key\":\"dns\",\"x\":1"),
        ),
    ] {
        let file = dir.path().join("bad");
        fs::write(&file, bad).unwrap();
        let refused = Store::restore(&state, &file);
        assert!(
            matches!(refused, Err(StoreError::BadExport { .. })),
            "{what}: {refused:?}"
        );
        assert!(!state.join("store.next").exists(), "{what}");
    }
    assert_same_now(&Store::open(&state).unwrap());
}

#[test]
fn only_the_newest_snapshots_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    fs::create_dir_all(dir.path().join("snapshots")).unwrap();
    fs::write(
        dir.path().join("snapshots/snapshot-00000009.partial"),
        "half",
    )
    .unwrap();
    for _ in 0..4 {
        store.snapshot(2, NOW).unwrap();
    }
    let names: Vec<_> = Store::snapshots(dir.path())
        .unwrap()
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["snapshot-00000004.jsonl", "snapshot-00000003.jsonl"]
    );
    assert_eq!(
        fs::read_dir(dir.path().join("snapshots")).unwrap().count(),
        2
    );
}

#[test]
fn check_reports_what_is_there_and_writes_nothing_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    assert!(matches!(
        Store::check(dir.path(), scratch.path()),
        Err(StoreError::Missing(_))
    ));
    let store = filled(dir.path());
    assert!(matches!(
        Store::check(dir.path(), scratch.path()),
        Err(StoreError::Locked(_))
    ));
    drop(store);

    let report = Store::check(dir.path(), scratch.path()).unwrap();
    assert_eq!(
        (
            report.schema,
            report.latest_revision,
            report.oldest_revision
        ),
        (SCHEMA, 2, 0)
    );
    assert_eq!(report.documents["dns"], b"{\"a\": 1.50}");
    assert_eq!((report.secrets, report.records["accounts"]), (1, 1));
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}
