//! The one way to change the store.

use serde_json::value::RawValue;

use crate::batch::Batch;
use crate::database::{Database, Writes, is_disk_full};
use crate::layout::History;
use crate::revision::{self, Difference, Header};
use crate::store::{Open, Store};
use crate::{StoreError, files, layout};

/// Bytes of differences that are kept: years of a household's changes in a quarter of the state partition. The oldest
/// revisions are dropped above it.
pub const HISTORY_LIMIT: u64 = 64 * 1024 * 1024;

/// What a batch comes to, given what is stored.
struct Work {
    writes: Writes,
    history: History,
    /// The new revision, when a document changes.
    revision: Option<u64>,
    /// Bytes of all keys and values written.
    bytes: u64,
    empty: bool,
}

impl Store {
    /// Makes all changes of a batch, or none. When it returns, they are on disk.
    ///
    /// Answers the number of the new revision, or `None` when no document changed. A document set to what it already is
    /// does not change.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::DiskFull`], [`StoreError::NotJson`], [`StoreError::TooLarge`]: nothing was
    /// changed. [`StoreError::Write`], [`StoreError::Sync`]: unknown, see [`Store`].
    pub fn commit(&self, batch: Batch) -> Result<Option<u64>, StoreError> {
        batch.validate()?;
        let mut state = self.write_guard();
        self.leave_spare(&mut state)?;
        let open = state.as_ref().ok_or(StoreError::Poisoned)?;
        let urgent = batch.urgent;
        let work = prepare(open, batch, self.history_limit)?;
        if work.empty {
            return Ok(None);
        }
        // A page of the tree is rewritten with what changes in it, so twice the bytes may reach the disk.
        let bytes = work.bytes.saturating_mul(2);
        if urgent {
            files::require_free(&self.dir, files::OPEN_RESERVE.saturating_add(bytes))?;
        } else {
            files::require_room(&self.dir, bytes)?;
        }
        let mut open = state.take().ok_or(StoreError::Poisoned)?;
        if let Err(error) = self.write(&open.database, work.writes) {
            tracing::error!(%error, "store write failed; the store must be reopened");
            if is_disk_full(&error) {
                return Err(StoreError::DiskFull {
                    free: 0,
                    needed: files::FREE_RESERVE,
                });
            }
            return Err(error);
        }
        open.history = work.history;
        *state = Some(open);
        Ok(work.revision)
    }
}

impl Store {
    #[cfg(not(feature = "faults"))]
    #[expect(
        clippy::unused_self,
        reason = "it has its part with the feature `faults`"
    )]
    fn write(&self, database: &Database, writes: Writes) -> Result<(), StoreError> {
        database.apply(writes)
    }

    #[cfg(feature = "faults")]
    fn write(&self, database: &Database, writes: Writes) -> Result<(), StoreError> {
        self.fault.apply(database, writes)
    }
}

fn prepare(open: &Open, batch: Batch, limit: u64) -> Result<Work, StoreError> {
    let current = open.history.latest;
    if let Some(expected) = batch.expected_revision.filter(|&number| number != current) {
        return Err(StoreError::Stale { expected, current });
    }
    let mut work = Work {
        writes: Writes::default(),
        history: open.history,
        revision: None,
        bytes: 0,
        empty: true,
    };
    for ((tree, key), json) in batch.records {
        work.write(layout::record(tree.name(), &key), json);
    }
    for (name, sealed) in batch.secrets {
        work.write(layout::secret(&name), sealed);
    }

    let number = current + 1;
    let mut header = Header {
        time: batch.time,
        actor: batch.actor,
        summary: batch.summary,
        changes: 0,
        bytes: 0,
    };
    for (key, after) in batch.documents {
        let before = open.database.get(&layout::document(&key))?;
        if before == after {
            continue;
        }
        let difference = encode(&key, before, after.as_deref())?;
        header.changes += 1;
        header.bytes += (key.len() + difference.len()) as u64;
        work.write(layout::difference(number, &key), Some(difference));
        work.write(layout::document(&key), after);
    }
    if header.changes > 0 {
        work.revision = Some(number);
        work.history.latest = number;
        work.history.bytes += header.bytes;
        work.write(layout::header(number), Some(json(&header)));
        work.forget(&open.database, limit)?;
        work.write(layout::HISTORY.to_vec(), Some(json(&work.history)));
    }
    Ok(work)
}

impl Work {
    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.empty = false;
        self.bytes += key.len() as u64;
        match value {
            Some(value) => {
                self.bytes += value.len() as u64;
                self.writes.insert(key, value);
            }
            None => self.writes.remove(key),
        }
    }

    /// Drops the oldest revisions until the history fits; the newest always stays.
    fn forget(&mut self, database: &Database, limit: u64) -> Result<(), StoreError> {
        while self.history.bytes > limit && self.history.first < self.history.latest {
            let number = self.history.first;
            let key = layout::header(number);
            let Some(json) = database.get(&key)? else {
                return Err(StoreError::Damaged(format!("header of revision {number}")));
            };
            let header = revision::header(number, &json)?;
            self.write(key, None);
            let differences = layout::differences(number);
            for entry in database.scan(&differences) {
                self.write([&differences[..], &entry?.0].concat(), None);
            }
            self.history.first += 1;
            self.history.bytes = self.history.bytes.saturating_sub(header.bytes);
        }
        Ok(())
    }
}

fn encode(key: &str, before: Option<Vec<u8>>, after: Option<&[u8]>) -> Result<Vec<u8>, StoreError> {
    let raw = |json: &[u8]| {
        serde_json::from_slice::<Box<RawValue>>(json)
            .map_err(|_| StoreError::NotJson(key.to_owned()))
    };
    Ok(json(&Difference {
        before: before.as_deref().map(raw).transpose()?,
        after: after.map(raw).transpose()?,
    }))
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("a struct of numbers and texts has a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open;
    use cell_model::Timestamp;

    fn set(store: &Store, key: &str, size: usize) -> Option<u64> {
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "");
        let number = store.latest_revision().unwrap();
        let json = format!("\"{number}{}\"", "x".repeat(size));
        batch.set_document(key, json.into_bytes());
        store.commit(batch).unwrap()
    }

    #[test]
    fn history_above_its_limit_loses_the_oldest_revisions() {
        let dir = tempfile::tempdir().unwrap();
        let store = open::open(dir.path(), None, 2_000).unwrap();
        for _ in 0..10 {
            set(&store, "dns", 300);
        }
        let oldest = store.oldest_revision().unwrap();
        assert!((1..9).contains(&oldest), "{oldest}");
        assert!(store.documents_at(oldest).is_ok());
        assert!(matches!(
            store.documents_at(oldest - 1),
            Err(StoreError::NoRevision(_))
        ));
        assert!(store.revision(oldest).is_err());
        assert!(store.revision(oldest + 1).is_ok());
        drop(store);
        let report = Store::check(dir.path(), dir.path()).unwrap();
        assert_eq!(report.faults, Vec::<String>::new());
    }

    #[test]
    fn newest_revision_stays_whatever_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let store = open::open(dir.path(), None, 100).unwrap();
        set(&store, "dns", 10);
        set(&store, "dns", 5_000);
        assert_eq!(store.revisions(None, 10).unwrap().len(), 1);
        assert_eq!(store.documents_at(1).unwrap()["dns"].len(), 13);
    }

    #[test]
    fn document_set_to_what_it_is_makes_no_revision() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for expected in [Some(1), None] {
            let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "");
            batch.set_document("dns", b"{}".to_vec());
            assert_eq!(store.commit(batch).unwrap(), expected);
        }
    }

    #[test]
    fn poisoned_store_answers_nothing_until_it_is_reopened() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        set(&store, "dns", 10);
        // What a commit whose write failed leaves behind.
        drop(store.write_guard().take());
        assert!(matches!(store.documents(), Err(StoreError::Poisoned)));
        let batch = Batch::new(Timestamp::UNIX_EPOCH, None, "");
        assert!(matches!(store.commit(batch), Err(StoreError::Poisoned)));
        store.reopen().unwrap();
        assert_eq!(store.latest_revision().unwrap(), 1);
        assert_eq!(set(&store, "dns", 20), Some(2));
    }
}
