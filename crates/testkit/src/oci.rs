//! Small images, made on the spot: OCI archives with one layer.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A file of an image.
#[derive(Debug, Clone)]
pub struct ImageFile {
    /// Its path, without a slash in front.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// What is in it.
    pub content: Content,
}

/// What a file of an image is.
#[derive(Debug, Clone)]
pub enum Content {
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A link to this path.
    Link(String),
    /// A folder.
    Folder,
}

/// An image, as an archive and by its digest.
#[derive(Debug, Clone)]
pub struct ImageArchive {
    /// A tar file (OCI image specification, "image layout").
    pub bytes: Vec<u8>,
    /// SHA-256 of its manifest, as `sha256:` and hexadecimal digits.
    pub digest: String,
}

impl ImageArchive {
    /// What it is made of, by digest.
    ///
    /// # Panics
    /// It is no archive.
    #[must_use]
    pub fn blobs(&self) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(self.bytes.as_slice());
        let mut blobs = BTreeMap::new();
        for entry in archive.entries().expect("it is an archive") {
            let mut entry = entry.expect("it is an archive");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("it is whole");
            if entry.path().is_ok_and(|path| path.starts_with("blobs")) {
                blobs.insert(digest(&bytes), bytes);
            }
        }
        blobs
    }
}

/// Makes an image that runs `command`.
///
/// # Errors
/// What the archive could not be written for.
pub fn image(files: &[ImageFile], command: &[&str]) -> io::Result<ImageArchive> {
    let layer = layer(files)?;
    let config = json!({
        "architecture": architecture(), "os": "linux",
        "config": { "Cmd": command, "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [described("application/vnd.oci.image.layer.v1.tar", &layer)],
    })
    .to_string();
    let index = json!({
        "schemaVersion": 2,
        "manifests": [described("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes())],
    })
    .to_string();
    let mut archive = tar::Builder::new(Vec::new());
    add(
        &mut archive,
        "oci-layout",
        0o644,
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    add(&mut archive, "index.json", 0o644, index.as_bytes())?;
    for blob in [manifest.as_bytes(), config.as_bytes(), &layer] {
        let name = format!("blobs/{}", digest(blob).replace(':', "/"));
        add(&mut archive, &name, 0o644, blob)?;
    }
    Ok(ImageArchive {
        bytes: archive.into_inner()?,
        digest: digest(manifest.as_bytes()),
    })
}

/// BusyBox with some of its programs, and a page that its web server would serve.
///
/// # Errors
/// What could not be read or written.
pub fn busybox(program: &Path, command: &[&str]) -> io::Result<ImageArchive> {
    busybox_with(program, Vec::new(), command)
}

/// The same with files of the caller's, each in a folder that is among them or BusyBox's.
///
/// # Errors
/// What could not be read or written.
pub fn busybox_with(
    program: &Path,
    more: Vec<ImageFile>,
    command: &[&str],
) -> io::Result<ImageArchive> {
    let file = |path: &str, mode, content| ImageFile {
        path: path.to_owned(),
        mode,
        content,
    };
    let mut files = vec![file(
        "bin/busybox",
        0o755,
        Content::Bytes(std::fs::read(program)?),
    )];
    for name in [
        "sh", "sleep", "httpd", "id", "cat", "ls", "wget", "touch", "nc", "mount", "ping", "dd",
    ] {
        files.push(file(
            &format!("bin/{name}"),
            0o777,
            Content::Link("busybox".to_owned()),
        ));
    }
    for name in ["etc", "proc", "sys", "dev", "tmp", "data", "run"] {
        files.push(file(name, 0o755, Content::Folder));
    }
    files.extend(more);
    image(&files, command)
}

/// Puts images into a package folder (see `cell_packages`): their blobs, and the list of them by name.
///
/// # Errors
/// What could not be written.
pub fn package_folder(folder: &Path, images: &[(&str, &ImageArchive)]) -> io::Result<()> {
    let mut list = serde_json::Map::new();
    for (name, image) in images {
        list.insert((*name).to_owned(), image.digest.clone().into());
        let mut archive = tar::Archive::new(image.bytes.as_slice());
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.path()?.starts_with("blobs") {
                entry.unpack_in(folder)?;
            }
        }
    }
    std::fs::write(
        folder.join("images.json"),
        json!({ "images": list }).to_string(),
    )
}

fn layer(files: &[ImageFile]) -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(file.mode);
        header.set_mtime(0);
        match &file.content {
            Content::Bytes(bytes) => add(&mut layer, &file.path, file.mode, bytes)?,
            Content::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                layer.append_link(&mut header, &file.path, target)?;
            }
            Content::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                layer.append_data(&mut header, &file.path, io::empty())?;
            }
        }
    }
    layer.into_inner()
}

fn add(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes)
}

/// What a blob is named by.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)))
}

fn described(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// As images have it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}
