//! What becomes of a service.

use cell_model::problem::Problem;

use super::Draft;
use super::field::Field;

/// The name of the field.
const DATA: &str = "data";

/// Words of the field.
pub(crate) const KEEP: (&str, &str) = (DATA, "keep");
pub(crate) const DELETE: (&str, &str) = (DATA, "delete");

/// Fields of a service that goes.
pub(crate) const REMOVE: &[Field] = &[Field::hidden(DATA)];

/// Whether what the service has kept goes too. What is neither of the words is no form of ours.
pub(crate) fn deletes_data(draft: &mut Draft) -> Result<bool, Problem> {
    match draft.typed(DATA) {
        word if word == KEEP.1 => Ok(false),
        word if word == DELETE.1 => Ok(true),
        _ => Err(Problem::field(DATA, "must be keep or delete")),
    }
}
