//! What the other owner hands back, where their box does not reach the one that invites: who the joiner is, for the inviter's
//! box to call it.

use cell_model::base64url::Base64Url;
use cell_model::config::Claims;
use cell_signed::{PayloadType, PublicKey, SigningKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::proof::{self, Signed};
use crate::{CellError, Offer};

const KIND: PayloadType = PayloadType("application/vnd.cell.acceptance+json;version=1");

/// An acceptance as it travels. It looks as an invite does, and has no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Acceptance(Signed);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    invite: Uuid,
    /// Whose the invite is.
    inviter: PublicKey,
    claims: Claims,
    /// That the joiner has the invite.
    proof: Base64Url,
}

impl Acceptance {
    /// The document's type, by which it is told from an invite.
    pub const PAYLOAD_TYPE: &'static str = KIND.0;

    /// Accepts an offer, as the cell of these claims.
    ///
    /// # Errors
    /// The invite is this cell's own.
    pub fn seal(offer: &Offer, claims: Claims, key: &SigningKey) -> Result<Self, CellError> {
        let inviter = PublicKey::from(&offer.claims.identity);
        if inviter == key.public() {
            return Err(CellError::Itself);
        }
        let digest = proof::digest_of(&claims.identity);
        let content = Content {
            invite: offer.id,
            inviter,
            proof: proof::proof(&offer.secret, KIND, &[&digest]),
            claims,
        };
        Signed::seal(KIND, &content, key).map(Self)
    }

    /// Which invite it is about, as far as it says: to find the offer that the rest is checked against.
    ///
    /// # Errors
    /// It cannot be read, or was not signed by whom it names.
    pub fn invite(&self) -> Result<Uuid, CellError> {
        let (_, content): (_, Content) = self.0.open(KIND)?;
        Ok(content.invite)
    }

    /// Who accepts this offer.
    ///
    /// # Errors
    /// It is about another one, or the joiner does not know its secret or has not signed.
    pub fn open(&self, offer: &Offer) -> Result<Claims, CellError> {
        let (signer, content): (_, Content) = self.0.open(KIND)?;
        let inviter = PublicKey::from(&offer.claims.identity);
        if content.invite != offer.id
            || content.inviter != inviter
            || PublicKey::from(&content.claims.identity) != signer
        {
            return Err(CellError::OtherInvite);
        }
        if signer == inviter {
            return Err(CellError::Itself);
        }
        let digest = proof::digest_of(&content.claims.identity);
        proof::check(&offer.secret, KIND, &[&digest], &content.proof)?;
        content.claims.check()?;
        Ok(content.claims)
    }
}

#[cfg(test)]
mod tests {
    use cell_model::secret::Secret;

    use super::*;
    use crate::sample::Cell;

    fn two() -> (Cell, Cell) {
        (Cell::new("alpha", 1), Cell::new("beta", 2))
    }

    #[test]
    fn acceptance_says_who_has_the_invite() {
        let (alpha, beta) = two();
        let offer = alpha.offer();
        let made = Acceptance::seal(&offer, beta.claims.clone(), &beta.key).unwrap();
        let text = serde_json::to_string(&made).unwrap();
        // Room in a QR code of the lowest level of correction: 2,953 bytes.
        assert!(text.len() < 1_500, "{}", text.len());
        let read: Acceptance = serde_json::from_str(&text).unwrap();
        assert_eq!(read.invite().unwrap(), offer.id);
        assert_eq!(read.open(&offer).unwrap(), beta.claims);
    }

    #[test]
    fn acceptance_of_another_invite_without_its_secret_or_in_anothers_name_is_refused() {
        let (alpha, beta) = two();
        let joiner = &beta.claims;
        let good = alpha.offer();
        let seal =
            |offer: &Offer, claims: &Claims| Acceptance::seal(offer, claims.clone(), &beta.key);
        let refused = |made: Acceptance| made.open(&good).unwrap_err();
        let other = Offer {
            id: Uuid::from_u128(8),
            ..good.clone()
        };
        assert!(matches!(
            refused(seal(&other, joiner).unwrap()),
            CellError::OtherInvite
        ));
        let guessed = Offer {
            secret: Secret::new([8; 32]),
            ..good.clone()
        };
        assert!(matches!(
            refused(seal(&guessed, joiner).unwrap()),
            CellError::Secret
        ));
        let gamma = Cell::new("gamma", 3);
        assert!(matches!(
            refused(seal(&good, &gamma.claims).unwrap()),
            CellError::OtherInvite
        ));
        let to_another = gamma.offer();
        assert!(matches!(
            refused(seal(&to_another, joiner).unwrap()),
            CellError::OtherInvite
        ));
        let itself = Acceptance::seal(&good, alpha.claims.clone(), &alpha.key);
        assert!(matches!(itself, Err(CellError::Itself)));
        let text = serde_json::to_string(&seal(&good, joiner).unwrap()).unwrap();
        let altered: Acceptance =
            serde_json::from_str(&text.replacen("\"sig\":\"", "\"sig\":\"AAAA", 1)).unwrap();
        assert!(matches!(refused(altered), CellError::Signature(_)));
    }
}
