//! The Debian base for a board: root, kernel and first file system, from packages and our programs.

use std::path::{Path, PathBuf};

use super::kernel::Kernel;
use super::lock::Lock;
use super::tree::{Tree, newest, refresh, unpacked};
use crate::assemble::Base;
use crate::board::Board;
use crate::error::OsError;
use crate::toolbox::Toolbox;
use crate::{initramfs, root};

/// Where everything is that a base is made from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The source tree.
    pub tree: PathBuf,
    /// What outlives builds: packages and unpacked packages.
    pub cache: PathBuf,
    /// Our programs, for `usr/bin`.
    pub programs: Vec<PathBuf>,
    /// The product's version.
    pub version: String,
    /// Time of all files in seconds since 1970.
    pub epoch: u64,
}

impl Sources {
    /// The lock file of a board.
    pub fn lock_file(&self, board: &Board) -> PathBuf {
        board.folder.join("debian.lock")
    }

    /// The packages of a board, unpacked: those of the lock file, or, once the archive has newer ones only, the newest.
    ///
    /// # Errors
    /// What could not be fetched, verified or unpacked.
    pub fn packages(&self, board: &Board, progress: impl FnMut(&str)) -> Result<Tree, OsError> {
        self.locked_or_newest(
            &board.meta.debian_architecture,
            &self.lock_file(board),
            &self.tree.join(IMAGE_LIST),
            progress,
        )
    }

    fn locked_or_newest(
        &self,
        architecture: &str,
        lock_file: &Path,
        list: &Path,
        mut progress: impl FnMut(&str),
    ) -> Result<Tree, OsError> {
        match unpacked(&self.cache, architecture, Lock::read(lock_file)?) {
            // The archive forgets what it has replaced. A build must still be possible years later; what it is then
            // made of is written down beside the image.
            Err(gone @ OsError::Gone { .. }) => {
                progress(&format!("{gone}; taking the newest for now"));
                let lock = newest(&self.cache, architecture, list)?;
                unpacked(&self.cache, architecture, lock)
            }
            outcome => outcome,
        }
    }

    /// Writes a board's lock file anew.
    ///
    /// # Errors
    /// What apt says, or that the file cannot be written.
    pub fn refresh(&self, board: &Board) -> Result<Lock, OsError> {
        refresh(
            &self.cache,
            &board.meta.debian_architecture,
            &self.tree.join(IMAGE_LIST),
            &self.lock_file(board),
        )
    }

    /// The toolbox of this machine.
    ///
    /// # Errors
    /// What could not be fetched, verified or unpacked.
    pub fn toolbox(&self, progress: impl FnMut(&str)) -> Result<Toolbox, OsError> {
        let list = self.tree.join(TOOLS_LIST);
        let tree = self.locked_or_newest(TOOLS, &self.toolbox_lock(), &list, progress)?;
        Ok(Toolbox::new(tree.folder))
    }

    /// Writes the toolbox' lock file anew.
    ///
    /// # Errors
    /// What apt says, or that the file cannot be written.
    pub fn refresh_toolbox(&self) -> Result<Lock, OsError> {
        let list = self.tree.join(TOOLS_LIST);
        refresh(&self.cache, TOOLS, &list, &self.toolbox_lock())
    }

    fn toolbox_lock(&self) -> PathBuf {
        self.tree.join("images/os/debian/tools.lock")
    }

    /// Makes root, kernel and first file system in `scratch` from the board's `packages`.
    ///
    /// # Errors
    /// The step that failed.
    pub fn base(
        &self,
        packages: &Tree,
        toolbox: &Toolbox,
        scratch: &Path,
        mut progress: impl FnMut(&str),
    ) -> Result<Base, OsError> {
        let kernel = Kernel::find(&packages.folder)?;
        progress("choosing what goes into the root file system");
        let root = scratch.join("root");
        let recipe = root::Recipe {
            lists: &self.tree.join("images/os/debian"),
            tree: &packages.folder,
            kernel: &kernel,
            overlay: &self.tree.join("rootfs-overlay"),
            programs: &self.programs,
            version: &self.version,
        };
        recipe.make(&root, scratch, toolbox)?;
        progress("making the first file system");
        let initrd = scratch.join("initrd");
        let recipe = initramfs::Recipe {
            folder: &self.tree.join("images/os/initramfs"),
            tree: &packages.folder,
            kernel: &kernel,
            epoch: self.epoch,
        };
        recipe.make(&initrd, scratch, toolbox)?;
        Ok(Base {
            root,
            kernel: kernel.image,
            initrd: Some(initrd),
        })
    }
}

/// The architecture of the machines that images are made on; the toolbox has its programs.
const TOOLS: &str = "amd64";
/// Which packages the image's programs come from.
const IMAGE_LIST: &str = "images/os/debian/image.packages";
/// Which packages the toolbox' programs come from.
const TOOLS_LIST: &str = "images/os/debian/tools.packages";
