//! What one owner hands to another.

use cell_model::Timestamp;
use cell_model::base64url::Base64Url;
use cell_model::config::Claims;
use cell_model::secret::Secret;
use cell_signed::{PayloadType, PublicKey, SigningKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::CellError;
use crate::proof::{InviteSecret, Signed};

const KIND: PayloadType = PayloadType("application/vnd.cell.invite+json;version=1");

/// An invite as it travels: whoever has it can join, once, until it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Invite(Signed);

/// What is in an invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub id: Uuid,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// The cell that invites.
    pub claims: Claims,
    /// What a joiner proves to know.
    pub secret: Secret<[u8; 32]>,
}

/// The same as it is signed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    id: Uuid,
    expires_at: Timestamp,
    claims: Claims,
    secret: Base64Url,
}

impl Invite {
    /// Signs an offer of this cell's.
    ///
    /// # Errors
    /// None that an offer can cause.
    pub fn seal(offer: &Offer, key: &SigningKey) -> Result<Self, CellError> {
        let content = Content {
            id: offer.id,
            expires_at: offer.expires_at,
            claims: offer.claims.clone(),
            secret: Base64Url::from(offer.secret.expose().to_vec()),
        };
        Signed::seal(KIND, &content, key).map(Self)
    }

    /// What it offers.
    ///
    /// # Errors
    /// It was not signed by the cell that it is about, cannot be read, or is over `now`.
    pub fn open(&self, now: Timestamp) -> Result<Offer, CellError> {
        let (signer, content): (_, Content) = self.0.open(KIND)?;
        if PublicKey::from(&content.claims.identity) != signer {
            return Err(CellError::OtherInvite);
        }
        content.claims.check()?;
        let secret: [u8; 32] = content
            .secret
            .bytes()
            .try_into()
            .map_err(|_| CellError::Length)?;
        let offer = Offer {
            id: content.id,
            expires_at: content.expires_at,
            claims: content.claims,
            secret: InviteSecret::new(secret),
        };
        offer.check_fresh(now)?;
        Ok(offer)
    }
}

impl Offer {
    pub(crate) fn check_fresh(&self, now: Timestamp) -> Result<(), CellError> {
        match now < self.expires_at {
            true => Ok(()),
            false => Err(CellError::Expired(self.expires_at)),
        }
    }
}
