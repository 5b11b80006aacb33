//! People who may sign in, and their passwords.

use cell_control::action::{AccountForm, Action, PasswordReset};
use cell_control::query::Accounts;
use cell_control::view::AccountView;
use cell_model::account::Role;
use cell_model::name::Username;
use clap::{Args, Subcommand};

use crate::choice;
use crate::command::Limit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::prompt;
use crate::table::Table;
use crate::text::time;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List accounts
    List(Limit),
    /// Add an account; its password is read from the terminal, or from standard input
    Add {
        /// Its name
        username: Username,
        /// What it may do
        #[arg(long, value_parser = choice::role(), default_value = "member")]
        role: Role,
    },
    /// Remove an account, and end its sessions and app passwords
    Remove {
        /// Its name
        username: Username,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// The account
    username: Username,
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List(Limit { limit }) => {
                let page = core.list(limit, |range| Accounts { range }).await?;
                output.show_page(&page, table)?;
            }
            Self::Add { username, role } => {
                let password = prompt::new_password().await?;
                let sentence = format!("{username} may sign in as {}.", role.as_str());
                core.act(Action::AddAccount(AccountForm {
                    username,
                    password,
                    role,
                }))
                .await?;
                output.done(&sentence)?;
            }
            Self::Remove { username } => {
                let sentence = format!("{username} is removed.");
                core.act(Action::RemoveAccount { username }).await?;
                output.done(&sentence)?;
            }
        }
        Ok(())
    }
}

impl Reset {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        let username = self.username;
        let new_password = prompt::new_password().await?;
        let sentence = format!(
            "{username} has a new password and must change it at the next sign-in; all sessions and app passwords of the account are over."
        );
        core.act(Action::ResetPassword(PasswordReset {
            username,
            new_password,
        }))
        .await?;
        Ok(output.done(&sentence)?)
    }
}

fn table(accounts: &[AccountView]) -> String {
    let rows = accounts.iter().map(|account| {
        let remark = if account.must_change_password {
            "must change the password"
        } else {
            ""
        };
        [
            account.username.to_string(),
            account.role.as_str().to_owned(),
            time(account.created_at),
            remark.to_owned(),
        ]
    });
    Table::new(["USERNAME", "ROLE", "CREATED", "REMARKS"])
        .with_rows(rows)
        .to_string()
}
