//! What the two sides say to each other.

use cell_model::Timestamp;
use cell_model::base64url::Base64Url;
use cell_model::config::Claims;
use cell_model::secret::Secret;
use cell_signed::{PayloadType, PublicKey, SigningKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::proof::{self, Signed};
use crate::{CellError, Code, Offer};

const JOIN: PayloadType = PayloadType("application/vnd.cell.join+json;version=1");
const WELCOME: PayloadType = PayloadType("application/vnd.cell.welcome+json;version=1");
const REVEAL: PayloadType = PayloadType("application/vnd.cell.reveal+json;version=1");

/// Chance that is used once.
pub type Nonce = Secret<[u8; 32]>;

/// The joiner's first message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    signed: Signed,
    proof: Base64Url,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinContent {
    invite: Uuid,
    /// Whose the invite is.
    inviter: PublicKey,
    claims: Claims,
    /// SHA-256 of the joiner's nonce.
    commitment: Base64Url,
}

/// What the inviter answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    signed: Signed,
    proof: Base64Url,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WelcomeContent {
    invite: Uuid,
    /// SHA-256 of what it answers.
    join: Base64Url,
    /// The inviter's, as they are now.
    claims: Claims,
    nonce: Base64Url,
}

/// The joiner's last message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    nonce: Base64Url,
    proof: Base64Url,
}

/// Two cells that know each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The other one.
    pub claims: Claims,
    /// What both owners see.
    pub code: Code,
}

/// The side that imports an invite.
#[derive(Debug)]
pub struct Joining {
    offer: Offer,
    identity: PublicKey,
    join: [u8; 32],
    nonce: Nonce,
}

/// The side that made it.
#[derive(Debug)]
pub struct Inviting {
    offer: Offer,
    joiner: Claims,
    commitment: [u8; 32],
    nonce: Nonce,
    join: [u8; 32],
    welcome: [u8; 32],
}

impl Joining {
    /// Begins: `claims` are this cell's own, and `nonce` is new.
    ///
    /// # Errors
    /// The invite is this cell's own.
    pub fn begin(
        offer: Offer,
        claims: Claims,
        key: &SigningKey,
        nonce: Nonce,
    ) -> Result<(Self, Join), CellError> {
        let identity = key.public();
        let inviter = PublicKey::from(&offer.claims.identity);
        if inviter == identity {
            return Err(CellError::Itself);
        }
        let content = JoinContent {
            invite: offer.id,
            inviter,
            claims,
            commitment: Base64Url::from(commitment(nonce.expose()).to_vec()),
        };
        let signed = Signed::seal(JOIN, &content, key)?;
        let join = signed.digest();
        let proof = proof::proof(&offer.secret, JOIN, &[&join]);
        let joining = Self {
            offer,
            identity,
            join,
            nonce,
        };
        Ok((joining, Join { signed, proof }))
    }

    /// Takes the inviter's answer. What is to be sent then, and who the inviter is.
    ///
    /// # Errors
    /// It is not the inviter's answer to this very message.
    pub fn welcomed(self, welcome: &Welcome) -> Result<(Reveal, Joined), CellError> {
        let (signer, content): (_, WelcomeContent) = welcome.signed.open(WELCOME)?;
        let digest = welcome.signed.digest();
        proof::check(&self.offer.secret, WELCOME, &[&digest], &welcome.proof)?;
        let inviter = PublicKey::from(&self.offer.claims.identity);
        let is_answer = content.invite == self.offer.id && content.join.bytes() == self.join;
        if !is_answer || signer != inviter || PublicKey::from(&content.claims.identity) != inviter {
            return Err(CellError::OtherInvite);
        }
        content.claims.check()?;
        let other = bytes(&content.nonce)?;
        let own = self.nonce.expose();
        let parts = [&self.join, &digest, own];
        let reveal = Reveal {
            nonce: Base64Url::from(own.to_vec()),
            proof: proof::proof(&self.offer.secret, REVEAL, &parts),
        };
        let joined = Joined {
            claims: content.claims,
            code: Code::of([&inviter, &self.identity], [&other, own]),
        };
        Ok((reveal, joined))
    }
}

impl Inviting {
    /// Takes a joiner's first message. `claims` are this cell's own, `offer` is one of its own that nobody has used, and
    /// `nonce` is new. What is to be answered.
    ///
    /// # Errors
    /// The invite is over or another one, or the joiner does not know its secret or has not signed.
    pub fn answer(
        offer: Offer,
        join: &Join,
        claims: Claims,
        key: &SigningKey,
        nonce: Nonce,
        now: Timestamp,
    ) -> Result<(Self, Welcome), CellError> {
        let digest = join.signed.digest();
        // Before anything else: strangers get no signature made.
        proof::check(&offer.secret, JOIN, &[&digest], &join.proof)?;
        let (signer, content): (_, JoinContent) = join.signed.open(JOIN)?;
        let own = key.public();
        if content.invite != offer.id
            || content.inviter != own
            || PublicKey::from(&content.claims.identity) != signer
        {
            return Err(CellError::OtherInvite);
        }
        if signer == own {
            return Err(CellError::Itself);
        }
        offer.check_fresh(now)?;
        content.claims.check()?;
        let commitment = bytes(&content.commitment)?;
        let answer = WelcomeContent {
            invite: offer.id,
            join: Base64Url::from(digest.to_vec()),
            claims,
            nonce: Base64Url::from(nonce.expose().to_vec()),
        };
        let signed = Signed::seal(WELCOME, &answer, key)?;
        let welcome = signed.digest();
        let proof = proof::proof(&offer.secret, WELCOME, &[&welcome]);
        let inviting = Self {
            offer,
            joiner: content.claims,
            commitment,
            nonce,
            join: digest,
            welcome,
        };
        Ok((inviting, Welcome { signed, proof }))
    }

    /// Who has begun to join.
    pub fn joiner(&self) -> &Claims {
        &self.joiner
    }

    /// Takes the joiner's last message.
    ///
    /// # Errors
    /// The joiner is not who began, or was bound to another nonce.
    pub fn revealed(self, reveal: &Reveal) -> Result<Joined, CellError> {
        let nonce = bytes(&reveal.nonce)?;
        let parts = [&self.join, &self.welcome, &nonce];
        proof::check(&self.offer.secret, REVEAL, &parts, &reveal.proof)?;
        if commitment(&nonce) != self.commitment {
            return Err(CellError::Nonce);
        }
        let keys = [&self.offer.claims.identity, &self.joiner.identity].map(PublicKey::from);
        Ok(Joined {
            code: Code::of([&keys[0], &keys[1]], [self.nonce.expose(), &nonce]),
            claims: self.joiner,
        })
    }
}

impl Join {
    /// Which invite it is about, as far as it says: to find the offer that the rest is checked against.
    ///
    /// # Errors
    /// It was not signed by the cell that it names.
    pub fn invite(&self) -> Result<Uuid, CellError> {
        let (_, content): (_, JoinContent) = self.signed.open(JOIN)?;
        Ok(content.invite)
    }
}

fn commitment(nonce: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(nonce).into()
}

fn bytes(text: &Base64Url) -> Result<[u8; 32], CellError> {
    text.bytes().try_into().map_err(|_| CellError::Length)
}

#[cfg(test)]
mod tests;
