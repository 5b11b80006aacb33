//! The two systems of the box.

use std::path::Path;

use cell_model::problem::chain;
use cell_updates::boot_state::{
    BootState, BootStateError, GrubBootState, MountedSelect, Running, select_device,
};

use crate::refusal::Refusal;

/// The way to the other system.
pub trait Slots: Send {
    /// Puts the other slot on trial: the next boot is one of it, and unless it proves itself the box goes back. The
    /// caller restarts.
    ///
    /// # Errors
    /// When there is no other system to boot, or the loader's state cannot be written.
    fn boot_other(&mut self) -> Result<(), Refusal>;
}

/// Where the partition with the loader's state is mounted while it is read or written.
const MOUNT_POINT: &str = "/run/select";

/// The slots of the running system; looked for each time, since a machine that the daemon was installed on by hand has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisMachine;

impl ThisMachine {
    fn slots() -> Result<LoaderSlots, Refusal> {
        let running = Running::read(Path::new("/proc/cmdline")).map_err(refusal)?;
        let device = select_device().ok_or_else(|| {
            Refusal::new(
                "The partition of the loader cannot be found.",
                "Is the disk the box was started from still plugged in? Restart the box.",
            )
        })?;
        let files = MountedSelect::new(device, MOUNT_POINT);
        Ok(LoaderSlots::new(Box::new(GrubBootState::with_running(
            files, running,
        ))))
    }
}

impl Slots for ThisMachine {
    fn boot_other(&mut self) -> Result<(), Refusal> {
        Self::slots()?.boot_other()
    }
}

/// What the loader goes by.
pub struct LoaderSlots(Box<dyn BootState>);

impl LoaderSlots {
    /// On this boot state.
    pub fn new(state: Box<dyn BootState>) -> Self {
        Self(state)
    }
}

impl Slots for LoaderSlots {
    fn boot_other(&mut self) -> Result<(), Refusal> {
        let other = self.0.current().map_err(refusal)?.slot.opposite();
        let wanted = self.0.wanted().map_err(refusal)?;
        let is_whole = [Some(wanted.primary), wanted.other, wanted.trial].contains(&Some(other));
        if !is_whole || wanted.unreadable.contains(&other) {
            return Err(Refusal::new(
                format!("There is no whole system in slot {other}."),
                "After a good start the box fills it by itself within minutes; then try again.",
            ));
        }
        self.0.begin_trial(other).map_err(refusal)
    }
}

fn refusal(error: BootStateError) -> Refusal {
    let todo = match error {
        BootStateError::Unmarked(_) => {
            "This machine was not started by the cell's loader, so there is no other system."
        }
        BootStateError::TrialRunning(_) => {
            "The running system is on trial. Restart the box to end it."
        }
        _ => {
            "Nothing was changed. Restart the box; its loader tries the other system by itself when this one does not start."
        }
    };
    Refusal::new(
        format!("The other system cannot be booted: {}.", chain(&error)),
        todo,
    )
}

#[cfg(test)]
mod tests {
    use cell_updates::boot_state::Slot;
    use cell_updates::boot_state::fake::FakeBootState;

    use super::*;

    #[test]
    fn other_system_is_tried_at_the_next_boot() {
        let state = FakeBootState::new();
        let running = state.current().unwrap().slot;
        let mut slots = LoaderSlots::new(Box::new(state));
        slots.boot_other().unwrap();
        assert_eq!(slots.0.wanted().unwrap().trial, Some(running.opposite()));
        assert_eq!(slots.0.wanted().unwrap().next.slot, running.opposite());
    }

    #[test]
    fn slot_without_a_whole_system_is_not_booted() {
        let state = FakeBootState::new();
        state.withdraw_other().unwrap();
        let mut slots = LoaderSlots::new(Box::new(state));
        let refusal = slots.boot_other().unwrap_err();
        assert!(refusal.what.contains("no whole system"), "{refusal}");
        assert_ne!(slots.0.wanted().unwrap().next.slot, Slot::B);
    }
}
