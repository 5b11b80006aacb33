//! What linked cells tell each other from then on, inside the tunnel: how each of them stands to the other by now.
//!
//! Each says all of it each time, with a number that grows with every change. So it does not matter what was lost, said twice,
//! or came late: the highest number counts, and nothing older is taken.

use std::collections::BTreeSet;

use cell_model::config::{Claims, ServiceToggle};
use cell_model::signer::SignerKey;
use cell_signed::{PayloadType, PublicKey, SigningKey};
use serde::{Deserialize, Serialize};

use crate::CellError;
use crate::proof::Signed;

const KIND: PayloadType = PayloadType("application/vnd.cell.statement+json;version=1");

/// How a cell stands to another, signed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statement(Signed);

/// What a cell has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Higher than that of anything it has said to this cell before, and the same when it says the same.
    pub counter: u64,
    /// What.
    pub word: Word,
}

/// How a cell stands to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Word {
    /// It has the other as a link.
    Linked(Box<Terms>),
    /// It has it no more.
    Ended,
}

/// What a link is like on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What the cell is by now.
    pub claims: Claims,
    /// Which of its services the other cell's people may use.
    pub services: BTreeSet<ServiceToggle>,
    /// Nothing passes for now.
    pub paused: bool,
    /// The other cell's people may go out to the internet by way of it.
    pub offers_exit: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// Whom it is said to.
    to: SignerKey,
    said: Said,
}

/// What a cell answers that was told something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synced {
    /// How it stands itself.
    pub statement: Statement,
    /// Why it keeps to what the other cell was before, for a person; `None`: it does not.
    pub obstacle: Option<String>,
}

impl Statement {
    /// Says something to the cell of this identity.
    ///
    /// # Errors
    /// None that what is said can cause.
    pub fn seal(said: Said, to: SignerKey, key: &SigningKey) -> Result<Self, CellError> {
        Signed::seal(KIND, &Content { to, said }, key).map(Self)
    }

    /// Whose word it is, and what they say to the cell of the identity `own`.
    ///
    /// # Errors
    /// It was not signed by the cell that it is about, or is meant for another.
    pub fn open(&self, own: &SignerKey) -> Result<(SignerKey, Said), CellError> {
        let (signer, content): (PublicKey, Content) = self.0.open(KIND)?;
        let signer = SignerKey::from(signer);
        if content.to != *own {
            return Err(CellError::OtherCell);
        }
        if let Word::Linked(terms) = &content.said.word {
            if terms.claims.identity != signer {
                return Err(CellError::OtherCell);
            }
            terms.claims.check()?;
        }
        Ok((signer, content.said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(SigningKey::generate().unwrap().expose()).unwrap()
    }

    fn linked(identity: SignerKey, subnet: &str) -> Said {
        let claims = serde_json::from_value(serde_json::json!({
            "name": "beta", "identity": identity, "wireguard_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "endpoints": [], "domain": "beta.cell", "vpn": { "subnet": subnet, "subnet6": "fd00:2::/64" },
        }));
        Said {
            counter: 7,
            word: Word::Linked(Box::new(Terms {
                claims: claims.unwrap(),
                services: [ServiceToggle::Files].into(),
                paused: false,
                offers_exit: true,
            })),
        }
    }

    #[test]
    fn statement_is_the_word_of_its_cell_to_the_one_it_is_meant_for() {
        let (key, other) = (key(), key());
        let [own, to] = [&key, &other].map(|key| SignerKey::from(key.public()));
        let said = linked(own.clone(), "10.2.0.0/24");
        let statement = Statement::seal(said.clone(), to.clone(), &key).unwrap();
        assert_eq!(statement.open(&to).unwrap(), (own.clone(), said.clone()));
        let refused = statement.open(&own).unwrap_err();
        assert!(matches!(refused, CellError::OtherCell), "{refused}");
        // Of another cell's making.
        let forged = Statement::seal(said, to.clone(), &other).unwrap();
        let refused = forged.open(&to).unwrap_err();
        assert!(matches!(refused, CellError::OtherCell), "{refused}");
        // Altered on its way.
        let mut text = serde_json::to_value(&statement).unwrap();
        text["cell"] = serde_json::to_value(other.public()).unwrap();
        let altered: Statement = serde_json::from_value(text).unwrap();
        let refused = altered.open(&to).unwrap_err();
        assert!(matches!(refused, CellError::Signature(_)), "{refused}");
        // Of what no cell can have.
        let wide = Statement::seal(linked(own, "0.0.0.0/0"), to.clone(), &key).unwrap();
        let refused = wide.open(&to).unwrap_err();
        assert!(matches!(refused, CellError::Claims(_)), "{refused}");
    }
}
