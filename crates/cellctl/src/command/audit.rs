//! Who did what.

use cell_control::csv;
use cell_control::query::{Audit, AuditVerify, Range};
use cell_control::view::{AuditPage, AuditVerifyView, AuditView};
use cell_model::name::Username;
use clap::{Args, Subcommand};

use crate::command::Limit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::Table;
use crate::text::{self, optional, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List records, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        limit: Limit,
    },
    /// Check that no record was changed or taken out; exit status 1 when one was
    Verify,
    /// Print records as CSV, or with --json one record a line
    Export {
        #[command(flatten)]
        filter: Filter,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Filter {
    /// Only what this account did
    #[arg(long, value_name = "USER")]
    actor: Option<Username>,
    /// Only this action or those below it: `peer` finds `peer.add`
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to what has this name: a device, an account, another cell
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
}

impl Filter {
    fn question(&self, range: Range) -> Audit {
        Audit {
            range,
            actor: self.actor.clone(),
            action: self.action.clone(),
            object: self.object.clone(),
        }
    }
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List { filter, limit } => {
                let question = |range| filter.question(range);
                let page = core.list(limit.limit, question).await?;
                output.show_page(&page, table)?;
            }
            Self::Verify => {
                let verified = core.ask(AuditVerify).await?;
                output.show(&verified, verdict)?;
                if !verified.ok {
                    return Err(CellctlError::Negative);
                }
            }
            Self::Export { filter } => export(&filter, core, output).await?,
        }
        Ok(())
    }
}

/// Writes page by page: the whole log may be larger than the memory to spare.
async fn export(filter: &Filter, core: &Core, output: &Output) -> Result<(), CellctlError> {
    if !output.is_json() {
        output.bytes(csv::HEADER.as_bytes())?;
    }
    let mut cursor = None;
    loop {
        let range = Range {
            limit: Range::MAX_LIMIT,
            cursor: cursor.clone(),
        };
        let page = core.ask(filter.question(range)).await?;
        output.bytes(exported(&page, output.is_json())?.as_bytes())?;
        // A cursor that stands still would be asked for ever.
        if page.next.is_none() || page.next == cursor {
            return Ok(());
        }
        cursor = page.next;
    }
}

fn exported(page: &AuditPage, json: bool) -> std::io::Result<String> {
    let mut text = String::new();
    for record in &page.items {
        if json {
            text.push_str(&text::escaped(&serde_json::to_string(record)?));
            text.push('\n');
        } else {
            text.push_str(&csv::row(record));
        }
    }
    Ok(text)
}

fn table(records: &[AuditView]) -> String {
    let rows = records.iter().map(|record| {
        [
            record.number.to_string(),
            time(record.time),
            optional(record.actor.as_ref()),
            optional(record.address),
            record.action.clone(),
            optional(record.object.as_ref()),
            record.outcome.clone(),
            record.detail.clone(),
        ]
    });
    Table::new([
        "NUMBER", "TIME", "ACTOR", "FROM", "ACTION", "OBJECT", "OUTCOME", "DETAIL",
    ])
    .numbers(&["NUMBER"])
    .with_rows(rows)
    .to_string()
}

fn verdict(verified: &AuditVerifyView) -> String {
    match verified.broken_at {
        Some(number) => format!("The chain is broken at record {number}.\n"),
        None if verified.ok => format!("The chain holds: {} records.\n", verified.records),
        None => "The chain is broken.\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_names_the_first_record_that_does_not_fit() {
        let verdict = |ok, broken_at| {
            verdict(&AuditVerifyView {
                ok,
                records: 12,
                broken_at,
            })
        };
        assert_eq!(verdict(true, None), "The chain holds: 12 records.\n");
        assert_eq!(
            verdict(false, Some(4)),
            "The chain is broken at record 4.\n"
        );
    }
}
