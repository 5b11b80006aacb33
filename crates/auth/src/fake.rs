//! An authenticator in memory, for tests of whatever talks to one.

use std::fmt::Write;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use sha2::{Digest, Sha256};

use crate::passkey::{Assertion, Registration};
use crate::random;

/// The flags of one that has made sure who was there.
const VERIFIED: u8 = 0b101;
/// And has a new key in what it says.
const ATTESTED: u8 = 1 << 6;

/// One key of one account, used on one page.
#[derive(Debug)]
pub struct FakeAuthenticator {
    key: EcdsaKeyPair,
    credential_id: [u8; 20],
    relying_party: String,
    /// The page that it believes to be on.
    pub origin: String,
    /// What it knows the account by.
    pub user_handle: Vec<u8>,
    /// What it says of whoever is there (W3C Web Authentication, section 6.1).
    pub flags: u8,
    /// How often it was used.
    pub sign_count: u32,
}

impl FakeAuthenticator {
    /// One with a fresh key.
    ///
    /// # Panics
    /// When the system has no random numbers.
    pub fn new(relying_party: &str, user_handle: &[u8]) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .ok()
            .and_then(|key| EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).ok());
        Self {
            key: key.expect("a key can be made"),
            credential_id: random::bytes().expect("an id can be made"),
            relying_party: relying_party.to_owned(),
            origin: format!("https://{relying_party}:8443"),
            user_handle: user_handle.to_vec(),
            flags: VERIFIED,
            sign_count: 0,
        }
    }

    /// What the browser answers when the key is made.
    pub fn make(&self, challenge: &[u8]) -> Registration {
        let length = [0, 20];
        let about = [&[0; 16][..], &length, &self.credential_id, b"its key"].concat();
        Registration {
            credential_id: self.credential_id.to_vec(),
            client_data: self.client_data("webauthn.create", challenge),
            authenticator_data: self.say(self.flags | ATTESTED, &about),
            public_key: self.public_key(),
        }
    }

    /// What the browser answers when it is used.
    pub fn answer(&mut self, challenge: &[u8]) -> Assertion {
        self.sign_count += 1;
        let client_data = self.client_data("webauthn.get", challenge);
        self.sign(client_data, self.say(self.flags, &[]))
    }

    /// An answer with these parts, whatever they say.
    ///
    /// # Panics
    /// When the system has no random numbers.
    pub fn sign(&self, client_data: Vec<u8>, authenticator_data: Vec<u8>) -> Assertion {
        let digest = Sha256::digest(&client_data);
        let signed = [authenticator_data.as_slice(), digest.as_slice()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed);
        let signature = signature.expect("it can sign");
        Assertion {
            credential_id: self.credential_id.to_vec(),
            client_data,
            authenticator_data,
            signature: signature.as_ref().to_vec(),
            user_handle: self.user_handle.clone(),
        }
    }

    /// What the browser has collected.
    pub fn client_data(&self, ceremony: &str, challenge: &[u8]) -> Vec<u8> {
        let challenge = BASE64URL_NOPAD.encode(challenge);
        let origin = &self.origin;
        let mut json =
            format!(r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"{origin}","#);
        let _ = write!(
            json,
            r#""crossOrigin":false,"other_keys_can_be_added_here":"x"}}"#
        );
        json.into_bytes()
    }

    /// What the authenticator says.
    pub fn say(&self, flags: u8, rest: &[u8]) -> Vec<u8> {
        let name = Sha256::digest(&self.relying_party);
        let count = self.sign_count.to_be_bytes();
        [name.as_slice(), &[flags], &count, rest].concat()
    }

    /// `SubjectPublicKeyInfo` of its key, a point on P-256 (RFC 5480).
    pub fn public_key(&self) -> Vec<u8> {
        let head = b"3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let head = HEXLOWER.decode(head).unwrap_or_default();
        [head.as_slice(), self.key.public_key().as_ref()].concat()
    }
}
