//! A proxy that only remembers: for tests of whoever asks for one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::spec::ProxySpec;

use crate::{Certificates, Proxy, ProxyError, ProxyStatus};

/// Behaves as Caddy does. Answers nobody.
#[derive(Debug)]
pub struct FakeProxy {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    status: ProxyStatus,
    loads: usize,
    failing: bool,
}

impl FakeProxy {
    /// One that has just been started.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                status: ProxyStatus::Empty,
                loads: 0,
                failing: false,
            }),
        }
    }

    /// From now on every call fails (or succeeds again), as if Caddy were gone.
    pub fn set_failing(&self, failing: bool) {
        self.state().failing = failing;
    }

    /// As if it had been started anew, with what it had loaded forgotten.
    pub fn restart(&self) {
        self.state().status = ProxyStatus::Empty;
    }

    /// How often something else was loaded.
    pub fn loads(&self) -> usize {
        self.state().loads
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn willing(&self) -> Result<MutexGuard<'_, State>, ProxyError> {
        let state = self.state();
        match state.failing {
            true => Err(ProxyError::Fake),
            false => Ok(state),
        }
    }
}

impl Default for FakeProxy {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Proxy for FakeProxy {
    async fn observe(&self) -> Result<ProxyStatus, ProxyError> {
        Ok(self.willing()?.status.clone())
    }

    async fn apply(&self, spec: &ProxySpec, certificates: &Certificates) -> Result<(), ProxyError> {
        let mut state = self.willing()?;
        let wanted = ProxyStatus::of(spec, certificates);
        if state.status != wanted {
            state.status = wanted;
            state.loads += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[tokio::test]
    async fn fake_tells_what_was_applied_until_it_is_started_anew() {
        let fake = FakeProxy::new();
        let (spec, certificates) = (sample::spec(), sample::certificates());
        assert!(fake.verify(&spec, &certificates).await.is_err());
        for _ in 0..2 {
            fake.apply(&spec, &certificates).await.unwrap();
        }
        fake.verify(&spec, &certificates).await.unwrap();
        assert_eq!(fake.loads(), 1);
        fake.restart();
        assert_eq!(fake.observe().await.unwrap(), ProxyStatus::Empty);
        fake.set_failing(true);
        assert!(fake.apply(&spec, &certificates).await.is_err());
        fake.set_failing(false);
        fake.apply(&spec, &certificates).await.unwrap();
        assert_eq!(fake.loads(), 2);
    }
}
