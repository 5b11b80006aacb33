//! What the box is, apart from the daemon and its store: interfaces, slots, power, SSH keys, logs, USB sticks.

mod block;
mod file;
mod logs;
mod network;
mod power;
mod slots;
mod ssh;
mod start_conf;
mod usb;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use logs::{MAX_FILE, kernel_line};
pub use network::interfaces;
pub use power::{Power, Programs};
pub use slots::{LoaderSlots, Slots, ThisMachine};
pub use ssh::SshKeys;
pub use start_conf::StartConf;
pub use usb::Usb;

use crate::options::Options;
use crate::refusal::Refusal;

/// The mark that makes the next boot erase everything; the init scripts look for it.
const FACTORY_RESET: &str = "factory-reset";
/// What init leaves beside the runtime directory when the daemon ended too often.
const GAVE_UP: &str = "recovery";
/// What init and seed have to tell, one sentence a line, in files of this folder of the runtime directory.
const NOTICES: &str = "notices";
/// The most bytes read of one notice.
const MAX_NOTICE: u64 = 4_096;

/// Where everything is.
pub struct Machine {
    /// The state partition.
    partition: PathBuf,
    /// The runtime directory.
    runtime_dir: PathBuf,
    /// Folders with logs.
    log_folders: Vec<PathBuf>,
    /// Of the last version on trial.
    trial_log: PathBuf,
    /// Off and on.
    pub power: Box<dyn Power>,
    /// The two systems.
    pub slots: Box<dyn Slots>,
    /// Sticks.
    pub usb: Usb,
}

impl Machine {
    /// This machine.
    pub fn new(options: &Options, slots: Box<dyn Slots>) -> Self {
        let partition = options.partition();
        Self {
            // Of the image, of a machine that the daemon was installed on by hand, and what outlives a boot.
            log_folders: vec![
                PathBuf::from("/run/log"),
                PathBuf::from("/var/log"),
                partition.join("log"),
            ],
            trial_log: partition.join("last-trial.log"),
            usb: Usb::new(&options.runtime_dir),
            runtime_dir: options.runtime_dir.clone(),
            partition,
            power: Box::new(Programs),
            slots,
        }
    }

    /// Which interfaces the daemon is started with.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn start_conf(&self) -> Result<StartConf, Refusal> {
        StartConf::read(&self.start_conf_path())
    }

    /// Puts another start.conf in place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_start_conf(&self, conf: &StartConf) -> Result<(), Refusal> {
        conf.write(&self.start_conf_path())
    }

    /// The keys that may sign in over SSH.
    pub fn ssh(&self) -> SshKeys {
        SshKeys::new(self.partition.join("ssh/authorized_keys"))
    }

    /// Leaves the mark that makes the next boot erase everything.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mark_factory_reset(&self) -> Result<(), Refusal> {
        let path = self.partition.join(FACTORY_RESET);
        cell_durable::replace(&path, b"asked for at the console\n", 0o600).map_err(|error| {
            Refusal::new(
                format!("{} cannot be written: {error}.", path.display()),
                "Nothing was erased. Restart the box and try again; flash the image anew if it stays.",
            )
        })
    }

    /// Whether init has given up starting the daemon: the box is in recovery mode, however it was booted.
    pub fn gave_up(&self) -> bool {
        let run = self.runtime_dir.parent();
        run.is_some_and(|run| run.join(GAVE_UP).exists())
    }

    /// The setup code, where the daemon shows one.
    pub fn setup_code(&self) -> Option<String> {
        let text = fs::read_to_string(self.runtime_dir.join("setup-code")).ok()?;
        Some(text.trim().to_owned()).filter(|code| !code.is_empty())
    }

    /// SHA-256 of the certificate to trust.
    pub fn fingerprint(&self) -> Option<String> {
        let pem = fs::read(self.runtime_dir.join("ca.pem")).ok()?;
        let der = rustls_pemfile::certs(&mut pem.as_slice()).next()?.ok()?;
        Some(fingerprint(&der))
    }

    /// What init and seed have to tell.
    pub fn notices(&self) -> Vec<String> {
        let files = files(&self.runtime_dir.join(NOTICES)).unwrap_or_default();
        let texts = files
            .iter()
            .filter_map(|path| file::read_start(path, MAX_NOTICE).ok());
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| !line.trim().is_empty())
            .collect()
    }

    /// The kernel's log and every log file, oldest line of each first.
    pub fn logs(&self) -> Vec<String> {
        logs::collect(&self.log_folders, &self.trial_log)
    }

    fn start_conf_path(&self) -> PathBuf {
        self.partition.join("start.conf")
    }
}

/// The plain files of a folder, by name.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// As browsers show it: `AB:CD:…`, 32 pairs.
fn fingerprint(der: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let pairs: Vec<String> = Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn machine(folder: &Path) -> Machine {
        let run = folder.join("run");
        fs::create_dir_all(run.join(NOTICES)).unwrap();
        let state = folder.join("state/cell");
        fs::create_dir_all(&state).unwrap();
        let options = Options::parse_from([
            "cell-console",
            "--runtime-dir",
            run.to_str().unwrap(),
            "--state-dir",
            state.to_str().unwrap(),
        ]);
        Machine::new(&options, Box::new(ThisMachine))
    }

    #[test]
    fn mark_for_the_factory_reset_is_beside_the_daemons_state() {
        let folder = tempfile::tempdir().unwrap();
        machine(folder.path()).mark_factory_reset().unwrap();
        assert!(folder.path().join("state/factory-reset").is_file());
    }

    #[test]
    fn code_fingerprint_and_notices_come_from_the_runtime_directory() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        assert_eq!(machine.setup_code(), None);
        assert_eq!(machine.fingerprint(), None);
        let run = folder.path().join("run");
        fs::write(run.join("setup-code"), "VDDYHH3G\n").unwrap();
        // DER of no certificate, but PEM all the same: base 64 of "abc".
        let pem = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
        fs::write(run.join("ca.pem"), pem).unwrap();
        fs::write(run.join("notices/seed"), "The seed file is broken.\n\n").unwrap();
        assert_eq!(machine.setup_code().as_deref(), Some("VDDYHH3G"));
        let fingerprint = machine.fingerprint().unwrap();
        assert!(
            fingerprint.starts_with("BA:78:16:BF:8F:01:CF:EA:"),
            "{fingerprint}"
        );
        assert_eq!(machine.notices(), ["The seed file is broken."]);
    }
}
