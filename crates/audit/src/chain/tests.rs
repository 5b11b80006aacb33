//! The chain over records made here.

use super::*;
use crate::Outcome;

fn chain(length: u64) -> (Vec<AuditRecord>, ChainHead) {
    let mut head = ChainHead::default();
    let mut records = Vec::new();
    for at in 0..length {
        let event = AuditEvent::new("peer.add").on(format!("peer/{at}"));
        let time = Timestamp::from_second(at as i64).unwrap();
        let record = next(&head, event, time);
        head = ChainHead {
            number: record.number,
            hash: record.hash,
        };
        records.push(record);
    }
    (records, head)
}

fn fault(records: &[AuditRecord], head: &ChainHead) -> (u64, Fault) {
    let broken = verify(&ChainHead::default(), records, head).unwrap_err();
    (broken.number, broken.fault)
}

#[test]
fn whole_chain_verifies_from_the_start_and_from_an_anchor() {
    let (records, head) = chain(5);
    assert_eq!(verify(&ChainHead::default(), &records, &head), Ok(5));
    let anchor = ChainHead {
        number: 2,
        hash: records[1].hash,
    };
    assert_eq!(verify(&anchor, &records[2..], &head), Ok(3));
}

#[test]
fn empty_log_verifies() {
    let none = ChainHead::default();
    assert_eq!(verify(&none, [], &none), Ok(0));
}

#[test]
fn every_altered_field_is_found() {
    let alter: [fn(&mut AuditRecord); 9] = [
        |r| r.time = Timestamp::MAX,
        |r| r.actor = Some("eve".parse().unwrap()),
        |r| r.role = Some(cell_model::account::Role::Owner),
        |r| r.address = Some([10, 0, 0, 1].into()),
        |r| r.action = "peer.remove".to_owned(),
        |r| r.object = None,
        |r| r.outcome = Outcome::Refused,
        |r| r.detail = "nothing to see".to_owned(),
        |r| r.previous_hash = Hash([7; 32]),
    ];
    for (at, alter) in alter.iter().enumerate() {
        let (mut records, head) = chain(3);
        alter(&mut records[1]);
        assert_eq!(fault(&records, &head), (2, Fault::Altered), "field {at}");
    }
}

#[test]
fn altered_record_with_a_new_hash_breaks_the_next_link() {
    let (mut records, head) = chain(3);
    records[1].detail = "nothing to see".to_owned();
    records[1].hash = hash(&records[1]);
    assert_eq!(fault(&records, &head), (3, Fault::Unlinked));
}

#[test]
fn last_record_rewritten_with_a_new_hash_does_not_match_the_head() {
    let (mut records, head) = chain(3);
    records[2].detail = "nothing to see".to_owned();
    records[2].hash = hash(&records[2]);
    assert_eq!(fault(&records, &head), (3, Fault::Altered));
}

#[test]
fn record_missing_anywhere_is_found() {
    for gone in 0..4 {
        let (mut records, head) = chain(4);
        records.remove(gone);
        assert_eq!(fault(&records, &head), (gone as u64 + 1, Fault::Missing));
    }
}

#[test]
fn record_behind_the_end_is_found() {
    let (records, _) = chain(4);
    let head = ChainHead {
        number: 3,
        hash: records[2].hash,
    };
    assert_eq!(fault(&records, &head), (4, Fault::Surplus));
}

#[test]
fn swapped_records_are_found() {
    let (mut records, head) = chain(4);
    records.swap(1, 2);
    assert_eq!(fault(&records, &head), (2, Fault::Missing));
}

#[test]
fn text_moved_from_one_field_to_the_next_changes_the_hash() {
    let at = |object: &str, detail: &str| {
        let event = AuditEvent::new("a").on(object).detail(detail);
        next(&ChainHead::default(), event, Timestamp::UNIX_EPOCH).hash
    };
    assert_ne!(at("ab", "c"), at("a", "bc"));
}

#[test]
fn documented_form_gives_this_hash() {
    let event = AuditEvent::new("setup.complete");
    let record = next(&ChainHead::default(), event, Timestamp::UNIX_EPOCH);
    let mut bytes = b"cell-audit-1\0".to_vec();
    bytes.extend([0; 32]);
    bytes.extend(1_u64.to_be_bytes());
    for field in [
        Some("1970-01-01T00:00:00Z"),
        None,
        None,
        None,
        Some("setup.complete"),
        None,
        Some("ok"),
        Some(""),
    ] {
        match field {
            Some(text) => {
                bytes.extend((text.len() as u32).to_be_bytes());
                bytes.extend(text.bytes());
            }
            None => bytes.extend([0xff; 4]),
        }
    }
    assert_eq!(record.hash, Hash(Sha256::digest(&bytes).into()));
}

#[test]
fn hash_survives_being_stored() {
    let (records, head) = chain(2);
    let stored = serde_json::to_string(&records).unwrap();
    let read: Vec<AuditRecord> = serde_json::from_str(&stored).unwrap();
    assert_eq!(verify(&ChainHead::default(), &read, &head), Ok(2));
    assert!(serde_json::from_str::<Hash>("\"00\"").is_err());
}
