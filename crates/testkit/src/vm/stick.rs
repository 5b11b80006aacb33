//! A USB stick as sold: a partition table with one FAT file system.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use cell_os::fat::FatFiles;
use cell_os::toolbox::{self, Toolbox};

use super::MachineError;

const SIZE: u64 = 128 << 20;
/// Where its partition begins.
const BEGIN: u64 = 1 << 20;
/// The folder a box looks into.
const FOLDER: &str = "seed";

/// A stick, as a file. Nothing may be put on it while a machine has it.
#[derive(Debug)]
pub struct Stick {
    path: PathBuf,
    toolbox: Toolbox,
}

impl Stick {
    /// An empty one, with a folder `seed`.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn new(toolbox: &Toolbox, path: &Path) -> Result<Self, MachineError> {
        let failed = |source| MachineError::File {
            path: path.to_owned(),
            source,
        };
        let mut start = [0_u8; 512];
        // One entry, type 0x0c (FAT32 by LBA), then the signature: what every stick has.
        let sectors = |bytes: u64| u32::try_from(bytes / 512).unwrap_or(u32::MAX).to_le_bytes();
        start[450] = 0x0c;
        start[454..458].copy_from_slice(&sectors(BEGIN));
        start[458..462].copy_from_slice(&sectors(SIZE - BEGIN));
        start[510..].copy_from_slice(&[0x55, 0xaa]);
        let mut file = fs::File::create(path).map_err(failed)?;
        file.write_all(&start).map_err(failed)?;
        file.set_len(SIZE).map_err(failed)?;
        let stick = Self {
            path: path.to_owned(),
            toolbox: toolbox.clone(),
        };
        let mut format = stick.files().mtools("mformat")?;
        let sectors = (SIZE - BEGIN) / 512;
        toolbox::run(format.args(["-T", &sectors.to_string(), "-F", "::"]))?;
        toolbox::run(stick.files().mtools("mmd")?.arg(format!("::/{FOLDER}")))?;
        Ok(stick)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a file into its folder `seed`.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn put(&self, name: &str, content: &str) -> Result<(), MachineError> {
        let folder = tempfile::tempdir().map_err(MachineError::Folder)?;
        let file = folder.path().join(name);
        fs::write(&file, content).map_err(|source| MachineError::File {
            path: file.clone(),
            source,
        })?;
        Ok(self.files().put(&file, &format!("{FOLDER}/{name}"))?)
    }

    /// Puts a folder with all that is in it beside that.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn put_folder(&self, from: &Path) -> Result<(), MachineError> {
        let mut copy = self.files().mtools("mcopy")?;
        toolbox::run(copy.arg("-s").arg(from).arg("::/"))?;
        Ok(())
    }

    /// A file of its folder `seed`; `None` when it is not there.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        self.files().read(&format!("{FOLDER}/{name}")).ok()
    }

    /// Every byte of it, also what is left of removed files.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>, MachineError> {
        fs::read(&self.path).map_err(|source| MachineError::File {
            path: self.path.clone(),
            source,
        })
    }

    fn files(&self) -> FatFiles<'_> {
        FatFiles {
            toolbox: &self.toolbox,
            image: &self.path,
            at: BEGIN,
        }
    }
}
