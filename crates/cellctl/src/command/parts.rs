//! Built-in parts of the box.

use cell_control::action::{Action, Outcome, TestResult};
use cell_control::query::PartDetail;
use cell_control::view::{Page, PartView};
use cell_model::problem::Problem;
use cell_model::status::Part;
use clap::Subcommand;

use crate::choice;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::{Table, facts};
use crate::text::{optional, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List parts
    List,
    /// Show one part
    Show {
        /// Which
        #[arg(value_parser = choice::part())]
        part: Part,
    },
    /// Try what a part is there for; exit status 1 when it does not do it
    Test {
        /// Which
        #[arg(value_parser = choice::part())]
        part: Part,
    },
    /// Start a part anew
    Restart {
        /// Which
        #[arg(value_parser = choice::part())]
        part: Part,
    },
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List => {
                let mut items = Vec::new();
                for part in Part::ALL {
                    items.push(core.ask(PartDetail { part }).await?);
                }
                output.show_page(&Page { items, next: None }, table)?;
            }
            Self::Show { part } => {
                let view = core.ask(PartDetail { part }).await?;
                output.show(&view, details)?;
            }
            Self::Test { part } => {
                let Outcome::Tested(result) = core.act(Action::TestPart { part }).await? else {
                    return Err(Problem::internal().into());
                };
                output.show(&result, test_text)?;
                if !result.ok {
                    return Err(CellctlError::Negative);
                }
            }
            Self::Restart { part } => {
                core.act(Action::RestartPart { part }).await?;
                output.done(&format!("{} starts anew.", part.as_str()))?;
            }
        }
        Ok(())
    }
}

fn table(parts: &[PartView]) -> String {
    let rows = parts.iter().map(|view| {
        [
            view.part.as_str().to_owned(),
            view.state.as_str().to_owned(),
            time(view.since),
            optional(view.process_id),
            view.restarts.to_string(),
            view.detail.clone(),
        ]
    });
    Table::new(["PART", "STATE", "SINCE", "PROCESS", "RESTARTS", "DETAIL"])
        .numbers(&["PROCESS", "RESTARTS"])
        .with_rows(rows)
        .to_string()
}

fn details(view: &PartView) -> String {
    let mut text = facts([
        ("part", view.part.as_str().to_owned()),
        ("state", view.state.as_str().to_owned()),
        ("since", time(view.since)),
        ("detail", view.detail.clone()),
        ("process", optional(view.process_id)),
        ("restarts", view.restarts.to_string()),
    ]);
    if !view.facts.is_empty() {
        let rows = view.facts.iter().cloned();
        let table = Table::new(["FACT", "VALUE"]).with_rows(rows.map(<[String; 2]>::from));
        text.push_str(&format!("\n{table}"));
    }
    text
}

fn test_text(result: &TestResult) -> String {
    let verdict = if result.ok {
        "It works."
    } else {
        "It does not work."
    };
    let mut text = format!("{verdict}\n");
    for sentence in &result.detail {
        text.push_str(&format!("  {sentence}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_result_begins_with_its_verdict() {
        let text = test_text(&TestResult {
            ok: false,
            detail: vec!["Nobody answers on port 53.".to_owned()],
        });
        assert_eq!(text, "It does not work.\n  Nobody answers on port 53.\n");
    }
}
