//! The core with a store on disk, the real loop, and parts that live in memory.

mod access;
mod accounts;
mod api_tokens;
mod app_passwords;
mod audited;
mod confirmation;
mod departures;
mod dkim;
mod groups;
mod home;
mod invites;
mod mail;
mod own_peers;
mod passkeys;
mod peers;
mod proof;
mod removal;
mod restore;
mod roles;
mod rolling;
mod second_factor;
mod services;
mod sessions;
mod settings;
mod setup;
mod sources;
