//! What people type, read into what the core takes. Each form names its fields once; drawing, reading and the tests
//! that feed it bad input all go by that list.

pub(crate) mod account;
pub(crate) mod api_token;
pub(crate) mod app_password;
pub(crate) mod audit;
pub(crate) mod dns;
mod draft;
pub(crate) mod exit;
pub(crate) mod field;
pub(crate) mod group;
pub(crate) mod link;
pub(crate) mod mail;
pub(crate) mod network;
pub(crate) mod passkey;
pub(crate) mod peer;
pub(crate) mod peer_exit;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod source;
pub(crate) mod updates;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

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

/// Names as a field of lines has them.
fn lines<T: ToString>(names: &BTreeSet<T>) -> String {
    let lines: Vec<String> = names.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Reads names, one a line.
fn names<T: FromStr<Err: Display> + Ord>(draft: &mut Draft, field: &str) -> Option<BTreeSet<T>> {
    let names = draft.maybe_with(field, |text| {
        let lines = text.lines().map(str::trim);
        let names = lines.filter(|line| !line.is_empty());
        let names = names.map(|line| line.parse().map_err(|error: T::Err| error.to_string()));
        names.collect()
    });
    names.map(Option::unwrap_or_default)
}
