//! The programs that make file systems and disks: Debian's, unpacked into a folder, so that every machine uses the same
//! versions and nothing has to be installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::OsError;

/// A folder with unpacked Debian packages of this machine's architecture.
#[derive(Debug, Clone)]
pub struct Toolbox {
    tree: PathBuf,
}

/// Where a program may be.
const FOLDERS: &[&str] = &["usr/bin", "usr/sbin"];
/// Where this machine's dynamic linker and libraries are; the toolbox may have files of other architectures too.
#[cfg(target_arch = "aarch64")]
pub(crate) const LINKER: &str = "usr/lib/ld-linux-aarch64.so.1";
#[cfg(target_arch = "aarch64")]
const LIBRARIES: &str = "usr/lib/aarch64-linux-gnu";
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const LINKER: &str = "usr/lib64/ld-linux-x86-64.so.2";
#[cfg(not(target_arch = "aarch64"))]
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

impl Toolbox {
    /// The toolbox in this folder.
    pub fn new(tree: impl Into<PathBuf>) -> Self {
        Self { tree: tree.into() }
    }

    /// A file of the toolbox that is read rather than run: firmware, modules of GRUB.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.tree.join(relative)
    }

    /// A program, run by the toolbox's own dynamic linker and libraries.
    ///
    /// # Errors
    /// [`OsError::Absent`] when the toolbox lacks it.
    pub fn command(&self, program: &str) -> Result<Command, OsError> {
        let [linker, start @ ..] = self.start(program, program)?;
        let mut command = Command::new(linker);
        command.args(start).stdin(Stdio::null());
        Ok(command)
    }

    /// A shell script that runs a program so, with these arguments before its own: for what is started by other programs.
    /// `path` is where the script will be; a program that starts itself anew comes back to it.
    ///
    /// # Errors
    /// [`OsError::Absent`] when the toolbox lacks it.
    pub fn script(
        &self,
        program: &str,
        path: &Path,
        arguments: &[String],
    ) -> Result<String, OsError> {
        let start = self.start(program, &path.display().to_string())?;
        Ok(exec(start.iter().chain(arguments)))
    }

    /// The command line that starts a program under this name.
    fn start(&self, program: &str, name: &str) -> Result<[String; 6], OsError> {
        let binary = self.find(FOLDERS, program, program)?;
        let linker = self.find(&[""], LINKER, "a dynamic linker")?;
        let libraries = self.tree.join(LIBRARIES);
        Ok([
            linker.display().to_string(),
            "--library-path".to_owned(),
            libraries.display().to_string(),
            "--argv0".to_owned(),
            name.to_owned(),
            binary.display().to_string(),
        ])
    }

    fn find(&self, folders: &[&str], file: &str, shown: &str) -> Result<PathBuf, OsError> {
        let mut paths = folders
            .iter()
            .map(|folder| self.tree.join(folder).join(file));
        let found = paths.find(|path| path.exists());
        found.ok_or_else(|| OsError::Absent {
            path: shown.to_owned(),
            asked: "the assembler".to_owned(),
        })
    }
}

/// A shell script that becomes this command, with the script's arguments after its own.
pub(crate) fn exec<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))
}

/// Runs to the end and returns what it wrote to standard output.
///
/// # Errors
/// That it could not be started, or how it ended.
pub fn run(command: &mut Command) -> Result<String, OsError> {
    let output = command.output().map_err(|source| OsError::Start {
        program: shown(command),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.trim().lines().collect();
    Err(OsError::Ended {
        program: shown(command),
        status: output.status,
        // The last lines say why.
        message: lines[lines.len().saturating_sub(5)..].join("; "),
    })
}

/// The program as one would name it: without the dynamic linker before it.
fn shown(command: &Command) -> String {
    let arguments: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    match arguments.iter().position(|word| word == "--argv0") {
        Some(at) => arguments
            .get(at + 1)
            .map_or_else(String::new, ToString::to_string),
        None => Path::new(command.get_program())
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Toolbox::new(folder.path())
            .command("mksquashfs")
            .unwrap_err();
        assert!(error.to_string().contains("mksquashfs"), "{error}");
    }

    #[test]
    fn a_failure_says_which_program_and_why() {
        let error = run(Command::new("sh").args(["-c", "echo no room >&2; exit 3"])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("sh ended with exit status: 3: no room"),
            "{error}"
        );
    }
}
