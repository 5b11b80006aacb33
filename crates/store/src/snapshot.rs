//! Rolling snapshots: exports beside the store, for the day its files are damaged.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use cell_model::Timestamp;

use crate::export::{self, Extent};
use crate::store::Store;
use crate::{StoreError, files};

const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".jsonl";
const PARTIAL: &str = "partial";

impl Store {
    /// Writes a snapshot (an export of [`Extent::Now`]: with up to 64 MiB of history a few would fill the partition) and
    /// removes all but the newest `keep`, at least one. Answers its path.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] before anything is written, or what kept it from being written; the older ones are there
    /// then as before.
    pub fn snapshot(&self, keep: usize, time: Timestamp) -> Result<PathBuf, StoreError> {
        let dir = self.dir.join(files::SNAPSHOTS);
        files::make_dir(&dir)?;
        remove_partial(&dir).map_err(StoreError::file("clear", &dir))?;
        let number = list(&dir)?.first().map_or(1, |(number, _)| number + 1);
        // Numbers and not times, since the clock may be wrong; eight digits so that names sort.
        let path = dir.join(format!("{PREFIX}{number:08}{SUFFIX}"));
        let partial = path.with_extension(PARTIAL);
        if let Err(error) = self.write_snapshot(&partial, time) {
            // A left-over is removed before the next snapshot, so failing here adds nothing to the first error.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        files::publish(&partial, &path)?;
        for (_, old) in list(&dir)?.into_iter().skip(keep.max(1)) {
            fs::remove_file(&old).map_err(StoreError::file("remove", &old))?;
        }
        Ok(path)
    }

    /// The snapshots of a state directory, newest first. Needs no open store.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn snapshots(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let dir = dir.join(files::SNAPSHOTS);
        Ok(list(&dir)?.into_iter().map(|(_, path)| path).collect())
    }

    fn write_snapshot(&self, path: &Path, time: Timestamp) -> Result<(), StoreError> {
        // One guard for measuring and writing, so that both see the same.
        let open = self.read()?;
        let mut size = Size(0);
        export::write(&open, &mut size, Extent::Now, time)?;
        files::require_room(&self.dir, size.0)?;
        let file = files::new_file(path).map_err(StoreError::file("make", path))?;
        let mut out = BufWriter::new(file);
        export::write(&open, &mut out, Extent::Now, time)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::file("write", path))
    }
}

/// Counts bytes.
struct Size(u64);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::file("list", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(StoreError::file("list", dir))?.file_name();
        if let Some(number) = number(&name) {
            found.push((number, dir.join(name)));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

fn number(name: &OsStr) -> Option<u64> {
    name.to_str()?
        .strip_prefix(PREFIX)?
        .strip_suffix(SUFFIX)?
        .parse()
        .ok()
}

fn remove_partial(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(PARTIAL)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
