//! The keys that vouch for updates: on the machines of those who make them.
//!
//! A folder holds `keys.json`, the chain of key lists that images are given, and beside it the secret halves as
//! `NAME.key` (PKCS#8), as many of them as are on this machine.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cell_signed::{Envelope, KeyList, Purpose, SignedError, SigningKey};

use crate::error::{self, OsError};

const CHAIN: &str = "keys.json";
const SECRET: &str = "key";
/// Two of three: one may be lost, and one stolen.
const KEYS: usize = 3;
const THRESHOLD: usize = 2;

/// Keys, and the lists that say that they count.
#[derive(Debug)]
pub struct Keyring {
    /// The file of the lists, as an image is given it.
    pub path: PathBuf,
    /// The key lists, the first one first.
    pub chain: Vec<Envelope>,
    /// The newest of them.
    pub list: KeyList,
    /// Those of its keys that are on this machine.
    pub signers: Vec<SigningKey>,
}

impl Keyring {
    /// New keys in a folder that has none.
    ///
    /// # Errors
    /// There are keys already; nothing can be written there.
    pub fn create(folder: &Path, purpose: Purpose) -> Result<Self, OsError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(error::write(folder))?;
        let signers = new_keys(folder, 1)?;
        let list = list(1, purpose, &signers);
        let chain = vec![list.seal(&signers).map_err(refused(folder))?];
        write_chain(folder, &chain)?;
        Ok(Self {
            path: folder.join(CHAIN),
            chain,
            list,
            signers,
        })
    }

    /// The keys of a folder.
    ///
    /// # Errors
    /// They are not there, or do not belong together.
    pub fn read(folder: &Path) -> Result<Self, OsError> {
        let chain = read_chain(&folder.join(CHAIN))?;
        let list = KeyList::newest(&chain).map_err(refused(folder))?;
        let mut signers = Vec::new();
        for entry in fs::read_dir(folder).map_err(error::read(folder))? {
            let path = entry.map_err(error::read(folder))?.path();
            if path.extension().is_some_and(|kind| kind == SECRET) {
                let key = signing_key(&path)?;
                if list.keys.contains(&key.public()) {
                    signers.push(key);
                }
            }
        }
        Ok(Self {
            path: folder.join(CHAIN),
            chain,
            list,
            signers,
        })
    }

    /// New keys instead of these, brought in by the old ones: boxes follow the chain.
    ///
    /// # Errors
    /// Too few of the present keys are on this machine; nothing can be written there.
    pub fn replace(self, folder: &Path) -> Result<Self, OsError> {
        let (valid, threshold) = (self.signers.len(), self.list.threshold);
        if valid < threshold {
            return Err(refused(folder)(SignedError::Signatures {
                valid,
                threshold,
            }));
        }
        let version = self.list.version + 1;
        let signers = new_keys(folder, version)?;
        let list = list(version, self.list.purpose, &signers);
        let next = list.seal(&self.signers).map_err(refused(folder))?;
        // As every box will.
        self.list
            .follow(std::slice::from_ref(&next))
            .map_err(refused(folder))?;
        let mut chain = self.chain;
        chain.push(next);
        write_chain(folder, &chain)?;
        Ok(Self {
            path: folder.join(CHAIN),
            chain,
            list,
            signers,
        })
    }
}

/// The key lists in a file, the first one first.
///
/// # Errors
/// It cannot be read, or is something else.
pub fn read_chain(path: &Path) -> Result<Vec<Envelope>, OsError> {
    let text = fs::read(path).map_err(error::read(path))?;
    serde_json::from_slice(&text).map_err(|problem| OsError::Data {
        path: path.to_owned(),
        problem: format!("is no chain of key lists: {problem}"),
    })
}

/// The secret key in a file.
///
/// # Errors
/// It cannot be read, or is something else.
pub fn signing_key(path: &Path) -> Result<SigningKey, OsError> {
    let document = fs::read(path).map_err(error::read(path))?;
    SigningKey::from_pkcs8(&document).map_err(refused(path))
}

fn list(version: u64, purpose: Purpose, signers: &[SigningKey]) -> KeyList {
    KeyList {
        version,
        purpose,
        threshold: THRESHOLD,
        keys: signers.iter().map(SigningKey::public).collect(),
    }
}

fn new_keys(folder: &Path, version: u64) -> Result<Vec<SigningKey>, OsError> {
    let make = |number| {
        let path = folder.join(format!("{version}-{number}.{SECRET}"));
        let secret = SigningKey::generate().map_err(refused(&path))?;
        let mut options = fs::OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(secret.expose())?;
                file.sync_all()
            })
            .map_err(error::write(&path))?;
        signing_key(&path)
    };
    (1..=KEYS).map(make).collect()
}

fn write_chain(folder: &Path, chain: &[Envelope]) -> Result<(), OsError> {
    let path = folder.join(CHAIN);
    let text = serde_json::to_vec_pretty(chain).map_err(io::Error::other);
    text.and_then(|text| cell_durable::replace(&path, &text, 0o644))
        .map_err(error::write(&path))
}

fn refused(path: &Path) -> impl Fn(SignedError) -> OsError {
    let path: PathBuf = path.to_owned();
    move |problem| OsError::Data {
        path: path.clone(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_read_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let made = Keyring::create(&path, Purpose::Development).unwrap();
        assert!(Keyring::create(&path, Purpose::Development).is_err());
        let read = Keyring::read(&path).unwrap();
        assert_eq!((&read.list, read.signers.len()), (&made.list, 3));

        // One of them may be elsewhere.
        fs::remove_file(path.join("1-2.key")).unwrap();
        let replaced = Keyring::read(&path).unwrap().replace(&path).unwrap();
        assert_eq!(replaced.list.version, 2);
        let read = Keyring::read(&path).unwrap();
        assert_eq!((&read.list, read.signers.len()), (&replaced.list, 3));
        assert_eq!(made.list.follow(&read.chain).unwrap(), replaced.list);

        fs::remove_file(path.join("2-1.key")).unwrap();
        fs::remove_file(path.join("2-3.key")).unwrap();
        let few = Keyring::read(&path).unwrap().replace(&path).unwrap_err();
        assert!(few.to_string().contains("1 of the 2 signatures"), "{few}");
        assert_eq!(Keyring::read(&path).unwrap().list.version, 2);
    }
}
