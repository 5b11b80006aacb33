//! Fetches the images of one service, and hands them to podman.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cell_containers::Containers;
use cell_fetch::{Command, FetchError, FetchLink, WholeError, rest, whole};
use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;
use cell_model::spec::OriginSpec;
use cell_model::url::SourceUrl;
use cell_packages::{Incoming, PackagesError};

use super::Progress;
use crate::execute::{BringError, hand_over};

/// How long the manifest of an image may take, which is small.
const MANIFEST: Duration = Duration::from_secs(60);

/// Why images are not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchImagesError {
    /// Their server does not give them.
    #[error("the images do not come")]
    Fetch(#[from] WholeError),
    /// What came is not what it should be, or finds no room.
    #[error("the images are not taken")]
    Packages(#[from] PackagesError),
    /// Podman does not take them.
    #[error(transparent)]
    Bring(#[from] BringError),
    /// The daemon ends.
    #[error("it was broken off")]
    Cut(#[from] tokio::task::JoinError),
}

impl FetchImagesError {
    /// Whether a stick has to be plugged in.
    pub(super) fn wants_a_stick(&self) -> bool {
        matches!(
            self,
            Self::Fetch(WholeError::Fetch(
                FetchError::NoStick | FetchError::NotOnStick(_)
            ))
        )
    }

    /// Whether nobody was reached, or the connection broke, or the stick is not there (any more).
    pub(super) fn is_network(&self) -> bool {
        let Self::Fetch(WholeError::Fetch(error)) = self else {
            return false;
        };
        matches!(
            error,
            FetchError::Name(_)
                | FetchError::Unreachable(..)
                | FetchError::Stalled(_)
                | FetchError::Cut
                | FetchError::NoStick
                | FetchError::NotOnStick(_)
                | FetchError::StickUnreadable(_)
        )
    }
}

/// The images of one service on their way.
pub(super) struct Fetch {
    pub(super) id: ServiceId,
    pub(super) origin: OriginSpec,
    pub(super) images: Vec<ImageDigest>,
    pub(super) name_servers: Vec<SocketAddr>,
    pub(super) folder: PathBuf,
    pub(super) link: Arc<dyn FetchLink>,
    pub(super) containers: Arc<dyn Containers>,
    pub(super) progress: Arc<Progress>,
}

impl Fetch {
    /// Until podman has all of them. What has come stays for the next time.
    pub(super) async fn run(&self) -> Result<(), FetchImagesError> {
        let (folder, id) = (self.folder.clone(), self.id.clone());
        let incoming = blocking(move || Incoming::open(&folder, &id)).await?;
        for image in &self.images {
            if !incoming.has(image) {
                self.manifest(&incoming, image).await?;
            }
        }
        let blobs = {
            let (incoming, images, size) =
                (incoming.clone(), self.images.clone(), self.origin.size);
            blocking(move || incoming.blobs(&images, size)).await
        };
        let blobs = self.or_anew(&incoming, blobs).await?;
        let total = blobs.values().sum();
        let begun: u64 = blobs.keys().map(|blob| incoming.begun(blob)).sum();
        incoming.check_room(total - begun.min(total), total)?;
        self.progress.begin(begun, total);
        tracing::info!(service = %self.id, total, begun, "images are fetched");
        for (blob, size) in &blobs {
            if !incoming.has(blob) {
                self.blob(&incoming, blob, *size).await?;
            }
        }
        for image in &self.images {
            let (blobs, from) = (incoming.clone(), *image);
            let write = move |pipe| blobs.write_archive(&from, pipe);
            let handed_over = hand_over(&*self.containers, *image, write).await;
            let handed_over = match handed_over {
                Err(BringError::Packages(error)) => Err(error.into()),
                other => other.map_err(FetchImagesError::from),
            };
            self.or_anew(&incoming, handed_over).await?;
        }
        Ok(())
    }

    /// What is not as it was checked to be when it came is fetched anew the next time.
    async fn or_anew<T>(
        &self,
        incoming: &Incoming,
        done: Result<T, FetchImagesError>,
    ) -> Result<T, FetchImagesError> {
        if let Err(FetchImagesError::Packages(_)) = &done {
            let incoming = incoming.clone();
            blocking(move || incoming.remove()).await?;
        }
        done
    }

    async fn manifest(
        &self,
        incoming: &Incoming,
        image: &ImageDigest,
    ) -> Result<(), FetchImagesError> {
        let command = self.command(self.origin.manifest(image));
        let limit = Incoming::largest_manifest().min(self.origin.size);
        let bytes = whole(&*self.link, command, limit, MANIFEST).await?;
        let (incoming, image) = (incoming.clone(), *image);
        blocking(move || incoming.put(&image, &bytes)).await
    }

    async fn blob(
        &self,
        incoming: &Incoming,
        blob: &ImageDigest,
        size: u64,
    ) -> Result<(), FetchImagesError> {
        let begun = incoming.begun(blob);
        let file = incoming.append(blob)?;
        if begun < size {
            let progress = Arc::clone(&self.progress);
            let tell = move |bytes| progress.add(bytes);
            let command = self.command(self.origin.blob(blob));
            rest(&*self.link, command, begun, size, file, tell).await?;
        }
        let (incoming, blob) = (incoming.clone(), *blob);
        blocking(move || incoming.finish(&blob, size)).await
    }

    fn command(&self, url: SourceUrl) -> Command {
        Command {
            url,
            authorities: self.origin.authorities.as_ref().map(ToString::to_string),
            name_servers: self.name_servers.clone(),
            parts: Vec::new(),
            same_as: None,
        }
    }
}

/// Does what waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PackagesError> + Send + 'static,
) -> Result<T, FetchImagesError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
