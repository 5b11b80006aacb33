//! A store made from an export.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use crate::database::{Database, Writes};
use crate::export::{Line, VERSION};
use crate::layout::History;
use crate::migrations::SCHEMA;
use crate::revision::Difference;
use crate::store::Store;
use crate::{HISTORY_LIMIT, MAX_VALUE, StoreError, commit, files, layout, open};

/// Entries written at once: few enough to hold in memory, many enough that waiting for the disk does not add up.
const STRIDE: usize = 512;
/// No line is longer: two values (a difference), or one in base64, and names, with room to spare.
const MAX_LINE: u64 = 4 * MAX_VALUE as u64;

impl Store {
    /// Replaces the store of a directory by what an export holds, and opens it. Works also when the present store is
    /// damaged. The present one is kept as `store.replaced`; a crash leaves one of the two whole.
    ///
    /// # Errors
    /// [`StoreError::BadExport`] when the export is damaged or not one; the present store is as before then, as after
    /// every error.
    pub fn restore(dir: &Path, export: &Path) -> Result<Self, StoreError> {
        files::make_dir(dir)?;
        let lock = files::lock(dir)?;
        let found = match files::read_schema(&dir.join(files::STORE)) {
            Err(StoreError::BadSchema(_)) => None,
            answer => answer?,
        };
        open::refuse_newer(found)?;
        open::settle(dir, found)?;

        let file = File::open(export).map_err(StoreError::file("open", export))?;
        let size = file
            .metadata()
            .map_err(StoreError::file("measure", export))?
            .len();
        files::require_room(dir, size.saturating_mul(2))?;
        let next = dir.join(files::NEXT);
        if let Err(error) = build(&next, &mut BufReader::new(file)) {
            // What is left is removed again at the next open, so failing here adds nothing to the first error.
            let _ = fs::remove_dir_all(&next);
            return Err(error);
        }
        open::place(dir, Some(files::REPLACED))?;
        Self::new(dir, None, lock, HISTORY_LIMIT)
    }
}

fn build(next: &Path, export: &mut impl BufRead) -> Result<(), StoreError> {
    let database = Database::open(next)?;
    let mut import = Import {
        database: &database,
        batch: Writes::default(),
        pending: 0,
        line: 0,
        history: None,
    };
    import.run(export)?;
    database.close()?;
    files::write_schema(next, SCHEMA)
}

struct Import<'a> {
    database: &'a Database,
    batch: Writes,
    pending: usize,
    line: u64,
    history: Option<History>,
}

impl Import<'_> {
    fn run(&mut self, export: &mut impl BufRead) -> Result<(), StoreError> {
        let mut digest = Sha256::new();
        loop {
            let bytes = read_line(export)?;
            self.line += 1;
            if bytes.is_empty() {
                return Err(self.bad("the end is missing"));
            }
            let line = serde_json::from_slice(&bytes)
                .map_err(|_| self.bad("it is not of the documented form"))?;
            if let Line::End { lines, sha256 } = line {
                if lines + 1 != self.line {
                    return Err(self.bad("lines are missing"));
                }
                if sha256 != HEXLOWER.encode(&digest.finalize()) {
                    return Err(self.bad("the hash does not match"));
                }
                return self.finish();
            }
            digest.update(&bytes);
            self.take(line)?;
        }
    }

    fn take(&mut self, line: Line) -> Result<(), StoreError> {
        if let Line::Export {
            version,
            revision,
            first,
            ..
        } = line
        {
            if version != VERSION || self.line != 1 || first == 0 || first > revision + 1 {
                return Err(self.bad("it is of another version or out of place"));
            }
            self.history = Some(History {
                latest: revision,
                first,
                bytes: 0,
            });
            return Ok(());
        }
        let Some(history) = &mut self.history else {
            return Err(self.bad("it is not an export"));
        };
        let kept = history.first..=history.latest;
        let (key, value) = match line {
            Line::Document { key, value } => (layout::document(&key), value.get().into()),
            Line::Secret { name, sealed } => match BASE64.decode(sealed.as_bytes()) {
                Ok(sealed) => (layout::secret(&name), sealed),
                Err(_) => return Err(self.bad("the secret is not base64")),
            },
            Line::Record { tree, key, value } => (layout::record(&tree, &key), value.get().into()),
            Line::Revision { number, header } if kept.contains(&number) => {
                history.bytes += header.bytes;
                (layout::header(number), commit::json(&header))
            }
            Line::Difference {
                revision,
                document,
                before,
                after,
            } if kept.contains(&revision) => (
                layout::difference(revision, &document),
                commit::json(&Difference { before, after }),
            ),
            _ => return Err(self.bad("it is out of place")),
        };
        self.batch.insert(key, value);
        self.pending += 1;
        if self.pending == STRIDE {
            self.write()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let Some(history) = self.history else {
            return Err(self.bad("it is not an export"));
        };
        self.batch.insert(layout::HISTORY, commit::json(&history));
        self.write()
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.pending = 0;
        self.database.apply(std::mem::take(&mut self.batch))
    }

    fn bad(&self, reason: &'static str) -> StoreError {
        StoreError::BadExport {
            line: self.line,
            reason,
        }
    }
}

/// The next line with its break; empty at the end of the file. A longer one than any export has comes out cut, and so
/// is refused as not of the form.
fn read_line(export: &mut impl BufRead) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    std::io::Read::take(export, MAX_LINE)
        .read_until(b'\n', &mut bytes)
        .map_err(StoreError::Import)?;
    Ok(bytes)
}
