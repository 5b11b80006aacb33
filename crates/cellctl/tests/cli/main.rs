//! The program as a person runs it, against a scripted core behind a real socket.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should say so at once"
)]

mod app_passwords;
mod daemon;
mod failures;
mod firmware;
mod json;
mod lists;
mod mail;
mod passwords;
mod peers;
mod people;
mod services;
mod settings;
mod setup;
mod status;
