//! Through the control protocol, as root on the local socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_control::action::{
    AccountForm, Action, BundleSource, FirmwareFetch, Outcome, PasswordReset,
};
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_control::change::{Change, SettingsUpdate};
use cell_control::query::{
    Accounts, Firmware, Logs, Network, Question, Range, Settings, Setup, Status,
};
use cell_control::remote::Remote;
use cell_control::view::{NetworkView, StatusView};
use cell_control::{Control, ask};
use cell_model::account::Role;
use cell_model::config::AddressingConfig;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use tokio::runtime::Runtime;

use super::{Applied, Cell};
use crate::effect::Side;
use crate::refusal::Refusal;
use crate::situation::Stored;

/// How long a question may take: it is answered from memory.
const QUESTION: Duration = Duration::from_secs(3);
/// How long a change may take: the core waits up to 5 s for the network, and hashes a password or two.
const CHANGE: Duration = Duration::from_secs(15);
/// How long it may take to find out what is on a stick: old ones need a while to spin up, and the signatures are checked.
const STICK: Duration = Duration::from_secs(60);
/// Log lines asked for: the most one answer holds.
const LOG_LINES: usize = Range::MAX_LIMIT;

/// The daemon. Each call is a connection of its own, so a confirmation is always on a new one.
pub struct DaemonCell {
    runtime: Runtime,
    socket: PathBuf,
}

/// What the daemon says about everything.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Setup is done.
    pub set_up: bool,
    /// How everything is; `None` before setup.
    pub status: Option<StatusView>,
    /// Interfaces and listeners; `None` before setup.
    pub network: Option<NetworkView>,
    /// The name the box is found by at home.
    pub local_name: Option<String>,
}

impl DaemonCell {
    /// The daemon behind the socket; `None` when nobody listens there.
    ///
    /// # Errors
    /// When the socket cannot be used for another reason.
    pub fn reach(socket: &Path) -> Result<Option<Self>, Refusal> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let cell = Self {
            runtime,
            socket: socket.to_owned(),
        };
        let connected = cell.runtime.block_on(async {
            tokio::time::timeout(QUESTION, Remote::connect(&cell.socket)).await
        });
        match connected {
            Ok(Ok(_)) => Ok(Some(cell)),
            Ok(Err(error))
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(silent()),
        }
    }

    /// How everything is.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn look(&self) -> Result<Seen, Refusal> {
        self.within(QUESTION, async |control, caller| {
            let setup = ask(control, caller, Setup).await?;
            if !setup.complete {
                return Ok(Seen {
                    set_up: false,
                    status: None,
                    network: None,
                    local_name: setup.local_name,
                });
            }
            let network = ask(control, caller, Network).await?;
            Ok(Seen {
                set_up: true,
                status: Some(ask(control, caller, Status).await?),
                local_name: network.local_name.clone(),
                network: Some(network),
            })
        })
    }

    fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Refusal> {
        self.within(QUESTION, async |control, caller| {
            ask(control, caller, question).await
        })
    }

    fn owners(&self) -> Result<Vec<Username>, Refusal> {
        let range = Range {
            limit: Range::MAX_LIMIT,
            cursor: None,
        };
        let accounts = self.ask(Accounts { range })?.items.into_iter();
        let owners = accounts.filter(|account| account.role == Role::Owner);
        Ok(owners.map(|account| account.username).collect())
    }

    fn act(&self, action: Action) -> Result<Outcome, Refusal> {
        self.within(CHANGE, async |control, caller| {
            control.act(caller, action).await
        })
    }

    /// One conversation on a connection of its own.
    fn within<T>(
        &self,
        limit: Duration,
        talk: impl AsyncFnOnce(&Remote, &Caller) -> Result<T, Problem>,
    ) -> Result<T, Refusal> {
        let conversation = async {
            let control = Remote::connect(&self.socket)
                .await
                .map_err(|error| failed(&error))?;
            talk(&control, &Caller::local())
                .await
                .map_err(Refusal::from)
        };
        self.runtime
            .block_on(async { tokio::time::timeout(limit, conversation).await })
            .unwrap_or_else(|_| Err(silent()))
    }
}

impl Cell for DaemonCell {
    fn stored(&mut self) -> Result<Stored, Refusal> {
        if !self.ask(Setup)?.complete {
            return Ok(Stored::default());
        }
        let settings = self.ask(Settings { revision: None })?;
        Ok(Stored {
            cell_name: Some(settings.cell.name.to_string()),
            owners: self.owners()?,
            network: Some(settings.network),
        })
    }

    fn set_password(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal> {
        self.act(Action::ResetPassword(PasswordReset {
            username: owner.clone(),
            new_password: password,
        }))
        .map(drop)
    }

    fn add_owner(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal> {
        self.act(Action::AddAccount(AccountForm {
            username: owner.clone(),
            password,
            role: Role::Owner,
            access_until: None,
        }))
        .map(drop)
    }

    fn set_addressing(
        &mut self,
        side: Side,
        addressing: AddressingConfig,
    ) -> Result<Applied, Refusal> {
        let receipt = self.within(CHANGE, async |control, caller| {
            let settings = ask(control, caller, Settings { revision: None }).await?;
            let mut network = settings.network;
            match side {
                Side::Wan => network.wan.addressing = addressing,
                Side::Lan => network.lan.addressing = addressing,
            }
            let update = SettingsUpdate {
                revision: Some(settings.revision),
                network: Some(network),
                ..SettingsUpdate::default()
            };
            control
                .submit(caller, Change::Settings(Box::new(update)))
                .await
        })?;
        Ok(receipt
            .confirm
            .map_or(Applied::Now, |pending| Applied::Waits(pending.seconds_left)))
    }

    fn keep(&mut self) -> Result<(), Refusal> {
        self.within(CHANGE, async |control, caller| {
            control.confirm(caller).await
        })
        .map(drop)
    }

    fn install_from_stick(&mut self) -> Result<String, Refusal> {
        let fetch = FirmwareFetch {
            from: BundleSource::Stick,
            allow_older: false,
            allow_expired: false,
        };
        let firmware = self.within(STICK, async |control, caller| {
            control.act(caller, Action::FetchFirmware(fetch)).await?;
            ask(control, caller, Firmware).await
        })?;
        Ok(firmware.update.version.unwrap_or_default())
    }

    fn take_back(&mut self) -> Result<(), Refusal> {
        self.within(CHANGE, async |control, caller| control.revert(caller).await)
            .map(drop)
    }

    fn check_owner(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal> {
        let outcome = self.act(Action::SignIn {
            username: owner.to_string(),
            password,
            code: None,
            user_agent: "console".to_owned(),
        })?;
        let (token, identity) = match outcome {
            Outcome::SignedIn {
                token, identity, ..
            } => (token, identity),
            // The password is right. Whoever stands here may replace it, and a code with it: none is asked for.
            Outcome::CodeRequired { .. } if self.owners()?.contains(owner) => return Ok(()),
            Outcome::CodeRequired { .. } => return Err(super::offline::not_owner(owner)),
            _ => return Err(Problem::internal().into()),
        };
        // Only the answer was wanted. One that stays is worth nothing to anybody and ends overnight.
        let session = Caller {
            credential: Credential::Session(token),
            address: None,
            connected_at: now_since_boot(),
        };
        let _ = self.within(QUESTION, async |control, _| {
            control.act(&session, Action::SignOut).await
        });
        if identity.role == Role::Owner {
            Ok(())
        } else {
            Err(super::offline::not_owner(owner))
        }
    }

    fn check_setup_code(&mut self, code: Secret<String>) -> Result<(), Refusal> {
        self.act(Action::CheckSetupCode { setup_code: code })
            .map(drop)
    }

    fn logs(&mut self) -> Vec<String> {
        let page = self.ask(Logs {
            limit: LOG_LINES,
            part: None,
            level: None,
            text: None,
        });
        match page {
            Ok(page) => page
                .items
                .into_iter()
                .map(|line| {
                    let part = line.part.map_or("core", |part| part.as_str());
                    let level = format!("{:?}", line.level).to_lowercase();
                    format!("{} {level} {part} {}", line.time, line.message)
                })
                .collect(),
            Err(refusal) => vec![format!("({})", refusal.what)],
        }
    }
}

fn failed(error: &io::Error) -> Refusal {
    Refusal::new(
        format!("The daemon's socket cannot be used: {error}."),
        "The console must run as root. Restart the box if it stays.",
    )
}

fn silent() -> Refusal {
    Refusal::new(
        "The daemon runs but does not answer.",
        "Wait a minute. If it stays, restart the box (Restart or power off).",
    )
}
