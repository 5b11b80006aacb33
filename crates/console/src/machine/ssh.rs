//! `ssh/authorized_keys` of the state partition: who may sign in over SSH. The file exists only while somebody may.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use ssh_key::{Algorithm, HashAlg, PublicKey};

use crate::refusal::Refusal;

/// The fewest bits of an RSA key: what dropbear takes, and what is still safe (NIST SP 800-57 part 1, table 2).
const MIN_RSA_BITS: usize = 2_048;
/// The most keys: a person pastes one or two.
const MAX_KEYS: usize = 32;

/// Why a line is no key that may be let in. Fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A private key.
    #[error("That is a private key: keep it, and paste the one whose file ends with .pub")]
    Private,
    /// Not a key in OpenSSH's form.
    #[error(
        "That is no public key in OpenSSH's form: it starts with ssh-ed25519, ssh-rsa or ecdsa-sha2-"
    )]
    Form,
    /// A kind nobody should use any more, or one the server does not know.
    #[error("Keys of the kind {0} are not taken: make one with ssh-keygen -t ed25519")]
    Kind(String),
    /// Too short to be safe.
    #[error(
        "An RSA key must have at least {MIN_RSA_BITS} bits: make one with ssh-keygen -t ed25519"
    )]
    Short,
}

/// Reads a public key as a person pastes it: one line, no options.
pub fn parse_key(line: &str) -> Result<PublicKey, KeyError> {
    let line = line.trim();
    if line.contains("PRIVATE KEY") {
        return Err(KeyError::Private);
    }
    let plain = |character: char| !character.is_control();
    let key = PublicKey::from_openssh(line).map_err(|_| KeyError::Form)?;
    if !line.chars().all(plain) {
        return Err(KeyError::Form);
    }
    match key.algorithm() {
        Algorithm::Ed25519
        | Algorithm::Ecdsa { .. }
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256 => {}
        Algorithm::Rsa { .. } => {
            let modulus = key
                .key_data()
                .rsa()
                .and_then(|rsa| rsa.n.as_positive_bytes());
            if modulus.is_none_or(|bytes| bytes.len() * 8 < MIN_RSA_BITS) {
                return Err(KeyError::Short);
            }
        }
        other => return Err(KeyError::Kind(other.as_str().to_owned())),
    }
    Ok(key)
}

/// Kind, fingerprint and comment, as `ssh-keygen -l` shows them.
fn describe(key: &PublicKey) -> String {
    let text = format!(
        "{} {}",
        key.algorithm().as_str(),
        key.fingerprint(HashAlg::Sha256)
    );
    match key.comment() {
        "" => text,
        comment => format!("{text} {comment}"),
    }
}

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
            .map(|line| match parse_key(line) {
                Ok(key) => describe(&key),
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
        let key = parse_key(line).map_err(|error| Refusal::new(format!("{error}."), again))?;
        let present = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed(&error));
            }
            other => other.unwrap_or_default(),
        };
        let known =
            |line: &str| parse_key(line).is_ok_and(|known| known.key_data() == key.key_data());
        // What is no key could keep the server from reading those that are.
        let mut kept: Vec<&str> = lines(&present)
            .filter(|line| parse_key(line).is_ok() && !known(line))
            .collect();
        if kept.len() >= MAX_KEYS {
            return Err(Refusal::new(
                format!("There are {MAX_KEYS} keys already."),
                "Switch SSH off, which removes them, and start over.",
            ));
        }
        let line = line.trim();
        kept.push(line);
        let text = kept.join("\n") + "\n";
        if let Some(folder) = self.path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| self.failed(&error))?;
        }
        cell_durable::replace(&self.path, text.as_bytes(), 0o600)
            .map_err(|error| self.failed(&error))?;
        Ok(describe(&key))
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

    use proptest::prelude::*;

    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc= user";

    fn keys() -> (tempfile::TempDir, SshKeys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = SshKeys::new(folder.path().join("ssh/authorized_keys"));
        (folder, keys)
    }

    #[test]
    fn keys_of_today_are_taken() {
        assert!(parse_key(ED25519).is_ok());
        assert!(parse_key(&format!("  {ECDSA}\r\n")).is_ok());
    }

    #[test]
    fn what_is_no_safe_key_is_refused() {
        let short = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQC7 x";
        for (line, error) in [
            ("", KeyError::Form),
            ("hello", KeyError::Form),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", KeyError::Private),
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN",
                KeyError::Form,
            ),
            (short, KeyError::Form),
        ] {
            assert_eq!(parse_key(line).unwrap_err(), error, "{line}");
        }
        let option = format!("command=\"/bin/sh\" {ED25519}");
        assert_eq!(parse_key(&option), Err(KeyError::Form));
        let second = format!("{ED25519}\nssh-ed25519 AAAA");
        assert_eq!(parse_key(&second), Err(KeyError::Form));
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

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line in "(ssh-rsa |ssh-ed25519 |)[ -~]{0,120}") {
            let _ = parse_key(&line);
        }
    }
}
