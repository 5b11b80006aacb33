//! Schema 1 knew nothing of where new versions come from. Schema 2 keeps that as the document `updates`, careful until
//! the owner says otherwise. A store without a config gets it with its setup.

use serde_json::json;

use crate::StoreError;
use crate::database::{Database, Writes};

pub(super) fn migrate(database: &Database) -> Result<(), StoreError> {
    if database.get(b"c/cell")?.is_none() {
        return Ok(());
    }
    let updates = json!({
        "mode": "manual",
        "channel": "stable",
        "source": null,
        "authorities": null,
        "window": {"from": "03:00", "until": "05:00"},
    });
    let mut batch = Writes::default();
    batch.insert(b"c/updates", updates.to_string());
    database.apply(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_gets_the_careful_settings() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        let mut batch = Writes::default();
        batch.insert(b"c/cell", r#"{"name":"hut"}"#);
        database.apply(batch).unwrap();

        migrate(&database).unwrap();

        let updates = database.get(b"c/updates").unwrap().unwrap();
        let updates: serde_json::Value = serde_json::from_slice(&updates).unwrap();
        assert_eq!(updates["mode"], "manual");
        let cell = database.get(b"c/cell").unwrap().unwrap();
        assert_eq!(cell, br#"{"name":"hut"}"#);
    }

    #[test]
    fn box_that_was_never_set_up_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        migrate(&database).unwrap();
        assert_eq!(database.get(b"c/updates").unwrap(), None);
    }
}
