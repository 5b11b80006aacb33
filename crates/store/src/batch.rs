//! What one commit changes.

use std::collections::BTreeMap;

use cell_model::Timestamp;
use cell_model::name::Username;
use serde::Serialize;

use crate::{StoreError, Tree};

/// The most bytes one value may have. A guard against mistakes: config, records and sealed keys are far smaller, and the
/// database holds whole pages in memory.
pub const MAX_VALUE: usize = 1024 * 1024;

/// The most bytes of a key, for the same reason: sled keeps 17 entries in a page.
pub const MAX_KEY: usize = 1024;

/// Changes that happen together or not at all.
///
/// Building it does nothing; a later call for the same key wins.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) time: Timestamp,
    pub(crate) actor: Option<Username>,
    pub(crate) summary: String,
    pub(crate) expected_revision: Option<u64>,
    pub(crate) urgent: bool,
    pub(crate) documents: BTreeMap<String, Option<Vec<u8>>>,
    pub(crate) secrets: BTreeMap<String, Option<Vec<u8>>>,
    pub(crate) records: BTreeMap<(Tree, String), Option<Vec<u8>>>,
}

impl Batch {
    /// An empty batch. Time, actor (`None`: the box itself) and summary (one line for people) are kept with the revision.
    pub fn new(time: Timestamp, actor: Option<Username>, summary: impl Into<String>) -> Self {
        Self {
            time,
            actor,
            summary: summary.into(),
            expected_revision: None,
            urgent: false,
            documents: BTreeMap::new(),
            secrets: BTreeMap::new(),
            records: BTreeMap::new(),
        }
    }

    /// May use the room kept in reserve: for what must still be possible on a full disk, such as cutting a device off,
    /// taking a change back or signing in. Small batches only.
    pub fn urgent(&mut self) -> &mut Self {
        self.urgent = true;
        self
    }

    /// Refuse with [`StoreError::Stale`] unless this is the latest revision at the time of the commit.
    pub fn expect_revision(&mut self, revision: u64) -> &mut Self {
        self.expected_revision = Some(revision);
        self
    }

    /// Puts a document of the config: JSON on one line, written the same way each time, since documents are compared
    /// by bytes.
    pub fn set_document(&mut self, key: impl Into<String>, json: Vec<u8>) -> &mut Self {
        self.documents.insert(key.into(), Some(json));
        self
    }

    /// Removes a document of the config.
    pub fn remove_document(&mut self, key: impl Into<String>) -> &mut Self {
        self.documents.insert(key.into(), None);
        self
    }

    /// Makes the config become `target`, given what it is `now`; used to restore a revision.
    pub fn replace_documents(
        &mut self,
        now: &BTreeMap<String, Vec<u8>>,
        target: &BTreeMap<String, Vec<u8>>,
    ) -> &mut Self {
        for key in now.keys().filter(|key| !target.contains_key(*key)) {
            self.remove_document(key);
        }
        for (key, json) in target {
            if now.get(key) != Some(json) {
                self.set_document(key, json.clone());
            }
        }
        self
    }

    /// Puts a sealed secret. The store never looks inside and never keeps an earlier one.
    pub fn set_secret(&mut self, name: impl Into<String>, sealed: Vec<u8>) -> &mut Self {
        self.secrets.insert(name.into(), Some(sealed));
        self
    }

    /// Destroys a secret.
    pub fn remove_secret(&mut self, name: impl Into<String>) -> &mut Self {
        self.secrets.insert(name.into(), None);
        self
    }

    /// Puts a record.
    ///
    /// # Errors
    /// [`StoreError::Encode`] when the value has no JSON form.
    pub fn put<T: Serialize>(
        &mut self,
        tree: Tree,
        key: impl Into<String>,
        value: &T,
    ) -> Result<&mut Self, StoreError> {
        let key = key.into();
        match serde_json::to_vec(value) {
            Ok(json) => {
                self.records.insert((tree, key), Some(json));
                Ok(self)
            }
            Err(source) => Err(StoreError::Encode {
                tree: tree.name(),
                key,
                source,
            }),
        }
    }

    /// Removes a record.
    pub fn remove(&mut self, tree: Tree, key: impl Into<String>) -> &mut Self {
        self.records.insert((tree, key.into()), None);
        self
    }

    /// When it happens.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Refuses values the store does not take.
    pub(crate) fn validate(&self) -> Result<(), StoreError> {
        for (key, json) in &self.documents {
            if let Some(json) = json {
                size(key, json)?;
                if !is_one_line_of_json(json) {
                    return Err(StoreError::NotJson(key.clone()));
                }
            }
        }
        for (name, sealed) in &self.secrets {
            size(name, sealed.as_deref().unwrap_or_default())?;
        }
        for ((_, key), json) in &self.records {
            size(key, json.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Exports are one entry a line, so a value must be one too, and nothing outside the value would survive them. A string
/// cannot hold a bare line break in JSON.
pub(crate) fn is_one_line_of_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii().len() == bytes.len()
        && !bytes.contains(&b'\n')
        && !bytes.contains(&b'\r')
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn size(key: &str, value: &[u8]) -> Result<(), StoreError> {
    if key.len() > MAX_KEY || value.len() > MAX_VALUE {
        return Err(StoreError::TooLarge {
            key: key.to_owned(),
            size: value.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch::new(Timestamp::UNIX_EPOCH, None, "test")
    }

    fn documents(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        pairs
            .iter()
            .map(|(key, json)| ((*key).to_owned(), json.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn document_must_be_json_on_one_line() {
        for (json, fits) in [
            ("{\"a\":1}", true),
            ("{\"a\":\n1}", false),
            ("{\"a\":", false),
            ("", false),
            (" 1", false),
            ("1 2", false),
        ] {
            let mut batch = batch();
            batch.set_document("x", json.as_bytes().to_vec());
            assert_eq!(batch.validate().is_ok(), fits, "{json:?}");
        }
    }

    #[test]
    fn value_above_the_limit_is_refused() {
        let mut batch = batch();
        batch.set_secret("key", vec![0; MAX_VALUE + 1]);
        assert!(matches!(batch.validate(), Err(StoreError::TooLarge { .. })));
    }

    #[test]
    fn replacing_the_config_touches_only_what_differs() {
        let now = documents(&[("same", "1"), ("gone", "2"), ("changed", "3")]);
        let target = documents(&[("same", "1"), ("changed", "4"), ("new", "5")]);
        let mut batch = batch();
        batch.replace_documents(&now, &target);
        let touched: Vec<_> = batch.documents.into_iter().collect();
        assert_eq!(
            touched,
            [
                ("changed".to_owned(), Some(b"4".to_vec())),
                ("gone".to_owned(), None),
                ("new".to_owned(), Some(b"5".to_vec())),
            ]
        );
    }
}
