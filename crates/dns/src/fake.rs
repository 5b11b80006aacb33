//! A name server that only writes down what it is told: for tests of those who use [`Dns`].

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::name::DnsLabel;
use cell_model::status::DnsStatus;
use cell_model::step::DnsStep;

use crate::Dns;
use crate::error::DnsError;

/// The fake. Applied steps change its status as they would change the real one's.
#[derive(Debug, Default)]
pub struct FakeDns {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    applied: Vec<DnsStep>,
    verified: Vec<DnsStep>,
    status: DnsStatus,
    names: BTreeSet<DnsLabel>,
    fail_apply: Option<String>,
    fail_verify: Option<String>,
}

impl FakeDns {
    /// A fake that succeeds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Steps applied so far, failed ones left out.
    pub fn applied(&self) -> Vec<DnsStep> {
        self.inner().applied.clone()
    }

    /// Steps verified so far, failed ones left out.
    pub fn verified(&self) -> Vec<DnsStep> {
        self.inner().verified.clone()
    }

    /// Makes every `apply` fail with this detail, or succeed again.
    pub fn fail_apply(&self, detail: Option<&str>) {
        self.inner().fail_apply = detail.map(str::to_owned);
    }

    /// Makes every `verify` fail with this detail, or succeed again.
    pub fn fail_verify(&self, detail: Option<&str>) {
        self.inner().fail_verify = detail.map(str::to_owned);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Dns for FakeDns {
    async fn observe(&self) -> Result<DnsStatus, DnsError> {
        Ok(self.inner().status.clone())
    }

    async fn apply(&self, step: &DnsStep) -> Result<(), DnsError> {
        let mut inner = self.inner();
        if let Some(detail) = &inner.fail_apply {
            return Err(DnsError::Process(detail.clone()));
        }
        match step {
            DnsStep::Replace(spec) => {
                let zone = spec.zone.as_ref();
                inner.status.serial = zone.map(|zone| zone.serial);
                inner.names =
                    zone.map_or_else(BTreeSet::new, |zone| zone.names.keys().cloned().collect());
            }
            DnsStep::PatchNames {
                serial,
                remove,
                set,
            } => {
                inner.status.serial = Some(*serial);
                inner.names.retain(|label| !remove.contains(label));
                inner.names.extend(set.keys().cloned());
            }
        }
        inner.status.names = inner.names.len();
        inner.applied.push(step.clone());
        Ok(())
    }

    async fn verify(&self, step: &DnsStep) -> Result<(), DnsError> {
        let mut inner = self.inner();
        if let Some(detail) = &inner.fail_verify {
            return Err(DnsError::Process(detail.clone()));
        }
        inner.verified.push(step.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn fake_records_what_succeeded_and_fails_on_demand() {
        let fake = FakeDns::new();
        let step = DnsStep::PatchNames {
            serial: 7,
            remove: BTreeSet::new(),
            set: BTreeMap::from([("anna".parse().unwrap(), Arc::default())]),
        };
        fake.fail_apply(Some("no"));
        assert!(fake.apply(&step).await.is_err());
        assert!(fake.applied().is_empty());
        fake.fail_apply(None);
        fake.apply(&step).await.unwrap();
        fake.verify(&step).await.unwrap();
        assert_eq!(fake.applied(), std::slice::from_ref(&step));
        assert_eq!(fake.verified(), [step]);
        let status = fake.observe().await.unwrap();
        assert_eq!((status.serial, status.names), (Some(7), 1));
    }
}
