//! What there is of ours.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::name::{PartName, ServiceId};

use crate::limits::VolumeLimits;

/// All that carries our labels, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainersSeen {
    /// Containers, running or not.
    pub containers: BTreeMap<String, ContainerSeen>,
    /// Networks, with what each was made from.
    pub networks: BTreeMap<String, String>,
    /// Volumes.
    pub volumes: BTreeSet<String>,
    /// Those of them that began as a copy, which is whole.
    pub copied: BTreeSet<String>,
    /// What they may hold, as far as they have a limit; `None` where the file system limits nothing by folder.
    pub limits: Option<VolumeLimits>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Whose it is; `None` when the label is damaged.
    pub service: Option<ServiceId>,
    /// Its name there.
    pub part: Option<PartName>,
    /// The number of the data it works on; `None` when the label is damaged.
    pub data: Option<u32>,
    /// Whether it runs.
    pub state: ContainerState,
    /// What it was made from.
    pub made_from: String,
    /// When it was started last, in seconds since 1970.
    pub started: i64,
}

/// What a container uses that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Memory without what is kept of files only to be quick.
    pub memory_bytes: u64,
    /// Processor time, in percent of one processor: since it was asked for before, or since it was started.
    pub cpu_percent: u32,
    /// Processes and threads.
    pub processes: u32,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, and never started.
    Created,
    /// It runs.
    Running,
    /// It ended, with this status.
    Exited(i32),
    /// On its way, or damaged.
    Other,
}
