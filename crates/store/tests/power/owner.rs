//! Who has the store open on the disk: a process of its own, as the daemon is, so that the disk outlives it.
//!
//! It says what it was told on standard output and goes on when that has been noted.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use cell_model::Timestamp;
use cell_store::Store;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::judge::{Known, Opened, number};
use crate::script::{Mix, Script};

/// The variable that holds its task.
pub(crate) const TASK: &str = "CELL_STORE_POWER_TASK";
/// What a line begins with that says what it was told.
const TOLD: &str = "told ";
/// How many snapshots are kept.
const SNAPSHOTS: usize = 2;

/// What it has to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) dir: PathBuf,
    pub(crate) seed: u64,
    pub(crate) mix: Mix,
    pub(crate) start: usize,
    pub(crate) known: Known,
    pub(crate) act: Act,
}

/// What it does with the store.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Opens it, compares it with what is known, and makes so many changes.
    Change(usize),
    /// Replaces it by an export of an earlier moment.
    Restore { export: PathBuf, then: Known },
}

impl Task {
    pub(crate) fn from_env() -> Option<Self> {
        let text = std::env::var(TASK).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    pub(crate) fn perform(self) -> Result<(), String> {
        match self.act {
            Act::Change(changes) => self.change(changes),
            Act::Restore { export, then } => {
                let store = Store::restore(&self.dir, &export).unwrap();
                tell(then);
                drop(store);
                Ok(())
            }
        }
    }

    fn change(self, changes: usize) -> Result<(), String> {
        let mut random = Rng::with_seed(self.seed.rotate_left(32) ^ self.start as u64);
        let mut script = Script::new(self.seed, self.mix);
        let mut opened = Opened::at(&self.dir)?;
        let mut known = self.known;
        known.kept = opened.compare(&mut script, known)?;
        tell(known);
        for _ in 0..changes {
            match random.u8(..20) {
                // As after an update, or a restart of the daemon.
                0 => {
                    drop(opened);
                    opened = Opened::at(&self.dir)?;
                }
                1 => {
                    let time = Timestamp::UNIX_EPOCH;
                    known.snapshots = number(&opened.store.snapshot(SNAPSHOTS, time).unwrap());
                    tell(known);
                }
                _ => {}
            }
            let (batch, event) = script.next(known.kept);
            opened.audit.commit(batch, event).unwrap();
            known.kept += 1;
            tell(known);
        }
        Ok(())
    }
}

/// What a line says the owner was told.
pub(crate) fn told(line: &str) -> Option<Known> {
    let known = line.strip_prefix(TOLD)?;
    Some(serde_json::from_str(known).unwrap())
}

/// Says it and waits until it is noted: what happens on the disk next happens later.
fn tell(known: Known) {
    let mut out = std::io::stdout().lock();
    let known = serde_json::to_string(&known).unwrap();
    // libtest leaves its line open.
    writeln!(out, "\n{TOLD}{known}").unwrap();
    out.flush().unwrap();
    std::io::stdin()
        .lock()
        .read_line(&mut String::new())
        .unwrap();
}
