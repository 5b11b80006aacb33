//! A computer at home that knows of a service what its page says, and an app password.

mod rclone;
mod vdirsyncer;

pub use rclone::Rclone;
pub use vdirsyncer::Vdirsyncer;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cell_testkit::Namespace;
use serde_json::Value;
use tempfile::TempDir;

/// Seconds that a program may take: 100 MiB through a busy machine.
const LIMIT: &str = "300";

/// A computer with folders of its own.
#[derive(Debug)]
pub struct Device {
    /// What its owner has typed.
    pub typed: Typed,
    /// Its files; gone with it.
    pub folder: TempDir,
    /// The authority that it trusts.
    pub authority: PathBuf,
    namespace: Namespace,
}

/// What is read on a service's page and typed into a program.
#[derive(Debug, Clone)]
pub struct Typed {
    /// A URL.
    pub address: String,
    /// Who.
    pub username: String,
    /// An app password.
    pub password: String,
}

/// What a program said, and whether it ended well.
#[derive(Debug)]
pub struct Said {
    /// Whether it ended well.
    pub is_well: bool,
    /// All of it.
    pub text: String,
}

impl Device {
    /// One in `namespace` that trusts the authority, and whose owner does what a guide says.
    #[must_use]
    pub fn new(namespace: &Namespace, authority: &Path, guide: &str, password: &str) -> Self {
        Self {
            typed: Typed {
                address: address_in(guide).expect("an address stands in the guide"),
                username: username_in(guide).expect("a user name stands in the guide"),
                password: password.to_owned(),
            },
            folder: tempfile::tempdir().unwrap(),
            authority: authority.to_owned(),
            namespace: namespace.clone(),
        }
    }

    /// The place of a file of its owner's.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program on it, with nothing of this machine's settings.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.namespace.command("timeout");
        command
            .args([LIMIT, name])
            .env_clear()
            // Debian's own programs: others may come first in this machine's.
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }
}

/// Runs a program to its end.
///
/// # Panics
/// It cannot be started.
pub fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        is_well: output.status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

impl Said {
    /// Ends the test unless the program ended well.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn well(self) -> String {
        assert!(self.is_well, "{}", self.text);
        self.text
    }

    /// Ends the test unless the program ended badly, with a word for why.
    ///
    /// # Panics
    /// It ended well, or without any of the words.
    #[track_caller]
    pub fn refused(self, words: &[&str]) {
        let is_told = words.iter().any(|word| self.text.contains(word));
        assert!(!self.is_well && is_told, "{words:?}: {}", self.text);
    }
}

/// All steps for a platform, one behind the other, as REST has them.
///
/// # Panics
/// There are none for it.
#[must_use]
pub fn guide(service: &Value, platform: &str) -> String {
    let guides = service["guides"].as_array().unwrap().iter();
    let mut of_platform = guides.filter(|guide| guide["platform"] == platform);
    let steps = of_platform.next().unwrap()["steps"].as_array().unwrap();
    let steps: Vec<&str> = steps.iter().map(|step| step.as_str().unwrap()).collect();
    steps.join(" ")
}

/// The first word that is a URL, or a host where there is none. What file managers call `davs` is HTTPS.
fn address_in(guide: &str) -> Option<String> {
    let mut words = guide.split_whitespace();
    let host = || {
        let (_, behind) = guide.split_once("Server: ")?;
        behind.split_whitespace().next()
    };
    let url = words.find(|word| word.contains("://")).or_else(host)?;
    let url = url.trim_end_matches([',', '.']);
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    assert!(["https", "davs"].contains(&scheme), "{url}");
    Some(format!("https://{rest}"))
}

/// The word behind "user name:" or "user name", or that in "enter NAME and an app password".
fn username_in(guide: &str) -> Option<String> {
    let guide = guide.to_ascii_lowercase();
    let behind = |words: &str| guide.split_once(words).map(|(_, rest)| rest);
    let entered = || {
        let (before, _) = guide.split_once(" and an app password")?;
        before.rsplit_once(' ').map(|(_, name)| name)
    };
    let name = behind("user name: ")
        .or_else(|| behind("user name "))
        .or_else(entered)?;
    let word = name.split_whitespace().next()?;
    Some(word.trim_end_matches([',', '.']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guides_say_what_is_to_be_typed() {
        for (guide, address, username) in [
            (
                "Choose \"URL and user name\". Base URL: https://calendar.home.cell/. User name: anna. Enter an app password.",
                "https://calendar.home.cell/",
                "anna",
            ),
            (
                "Server: calendar.home.cell. User name: anna. Enter an app password.",
                "https://calendar.home.cell",
                "anna",
            ),
            (
                "Add storage: https://files.home.cell/u/anna/, user name anna, an app password.",
                "https://files.home.cell/u/anna/",
                "anna",
            ),
            (
                "Enter davs://files.home.cell/u/anna/. Enter anna and an app password.",
                "https://files.home.cell/u/anna/",
                "anna",
            ),
        ] {
            assert_eq!(address_in(guide).as_deref(), Some(address));
            assert_eq!(username_in(guide).as_deref(), Some(username));
        }
    }
}
