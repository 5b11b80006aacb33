//! Records: values of one type under a key, in named trees. They have no history.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::store::Store;
use crate::{StoreError, layout};

/// The name of a tree of records. Each is declared once, by the crate that owns its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tree(&'static str);

impl Tree {
    /// A tree. The name is stored: lower-case letters, digits and `_`.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "a tree has a name");
        let mut at = 0;
        while at < bytes.len() {
            assert!(
                bytes[at].is_ascii_lowercase() || bytes[at].is_ascii_digit() || bytes[at] == b'_',
                "a tree's name is made of lower-case letters, digits and _"
            );
            at += 1;
        }
        Self(name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The records of one tree, as values of `T`. Made by [`Store::records`]; changed through [`crate::Batch`].
#[derive(Clone, Copy)]
pub struct Records<'a, T> {
    store: &'a Store,
    tree: Tree,
    value: PhantomData<fn() -> T>,
}

impl<'a, T: DeserializeOwned> Records<'a, T> {
    pub(crate) fn new(store: &'a Store, tree: Tree) -> Self {
        Self {
            store,
            tree,
            value: PhantomData,
        }
    }

    /// One record.
    ///
    /// # Errors
    /// When the store cannot be read or the record is not a `T`.
    pub fn get(&self, key: &str) -> Result<Option<T>, StoreError> {
        let state = self.store.read()?;
        match state.database.get(&layout::record(self.tree.name(), key))? {
            Some(json) => self.decode(key, &json).map(Some),
            None => Ok(None),
        }
    }

    /// All records, by key.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn scan(&self) -> Result<Vec<(String, T)>, StoreError> {
        self.range(None, None, Order::Rising, usize::MAX)
    }

    /// At most `limit` records whose keys are above `after`, lowest first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn after(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, T)>, StoreError> {
        self.range(after, None, Order::Rising, limit)
    }

    /// At most `limit` records whose keys are below `before`, highest first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn before(
        &self,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, T)>, StoreError> {
        self.range(None, before, Order::Falling, limit)
    }

    /// How many there are. Reads all keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self) -> Result<usize, StoreError> {
        let state = self.store.read()?;
        let mut count = 0;
        for entry in state.database.scan(&layout::records(self.tree.name())) {
            entry?;
            count += 1;
        }
        Ok(count)
    }

    fn range(
        &self,
        after: Option<&str>,
        before: Option<&str>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<(String, T)>, StoreError> {
        let prefix = layout::records(self.tree.name());
        let from = match after {
            // The least key above `after` is `after` with a zero byte.
            Some(key) => [&layout::record(self.tree.name(), key)[..], &[0]].concat(),
            None => prefix.clone(),
        };
        let to = match before {
            Some(key) => layout::record(self.tree.name(), key),
            None => layout::end_of(&prefix),
        };
        if from >= to {
            return Ok(Vec::new());
        }
        let state = self.store.read()?;
        let entries = state.database.range(from, to);
        let decode = |entry: Result<(Vec<u8>, Vec<u8>), StoreError>| {
            let (key, json) = entry?;
            let key = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            let value = self.decode(&key, &json)?;
            Ok((key, value))
        };
        match order {
            Order::Rising => entries.take(limit).map(decode).collect(),
            Order::Falling => entries.rev().take(limit).map(decode).collect(),
        }
    }

    fn decode(&self, key: &str, json: &[u8]) -> Result<T, StoreError> {
        serde_json::from_slice(json)
            .map_err(|_| StoreError::Damaged(format!("record {key} of {}", self.tree.name())))
    }
}

#[derive(Clone, Copy)]
enum Order {
    Rising,
    Falling,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;
    use cell_model::Timestamp;

    const FRUIT: Tree = Tree::new("fruit");
    const FRUIT_BOWL: Tree = Tree::new("fruit_bowl");

    fn store_with(keys: &[&str]) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "");
        for (at, key) in keys.iter().enumerate() {
            batch.put(FRUIT, *key, &at).unwrap();
        }
        batch.put(FRUIT_BOWL, "other", &99).unwrap();
        store.commit(batch).unwrap();
        (dir, store)
    }

    fn keys(found: Vec<(String, usize)>) -> Vec<String> {
        found.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn records_come_in_both_orders_with_a_cursor() {
        let (_dir, store) = store_with(&["a", "b", "b/1", "c"]);
        let fruit = store.records::<usize>(FRUIT);
        assert_eq!(keys(fruit.scan().unwrap()), ["a", "b", "b/1", "c"]);
        assert_eq!(keys(fruit.after(Some("b"), 2).unwrap()), ["b/1", "c"]);
        assert_eq!(keys(fruit.before(Some("c"), 2).unwrap()), ["b/1", "b"]);
        assert_eq!(keys(fruit.before(None, 1).unwrap()), ["c"]);
        assert_eq!(fruit.count().unwrap(), 4);
        assert_eq!(fruit.get("b/1").unwrap(), Some(2));
        assert_eq!(fruit.get("d").unwrap(), None);
    }

    #[test]
    fn record_of_another_type_is_an_error_that_names_it() {
        let (_dir, store) = store_with(&["a"]);
        let error = store.records::<String>(FRUIT).get("a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "record a of fruit in the store is damaged"
        );
    }

    #[test]
    fn removed_record_is_gone() {
        let (_dir, store) = store_with(&["a", "b"]);
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "");
        batch.remove(FRUIT, "a");
        assert_eq!(store.commit(batch).unwrap(), None);
        assert_eq!(keys(store.records::<usize>(FRUIT).scan().unwrap()), ["b"]);
    }
}
