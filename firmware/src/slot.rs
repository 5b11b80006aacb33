//! `celld slot`: what init tells the loader's state, and asks of it. Works without the daemon.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use cell_updates::boot_state::{
    BootState, GrubBootState, Health, Mode, MountedSelect, Running, Wanted, select_device,
};
use cell_updates::kept_state::{self, Chosen, Reader};
use clap::ValueEnum;

use crate::appliance::COMMITTED;
use crate::{health, logging};

/// Where the kernel says how it was started.
pub(crate) const COMMAND_LINE: &str = "/proc/cmdline";
/// Where the partition `select` is mounted for the occasion.
pub(crate) const MOUNT_POINT: &str = "/run/select";

/// The mounted partition of that name, and the daemon's runtime directory there.
const STATE: &str = "/state";
const RUNTIME: &str = "/run/cell";

/// What init has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Occasion {
    /// The system has just come up: mend copies, put down a failed trial.
    Starting,
    /// Everything answers and the whole root was read: commit a trial, and count from the beginning.
    Healthy,
    /// Print what runs and what shall.
    Show,
    /// Print the slot that is to be filled from the running one, if there is one.
    Vacant,
    /// That slot was filled: it may be fallen back to.
    Filled,
    /// Boot the other slot next, on trial.
    Other,
    /// The version on trial did not prove itself in time: the one before it counts.
    GiveUp,
    /// Print the folder of what is kept that this run is to use: a copy for a version on trial.
    State,
}

/// Does it, and says what was done.
pub(crate) fn run(occasion: Occasion) -> Result<(), Box<dyn Error>> {
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
                fs::write(Path::new(RUNTIME).join(COMMITTED), "")?;
            }
            state.repair(Health::Healthy)?;
        }
        Occasion::Show => show(&running, &state.wanted()?),
        Occasion::Vacant => {
            if let Some(slot) = state.wanted()?.vacant(&running) {
                writeln!(io::stdout(), "{slot}")?;
            }
        }
        Occasion::Filled => state.restore_other()?,
        Occasion::State => {
            let chosen = choose(&running, &state)?;
            if chosen.is_earlier {
                logging::pass_on(
                    "this version cannot read what a later one has kept: it goes on with what it had left",
                );
            }
            writeln!(io::stdout(), "{}", chosen.path.display())?;
        }
        Occasion::GiveUp => state.rollback()?,
        Occasion::Other => state.begin_trial(running.slot.opposite())?,
    }
    Ok(())
}

/// A loader's state that cannot be reached keeps nothing but a trial from starting.
fn choose(running: &Running, state: &dyn BootState) -> Result<Chosen, Box<dyn Error>> {
    let reader = Reader {
        schema: cell_store::SCHEMA,
        schema_of: &|folder| cell_store::schema_of(folder),
    };
    let chosen = state.wanted().map_err(Into::into).and_then(|wanted| {
        Ok(kept_state::prepare(
            Path::new(STATE),
            running,
            &wanted,
            reader,
        )?)
    });
    match chosen {
        Err(error) if running.mode != Mode::Trial => {
            let error: Box<dyn Error> = error;
            logging::pass_on(&format!("what is kept was not looked through: {error}"));
            Ok(Chosen {
                path: Path::new(STATE).join("cell"),
                is_earlier: false,
            })
        }
        chosen => chosen,
    }
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
