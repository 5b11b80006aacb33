//! Links to other cells.

use std::path::PathBuf;

use cell_control::action::{Action, Outcome};
use cell_control::change::Change;
use cell_control::link::{
    InviteText, LinkCode, LinkForm, LinkInviteForm, LinkInviteView, LinkState, LinkUpdate, LinkView,
};
use cell_control::query::{Link, LinkInvites, Links};
use cell_model::config::ServiceToggle;
use cell_model::name::CellName;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use clap::Subcommand;

use super::services::submit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::input::read_json;
use crate::output::Output;
use crate::table::Table;
use crate::text::{joined, optional, time, word, yes_no};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List other cells, linked or on the way there
    List,
    /// Print an invite for another cell, for its owner to import; good for one, once
    Invite {
        /// Link whoever has it at once, without a code to compare
        #[arg(long)]
        auto_accept: bool,
        /// Seconds until it counts no more; a day when not said
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u32>,
        /// It may have a domain of the internet's: names there are then asked of it alone
        #[arg(long)]
        allow_public_domain: bool,
    },
    /// List invites for other cells that count
    Invites,
    /// Take an invite for another cell back
    Revoke {
        /// Its id, as listed
        id: String,
    },
    /// Import an invite of another cell, or its acceptance of one of this cell's, and link with it
    Import {
        /// The file; `-`: standard input
        file: PathBuf,
        /// It may have a domain of the internet's: names there are then asked of it alone
        #[arg(long)]
        allow_public_domain: bool,
    },
    /// Print what the owner of a cell may import that is not reached from here: their box then calls this one
    Acceptance {
        /// Its name
        name: CellName,
    },
    /// Link with a cell that has used an invite of this one, when the code is right
    Confirm {
        /// Its name
        name: CellName,
        /// The six that it shows; no secret: both owners see them
        digits: String,
    },
    /// Say which kinds of service here the other cell's people may use
    Share {
        /// Its name
        name: CellName,
        /// Kinds: calendar, files, mail, webdav; none when not said
        #[arg(value_name = "A,B", value_delimiter = ',', value_parser = toggle)]
        services: Vec<ServiceToggle>,
    },
    /// Let the other cell's people go out to the internet by way of this one
    OfferExit {
        /// Its name
        name: CellName,
    },
    /// Let them no more
    WithdrawExit {
        /// Its name
        name: CellName,
    },
    /// Have it be what it wants to be from now on, though its domain is one of the internet's
    Accept {
        /// Its name
        name: CellName,
    },
    /// Have nothing pass between the two for now
    Pause {
        /// Its name
        name: CellName,
    },
    /// Have it pass again
    Resume {
        /// Its name
        name: CellName,
    },
    /// End a link, or give one up that is not there yet
    Remove {
        /// Its name
        name: CellName,
    },
}

fn toggle(text: &str) -> Result<ServiceToggle, String> {
    let mut toggles = ServiceToggle::ALL.into_iter();
    let found = toggles.find(|toggle| toggle.as_str() == text);
    found.ok_or_else(|| "must be calendar, files, mail or webdav".to_owned())
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List => output.show_page(&core.ask(Links).await?, table)?,
            Self::Invite {
                auto_accept,
                expires_in,
                allow_public_domain,
            } => {
                let form = LinkInviteForm {
                    auto_accept,
                    expires_in_s: expires_in,
                    allow_public_domain,
                };
                let Outcome::CellInvited(made) = core.act(Action::InviteCell(form)).await? else {
                    return Err(Problem::internal().into());
                };
                output.bytes(&serde_json::to_vec(&made.invite).unwrap_or_default())?;
                let until = time(made.view.expires_at);
                output.note(&format!("It is good for one cell, until {until}."));
            }
            Self::Invites => output.show_page(&core.ask(LinkInvites).await?, invites)?,
            Self::Revoke { id } => {
                let sentence = format!("The invite {id} counts no more.");
                core.act(Action::RevokeCellInvite { id }).await?;
                output.done(&sentence)?;
            }
            Self::Import {
                file,
                allow_public_domain,
            } => {
                let invite: InviteText = read_json(file).await?;
                let form = LinkForm {
                    invite,
                    allow_public_domain,
                };
                let done = core.act(Action::LinkCell(Box::new(form))).await?;
                show(done, output)?;
            }
            Self::Acceptance { name } => {
                let link = core.ask(Link { name }).await?;
                let Some(acceptance) = link.acceptance else {
                    return Err(no_acceptance(&link.name).into());
                };
                output.bytes(&serde_json::to_vec(&acceptance).unwrap_or_default())?;
            }
            Self::Confirm { name, digits } => {
                let code = LinkCode {
                    code: Secret::new(digits),
                };
                let done = core.act(Action::ConfirmLink { name, code }).await?;
                show(done, output)?;
            }
            Self::Share { name, services } => {
                let update = LinkUpdate {
                    services: Some(services.into_iter().collect()),
                    ..LinkUpdate::default()
                };
                submit(core, output, Change::ChangeLink { name, update }).await?;
            }
            Self::OfferExit { name } => offer_exit(core, output, name, true).await?,
            Self::WithdrawExit { name } => offer_exit(core, output, name, false).await?,
            Self::Accept { name } => {
                let done = core.act(Action::AcceptLink { name }).await?;
                show(done, output)?;
            }
            Self::Pause { name } => pause(core, output, name, true).await?,
            Self::Resume { name } => pause(core, output, name, false).await?,
            Self::Remove { name } => {
                let link = core.ask(Link { name: name.clone() }).await?;
                if link.state == LinkState::Linked {
                    submit(core, output, Change::RemoveLink { name }).await?;
                } else {
                    let sentence = format!("The cell {name} is given up.");
                    core.act(Action::DropLink { name }).await?;
                    output.done(&sentence)?;
                }
            }
        }
        Ok(())
    }
}

fn no_acceptance(name: &CellName) -> Problem {
    Problem::conflict(
        "no_acceptance",
        "There is nothing to hand over",
        format!("The cell {name} is linked, is reached, or has not invited this one."),
    )
}

async fn pause(
    core: &Core,
    output: &Output,
    name: CellName,
    paused: bool,
) -> Result<(), CellctlError> {
    let update = LinkUpdate {
        paused: Some(paused),
        ..LinkUpdate::default()
    };
    submit(core, output, Change::ChangeLink { name, update }).await
}

async fn offer_exit(
    core: &Core,
    output: &Output,
    name: CellName,
    offers_exit: bool,
) -> Result<(), CellctlError> {
    let update = LinkUpdate {
        offers_exit: Some(offers_exit),
        ..LinkUpdate::default()
    };
    submit(core, output, Change::ChangeLink { name, update }).await
}

fn show(outcome: Outcome, output: &Output) -> Result<(), CellctlError> {
    let Outcome::CellLinked(link) = outcome else {
        return Err(Problem::internal().into());
    };
    output.show(&*link, sentence)?;
    Ok(())
}

/// How far it is, and what is to be done.
fn sentence(link: &LinkView) -> String {
    let name = &link.name;
    let detail = link.detail.as_deref().unwrap_or_default();
    match (link.state, &link.code) {
        (LinkState::Linked, _) => format!("The cell {name} is linked. {detail}\n"),
        (LinkState::AwaitingConfirmation, Some(code)) => format!(
            "The code is {code}. Read it to the owner of the cell {name}, who confirms it there. {detail}\n"
        ),
        (LinkState::AwaitingConfirmation | LinkState::Failed, _) => format!("{detail}\n"),
    }
}

fn table(links: &[LinkView]) -> String {
    let rows = links.iter().map(|link| {
        [
            link.name.to_string(),
            link.domain.to_string(),
            link.vpn_subnet.to_string(),
            word(&link.state),
            optional(link.code.clone()),
            yes_no(link.paused),
            joined(link.services.iter().map(|service| service.as_str())),
            link.theirs.as_ref().map_or_else(String::new, |theirs| {
                joined(theirs.services.iter().map(|service| service.as_str()))
            }),
            yes_no(link.told && link.held.is_none()),
            link.last_handshake.map_or_else(|| "never".to_owned(), time),
        ]
    });
    let head = [
        "NAME",
        "DOMAIN",
        "NETWORK",
        "STATE",
        "CODE",
        "PAUSED",
        "MAY USE",
        "WE MAY USE",
        "IN STEP",
        "HANDSHAKE",
    ];
    Table::new(head).with_rows(rows).to_string()
}

fn invites(invites: &[LinkInviteView]) -> String {
    let rows = invites.iter().map(|invite| {
        [
            invite.id.clone(),
            invite.created_by.to_string(),
            time(invite.expires_at),
            yes_no(invite.auto_accept),
            optional(invite.used_by.clone()),
        ]
    });
    Table::new(["ID", "BY", "ENDS", "AUTO", "USED BY"])
        .with_rows(rows)
        .to_string()
}
