//! What our containers, networks and volumes are called, and the labels by which they are known.
//!
//! | Thing | Name |
//! |---|---|
//! | container | `cell.SERVICE.CONTAINER` |
//! | network | `cell.SERVICE` |
//! | volume | `cell.SERVICE.VOLUME.NUMBER` |
//! | what is handed in | `SERVICE/HAND`, below a folder for all |
//! | what a volume is limited by (its project) | the number of the inode of its folder |
//!
//! Neither a service's name nor a part's holds a dot, so no two of them give the same.

use std::path::{Path, PathBuf};

use cell_model::container::Hand;
use cell_model::name::{PartName, ServiceId};

/// What all of our names begin with. Labels alone make nothing ours: podman gives those of an image to its containers.
pub const PREFIX: &str = "cell.";

/// On each of ours: the id of its service.
pub const SERVICE: &str = "cell.service";
/// On containers and volumes: the name within the service.
pub const PART: &str = "cell.part";
/// On volumes: which data of the service it is. On containers: which it works on.
pub const DATA: &str = "cell.data";
/// On containers and networks: SHA-256 of what it was made from. Another one means that it has to be made anew.
pub const MADE_FROM: &str = "cell.made-from";

/// The name of a service's network.
pub fn network(service: &ServiceId) -> String {
    format!("cell.{service}")
}

/// The name of a container.
pub fn container(service: &ServiceId, part: &PartName) -> String {
    format!("cell.{service}.{part}")
}

/// The name of a volume. Data that was deleted and what came after it never have the same.
pub fn volume(service: &ServiceId, part: &PartName, number: u32) -> String {
    format!("cell.{service}.{part}.{number}")
}

/// The folder of what is handed to a service.
pub fn handed(all: &Path, service: &ServiceId, hand: Hand) -> PathBuf {
    all.join(service.as_str()).join(hand.word())
}
