//! Why another cell is not believed.

use cell_model::Timestamp;
use cell_model::config::ClaimsError;
use cell_signed::{JsonError, SignedError};

/// Why another cell is not believed. Nothing of what it said was used.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// It is not what an invite or a message of another cell looks like.
    #[error("it cannot be read")]
    Json(#[source] JsonError),
    /// The cell that it is about has not signed it.
    #[error("it was altered, or never signed by the cell that it names")]
    Signature(#[source] SignedError),
    /// It was good until then.
    #[error(
        "the invite was good until {0}; ask for a new one, or see whether the clock of this box is right"
    )]
    Expired(Timestamp),
    /// A number, a secret or a proof has another length.
    #[error("it cannot be read: a number in it has the wrong length")]
    Length,
    /// What it says of a cell, none can have.
    #[error("it says what no cell can have: {0}")]
    Claims(#[from] ClaimsError),
    /// The message is about another invite, or meant for another cell.
    #[error("it belongs to another invite")]
    OtherInvite,
    /// What a cell says is about another one, or meant for another.
    #[error("it is another cell's word, or meant for another cell")]
    OtherCell,
    /// A cell was to be linked with itself.
    #[error("the invite is this cell's own")]
    Itself,
    /// The other side does not know what only the invite says.
    #[error("the other cell does not know the secret of the invite")]
    Secret,
    /// The nonce is another than the one that its cell was bound to.
    #[error("the other cell changed its number after it had seen ours")]
    Nonce,
}

impl From<serde_json::Error> for CellError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.into())
    }
}
