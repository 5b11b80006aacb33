//! `ssh/authorized_keys` of the state partition: who may sign in over SSH. The file exists only while somebody may.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use cell_model::ssh_key::{MAX_SSH_KEYS, SshKey};

use crate::refusal::Refusal;

/// The keys that may sign in.
#[derive(Debug, Clone)]
pub struct SshKeys {
    path: PathBuf,
}

impl SshKeys {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Each key as one line for people; empty when SSH is off.
    pub fn list(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        lines(&text)
            .map(|line| match line.parse::<SshKey>() {
                Ok(key) => key.description(),
                Err(_) => "a line that is no key".to_owned(),
            })
            .collect()
    }

    /// Lets a key in; answers how it is shown.
    ///
    /// # Errors
    /// When it is no key that may be let in, or cannot be written.
    pub fn add(&self, line: &str) -> Result<String, Refusal> {
        let again = "Copy the whole line of the .pub file and paste it once more.";
        let key: SshKey = line
            .parse()
            .map_err(|error| Refusal::new(format!("The key {error}."), again))?;
        let present = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed(&error));
            }
            other => other.unwrap_or_default(),
        };
        // What is no key could keep the server from reading those that are.
        let present = lines(&present).filter_map(|line| line.parse::<SshKey>().ok());
        let mut kept: Vec<SshKey> = present.filter(|known| !known.is_same_key(&key)).collect();
        if kept.len() >= MAX_SSH_KEYS {
            return Err(Refusal::new(
                format!("There are {MAX_SSH_KEYS} keys already."),
                "Switch SSH off, which removes them, and start over.",
            ));
        }
        let shown = key.description();
        kept.push(key);
        let text: String = kept.iter().map(|key| format!("{key}\n")).collect();
        if let Some(folder) = self.path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| self.failed(&error))?;
        }
        cell_durable::replace(&self.path, text.as_bytes(), 0o600)
            .map_err(|error| self.failed(&error))?;
        Ok(shown)
    }

    /// Lets nobody in.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn clear(&self) -> Result<(), Refusal> {
        cell_durable::remove(&self.path).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Refusal {
        Refusal::new(
            format!("{} cannot be changed: {error}.", self.path.display()),
            "Nothing was changed. Restart the box and try again.",
        )
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc= user";

    fn keys() -> (tempfile::TempDir, SshKeys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = SshKeys::new(folder.path().join("ssh/authorized_keys"));
        (folder, keys)
    }

    #[test]
    fn ssh_is_on_while_there_is_a_key() {
        let (_folder, keys) = keys();
        assert!(keys.list().is_empty());
        let shown = keys.add(ED25519).unwrap();
        assert_eq!(
            shown,
            "ssh-ed25519 SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ anna@laptop"
        );
        keys.add(ECDSA).unwrap();
        // The same key under another name replaces the line.
        keys.add(&ED25519.replace("anna@laptop", "anna@desk"))
            .unwrap();
        let list = keys.list();
        assert_eq!(list.len(), 2, "{list:?}");
        assert!(list[1].ends_with("anna@desk"), "{list:?}");
        let rights = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(rights(&keys.path), 0o600);
        assert_eq!(rights(keys.path.parent().unwrap()), 0o700);
        keys.clear().unwrap();
        assert!(keys.list().is_empty());
        assert!(!keys.path.exists());
    }

    #[test]
    fn key_that_is_refused_changes_nothing() {
        let (_folder, keys) = keys();
        keys.add(ED25519).unwrap();
        assert!(keys.add("ssh-ed25519 nonsense").is_err());
        assert_eq!(keys.list().len(), 1);
    }
}
