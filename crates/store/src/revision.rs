//! Revisions: who changed the config, when, and what each document was before and after.

use std::collections::BTreeMap;

use cell_model::Timestamp;
use cell_model::name::Username;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::database::Database;
use crate::store::{Open, Store};
use crate::{StoreError, layout};

/// One change of the config, without its differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RevisionSummary {
    /// Its number, rising by one from 1.
    pub number: u64,
    /// When it was made.
    pub time: Timestamp,
    /// Who made it; `None` is the box itself.
    pub actor: Option<Username>,
    /// What it was, in one line.
    pub summary: String,
    /// How many documents it changed.
    pub changes: u32,
}

/// One change of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Who, when, why.
    pub summary: RevisionSummary,
    /// What it did, by document key.
    pub changes: Vec<Change>,
}

/// What a revision did to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The document.
    pub key: String,
    /// Its JSON before; `None` when it was not there.
    pub before: Option<Vec<u8>>,
    /// Its JSON after; `None` when it was removed.
    pub after: Option<Vec<u8>>,
}

/// A revision's header as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Username>,
    pub summary: String,
    pub changes: u32,
    /// Bytes of the differences, keys and values.
    pub bytes: u64,
}

/// A difference as stored. An absent field is an absent document; a document may be `null`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub before: Option<Box<RawValue>>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub after: Option<Box<RawValue>>,
}

impl Store {
    /// The number of the newest revision; 0 when the config was never changed.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn latest_revision(&self) -> Result<u64, StoreError> {
        Ok(self.read()?.history.latest)
    }

    /// The lowest number [`Self::documents_at`] answers. 0 is the empty config before the first revision.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn oldest_revision(&self) -> Result<u64, StoreError> {
        Ok(self.read()?.history.first - 1)
    }

    /// A revision with its differences.
    ///
    /// # Errors
    /// [`StoreError::NoRevision`] when there is none of this number or it is no longer kept.
    pub fn revision(&self, number: u64) -> Result<Revision, StoreError> {
        let open = self.read()?;
        let Some(json) = open.database.get(&layout::header(number))? else {
            return Err(StoreError::NoRevision(number));
        };
        Ok(Revision {
            summary: summary(number, &json)?,
            changes: changes(&open.database, number)?,
        })
    }

    /// At most `limit` revisions with numbers below `before`, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn revisions(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RevisionSummary>, StoreError> {
        let open = self.read()?;
        let to = match before {
            Some(number) => layout::header(number),
            None => layout::end_of(layout::HEADERS),
        };
        open.database
            .range(layout::HEADERS.to_vec(), to)
            .rev()
            .take(limit)
            .map(|entry| {
                let (key, json) = entry?;
                let number = key
                    .last_chunk::<8>()
                    .ok_or_else(|| StoreError::Damaged("key".to_owned()))?;
                summary(u64::from_be_bytes(*number), &json)
            })
            .collect()
    }

    /// The config as it was at a revision, rebuilt by undoing the later ones.
    ///
    /// # Errors
    /// [`StoreError::NoRevision`] when it lies outside [`Self::oldest_revision`] to [`Self::latest_revision`].
    pub fn documents_at(&self, number: u64) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let open = self.read()?;
        if number > open.history.latest || number + 1 < open.history.first {
            return Err(StoreError::NoRevision(number));
        }
        rebuild(&open, number)
    }
}

fn rebuild(open: &Open, number: u64) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let mut documents = open.documents()?;
    for undone in (number + 1..=open.history.latest).rev() {
        for change in changes(&open.database, undone)? {
            match change.before {
                Some(json) => documents.insert(change.key, json),
                None => documents.remove(&change.key),
            };
        }
    }
    Ok(documents)
}

pub(crate) fn changes(database: &Database, number: u64) -> Result<Vec<Change>, StoreError> {
    database
        .scan(&layout::differences(number))
        .map(|entry| {
            let (key, json) = entry?;
            let difference = difference(number, &json)?;
            Ok(Change {
                key: crate::store::text(key)?,
                before: difference.before.map(bytes),
                after: difference.after.map(bytes),
            })
        })
        .collect()
}

pub(crate) fn difference(number: u64, json: &[u8]) -> Result<Difference, StoreError> {
    serde_json::from_slice(json)
        .map_err(|_| StoreError::Damaged(format!("difference of revision {number}")))
}

pub(crate) fn header(number: u64, json: &[u8]) -> Result<Header, StoreError> {
    serde_json::from_slice(json)
        .map_err(|_| StoreError::Damaged(format!("header of revision {number}")))
}

fn summary(number: u64, json: &[u8]) -> Result<RevisionSummary, StoreError> {
    let header = header(number, json)?;
    Ok(RevisionSummary {
        number,
        time: header.time,
        actor: header.actor,
        summary: header.summary,
        changes: header.changes,
    })
}

fn bytes(json: Box<RawValue>) -> Vec<u8> {
    Box::<str>::from(json).into_string().into_bytes()
}

/// Reads a field that is there, so that `null` is a value and not an absence.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_that_is_null_differs_from_none() {
        let difference: Difference = serde_json::from_str(r#"{"before":null}"#).unwrap();
        assert_eq!(difference.before.unwrap().get(), "null");
        assert!(difference.after.is_none());
    }

    #[test]
    fn difference_keeps_the_bytes_of_a_document() {
        let json = r#"{"b": 1.50,"a":[ ]}"#;
        let difference = Difference {
            before: None,
            after: Some(RawValue::from_string(json.to_owned()).unwrap()),
        };
        let stored = serde_json::to_vec(&difference).unwrap();
        let read: Difference = serde_json::from_slice(&stored).unwrap();
        assert_eq!(bytes(read.after.unwrap()), json.as_bytes());
    }
}
