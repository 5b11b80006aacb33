//! Parts of a path. What cannot be a name is the name of nothing: 404.

use std::str::FromStr;

use cell_gate::Visit;
use cell_model::problem::Problem;
use cell_model::status::Part;

use crate::parameter::digits;

/// A validated name.
pub(crate) fn name<T: FromStr>(visit: &Visit, part: &str, noun: &str) -> Result<T, Problem> {
    visit
        .param(part)
        .parse()
        .map_err(|_| Problem::not_found(format!("{noun} of that name")))
}

/// A number.
pub(crate) fn number(visit: &Visit, part: &str, noun: &str) -> Result<u64, Problem> {
    digits(visit.param(part)).ok_or_else(|| Problem::not_found(format!("{noun} of that number")))
}

/// A built-in part.
pub(crate) fn part(visit: &Visit) -> Result<Part, Problem> {
    Part::from_word(visit.param("part")).ok_or_else(|| Problem::not_found("part of that name"))
}
