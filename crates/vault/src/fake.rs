//! A vault without cryptography, for tests of what uses one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::Timestamp;
use cell_model::secret::Secret;
use cell_model::spec::LeafSpec;

use crate::leaf::{Leaf, LeafInfo};
use crate::validity::{self, Validity};
use crate::vault::{Vault, VaultError};

/// Issues made-up leaves that live 30 days, and remembers what for.
#[derive(Debug, Default)]
pub struct FakeVault {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    issued: Vec<Arc<Leaf>>,
    broken: bool,
}

impl FakeVault {
    /// From now on every leaf is refused, or issued again.
    pub fn set_broken(&self, broken: bool) {
        self.seen().broken = broken;
    }

    /// What leaves were issued for, in order.
    pub fn issued(&self) -> Vec<LeafSpec> {
        let seen = self.seen();
        seen.issued
            .iter()
            .map(|leaf| leaf.info.spec.clone())
            .collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Vault for FakeVault {
    async fn leaf(&self) -> Option<LeafInfo> {
        self.seen().issued.last().map(|leaf| leaf.info.clone())
    }

    async fn credentials(&self) -> Option<Arc<Leaf>> {
        self.seen().issued.last().cloned()
    }

    async fn ensure_leaf(&self, spec: &LeafSpec, now: Timestamp) -> Result<LeafInfo, VaultError> {
        let mut seen = self.seen();
        if let Some(leaf) = seen.issued.last().filter(|l| !l.info.is_due(spec, now)) {
            return Ok(leaf.info.clone());
        }
        if seen.broken {
            return Err(VaultError::NoCa);
        }
        let validity = Validity::of_leaf(now, time::Duration::days(30), validity::latest());
        let info = LeafInfo {
            spec: spec.clone(),
            names: spec.names.clone(),
            addresses: spec.addresses.clone(),
            not_before: validity::timestamp(validity.not_before),
            not_after: validity::timestamp(validity.not_after),
            fingerprint: format!("FA:CE:{:02X}", seen.issued.len()),
        };
        seen.issued.push(Arc::new(Leaf {
            info: info.clone(),
            chain_der: Vec::new(),
            key_der: Secret::new(Vec::new()),
        }));
        Ok(info)
    }

    async fn issue_for(
        &self,
        key_der: &Secret<Vec<u8>>,
        spec: &LeafSpec,
        now: Timestamp,
    ) -> Result<Leaf, VaultError> {
        let info = self.ensure_leaf(spec, now).await?;
        Ok(Leaf {
            info,
            chain_der: Vec::new(),
            key_der: key_der.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fake_issues_once_and_says_when_it_is_broken() {
        let vault = FakeVault::default();
        let spec = LeafSpec {
            domain: None,
            names: ["localhost".to_owned()].into(),
            addresses: [].into(),
        };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        vault.set_broken(true);
        assert!(vault.ensure_leaf(&spec, now).await.is_err());
        vault.set_broken(false);
        let info = vault.ensure_leaf(&spec, now).await.unwrap();
        assert_eq!(vault.ensure_leaf(&spec, now).await.unwrap(), info);
        assert_eq!(vault.leaf().await, Some(info));
        assert_eq!(vault.issued(), [spec]);
    }
}
