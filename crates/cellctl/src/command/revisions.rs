//! Earlier states of the settings.

use cell_control::change::Change;
use cell_control::query::{Diff, Revision, Revisions};
use cell_control::view::{DiffView, RevisionView};
use clap::Subcommand;

use crate::command::Limit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::{Table, facts};
use crate::text::{receipt, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List revisions, newest first
    List(Limit),
    /// Show one revision
    Show {
        /// Its number
        number: u64,
    },
    /// Show what a revision changed, or what differs between two
    Diff {
        /// The revision
        number: u64,
        /// The other one, when it is not the one before
        other: Option<u64>,
    },
    /// Bring the settings back to what they were; accounts and secrets stay as they are
    Restore {
        /// The revision to go back to
        number: u64,
    },
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List(Limit { limit }) => {
                let page = core.list(limit, |range| Revisions { range }).await?;
                output.show_page(&page, table)?;
            }
            Self::Show { number } => {
                let revision = core.ask(Revision { number }).await?;
                output.show(&revision, details)?;
            }
            Self::Diff { number, other } => {
                let other = other.unwrap_or_else(|| number.saturating_sub(1));
                let (from, to) = (other.min(number), other.max(number));
                let diff = core.ask(Diff { from, to }).await?;
                output.show(&diff, diff_text)?;
            }
            Self::Restore { number } => {
                let stored = core.submit(Change::RestoreRevision { number }).await?;
                output.show(&stored, receipt)?;
            }
        }
        Ok(())
    }
}

fn table(revisions: &[RevisionView]) -> String {
    let rows = revisions.iter().map(|revision| {
        [
            revision.number.to_string(),
            time(revision.time),
            revision.actor.clone(),
            revision.changes.to_string(),
            revision.summary.clone(),
        ]
    });
    Table::new(["NUMBER", "TIME", "ACTOR", "CHANGES", "SUMMARY"])
        .numbers(&["NUMBER", "CHANGES"])
        .with_rows(rows)
        .to_string()
}

fn details(revision: &RevisionView) -> String {
    facts([
        ("number", revision.number.to_string()),
        ("time", time(revision.time)),
        ("actor", revision.actor.clone()),
        ("changes", revision.changes.to_string()),
        ("summary", revision.summary.clone()),
    ])
}

/// A line with `-` for what was, one with `+` for what is.
fn diff_text(diff: &DiffView) -> String {
    if diff.changes.is_empty() {
        return format!("Revisions {} and {} are the same.\n", diff.from, diff.to);
    }
    let lines = diff.changes.iter().flat_map(|change| {
        let before = change.before.as_ref().map(|value| ('-', value));
        let after = change.after.as_ref().map(|value| ('+', value));
        let sides = before.into_iter().chain(after);
        sides.map(|(sign, value)| format!("{sign} {} = {value}\n", change.path))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_control::view::DiffEntry;

    fn diff(changes: Vec<DiffEntry>) -> DiffView {
        DiffView {
            from: 6,
            to: 7,
            changes,
        }
    }

    #[test]
    fn each_side_of_a_difference_has_its_line() {
        let text = diff_text(&diff(vec![
            DiffEntry {
                path: "cell.timezone".to_owned(),
                before: Some("UTC".into()),
                after: Some("Europe/Vienna".into()),
            },
            DiffEntry {
                path: "peers.anna".to_owned(),
                before: Some(1.into()),
                after: None,
            },
        ]));
        assert_eq!(
            text,
            "- cell.timezone = \"UTC\"\n+ cell.timezone = \"Europe/Vienna\"\n- peers.anna = 1\n"
        );
    }

    #[test]
    fn equal_revisions_are_said_to_be_the_same() {
        assert_eq!(
            diff_text(&diff(Vec::new())),
            "Revisions 6 and 7 are the same.\n"
        );
    }
}
