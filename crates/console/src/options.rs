//! The command line, and what the kernel's says about this boot.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Menu for the person at the box: status, network, owner's password, recovery
#[derive(Debug, Clone, Parser)]
#[command(name = "cell-console", version)]
pub struct Options {
    /// Numbered lines instead of a full screen
    #[arg(long)]
    pub plain: bool,
    /// Where the daemon puts its control socket, the setup code and the certificate to trust
    #[arg(long, value_name = "DIR", default_value = "/run/cell")]
    pub runtime_dir: PathBuf,
    /// The daemon's state directory; start.conf, SSH keys and the mark for a factory reset are beside it
    #[arg(long, value_name = "DIR", default_value = "/run/state")]
    pub state_dir: PathBuf,
    /// How the box was booted; the kernel's command line says so when this does not
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
}

/// How the box was booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Mode {
    /// With the daemon.
    #[default]
    Normal,
    /// With the daemon, on a firmware that has yet to prove itself.
    Trial,
    /// With this console alone.
    Recovery,
}

impl Mode {
    /// The word shown, and the kernel's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Trial => "trial",
            Self::Recovery => "recovery",
        }
    }
}

/// What the kernel's command line says about this boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boot {
    /// `cell.slot`: the system slot, such as `a`.
    pub slot: Option<String>,
    /// `cell.mode`.
    pub mode: Mode,
}

impl Boot {
    /// Of the running kernel; nothing special where it does not say.
    pub fn of_this_machine() -> Self {
        Self::read(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    fn read(line: &str) -> Self {
        let mut boot = Self::default();
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some(("cell.slot", slot)) => boot.slot = Some(slot.to_owned()),
                Some(("cell.mode", mode)) => {
                    boot.mode = Mode::from_str(mode, false).unwrap_or_default();
                }
                _ => {}
            }
        }
        boot
    }
}

impl Options {
    /// The state partition: what is kept beside the daemon's own state, which may be a link to one of several there.
    pub fn partition(&self) -> PathBuf {
        // The link says where, whether there is anything or not.
        let real = std::fs::read_link(&self.state_dir);
        let real = real.as_ref().unwrap_or(&self.state_dir);
        real.parent().unwrap_or(real).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent_and_defaults_are_the_images() {
        Options::command().debug_assert();
        let options = Options::parse_from(["cell-console"]);
        assert_eq!(options.runtime_dir, Path::new("/run/cell"));
        assert_eq!(options.state_dir, Path::new("/run/state"));
        let folder = tempfile::tempdir().unwrap();
        let trial = folder.path().join("state/cell.trial");
        let link = folder.path().join("run");
        std::os::unix::fs::symlink(&trial, &link).unwrap();
        let line = ["console", "--state-dir", link.to_str().unwrap()];
        let options = Options::try_parse_from(line).unwrap();
        assert_eq!(options.partition(), folder.path().join("state"));
        assert_eq!((options.plain, options.mode), (false, None));
    }

    #[test]
    fn kernel_line_names_slot_and_mode() {
        let boot = Boot::read("quiet cell.slot=b root=/dev/dm-0 cell.mode=recovery\n");
        assert_eq!(boot.slot.as_deref(), Some("b"));
        assert_eq!(boot.mode, Mode::Recovery);
        assert_eq!(Boot::read("cell.mode=dance ro"), Boot::default());
    }
}
