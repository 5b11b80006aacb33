//! What a version said while it was on trial. The image's init keeps it, for a version that hangs keeps nothing itself.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use cell_model::problem::Problem;

use crate::Core;

/// Bytes of it that are shown, from its end: as many as init keeps.
const MAX_LOG: u64 = 256 * 1024;

impl Core {
    /// Line by line as it was said, with secrets masked and nothing that moves a terminal's cursor.
    pub(crate) async fn trial_log(&self) -> Result<String, Problem> {
        let none = || Problem::not_found("log of a version on trial");
        let path = self.appliance.get().ok_or_else(none)?.trial_log.clone();
        let read = tokio::task::spawn_blocking(move || read_end(&path, MAX_LOG)).await;
        match read.map_err(|_| Problem::internal())? {
            Ok(text) => Ok(text
                .lines()
                .map(|line| cell_audit::redact(line) + "\n")
                .collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(none()),
            Err(error) => {
                tracing::warn!(%error, "the log of the last trial cannot be read");
                Err(Problem::unavailable())
            }
        }
    }
}

/// The last `limit` bytes, from the start of a line.
fn read_end(path: &Path, limit: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(limit);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(match text.split_once('\n') {
        Some((_, whole)) if skipped > 0 => whole.to_owned(),
        _ => text.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_long_log_starts_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "first\nsecond\nthird\n").unwrap();
        assert_eq!(read_end(&path, 10).unwrap(), "third\n");
        std::fs::write(&path, b"one\ntw\xff\n").unwrap();
        assert_eq!(read_end(&path, 100).unwrap(), "one\ntw\u{fffd}\n");
    }
}
