//! SHA-256 in hexadecimal, of files and of texts, and ids made from it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::error::{self, OsError};
use crate::files;

/// Of every file below a folder: a line each, path and digest; a link's target instead.
///
/// # Errors
/// What could not be read.
pub fn below(folder: &Path) -> Result<String, OsError> {
    let mut text = String::new();
    for path in files::below(folder)? {
        let file = folder.join(&path);
        let digest = match std::fs::read_link(&file) {
            Ok(target) => target.display().to_string(),
            Err(_) => of_file(&file)?,
        };
        text.push_str(&format!("{} {digest}\n", path.display()));
    }
    Ok(text)
}

/// Of a file.
///
/// # Errors
/// That it cannot be read.
pub fn of_file(path: &Path) -> Result<String, OsError> {
    let mut file = File::open(path).map_err(error::read(path))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(HEXLOWER.encode(&digest.finalize())),
            Ok(length) => digest.update(&buffer[..length]),
            Err(again) if again.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(error::read(path)(source)),
        }
    }
}

/// Of a text.
pub(crate) fn of_text(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// A UUID that follows from `content` and `name` alone (RFC 9562 version 8): the same build gets the same ids.
pub(crate) fn uuid(content: &str, name: &str) -> String {
    let mut bytes: [u8; 32] = Sha256::digest(format!("{content}/{name}")).into();
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = HEXLOWER.encode(&bytes[..16]);
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_content_and_name() {
        let id = uuid("abc", "root-a");
        assert_eq!(id, uuid("abc", "root-a"));
        assert_ne!(id, uuid("abc", "root-b"));
        assert_ne!(id, uuid("abd", "root-a"));
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "8");
    }

    #[test]
    fn file_and_text_of_the_same_bytes_have_the_same_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "cell").unwrap();
        assert_eq!(of_file(&path).unwrap(), of_text("cell"));
    }
}
