//! The archive of an image: what podman loads (OCI image specification, "image layout", as a tar file).

use std::io::Write;
use std::path::Path;

use cell_model::container::ImageDigest;
use serde::Deserialize;
use serde_json::json;

use crate::blob::{BlobReader, Described, place, read_blob};
use crate::error::PackagesError;

/// The most bytes of an image's manifest and of its config: what registries take of a manifest.
pub(crate) const MAX_DOCUMENT: u64 = 4 * 1024 * 1024;
/// The most layers. Images have a handful; the kernel stacks at most 500 (`OVL_MAX_STACK`, fs/overlayfs/params.h).
const MAX_LAYERS: usize = 128;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// An image's manifest (OCI image specification, "image manifest"), as far as it is needed.
#[derive(Debug, Deserialize)]
pub(crate) struct ImageManifest {
    config: Described,
    layers: Vec<Described>,
}

impl ImageManifest {
    /// What the image is made from; a layer may be there twice.
    pub(crate) fn parts(self) -> impl Iterator<Item = Described> {
        std::iter::once(self.config).chain(self.layers)
    }
}

/// An image's manifest, as it is written and as it is understood.
pub(crate) fn manifest(
    folder: &Path,
    image: &ImageDigest,
) -> Result<(Vec<u8>, ImageManifest), PackagesError> {
    let path = folder.join(place(image));
    let bytes = read_blob(&path, image, MAX_DOCUMENT)?;
    let manifest: ImageManifest =
        serde_json::from_slice(&bytes).map_err(|source| PackagesError::Json {
            path: path.clone(),
            source,
        })?;
    if manifest.layers.len() > MAX_LAYERS {
        return Err(PackagesError::Layers {
            path,
            limit: MAX_LAYERS,
        });
    }
    if manifest.config.size > MAX_DOCUMENT {
        return Err(PackagesError::TooLarge {
            path: folder.join(place(&manifest.config.digest)),
            limit: MAX_DOCUMENT,
        });
    }
    Ok((bytes, manifest))
}

/// Writes the archive of the image whose blobs are in `folder`.
pub(crate) fn write(
    folder: &Path,
    image: &ImageDigest,
    to: impl Write,
) -> Result<(), PackagesError> {
    let (bytes, parsed) = manifest(folder, image)?;
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": image,
            "size": bytes.len(),
        }],
    });
    let mut archive = tar::Builder::new(to);
    let mut small = |path: &Path, bytes: &[u8]| {
        let mut header = header(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes)
    };
    small(Path::new("oci-layout"), LAYOUT)
        .and_then(|()| small(Path::new("index.json"), index.to_string().as_bytes()))
        .and_then(|()| small(&place(image), &bytes))
        .map_err(PackagesError::Write)?;
    // A layer may be there twice; in an archive once is enough.
    let mut written = vec![*image];
    for part in parsed.parts() {
        if written.contains(&part.digest) {
            continue;
        }
        written.push(part.digest);
        let place = place(&part.digest);
        let mut blob = BlobReader::open(folder.join(&place), part)?;
        let copied = archive.append_data(&mut header(part.size), &place, &mut blob);
        blob.finish(copied)?;
    }
    archive
        .into_inner()
        .and_then(|mut to| to.flush())
        .map_err(PackagesError::Write)
}

/// A file of root's, of no time.
fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}
