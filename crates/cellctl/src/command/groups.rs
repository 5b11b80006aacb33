//! Groups of people.

use cell_control::change::Change;
use cell_control::query::Groups;
use cell_control::view::GroupView;
use cell_model::name::{GroupName, Username};
use clap::Subcommand;

use super::services::submit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::Table;
use crate::text::joined;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List groups
    List,
    /// Make a group, or give it other members
    Set {
        /// Its name
        name: GroupName,
        /// Who is in it; nobody when not said
        #[arg(value_name = "A,B", value_delimiter = ',')]
        members: Vec<Username>,
    },
    /// Remove a group that no service is for
    Remove {
        /// Its name
        name: GroupName,
    },
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List => {
                let page = core.ask(Groups).await?;
                output.show_page(&page, table)?;
            }
            Self::Set { name, members } => {
                let members = members.into_iter().collect();
                submit(core, output, Change::PutGroup { name, members }).await?;
            }
            Self::Remove { name } => {
                submit(core, output, Change::RemoveGroup { name }).await?;
            }
        }
        Ok(())
    }
}

fn table(groups: &[GroupView]) -> String {
    let rows = groups.iter().map(|group| {
        [
            group.name.to_string(),
            joined(&group.members),
            joined(&group.services),
        ]
    });
    Table::new(["NAME", "MEMBERS", "SERVICES"])
        .with_rows(rows)
        .to_string()
}
