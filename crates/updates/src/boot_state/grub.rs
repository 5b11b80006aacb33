//! The boot state as GRUB reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::change::Counted;
use super::loader::Loader;
use super::record::{Selection, Tries};
use super::{
    BootState, BootStateError, Health, OpenFiles, Repaired, Running, Slot, StateFile, StateFiles,
    Wanted, block, change,
};

/// The four files and the kernel's command line.
#[derive(Debug, Clone)]
pub struct GrubBootState<F> {
    files: F,
    source: Source,
}

/// The four files of a new image: slot `a` boots, and `other`, where the image has a second system too, after it.
/// Without files of its own the loader has nothing to count in: it makes none.
pub fn first_files(other: Option<Slot>) -> BTreeMap<StateFile, Vec<u8>> {
    let selection = Selection {
        number: 1,
        primary: Slot::A,
        other: other.filter(|slot| *slot == Slot::B),
        trial: None,
        last: None,
    };
    let tries = Tries {
        count: 0,
        selection: selection.number,
        step: change::step_before(&selection),
        unreadable: BTreeSet::new(),
    };
    let selections =
        StateFile::SELECTIONS.map(|file| (file, block::encode(&selection.to_string())));
    let tries = StateFile::TRIES.map(|file| (file, block::encode(&tries.to_string())));
    selections.into_iter().chain(tries).collect()
}

/// Where it is known from what runs.
#[derive(Debug, Clone)]
enum Source {
    CommandLine(PathBuf),
    Given(Running),
}

impl<F: StateFiles> GrubBootState<F> {
    /// Of the running system: the kernel's command line says what runs.
    pub fn new(files: F) -> Self {
        Self::with_command_line(files, Path::new("/proc/cmdline"))
    }

    /// As [`new`](Self::new), with another file in the place of `/proc/cmdline`.
    pub fn with_command_line(files: F, path: &Path) -> Self {
        Self {
            files,
            source: Source::CommandLine(path.to_owned()),
        }
    }

    /// As [`new`](Self::new), for a caller that has read the command line already.
    pub fn with_running(files: F, running: Running) -> Self {
        Self {
            files,
            source: Source::Given(running),
        }
    }

    /// Changes the selection, if `change` makes another of it.
    fn select(
        &self,
        change: impl FnOnce(&Selection, Option<&Tries>, &Running) -> Result<Selection, BootStateError>,
    ) -> Result<(), BootStateError> {
        let running = self.current()?;
        let session = Session::open(&self.files)?;
        let selection = session.selection(&running);
        let wanted = change(&selection, session.loader.valid_tries(), &running)?;
        if wanted != selection || session.loader.selection_copy.is_none() {
            let wanted = session.numbered(wanted);
            session.write_selection(&wanted)?;
            // Old tries are void anyway; new ones are there so that, when they are missing, it is known that they were lost.
            session.write_tries(Tries {
                count: 0,
                selection: wanted.number,
                step: change::step_before(&wanted),
                unreadable: BTreeSet::new(),
            })?;
            tracing::info!(selection = %wanted, "selected what boots next");
        }
        session.open.close()
    }
}

impl<F: StateFiles> BootState for GrubBootState<F> {
    fn current(&self) -> Result<Running, BootStateError> {
        match &self.source {
            Source::CommandLine(path) => Running::read(path),
            Source::Given(running) => Ok(running.clone()),
        }
    }

    fn wanted(&self) -> Result<Wanted, BootStateError> {
        let session = Session::open(&self.files)?;
        let loader = session.loader;
        session.open.close()?;
        let unreadable = loader.valid_tries().map(|tries| tries.unreadable.clone());
        Ok(Wanted {
            next: loader.next(),
            unreadable: unreadable.unwrap_or_default(),
            primary: loader.selection.primary,
            other: loader.selection.other,
            trial: loader.selection.trial,
            last: loader.selection.last,
        })
    }

    fn withdraw_other(&self) -> Result<(), BootStateError> {
        self.select(|selection, _, running| change::withdraw_other(selection, running))
    }

    fn restore_other(&self) -> Result<(), BootStateError> {
        self.select(|selection, _, running| change::restore_other(selection, running))
    }

    fn begin_trial(&self, slot: Slot) -> Result<(), BootStateError> {
        self.select(|selection, _, running| change::begin_trial(selection, running, slot))
    }

    fn commit(&self) -> Result<(), BootStateError> {
        self.select(change::commit)?;
        self.repair(Health::Healthy).map(drop)
    }

    fn rollback(&self) -> Result<(), BootStateError> {
        self.select(change::rollback)
    }

    fn repair(&self, health: Health) -> Result<Repaired, BootStateError> {
        let running = self.current()?;
        let session = Session::open(&self.files)?;
        let repaired = session.repair(&running, health)?;
        session.open.close()?;
        if !repaired.rewritten.is_empty() {
            tracing::debug!(files = ?repaired.rewritten, "wrote files of the loader anew");
        }
        if let Some(outcome) = repaired.failed_trial {
            tracing::warn!(slot = %outcome.slot, "{outcome}");
        }
        Ok(repaired)
    }
}

/// The files, opened and read.
struct Session<'a> {
    open: Box<dyn OpenFiles + 'a>,
    content: BTreeMap<StateFile, Vec<u8>>,
    loader: Loader,
}

impl<'a> Session<'a> {
    fn open(files: &'a dyn StateFiles) -> Result<Self, BootStateError> {
        let open = files.open()?;
        let mut content = BTreeMap::new();
        for file in StateFile::ALL {
            let bytes = open
                .read(file)
                .map_err(|source| BootStateError::Read { file, source })?;
            content.extend(bytes.map(|bytes| (file, bytes)));
        }
        let loader = Loader::read(|file| content.get(&file).cloned());
        Ok(Self {
            open,
            content,
            loader,
        })
    }

    /// What is selected, or has to be assumed.
    fn selection(&self, running: &Running) -> Selection {
        match self.loader.selection_copy {
            Some(_) => self.loader.selection.clone(),
            None => change::assumed(running),
        }
    }

    /// With a number that is newer than every whole copy's, and that no tries belong to.
    fn numbered(&self, selection: Selection) -> Selection {
        let of_tries = self
            .loader
            .tries
            .as_ref()
            .map_or(0, |tries| tries.selection);
        let number = Selection::next_number(self.loader.selection.number.max(of_tries));
        Selection {
            number,
            ..selection
        }
    }

    fn repair(&self, running: &Running, health: Health) -> Result<Repaired, BootStateError> {
        let is_lost = self.loader.selection_copy.is_none();
        let mut selection = self.selection(running);
        // What the loader counted without a selection says nothing about the one assumed here.
        let mut tries = self.loader.valid_tries().filter(|_| !is_lost).cloned();
        let has_tries = self.loader.tries.is_some() && !is_lost;
        let ended =
            change::failed_trial(&selection, Counted::of(tries.as_ref(), has_tries), running);
        let failed_trial = ended.as_ref().map(|(_, outcome)| *outcome);
        if is_lost || ended.is_some() {
            selection = self.numbered(ended.map_or(selection, |(selection, _)| selection));
            // The step stays: only the selection it belongs to has a new number.
            tries = tries.map(|tries| Tries {
                selection: selection.number,
                ..tries
            });
        }
        let mut rewritten = self.write_selection(&selection)?;

        let step = change::step_after(
            &selection,
            Counted::of(tries.as_ref(), has_tries),
            running,
            health,
        );
        let tries_reset = step.is_some() && tries.is_some();
        let tries = match step {
            None => tries.or_else(|| self.loader.tries.clone()),
            Some(step) => Some(Tries {
                count: 0,
                selection: selection.number,
                step,
                unreadable: BTreeSet::new(),
            }),
        };
        if let Some(tries) = tries {
            rewritten.extend(self.write_tries(tries)?);
        }
        Ok(Repaired {
            rewritten,
            failed_trial,
            tries_reset,
        })
    }

    fn write_selection(
        &self,
        selection: &Selection,
    ) -> Result<BTreeSet<StateFile>, BootStateError> {
        self.write(
            StateFile::SELECTIONS,
            self.loader.selection_copy,
            &selection.to_string(),
        )
    }

    /// Writes tries that differ from the newest copy with a count that makes them newer.
    fn write_tries(&self, tries: Tries) -> Result<BTreeSet<StateFile>, BootStateError> {
        let count = match &self.loader.tries {
            Some(present) if *present == tries => present.count,
            Some(present) => Tries::next_count(present.count),
            None => 0,
        };
        let text = Tries { count, ..tries }.to_string();
        self.write(StateFile::TRIES, self.loader.tries_copy, &text)
    }

    /// Writes the copies that hold something else, the one that counts last: until the other one is whole and newer on
    /// the disk, it is the one that stands.
    fn write(
        &self,
        [first, second]: [StateFile; 2],
        newest: Option<StateFile>,
        text: &str,
    ) -> Result<BTreeSet<StateFile>, BootStateError> {
        let order = match newest == Some(first) {
            true => [second, first],
            false => [first, second],
        };
        let wanted = block::encode(text);
        let mut written = BTreeSet::new();
        for file in order {
            if self.content.get(&file) == Some(&wanted) {
                continue;
            }
            self.open
                .write(file, &wanted)
                .map_err(|source| BootStateError::Write { file, source })?;
            match self.open.read(file) {
                Ok(Some(found)) if found == wanted => written.insert(file),
                Ok(_) => return Err(BootStateError::NotWritten(file)),
                Err(source) => return Err(BootStateError::Read { file, source }),
            };
        }
        Ok(written)
    }
}
