//! Passkeys, which people sign in with.

use cell_control::action::Action;
use cell_control::passkey::PasskeyView;
use cell_control::query::Passkeys;
use cell_model::name::Username;
use clap::Subcommand;

use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::Table;
use crate::text::{optional, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the passkeys of an account
    List {
        /// The account
        username: Username,
    },
    /// Remove a passkey; it signs nobody in from then on
    Remove {
        /// Its id, as listed
        id: String,
    },
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List { username } => {
                let username = Some(username);
                let page = core.ask(Passkeys { username }).await?;
                output.show_page(&page, table)?;
            }
            Self::Remove { id } => {
                let sentence = format!("The passkey {id} is removed.");
                core.act(Action::RemovePasskey { id }).await?;
                output.done(&sentence)?;
            }
        }
        Ok(())
    }
}

fn table(passkeys: &[PasskeyView]) -> String {
    let rows = passkeys.iter().map(|passkey| {
        [
            passkey.id.clone(),
            passkey.label.to_string(),
            passkey.relying_party.clone(),
            time(passkey.created_at),
            optional(passkey.last_used),
        ]
    });
    Table::new(["ID", "NAME", "FOR", "CREATED", "LAST USED"])
        .with_rows(rows)
        .to_string()
}
