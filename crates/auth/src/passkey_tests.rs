//! Passkeys against an authenticator in memory.

use cell_model::account::Role;
use cell_model::secret::Secret;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::*;
use crate::fake::FakeAuthenticator;

const BOX: &str = "admin.hut.cell";
const CHALLENGE: [u8; 32] = [7; 32];
const TODAY: Date = Date::constant(2026, 11, 27);
const USED: u8 = USER_PRESENT | USER_VERIFIED;

fn account() -> Account {
    let hash = crate::password::hash_password(&Secret::new("correct horse".to_owned()));
    let now = Timestamp::UNIX_EPOCH;
    Account::new("anna".parse().unwrap(), Role::Owner, hash.unwrap(), now)
}

fn authenticator() -> FakeAuthenticator {
    let handle = user_handle(&"anna".parse().unwrap(), Timestamp::UNIX_EPOCH);
    FakeAuthenticator::new(BOX, &handle)
}

fn register(registration: Registration) -> Result<Passkey, PasskeyError> {
    let label = "phone".parse().unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let made = Passkey::register(&account(), label, BOX, &CHALLENGE, registration, now);
    made.map(Result::unwrap)
}

fn used(passkey: &Passkey, assertion: &Assertion) -> Result<Passkey, PasskeyError> {
    passkey.used(BOX, &CHALLENGE, assertion, TODAY)
}

/// One that was made, and what made it.
fn made() -> (FakeAuthenticator, Passkey) {
    let authenticator = authenticator();
    let passkey = register(authenticator.make(&CHALLENGE)).unwrap();
    (authenticator, passkey)
}

#[test]
fn passkey_that_was_made_is_known_when_it_is_used() {
    let (mut authenticator, passkey) = made();
    assert!(passkey.is_of(&account()) && !passkey.backup_eligible);
    let stored = serde_json::to_string(&passkey).unwrap();
    let passkey: Passkey = serde_json::from_str(&stored).unwrap();
    let passkey = used(&passkey, &authenticator.answer(&CHALLENGE)).unwrap();
    assert_eq!(passkey.last_used, Some(TODAY));
    authenticator.sign_count = 4;
    let passkey = used(&passkey, &authenticator.answer(&CHALLENGE)).unwrap();
    for copied in [0, 3, 4] {
        authenticator.sign_count = copied;
        let refused = used(&passkey, &authenticator.answer(&CHALLENGE));
        assert_eq!(refused, Err(PasskeyError::Counter), "{copied}");
    }
}

#[test]
fn passkey_on_many_devices_counts_nothing() {
    let (authenticator, mut passkey) = made();
    for _ in 0..3 {
        let page = authenticator.client_data("webauthn.get", &CHALLENGE);
        let assertion = authenticator.sign(page, authenticator.say(USED, &[]));
        passkey = used(&passkey, &assertion).unwrap();
    }
}

#[test]
fn assertion_of_another_page_ceremony_challenge_or_person_is_refused() {
    let (mut authenticator, passkey) = made();
    for (origin, is_ours) in [
        ("https://admin.hut.cell", true),
        ("https://admin.hut.cell:8443", true),
        ("http://admin.hut.cell", false),
        ("https://admin.hut.cell.evil.example", false),
        ("https://admin.hut.cell:8443.evil.example", false),
        ("https://calendar.hut.cell", false),
        ("https://hut.cell", false),
        ("https://admin.hut.cell:", false),
        ("https://admin.hut.cell:99999", false),
        ("", false),
    ] {
        origin.clone_into(&mut authenticator.origin);
        let answered = used(&passkey, &authenticator.answer(&CHALLENGE));
        let expected = (!is_ours).then_some(PasskeyError::Origin);
        assert_eq!(answered.err(), expected, "{origin}");
    }
    authenticator.origin = format!("https://{BOX}");
    for (ceremony, challenge) in [
        ("webauthn.create", CHALLENGE),
        ("webauthn.get", [8; 32]),
        ("", CHALLENGE),
    ] {
        let page = authenticator.client_data(ceremony, &challenge);
        let assertion = authenticator.sign(page, authenticator.say(USED, &[]));
        assert_eq!(used(&passkey, &assertion), Err(PasskeyError::Origin));
    }
    let page = authenticator.client_data("webauthn.get", &CHALLENGE);
    let page = String::from_utf8(page).unwrap();
    for framed in [
        r#""crossOrigin":true"#,
        r#""topOrigin":"https://evil.example""#,
    ] {
        let framed = page.replace(r#""crossOrigin":false"#, framed).into_bytes();
        let assertion = authenticator.sign(framed, authenticator.say(USED, &[]));
        assert_eq!(used(&passkey, &assertion), Err(PasskeyError::Origin));
    }
    authenticator.user_handle = user_handle(&"ben".parse().unwrap(), Timestamp::UNIX_EPOCH);
    let strange = authenticator.answer(&CHALLENGE);
    assert_eq!(used(&passkey, &strange), Err(PasskeyError::UserHandle));
}

#[test]
fn assertion_that_is_altered_or_lacks_something_is_refused() {
    let (mut authenticator, passkey) = made();
    authenticator.sign_count = 1;
    let with = |said: Vec<u8>| {
        let page = authenticator.client_data("webauthn.get", &CHALLENGE);
        used(&passkey, &authenticator.sign(page, said))
    };
    let say = |flags, rest: &[u8]| authenticator.say(flags, rest);
    for (said, error) in [
        (say(USER_PRESENT, &[]), PasskeyError::NotVerified),
        (say(USER_VERIFIED, &[]), PasskeyError::NotVerified),
        (say(USED, &[0]), PasskeyError::Malformed),
        (say(USED | ATTESTED, &[]), PasskeyError::Malformed),
        (say(USED | BACKED_UP, &[]), PasskeyError::Malformed),
        (say(USED | BACKUP_ELIGIBLE, &[]), PasskeyError::Malformed),
        (vec![], PasskeyError::Malformed),
        (vec![0; 5000], PasskeyError::Malformed),
        (vec![0; FIXED], PasskeyError::RelyingParty),
    ] {
        assert_eq!(with(said), Err(error));
    }
    assert!(with(say(USED | EXTENDED, &[0xa0])).is_ok());
    let mut altered = authenticator.answer(&CHALLENGE);
    authenticator.sign_count += 1;
    altered.authenticator_data = authenticator.say(USED, &[]);
    assert_eq!(used(&passkey, &altered), Err(PasskeyError::Signature));
    let strange = self::authenticator().answer(&CHALLENGE);
    assert_eq!(used(&passkey, &strange), Err(PasskeyError::Signature));
}

#[test]
fn registration_names_the_credential_it_is_about() {
    let authenticator = authenticator();
    let right = authenticator.make(&CHALLENGE);
    for wrong in [
        Registration {
            credential_id: vec![4; 20],
            ..right.clone()
        },
        Registration {
            credential_id: vec![],
            ..right.clone()
        },
        Registration {
            authenticator_data: authenticator.say(USED | ATTESTED, &[0; 17]),
            ..right.clone()
        },
        Registration {
            authenticator_data: authenticator.say(USED, &[]),
            ..right.clone()
        },
        Registration {
            client_data: b"{}".to_vec(),
            ..right.clone()
        },
    ] {
        assert_eq!(register(wrong), Err(PasskeyError::Malformed));
    }
    let used = Registration {
        client_data: authenticator.client_data("webauthn.get", &CHALLENGE),
        ..right
    };
    assert_eq!(register(used), Err(PasskeyError::Origin));
}

#[test]
fn registration_is_for_this_box_page_and_challenge_and_by_somebody_who_was_there() {
    let made = |change: fn(&mut FakeAuthenticator)| {
        let mut authenticator = authenticator();
        change(&mut authenticator);
        register(authenticator.make(&CHALLENGE)).map(drop)
    };
    assert_eq!(made(|_| {}), Ok(()));
    let elsewhere = made(|it| it.origin = "https://evil.example".to_owned());
    assert_eq!(elsewhere, Err(PasskeyError::Origin));
    for (flags, error) in [
        (USER_PRESENT, PasskeyError::NotVerified),
        (USER_VERIFIED, PasskeyError::NotVerified),
        (USED | BACKED_UP, PasskeyError::Malformed),
    ] {
        let mut authenticator = authenticator();
        authenticator.flags = flags;
        assert_eq!(register(authenticator.make(&CHALLENGE)), Err(error));
    }
    let other = register(authenticator().make(&[8; 32]));
    assert_eq!(other, Err(PasskeyError::Origin));
    let other = FakeAuthenticator::new("admin.barn.cell", &[]);
    let other = Registration {
        client_data: authenticator().client_data("webauthn.create", &CHALLENGE),
        ..other.make(&CHALLENGE)
    };
    assert_eq!(register(other), Err(PasskeyError::RelyingParty));
}

#[test]
fn key_on_edwards_curve_signs_too() {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let authenticator = authenticator();
    let passkey = register(Registration {
        public_key: ed25519_info(key.public_key().as_ref()),
        ..authenticator.make(&CHALLENGE)
    });
    let passkey = passkey.unwrap();
    let page = authenticator.client_data("webauthn.get", &CHALLENGE);
    let mut assertion = authenticator.sign(page, authenticator.say(USED, &[]));
    assert_eq!(used(&passkey, &assertion), Err(PasskeyError::Signature));
    let digest = Sha256::digest(&assertion.client_data);
    let signed = [assertion.authenticator_data.as_slice(), digest.as_slice()].concat();
    assertion.signature = key.sign(&signed).as_ref().to_vec();
    assert!(used(&passkey, &assertion).is_ok());
}

/// Made with `openssl genrsa 2048`, and signed with `openssl dgst -sha256 -sign`.
#[test]
fn key_of_older_versions_of_windows_signs_too() {
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.trim().as_bytes()).unwrap();
    let [key, signature] = [
        include_str!("testdata/rsa-key.txt"),
        include_str!("testdata/rsa-signature.txt"),
    ]
    .map(decode);
    let authenticator = authenticator();
    let passkey = register(Registration {
        public_key: key,
        ..authenticator.make(&CHALLENGE)
    });
    let passkey = passkey.unwrap();
    assert_eq!(passkey.algorithm, PasskeyAlgorithm::Rs256);
    let page = authenticator.client_data("webauthn.get", &CHALLENGE);
    let mut assertion = authenticator.sign(page, authenticator.say(USED, &[]));
    assertion.signature = signature;
    assert!(used(&passkey, &assertion).is_ok());
    assertion.signature[0] ^= 1;
    assert_eq!(used(&passkey, &assertion), Err(PasskeyError::Signature));
}

/// `SubjectPublicKeyInfo` of a key on Ed25519 (RFC 8410).
fn ed25519_info(key: &[u8]) -> Vec<u8> {
    let head = b"302a300506032b6570032100";
    let head = data_encoding::HEXLOWER.decode(head).unwrap();
    [head.as_slice(), key].concat()
}

#[test]
fn keys_of_known_kinds_are_taken_and_others_are_not() {
    let authenticator = authenticator();
    let with = |public_key: Vec<u8>| {
        register(Registration {
            public_key,
            ..authenticator.make(&CHALLENGE)
        })
    };
    let right = authenticator.public_key();
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let info = ed25519_info(key.public_key().as_ref());
    assert_eq!(with(info).unwrap().algorithm, PasskeyAlgorithm::EdDsa);
    let mut compressed = right.clone();
    compressed[26] = 2;
    let trailing = [right, vec![0]].concat();
    for wrong in [vec![], vec![0x30, 0], compressed, trailing, vec![0; 2000]] {
        assert_eq!(with(wrong), Err(PasskeyError::Key));
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_it_panic(
        id in proptest::collection::vec(any::<u8>(), 0..64),
        json in proptest::collection::vec(any::<u8>(), 0..128),
        data in proptest::collection::vec(any::<u8>(), 0..200),
        key in proptest::collection::vec(any::<u8>(), 0..128),
        with_name in any::<bool>(),
    ) {
        let data = if with_name { [Sha256::digest(BOX).as_slice(), &data].concat() } else { data };
        let registration = Registration {
            credential_id: id,
            client_data: authenticator().client_data("webauthn.create", &CHALLENGE),
            authenticator_data: data,
            public_key: key,
        };
        prop_assert!(register(registration.clone()).is_err());
        let other = Registration { client_data: json.clone(), ..registration };
        prop_assert!(register(other).is_err());
        let _ = challenge_of(&json);
    }
}
