//! A bundle whose beginning was read, and whether this box takes it.

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_signed::{KeyList, check_fresh};

use super::InstallError;
use super::source::{self, Source};
use crate::bundle::{BundleError, Header, Manifest, PREFIX, Release};

/// What a bundle is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The version that runs.
    pub release: Release,
    /// The form of what is kept: see [`Release::schema`].
    pub kept_schema: u32,
}

/// What the owner knowingly allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowances {
    /// A version that is not newer than the running one.
    pub older: bool,
    /// One whose time is over.
    pub expired: bool,
    /// One for those who want to see faults first.
    pub testing: bool,
}

/// A bundle that is signed by keys this box trusts.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What it says it is.
    pub manifest: Manifest,
    /// The newest key list.
    pub keys: KeyList,
    /// The bytes before its first chunk.
    header: Vec<u8>,
}

impl Offer {
    /// From the beginning of a bundle; the source stands at its first chunk then.
    ///
    /// # Errors
    /// It is none, is cut, or is not to be trusted.
    pub fn read(bundle: &mut dyn Source, trusted: &KeyList) -> Result<Self, InstallError> {
        let mut prefix = [0; PREFIX];
        source::read_exact(bundle, &mut prefix).map_err(none)?;
        let length = Header::length(&prefix)?;
        let mut header = prefix.to_vec();
        header.resize(PREFIX + length, 0);
        source::read_exact(bundle, &mut header[PREFIX..])?;
        let (manifest, keys) = Header::parse(&header[PREFIX..])?.open(trusted)?;
        Ok(Self {
            manifest,
            keys,
            header,
        })
    }

    /// Refuses what is not for this box, or not now.
    ///
    /// # Errors
    /// Another board, a version that is not newer, one that expired, one that cannot read what is kept here.
    pub fn check(
        &self,
        installed: &Installed,
        allow: Allowances,
        now: Timestamp,
    ) -> Result<(), BundleError> {
        let Manifest {
            release,
            expires,
            channel,
            ..
        } = &self.manifest;
        let own = &installed.release;
        if release.board != own.board {
            return Err(BundleError::Board {
                own: own.board.clone(),
                found: release.board.clone(),
            });
        }
        if *channel == ReleaseChannel::Testing && !allow.testing {
            return Err(BundleError::Channel(*channel));
        }
        if release.sequence <= own.sequence && !allow.older {
            return Err(BundleError::NotNewer {
                own: own.version.clone(),
                found: release.version.clone(),
            });
        }
        if check_fresh(*expires, now).is_err() && !allow.expired {
            return Err(BundleError::Expired(*expires));
        }
        if release.schema < installed.kept_schema {
            return Err(BundleError::Schema {
                version: release.version.clone(),
                reads: release.schema,
                kept: installed.kept_schema,
            });
        }
        Ok(())
    }

    /// Bytes of the whole bundle.
    pub fn size(&self) -> u64 {
        self.header.len() as u64 + self.manifest.chunk_bytes()
    }

    /// The bytes before its first chunk.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }
}

/// What has not even a beginning is no bundle.
fn none(error: InstallError) -> InstallError {
    match error {
        InstallError::Cut => BundleError::NotOne.into(),
        other => other,
    }
}
