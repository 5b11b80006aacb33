//! What a power cut has left on the disk.

use std::fmt;

use cell_updates::boot_state::{Selection, Slot};

/// Which version a slot holds all of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Old,
    New,
    Mixed,
}

/// What is on the disk.
pub(crate) struct Left {
    pub(crate) selection: Selection,
    /// By the slots, in order.
    pub(crate) held: [Held; 2],
}

impl Left {
    pub(crate) fn held_by(&self, slot: Slot) -> Held {
        match slot {
            Slot::A => self.held[0],
            Slot::B => self.held[1],
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.held;
        write!(f, "selection {}, slots {a:?} and {b:?}", self.selection)
    }
}
