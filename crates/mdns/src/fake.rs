//! Being found by name without a network: for tests of those who use [`Mdns`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::spec::MdnsSpec;
use cell_model::status::MdnsStatus;

use crate::Mdns;
use crate::error::MdnsError;

/// The fake: every name is free but for those others were said to have.
#[derive(Debug, Default)]
pub struct FakeMdns {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    spec: Option<MdnsSpec>,
    others: usize,
}

impl FakeMdns {
    /// A fake that is alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many other devices have the name and its first alternatives.
    pub fn meet(&self, others: usize) {
        self.inner().others = others;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mdns for FakeMdns {
    async fn observe(&self) -> Result<MdnsStatus, MdnsError> {
        let inner = self.inner();
        Ok(match &inner.spec {
            None => MdnsStatus::Idle,
            Some(spec) => spec
                .label
                .alternatives()
                .nth(inner.others)
                .map_or(MdnsStatus::Taken, |label| MdnsStatus::Answering { label }),
        })
    }

    async fn apply(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError> {
        self.inner().spec = spec.cloned();
        Ok(())
    }

    async fn verify(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError> {
        match (spec, self.observe().await?) {
            (Some(spec), MdnsStatus::Taken) => Err(MdnsError::Taken {
                label: spec.label.clone(),
            }),
            _ => Ok(()),
        }
    }
}
