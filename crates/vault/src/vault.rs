//! The vault of a running box: its authorities and its current leaf, in memory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::Timestamp;
use cell_model::name::{CellName, Domain};
use cell_model::secret::Secret;
use cell_model::spec::LeafSpec;
use rcgen::KeyPair;
use zeroize::Zeroizing;

use crate::encoding;
use crate::issuing_ca::IssuingCa;
use crate::leaf::{Leaf, LeafInfo};
use crate::root_ca::RootCa;
use crate::seal::{SealError, Sealer};
use crate::signing::CaError;
use crate::throwaway::throwaway;

/// Name of the file in the runtime directory that clients take as their trust anchor.
const CA_FILE: &str = "ca.pem";

/// What the vault is asked to do.
#[async_trait]
pub trait Vault: Send + Sync {
    /// What is known of the current leaf; `None` until there is one.
    async fn leaf(&self) -> Option<LeafInfo>;

    /// The current leaf with its key, for the listener.
    async fn credentials(&self) -> Option<Arc<Leaf>>;

    /// Makes the current leaf one that matches the spec and is not due, and tells what it is. A leaf that is so already
    /// stays.
    async fn ensure_leaf(&self, spec: &LeafSpec, now: Timestamp) -> Result<LeafInfo, VaultError>;

    /// Another leaf under the same authority, of a key that there is already (PKCS #8 DER).
    async fn issue_for(
        &self,
        key_der: &Secret<Vec<u8>>,
        spec: &LeafSpec,
        now: Timestamp,
    ) -> Result<Leaf, VaultError>;
}

/// A certificate could not be provided.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// An authority or a leaf could not be made or read.
    #[error("cannot make or read a certificate")]
    Ca(#[from] CaError),
    /// An authority could not be sealed or opened.
    #[error("cannot seal or open a certificate authority")]
    Seal(#[from] SealError),
    /// Clients could not be told whom to trust.
    #[error("cannot write {path}")]
    Publish {
        /// The file in the runtime directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The box is asked to have names of a domain, but has no CA: the setup did not install one.
    #[error("there is no certificate authority yet")]
    NoCa,
    /// The issuing CA was made for another domain and cannot vouch for this one.
    #[error("the issuing CA may not vouch for {domain}")]
    OtherDomain {
        /// What was asked for.
        domain: Domain,
    },
}

/// The vault of a running box. The leaf and its key live in memory only; a new one is issued at each start.
#[derive(Debug)]
pub struct CellVault {
    sealer: Arc<Sealer>,
    ca_file: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    authorities: Option<Authorities>,
    leaf: Option<Arc<Leaf>>,
}

#[derive(Debug)]
struct Authorities {
    root: Arc<RootCa>,
    issuing: IssuingCa,
}

/// Authorities that were made but are not in use: store [`Self::records`], then [`CellVault::install`].
#[derive(Debug)]
pub struct PreparedCa {
    authorities: Authorities,
    records: Vec<SealedRecord>,
}

/// A sealed blob for the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// The name it is sealed and to be stored under.
    pub name: &'static str,
    /// The blob.
    pub sealed: Vec<u8>,
}

impl PreparedCa {
    /// What is to be stored, in one transaction; a record of the same name is replaced.
    pub fn records(&self) -> &[SealedRecord] {
        &self.records
    }

    /// The root's fingerprint, for people to compare.
    pub fn root_fingerprint(&self) -> String {
        self.authorities.root.fingerprint()
    }
}

impl CellVault {
    /// Name of the root's record in the store.
    pub const ROOT_RECORD: &'static str = "ca/root";
    /// Name of the issuing CA's record in the store.
    pub const ISSUING_RECORD: &'static str = "ca/issuing";

    /// A vault without authorities, as before setup.
    pub fn new(sealer: Arc<Sealer>, runtime_directory: &Path) -> Self {
        Self {
            sealer,
            ca_file: runtime_directory.join(CA_FILE),
            held: Mutex::default(),
        }
    }

    /// Takes up the authorities of a box that is set up, from their records, and publishes the root.
    pub fn open(&self, sealed_root: &[u8], sealed_issuing: &[u8]) -> Result<(), VaultError> {
        let root = self.sealer.open(Self::ROOT_RECORD, sealed_root)?;
        let root = RootCa::from_secret_bytes(&root)?;
        let issuing = self.sealer.open(Self::ISSUING_RECORD, sealed_issuing)?;
        let issuing = IssuingCa::from_secret_bytes(&root, &issuing)?;
        self.take_up(Authorities {
            root: Arc::new(root),
            issuing,
        })
    }

    /// Makes root and issuing CA for the setup. Nothing is in use before [`Self::install`].
    pub fn prepare(
        &self,
        cell_name: &CellName,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<PreparedCa, VaultError> {
        let root = RootCa::create(cell_name, now)?;
        let sealed_root = SealedRecord {
            name: Self::ROOT_RECORD,
            sealed: self
                .sealer
                .seal(Self::ROOT_RECORD, root.to_secret_bytes().expose())?,
        };
        let mut prepared = self.prepare_issuing(Arc::new(root), cell_name, domain, now)?;
        prepared.records.push(sealed_root);
        Ok(prepared)
    }

    /// Makes another issuing CA under the same root, for another domain or cell name. Devices that trust the root need
    /// nothing new. Nothing is in use before [`Self::install`].
    pub fn reissue_domain(
        &self,
        cell_name: &CellName,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<PreparedCa, VaultError> {
        let root = self.root().ok_or(VaultError::NoCa)?;
        self.prepare_issuing(root, cell_name, domain, now)
    }

    /// Puts prepared authorities to use, once their records are stored, and publishes the root. The current leaf is
    /// given up; the next [`Vault::ensure_leaf`] issues one.
    pub fn install(&self, prepared: PreparedCa) -> Result<(), VaultError> {
        self.take_up(prepared.authorities)
    }

    /// The root, for people to download and compare; `None` before setup.
    pub fn root(&self) -> Option<Arc<RootCa>> {
        let held = self.held();
        Some(Arc::clone(&held.authorities.as_ref()?.root))
    }

    fn prepare_issuing(
        &self,
        root: Arc<RootCa>,
        cell_name: &CellName,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<PreparedCa, VaultError> {
        let issuing = IssuingCa::create(&root, cell_name, domain, now)?;
        let sealed = self
            .sealer
            .seal(Self::ISSUING_RECORD, issuing.to_secret_bytes().expose())?;
        Ok(PreparedCa {
            authorities: Authorities { root, issuing },
            records: vec![SealedRecord {
                name: Self::ISSUING_RECORD,
                sealed,
            }],
        })
    }

    fn take_up(&self, authorities: Authorities) -> Result<(), VaultError> {
        let mut held = self.held();
        self.publish(authorities.root.certificate_der())?;
        tracing::info!(
            fingerprint = authorities.root.fingerprint(),
            "root CA in use"
        );
        held.leaf = None;
        held.authorities = Some(authorities);
        Ok(())
    }

    /// Issues a leaf: from the CA once there is one, before that a throw-away one that clients are told to trust.
    fn issue(
        &self,
        authorities: Option<&Authorities>,
        spec: &LeafSpec,
        now: Timestamp,
    ) -> Result<Leaf, VaultError> {
        match (authorities, &spec.domain) {
            (None, Some(_)) => Err(VaultError::NoCa),
            (None, None) => {
                let leaf = throwaway(&spec.names, &spec.addresses, now)?;
                self.publish(&leaf.chain_der[0])?;
                Ok(leaf)
            }
            (Some(authorities), Some(domain)) if !authorities.issuing.permits(domain.as_str()) => {
                Err(VaultError::OtherDomain {
                    domain: domain.clone(),
                })
            }
            (Some(authorities), _) => Ok(authorities.issuing.issue(spec, now)?),
        }
    }

    /// Tells clients whom to trust.
    fn publish(&self, certificate_der: &[u8]) -> Result<(), VaultError> {
        let pem = encoding::pem(certificate_der);
        cell_durable::replace(&self.ca_file, pem.as_bytes(), 0o644).map_err(|source| {
            VaultError::Publish {
                path: self.ca_file.clone(),
                source,
            }
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // What is held is replaced in one assignment, so a panic elsewhere leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Vault for CellVault {
    async fn leaf(&self) -> Option<LeafInfo> {
        let held = self.held();
        held.leaf.as_ref().map(|leaf| leaf.info.clone())
    }

    async fn credentials(&self) -> Option<Arc<Leaf>> {
        self.held().leaf.clone()
    }

    async fn ensure_leaf(&self, spec: &LeafSpec, now: Timestamp) -> Result<LeafInfo, VaultError> {
        let mut held = self.held();
        if let Some(leaf) = held
            .leaf
            .as_ref()
            .filter(|leaf| !leaf.info.is_due(spec, now))
        {
            return Ok(leaf.info.clone());
        }
        let leaf = self.issue(held.authorities.as_ref(), spec, now)?;
        let info = leaf.info.clone();
        tracing::info!(
            fingerprint = info.fingerprint,
            not_after = %info.not_after,
            left_out = spec.names.len() + spec.addresses.len()
                - info.names.len()
                - info.addresses.len(),
            "leaf certificate issued"
        );
        held.leaf = Some(Arc::new(leaf));
        Ok(info)
    }

    async fn issue_for(
        &self,
        key_der: &Secret<Vec<u8>>,
        spec: &LeafSpec,
        now: Timestamp,
    ) -> Result<Leaf, VaultError> {
        let key = KeyPair::try_from(key_der.expose().as_slice()).map_err(CaError::Key)?;
        let held = self.held();
        let authorities = held.authorities.as_ref().ok_or(VaultError::NoCa)?;
        Ok(authorities
            .issuing
            .issue_for(&Zeroizing::new(key), spec, now)?)
    }
}

#[cfg(test)]
mod tests;
