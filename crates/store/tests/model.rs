//! Any sequence of batches leaves what a plain map would hold, now and at every revision.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::collections::BTreeMap;

use cell_model::Timestamp;
use cell_store::{Batch, Change, Extent, Store, StoreError, Tree};
use proptest::prelude::*;

const THINGS: Tree = Tree::new("things");

type Documents = BTreeMap<String, Vec<u8>>;

/// Keys and values are few, so that batches meet: a set of what is there, a removal of what is not.
#[derive(Debug, Clone)]
struct Write {
    kind: u8,
    key: u8,
    value: Option<u16>,
}

#[derive(Debug, Clone)]
enum Act {
    Commit(Vec<Write>),
    Stale,
    Restore(u64),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let write = (0..3_u8, 0..6_u8, proptest::option::weighted(0.7, 0..4_u16))
        .prop_map(|(kind, key, value)| Write { kind, key, value });
    prop_oneof![
        12 => proptest::collection::vec(write, 0..6).prop_map(Act::Commit),
        1 => Just(Act::Stale),
        2 => (0..20_u64).prop_map(Act::Restore),
        1 => Just(Act::Restart),
    ]
}

fn json(value: u16) -> Vec<u8> {
    // `null` and a long text are the ends of what a document can be.
    match value {
        0 => b"null".to_vec(),
        1 => format!("\"{}\"", "x".repeat(3_000)).into_bytes(),
        n => format!("{{\"n\":{n}}}").into_bytes(),
    }
}

#[derive(Default)]
struct Model {
    /// The config at every revision, from 0.
    history: Vec<Documents>,
    secrets: Documents,
    things: BTreeMap<String, u16>,
}

impl Model {
    fn now(&self) -> &Documents {
        self.history.last().expect("starts with the empty config")
    }

    fn commit(&mut self, documents: Documents) -> Option<u64> {
        if &documents == self.now() {
            return None;
        }
        self.history.push(documents);
        Some(self.history.len() as u64 - 1)
    }
}

fn batch() -> Batch {
    Batch::new(Timestamp::UNIX_EPOCH, None, "step")
}

fn run(store: &Store, model: &mut Model, act: Act) {
    match act {
        Act::Commit(writes) => {
            let mut batch = batch();
            batch.expect_revision(model.history.len() as u64 - 1);
            let mut documents = model.now().clone();
            for Write { kind, key, value } in writes {
                let key = format!("k/{key}");
                match (kind, value) {
                    (0, Some(value)) => {
                        batch.set_document(&key, json(value));
                        documents.insert(key, json(value));
                    }
                    (0, None) => {
                        batch.remove_document(&key);
                        documents.remove(&key);
                    }
                    (1, Some(value)) => {
                        batch.set_secret(&key, json(value));
                        model.secrets.insert(key, json(value));
                    }
                    (1, None) => {
                        batch.remove_secret(&key);
                        model.secrets.remove(&key);
                    }
                    (_, Some(value)) => {
                        batch.put(THINGS, &key, &value).unwrap();
                        model.things.insert(key, value);
                    }
                    (_, None) => {
                        batch.remove(THINGS, &key);
                        model.things.remove(&key);
                    }
                }
            }
            assert_eq!(store.commit(batch).unwrap(), model.commit(documents));
        }
        Act::Stale => {
            let mut batch = batch();
            batch
                .expect_revision(model.history.len() as u64)
                .set_document("k/0", b"\"never\"".to_vec())
                .set_secret("k/0", b"never".to_vec());
            assert!(matches!(store.commit(batch), Err(StoreError::Stale { .. })));
        }
        Act::Restore(number) => {
            let Some(target) = model.history.get(number as usize).cloned() else {
                assert!(matches!(
                    store.documents_at(number),
                    Err(StoreError::NoRevision(_))
                ));
                return;
            };
            let mut batch = batch();
            batch.replace_documents(
                &store.documents().unwrap(),
                &store.documents_at(number).unwrap(),
            );
            assert_eq!(store.commit(batch).unwrap(), model.commit(target));
        }
        Act::Restart => {}
    }
}

fn compare(store: &Store, model: &Model) {
    let latest = model.history.len() as u64 - 1;
    assert_eq!(store.current().unwrap(), (latest, model.now().clone()));
    for (number, documents) in model.history.iter().enumerate() {
        assert_eq!(&store.documents_at(number as u64).unwrap(), documents);
    }
    for number in 1..=latest {
        let revision = store.revision(number).unwrap();
        let (before, after) = (
            &model.history[number as usize - 1],
            &model.history[number as usize],
        );
        assert_eq!(revision.changes, difference(before, after));
        assert_eq!(revision.summary.changes as usize, revision.changes.len());
    }
    let numbers: Vec<_> = store.revisions(None, usize::MAX).unwrap();
    let numbers: Vec<_> = numbers.iter().map(|r| r.number).collect();
    assert_eq!(numbers, (1..=latest).rev().collect::<Vec<_>>());

    let names: Vec<_> = model.secrets.keys().cloned().collect();
    assert_eq!(store.secret_names().unwrap(), names);
    for (name, sealed) in &model.secrets {
        assert_eq!(store.secret(name).unwrap().as_ref(), Some(sealed));
    }
    let things: BTreeMap<_, _> = store
        .records::<u16>(THINGS)
        .scan()
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(things, model.things);
}

fn difference(before: &Documents, after: &Documents) -> Vec<Change> {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .map(|key| Change {
            key: key.clone(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

proptest! {
    // Each case waits for the disk some dozen times.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn store_holds_what_a_map_would(acts in proptest::collection::vec(act(), 1..25)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut model = Model { history: vec![Documents::new()], ..Model::default() };
        for act in acts {
            if matches!(act, Act::Restart) {
                drop(store);
                store = Store::open(dir.path()).unwrap();
            }
            run(&store, &mut model, act);
        }
        compare(&store, &model);

        let mut export = Vec::new();
        store.export(&mut export, Extent::WithHistory, Timestamp::UNIX_EPOCH).unwrap();
        drop(store);
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(Store::check(dir.path(), scratch.path()).unwrap().faults, Vec::<String>::new());

        let file = scratch.path().join("export");
        std::fs::write(&file, &export).unwrap();
        let copy = Store::restore(&scratch.path().join("copy"), &file).unwrap();
        compare(&copy, &model);
    }
}
