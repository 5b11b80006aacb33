//! Which keys count, how many must agree, and how they are replaced.

use std::collections::BTreeSet;

use cell_model::Timestamp;
use cell_model::config::{PublisherKeys, Purpose};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, PayloadType};
use crate::error::SignedError;
use crate::key::{PublicKey, SigningKey};
use crate::words::brief;

/// Fewer than two would let one stolen key decide.
const LEAST_THRESHOLD: usize = 2;
/// More are never needed; each costs a check.
const MOST_KEYS: usize = 16;

/// The keys that count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyList {
    /// Rises by one with each list.
    pub version: u64,
    /// For whom.
    pub purpose: Purpose,
    /// How many different keys must have signed a document.
    pub threshold: usize,
    /// The keys.
    pub keys: Vec<PublicKey>,
}

impl KeyList {
    /// What an envelope around a key list says it holds.
    pub const TYPE: PayloadType = PayloadType("application/vnd.personal-internet-cell.keys+json");

    /// The list, signed by keys of the one before it (of itself, when it is the first).
    ///
    /// # Errors
    /// It is a list that nobody may have.
    pub fn seal(&self, keys: &[SigningKey]) -> Result<Envelope, SignedError> {
        self.check()?;
        let payload = serde_json::to_vec(self).map_err(payload)?;
        Ok(Envelope::seal(Self::TYPE, payload, keys))
    }

    /// What is in an envelope, once enough keys of this list have signed it as a `payload_type`.
    ///
    /// # Errors
    /// Another type; too few signatures; a document of another shape.
    pub fn open<T: DeserializeOwned>(
        &self,
        payload_type: PayloadType,
        envelope: &Envelope,
    ) -> Result<T, SignedError> {
        self.check()?;
        if envelope.payload_type != payload_type.0 {
            return Err(SignedError::Type {
                expected: payload_type.0,
                found: brief(&envelope.payload_type),
            });
        }
        let valid = envelope.signers(&self.keys);
        if valid < self.threshold {
            return Err(SignedError::Signatures {
                valid,
                threshold: self.threshold,
            });
        }
        serde_json::from_slice(&envelope.payload).map_err(payload)
    }

    /// The newest list that can be reached from this one over `chain`: each next one is signed by the keys of the one
    /// before it. Lists that are not newer are passed over.
    ///
    /// # Errors
    /// A list is missing between, has too few signatures, or is for other people.
    pub fn follow(&self, chain: &[Envelope]) -> Result<Self, SignedError> {
        let mut trusted = self.clone();
        trusted.check()?;
        for envelope in chain {
            let version = Self::claimed_version(envelope)?;
            if version <= trusted.version {
                continue;
            }
            let next: Self = trusted.open(Self::TYPE, envelope)?;
            if next.version != trusted.version + 1 {
                return Err(SignedError::ListVersion {
                    trusted: trusted.version,
                    found: next.version,
                });
            }
            if next.purpose != trusted.purpose {
                return Err(SignedError::Purpose {
                    expected: trusted.purpose,
                    found: next.purpose,
                });
            }
            next.check()?;
            trusted = next;
        }
        Ok(trusted)
    }

    /// The first of a chain, for whoever trusts the place it lies in: its signatures only show that its keys exist.
    ///
    /// # Errors
    /// It is no list, or one that its own keys have not signed.
    pub fn anchor(envelope: &Envelope) -> Result<Self, SignedError> {
        let claimed: Self = serde_json::from_slice(&envelope.payload).map_err(payload)?;
        claimed.open(Self::TYPE, envelope)
    }

    /// The list that the owner trusts without anybody's signature.
    ///
    /// # Errors
    /// It is a list that nobody may have.
    pub fn given(keys: &PublisherKeys) -> Result<Self, SignedError> {
        let list = Self {
            version: keys.version,
            purpose: keys.purpose,
            threshold: keys.threshold,
            keys: keys.keys.iter().map(PublicKey::from).collect(),
        };
        list.check()?;
        Ok(list)
    }

    /// The newest list of a chain that lies in a trusted place.
    ///
    /// # Errors
    /// The chain is empty or broken.
    pub fn newest(chain: &[Envelope]) -> Result<Self, SignedError> {
        let first = chain.first().ok_or(SignedError::NoList)?;
        Self::anchor(first)?.follow(chain)
    }

    /// Decides only whether a list is looked at.
    fn claimed_version(envelope: &Envelope) -> Result<u64, SignedError> {
        #[derive(Deserialize)]
        struct Claim {
            version: u64,
        }
        let claim: Claim = serde_json::from_slice(&envelope.payload).map_err(payload)?;
        Ok(claim.version)
    }

    /// Refuses a list that no document could be trusted by, or any.
    ///
    /// # Errors
    /// [`SignedError::Threshold`].
    pub fn check(&self) -> Result<(), SignedError> {
        let keys = self.keys.iter().collect::<BTreeSet<_>>().len();
        let is_sound = keys == self.keys.len()
            && keys <= MOST_KEYS
            && (LEAST_THRESHOLD..=keys).contains(&self.threshold);
        if is_sound {
            Ok(())
        } else {
            Err(SignedError::Threshold {
                keys,
                threshold: self.threshold,
            })
        }
    }
}

fn payload(error: serde_json::Error) -> SignedError {
    SignedError::Payload(error.into())
}

/// Refuses what was good until an earlier time.
///
/// # Errors
/// [`SignedError::Expired`].
pub fn check_fresh(expires: Timestamp, now: Timestamp) -> Result<(), SignedError> {
    if now < expires {
        Ok(())
    } else {
        Err(SignedError::Expired(expires))
    }
}
