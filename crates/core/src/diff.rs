//! What differs between two sets of documents, value by value.

use std::collections::{BTreeMap, BTreeSet};

use cell_control::view::DiffEntry;
use serde_json::Value;

/// Differences in the order of their paths. Lists are compared as a whole: their entries have no names.
pub(crate) fn diff(
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
) -> Vec<DiffEntry> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut entries = Vec::new();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        if old != new {
            compare(
                key,
                old.and_then(|json| parse(json)),
                new.and_then(|json| parse(json)),
                &mut entries,
            );
        }
    }
    entries
}

fn parse(json: &[u8]) -> Option<Value> {
    serde_json::from_slice(json).ok()
}

fn compare(path: &str, before: Option<Value>, after: Option<Value>, entries: &mut Vec<DiffEntry>) {
    match (before, after) {
        (Some(Value::Object(mut before)), Some(Value::Object(mut after))) => {
            let keys: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
            for key in keys {
                let path = format!("{path}.{key}");
                compare(&path, before.remove(&key), after.remove(&key), entries);
            }
        }
        (before, after) if before != after => entries.push(DiffEntry {
            path: path.to_owned(),
            before,
            after,
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        pairs
            .iter()
            .map(|(key, json)| ((*key).to_owned(), json.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn changed_added_and_removed_values_are_named_by_path() {
        let before = documents(&[
            ("cell", r#"{"name":"a","n":{"x":1,"y":2}}"#),
            ("peer/a", r#"{"k":1}"#),
        ]);
        let after = documents(&[
            ("cell", r#"{"name":"b","n":{"x":1,"z":3}}"#),
            ("peer/b", r#"{"k":1}"#),
        ]);
        let found: Vec<(String, bool, bool)> = diff(&before, &after)
            .into_iter()
            .map(|entry| (entry.path, entry.before.is_some(), entry.after.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("cell.n.y".into(), true, false),
                ("cell.n.z".into(), false, true),
                ("cell.name".into(), true, true),
                ("peer/a".into(), true, false),
                ("peer/b".into(), false, true),
            ]
        );
    }
}
