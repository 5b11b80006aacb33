//! Passkeys: keys that a phone, a computer or a stick keeps, and uses once its owner has shown themselves to it (W3C Web
//! Authentication, Level 3).
//!
//! Promises: what a browser sends is believed only as far as a signature of the key, over a challenge of ours and the name
//! of the box, goes; bad input is an error, never a panic.
//! Left out on purpose: attestation. Whose make an authenticator is of is nobody's concern here, and with attestation
//! `none`, which is asked for, nothing vouches for the key but the session it was added in (section 7.1, step 21).

use cell_model::base64url::Base64Url;
use cell_model::name::{DeviceLabel, Username};
use cell_model::{Date, Timestamp};
use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::account::Account;
use crate::random::RandomError;
use crate::record_id::RecordId;

/// Bytes of a credential's id at most (section 5.8.3).
const MAX_CREDENTIAL_ID: usize = 1023;
/// Bytes of a key at most: RSA with 8,192 bits and what is around it.
const MAX_KEY: usize = 1100;
/// Bytes of what the browser has collected at most: challenge, origin and what browsers may add.
const MAX_CLIENT_DATA: usize = 4096;
/// Bytes of what the authenticator says at most, with extensions that nobody asked for.
const MAX_AUTHENTICATOR_DATA: usize = 4096;

/// The person was there (section 6.1).
const USER_PRESENT: u8 = 1 << 0;
/// The authenticator has made sure who it was: finger, face, PIN.
const USER_VERIFIED: u8 = 1 << 2;
/// The key may be copied to other devices.
const BACKUP_ELIGIBLE: u8 = 1 << 3;
/// It has been.
const BACKED_UP: u8 = 1 << 4;
/// A new key is part of it.
const ATTESTED: u8 = 1 << 6;
/// Extensions are.
const EXTENDED: u8 = 1 << 7;
/// SHA-256 of the name, the flags, the counter.
const FIXED: usize = 32 + 1 + 4;
/// Before the id of a new credential: the make of the authenticator, and how long the id is.
const BEFORE_ID: usize = 16 + 2;

/// How a key signs, by its number in COSE (RFC 9053).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyAlgorithm {
    /// ECDSA with P-256 and SHA-256: what nearly all do.
    Es256,
    /// `EdDSA` with Ed25519.
    EdDsa,
    /// RSA with PKCS #1 1.5 and SHA-256: older ones of Windows.
    Rs256,
}

/// A passkey, as stored. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// Its name in lists.
    pub id: RecordId,
    /// Whose it is.
    pub username: Username,
    /// When that account was made: one of the same name that was made later has none.
    pub account_created_at: Timestamp,
    /// What its owner calls it.
    pub label: DeviceLabel,
    /// The name of the box that it is for; it is good for no other.
    pub relying_party: String,
    /// What the authenticator knows it by.
    pub credential_id: Base64Url,
    /// How it signs.
    algorithm: PasskeyAlgorithm,
    /// The key as the algorithm takes it: the point, or RSA's numbers (RFC 8017, A.1.1).
    key: Base64Url,
    /// Rises with each use; 0 for those that are on many devices.
    sign_count: u32,
    /// Whether it may be on many devices.
    pub backup_eligible: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// The day (UTC) of its last use.
    #[serde(default)]
    pub last_used: Option<Date>,
}

/// What a browser answers when a passkey was made.
#[derive(Debug, Clone)]
pub struct Registration {
    /// What the authenticator knows it by.
    pub credential_id: Vec<u8>,
    /// What the browser has collected: JSON.
    pub client_data: Vec<u8>,
    /// What the authenticator says.
    pub authenticator_data: Vec<u8>,
    /// The key (RFC 5280, `SubjectPublicKeyInfo`).
    pub public_key: Vec<u8>,
}

/// What a browser answers when a passkey was used.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// What the authenticator knows it by.
    pub credential_id: Vec<u8>,
    /// What the browser has collected: JSON.
    pub client_data: Vec<u8>,
    /// What the authenticator says.
    pub authenticator_data: Vec<u8>,
    /// Over both.
    pub signature: Vec<u8>,
    /// Whose the authenticator says it is.
    pub user_handle: Vec<u8>,
}

/// Why a passkey is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// What was sent is too long, or not what a browser sends.
    #[error("what the browser sent cannot be read")]
    Malformed,
    /// It is for another ceremony, challenge or page.
    #[error("it was not made for this page of the box")]
    Origin,
    /// It is for another box.
    #[error("it is for a box of another name")]
    RelyingParty,
    /// The authenticator did not make sure who was there.
    #[error("the device did not make sure who was there")]
    NotVerified,
    /// The key is of a kind that was not asked for.
    #[error("its key is of a kind that the box does not know")]
    Key,
    /// The signature is none of this key's.
    #[error("its signature is wrong")]
    Signature,
    /// It is somebody else's.
    #[error("it belongs to another account")]
    UserHandle,
    /// It was used elsewhere meanwhile: somebody has a copy.
    #[error("its counter went back, as that of a copy does")]
    Counter,
}

/// What the browser has collected. Browsers may add more (section 5.8.1).
#[derive(Debug, Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

/// What the authenticator says, as far as it is the same each time.
struct AuthenticatorData<'a> {
    flags: u8,
    sign_count: u32,
    rest: &'a [u8],
}

impl Passkey {
    /// Passkeys of one account: more than anybody carries.
    pub const MAX_PER_ACCOUNT: usize = 16;

    /// Every algorithm that is asked for, by its number in COSE, the most wanted first.
    pub const ALGORITHMS: [i32; 3] = [-7, -8, -257];

    /// One that was just made, for this challenge, on a page of `relying_party` (section 7.1).
    ///
    /// # Errors
    /// [`PasskeyError`]
    pub fn register(
        account: &Account,
        label: DeviceLabel,
        relying_party: &str,
        challenge: &[u8],
        registration: Registration,
        now: Timestamp,
    ) -> Result<Result<Self, RandomError>, PasskeyError> {
        check_client_data(
            &registration.client_data,
            "webauthn.create",
            challenge,
            relying_party,
        )?;
        let said = &registration.authenticator_data;
        let data = AuthenticatorData::read(said, relying_party)?;
        let id = &registration.credential_id;
        if id.is_empty() || id.len() > MAX_CREDENTIAL_ID {
            return Err(PasskeyError::Malformed);
        }
        if data.flags & ATTESTED == 0 || data.new_id() != Some(id.as_slice()) {
            return Err(PasskeyError::Malformed);
        }
        let (algorithm, key) = read_key(&registration.public_key)?;
        let made = RecordId::generate().map(|record_id| Self {
            id: record_id,
            username: account.username.clone(),
            account_created_at: account.created_at,
            label,
            relying_party: relying_party.to_owned(),
            credential_id: registration.credential_id.clone().into(),
            algorithm,
            key: key.into(),
            sign_count: data.sign_count,
            backup_eligible: data.flags & BACKUP_ELIGIBLE != 0,
            created_at: now,
            last_used: None,
        });
        Ok(made)
    }

    /// The passkey as it is once it was used for this challenge, on a page of `relying_party` (section 7.2).
    ///
    /// # Errors
    /// [`PasskeyError`]
    pub fn used(
        &self,
        relying_party: &str,
        challenge: &[u8],
        assertion: &Assertion,
        today: Date,
    ) -> Result<Self, PasskeyError> {
        check_client_data(
            &assertion.client_data,
            "webauthn.get",
            challenge,
            relying_party,
        )?;
        let said = &assertion.authenticator_data;
        let data = AuthenticatorData::read(said, relying_party)?;
        let exact = data.rest.is_empty() || data.flags & EXTENDED != 0;
        if !exact || data.flags & ATTESTED != 0 {
            return Err(PasskeyError::Malformed);
        }
        if assertion.user_handle != user_handle(&self.username, self.account_created_at) {
            return Err(PasskeyError::UserHandle);
        }
        if self.backup_eligible != (data.flags & BACKUP_ELIGIBLE != 0) {
            return Err(PasskeyError::Malformed);
        }
        let signed = [
            said.as_slice(),
            Sha256::digest(&assertion.client_data).as_slice(),
        ]
        .concat();
        let key = UnparsedPublicKey::new(self.algorithm.verification(), self.key.bytes());
        key.verify(&signed, &assertion.signature)
            .map_err(|_| PasskeyError::Signature)?;
        let counts = data.sign_count != 0 || self.sign_count != 0;
        if counts && data.sign_count <= self.sign_count {
            return Err(PasskeyError::Counter);
        }
        Ok(Self {
            sign_count: data.sign_count,
            last_used: self.last_used.max(Some(today)),
            ..self.clone()
        })
    }

    /// Whether it is of this account, and not of one that had the name before.
    pub fn is_of(&self, account: &Account) -> bool {
        self.account_created_at == account.created_at && self.username == account.username
    }
}

/// What authenticators know an account by: the same for all passkeys of it, and nothing that says who it is.
pub fn user_handle(username: &Username, account_created_at: Timestamp) -> Vec<u8> {
    let text = format!("passkeys of {username} since {account_created_at}");
    Sha256::digest(text).to_vec()
}

impl PasskeyAlgorithm {
    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_ASN1,
            Self::EdDsa => &ED25519,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

impl<'a> AuthenticatorData<'a> {
    fn read(bytes: &'a [u8], relying_party: &str) -> Result<Self, PasskeyError> {
        if bytes.len() > MAX_AUTHENTICATOR_DATA {
            return Err(PasskeyError::Malformed);
        }
        let (fixed, rest) = bytes
            .split_at_checked(FIXED)
            .ok_or(PasskeyError::Malformed)?;
        let (name, flags, count) = (&fixed[..32], fixed[32], &fixed[33..]);
        if !bool::from(name.ct_eq(&Sha256::digest(relying_party))) {
            return Err(PasskeyError::RelyingParty);
        }
        if flags & USER_PRESENT == 0 || flags & USER_VERIFIED == 0 {
            return Err(PasskeyError::NotVerified);
        }
        if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
            return Err(PasskeyError::Malformed);
        }
        let count = count.try_into().map_err(|_| PasskeyError::Malformed)?;
        Ok(Self {
            flags,
            sign_count: u32::from_be_bytes(count),
            rest,
        })
    }

    /// The id of the credential that was just made.
    fn new_id(&self) -> Option<&'a [u8]> {
        let length = self.rest.get(16..BEFORE_ID)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        self.rest.get(BEFORE_ID..BEFORE_ID + length)
    }
}

/// The ceremony, the challenge and the page are those that were meant.
fn check_client_data(
    json: &[u8],
    ceremony: &str,
    challenge: &[u8],
    relying_party: &str,
) -> Result<(), PasskeyError> {
    if json.len() > MAX_CLIENT_DATA {
        return Err(PasskeyError::Malformed);
    }
    let data: ClientData = serde_json::from_slice(json).map_err(|_| PasskeyError::Malformed)?;
    let sent = BASE64URL_NOPAD.decode(data.challenge.as_bytes());
    let sent = sent.map_err(|_| PasskeyError::Malformed)?;
    let is_meant = data.ceremony == ceremony
        && bool::from(sent.ct_eq(challenge))
        && is_page_of(&data.origin, relying_party)
        && !data.cross_origin
        && data.top_origin.is_none();
    match is_meant {
        true => Ok(()),
        false => Err(PasskeyError::Origin),
    }
}

/// The challenge that a browser has answered, whatever else it says: what a pending one is found by.
pub fn challenge_of(client_data: &[u8]) -> Option<Vec<u8>> {
    let fits = client_data.len() <= MAX_CLIENT_DATA;
    let data = fits.then(|| serde_json::from_slice::<ClientData>(client_data));
    let challenge = data?.ok()?.challenge;
    BASE64URL_NOPAD.decode(challenge.as_bytes()).ok()
}

/// Whether an origin is the box itself, at whatever port its pages are.
fn is_page_of(origin: &str, relying_party: &str) -> bool {
    let host = origin.strip_prefix("https://");
    let rest = host.and_then(|host| host.strip_prefix(relying_party));
    rest.is_some_and(|rest| {
        let port = rest.strip_prefix(':');
        rest.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok())
    })
}

/// The kind of a key, and the key as its algorithm takes it.
fn read_key(der: &[u8]) -> Result<(PasskeyAlgorithm, Vec<u8>), PasskeyError> {
    if der.len() > MAX_KEY {
        return Err(PasskeyError::Key);
    }
    let (rest, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| PasskeyError::Key)?;
    let key = info.subject_public_key.data.to_vec();
    let parameters = info.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
    let curve = curve.map(|curve| curve.to_id_string());
    let algorithm = match (info.algorithm.algorithm.to_id_string().as_str(), curve) {
        // An uncompressed point (SEC 1, section 2.3.3).
        ("1.2.840.10045.2.1", Some(curve))
            if curve == "1.2.840.10045.3.1.7" && key.len() == 65 && key[0] == 4 =>
        {
            PasskeyAlgorithm::Es256
        }
        ("1.3.101.112", None) if key.len() == 32 => PasskeyAlgorithm::EdDsa,
        // Its parameters are NULL (RFC 3279, section 2.3.1).
        ("1.2.840.113549.1.1.1", _) if key.len() > 256 => PasskeyAlgorithm::Rs256,
        _ => return Err(PasskeyError::Key),
    };
    match rest.is_empty() {
        true => Ok((algorithm, key)),
        false => Err(PasskeyError::Key),
    }
}

#[cfg(test)]
#[path = "passkey_tests.rs"]
mod tests;
