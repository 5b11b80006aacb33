//! Words of containers: images by what is in them, powers, places, limits.

mod capability;
mod hand;
mod image;
mod path;
mod registry;

use serde::{Deserialize, Serialize};

pub use capability::{Capability, CapabilityError};
pub use hand::{Hand, HandError};
pub use image::{ImageDigest, ImageError, ImageName, ImageRef};
pub use path::{ContainerPath, PathError};
pub use registry::{Registry, RegistryError};

/// What a container may use of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory, in MiB; what is in scratch folders counts.
    pub memory_mib: u32,
    /// Processor time, in percent of one processor.
    pub cpu_percent: u32,
    /// Processes and threads.
    pub processes: u32,
}

/// User and group ids of the box that stand for 0 and up in a container. They are those of nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdRange {
    /// What 0 in the container is outside.
    pub first: u32,
    /// How many there are.
    pub size: u32,
}

/// A protocol of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// All there are, by their words.
    pub const ALL: &[(&'static str, Self)] = &[("tcp", Self::Tcp), ("udp", Self::Udp)];

    /// As people and files have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// As text on the wire and in files.
macro_rules! as_text {
    ($($type:ident),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(ImageDigest, ImageRef, Capability, ContainerPath, Hand);
