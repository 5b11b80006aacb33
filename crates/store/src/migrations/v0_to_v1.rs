//! Schema 0 counted nothing: the numbers of the newest and oldest revision and the size of the history were found by
//! reading it. Schema 1 keeps them under `m/history`, so that opening does not depend on the length of the history.

use serde_json::json;

use crate::StoreError;
use crate::database::{Database, Writes};

pub(super) fn migrate(database: &Database) -> Result<(), StoreError> {
    let mut first = None;
    let mut latest = 0_u64;
    for entry in database.scan(b"r/") {
        let (key, _) = entry?;
        let number = <[u8; 8]>::try_from(key.as_slice())
            .map_err(|_| StoreError::Damaged("key of a revision".to_owned()))?;
        latest = u64::from_be_bytes(number);
        first.get_or_insert(latest);
    }
    let mut bytes = 0_u64;
    for entry in database.scan(b"d/") {
        let (key, value) = entry?;
        bytes += (key.len().saturating_sub(8) + value.len()) as u64;
    }
    let history = json!({"latest": latest, "first": first.unwrap_or(latest + 1), "bytes": bytes});
    let mut batch = Writes::default();
    batch.insert(b"m/history", history.to_string());
    database.apply(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(prefix: &[u8], number: u64, rest: &[u8]) -> Vec<u8> {
        [prefix, &number.to_be_bytes(), rest].concat()
    }

    #[test]
    fn history_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        let mut batch = Writes::default();
        batch.insert(b"c/dns", "{}");
        for number in [3, 4] {
            batch.insert(key(b"r/", number, b""), "{}");
            batch.insert(key(b"d/", number, b"dns"), r#"{"after":{}}"#);
        }
        database.apply(batch).unwrap();

        migrate(&database).unwrap();

        let history = database.get(b"m/history").unwrap().unwrap();
        let history: serde_json::Value = serde_json::from_slice(&history).unwrap();
        assert_eq!(
            history,
            json!({"latest": 4, "first": 3, "bytes": 2 * (3 + 12)})
        );
        assert_eq!(database.get(b"c/dns").unwrap().unwrap(), b"{}");
    }

    #[test]
    fn store_without_revisions_starts_at_one() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        migrate(&database).unwrap();
        let history = database.get(b"m/history").unwrap().unwrap();
        let history: serde_json::Value = serde_json::from_slice(&history).unwrap();
        assert_eq!(history, json!({"latest": 0, "first": 1, "bytes": 0}));
    }
}
