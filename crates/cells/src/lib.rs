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
//! Where the joiner does not reach the inviter, its owner hands an [`Acceptance`] back. From then on each has the other as a
//! peer of the VPN, and the same is said inside the tunnel, whichever of the two could call the other.
//!
//! The inviter answers over TLS, with a certificate that the key has issued which the invite names ([`Credentials`]), so that
//! nobody in between reads or alters what is said. Whoever stole an invite knows its secret all the same: that is what the
//! [`Code`] is for, which the owners compare. It is over both keys and both nonces, and the joiner is bound to its own before
//! it sees the other, so that nobody can try nonces until two codes are alike.
//!
//! From then on, each tells the other how it stands, inside the tunnel: a [`Statement`] is answered by one ([`Synced`]).
//!
//! Promises: what [`Invite::open`], [`Acceptance::open`], [`Inviting`], [`Joining`] and [`Statement::open`] hand out was
//! signed by the cell that it is about, for this very invite or cell; a message that was altered, is another's, or belongs to
//! another exchange is refused.
//! [`call()`] says a message to another cell, and [`look_up()`] asks where cells are, in a process without power: what comes
//! back is a stranger's.
//! Must never: read a clock or a file, make chance, or decide what a cell may claim.
//! Start reading at [`Invite`], then [`Joining`] and [`Inviting`].

mod acceptance;
mod call;
mod code;
mod error;
pub mod fake;
mod invite;
mod message;
mod pairing;
mod proof;
#[cfg(test)]
mod sample;
mod sync;
mod tls;

pub use acceptance::Acceptance;
pub use call::{
    CallLink, Command, Found, LONGEST, LinkError, Lookup, PAIRING, Reply, SYNC, call, look_up,
};
pub use code::Code;
pub use error::CellError;
pub use invite::{Invite, Offer};
pub use message::{Answer, Ask, Message, Progress};
pub use pairing::{Inviting, Join, Joined, Joining, Nonce, Reveal, Welcome};
pub use sync::{Said, Statement, Synced, Terms, Word};
pub use tls::{Credentials, CredentialsError};
