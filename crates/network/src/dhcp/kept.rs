//! What outlives a restart of the daemon: leases, and which process asked for them.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_model::name::InterfaceName;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::lease::Grant;

/// Differs after every start of the machine (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The folder of what is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    /// Times since boot mean something in this boot only.
    boot: String,
    grant: Grant,
}

impl Kept {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The lease of an interface, unless it has run out.
    pub(super) fn lease(&self, interface: &InterfaceName, now: Duration) -> Option<Grant> {
        let bytes = fs::read(self.path(interface, "lease")).ok()?;
        let lease: Lease = serde_json::from_slice(&bytes).ok()?;
        let same_boot = fs::read_to_string(BOOT_ID).is_ok_and(|boot| boot == lease.boot);
        (same_boot && lease.grant.until > now).then_some(lease.grant)
    }

    /// Keeps what was granted, or that nothing is.
    pub(super) fn keep(&self, interface: &InterfaceName, grant: Option<&Grant>) {
        let path = self.path(interface, "lease");
        let kept = match grant {
            Some(grant) => fs::read_to_string(BOOT_ID).and_then(|boot| {
                let lease = Lease {
                    boot,
                    grant: grant.clone(),
                };
                self.write(&path, &serde_json::to_vec(&lease)?)
            }),
            None => remove(&path),
        };
        if let Err(error) = kept {
            warn!(%error, %interface, "a lease could not be kept for a restart");
        }
    }

    /// Forgets everything about an interface.
    pub(super) fn forget(&self, interface: &InterfaceName) {
        self.keep(interface, None);
        let _ = remove(&self.path(interface, "pid"));
    }

    /// Keeps which process asks.
    pub(super) fn keep_process(&self, interface: &InterfaceName, process_id: u32) {
        let path = self.path(interface, "pid");
        if let Err(error) = self.write(&path, process_id.to_string().as_bytes()) {
            warn!(%error, %interface, "the DHCP client's process could not be noted");
        }
    }

    /// Ends the client of a daemon that was killed: nobody hears it any more.
    pub(super) fn end_orphan(&self, interface: &InterfaceName) {
        let text = fs::read_to_string(self.path(interface, "pid")).unwrap_or_default();
        let Some(process_id) = text.parse().ok().and_then(Pid::from_raw) else {
            return;
        };
        // The descriptor names one process for good, so the number cannot go to another between look and signal.
        let Ok(process) = pidfd_open(process_id, PidfdFlags::empty()) else {
            return;
        };
        let command = fs::read(format!("/proc/{}/cmdline", process_id.as_raw_pid()));
        let is_ours = command.is_ok_and(|command| {
            let mut words = command.split(|byte| *byte == 0);
            words.any(|word| word == b"udhcpc")
                && words.any(|word| word == interface.as_str().as_bytes())
        });
        if is_ours {
            let ended = pidfd_send_signal(process, Signal::KILL);
            debug!(?ended, %interface, "the DHCP client of an earlier daemon ends");
        }
    }

    fn path(&self, interface: &InterfaceName, ending: &str) -> PathBuf {
        self.folder.join(format!("{interface}.{ending}"))
    }

    /// Writes a file for root alone, whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let staged = path.with_extension("new");
        remove(&staged)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&staged)?;
        io::Write::write_all(&mut file, bytes)?;
        fs::rename(&staged, path)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn grant() -> Grant {
        Grant {
            address: Ipv4Addr::new(192, 168, 1, 7),
            netmask: None,
            router: None,
            resolvers: vec![Ipv4Addr::new(9, 9, 9, 9)],
            server: None,
            until: Duration::from_secs(100),
        }
    }

    #[test]
    fn lease_is_kept_until_it_runs_out_or_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().join("dhcp"));
        let wan = "wan0".parse().unwrap();
        kept.keep(&wan, Some(&grant()));
        assert_eq!(kept.lease(&wan, Duration::from_secs(99)), Some(grant()));
        assert_eq!(kept.lease(&wan, Duration::from_secs(100)), None);
        assert_eq!(kept.lease(&"lan0".parse().unwrap(), Duration::ZERO), None);
        kept.forget(&wan);
        kept.forget(&wan);
        assert_eq!(kept.lease(&wan, Duration::ZERO), None);
    }

    #[test]
    fn lease_of_another_boot_or_a_torn_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().to_owned());
        let wan = "wan0".parse().unwrap();
        kept.keep(&wan, Some(&grant()));
        let path = folder.path().join("wan0.lease");
        let text = fs::read_to_string(&path).unwrap();
        let boot = fs::read_to_string(BOOT_ID).unwrap();
        fs::write(&path, text.replace(boot.trim(), "another")).unwrap();
        assert_eq!(kept.lease(&wan, Duration::ZERO), None);
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert_eq!(kept.lease(&wan, Duration::ZERO), None);
    }

    #[test]
    fn process_that_is_no_client_of_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().to_owned());
        let wan = "wan0".parse().unwrap();
        let mut other = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        kept.keep_process(&wan, other.id());
        kept.end_orphan(&wan);
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
