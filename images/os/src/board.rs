//! A board is data: `board/NAME/meta.toml` and `board/NAME/cmdline`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::OsError;
use crate::files;

/// What an image is made for.
#[derive(Debug, Clone)]
pub struct Board {
    /// As in the folder's and the image's name.
    pub name: String,
    /// From `meta.toml`.
    pub meta: Meta,
    /// Kernel arguments of the board: consoles, what its hardware needs.
    pub cmdline: String,
    /// The board's folder.
    pub folder: PathBuf,
}

/// `meta.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// One line for people.
    pub description: String,
    /// The processor in Debian's words: `amd64`, `arm64`.
    pub debian_architecture: String,
    /// The processor in Rust's words.
    pub rust_target: String,
    /// GRUB's platform.
    pub grub_platform: String,
    /// What the firmware starts from `EFI/BOOT` of the select partition.
    pub efi_loader: String,
}

impl Board {
    /// The board of this name below the folder `boards`.
    ///
    /// # Errors
    /// That there is none, with those there are; what is wrong in its files.
    pub fn read(boards: &Path, name: &str) -> Result<Self, OsError> {
        let folder = boards.join(name);
        let path = folder.join("meta.toml");
        let is_name = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_name || !path.is_file() {
            return Err(OsError::Data {
                path: boards.to_owned(),
                problem: format!("no board {name}; there are: {}", names(boards)?.join(", ")),
            });
        }
        let meta = toml::from_str(&files::read_text(&path)?).map_err(|error| OsError::Data {
            path,
            problem: error.to_string(),
        })?;
        let cmdline = files::read_text(&folder.join("cmdline"))?;
        Ok(Self {
            name: name.to_owned(),
            meta,
            cmdline: words(&cmdline),
            folder,
        })
    }

    /// Whether this machine's compiler makes programs for it.
    pub fn is_for_this_machine(&self) -> bool {
        let mut words = self.meta.rust_target.split('-');
        words.next() == Some(std::env::consts::ARCH)
    }
}

/// The boards there are.
///
/// # Errors
/// That the folder cannot be read.
pub fn names(boards: &Path) -> Result<Vec<String>, OsError> {
    let mut names: Vec<String> = files::below(boards)?
        .iter()
        .filter(|path| path.ends_with("meta.toml"))
        .filter_map(|path| path.parent())
        .map(|folder| folder.display().to_string())
        .collect();
    names.sort();
    Ok(names)
}

/// Arguments on one line; lines that begin with `#` say why.
fn words(text: &str) -> String {
    let words: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boards() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board")
    }

    #[test]
    fn every_board_reads() {
        let names = names(&boards()).unwrap();
        assert!(names.contains(&"x86_64-uefi".to_owned()), "{names:?}");
        for name in names {
            let board = Board::read(&boards(), &name).unwrap();
            assert!(board.cmdline.contains("console="), "{name}");
            assert!(board.meta.efi_loader.starts_with("BOOT"), "{name}");
        }
    }

    #[test]
    fn unknown_board_is_told_which_there_are() {
        for name in ["toaster", "../board/x86_64-uefi", ""] {
            let error = Board::read(&boards(), name).unwrap_err().to_string();
            assert!(error.contains("x86_64-uefi"), "{error}");
        }
    }

    #[test]
    fn arguments_stand_on_one_line() {
        assert_eq!(
            words("# serial\nconsole=ttyS0  quiet\npanic=3\n"),
            "console=ttyS0 quiet panic=3"
        );
    }
}
