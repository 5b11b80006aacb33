//! A copy of the last commit that is changed and built: always in the same place, since that is part of a program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cell_os::board::Board;
use cell_os::debian::{Archive, Lock, Locked, Sources};

use super::BenchError;
use crate::cargo::{self, Profile};
use crate::error::XtaskError;
use crate::image::{self, DEFAULT_BOARD, PROGRAMS};

/// The copy.
pub(super) struct Tree {
    folder: PathBuf,
}

impl Tree {
    /// As the last commit has it.
    pub(super) fn of_last_commit() -> Result<Self, XtaskError> {
        let tree = Self {
            folder: cargo::cache_dir().join("bench/tree"),
        };
        if !tree.folder.join(".git").exists() {
            cargo::succeed(
                Command::new("git")
                    .args(["clone", "--quiet", "--no-checkout"])
                    .args([&cargo::root(), &tree.folder]),
            )?;
        }
        tree.reset()?;
        Ok(tree)
    }

    /// The same again. Git leaves files alone that are right, so nothing is built anew for nothing.
    pub(super) fn reset(&self) -> Result<(), XtaskError> {
        let root = cargo::root().display().to_string();
        for arguments in [
            &["fetch", "--quiet", &root, "HEAD"][..],
            &["reset", "--quiet", "--hard", "FETCH_HEAD"],
            &["clean", "--quiet", "-d", "--force"],
        ] {
            let mut git = Command::new("git");
            cargo::succeed(git.current_dir(&self.folder).args(arguments))?;
        }
        Ok(())
    }

    /// Puts a text in the place of another.
    pub(super) fn replace(
        &self,
        path: &str,
        old: &'static str,
        new: &str,
    ) -> Result<(), XtaskError> {
        let before = self.read(path)?;
        let after = before.replacen(old, new, 1);
        if after == before {
            return Err(XtaskError::Bench(BenchError::NothingToChange {
                path: path.into(),
                text: old,
            }));
        }
        self.write(path, &after)
    }

    /// Puts a text behind all others.
    pub(super) fn append(&self, path: &str, text: &str) -> Result<(), XtaskError> {
        self.write(path, &(self.read(path)? + text))
    }

    /// Debian's other build of the same kernel: drivers and all are compiled with other options.
    pub(super) fn take_other_kernel(&self) -> Result<(), XtaskError> {
        let board = self.board()?;
        let architecture = &board.meta.debian_architecture;
        let archive = Archive::new(&image::sources(Vec::new()).cache, architecture);
        let other = archive.newest(&[format!("linux-image-rt-{architecture}")])?;
        let path = board.folder.join("debian.lock");
        let is_kernel = |package: &Locked| package.name.starts_with("linux-image-");
        let mut lock = Lock::read(&path)?;
        lock.packages.retain(|package| !is_kernel(package));
        lock.packages
            .extend(other.packages.into_iter().filter(is_kernel));
        lock.packages.sort();
        self.write(&path.display().to_string(), &lock.to_string())
    }

    /// What its image is made of: the programs are built.
    pub(super) fn sources(&self, epoch: u64) -> Result<(Sources, Board), XtaskError> {
        let programs = cargo::build_programs_of(&self.folder, PROGRAMS, Profile::Release, None)?;
        let sources = Sources {
            tree: self.folder.clone(),
            epoch,
            ..image::sources(programs)
        };
        Ok((sources, self.board()?))
    }

    fn board(&self) -> Result<Board, XtaskError> {
        Ok(Board::read(&self.folder.join("board"), DEFAULT_BOARD)?)
    }

    fn read(&self, path: &str) -> Result<String, XtaskError> {
        let path = self.path(path);
        fs::read_to_string(&path).map_err(|source| XtaskError::Read { path, source })
    }

    fn write(&self, path: &str, text: &str) -> Result<(), XtaskError> {
        let path = self.path(path);
        fs::write(&path, text).map_err(image::unwritten(&path))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(Path::new(path))
    }
}
