//! Signed documents: who vouches for what the box takes from elsewhere.
//!
//! A document travels in an [`Envelope`] with the signatures of several keys; a [`KeyList`] says which keys count and
//! how many of them must agree. A list is replaced by the next one, signed by the keys of the old: whoever holds too few
//! keys, or only old ones, can neither sign nor bring their keys in.
//!
//! Promises: what [`KeyList::open`] hands out was signed, byte for byte, for this purpose, by enough different keys.
//! Must never: read a clock or a file, or let a payload decide anything before its signatures were checked.
//! Start reading at [`KeyList`], then [`Envelope`].

mod envelope;
mod error;
mod key;
mod list;
mod words;

pub use cell_model::config::Purpose;
pub use envelope::{Envelope, PayloadType, Signature};
pub use error::SignedError;
pub use key::{PublicKey, SigningKey};
pub use list::{KeyList, check_fresh};
pub use words::JsonError;
