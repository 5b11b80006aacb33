//! People who may sign in, and their passwords.

use cell_control::action::{AccountForm, AccountUpdate, Action, Outcome, PasswordReset};
use cell_control::invite::{InviteForm, InviteView};
use cell_control::query::{Accounts, Invites};
use cell_control::view::AccountView;
use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::name::Username;
use cell_model::problem::Problem;
use clap::{Args, Subcommand};

use crate::choice::{self, End};
use crate::command::Limit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::prompt;
use crate::table::Table;
use crate::text::{joined, time};

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
        /// When its access ends by itself, such as 2027-01-31T18:00:00Z
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
    /// Give an account another role, or another end of its access
    Change {
        /// Its name
        username: Username,
        #[command(flatten)]
        changes: Changes,
    },
    /// Have somebody make an account of their own, and print the code for it; it is shown this once
    Invite {
        /// The name that the account will have
        username: Username,
        /// What it will be able to do
        #[arg(long, value_parser = choice::role(), default_value = "member")]
        role: Role,
        /// When its access will end by itself, such as 2027-01-31T18:00:00Z
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
        /// How many hours the invite counts
        #[arg(long, value_name = "N", default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=720))]
        hours: u32,
    },
    /// List invites that count
    Invites,
    /// Take an invite back
    RevokeInvite {
        /// Its id, as listed
        id: String,
    },
    /// Remove an account, with its devices, sessions, app passwords, tokens and invites
    Remove {
        /// Its name
        username: Username,
    },
}

/// At least one of these makes a change.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Changes {
    /// What it may do
    #[arg(long, value_parser = choice::role())]
    role: Option<Role>,
    /// When its access ends by itself: a time, or `never`
    #[arg(long, value_name = "TIME|never")]
    until: Option<End>,
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
            Self::Change { username, changes } => {
                let update = AccountUpdate {
                    role: changes.role,
                    access_until: changes.until.map(End::time),
                };
                let sentence = format!("{username} is changed.");
                core.act(Action::ChangeAccount { username, update }).await?;
                output.done(&sentence)?;
            }
            Self::Invite {
                username,
                role,
                until,
                hours,
            } => {
                let form = InviteForm {
                    username,
                    role,
                    access_until: until,
                    expires_in_s: Some(hours * 3600),
                };
                let Outcome::Invited(made) = core.act(Action::Invite(form)).await? else {
                    return Err(Problem::internal().into());
                };
                // Alone on standard output, so that it can be redirected; everything about it beside it.
                output.show(&made, |made| format!("{}\n", made.code.expose()))?;
                if !output.is_json() {
                    output.note(&format!(
                        "{} enters it at https://BOX/invite until {}. The box does not keep it.",
                        made.invite.username,
                        time(made.invite.expires_at)
                    ));
                }
            }
            Self::Invites => {
                let page = core.ask(Invites).await?;
                output.show_page(&page, invites)?;
            }
            Self::RevokeInvite { id } => {
                let sentence = format!("The invite {id} counts no more.");
                core.act(Action::RevokeInvite { id }).await?;
                output.done(&sentence)?;
            }
            Self::Add {
                username,
                role,
                until,
            } => {
                let password = prompt::new_password().await?;
                let sentence = format!("{username} may sign in as {}.", role.as_str());
                core.act(Action::AddAccount(AccountForm {
                    username,
                    password,
                    role,
                    access_until: until,
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
        let password = account
            .must_change_password
            .then_some("must change the password");
        let access = account.access_over.then_some("its access has ended");
        [
            account.username.to_string(),
            account.role.as_str().to_owned(),
            time(account.created_at),
            account
                .access_until
                .map_or_else(|| "never".to_owned(), time),
            joined(password.into_iter().chain(access)),
        ]
    });
    Table::new(["USERNAME", "ROLE", "CREATED", "ENDS", "REMARKS"])
        .with_rows(rows)
        .to_string()
}

fn invites(invites: &[InviteView]) -> String {
    let rows = invites.iter().map(|invite| {
        [
            invite.id.clone(),
            invite.username.to_string(),
            invite.role.as_str().to_owned(),
            invite.invited_by.to_string(),
            time(invite.expires_at),
        ]
    });
    Table::new(["ID", "USERNAME", "ROLE", "INVITED BY", "COUNTS UNTIL"])
        .with_rows(rows)
        .to_string()
}
