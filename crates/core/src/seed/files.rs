//! The seed's own file, and files that are whole or absent whenever the power goes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cell_model::secret::Secret;
use cell_model::seed::MAX_BYTES;

use super::outcome::SeedFailure;

/// In the state directory while files outside the store may be behind it; holds the seed's SHA-256.
pub(super) const MARK: &str = "seed.pending";
/// The seed's name from when it was applied: whatever of it a power cut leaves is to be wiped, not judged.
const USED: &str = "cell-used.toml";
/// What is wrong with the seed, for whoever takes the stick back to a desk.
const ERROR: &str = "cell-error.txt";

/// Asked before each moment at which the power could fail; an error is that it does.
pub(super) type Moment<'a> = dyn FnMut(&'static str) -> io::Result<()> + 'a;

/// A seed on its stick or partition.
#[derive(Debug)]
pub(super) struct SeedFile {
    path: PathBuf,
    content: Secret<Vec<u8>>,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Found {
    /// A seed.
    Seed(SeedFile),
    /// Only what is left of one that was applied, and whether it is gone now.
    Used(io::Result<()>),
}

impl SeedFile {
    /// Reads it; more than a seed may have is not read.
    pub(super) fn open(path: &Path, moment: &mut Moment<'_>) -> Result<Found, SeedFailure> {
        let used = used(path);
        let leftover = used.exists().then(|| overwrite(&used, moment));
        let failed = |source| SeedFailure::Read {
            path: path.to_owned(),
            source,
        };
        let mut content = Vec::new();
        match (File::open(path), leftover) {
            (Ok(file), _) => {
                let limit = MAX_BYTES as u64 + 1;
                file.take(limit).read_to_end(&mut content).map_err(failed)?;
            }
            (Err(error), Some(wiped)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Used(wiped));
            }
            (Err(source), _) => return Err(failed(source)),
        }
        // A name that came back after its content was wiped.
        if !content.is_empty() && content.iter().all(|byte| *byte == 0) {
            return Ok(Found::Used(cell_durable::remove(path)));
        }
        Ok(Found::Seed(Self {
            path: path.to_owned(),
            content: Secret::new(content),
        }))
    }

    pub(super) fn content(&self) -> &[u8] {
        self.content.expose()
    }

    /// Writes what is wrong beside it. That it cannot be is no second error: the console shows the first.
    pub(super) fn explain(&self, failure: &SeedFailure) {
        let list = match failure {
            SeedFailure::Wrong(error) => error.to_string(),
            other => other.to_string(),
        };
        let text = format!(
            "cell.toml was not applied; the box has started as if it were not there.\r\n\r\n{}\r\n\r\nCorrect the \
             file and start the box with it again.\r\n",
            list.replace('\n', "\r\n")
        );
        let path = self.path.with_file_name(ERROR);
        // A stick is not worn by starting a box again and again.
        let same_length = fs::metadata(&path).is_ok_and(|there| there.len() == text.len() as u64);
        if same_length && fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            return;
        }
        if let Err(error) = replace(&path, text.as_bytes(), 0o600) {
            tracing::warn!(%error, "what is wrong with the seed cannot be written beside it");
        }
    }

    /// Overwrites it with zeros and removes it, and what was said of an earlier one.
    pub(super) fn wipe(self, moment: &mut Moment<'_>) -> io::Result<()> {
        let used = used(&self.path);
        moment("before the seed is renamed")?;
        fs::rename(&self.path, &used)?;
        cell_durable::sync_parent(&used)?;
        overwrite(&used, moment)?;
        if let Err(error) = cell_durable::remove(&self.path.with_file_name(ERROR)) {
            tracing::warn!(%error, "what was said of an earlier seed stays beside it");
        }
        Ok(())
    }
}

fn used(path: &Path) -> PathBuf {
    path.with_file_name(USED)
}

fn overwrite(path: &Path, moment: &mut Moment<'_>) -> io::Result<()> {
    moment("before the seed is overwritten")?;
    // In place: the old content must not stay in freed blocks.
    let mut file = OpenOptions::new().write(true).open(path)?;
    // No seed was ever longer.
    let length = file.metadata()?.len().min(MAX_BYTES as u64);
    let written = io::copy(&mut io::repeat(0).take(length / 2), &mut file)?;
    moment("while the seed is overwritten")?;
    io::copy(&mut io::repeat(0).take(length - written), &mut file)?;
    file.sync_all()?;
    moment("before the seed is removed")?;
    cell_durable::remove(path)
}

/// Makes a folder for the core alone, and those around it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file, in a folder for the core alone where there is none yet.
pub(super) fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    cell_durable::replace(path, content, mode)
}
