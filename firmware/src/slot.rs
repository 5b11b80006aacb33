//! `celld slot`: what init tells the loader's state, and asks of it. Works without the daemon.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use cell_updates::boot_state::{
    BootState, GrubBootState, Health, Mode, MountedSelect, Running, Wanted, select_device,
};
use clap::ValueEnum;

use crate::logging;

/// Where the kernel says how it was started.
const COMMAND_LINE: &str = "/proc/cmdline";
/// Where the partition `select` is mounted for the occasion.
const MOUNT_POINT: &str = "/run/select";

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
                state.commit()?;
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
        Occasion::Other => state.begin_trial(running.slot.opposite())?,
    }
    Ok(())
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
