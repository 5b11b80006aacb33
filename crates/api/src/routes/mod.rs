//! Handlers: a request to a call of the core, its answer to a reply.

pub(crate) mod api_tokens;
pub(crate) mod app_passwords;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod cells;
pub(crate) mod config;
pub(crate) mod connectivity;
pub(crate) mod firmware;
pub(crate) mod groups;
pub(crate) mod invites;
pub(crate) mod mail;
pub(crate) mod mail_check;
pub(crate) mod own_peers;
pub(crate) mod parts;
pub(crate) mod passkeys;
pub(crate) mod peers;
pub(crate) mod services;
pub(crate) mod setup;
