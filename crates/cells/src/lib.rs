//! Other cells: how two of them come to know each other. One makes an [`Invite`], which its owner hands to the other's;
//! the other imports it, and both have what they need for a link.
//!
//! ```text
//! inviter                                     joiner
//!    │ Invite (by hand: file, text, QR)  ──────▶│  who the inviter is, where it is reached, a secret for once
//!    │◀────────────────────────────────────Join │  who the joiner is; knows the secret; is bound to a nonce
//!    │Welcome ────────────────────────────────▶ │  the inviter's nonce; knows the secret
//!    │◀──────────────────────────────────Reveal │  the nonce itself: both can say the comparison code now
//! ```
//!
//! Join and Reveal are answered by the inviter on one TLS connection whose certificate has the key that the invite names, so
//! that nobody in between reads or alters them. Whoever stole an invite knows its secret all the same: that is what the
//! [`Code`] is for, which the owners compare. It is over both keys and both nonces, and the joiner is bound to its own before
//! it sees the other, so that nobody can try nonces until two codes are alike.
//!
//! Promises: what [`Invite::open`], [`Inviting`] and [`Joining`] hand out was signed by the cell that it is about, for this very
//! invite; a message that was altered, is another's, or belongs to another exchange is refused.
//! Must never: read a clock, a file or the network, make chance, or decide what a cell may claim.
//! Start reading at [`Invite`], then [`Joining`] and [`Inviting`].

mod code;
mod error;
mod invite;
mod pairing;
mod proof;

pub use code::Code;
pub use error::CellError;
pub use invite::{Invite, Offer};
pub use pairing::{Inviting, Join, Joined, Joining, Nonce, Reveal, Welcome};
