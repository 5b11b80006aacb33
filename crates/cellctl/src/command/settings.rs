//! Settings: what they are, what a change would do, the change, and what becomes of a risky one.

use std::fmt::Write;
use std::path::PathBuf;

use cell_control::change::{Change, Preview, SettingsUpdate};
use cell_control::query::Settings;
use clap::{Args, Subcommand};

use crate::core::Core;
use crate::error::CellctlError;
use crate::input::read_json;
use crate::output::Output;
use crate::text::receipt;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the settings as a file that `apply` takes
    Show {
        /// As of this revision instead of now
        #[arg(long, value_name = "N")]
        revision: Option<u64>,
    },
    /// Change the settings: sections that the file does not name stay
    Apply(Source),
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// JSON as `config show` prints it, whole or some of its sections; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Source {
    async fn change(self) -> Result<Change, CellctlError> {
        let update: SettingsUpdate = read_json(self.file).await?;
        Ok(Change::Settings(Box::new(update)))
    }
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::Show { revision } => {
                let view = core.ask(Settings { revision }).await?;
                // A file to edit and to apply is what a person wants too.
                Output::new(true).show(&view, |_| String::new())?;
            }
            Self::Apply(source) => {
                let stored = core.submit(source.change().await?).await?;
                output.show(&stored, receipt)?;
            }
        }
        Ok(())
    }
}

/// What a change would do.
pub(crate) async fn plan(source: Source, core: &Core, output: &Output) -> Result<(), CellctlError> {
    let preview = core.preview(source.change().await?).await?;
    Ok(output.show(&preview, preview_text)?)
}

/// Keeps the change that waits.
pub(crate) async fn confirm(core: &Core, output: &Output) -> Result<(), CellctlError> {
    let kept = core.confirm().await?;
    Ok(output.show(&kept, |kept| format!("Revision {} stays.\n", kept.revision))?)
}

/// Takes the change that waits back.
pub(crate) async fn revert(core: &Core, output: &Output) -> Result<(), CellctlError> {
    let reverted = core.revert().await?;
    Ok(output.show(&reverted, |reverted| {
        format!("Taken back. {}", receipt(reverted))
    })?)
}

fn preview_text(preview: &Preview) -> String {
    let mut text = String::new();
    if preview.steps.is_empty() {
        text.push_str("Nothing would be done.\n");
    }
    for (index, step) in preview.steps.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}. {step}", index + 1);
    }
    for warning in &preview.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    if preview.needs_confirmation {
        text.push_str("It could cut you off, so it returns by itself unless confirmed.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_and_risk_is_said() {
        let text = preview_text(&Preview {
            steps: vec!["First.".to_owned(), "Second.".to_owned()],
            warnings: vec!["It may hurt.".to_owned()],
            needs_confirmation: true,
            changes_nothing: false,
        });
        assert!(
            text.starts_with("1. First.\n2. Second.\nwarning: It may hurt.\n"),
            "{text}"
        );
        assert!(text.contains("unless confirmed"), "{text}");
    }

    #[test]
    fn preview_without_steps_says_so() {
        let text = preview_text(&Preview {
            steps: Vec::new(),
            warnings: Vec::new(),
            needs_confirmation: false,
            changes_nothing: true,
        });
        assert_eq!(text, "Nothing would be done.\n");
    }
}
