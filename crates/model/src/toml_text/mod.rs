//! TOML that people write: read so that one look tells everything that is wrong with it, each with line and column.
//!
//! Promises: reads every text without a panic; a message of its own never repeats a value, which may be a secret.
//! Must never: leave out what it does not know. A setting that is misspelt is an error.
//! Start reading at [`Reader`].

mod finding;
mod reader;
mod text;

pub use finding::{Finding, Position, TomlError};
pub use reader::{Field, Hint, Reader, Section, field};
pub use text::{decode, parse};
