//! A document and who signed it: DSSE 1.0 (<https://github.com/secure-systems-lab/dsse>).
//!
//! Signed are the type and the bytes of the payload as they are, so that nothing is parsed, ordered or spaced anew
//! before the signatures are checked.

use data_encoding::BASE64;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::SignedError;
use crate::key::{PublicKey, SigningKey};
use crate::words::brief;

/// What a document is, so that a signature for one purpose is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadType(pub &'static str);

/// A document with signatures. What is in it counts only once [`KeyList::open`](crate::KeyList::open) has handed it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    pub(crate) payload_type: String,
    #[serde(serialize_with = "base64", deserialize_with = "from_base64")]
    pub(crate) payload: Vec<u8>,
    pub(crate) signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Which key, see [`PublicKey::id`]: a hint, nothing is decided by it alone.
    pub keyid: String,
    #[serde(serialize_with = "base64", deserialize_with = "from_base64")]
    sig: Vec<u8>,
}

impl Envelope {
    /// A document signed by all of `keys`.
    pub fn seal(payload_type: PayloadType, payload: Vec<u8>, keys: &[SigningKey]) -> Self {
        let mut envelope = Self {
            payload_type: payload_type.0.to_owned(),
            payload,
            signatures: Vec::new(),
        };
        for key in keys {
            envelope.add_signature(key);
        }
        envelope
    }

    /// Adds one more signature: keys need not be in one place.
    pub fn add_signature(&mut self, key: &SigningKey) {
        let keyid = key.public().id();
        self.signatures.retain(|signature| signature.keyid != keyid);
        self.signatures.push(Signature {
            keyid,
            sig: key.sign(&self.signed_bytes()),
        });
    }

    /// Who has signed it, as far as it says.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The payload of a document of this type that `key` has signed.
    ///
    /// # Errors
    /// It is of another type, or the signature is missing or wrong.
    pub fn open_by(&self, key: &PublicKey, expected: PayloadType) -> Result<&[u8], SignedError> {
        if self.payload_type != expected.0 {
            return Err(SignedError::Type {
                expected: expected.0,
                found: brief(&self.payload_type),
            });
        }
        match self.signers(std::slice::from_ref(key)) {
            0 => Err(SignedError::Signatures {
                valid: 0,
                threshold: 1,
            }),
            _ => Ok(&self.payload),
        }
    }

    /// What was signed, whoever has done so: for what depends on its bytes alone.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// How many of `keys` have signed it.
    pub(crate) fn signers(&self, keys: &[PublicKey]) -> usize {
        let bytes = self.signed_bytes();
        let has_signed = |key: &&PublicKey| {
            let id = key.id();
            let mut own = self.signatures.iter().filter(|sig| sig.keyid == id);
            // The first only: nobody makes the box check a thousand.
            own.next()
                .is_some_and(|signature| key.has_signed(&bytes, &signature.sig))
        };
        keys.iter().filter(has_signed).count()
    }

    /// The pre-authentication encoding of DSSE.
    fn signed_bytes(&self) -> Vec<u8> {
        let Self {
            payload_type,
            payload,
            ..
        } = self;
        let mut bytes = format!(
            "DSSEv1 {} {payload_type} {} ",
            payload_type.len(),
            payload.len()
        )
        .into_bytes();
        bytes.extend_from_slice(payload);
        bytes
    }
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_are_the_bytes_that_the_format_says() {
        let envelope = Envelope {
            payload_type: "http://example.com/HelloWorld".to_owned(),
            payload: b"hello world".to_vec(),
            signatures: Vec::new(),
        };
        // The example of DSSE's protocol.md.
        assert_eq!(
            envelope.signed_bytes(),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        let text = serde_json::to_string(&envelope).unwrap();
        assert_eq!(
            text,
            r#"{"payloadType":"http://example.com/HelloWorld","payload":"aGVsbG8gd29ybGQ=","signatures":[]}"#
        );
        assert_eq!(serde_json::from_str::<Envelope>(&text).unwrap(), envelope);
    }
}
