//! The changes of the boot state as pure functions: from what is selected and what runs to what shall be selected.
//!
//! Numbers and copies are [`grub`](super::grub)'s business.

use super::record::{Outcome, Selection, Stage, Step, TrialEnd, Tries};
use super::{BootStateError, Health, Mode, Running, Slot};

/// What is selected when no copy of the selection is whole: what runs, since that at least started.
pub(super) fn assumed(running: &Running) -> Selection {
    let opposite = running.slot.opposite();
    let (primary, trial) = match running.mode {
        Mode::Trial => (opposite, Some(running.slot)),
        Mode::Normal | Mode::Recovery => (running.slot, None),
    };
    Selection {
        number: 0,
        primary,
        // Nobody knows what the other holds: it is filled anew. What fell back from a trial is whole.
        other: trial.map(|_| primary.opposite()),
        trial,
        last: None,
    }
}

/// The opposite slot is about to be written.
pub(super) fn withdraw_other(
    selection: &Selection,
    running: &Running,
) -> Result<Selection, BootStateError> {
    refuse_during_trial(selection, running)?;
    Ok(Selection {
        // When the box has fallen back, the slot that fell is the one to be written.
        primary: running.slot,
        other: None,
        trial: None,
        ..*selection
    })
}

/// The opposite slot was filled.
pub(super) fn restore_other(
    selection: &Selection,
    running: &Running,
) -> Result<Selection, BootStateError> {
    refuse_during_trial(selection, running)?;
    let is_settled = running.slot == selection.primary && selection.trial.is_none();
    let other = match is_settled {
        true => Some(running.slot.opposite()),
        false => selection.other,
    };
    Ok(Selection {
        other,
        ..*selection
    })
}

pub(super) fn begin_trial(
    selection: &Selection,
    running: &Running,
    slot: Slot,
) -> Result<Selection, BootStateError> {
    refuse_during_trial(selection, running)?;
    if slot == running.slot {
        return Err(BootStateError::AlreadyRunning(slot));
    }
    Ok(Selection {
        primary: running.slot,
        other: Some(slot),
        trial: Some(slot),
        ..*selection
    })
}

pub(super) fn commit(
    selection: &Selection,
    tries: Option<&Tries>,
    running: &Running,
) -> Result<Selection, BootStateError> {
    let slot = running.slot;
    match running.mode {
        Mode::Recovery => Err(BootStateError::Recovery),
        _ if is_on_trial(selection, running) => Ok(Selection {
            primary: slot,
            other: Some(slot.opposite()),
            trial: None,
            last: Some(Outcome {
                slot,
                end: TrialEnd::Passed,
                tries: trial_tries(tries),
            }),
            ..*selection
        }),
        Mode::Trial if slot != selection.primary => Err(BootStateError::TakenBack(slot)),
        // The primary failed three times, or this would not run.
        Mode::Normal if slot != selection.primary => Ok(Selection {
            primary: slot,
            other: None,
            trial: None,
            ..*selection
        }),
        _ => Ok(selection.clone()),
    }
}

pub(super) fn rollback(
    selection: &Selection,
    tries: Option<&Tries>,
    running: &Running,
) -> Result<Selection, BootStateError> {
    if let Some(slot) = selection.trial {
        let outcome = Outcome {
            slot,
            end: TrialEnd::GivenUp,
            tries: trial_tries(tries),
        };
        return Ok(end_trial(selection, running, outcome));
    }
    let target = running.slot.opposite();
    match running.mode {
        // The trial was taken back before; it only runs on until the restart.
        Mode::Trial if running.slot != selection.primary => Ok(selection.clone()),
        _ if running.slot == selection.primary && selection.other.is_none() => {
            Err(BootStateError::NothingToGoBackTo)
        }
        _ => Ok(Selection {
            primary: target,
            other: None,
            ..*selection
        }),
    }
}

/// What the loader's files say of the selection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counted<'a> {
    /// How far the loader has come with it.
    Tries(&'a Tries),
    /// Nothing yet: they speak of an older one, and the loader has not run since.
    Void,
    /// No copy is whole.
    Lost,
}

impl<'a> Counted<'a> {
    /// `tries` are those of the selection; `has_tries` says whether there are any at all.
    pub(super) fn of(tries: Option<&'a Tries>, has_tries: bool) -> Self {
        match tries {
            Some(tries) => Self::Tries(tries),
            None if has_tries => Self::Void,
            None => Self::Lost,
        }
    }
}

/// The trial that the loader has left behind, if it has.
pub(super) fn failed_trial(
    selection: &Selection,
    counted: Counted<'_>,
    running: &Running,
) -> Option<(Selection, Outcome)> {
    let slot = selection.trial?;
    if is_on_trial(selection, running) {
        return None;
    }
    let (end, tries) = match counted {
        Counted::Void => return None,
        Counted::Tries(tries) if tries.step.stage == Stage::Trial => return None,
        Counted::Tries(tries) if tries.unreadable.contains(&slot) => (TrialEnd::Unreadable, 0),
        Counted::Tries(_) => (TrialEnd::Failed, 3),
        Counted::Lost => (TrialEnd::Lost, 0),
    };
    let outcome = Outcome { slot, end, tries };
    Some((end_trial(selection, running, outcome), outcome))
}

/// Where the loader's step belongs; none when it is right as it is.
pub(super) fn step_after(
    selection: &Selection,
    counted: Counted<'_>,
    running: &Running,
    health: Health,
) -> Option<Step> {
    let tries = match counted {
        Counted::Tries(tries) => tries,
        Counted::Void => return None,
        Counted::Lost => return Some(lost_step(selection, running, health)),
    };
    let stage = stage(selection, running);
    let counts = match stage {
        // Only `commit` ends a trial well.
        Stage::Trial => false,
        // A recovery that came up has done its part.
        Stage::Recovery => tries.step.stage == Stage::Recovery,
        Stage::Primary | Stage::Other => tries.step.stage == stage && health == Health::Healthy,
    };
    let is_reset = tries.step.tries == 0 && tries.unreadable.is_empty();
    (counts && !is_reset).then_some(first_step(stage))
}

/// The step when the loader's files were lost: on the safe side, as if this start had been counted.
fn lost_step(selection: &Selection, running: &Running, health: Health) -> Step {
    match stage(selection, running) {
        // The last try, since nobody knows: a trial must end.
        Stage::Trial => Step::before(Stage::Trial).spent(),
        Stage::Recovery => first_step(Stage::Recovery),
        stage if health == Health::Healthy => first_step(stage),
        stage => first_step(stage).next(),
    }
}

/// Where the loader begins with a selection.
pub(super) fn step_before(selection: &Selection) -> Step {
    Step::before(match selection.trial {
        Some(_) => Stage::Trial,
        None => Stage::Primary,
    })
}

/// Where the next start begins after a good one of this stage: after a recovery, anew.
fn first_step(stage: Stage) -> Step {
    Step::before(match stage {
        Stage::Recovery => Stage::Primary,
        stage => stage,
    })
}

/// The stage that what runs belongs to.
fn stage(selection: &Selection, running: &Running) -> Stage {
    match running.mode {
        Mode::Recovery => Stage::Recovery,
        _ if is_on_trial(selection, running) => Stage::Trial,
        _ if running.slot == selection.primary => Stage::Primary,
        _ => Stage::Other,
    }
}

/// Whether the running system is a trial that is neither committed nor taken back.
fn is_on_trial(selection: &Selection, running: &Running) -> bool {
    running.mode == Mode::Trial && selection.trial == Some(running.slot)
}

/// Without the trial; and what was tried is not fallen back to, unless that has already happened.
fn end_trial(selection: &Selection, running: &Running, outcome: Outcome) -> Selection {
    let runs_on = running.mode != Mode::Trial && running.slot == outcome.slot;
    Selection {
        other: runs_on.then_some(outcome.slot),
        trial: None,
        last: Some(outcome),
        ..*selection
    }
}

fn trial_tries(tries: Option<&Tries>) -> u8 {
    match tries {
        Some(tries) if tries.step.stage == Stage::Trial => tries.step.tries,
        _ => 0,
    }
}

fn refuse_during_trial(selection: &Selection, running: &Running) -> Result<(), BootStateError> {
    match running.mode {
        _ if is_on_trial(selection, running) => Err(BootStateError::TrialRunning(running.slot)),
        // It only runs on until the restart, and has proven nothing.
        Mode::Trial if running.slot != selection.primary => {
            Err(BootStateError::TakenBack(running.slot))
        }
        _ => Ok(()),
    }
}
