//! The log in the store: the one place where records get their numbers.

use std::sync::{Arc, Mutex, PoisonError};

use cell_model::Timestamp;
use cell_store::{Batch, Records, Store, StoreError, Tree};

use crate::chain::{self, Broken, ChainHead, Fault};
use crate::query::{AuditPage, AuditQuery};
use crate::record::{AuditEvent, AuditRecord};

/// How many records are kept. At most 1.3 KiB each, so 40 MiB of the state partition; usually a third of that.
pub const MAX_RECORDS: u64 = 32_768;

const RECORDS: Tree = Tree::new("audit");
/// Both ends of the chain, apart from the records, so that a log cut at either end is found out.
const ENDS: Tree = Tree::new("audit_ends");
const HEAD: &str = "head";
const ANCHOR: &str = "anchor";

/// Records read at once, so that a long log does not lie in memory as a whole.
const PAGE: usize = 512;

/// A record that could not be kept or a log that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The change, and with it the record, could not be committed, or the log not read.
    #[error("the audit log could not be kept or read")]
    Store(#[from] StoreError),
    /// The chain does not hold.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// What came of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The new revision, when the config changed.
    pub revision: Option<u64>,
    /// The number of the record.
    pub record: u64,
}

/// The audit log of a store. Every change that is to be audited goes through it, and there is one for a store.
///
/// The ends of the chain are read from the store each time and not remembered, so a commit that failed leaves nothing
/// behind that would have to be taken back.
#[derive(Debug)]
pub struct AuditLog {
    store: Arc<Store>,
    limit: u64,
    /// Held from reading the head until the record on it is committed.
    writer: Mutex<()>,
}

impl AuditLog {
    /// The log of a store.
    pub fn new(store: Arc<Store>) -> Self {
        Self::with_limit(store, MAX_RECORDS)
    }

    pub(crate) fn with_limit(store: Arc<Store>, limit: u64) -> Self {
        Self {
            store,
            limit,
            writer: Mutex::new(()),
        }
    }

    /// Commits a batch together with the record of it, at the batch's time.
    ///
    /// # Errors
    /// As [`Store::commit`]; there is no record then.
    pub fn commit(&self, mut batch: Batch, event: AuditEvent) -> Result<Committed, AuditError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.end(HEAD)?;
        let record = chain::next(&head, event, batch.time());
        let head = ChainHead {
            number: record.number,
            hash: record.hash,
        };
        batch.put(RECORDS, key(record.number), &record)?;
        batch.put(ENDS, HEAD, &head)?;
        self.rotate(&mut batch, &head)?;
        let revision = self.store.commit(batch)?;
        Ok(Committed {
            revision,
            record: head.number,
        })
    }

    /// Keeps a record of something that changed nothing, such as a refused sign-in. Answers its number.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn record(&self, event: AuditEvent, time: Timestamp) -> Result<u64, AuditError> {
        let batch = Batch::new(time, event.actor.clone(), event.action);
        Ok(self.commit(batch, event)?.record)
    }

    /// At most `limit` records that match, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn query(&self, query: &AuditQuery, limit: usize) -> Result<AuditPage, AuditError> {
        let mut items = Vec::new();
        let mut cursor = query.cursor;
        loop {
            let page = self.records().before(cursor.map(key).as_deref(), PAGE)?;
            let last = page.len() < PAGE;
            for (_, record) in page {
                if items.len() == limit {
                    return Ok(AuditPage {
                        items,
                        next: cursor,
                    });
                }
                cursor = Some(record.number);
                if query.matches(&record) {
                    items.push(record);
                }
            }
            if last {
                return Ok(AuditPage { items, next: None });
            }
        }
    }

    /// Looks at every record. Answers how many there are and the head, whose hash stands for all of them.
    ///
    /// Holds off writers meanwhile: well under a second for a full log.
    ///
    /// # Errors
    /// [`AuditError::Broken`] with the first place where the chain does not hold.
    pub fn verify(&self) -> Result<(u64, ChainHead), AuditError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let anchor = self.end(ANCHOR)?;
        let head = self.end(HEAD)?;
        let mut at = anchor;
        let mut after: Option<String> = None;
        loop {
            let page = match self.records().after(after.as_deref(), PAGE) {
                Err(StoreError::Damaged(_)) => return Err(self.unreadable(at, &head)?.into()),
                page => page?,
            };
            let last = page.len() < PAGE;
            for (found, record) in page {
                at = chain::follow(&at, &record, &head)?;
                after = Some(found);
            }
            if last {
                return Ok((chain::finish(&anchor, &at, &head)?, head));
            }
        }
    }

    /// Goes on record by record to the one that cannot be read.
    fn unreadable(&self, mut at: ChainHead, head: &ChainHead) -> Result<Broken, AuditError> {
        loop {
            let number = at.number + 1;
            let fault = match self.records().get(&key(number)) {
                Ok(Some(record)) => {
                    at = chain::follow(&at, &record, head)?;
                    continue;
                }
                Ok(None) => Fault::Missing,
                Err(StoreError::Damaged(_)) => Fault::Unreadable,
                Err(error) => return Err(error.into()),
            };
            return Ok(Broken { number, fault });
        }
    }

    /// Drops the oldest records above the limit and moves the anchor to the last one dropped.
    fn rotate(&self, batch: &mut Batch, head: &ChainHead) -> Result<(), AuditError> {
        let mut anchor = self.end(ANCHOR)?;
        let before = anchor;
        while head.number.saturating_sub(anchor.number) > self.limit {
            let number = anchor.number + 1;
            // What is missing or damaged stays for `verify` to find: the anchor never moves past it, and the box goes on.
            let record = match self.records().get(&key(number)) {
                Ok(Some(record)) => record,
                Ok(None) | Err(StoreError::Damaged(_)) => break,
                Err(error) => return Err(error.into()),
            };
            batch.remove(RECORDS, key(number));
            anchor = ChainHead {
                number,
                hash: record.hash,
            };
        }
        if anchor != before {
            batch.put(ENDS, ANCHOR, &anchor)?;
        }
        Ok(())
    }

    fn records(&self) -> Records<'_, AuditRecord> {
        self.store.records(RECORDS)
    }

    fn end(&self, name: &str) -> Result<ChainHead, StoreError> {
        let end = self.store.records(ENDS).get(name)?;
        Ok(end.unwrap_or_default())
    }
}

/// Keys sort as text, numbers must too.
fn key(number: u64) -> String {
    format!("{number:016x}")
}

#[cfg(test)]
mod tests;
