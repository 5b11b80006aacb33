//! Mail: addresses, room, how it leaves the box, records and keys, and how it looks from outside.

use std::collections::{BTreeMap, BTreeSet};

use cell_control::action::{Action, Outcome};
use cell_control::change::Change;
use cell_control::mail::{MailAliasView, MailCheckForm, MailFindingsView, MailUpdate, MailView};
use cell_control::query::{DkimKeys, Mail, MailFindings, MailRecords};
use cell_model::config::{DeliveryConfig, LoginName, MailTarget, RelayConfig};
use cell_model::mail::{DkimKey, port};
use cell_model::name::{DnsLabel, Domain, LocalPart, Username};
use cell_model::problem::Problem;
use clap::Subcommand;

use super::services::submit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::prompt;
use crate::table::{Table, facts};
use crate::text::{NOTHING, joined, optional, time, word, yes_no};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how mail is set
    Show,
    /// Give what nobody has the address of to somebody, or refuse it
    CatchAll {
        /// Who gets it
        #[arg(required_unless_present = "nobody", conflicts_with = "nobody")]
        username: Option<Username>,
        /// Refuse it
        #[arg(long)]
        nobody: bool,
    },
    /// Say how much may be kept
    Room {
        /// In MiB
        mib: u32,
        /// By whom
        #[arg(required_unless_present = "everybody", conflicts_with = "everybody")]
        username: Option<Username>,
        /// By everybody who has no room of their own
        #[arg(long)]
        everybody: bool,
    },
    /// Give somebody the room that everybody has
    UsualRoom {
        /// Whom
        username: Username,
    },
    /// Say how mail leaves the box
    #[command(subcommand)]
    Deliver(Way),
    /// List further addresses
    Aliases,
    /// Make a further address, or lead it to others
    Alias {
        /// What stands before the @
        name: LocalPart,
        /// Who gets its mail: names of accounts and addresses of the box, and addresses elsewhere
        #[arg(required = true, value_name = "A,B", value_delimiter = ',')]
        targets: Vec<MailTarget>,
    },
    /// Remove a further address
    RemoveAlias {
        /// What stands before the @
        name: LocalPart,
    },
    /// Print the records for public DNS, as a zone file
    Records,
    /// List the keys that mail is signed with
    Keys,
    /// Make a key that mail is signed with once its record is in public DNS
    AddKey,
    /// Sign mail with a key from now on, whatever public DNS says
    Sign {
        /// Its selector, as listed
        selector: DnsLabel,
    },
    /// Look at mail as others see it; takes up to 40 seconds
    Check {
        /// A domain whose mail servers are greeted, without a message; some large providers when not said
        #[arg(long, value_name = "DOMAIN")]
        greet: Option<Domain>,
    },
    /// Show what was found when mail was looked at last
    Findings,
}

/// How mail leaves the box.
#[derive(Debug, Subcommand)]
pub(crate) enum Way {
    /// Straight to the servers of its receivers
    Direct,
    /// Through a provider; a password is read from the terminal, or from standard input
    Relay {
        /// Its host, by name
        host: Domain,
        /// Its port: 465 with TLS from the first byte on, any other with STARTTLS
        #[arg(long, default_value_t = port::SUBMISSION, value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// Who the box is there; it does not sign in when not said
        #[arg(long, value_name = "NAME")]
        username: Option<LoginName>,
    },
    /// Not at all: people get mail and send none
    ReceiveOnly,
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::Show => output.show(&*core.ask(Mail).await?, details)?,
            Self::CatchAll { username, .. } => {
                let update = MailUpdate {
                    catch_all: Some(username),
                    ..MailUpdate::default()
                };
                change(core, output, update).await?;
            }
            Self::Room { mib, username, .. } => {
                let quotas = username.iter().map(|name| (name.clone(), Some(mib)));
                let update = MailUpdate {
                    quotas: quotas.collect(),
                    quota_mib: username.is_none().then_some(mib),
                    ..MailUpdate::default()
                };
                change(core, output, update).await?;
            }
            Self::UsualRoom { username } => {
                let update = MailUpdate {
                    quotas: BTreeMap::from([(username, None)]),
                    ..MailUpdate::default()
                };
                change(core, output, update).await?;
            }
            Self::Deliver(way) => change(core, output, way.update().await?).await?,
            Self::Aliases => {
                let view = core.ask(Mail).await?;
                output.show(&view.aliases, |all| aliases(all))?;
            }
            Self::Alias { name, targets } => {
                let targets: BTreeSet<MailTarget> = targets.into_iter().collect();
                submit(core, output, Change::PutMailAlias { name, targets }).await?;
            }
            Self::RemoveAlias { name } => {
                submit(core, output, Change::RemoveMailAlias { name }).await?;
            }
            Self::Records => {
                output.show(&core.ask(MailRecords).await?, |view| view.zone.clone())?
            }
            Self::Keys => output.show_page(&core.ask(DkimKeys).await?, keys)?,
            Self::AddKey => {
                let Outcome::DkimKeyAdded(key) = core.act(Action::AddDkimKey).await? else {
                    return Err(Problem::internal().into());
                };
                output.show(&*key, |key| keys(std::slice::from_ref(key)))?;
                output.note("Put its record into public DNS: cellctl mail records");
            }
            Self::Sign { selector } => {
                let sentence = format!("Mail is signed with {selector} now.");
                core.act(Action::SignWithDkimKey { selector }).await?;
                output.done(&sentence)?;
            }
            Self::Check { greet } => {
                let form = MailCheckForm { greet };
                let Outcome::MailChecked(found) = core.act(Action::CheckMail(form)).await? else {
                    return Err(Problem::internal().into());
                };
                output.show(&*found, findings)?;
            }
            Self::Findings => output.show(&core.ask(MailFindings).await?, findings)?,
        }
        Ok(())
    }
}

impl Way {
    async fn update(self) -> Result<MailUpdate, CellctlError> {
        let (delivery, relay_password) = match self {
            Self::Direct => (DeliveryConfig::Direct, None),
            Self::ReceiveOnly => (DeliveryConfig::ReceiveOnly, None),
            Self::Relay {
                host,
                port,
                username,
            } => {
                let password = match username {
                    Some(_) => Some(prompt::hidden("the password at the provider").await?),
                    None => None,
                };
                let relay = RelayConfig {
                    host,
                    port,
                    username,
                };
                (DeliveryConfig::Relay(relay), password)
            }
        };
        Ok(MailUpdate {
            delivery: Some(delivery),
            relay_password,
            ..MailUpdate::default()
        })
    }
}

async fn change(core: &Core, output: &Output, update: MailUpdate) -> Result<(), CellctlError> {
    submit(core, output, Change::Mail(Box::new(update))).await
}

fn details(view: &MailView) -> String {
    let quotas = view.quotas.iter();
    let quotas = quotas.map(|(username, mib)| format!("{username} {mib} MiB"));
    facts([
        ("domain", view.domain.to_string()),
        ("installed", yes_no(view.installed)),
        ("leaves", leaves(view)),
        ("room", format!("{} MiB", view.quota_mib)),
        ("other room", joined(quotas)),
        ("catch-all", optional(view.catch_all.as_ref())),
        (
            "aliases",
            joined(view.aliases.iter().map(|alias| &alias.name)),
        ),
        ("kept names", joined(&view.kept_names)),
    ])
}

fn leaves(view: &MailView) -> String {
    match &view.delivery {
        DeliveryConfig::Direct => "straight to others".to_owned(),
        DeliveryConfig::ReceiveOnly => "not at all".to_owned(),
        DeliveryConfig::Relay(relay) => {
            let username = match &relay.username {
                Some(username) => format!(" as {username}"),
                None => String::new(),
            };
            let missing = match relay.username.is_some() && !view.relay_password_set {
                true => ", whose password is missing",
                false => "",
            };
            format!("through {}:{}{username}{missing}", relay.host, relay.port)
        }
    }
}

fn aliases(aliases: &[MailAliasView]) -> String {
    let rows = aliases
        .iter()
        .map(|alias| [alias.address.clone(), joined(&alias.targets)]);
    Table::new(["ADDRESS", "FOR"]).with_rows(rows).to_string()
}

fn keys(keys: &[DkimKey]) -> String {
    let rows = keys.iter().map(|key| {
        [
            key.selector.to_string(),
            key.domain.to_string(),
            word(&key.state),
            time(key.since),
        ]
    });
    Table::new(["SELECTOR", "DOMAIN", "STATE", "SINCE"])
        .with_rows(rows)
        .to_string()
}

fn findings(view: &MailFindingsView) -> String {
    if view.checked_at.is_none() {
        return "Nobody has looked since the box started: cellctl mail check\n".to_owned();
    }
    let rows = view.findings.iter().map(|finding| {
        let action = match finding.action.as_str() {
            "" => NOTHING,
            action => action,
        };
        [
            finding.id.clone(),
            word(&finding.state),
            finding.seen.clone(),
            action.to_owned(),
        ]
    });
    Table::new(["ABOUT", "STATE", "SEEN", "TO DO"])
        .with_rows(rows)
        .to_string()
}
