//! What people see of the system and its next version.

use std::sync::Arc;

use cell_control::view::{FirmwareView, SlotsView, TrialView, UpdateState, UpdateView};
use cell_model::problem::{Problem, chain};
use cell_updates::boot_state::{Mode, Running, Slot, TrialEnd, Wanted};
use cell_updates::install::InstallError;

use super::source::Offered;
use super::{Appliance, problem};
use crate::Core;

impl Core {
    pub(crate) async fn firmware(&self) -> Result<FirmwareView, Problem> {
        let update = self.update.view().clone();
        let offered = self.offered().clone();
        let Some(appliance) = self.appliance.get().cloned() else {
            return Ok(FirmwareView {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                sequence: None,
                board: None,
                not_updatable: Some(problem::NO_IMAGE.to_owned()),
                slots: None,
                last_trial: None,
                update,
                available: None,
                checked: None,
            });
        };
        let appliance = Arc::clone(&appliance);
        let viewed = tokio::task::spawn_blocking(move || view(&appliance, update, offered)).await;
        viewed.map_err(|_| Problem::internal())?
    }
}

fn view(
    appliance: &Appliance,
    mut update: UpdateView,
    offered: Offered,
) -> Result<FirmwareView, Problem> {
    let wanted = appliance.wanted().map_err(|error| {
        tracing::warn!(error = %chain(&error), "the loader's state could not be read");
        problem::of(&InstallError::BootState(error))
    })?;
    let running = &appliance.running;
    if appliance.is_on_trial() {
        update.state = UpdateState::OnTrial;
    } else if !update.state.is_busy() {
        // What waits to be tried is more than that another one was not taken.
        update = match (wanted.trial, update.state) {
            (Some(_), UpdateState::Ready) => update,
            (Some(slot), _) => armed(appliance, slot, update.problem),
            (None, UpdateState::Failed) => update,
            (None, _) => UpdateView::default(),
        };
    }
    Ok(FirmwareView {
        version: appliance.release.version.clone(),
        sequence: Some(appliance.release.sequence),
        board: Some(appliance.release.board.clone()),
        not_updatable: appliance
            .keys
            .is_none()
            .then(|| problem::NO_KEYS.to_owned()),
        available: offered.available.filter(|available| {
            let is_coming = update.state != UpdateState::Failed;
            !(is_coming && update.sequence == Some(available.sequence))
        }),
        checked: offered.checked,
        last_trial: wanted.last.as_ref().map(|last| TrialView {
            slot: last.slot.to_string(),
            // Of one that waits, nobody knows yet.
            version: wanted
                .trial
                .is_none()
                .then(|| appliance.tried(last))
                .flatten()
                .map(|release| release.version),
            passed: last.end == TrialEnd::Passed,
            detail: last.to_string(),
        }),
        slots: Some(SlotsView {
            running: running.slot.to_string(),
            mode: running.mode.to_string(),
            primary: wanted.primary.to_string(),
            other: wanted.other.map(|slot| slot.to_string()),
            trial: wanted.trial.map(|slot| slot.to_string()),
            notice: notice(running, &wanted),
        }),
        update,
    })
}

/// A version that an earlier run has put on trial, or that waits while another one was not taken.
fn armed(appliance: &Appliance, slot: Slot, problem: Option<Problem>) -> UpdateView {
    let tried = appliance.staging.tried();
    let release = tried
        .filter(|tried| tried.slot == slot)
        .map(|tried| tried.release);
    UpdateView {
        state: UpdateState::Ready,
        sequence: release.as_ref().map(|release| release.sequence),
        version: release.map(|release| release.version),
        problem,
        ..UpdateView::default()
    }
}

/// Why something else than the committed slot runs.
fn notice(running: &Running, wanted: &Wanted) -> Option<String> {
    match running.mode {
        Mode::Normal if running.slot != wanted.primary => Some(format!(
            "Slot {} is the one that counts. It did not come up, so slot {} runs.",
            wanted.primary, running.slot
        )),
        Mode::Recovery => Some("Neither slot came up, so only the console runs.".to_owned()),
        _ => None,
    }
}
