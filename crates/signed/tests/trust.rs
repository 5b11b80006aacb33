//! What is trusted, and what is not.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use cell_signed::{
    Envelope, KeyList, PayloadType, PublicKey, Purpose, SignedError, SigningKey, check_fresh,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const TYPE: PayloadType = PayloadType("application/vnd.example+json");

fn keys(count: usize) -> Vec<SigningKey> {
    let key = || SigningKey::from_pkcs8(SigningKey::generate().unwrap().expose()).unwrap();
    std::iter::repeat_with(key).take(count).collect()
}

fn list(version: u64, keys: &[SigningKey]) -> KeyList {
    KeyList {
        version,
        purpose: Purpose::Release,
        threshold: 2,
        keys: keys.iter().map(SigningKey::public).collect(),
    }
}

fn document(keys: &[SigningKey]) -> Envelope {
    Envelope::seal(TYPE, br#"{"a":1}"#.to_vec(), keys)
}

fn opened(list: &KeyList, envelope: &Envelope) -> Result<Value, SignedError> {
    list.open(TYPE, envelope)
}

#[test]
fn two_of_three_keys_are_enough_and_one_is_not() {
    let keys = keys(3);
    let list = list(1, &keys);
    for pair in [&keys[..2], &keys[1..], &keys[..]] {
        assert_eq!(opened(&list, &document(pair)).unwrap(), json!({"a": 1}));
    }
    for few in [&keys[..0], &keys[..1]] {
        let error = opened(&list, &document(few)).unwrap_err();
        assert!(matches!(error, SignedError::Signatures { valid, .. } if valid == few.len()));
    }
}

#[test]
fn one_key_counts_once_however_often_it_signs() {
    let keys = keys(3);
    let envelope = serde_json::to_value(document(&keys[..1])).unwrap();
    let mut twice = envelope.clone();
    let signature = envelope["signatures"][0].clone();
    twice["signatures"] = json!([signature, signature]);
    let twice = serde_json::from_value(twice).unwrap();
    assert!(opened(&list(1, &keys), &twice).is_err());

    let mut again = document(&keys[..1]);
    again.add_signature(&keys[0]);
    assert_eq!(again.signatures().len(), 1);
}

#[test]
fn strangers_keys_and_other_types_do_not_count() {
    let (own, strangers) = (keys(3), keys(3));
    let list = list(1, &own);
    assert!(opened(&list, &document(&strangers)).is_err());
    let other = Envelope::seal(PayloadType("application/other"), b"{}".to_vec(), &own);
    assert!(matches!(
        opened(&list, &other),
        Err(SignedError::Type { .. })
    ));
    // A signature under another key's name.
    let mut value = serde_json::to_value(document(&strangers)).unwrap();
    for (number, key) in own.iter().enumerate() {
        value["signatures"][number]["keyid"] = json!(key.public().id());
    }
    assert!(opened(&list, &serde_json::from_value(value).unwrap()).is_err());
}

#[test]
fn what_nobody_vouches_for_is_hardly_repeated() {
    let keys = keys(3);
    let hostile = "\u{1b}[2J".repeat(100_000);
    let mut typed = serde_json::to_value(document(&keys)).unwrap();
    typed["payloadType"] = json!(hostile);
    let payload = json!({ (hostile.as_str()): 1 }).to_string();
    let unreadable = Envelope::seal(KeyList::TYPE, payload.into_bytes(), &keys);
    let errors = [
        opened(&list(1, &keys), &serde_json::from_value(typed).unwrap()).unwrap_err(),
        KeyList::anchor(&unreadable).unwrap_err(),
        hostile.parse::<PublicKey>().unwrap_err(),
    ];
    for error in errors {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let said = format!("{error} {}", source.unwrap_or_default());
        assert!(said.len() < 1_000, "{}", said.len());
        assert!(!said.contains(char::is_control), "{said:?}");
    }
}

#[test]
fn lists_that_one_key_could_decide_are_refused() {
    let keys = keys(3);
    let good = list(1, &keys);
    for threshold in [0, 1, 4] {
        let wrong = KeyList {
            threshold,
            ..good.clone()
        };
        assert!(matches!(
            opened(&wrong, &document(&keys)),
            Err(SignedError::Threshold { .. })
        ));
        assert!(wrong.seal(&keys).is_err());
    }
    let same_twice = KeyList {
        keys: vec![keys[0].public(), keys[0].public()],
        ..good
    };
    assert!(opened(&same_twice, &document(&keys)).is_err());
}

#[test]
fn keys_are_replaced_by_those_who_held_the_old_ones() {
    let (first, second, third) = (keys(3), keys(3), keys(3));
    let trusted = list(1, &first);
    let chain = [
        trusted.seal(&first).unwrap(),
        list(2, &second).seal(&first[1..]).unwrap(),
        list(3, &third).seal(&second[..2]).unwrap(),
    ];
    assert_eq!(trusted.follow(&chain).unwrap(), list(3, &third));
    assert_eq!(trusted.follow(&chain[..2]).unwrap(), list(2, &second));
    // Who has gone further already stays there.
    let newest = list(3, &third);
    assert_eq!(newest.follow(&chain).unwrap(), newest);
    assert!(opened(&newest, &document(&first)).is_err());
}

#[test]
fn list_that_nobody_old_has_signed_or_that_leaves_one_out_is_refused() {
    let (first, second, third) = (keys(3), keys(3), keys(3));
    let trusted = list(1, &first);
    let stolen = [list(2, &second).seal(&first[..1]).unwrap()];
    assert!(matches!(
        trusted.follow(&stolen),
        Err(SignedError::Signatures { valid: 1, .. })
    ));
    let own = [list(2, &second).seal(&second).unwrap()];
    assert!(trusted.follow(&own).is_err());
    let gap = [list(3, &third).seal(&first).unwrap()];
    assert!(matches!(
        trusted.follow(&gap),
        Err(SignedError::ListVersion {
            trusted: 1,
            found: 3
        })
    ));
    let development = KeyList {
        purpose: Purpose::Development,
        ..list(2, &second)
    };
    let development = [development.seal(&first).unwrap()];
    assert!(matches!(
        trusted.follow(&development),
        Err(SignedError::Purpose { .. })
    ));
}

#[test]
fn anchor_is_a_list_that_its_own_keys_have_signed() {
    let keys = keys(3);
    let list = list(1, &keys);
    assert_eq!(
        KeyList::anchor(&list.seal(&keys[..2]).unwrap()).unwrap(),
        list
    );
    assert!(KeyList::anchor(&list.seal(&keys[..1]).unwrap()).is_err());
    assert!(KeyList::anchor(&document(&keys)).is_err());
}

#[test]
fn keys_are_written_as_they_are_read() {
    let public = keys(1)[0].public();
    assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
    for wrong in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
        assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
    }
    assert!(SigningKey::from_pkcs8(b"no key").is_err());
}

#[test]
fn what_expired_is_refused_from_that_moment_on() {
    let at = |text: &str| text.parse::<cell_model::Timestamp>().unwrap();
    let expires = at("2026-01-01T00:00:00Z");
    assert!(check_fresh(expires, at("2025-12-31T23:59:59Z")).is_ok());
    assert!(check_fresh(expires, expires).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_change_of_any_byte_is_taken_for_the_document(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let keys = keys(2);
        let list = list(1, &keys);
        let mut text = serde_json::to_vec(&document(&keys)).unwrap();
        let at = at.index(text.len());
        text[at] ^= flip;
        if let Ok(changed) = serde_json::from_slice::<Envelope>(&text) {
            prop_assert!(opened(&list, &changed).is_err());
        }
    }
}
