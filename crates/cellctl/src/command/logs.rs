//! Lines of the log, and how many of them there are.

use cell_control::action::{Action, LogLevel, Verbosity};
use cell_control::query::{Logs, Range, VerbosityLevels};
use cell_control::view::{LogPage, VerbosityView};
use cell_model::status::Part;
use clap::Args;

use crate::choice;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::Table;
use crate::text::{time, word};

/// What stands for the daemon itself where a part is named.
const DAEMON: &str = "celld";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only of this part
    #[arg(long, value_parser = choice::part())]
    part: Option<Part>,
    /// Only this important or more
    #[arg(long, value_parser = choice::level())]
    level: Option<LogLevel>,
    /// Only lines that contain this text, either case
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many lines
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=Range::MAX_LIMIT as i64))]
    limit: u16,
}

#[derive(Debug, Args)]
pub(crate) struct VerbosityOptions {
    /// The least important level that is kept from now on
    #[arg(value_parser = choice::level())]
    level: Option<LogLevel>,
    /// Only for this part
    #[arg(long, requires = "level", value_parser = choice::part())]
    part: Option<Part>,
}

impl Options {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        let question = Logs {
            limit: self.limit.into(),
            part: self.part,
            level: self.level,
            text: self.search,
        };
        Ok(output.show(&core.ask(question).await?, lines)?)
    }
}

impl VerbosityOptions {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        if let Some(level) = self.level {
            let verbosity = Verbosity {
                part: self.part,
                level,
            };
            core.act(Action::SetVerbosity(verbosity)).await?;
        }
        Ok(output.show(&core.ask(VerbosityLevels).await?, levels)?)
    }
}

fn lines(page: &LogPage) -> String {
    let rows = page.items.iter().map(|line| {
        [
            time(line.time),
            word(&line.level),
            line.part.map_or(DAEMON, Part::as_str).to_owned(),
            line.message.clone(),
        ]
    });
    Table::without_headings().with_rows(rows).to_string()
}

fn levels(view: &VerbosityView) -> String {
    let parts = view.parts.iter();
    let rows = parts.map(|(part, level)| [part.as_str().to_owned(), word(level)]);
    Table::new(["PART", "LEVEL"])
        .with_rows(
            [["default".to_owned(), word(&view.default)]]
                .into_iter()
                .chain(rows),
        )
        .to_string()
}
