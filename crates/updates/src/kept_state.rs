//! What outlives a restart, while a new version is on trial: it works on a copy.
//!
//! ```text
//! cell                 what counts
//! cell.trial           the copy that the version on trial works on, and migrates
//! cell.a, cell.b       what a slot left behind when the other took over: what it reads, should it have to come back
//! trial-committed      the slot whose trial passed, until its copy has taken the place of what counted
//! ```
//!
//! A version that falls back finds what it left; one that is committed keeps what was done under it. Nothing is moved
//! while the daemon runs: [`prepare`] does that at the next start.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::boot_state::{Mode, Running, Slot, Wanted};

const CURRENT: &str = "cell";
const TRIAL: &str = "cell.trial";
const UNFINISHED: &str = "cell.trial.new";
const COMMITTED: &str = "trial-committed";

/// Why it cannot be said what counts. Nothing was lost: see [`prepare`].
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path}")]
pub struct KeptStateError {
    step: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What the daemon is to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The folder.
    pub path: PathBuf,
    /// Whether it is not the newest: a later version has changed what counts so that this one cannot read it.
    pub is_earlier: bool,
}

/// What this version can read.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The newest form it knows.
    pub schema: u32,
    /// The form of what is in a folder; none where there is nothing yet.
    pub schema_of: &'a dyn Fn(&Path) -> Option<u32>,
}

/// Chooses, before the daemon starts, the folder below `state` that it works on. Every step is a rename, so a power cut
/// leaves what the next call goes on with.
///
/// # Errors
/// What the file system says, such as no room for the copy of a trial.
pub fn prepare(
    state: &Path,
    running: &Running,
    wanted: &Wanted,
    reader: Reader<'_>,
) -> Result<Chosen, KeptStateError> {
    let current = state.join(CURRENT);
    let trial = state.join(TRIAL);
    let mark = state.join(COMMITTED);
    let committed = read_mark(&mark);
    // The mark is written first, so that only the loader's word says that the trial has passed. Its own run goes on with
    // the copy; every other start puts it in its place, whatever is to be tried now.
    let is_own_run = running.mode == Mode::Trial && committed == Some(running.slot);
    let passed = committed.filter(|slot| *slot == wanted.primary);
    if let Some(slot) = passed
        && !is_own_run
    {
        if trial.exists() {
            swap(state, &trial, slot.opposite())?;
        }
        remove(&mark)?;
    }
    if running.mode == Mode::Trial {
        // Started again after its commit, it goes on with what it has.
        if committed != Some(running.slot) || !trial.exists() {
            remove(&mark)?;
            copy(state, &current)?;
        }
        return Ok(Chosen {
            path: trial,
            is_earlier: false,
        });
    }
    // What a trial that did not pass has made of it.
    remove_folder(&trial)?;
    remove_folder(&state.join(UNFINISHED))?;
    remove(&mark)?;

    let left = state.join(left_by(running.slot));
    let reads = |path: &Path| (reader.schema_of)(path).is_none_or(|found| found <= reader.schema);
    let is_earlier = !reads(&current) && left.exists() && reads(&left);
    if is_earlier {
        swap(state, &left, running.slot.opposite())?;
    }
    Ok(Chosen {
        path: current,
        is_earlier,
    })
}

/// What [`prepare`] would choose as far as can be told without the loader's word, for a start at which that cannot be
/// had. Nothing is moved.
pub fn without_loader(state: &Path, running: Option<&Running>) -> PathBuf {
    let trial = state.join(TRIAL);
    let committed = read_mark(&state.join(COMMITTED));
    let is_own = running.is_some_and(|running| committed == Some(running.slot));
    match is_own && trial.exists() {
        true => trial,
        false => state.join(CURRENT),
    }
}

/// Says that the version on trial has passed; to be called before the loader is told.
///
/// # Errors
/// What the file system says.
pub fn mark_committed(state: &Path, slot: Slot) -> Result<(), KeptStateError> {
    let path = state.join(COMMITTED);
    let text = format!("{slot}\n");
    cell_durable::replace(&path, text.as_bytes(), 0o600).map_err(failed("write", &path))
}

fn read_mark(path: &Path) -> Option<Slot> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn left_by(slot: Slot) -> String {
    format!("{CURRENT}.{slot}")
}

/// Puts `next` in the place of what counts, which is kept for `slot`.
fn swap(state: &Path, next: &Path, slot: Slot) -> Result<(), KeptStateError> {
    let current = state.join(CURRENT);
    // Empty when an earlier call was cut here: somebody has made the folder anew meanwhile.
    if current.exists() && fs::remove_dir(&current).is_err() {
        let left = state.join(left_by(slot));
        remove_folder(&left)?;
        rename(&current, &left)?;
    }
    rename(next, &current)
}

/// Makes the copy for a trial anew.
fn copy(state: &Path, current: &Path) -> Result<(), KeptStateError> {
    let (trial, unfinished) = (state.join(TRIAL), state.join(UNFINISHED));
    remove_folder(&trial)?;
    remove_folder(&unfinished)?;
    copy_folder(current, &unfinished)?;
    rename(&unfinished, &trial)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), KeptStateError> {
    let mode = fs::metadata(from)
        .map_err(failed("read", from))?
        .permissions()
        .mode();
    fs::DirBuilder::new()
        .mode(mode)
        .create(to)
        .map_err(failed("make", to))?;
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(failed("read", &source))?;
        if kind.is_dir() {
            copy_folder(&source, &target)?;
        } else if kind.is_file() {
            // Sockets and links are nobody's to keep.
            fs::copy(&source, &target)
                .and_then(|_| File::open(&target)?.sync_all())
                .map_err(failed("copy to", &target))?;
        }
    }
    File::open(to)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("write", to))
}

fn rename(from: &Path, to: &Path) -> Result<(), KeptStateError> {
    fs::rename(from, to)
        .and_then(|()| cell_durable::sync_parent(to))
        .map_err(failed("rename to", to))
}

fn remove(path: &Path) -> Result<(), KeptStateError> {
    cell_durable::remove(path).map_err(failed("remove", path))
}

fn remove_folder(path: &Path) -> Result<(), KeptStateError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn failed<'a>(step: &'static str, path: &'a Path) -> impl Fn(io::Error) -> KeptStateError + 'a {
    move |source| KeptStateError {
        step,
        path: path.to_owned(),
        source,
    }
}
