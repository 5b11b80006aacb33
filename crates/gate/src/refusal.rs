//! The gate's own problems, each with its stable code.

use cell_model::problem::Problem;
use cell_model::scope::Scope;

/// 428.
pub(crate) fn setup_required() -> Problem {
    Problem::new(
        428,
        "setup_required",
        "The box is not set up yet",
        "Open its page and go through the setup first.",
    )
}

/// 410.
pub(crate) fn setup_complete() -> Problem {
    Problem::new(
        410,
        "setup_complete",
        "The box is set up already",
        "Sign in instead.",
    )
}

/// 403.
pub(crate) fn wrong_role() -> Problem {
    Problem::new(
        403,
        "wrong_role",
        "Your account may not do this",
        "Ask the owner of the box.",
    )
}

/// 403.
pub(crate) fn wrong_scope(needed: Option<Scope>) -> Problem {
    Problem::new(
        403,
        "wrong_scope",
        "The token is not good for this",
        match needed {
            Some(scope) => format!("It would have to be good for {scope}."),
            None => "No token is: sign in with name and password.".to_owned(),
        },
    )
}

/// 404.
pub(crate) fn not_found() -> Problem {
    Problem::new(
        404,
        "not_found",
        "Not found",
        "There is nothing at this address.",
    )
}

/// 405.
pub(crate) fn wrong_method() -> Problem {
    Problem::new(
        405,
        "method_not_allowed",
        "This method is not offered here",
        "The Allow header names those that are.",
    )
}

/// 400.
pub(crate) fn bad_query() -> Problem {
    Problem::new(
        400,
        "invalid_query",
        "The query could not be read",
        "Write it percent-encoded in UTF-8.",
    )
}
