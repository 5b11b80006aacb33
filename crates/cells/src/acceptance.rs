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
    use cell_model::config::VpnConfig;
    use cell_model::key::PublicKey as WireGuardKey;
    use cell_model::secret::Secret;

    use super::*;

    fn cell(name: &str, number: u8) -> (SigningKey, Claims) {
        let document = SigningKey::generate().unwrap();
        let key = SigningKey::from_pkcs8(document.expose()).unwrap();
        let claims = Claims {
            name: name.parse().unwrap(),
            identity: key.public().into(),
            wireguard_key: WireGuardKey::from_bytes([number; 32]),
            endpoints: Vec::new(),
            domain: format!("{name}.cell").parse().unwrap(),
            vpn: VpnConfig {
                subnet: format!("10.{number}.0.0/24").parse().unwrap(),
                subnet6: format!("fd00:{number}::/64").parse().unwrap(),
            },
        };
        (key, claims)
    }

    fn offer(claims: &Claims) -> Offer {
        Offer {
            id: Uuid::from_u128(7),
            expires_at: cell_model::Timestamp::MAX,
            claims: claims.clone(),
            secret: Secret::new([9; 32]),
        }
    }

    #[test]
    fn acceptance_says_who_has_the_invite() {
        let ((_, inviter), (key, joiner)) = (cell("alpha", 1), cell("beta", 2));
        let offer = offer(&inviter);
        let made = Acceptance::seal(&offer, joiner.clone(), &key).unwrap();
        let text = serde_json::to_string(&made).unwrap();
        // Room in a QR code of the lowest level of correction: 2,953 bytes.
        assert!(text.len() < 1_500, "{}", text.len());
        let read: Acceptance = serde_json::from_str(&text).unwrap();
        assert_eq!(read.invite().unwrap(), offer.id);
        assert_eq!(read.open(&offer).unwrap(), joiner);
    }

    #[test]
    fn acceptance_of_another_invite_without_its_secret_or_in_anothers_name_is_refused() {
        let ((own, inviter), (key, joiner)) = (cell("alpha", 1), cell("beta", 2));
        let good = offer(&inviter);
        let seal = |offer: &Offer, claims: &Claims| Acceptance::seal(offer, claims.clone(), &key);
        let refused = |made: Acceptance| made.open(&good).unwrap_err();
        let other = Offer {
            id: Uuid::from_u128(8),
            ..good.clone()
        };
        assert!(matches!(
            refused(seal(&other, &joiner).unwrap()),
            CellError::OtherInvite
        ));
        let guessed = Offer {
            secret: Secret::new([8; 32]),
            ..good.clone()
        };
        assert!(matches!(
            refused(seal(&guessed, &joiner).unwrap()),
            CellError::Secret
        ));
        let (_, somebody) = cell("gamma", 3);
        assert!(matches!(
            refused(seal(&good, &somebody).unwrap()),
            CellError::OtherInvite
        ));
        let to_another = offer(&somebody);
        assert!(matches!(
            refused(seal(&to_another, &joiner).unwrap()),
            CellError::OtherInvite
        ));
        let itself = Acceptance::seal(&good, inviter, &own);
        assert!(matches!(itself, Err(CellError::Itself)));
        let text = serde_json::to_string(&seal(&good, &joiner).unwrap()).unwrap();
        let altered: Acceptance =
            serde_json::from_str(&text.replacen("\"sig\":\"", "\"sig\":\"AAAA", 1)).unwrap();
        assert!(matches!(refused(altered), CellError::Signature(_)));
    }
}
