//! What is written to the store: a stream of changes of every kind, the same for a seed, and what is there after each.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_audit::AuditEvent;
use cell_model::Timestamp;
use cell_store::{Batch, Tree};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

pub(crate) const THINGS: Tree = Tree::new("things");

type Values = BTreeMap<String, Arc<[u8]>>;

/// What the store holds after some changes. Each made one audit record.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) revision: u64,
    pub(crate) documents: Values,
    pub(crate) secrets: Values,
    pub(crate) things: BTreeMap<String, String>,
}

/// What a stream is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mix {
    Everything,
    /// Documents that fill ten or so of sled's segments each time. Pages are written more than once then, so that
    /// segments are free and used again within one transaction.
    Large,
}

/// The stream of a seed.
#[derive(Debug)]
pub(crate) struct Script {
    seed: u64,
    mix: Mix,
    /// After each number of changes.
    held: Vec<Held>,
}

/// The values one change puts or removes.
#[derive(Default)]
struct Change {
    documents: BTreeMap<String, Option<Arc<[u8]>>>,
    secrets: BTreeMap<String, Option<Arc<[u8]>>>,
    things: BTreeMap<String, Option<String>>,
}

impl Script {
    pub(crate) fn new(seed: u64, mix: Mix) -> Self {
        Self {
            seed,
            mix,
            held: vec![Held::default()],
        }
    }

    /// What is there after this many changes.
    pub(crate) fn held(&mut self, changes: usize) -> &Held {
        while self.held.len() <= changes {
            let next = self.after(self.held.len());
            self.held.push(next);
        }
        &self.held[changes]
    }

    /// The config at a revision.
    pub(crate) fn documents_at(&self, revision: u64) -> &Values {
        &self.held[self.change_of(revision)].documents
    }

    /// What was said of a revision when it was made.
    pub(crate) fn summary_of(&self, revision: u64) -> String {
        summary(self.change_of(revision))
    }

    fn change_of(&self, revision: u64) -> usize {
        let made = self.held.iter().position(|held| held.revision == revision);
        made.expect("a revision that was made")
    }

    /// The change that follows on this many, and its record.
    pub(crate) fn next(&mut self, changes: usize) -> (Batch, AuditEvent) {
        self.held(changes);
        let number = changes + 1;
        let change = self.change(number);
        let time = Timestamp::from_second(i64::try_from(number).unwrap()).unwrap();
        let mut batch = Batch::new(time, None, summary(number));
        for (key, value) in change.documents {
            match value {
                Some(json) => batch.set_document(key, json.to_vec()),
                None => batch.remove_document(key),
            };
        }
        for (name, value) in change.secrets {
            match value {
                Some(sealed) => batch.set_secret(name, sealed.to_vec()),
                None => batch.remove_secret(name),
            };
        }
        for (key, value) in change.things {
            match value {
                Some(value) => batch.put(THINGS, key, &value).unwrap(),
                None => batch.remove(THINGS, key),
            };
        }
        let mut event = AuditEvent::new("test.change");
        event.detail = summary(number);
        (batch, event)
    }

    fn after(&self, number: usize) -> Held {
        let mut held = self.held[number - 1].clone();
        let change = self.change(number);
        put_all(&mut held.secrets, change.secrets);
        put_all(&mut held.things, change.things);
        let before = held.documents.clone();
        put_all(&mut held.documents, change.documents);
        held.revision += u64::from(held.documents != before);
        held
    }

    fn change(&self, number: usize) -> Change {
        let mut random = Rng::with_seed(self.seed ^ (number as u64).wrapping_mul(0x9e37_79b9));
        let random = &mut random;
        let held = &self.held[number - 1];
        let mut change = Change::default();
        if self.mix == Mix::Large {
            change.some_documents(number, random, 2..5, 200_000..700_000);
            return change;
        }
        match random.u8(..20) {
            // A record of something that changed nothing.
            0 => {}
            1 | 2 => change.some_documents(number, random, 1..4, 20..400),
            4 | 5 => change.some_documents(number, random, 1..3, 10_000..80_000),
            // Several segments in one transaction.
            6 | 7 => change.some_documents(number, random, 2..4, 100_000..400_000),
            8 => change.documents = removals(held.documents.keys(), random),
            9 | 10 => change.secret(random, 32..200),
            11 => change.secret(random, 4_000..60_000),
            12 | 13 => change.secrets = removals(held.secrets.keys(), random),
            14 | 15 => change.some_things(number, random, 1..3),
            16 => change.some_things(number, random, 40..120),
            17 => change.things = removals(held.things.keys(), random),
            18 => {
                change.some_documents(number, random, 1..2, 20..5_000);
                change.secret(random, 32..64);
                change.some_things(number, random, 1..4);
            }
            _ => change.restore(held, self.documents_at(random.u64(..=held.revision))),
        }
        change
    }
}

impl Change {
    fn some_documents(
        &mut self,
        number: usize,
        random: &mut Rng,
        count: std::ops::Range<usize>,
        length: std::ops::Range<usize>,
    ) {
        for _ in 0..random.usize(count) {
            let text = text(random, length.clone());
            let json = format!("\"{number} {text}\"").into_bytes();
            let key = format!("peer/{}", random.u8(..12));
            self.documents.insert(key, Some(json.into()));
        }
    }

    fn secret(&mut self, random: &mut Rng, length: std::ops::Range<usize>) {
        let sealed = text(random, length).into_bytes();
        let name = format!("key/{}", random.u8(..6));
        self.secrets.insert(name, Some(sealed.into()));
    }

    fn some_things(&mut self, number: usize, random: &mut Rng, count: std::ops::Range<usize>) {
        for _ in 0..random.usize(count) {
            let value = format!("{number} {}", text(random, 10..300));
            self.things
                .insert(format!("{:03}", random.u8(..200)), Some(value));
        }
    }

    fn restore(&mut self, held: &Held, target: &Values) {
        for key in held.documents.keys() {
            self.documents.insert(key.clone(), None);
        }
        for (key, json) in target {
            self.documents.insert(key.clone(), Some(Arc::clone(json)));
        }
    }
}

fn summary(number: usize) -> String {
    format!("change {number}")
}

fn put_all<T>(values: &mut BTreeMap<String, T>, changes: BTreeMap<String, Option<T>>) {
    for (key, value) in changes {
        match value {
            Some(value) => values.insert(key, value),
            None => values.remove(&key),
        };
    }
}

fn removals<'a, T>(
    keys: impl Iterator<Item = &'a String>,
    random: &mut Rng,
) -> BTreeMap<String, Option<T>> {
    let gone = keys.filter(|_| random.u8(..3) == 0);
    gone.map(|key| (key.clone(), None)).collect()
}

/// Every byte counts: text that repeats would hide a sector that was lost.
fn text(random: &mut Rng, length: std::ops::Range<usize>) -> String {
    let length = random.usize(length);
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(&format!("{:016x}", random.u64(..)));
    }
    text.truncate(length);
    text
}
