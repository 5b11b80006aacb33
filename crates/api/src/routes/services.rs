//! Installed services.

use cell_control::view::Page;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use crate::answer::{ServiceAnswer, ok};
use crate::parameter;

/// No service can be installed before there is a catalogue, so the list is always empty.
pub(crate) async fn active(visit: Visit) -> Result<Reply, Problem> {
    parameter::range(&visit.query)?;
    ok(&Page::<ServiceAnswer> {
        items: Vec::new(),
        next: None,
    })
}
