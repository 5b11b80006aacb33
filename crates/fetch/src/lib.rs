//! Parts of a file by HTTPS: what new versions of the system, and services of sources, are fetched with.
//!
//! The core names the file and the parts; a process without power looks the name up, speaks TLS and HTTP, and writes
//! the bytes to a socket of the core's. So nothing that a server sends is parsed with the core's rights. A file of a USB stick is
//! asked for in the same words; whoever starts the process reads it (`celld`, `sticks`), for the process has no files.
//!
//! # Promises
//! - Bytes come in the order of the parts, and only those; nothing is written of an answer that is not the asked part.
//! - It ends: a server that is silent, slow, or answers anything but what was asked is given up with its own reason.
//! - Only TLS, only the public authorities and those the owner named, no redirects.
//!
//! Must never: decide whether what came is to be trusted.
//! Start reading at [`Command`], then [`serve`].

mod answer;
mod client;
mod connect;
mod error;
pub mod fake;
mod link;
#[cfg(test)]
mod tests;
mod whole;

pub use client::serve;
pub use connect::check_authorities;
pub use error::{AuthoritiesError, FetchError};
pub use link::{Command, FetchLink, Fetched, LinkError, Reply};
pub use whole::{WholeError, rest, whole};
