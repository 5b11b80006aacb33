//! The Debian base for a board: root, kernel and first file system, from packages and our programs.

use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::compiler::Compiler;
use super::kernel::Kernel;
use super::tree::{Selection, Tree};
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
    /// The services that come with the box, as a package folder for the board's processor; none: none do.
    pub services: Option<PathBuf>,
    /// The product's version.
    pub version: String,
    /// Time of all files in seconds since 1970.
    pub epoch: u64,
}

impl Sources {
    /// The packages of a board, unpacked: those of the lock file, or, once the archive has newer ones only, the newest.
    ///
    /// # Errors
    /// What could not be fetched, verified or unpacked.
    pub fn packages(&self, board: &Board, progress: impl FnMut(&str)) -> Result<Tree, OsError> {
        self.image(board).unpacked(&self.cache, progress)
    }

    /// The toolbox of this machine.
    ///
    /// # Errors
    /// What could not be fetched, verified or unpacked.
    pub fn toolbox(&self, progress: impl FnMut(&str)) -> Result<Toolbox, OsError> {
        let tree = self.tools().unpacked(&self.cache, progress)?;
        Ok(Toolbox::new(tree.folder))
    }

    /// A compiler for a board; none where this machine's makes programs for it.
    ///
    /// # Errors
    /// What could not be fetched, verified or unpacked.
    pub fn compiler(
        &self,
        board: &Board,
        progress: impl FnMut(&str),
    ) -> Result<Option<Compiler>, OsError> {
        if board.is_for_this_machine() {
            return Ok(None);
        }
        let tree = self.compilers(board).unpacked(&self.cache, progress)?;
        let name = tree.folder.file_name().unwrap_or_default();
        let scripts = self.cache.join("compilers").join(name);
        Compiler::prepare(&tree, &board.meta.rust_target, &scripts).map(Some)
    }

    /// Writes the lock files anew that an image of this board depends on.
    ///
    /// # Errors
    /// What apt says, or that a file cannot be written.
    pub fn refresh(&self, board: &Board) -> Result<(), OsError> {
        self.tools().refresh()?;
        if !board.is_for_this_machine() {
            self.compilers(board).refresh()?;
        }
        self.image(board).refresh().map(drop)
    }

    /// What the image's programs come from.
    fn image(&self, board: &Board) -> Selection {
        let architecture = &board.meta.debian_architecture;
        Selection {
            archive: Archive::new(&self.cache, architecture),
            list: self.lists().join("image.packages"),
            architecture: architecture.clone(),
            lock_file: board.folder.join("debian.lock"),
        }
    }

    /// What the toolbox' programs come from; the loader's parts for ARM are ARM packages.
    fn tools(&self) -> Selection {
        Selection {
            archive: Archive::new(&self.cache, TOOLS).with("arm64"),
            list: self.lists().join("tools.packages"),
            architecture: TOOLS.to_owned(),
            lock_file: self.lists().join("tools.lock"),
        }
    }

    /// What compiles for a board's processor, on this machine.
    fn compilers(&self, board: &Board) -> Selection {
        let architecture = &board.meta.debian_architecture;
        Selection {
            archive: Archive::new(&self.cache, TOOLS).with(architecture),
            list: self.lists().join("compiler.packages"),
            architecture: architecture.clone(),
            lock_file: self.lists().join(format!("compiler-{architecture}.lock")),
        }
    }

    fn lists(&self) -> PathBuf {
        self.tree.join("images/os/debian")
    }

    /// Makes root, kernel and first file system in `scratch` from the board's `packages`.
    ///
    /// # Errors
    /// The step that failed.
    pub fn base(
        &self,
        board: &Board,
        packages: &Tree,
        toolbox: &Toolbox,
        scratch: &Path,
        mut progress: impl FnMut(&str),
    ) -> Result<Base, OsError> {
        let kernel = Kernel::find(&packages.folder)?;
        progress("choosing what goes into the root file system");
        let root = scratch.join("root");
        let recipe = root::Recipe {
            lists: &self.lists(),
            board: &board.folder,
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
            board: &board.folder,
            tree: &packages.folder,
            kernel: &kernel,
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
