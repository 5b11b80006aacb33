//! What goes wrong with a package folder.

use std::io;
use std::path::PathBuf;

use cell_model::container::{ImageDigest, ImageRef};
use cell_model::name::ServiceId;
use cell_model::toml_text::TomlError;

/// One failing step.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A file or folder could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than any of its kind is.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The most it may have.
        limit: u64,
    },
    /// A file is no JSON, or not of its form.
    #[error("{path} is not understood")]
    Json {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A folder with a manifest has a name that no service has.
    #[error("{0} is not named as services are")]
    Name(PathBuf),
    /// A manifest is wrong.
    #[error("{path} is wrong")]
    Manifest {
        /// Which.
        path: PathBuf,
        /// All that is.
        source: TomlError,
    },
    /// A manifest is in the folder of another service.
    #[error("{path} is the manifest of {found}")]
    OtherService {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        found: ServiceId,
    },
    /// A manifest asks for an image that is not there.
    #[error("{path} asks for the image {image}, which does not come with it")]
    OtherImage {
        /// The manifest.
        path: PathBuf,
        /// The image.
        image: ImageRef,
    },
    /// There is no such service.
    #[error("the service {0} does not come with the box")]
    NoService(ServiceId),
    /// There is no such image.
    #[error("the image {0} does not come with the box")]
    NoImage(ImageDigest),
    /// An image has more layers than any has.
    #[error("{path} names more than {limit} layers")]
    Layers {
        /// The image's manifest.
        path: PathBuf,
        /// The most there may be.
        limit: usize,
    },
    /// A blob has another size than the image says.
    #[error("{path} has {found} bytes instead of {expected}; it is not used")]
    Size {
        /// Which.
        path: PathBuf,
        /// What the image says.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// A blob is not what its name says.
    #[error("{path} was altered: it has the digest {found}; it is not used")]
    Altered {
        /// Which.
        path: PathBuf,
        /// What it has.
        found: ImageDigest,
    },
    /// Images are larger than their source has said.
    #[error(
        "the images have {total} bytes, and their source has said {limit}; they are not fetched"
    )]
    Images {
        /// What they have.
        total: u64,
        /// What the source has signed.
        limit: u64,
    },
    /// The disk is too full.
    #[error(
        "{} MiB are needed on the data partition, and {} MiB are free; remove something",
        needed >> 20,
        free >> 20
    )]
    Room {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// What was fetched could not be kept.
    #[error("cannot write {path}")]
    Keep {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("cannot write the archive of an image")]
    Write(#[source] io::Error),
}

/// A [`PackagesError::Read`] for this path.
pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> PackagesError {
    let path = path.into();
    move |source| PackagesError::Read { path, source }
}

/// A [`PackagesError::Keep`] for this path.
pub(crate) fn keep(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> PackagesError {
    let path = path.into();
    move |source| PackagesError::Keep { path, source }
}
