//! The system's version, and the next one.

use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_control::action::{Action, BundleSource, FirmwareFetch, IncomingBundle};
use cell_control::query::Firmware;
use cell_control::view::{FirmwareView, UpdateState};
use clap::{Args, Subcommand};

use crate::choice;
use crate::core::Core;
use crate::error::CellctlError;
use crate::input::InputError;
use crate::output::Output;
use crate::table::facts;
use crate::text::{optional, time};

/// How often somebody who waits is told how far it has come.
const PULSE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which version runs, and what becomes of the next one
    Show,
    /// Look whether the channel has a newer version
    Check,
    /// Install a bundle from a file, or from standard input when it is `-`
    Install {
        /// The bundle
        file: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Fetch a version from the channel's server or a USB stick, and install it
    Fetch {
        /// From where
        #[arg(long, value_parser = choice::bundle_source(), default_value = "channel")]
        from: BundleSource,
        #[command(flatten)]
        options: Options,
    },
    /// Stop the version that is on its way, or drop the one that waits or is on trial
    Drop,
    /// Try the version in the other slot at the next start
    Other,
    /// Restart the box, into the version that is to be tried if there is one
    Restart,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take a version that is not newer than the running one
    #[arg(long)]
    allow_older: bool,
    /// Take a version whose time is over
    #[arg(long)]
    allow_expired: bool,
    /// Do not wait until it is ready to be tried
    #[arg(long)]
    no_wait: bool,
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::Show => {}
            Self::Check => drop(core.act(Action::CheckFirmware).await?),
            Self::Install { file, options } => {
                let bundle = IncomingBundle {
                    allow_older: options.allow_older,
                    allow_expired: options.allow_expired,
                };
                install(core, &file, bundle).await?;
                follow(core, output, &options).await?;
            }
            Self::Fetch { from, options } => {
                let fetch = FirmwareFetch {
                    from,
                    allow_older: options.allow_older,
                    allow_expired: options.allow_expired,
                };
                core.act(Action::FetchFirmware(fetch)).await?;
                follow(core, output, &options).await?;
            }
            Self::Drop => {
                core.act(Action::DropFirmware).await?;
                return Ok(output.done("The version is dropped.")?);
            }
            Self::Other => {
                core.act(Action::TryOtherSlot).await?;
                return Ok(output.done("The other version is tried at the next start.")?);
            }
            Self::Restart => {
                core.act(Action::Restart).await?;
                return Ok(output.done("The box restarts.")?);
            }
        }
        Ok(output.show(&*core.ask(Firmware).await?, details)?)
    }
}

async fn install(core: &Core, path: &Path, bundle: IncomingBundle) -> Result<(), CellctlError> {
    let unreadable = |source| InputError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file: Box<dyn io::Read + Send> = match path == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(unreadable)?),
    };
    let (mut ours, theirs) = UnixStream::pair().map_err(unreadable)?;
    let sent = tokio::task::spawn_blocking(move || {
        let copied = io::copy(&mut file, &mut ours);
        // The end of the file is the end of the bundle.
        ours.shutdown(Shutdown::Write).and(copied)
    });
    core.receive(bundle, OwnedFd::from(theirs)).await?;
    let sent = sent.await.map_err(io::Error::other);
    sent.and_then(|sent| sent).map_err(unreadable)?;
    Ok(())
}

/// Waits until it is ready, or has failed, and tells meanwhile how far it is.
async fn follow(core: &Core, output: &Output, options: &Options) -> Result<(), CellctlError> {
    if options.no_wait {
        return Ok(());
    }
    let mut said = String::new();
    loop {
        let update = core.ask(Firmware).await?.update;
        if !update.state.is_busy() {
            return match (update.state, update.problem) {
                (_, Some(problem)) => Err(problem.into()),
                (UpdateState::Ready, None) => Ok(()),
                _ => Err(CellctlError::Negative),
            };
        }
        let percent = (update.done * 10).checked_div(update.total).unwrap_or(0) * 10;
        let now = format!("{}: {percent} %", update.state.as_str());
        if said != now && output.is_terminal() {
            output.note(&now);
            said = now;
        }
        tokio::time::sleep(PULSE).await;
    }
}

fn details(view: &FirmwareView) -> String {
    let update = &view.update;
    let mut pairs = vec![
        ("version", view.version.clone()),
        ("sequence", optional(view.sequence)),
        ("board", optional(view.board.clone())),
    ];
    if let Some(slots) = &view.slots {
        pairs.push(("slot", format!("{} ({})", slots.running, slots.mode)));
        pairs.push(("counts", slots.primary.clone()));
        pairs.push(("falls back to", optional(slots.other.clone())));
        pairs.push(("tries", optional(slots.trial.clone())));
        pairs.extend(slots.notice.clone().map(|notice| ("notice", notice)));
    }
    if let Some(trial) = &view.last_trial {
        let version = optional(trial.version.clone());
        pairs.push(("last trial", format!("{version}: {}", trial.detail)));
    }
    if let Some(checked) = &view.checked {
        pairs.push(("looked", time(checked.at)));
        let problem = checked.problem.as_ref();
        pairs.extend(problem.map(|problem| ("looked in vain", problem.to_string())));
    }
    if let Some(available) = &view.available {
        pairs.push(("available", available.version.clone()));
    }
    if update.state != UpdateState::None {
        pairs.push(("next version", optional(update.version.clone())));
        pairs.push(("state", update.state.as_str().to_owned()));
        pairs.push(("fetched", optional(update.fetched)));
        let problem = update.problem.as_ref();
        pairs.extend(problem.map(|problem| ("problem", problem.to_string())));
    }
    pairs.extend(view.not_updatable.clone().map(|why| ("not updatable", why)));
    facts(pairs)
}
