//! Why something was not done, and what to do about it.

use cell_audit::AuditError;
use cell_model::problem::{Problem, chain};
use cell_store::StoreError;

/// Something that was not done. Both lines are for the person at the console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {todo}")]
pub struct Refusal {
    /// What happened, as a sentence.
    pub what: String,
    /// What to do, as a sentence.
    pub todo: String,
}

impl Refusal {
    /// What happened, what to do.
    pub fn new(what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            todo: todo.into(),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let mut what = format!("{}.", problem.title);
        for error in &problem.errors {
            what.push_str(&format!(" {} {}.", error.field, error.message));
        }
        let todo = match problem.retry_after {
            Some(seconds) if problem.detail.is_empty() => format!("Try again in {seconds} s."),
            _ if problem.detail.is_empty() => "Look at the logs (Export logs).".to_owned(),
            _ => problem.detail,
        };
        Self { what, todo }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let what = format!("The box's memory cannot be used: {}.", chain(&error));
        let todo = match error {
            StoreError::Locked(_) => {
                "The daemon, or another console, has it open. Try again in a moment; if it stays, restart the box."
            }
            StoreError::Missing(_) => {
                "Nothing is stored yet: start the box normally and set it up."
            }
            StoreError::NewerSchema { .. } => {
                "It was written by a newer system: boot the other one (Boot the other system)."
            }
            StoreError::DiskFull { .. } => {
                "Restart the box; if it stays, a factory reset makes room and erases everything."
            }
            StoreError::Stale { .. } => {
                "Somebody else changed it meanwhile. Look again and repeat."
            }
            StoreError::Open(_)
            | StoreError::Read(_)
            | StoreError::Damaged(_)
            | StoreError::BadSchema(_) => {
                "Its files are damaged. Export the logs; a factory reset starts over and erases everything."
            }
            _ => "Try again; if it stays, restart the box and export the logs.",
        };
        Self::new(what, todo)
    }
}

impl From<AuditError> for Refusal {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => error.into(),
            AuditError::Broken(_) => Self::new(
                format!("The audit log does not hold: {}.", chain(&error)),
                "Export the logs and ask for help.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_says_what_field_is_wrong_and_what_to_do() {
        let refusal = Refusal::from(Problem::field("network.wan", "must be another host"));
        assert_eq!(
            refusal.what,
            "One field is not right. network.wan must be another host."
        );
        assert_eq!(refusal.todo, "Correct what is named and send it again.");
    }

    #[test]
    fn every_way_the_store_fails_says_what_to_do() {
        for error in [
            StoreError::Locked("/state/cell".into()),
            StoreError::Missing("/state/cell".into()),
            StoreError::NewerSchema { found: 9, known: 1 },
            StoreError::DiskFull { free: 1, needed: 2 },
            StoreError::Damaged("history".to_owned()),
            StoreError::Poisoned,
        ] {
            let refusal = Refusal::from(error);
            assert!(refusal.what.starts_with("The box's memory"), "{refusal}");
            assert!(refusal.todo.ends_with('.'), "{refusal}");
        }
    }
}
