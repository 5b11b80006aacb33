//! The pages: from a view to markup. They see neither the network nor the store, so what one shows can be tested by
//! giving it a value.

pub(crate) mod account;
pub(crate) mod account_password;
pub(crate) mod app_password_new;
pub(crate) mod app_password_remove;
pub(crate) mod app_password_shown;
pub(crate) mod app_passwords;
pub(crate) mod audit;
pub(crate) mod audit_verify;
pub(crate) mod dns;
pub(crate) mod dns_record;
pub(crate) mod dns_upstreams;
pub(crate) mod me;
pub(crate) mod network;
pub(crate) mod network_addresses;
pub(crate) mod overview;
pub(crate) mod part;
pub(crate) mod part_test;
pub(crate) mod parts;
pub(crate) mod peer;
pub(crate) mod peer_file;
pub(crate) mod peer_key;
pub(crate) mod peer_new;
pub(crate) mod peer_remove;
pub(crate) mod peers;
pub(crate) mod people;
pub(crate) mod person_new;
pub(crate) mod person_password;
pub(crate) mod person_remove;
pub(crate) mod reauthenticate;
pub(crate) mod refusal;
pub(crate) mod review;
pub(crate) mod revision;
pub(crate) mod revision_restore;
pub(crate) mod revisions;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod setup_done;
pub(crate) mod sign_in;
pub(crate) mod system;
pub(crate) mod system_other;
pub(crate) mod system_restart;
pub(crate) mod system_trial_log;
pub(crate) mod system_updates;
#[cfg(test)]
mod tests;
