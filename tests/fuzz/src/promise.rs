//! What more than one target holds its parser to.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt::Debug;

use cell_signed::KeyList;
use cell_updates::bundle::{LONGEST_CHUNK, Manifest, Place};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Characters of all that is said of an input that is refused: it is logged, kept and shown.
const LONGEST_WORDS: usize = 2_000;

/// What is said of a refused input neither grows with it nor hands its control characters on to a terminal.
pub(crate) fn said_briefly(error: &dyn Error) {
    let mut length = 0;
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        let is_plain = !words.contains(char::is_control);
        assert!(is_plain, "control characters are repeated: {words:?}");
        length += words.len();
        next = error.source();
    }
    assert!(length <= LONGEST_WORDS, "{length} bytes are said of it");
}

/// What was read is read again when it was written.
pub(crate) fn same_when_written<T>(value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let text = serde_json::to_vec(value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(again, *value);
}

/// A plan leaves no byte of a partition to chance, and none of the bundle: every use lies within the content and its
/// partition, the uses follow each other without a gap, and each chunk has a place of its own in the bundle.
pub(crate) fn plan_fills_everything(manifest: &Manifest) {
    let mut sources = HashMap::new();
    let mut end = HashMap::from(Place::ALL.map(|place| (place, 0_u64)));
    for planned in manifest.plan() {
        let length = planned.chunk.length() as u64;
        assert!((1..=LONGEST_CHUNK as u64).contains(&length));
        let end = end.entry(planned.place).or_default();
        assert_eq!(planned.at, *end, "a gap, or an overlap");
        *end += length;
        let source = *sources.entry(planned.chunk).or_insert(planned.source);
        assert_eq!(planned.source, source, "a chunk in two places");
    }
    for (place, end) in end {
        assert_eq!(end, manifest.content(place).size);
        assert!(end <= place.room(), "beyond the partition");
    }
    let mut sources: Vec<_> = sources
        .into_iter()
        .map(|(chunk, source)| (source, chunk.length() as u64))
        .collect();
    sources.sort_unstable();
    let end = sources.into_iter().fold(0, |end, (source, length)| {
        assert_eq!(source, end, "chunks of the bundle overlap, or leave a gap");
        end + length
    });
    assert_eq!(end, manifest.chunk_bytes());
}

/// No single key decides, and no key counts twice.
pub(crate) fn is_key_list(list: &KeyList) {
    let different: BTreeSet<_> = list.keys.iter().collect();
    assert_eq!(different.len(), list.keys.len());
    assert!((2..=different.len()).contains(&list.threshold));
}
