//! What the loader does with the files: `board/common/grub.cfg` in Rust, step for step.
//!
//! It says what will boot next, drives the fake, and is what the script is held against in every state of the files.

use super::record::{Selection, Stage, Step, Tries};
use super::{Mode, Slot, StateFile, block};

/// What a start of the machine leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Start {
    /// Where kernel and root file system come from.
    pub slot: Slot,
    /// What for.
    pub mode: Mode,
}

/// The files as the loader reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// The newest whole copy, or what is assumed without one.
    pub selection: Selection,
    /// Which copy that is.
    pub selection_copy: Option<StateFile>,
    /// The newest whole copy.
    pub tries: Option<Tries>,
    /// Which copy that is.
    pub tries_copy: Option<StateFile>,
}

/// Starts that cannot load anything end here: trial, primary, other, both recoveries, and the one of them that the
/// step was in the middle of.
const ATTEMPTS: usize = 6;

impl Loader {
    /// Chooses among the copies. `content` gives the bytes of a file; none when it is missing.
    pub fn read(content: impl Fn(StateFile) -> Option<Vec<u8>>) -> Self {
        let text = |file| block::decode(&content(file)?);
        let selection = newest(
            StateFile::SELECTIONS,
            |file| Selection::parse(&text(file)?),
            |selection| selection.number,
        );
        let tries = newest(
            StateFile::TRIES,
            |file| Tries::parse(&text(file)?),
            |tries| tries.count,
        );
        Self {
            selection_copy: selection.as_ref().map(|(file, _)| *file),
            selection: selection.map_or_else(Selection::unknown, |(_, selection)| selection),
            tries_copy: tries.as_ref().map(|(file, _)| *file),
            tries: tries.map(|(_, tries)| tries),
        }
    }

    /// The tries, if they belong to the selection.
    pub fn valid_tries(&self) -> Option<&Tries> {
        self.tries
            .as_ref()
            .filter(|tries| tries.selection == self.selection.number)
    }

    /// Finds what boots. `save` writes the tries down, first to the copy that is not [`tries_copy`](Self::tries_copy),
    /// and says whether one copy took them; `loads` says whether kernel and slot file of a slot can be read; `dice` is a
    /// digit that stands in for a memory when nothing can be written. None when no slot loads: the loader waits half
    /// a minute and starts the machine anew.
    pub fn start(
        &self,
        dice: u8,
        loads: impl Fn(Slot) -> bool,
        mut save: impl FnMut(&Tries) -> bool,
    ) -> Option<Start> {
        let mut tries = self.first_tries();
        let mut counted = true;
        for _ in 0..ATTEMPTS {
            tries.step = tries.step.next();
            if counted && self.target(tries.step).is_some() {
                tries.count = Tries::next_count(tries.count);
                counted = save(&tries);
                if !counted {
                    tries.step = self.uncounted(dice);
                }
            }
            if let Some(start) = self.target(tries.step) {
                if loads(start.slot) {
                    return Some(start);
                }
                tries.unreadable.insert(start.slot);
            }
            tries.step = tries.step.spent();
        }
        None
    }

    /// What boots next if everything can be loaded and written.
    pub fn next(&self) -> Start {
        let primary = Start {
            slot: self.selection.primary,
            mode: Mode::Normal,
        };
        self.start(0, |_| true, |_| true).unwrap_or(primary)
    }

    fn first_tries(&self) -> Tries {
        let valid = self.valid_tries();
        // Tries of another selection are void. When they are lost, nobody knows how often a trial was tried.
        let start = match (self.selection.trial, &self.tries) {
            (Some(_), Some(_)) => Stage::Trial,
            _ => Stage::Primary,
        };
        Tries {
            count: self.tries.as_ref().map_or(0, |tries| tries.count),
            selection: self.selection.number,
            step: valid.map_or(Step::before(start), |tries| tries.step),
            unreadable: valid.map_or_else(Default::default, |tries| tries.unreadable.clone()),
        }
    }

    /// What a step boots; none for a trial or other slot that is not there.
    fn target(&self, step: Step) -> Option<Start> {
        let Selection {
            primary,
            other,
            trial,
            ..
        } = self.selection;
        let (slot, mode) = match step.stage {
            Stage::Trial => (trial?, Mode::Trial),
            Stage::Primary => (primary, Mode::Normal),
            Stage::Other => (other?, Mode::Normal),
            Stage::Recovery if step.tries == 1 => (primary, Mode::Recovery),
            Stage::Recovery => (primary.opposite(), Mode::Recovery),
        };
        Some(Start { slot, mode })
    }

    /// The step when nothing can be written: mostly the primary, at times the other slot or a recovery. Never a trial,
    /// which would never end, nor what is on trial without one.
    fn uncounted(&self, dice: u8) -> Step {
        let has_other = self.selection.other.is_some() && self.selection.trial.is_none();
        match dice % 10 {
            6 | 7 if has_other => Step::before(Stage::Other).next(),
            8 => Step::before(Stage::Recovery).next(),
            9 => Step::before(Stage::Recovery).next().next(),
            _ => Step::before(Stage::Primary).next(),
        }
    }
}

/// The newest whole copy; of equals the first.
fn newest<T, K: Ord>(
    files: [StateFile; 2],
    read: impl Fn(StateFile) -> Option<T>,
    age: impl Fn(&T) -> K,
) -> Option<(StateFile, T)> {
    let [first, second] = files.map(|file| Some((file, read(file)?)));
    match (first, second) {
        (Some(first), Some(second)) if age(&second.1) > age(&first.1) => Some(second),
        (Some(first), _) => Some(first),
        (None, second) => second,
    }
}
