//! How everything is.

use std::fmt::Write;

use cell_control::query::Status;
use cell_control::view::StatusView;
use clap::Args;

use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::Table;
use crate::text::{NOTHING, optional, pending, time};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Show it again at every change, until Ctrl-C; with --json one document a line
    #[arg(long, short)]
    watch: bool,
}

impl Options {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        let mut view = core.ask(Status).await?;
        if !self.watch {
            return Ok(output.show(&view, text)?);
        }
        loop {
            output.show_again(&view, text)?;
            // Half a minute without a change answers the same number.
            while core.changed(view.generation).await? <= view.generation {}
            view = core.ask(Status).await?;
        }
    }
}

fn text(view: &StatusView) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}: revision {}, applied {}, {} {}, celld {}",
        view.cell_name.as_deref().unwrap_or(NOTHING),
        optional(view.revision),
        optional(view.applied_revision),
        view.peers,
        if view.peers == 1 { "device" } else { "devices" },
        view.version
    );
    if let Some(waiting) = &view.pending {
        text.push_str(&pending(waiting));
    }
    for notice in &view.notices {
        let _ = writeln!(text, "note: {notice}");
    }
    let rows = view.items.iter().map(|item| {
        [
            item.id.clone(),
            item.state.as_str().to_owned(),
            time(item.since),
            item.detail.clone(),
        ]
    });
    let table = Table::new(["PART", "STATE", "SINCE", "DETAIL"]).with_rows(rows);
    let _ = write!(text, "\n{table}");
    text
}
