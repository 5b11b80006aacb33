//! The REST interface: one table of operations, their handlers, and the OpenAPI description made from the same table.
//!
//! Promises: what `/api/openapi.json` says is what the table does; a body is read strictly (unknown, doubled and
//! missing keys are errors that name the field); no error repeats a value somebody sent where it may be a secret.
//! Must never: decide access beyond the table, or reach anything but [`cell_control::Control`].
//! Start reading at the table in `table.rs`, then [`operations`] for what tests are generated from.

mod answer;
mod body;
mod field;
mod openapi;
mod operation;
mod parameter;
mod path;
mod routes;
mod row;
mod scope;
mod table;

pub use field::{Field, Kind};
pub use operation::{Operation, operations, pairing_routes, routes};

#[cfg(test)]
mod tests;
