//! The words of the product: what a person asked for ([`config`]), what follows from it for each part ([`spec`]),
//! what is to be done ([`step`]), what was seen ([`status`], [`facts`]), and the validated names all of them are made of.
//!
//! Promises: no I/O, no clock, no async; a value that exists is valid; a secret prints as a mask.
//! Must never: depend on another crate of the workspace, or know how anything is done.
//! Start reading at [`config::Config`].

pub mod account;
pub mod base64url;
pub mod config;
pub mod container;
pub mod endpoint;
pub mod facts;
pub mod key;
pub mod mail;
pub mod name;
pub mod password_hash;
pub mod problem;
pub mod scope;
pub mod secret;
pub mod seed;
pub mod signer;
pub mod spec;
pub mod ssh_key;
pub mod status;
pub mod step;
pub mod subnet;
pub mod toml_text;
pub mod url;

/// A point in time, UTC, as stored and shown.
pub use jiff::Timestamp;
/// A day, where nothing finer is kept.
pub use jiff::civil::Date;
