//! What people type, read into what the core takes. Each form names its fields once; drawing, reading and the tests
//! that feed it bad input all go by that list.

pub(crate) mod account;
pub(crate) mod api_token;
pub(crate) mod app_password;
pub(crate) mod audit;
pub(crate) mod dns;
mod draft;
pub(crate) mod field;
pub(crate) mod group;
pub(crate) mod network;
pub(crate) mod passkey;
pub(crate) mod peer;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod source;
pub(crate) mod updates;

pub(crate) use draft::Draft;
pub(crate) use field::Field;

/// Set when a person has seen what a change would do: `yes` to make it, `no` to go back to the form.
pub(crate) const REVIEWED: Field = Field::hidden("reviewed");
/// The revision a form was filled in from.
pub(crate) const REVISION: Field = Field::hidden("revision");

/// Reads [`REVISION`].
fn revision(draft: &mut Draft) -> Option<u64> {
    draft.require_with(REVISION.name, |text| {
        text.parse()
            .map_err(|_| "must be the number of a revision".to_owned())
    })
}
