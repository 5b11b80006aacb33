//! Documents that a cell has signed, and proofs that their sender knows an invite's secret.

use cell_model::base64url::Base64Url;
use cell_model::secret::Secret;
use cell_model::signer::SignerKey;
use cell_signed::{Envelope, PayloadType, PublicKey, SigningKey};
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::CellError;

/// What only the two who have an invite know.
pub(crate) type InviteSecret = Secret<[u8; 32]>;

/// A document of a cell. What is in it counts once its signature was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    /// Whose it is.
    cell: PublicKey,
    document: Envelope,
}

impl Signed {
    pub(crate) fn seal<T: Serialize>(
        kind: PayloadType,
        content: &T,
        key: &SigningKey,
    ) -> Result<Self, CellError> {
        let payload = serde_json::to_vec(content)?;
        Ok(Self {
            cell: key.public(),
            document: Envelope::seal(kind, payload, std::slice::from_ref(key)),
        })
    }

    /// What it says, and whose word that is.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        kind: PayloadType,
    ) -> Result<(PublicKey, T), CellError> {
        let payload = self.document.open_by(&self.cell, kind);
        let payload = payload.map_err(CellError::Signature)?;
        Ok((self.cell, serde_json::from_slice(payload)?))
    }

    /// Its bytes, for what depends on them.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.document.payload()).into()
    }
}

/// That whoever sends a message knows the secret: HMAC-SHA-256 (RFC 2104) over what kind of message it is and what the message
/// depends on.
pub(crate) fn proof(secret: &InviteSecret, kind: PayloadType, parts: &[&[u8; 32]]) -> Base64Url {
    let tag = hmac::sign(&key(secret), &text(kind, parts));
    Base64Url::from(tag.as_ref().to_vec())
}

/// Whether that is so.
pub(crate) fn check(
    secret: &InviteSecret,
    kind: PayloadType,
    parts: &[&[u8; 32]],
    proof: &Base64Url,
) -> Result<(), CellError> {
    let checked = hmac::verify(&key(secret), &text(kind, parts), proof.bytes());
    checked.map_err(|_| CellError::Secret)
}

fn key(secret: &InviteSecret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose())
}

fn text(kind: PayloadType, parts: &[&[u8; 32]]) -> Vec<u8> {
    let mut text = kind.0.as_bytes().to_vec();
    text.push(b'\n');
    parts.iter().for_each(|part| text.extend_from_slice(*part));
    text
}

/// What a proof depends on that is about a cell.
pub(crate) fn digest_of(identity: &SignerKey) -> [u8; 32] {
    Sha256::digest(PublicKey::from(identity).to_string()).into()
}
