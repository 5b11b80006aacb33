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
    /// So many had a name when it was asked for: one that was found is kept.
    met: usize,
}

impl FakeMdns {
    /// A fake that is alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many other devices have the name and its first alternatives when they are asked for next.
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
                .nth(inner.met)
                .map_or(MdnsStatus::Taken, |label| MdnsStatus::Answering { label }),
        })
    }

    async fn apply(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError> {
        let taken = matches!(self.observe().await?, MdnsStatus::Taken);
        let mut inner = self.inner();
        if taken || inner.spec.as_ref() != spec {
            inner.met = inner.others;
        }
        inner.spec = spec.cloned();
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
