//! The keys of the one sled tree everything lives in.
//!
//! | Key | Value |
//! |---|---|
//! | `c/<document>` | the document now, JSON |
//! | `d/<revision, 8 bytes big-endian><document>` | what the revision did to the document, see [`crate::revision`] |
//! | `m/history` | JSON [`History`] |
//! | `r/<revision, 8 bytes big-endian>` | the revision's header, JSON |
//! | `s/<name>` | a sealed secret, opaque |
//! | `t/<tree>/<key>` | a record, JSON |
//! | `z/…` | a piece of a long value, see [`crate::pieces`] |
//!
//! One tree because sled's batch is atomic within a tree, and big-endian numbers because keys sort by bytes.

use serde::{Deserialize, Serialize};

pub(crate) const DOCUMENTS: &[u8] = b"c/";
pub(crate) const DIFFERENCES: &[u8] = b"d/";
pub(crate) const HISTORY: &[u8] = b"m/history";
pub(crate) const HEADERS: &[u8] = b"r/";
pub(crate) const SECRETS: &[u8] = b"s/";
pub(crate) const RECORDS: &[u8] = b"t/";

/// Which revisions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    /// Number of the newest revision; 0 when there never was one.
    pub latest: u64,
    /// Number of the oldest revision whose differences are kept; `latest + 1` when none is.
    pub first: u64,
    /// Bytes of all differences kept.
    pub bytes: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            latest: 0,
            first: 1,
            bytes: 0,
        }
    }
}

pub(crate) fn document(key: &str) -> Vec<u8> {
    [DOCUMENTS, key.as_bytes()].concat()
}

pub(crate) fn header(revision: u64) -> Vec<u8> {
    [HEADERS, &revision.to_be_bytes()].concat()
}

pub(crate) fn differences(revision: u64) -> Vec<u8> {
    [DIFFERENCES, &revision.to_be_bytes()].concat()
}

pub(crate) fn difference(revision: u64, key: &str) -> Vec<u8> {
    [DIFFERENCES, &revision.to_be_bytes(), key.as_bytes()].concat()
}

pub(crate) fn secret(name: &str) -> Vec<u8> {
    [SECRETS, name.as_bytes()].concat()
}

pub(crate) fn records(tree: &str) -> Vec<u8> {
    [RECORDS, tree.as_bytes(), b"/"].concat()
}

pub(crate) fn record(tree: &str, key: &str) -> Vec<u8> {
    [RECORDS, tree.as_bytes(), b"/", key.as_bytes()].concat()
}

/// The first key after all keys with this prefix.
pub(crate) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// Splits `<tree>/<key>`, the rest of a record's key.
pub(crate) fn split_record(rest: &str) -> Option<(&str, &str)> {
    rest.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_sort_by_number() {
        assert!(header(255) < header(256));
        assert!(difference(2, "zebra") < difference(10, "ant"));
        assert!(differences(2) <= difference(2, ""));
    }

    #[test]
    fn end_of_a_prefix_is_after_its_keys_and_before_the_next() {
        assert_eq!(end_of(b"c/"), b"c0");
        assert_eq!(end_of(&[b'd', 7, 255]), [b'd', 8]);
        let end = end_of(&differences(255));
        assert!(difference(255, "\u{10ffff}") < end);
        assert!(end <= differences(256));
    }

    #[test]
    fn record_keys_may_hold_slashes_and_trees_do_not_overlap() {
        let key = record("audit", "a/b");
        let rest = std::str::from_utf8(&key[RECORDS.len()..]).unwrap();
        assert_eq!(split_record(rest), Some(("audit", "a/b")));
        assert!(!record("audit_head", "x").starts_with(&records("audit")));
    }
}
