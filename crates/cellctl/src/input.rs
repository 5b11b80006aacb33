//! Files that are handed in.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// No file is larger: a thousand DNS records are about 100 kB.
const MAX_BYTES: u64 = 16 << 20;

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has too many bytes.
    #[error("{} is too large", .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// It is not JSON of the right shape.
    #[error("{} is not right", .path.display())]
    Shape {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
}

/// Reads JSON from a file, or from standard input when the path is `-`.
pub(crate) async fn read_json<T: DeserializeOwned>(path: PathBuf) -> Result<T, InputError> {
    let from = path.clone();
    // Standard input may keep us waiting, and Ctrl-C must still be heard.
    let read = tokio::task::spawn_blocking(move || read(&from)).await;
    let bytes = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(bytes) => bytes,
        Err(source) => return Err(InputError::Read { path, source }),
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(InputError::TooLarge { path });
    }
    serde_json::from_slice(&bytes).map_err(|source| InputError::Shape { path, source })
}

/// One byte more than allowed tells "too large" from "just fits".
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
    } else {
        File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn missing_and_misshapen_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let missing = read_json::<u32>(path.clone()).await.unwrap_err();
        assert!(matches!(missing, InputError::Read { .. }));
        std::fs::write(&path, "{}").unwrap();
        let misshapen = read_json::<u32>(path.clone()).await.unwrap_err();
        assert!(matches!(misshapen, InputError::Shape { .. }));
        std::fs::write(&path, "7").unwrap();
        assert_eq!(read_json::<u32>(path).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn endless_file_is_too_large() {
        let endless = read_json::<u32>(PathBuf::from("/dev/zero")).await;
        assert!(matches!(endless, Err(InputError::TooLarge { .. })));
    }
}
