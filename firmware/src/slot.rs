//! `celld slot`: what init tells the loader's state, and asks of it. Works without the daemon.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use cell_updates::boot_state::{
    BootState, GrubBootState, Health, Mode, MountedSelect, Running, Wanted, select_device,
};
use cell_updates::install::{SlotLock, fill};
use cell_updates::kept_state::{self, Chosen, Reader};
use clap::ValueEnum;

use crate::appliance::{self, COMMITTED, SLOT_LOCK, root_size};
use crate::{health, logging};

/// Where the kernel says how it was started.
pub(crate) const COMMAND_LINE: &str = "/proc/cmdline";
/// Where the partition `select` is mounted for the occasion.
pub(crate) const MOUNT_POINT: &str = "/run/select";

/// The mounted partition of that name, and the daemon's runtime directory there.
const STATE: &str = "/state";
const RUNTIME: &str = "/run/cell";
/// There once the running system has proven itself.
const HEALTHY: &str = "/run/healthy";

/// What init has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Occasion {
    /// The system has just come up: mend copies, put down a failed trial.
    Starting,
    /// Everything answers and the whole root was read: commit a trial, and count from the beginning.
    Healthy,
    /// Say what is not well, and change nothing.
    Prove,
    /// Print what runs and what shall.
    Show,
    /// Fill the other slot from the running one, if it holds nothing to fall back to.
    Fill,
    /// Boot the other slot next, on trial.
    Other,
    /// The version on trial did not prove itself in time: the one before it counts.
    GiveUp,
    /// Print the folder of what is kept that this run is to use: a copy for a version on trial.
    State,
}

/// Does it, and says what was done.
pub(crate) fn run(occasion: Occasion) -> Result<(), Box<dyn Error>> {
    match occasion {
        Occasion::State => return print_state(),
        Occasion::Prove => return health::prove(Path::new(RUNTIME)),
        _ => {}
    }
    let running = Running::read(Path::new(COMMAND_LINE))?;
    let device = select_device().ok_or("the disk of the running root has no partition `select`")?;
    let state = GrubBootState::new(MountedSelect::new(device, MOUNT_POINT));
    match occasion {
        Occasion::Starting => {
            let repaired = state.repair(Health::Starting)?;
            for file in &repaired.rewritten {
                logging::pass_on(&format!("{file} was not whole and was written anew"));
            }
            if let Some(outcome) = &repaired.failed_trial {
                logging::pass_on(&outcome.to_string());
            }
        }
        Occasion::Healthy => {
            // A healthy fallback stays a fallback: which slot is the committed one is for a person, or the next update.
            if running.mode == Mode::Trial {
                health::prove(Path::new(RUNTIME))?;
                // Before the loader is told: until then the word counts for nothing.
                kept_state::mark_committed(Path::new(STATE), running.slot)?;
                state.commit()?;
                fs::write(HEALTHY, "")?;
                fs::write(Path::new(RUNTIME).join(COMMITTED), "")?;
            }
            state.repair(Health::Healthy)?;
        }
        Occasion::Show => show(&running, &state.wanted()?),
        Occasion::Fill => {
            let lock = SlotLock::wait(Path::new(SLOT_LOCK))?;
            let size = root_size().ok_or("the size of the running root is not known")?;
            if let Some(slot) = fill(&appliance::partitions(), &state, size, &lock)? {
                writeln!(io::stdout(), "{slot}")?;
            }
        }
        Occasion::State | Occasion::Prove => {}
        Occasion::GiveUp => {
            // It may have passed in the last moment.
            if state.wanted()?.trial == Some(running.slot) {
                state.rollback()?;
            }
        }
        Occasion::Other => state.begin_trial(running.slot.opposite())?,
    }
    Ok(())
}

/// Nothing but a trial is a reason to start without what is kept: what the loader says is not needed for that.
fn print_state() -> Result<(), Box<dyn Error>> {
    let running = Running::read(Path::new(COMMAND_LINE));
    let chosen = match &running {
        Ok(running) => choose(running),
        Err(error) => Err(error.to_string().into()),
    };
    let running = running.ok();
    let is_trial = running
        .as_ref()
        .is_some_and(|running| running.mode == Mode::Trial);
    let path = match chosen {
        Ok(chosen) => {
            if chosen.is_earlier {
                logging::pass_on(
                    "this version cannot read what a later one has kept: it goes on with what it had left",
                );
            }
            chosen.path
        }
        Err(error) if is_trial => return Err(error),
        Err(error) => {
            logging::pass_on(&format!("what is kept was not looked through: {error}"));
            kept_state::without_loader(Path::new(STATE), running.as_ref())
        }
    };
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}

fn choose(running: &Running) -> Result<Chosen, Box<dyn Error>> {
    let device = select_device().ok_or("the disk of the running root has no partition `select`")?;
    let wanted = GrubBootState::new(MountedSelect::new(device, MOUNT_POINT)).wanted()?;
    let reader = Reader {
        schema: cell_store::SCHEMA,
        schema_of: &|folder| cell_store::schema_of(folder),
    };
    Ok(kept_state::prepare(
        Path::new(STATE),
        running,
        &wanted,
        reader,
    )?)
}

fn show(running: &Running, wanted: &Wanted) {
    logging::pass_on(&format!("running {} {}", running.slot, running.mode));
    logging::pass_on(&format!("primary {}", wanted.primary));
    if let Some(other) = wanted.other {
        logging::pass_on(&format!("other {other}"));
    }
    if let Some(trial) = wanted.trial {
        logging::pass_on(&format!("trial {trial}"));
    }
    if let Some(outcome) = &wanted.last {
        logging::pass_on(&outcome.to_string());
    }
}
