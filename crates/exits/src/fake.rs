//! Ways out that are only written down: for tests of those who use [`Exits`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::spec::ExitsSpec;
use cell_model::status::ExitStatus;
use uuid::Uuid;

use crate::Exits;
use crate::error::ExitsError;

/// The fake.
#[derive(Debug, Default)]
pub struct FakeExits {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    applied: Vec<Arc<ExitsSpec>>,
    status: BTreeMap<Uuid, ExitStatus>,
    fail_apply: Option<String>,
    fail_observe: Option<String>,
}

impl FakeExits {
    /// A fake that succeeds.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was applied so far, failures left out.
    pub fn applied(&self) -> Vec<Arc<ExitsSpec>> {
        self.inner().applied.clone()
    }

    /// Makes a way be so.
    pub fn set_status(&self, id: Uuid, status: ExitStatus) {
        self.inner().status.insert(id, status);
    }

    /// Makes every `apply` fail with this detail, or succeed again.
    pub fn fail_apply(&self, detail: Option<&str>) {
        self.inner().fail_apply = detail.map(str::to_owned);
    }

    /// Makes every `observe` fail with this detail, or succeed again.
    pub fn fail_observe(&self, detail: Option<&str>) {
        self.inner().fail_observe = detail.map(str::to_owned);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Exits for FakeExits {
    async fn observe(&self) -> Result<BTreeMap<Uuid, ExitStatus>, ExitsError> {
        let inner = self.inner();
        if let Some(detail) = &inner.fail_observe {
            return Err(ExitsError::Process(detail.clone()));
        }
        let in_service = inner.applied.last();
        let is_in_service = |id: &Uuid| in_service.is_some_and(|spec| spec.relays.contains_key(id));
        let status = inner.status.iter().filter(|(id, _)| is_in_service(id));
        Ok(status.map(|(id, status)| (*id, status.clone())).collect())
    }

    async fn apply(&self, spec: &Arc<ExitsSpec>) -> Result<(), ExitsError> {
        let mut inner = self.inner();
        if let Some(detail) = &inner.fail_apply {
            return Err(ExitsError::Process(detail.clone()));
        }
        inner.applied.push(Arc::clone(spec));
        Ok(())
    }
}
