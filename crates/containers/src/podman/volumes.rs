//! Volumes: their limits, their room, and copies of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use cell_model::name::PartName;
use cell_model::spec::{ContainersSpec, ServiceSpec};
use tracing::{info, warn};

use super::{Podman, api, on_disk};
use crate::limits::{VolumeLimit, VolumeLimits, limits};
use crate::quota::{LimitError, Quotas, VolumeRoom};
use crate::{ContainersError, copy, names};

impl Podman {
    /// Makes a volume a copy of another one, once nothing of the service runs.
    pub(super) async fn copy_volume(
        &self,
        service: &ServiceSpec,
        volume: &PartName,
        number: u32,
        original: u32,
    ) -> Result<(), ContainersError> {
        let name = names::volume(&service.id, volume, number);
        let original = names::volume(&service.id, volume, original);
        let volumes = api::volumes(&self.client, None).await?;
        // One that was never made has nothing to be copied.
        let from = volumes.contains(&original).then(|| self.content(&original));
        info!(volume = name, "data is copied for an update");
        copy::copy(from, self.content(&name)).await?;
        info!(volume = name, "data was copied");
        Ok(())
    }

    /// Gives a volume its limit.
    pub(super) async fn limit_volume(
        &self,
        service: &ServiceSpec,
        volume: &PartName,
        number: u32,
        limit: VolumeLimit,
    ) -> Result<(), ContainersError> {
        let name = names::volume(&service.id, volume, number);
        if let Some(quotas) = self.quotas().await? {
            let content = self.content(&name);
            beside(move || quotas.set(&content, limit)).await?;
            info!(volume = name, mib = limit.mib, "volume is limited");
        }
        Ok(())
    }

    /// What limits volumes; none where the file system does not.
    async fn quotas(&self) -> Result<Option<Quotas>, ContainersError> {
        let volumes = self.volumes.clone();
        beside(move || Quotas::find(&volumes)).await
    }

    /// The limits that volumes have.
    pub(super) async fn limits_of(
        &self,
        volumes: &BTreeSet<String>,
    ) -> Result<Option<VolumeLimits>, ContainersError> {
        let Some(quotas) = self.quotas().await? else {
            return Ok(None);
        };
        let contents = volumes
            .iter()
            .map(|name| (name.clone(), self.content(name)));
        let contents: Vec<_> = contents.collect();
        let found = beside(move || {
            let limit = |(name, content): (String, PathBuf)| {
                // One that is on its way out, or damaged, has none.
                Some((name, quotas.limit(&content).ok()??))
            };
            Ok(contents.into_iter().filter_map(limit).collect())
        });
        found.await.map(Some)
    }

    /// The limits that volumes shall have.
    pub(super) async fn limits_for(
        &self,
        spec: &ContainersSpec,
    ) -> Result<VolumeLimits, ContainersError> {
        if let Some(quotas) = self.quotas().await? {
            return Ok(limits(spec, quotas.disk));
        }
        if !spec.services.is_empty() && !self.told.swap(true, Ordering::Relaxed) {
            warn!("the file system limits nothing by folder: services can fill the disk");
        }
        Ok(VolumeLimits::new())
    }

    /// Waits until what was done to volumes outlives a power cut.
    pub(super) async fn flush(&self) -> Result<(), ContainersError> {
        let volumes = self.volumes.clone();
        let flushed = on_disk(move || match File::open(volumes) {
            Ok(folder) => Ok(rustix::fs::syncfs(folder)?),
            // There never was any.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        });
        flushed.await.map_err(ContainersError::Flush)
    }

    /// The folder with what is in a volume (podman-volume-create(1), driver `local`).
    pub(super) fn content(&self, volume: &str) -> PathBuf {
        self.volumes.join(volume).join("_data")
    }

    /// How much room the volumes of a service have.
    pub(super) async fn rooms(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, VolumeRoom>, ContainersError> {
        let Some(quotas) = self.quotas().await? else {
            return Ok(BTreeMap::new());
        };
        let volumes = service.volumes.iter().map(|(volume, asked)| {
            let name = names::volume(&service.id, volume, asked.number);
            (volume.clone(), self.content(&name))
        });
        let volumes: Vec<_> = volumes.collect();
        let rooms = beside(move || {
            let room = |(volume, content): (PartName, PathBuf)| {
                // One that is not made yet has none.
                Some((volume, quotas.room(&content).ok()??))
            };
            Ok(volumes.into_iter().filter_map(room).collect())
        });
        rooms.await
    }
}

/// Does what is done to limits, beside the calls.
async fn beside<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, LimitError> + Send + 'static,
) -> Result<T, ContainersError> {
    let done = tokio::task::spawn_blocking(act).await;
    let done = done.map_err(|error| ContainersError::Measure(io::Error::other(error)))?;
    Ok(done?)
}
