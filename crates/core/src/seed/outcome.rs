//! What came of a seed, as the console shows it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use cell_audit::AuditError;
use cell_model::name::CellName;
use cell_model::problem::Problem;
use cell_model::toml_text::TomlError;
use cell_store::StoreError;
use cell_vault::{SealError, SealKeyError};

use crate::documents::DocumentError;

/// What came of it. Displays as the line for the console; empty when there is nothing to say.
#[derive(Debug)]
pub enum SeedOutcome {
    /// There was no seed.
    Nothing,
    /// It was applied.
    Applied {
        /// The box that is set up by it.
        set_up: Option<CellName>,
        /// Whether its file is gone.
        wiped: io::Result<()>,
    },
    /// This very seed was applied at an earlier start, which could not remove it any more.
    AppliedBefore(io::Result<()>),
    /// This very seed was applied, and another since; it was left alone.
    Superseded,
    /// Somebody set the box up; the seed was left alone.
    SetUpAlready,
}

impl fmt::Display for SeedOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wiped = match self {
            Self::Nothing => return Ok(()),
            Self::SetUpAlready => {
                return f.write_str("the box is set up already; the seed was left alone");
            }
            Self::Superseded => {
                return f.write_str(
                    "the seed was applied before, and another since; it was left alone: to apply it again, \
                     change something in it, a comment does",
                );
            }
            Self::Applied { set_up, wiped } => {
                f.write_str("the seed was applied")?;
                if let Some(name) = set_up {
                    write!(f, "; the box is set up as {name}")?;
                }
                wiped
            }
            Self::AppliedBefore(wiped) => {
                f.write_str("the seed was applied at an earlier start")?;
                wiped
            }
        };
        match wiped {
            Ok(()) => f.write_str("; its file was wiped"),
            Err(error) => write!(
                f,
                "; its file could not be wiped ({error}): remove it, it holds secrets"
            ),
        }
    }
}

/// Why a seed was not applied.
#[derive(Debug, thiserror::Error)]
pub enum SeedFailure {
    /// It cannot be read.
    #[error("the seed {path} cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is wrong.
    #[error("the seed was not applied: {}", first(.0))]
    Wrong(TomlError),
    /// What it says cannot work.
    #[error("the seed was not applied: {0}")]
    Refused(#[from] Problem),
    /// The store cannot be opened, read or written.
    #[error("the seed was not applied, because of the store")]
    Store(#[from] StoreError),
    /// The transaction failed.
    #[error("the seed was not applied, because of the store")]
    Commit(#[from] AuditError),
    /// The config in the store cannot be read.
    #[error("the seed was not applied: the config cannot be read")]
    Config(#[from] DocumentError),
    /// The sealing key cannot be had.
    #[error("the seed was not applied: the sealing key cannot be used")]
    SealKey(#[from] SealKeyError),
    /// The setup code cannot be sealed.
    #[error("the seed was not applied: the setup code cannot be sealed")]
    Seal(#[from] SealError),
    /// A file of the state partition cannot be read or written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The first finding, and how many there are.
fn first(error: &TomlError) -> String {
    let first = error.findings.first().map(ToString::to_string);
    let first = first.unwrap_or_default();
    match error.findings.len() {
        0 | 1 => first,
        more => format!("{first} (1 of {more}; all are in cell-error.txt beside it)"),
    }
}
