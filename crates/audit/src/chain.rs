//! The chain. Pure: no store, no clock.
//!
//! The hash of a record is SHA-256 over, in this order:
//!
//! 1. the ASCII text `cell-audit-1` and a zero byte;
//! 2. the previous hash, 32 bytes;
//! 3. the number, 8 bytes big-endian;
//! 4. time (RFC 3339, UTC), actor, role, address, action, object, outcome, detail, each as the length of its text in
//!    bytes (4 bytes big-endian) and the text (UTF-8). A missing one is the length `ffffffff` and nothing else.
//!
//! Lengths keep two records with the same concatenation apart; the leading text keeps later forms apart from this one.

use std::fmt;

use cell_model::Timestamp;
use data_encoding::HEXLOWER;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::record::{AuditEvent, AuditRecord};

const FORM: &[u8] = b"cell-audit-1\0";
const MISSING: u32 = u32::MAX;

/// A SHA-256 hash; 64 lower-case hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash([u8; 32]);

/// The end of a chain: what the next record builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainHead {
    /// Number of the last record; 0 before the first.
    pub number: u64,
    /// Its hash; zeros before the first.
    pub hash: Hash,
}

/// Where a chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log is broken at record {number}: {fault}")]
pub struct Broken {
    /// The first record that is wrong or missing.
    pub number: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// Its content does not match its hash.
    Altered,
    /// It does not build on the record before.
    Unlinked,
    /// It is there though the log ends before it.
    Surplus,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is missing",
            Self::Unreadable => "it cannot be read",
            Self::Altered => "its content was altered",
            Self::Unlinked => "it does not follow from the record before",
            Self::Surplus => "it lies behind the end of the log",
        })
    }
}

/// The record that follows `previous`. Masks and cuts the event's texts.
pub fn next(previous: &ChainHead, event: AuditEvent, time: Timestamp) -> AuditRecord {
    let event = event.kept();
    let mut record = AuditRecord {
        number: previous.number + 1,
        time,
        actor: event.actor,
        role: event.role,
        address: event.address,
        action: event.action.to_owned(),
        object: event.object,
        outcome: event.outcome,
        detail: event.detail,
        previous_hash: previous.hash,
        hash: Hash::default(),
    };
    record.hash = hash(&record);
    record
}

/// Whether records, in rising order, lead from `anchor` (the record before the first of them) to `head`.
///
/// Answers how many there are.
///
/// # Errors
/// The first place where the chain does not hold.
pub fn verify<'a>(
    anchor: &ChainHead,
    records: impl IntoIterator<Item = &'a AuditRecord>,
    head: &ChainHead,
) -> Result<u64, Broken> {
    let mut at = *anchor;
    for record in records {
        at = follow(&at, record, head)?;
    }
    finish(anchor, &at, head)
}

/// One step of [`verify`].
pub(crate) fn follow(
    at: &ChainHead,
    record: &AuditRecord,
    head: &ChainHead,
) -> Result<ChainHead, Broken> {
    let number = at.number + 1;
    let broken = |fault| Err(Broken { number, fault });
    if number > head.number {
        return broken(Fault::Surplus);
    }
    if record.number != number {
        return broken(Fault::Missing);
    }
    if record.hash != hash(record) {
        return broken(Fault::Altered);
    }
    if record.previous_hash != at.hash {
        return broken(Fault::Unlinked);
    }
    Ok(ChainHead {
        number,
        hash: record.hash,
    })
}

/// The end of [`verify`].
pub(crate) fn finish(anchor: &ChainHead, at: &ChainHead, head: &ChainHead) -> Result<u64, Broken> {
    if at.number < head.number {
        return Err(Broken {
            number: at.number + 1,
            fault: Fault::Missing,
        });
    }
    if at.hash != head.hash {
        return Err(Broken {
            number: at.number,
            fault: Fault::Altered,
        });
    }
    Ok(at.number.saturating_sub(anchor.number))
}

fn hash(record: &AuditRecord) -> Hash {
    let mut digest = Sha256::new();
    digest.update(FORM);
    digest.update(record.previous_hash.0);
    digest.update(record.number.to_be_bytes());
    let time = record.time.to_string();
    let address = record.address.map(|address| address.to_string());
    let fields = [
        Some(time.as_str()),
        record.actor.as_ref().map(|actor| actor.as_str()),
        record.role.map(|role| role.as_str()),
        address.as_deref(),
        Some(record.action.as_str()),
        record.object.as_deref(),
        Some(record.outcome.as_str()),
        Some(record.detail.as_str()),
    ];
    for field in fields {
        match field {
            Some(text) => {
                // Texts are cut far below 4 GiB; one that is not cannot verify, which is the safe side.
                let length = u32::try_from(text.len()).unwrap_or(MISSING - 1);
                digest.update(length.to_be_bytes());
                digest.update(text);
            }
            None => digest.update(MISSING.to_be_bytes()),
        }
    }
    Hash(digest.finalize().into())
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("must be 64 lower-case hexadecimal digits"))
    }
}

impl JsonSchema for Hash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "A SHA-256 hash."})
    }
}

#[cfg(test)]
mod tests;
