//! Calls of Buildroot's `make` for one board: always out of tree and with a clean environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::board::{self, Board};
use super::error::{BuildrootError, output, read, succeed, write};
use super::fragment;

/// Buildroot refuses a PATH with spaces, line breaks or the current folder, and is easily led astray by a person's own
/// compilers in it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a download may need of the environment.
const KEPT: &[&str] = &[
    "HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
];

/// One board in one output folder.
#[derive(Debug)]
pub(super) struct Make<'a> {
    /// Buildroot's tree; it is not written to.
    pub(super) checkout: &'a Path,
    /// Our workspace.
    pub(super) root: &'a Path,
    /// Where everything is built.
    pub(super) out: &'a Path,
}

impl Make<'_> {
    /// A `make` to which targets and variables are added.
    pub(super) fn command(&self) -> Command {
        let mut make = clean(Command::new("make"));
        make.current_dir(self.checkout)
            .arg("--no-print-directory")
            .arg(assign("O", self.out))
            .arg(assign("BR2_EXTERNAL", &board::external(self.root)));
        make
    }

    /// Configures for `board` and gives what kconfig dropped.
    pub(super) fn configure(&self, board: &Board) -> Result<Vec<String>, BuildrootError> {
        // From the fragments, so that a stale defconfig is one finding and not two.
        let asked = self.out.join("asked_defconfig");
        write(&asked, &board.defconfig())?;
        output(
            self.command()
                .arg(assign("BR2_DEFCONFIG", &asked))
                .arg("defconfig"),
        )?;
        output(self.command().arg("olddefconfig"))?;
        Ok(fragment::dropped(
            &board.asked,
            &read(&self.out.join(".config"))?,
        ))
    }

    /// What Buildroot knows of the packages in the configuration, by name.
    pub(super) fn show_info(&self) -> Result<Value, BuildrootError> {
        let text = output(self.command().args(["--silent", "show-info"]))?;
        serde_json::from_str(&text).map_err(BuildrootError::ShowInfo)
    }

    /// Has `package` built anew by the next build.
    pub(super) fn forget(&self, package: &str) -> Result<(), BuildrootError> {
        output(self.command().arg(format!("{package}-dirclean"))).map(drop)
    }

    /// Builds everything, showing Buildroot's own output.
    pub(super) fn build(&self, variables: &[(&str, PathBuf)]) -> Result<(), BuildrootError> {
        let mut make = self.command();
        for (name, path) in variables {
            make.arg(assign(name, path));
        }
        succeed(&mut make)
    }
}

/// The same command without the person's environment.
pub(super) fn clean(mut command: Command) -> Command {
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C");
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn assign(name: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(format!("{name}="));
    text.push(path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_developers_environment_reaches_buildroot() {
        let mut command = clean(Command::new("env"));
        let seen = output(&mut command).unwrap();
        for line in seen.lines() {
            let (name, _) = line.split_once('=').unwrap();
            assert!(
                name == "PATH" || name == "LC_ALL" || KEPT.contains(&name),
                "{line}"
            );
        }
        // Cargo sets this one for every test.
        assert!(!seen.contains("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn every_call_names_output_and_external_tree() {
        let make = Make {
            checkout: Path::new("/br"),
            root: Path::new("/cell"),
            out: Path::new("/out"),
        };
        let command = make.command();
        assert_eq!(command.get_current_dir(), Some(Path::new("/br")));
        assert_eq!(
            crate::cargo::shown(&command),
            "make --no-print-directory O=/out BR2_EXTERNAL=/cell/buildroot"
        );
    }
}
