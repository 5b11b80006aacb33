//! Services in containers.
//!
//! Promises: what runs is what the spec says and nothing else that carries our labels; every container is made without
//! powers, with a read-only root, with users that are nobody outside and in a network of its service alone, and is not
//! started before that was read back; a difference touches only the containers it is about; what is kept stays until it
//! is asked to go; what works on a copy is not started before the copy is whole; where the file system can, no volume is
//! written into before it has a limit.
//! Must never: pull an image, open a port, write a packet filter, give a container a folder of the box but those that
//! were filled for its service ([`names::handed`]), or touch a container, network or volume that is not named by [`names`].
//!
//! Start reading at [`Containers`], then [`Podman`].

mod copy;
mod difference;
mod error;
pub mod fake;
mod limits;
mod log;
pub mod names;
mod podman;
mod probe;
mod quota;
mod render;
mod seen;
mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use async_trait::async_trait;
use cell_model::container::ImageDigest;
use cell_model::name::{PartName, ServiceId};
use cell_model::spec::{ContainerSpec, ContainersSpec, ServiceSpec};

pub use copy::CopyError;
pub use error::ContainersError;
pub use limits::{VolumeLimit, VolumeLimits};
pub use log::LogEntry;
pub use podman::{Podman, PodmanOptions};
pub use probe::Unwell;
pub use quota::{LimitError, VolumeRoom};
pub use seen::{ContainerSeen, ContainerState, ContainersSeen, Usage};

/// What runs the containers.
#[async_trait]
pub trait Containers: Send + Sync {
    /// What there is now.
    async fn observe(&self) -> Result<ContainersSeen, ContainersError>;

    /// Brings what runs to exactly this; what is so already goes on, and containers that ended and rest, by their names,
    /// are not started. A service that cannot be brought up does not keep the others: the first error is told once all
    /// were tried.
    async fn apply(
        &self,
        spec: &ContainersSpec,
        resting: &BTreeSet<String>,
    ) -> Result<(), ContainersError>;

    /// Whether a container that runs is well, tried once as its spec says.
    ///
    /// # Errors
    /// [`ContainersError::Unwell`] when it is not; anything else when that cannot be told.
    async fn probe(
        &self,
        service: &ServiceSpec,
        container: &ContainerSpec,
    ) -> Result<(), ContainersError>;

    /// Runs a program in a container of a service, with all that confines it, and waits for its end.
    ///
    /// # Errors
    /// [`ContainersError::Unwell`] when it did not end well or in time; anything else when it could not be run.
    async fn run(
        &self,
        service: &ServiceId,
        container: &PartName,
        command: &[String],
    ) -> Result<(), ContainersError>;

    /// Ends the containers of a service that run, and starts them and those that ended again as they are. What is not
    /// there is [`Self::apply`]'s.
    async fn restart(&self, service: &ServiceSpec) -> Result<(), ContainersError>;

    /// What the containers of a service use, by their names in it; none where the kernel does not count that.
    async fn usage(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, Usage>, ContainersError>;

    /// What a container said last, the oldest first: 64 KiB at most, fit to be shown.
    async fn log(
        &self,
        service: &ServiceId,
        container: &PartName,
    ) -> Result<Vec<LogEntry>, ContainersError>;

    /// How much room the volumes of a service have, by their names in it; none where nothing limits them.
    async fn rooms(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, VolumeRoom>, ContainersError>;

    /// Bytes on the disk of what a service has kept under this number. Looks at every file of it.
    async fn data_size(&self, id: &ServiceId, number: u32) -> Result<u64, ContainersError>;

    /// Ends what a service has kept under this number. Nothing that runs may have it.
    async fn remove_data(&self, id: &ServiceId, number: u32) -> Result<(), ContainersError>;

    /// Whether an image is on the box.
    async fn has_image(&self, digest: ImageDigest) -> Result<bool, ContainersError>;

    /// Brings an image from an OCI archive (OCI image specification, "image layout", as a tar file), read to its end: a
    /// file or a pipe. What is in it is known by [`Self::has_image`] alone.
    async fn load(&self, archive: File) -> Result<(), ContainersError>;

    /// Takes away the images that were loaded and are none of these; how many. One that a container is made from stays, and
    /// so does one that has a name: those that are brought here have none.
    ///
    /// # Errors
    /// The first one, once all were tried; [`ContainersError::Connect`] where podman does not run.
    async fn remove_images(&self, kept: &BTreeSet<ImageDigest>) -> Result<usize, ContainersError>;
}
