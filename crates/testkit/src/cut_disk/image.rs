//! Everything on a disk at one moment.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::error::CutDiskError;

/// What is on a disk: folders and files below it, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image(pub(super) BTreeMap<PathBuf, Item>);

/// A folder or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) mode: u32,
    /// The attribute `S` of chattr(1). A folder that an image is written to does not get it.
    pub(super) is_write_through: bool,
    /// `None` is a folder.
    pub(super) content: Option<Content>,
}

impl Image {
    /// An empty disk.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// What is in a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_from(folder: &Path) -> Result<Self, CutDiskError> {
        let mut image = Self::default();
        image.read(folder, Path::new(""))?;
        Ok(image)
    }

    fn read(&mut self, folder: &Path, below: &Path) -> Result<(), CutDiskError> {
        let failed = |source| CutDiskError::File {
            path: folder.join(below),
            source,
        };
        for entry in fs::read_dir(folder.join(below)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = below.join(entry.file_name());
            let data = entry.metadata().map_err(failed)?;
            let content = match data.is_dir() {
                true => None,
                false => Some(fs::read(entry.path()).map_err(failed)?.into()),
            };
            let mode = data.permissions().mode() & 0o7777;
            let item = Item {
                mode,
                is_write_through: false,
                content,
            };
            self.0.insert(path.clone(), item);
            if data.is_dir() {
                self.read(folder, &path)?;
            }
        }
        Ok(())
    }

    /// Puts everything into a folder, which is made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, folder: &Path) -> Result<(), CutDiskError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CutDiskError::File { path, source }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        // By path, so a folder comes before what is in it.
        for (path, item) in &self.0 {
            let path = folder.join(path);
            match &item.content {
                None => fs::create_dir(&path),
                Some(content) => fs::write(&path, content.bytes()),
            }
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(item.mode)))
            .map_err(failed(&path))?;
        }
        Ok(())
    }

    /// The bytes of a file.
    #[must_use]
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        let content = self.0.get(path.as_ref())?.content.as_ref()?;
        Some(content.bytes())
    }

    /// Puts bytes into a file, which is made if need be; its folder must be there.
    pub fn set_file(&mut self, path: impl Into<PathBuf>, bytes: Vec<u8>) {
        let item = Item {
            mode: 0o600,
            is_write_through: false,
            content: Some(bytes.into()),
        };
        self.0.insert(path.into(), item);
    }

    /// The paths of everything, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}
