//! What is sent to another cell, and what it answers.

use cell_model::base64url::Base64Url;
use cell_model::signer::SignerKey;
use cell_signed::PayloadType;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::proof::{self, digest_of};
use crate::{CellError, Join, Offer, Reveal, Statement, Synced, Welcome};

const ASK: PayloadType = PayloadType("application/vnd.cell.ask+json;version=1");

/// A message to another cell, each with an answer of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// The first; answered by [`Answer::Welcome`].
    Join(Box<Join>),
    /// The last; answered by [`Answer::Progress`].
    Reveal {
        /// Which invite it is about.
        invite: Uuid,
        /// The message.
        reveal: Reveal,
    },
    /// How it stands since then; answered by [`Answer::Progress`].
    Ask(Ask),
    /// What a linked cell tells the other; answered by [`Answer::Synced`].
    Sync(Box<Statement>),
}

/// What the other cell answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// To the first message.
    Welcome(Box<Welcome>),
    /// To the others of an inviter.
    Progress(Progress),
    /// To what it was told.
    Synced(Box<Synced>),
}

/// How the inviter stands to a joiner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It has the joiner as a link.
    Linked,
    /// Its owner has to compare the code.
    AwaitingConfirmation,
}

/// A joiner's question of how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Which invite it is about.
    pub invite: Uuid,
    /// Who joins.
    pub joiner: SignerKey,
    proof: Base64Url,
}

impl Ask {
    /// Asks about an invite, as the cell of this identity.
    pub fn new(offer: &Offer, joiner: SignerKey) -> Self {
        let proof = proof::proof(&offer.secret, ASK, &[&digest_of(&joiner)]);
        Self {
            invite: offer.id,
            joiner,
            proof,
        }
    }

    /// Whether it comes from who has the invite.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, offer: &Offer) -> Result<(), CellError> {
        proof::check(&offer.secret, ASK, &[&digest_of(&self.joiner)], &self.proof)
    }
}
