//! The way out of sled, and into it: the whole store as text, one JSON object a line.
//!
//! ```text
//! {"export":{"version":1,"revision":7,"first":3,"time":"2026-11-23T10:00:00Z"}}
//! {"document":{"key":"peer/anna","value":{…}}}
//! {"secret":{"name":"wireguard/wg0","sealed":"<base64>"}}
//! {"record":{"tree":"accounts","key":"anna","value":{…}}}
//! {"revision":{"number":3,"header":{"time":…,"actor":…,"summary":…,"changes":1,"bytes":120}}}
//! {"difference":{"revision":3,"document":"peer/anna","before":{…},"after":{…}}}
//! {"end":{"lines":6,"sha256":"<hex>"}}
//! ```
//!
//! The first and the last line are always there; of the others there are as many as the store holds. `revision` is the
//! newest one, `first` the oldest whose differences follow (`revision + 1` when none does); in a difference an absent
//! `before` or `after` is an absent document. The hash is SHA-256 over all lines before the last, line breaks included:
//! it finds damage, not forgery. Secrets are sealed as in the store, records are in the clear (password hashes among
//! them), so an export is as private as the store.

use std::io::{self, Write};

use cell_model::Timestamp;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::revision::{self, Difference, Header};
use crate::store::{Open, Store, text};
use crate::{StoreError, commit, layout};

/// The form described here.
pub(crate) const VERSION: u32 = 1;

/// How much of the store an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Config, secrets and records as they are now; earlier revisions cannot be restored from it.
    Now,
    /// The same and the kept history of the config.
    WithHistory,
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    Export {
        version: u32,
        revision: u64,
        first: u64,
        time: Timestamp,
    },
    Document {
        key: String,
        value: Box<RawValue>,
    },
    Secret {
        name: String,
        sealed: String,
    },
    Record {
        tree: String,
        key: String,
        value: Box<RawValue>,
    },
    Revision {
        number: u64,
        header: Header,
    },
    Difference {
        revision: u64,
        document: String,
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "revision::present"
        )]
        before: Option<Box<RawValue>>,
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "revision::present"
        )]
        after: Option<Box<RawValue>>,
    },
    End {
        lines: u64,
        sha256: String,
    },
}

impl Store {
    /// Writes the store as text, as it is at one moment. Writers wait meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read or `out` not be written.
    pub fn export(
        &self,
        out: &mut impl Write,
        extent: Extent,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        write(&*self.read()?, out, extent, time)
    }
}

/// Writes an open database as text.
pub(crate) fn write(
    open: &Open,
    out: &mut impl Write,
    extent: Extent,
    time: Timestamp,
) -> Result<(), StoreError> {
    let mut lines = Lines {
        out,
        digest: Sha256::new(),
        count: 0,
    };
    let history = open.history;
    lines.put(&Line::Export {
        version: VERSION,
        revision: history.latest,
        first: match extent {
            Extent::Now => history.latest + 1,
            Extent::WithHistory => history.first,
        },
        time,
    })?;
    for entry in open.database.scan(layout::DOCUMENTS) {
        let (key, json) = entry?;
        let key = text(key)?;
        let value = raw(&key, &json)?;
        lines.put(&Line::Document { key, value })?;
    }
    for entry in open.database.scan(layout::SECRETS) {
        let (name, sealed) = entry?;
        lines.put(&Line::Secret {
            name: text(name)?,
            sealed: BASE64.encode(&sealed),
        })?;
    }
    for entry in open.database.scan(layout::RECORDS) {
        let (path, json) = entry?;
        let path = text(path)?;
        let Some((tree, key)) = layout::split_record(&path) else {
            return Err(StoreError::Damaged(format!("key {path} of a record")));
        };
        lines.put(&Line::Record {
            tree: tree.to_owned(),
            key: key.to_owned(),
            value: raw(&path, &json)?,
        })?;
    }
    if extent == Extent::WithHistory {
        for number in history.first..=history.latest {
            write_revision(open, &mut lines, number)?;
        }
    }
    lines.end()
}

fn write_revision(
    open: &Open,
    lines: &mut Lines<'_, impl Write>,
    number: u64,
) -> Result<(), StoreError> {
    let Some(json) = open.database.get(&layout::header(number))? else {
        return Err(StoreError::Damaged(format!("header of revision {number}")));
    };
    let header = revision::header(number, &json)?;
    lines.put(&Line::Revision { number, header })?;
    for entry in open.database.scan(&layout::differences(number)) {
        let (document, json) = entry?;
        let Difference { before, after } = revision::difference(number, &json)?;
        lines.put(&Line::Difference {
            revision: number,
            document: text(document)?,
            before,
            after,
        })?;
    }
    Ok(())
}

fn raw(key: &str, json: &[u8]) -> Result<Box<RawValue>, StoreError> {
    serde_json::from_slice(json).map_err(|_| StoreError::Damaged(format!("value of {key}")))
}

/// Counts and hashes what goes out.
struct Lines<'a, W> {
    out: &'a mut W,
    digest: Sha256,
    count: u64,
}

impl<W: Write> Lines<'_, W> {
    fn put(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut bytes = commit::json(line);
        bytes.push(b'\n');
        self.digest.update(&bytes);
        self.count += 1;
        self.out.write_all(&bytes).map_err(failed)
    }

    fn end(mut self) -> Result<(), StoreError> {
        let sha256 = HEXLOWER.encode(&self.digest.finalize_reset());
        let lines = self.count;
        self.put(&Line::End { lines, sha256 })?;
        self.out.flush().map_err(failed)
    }
}

fn failed(source: io::Error) -> StoreError {
    StoreError::Export(source)
}
