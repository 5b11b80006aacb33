//! Tokens of programs that use the interface on somebody's behalf.

use cell_control::action::Action;
use cell_control::api_token::ApiTokenView;
use cell_control::query::ApiTokens;
use cell_model::name::Username;
use clap::Subcommand;

use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::Table;
use crate::text::{joined, optional, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the tokens of an account
    List {
        /// The account
        username: Username,
    },
    /// Remove a token; it opens nothing from then on
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
                let page = core.ask(ApiTokens { username }).await?;
                output.show_page(&page, table)?;
            }
            Self::Remove { id } => {
                let sentence = format!("The token {id} is removed.");
                core.act(Action::RemoveApiToken { id }).await?;
                output.done(&sentence)?;
            }
        }
        Ok(())
    }
}

fn table(tokens: &[ApiTokenView]) -> String {
    let rows = tokens.iter().map(|token| {
        [
            token.id.clone(),
            token.label.to_string(),
            joined(&token.scopes),
            time(token.created_at),
            token.expires_at.map_or_else(|| "never".to_owned(), time),
            optional(token.last_used),
        ]
    });
    Table::new(["ID", "FOR", "SCOPES", "CREATED", "ENDS", "LAST USED"])
        .with_rows(rows)
        .to_string()
}
