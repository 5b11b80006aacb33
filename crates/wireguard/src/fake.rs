//! A VPN interface that only remembers: for tests of whoever applies steps.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::spec::{TunnelsSpec, WireGuardSpec};
use cell_model::status::{WireGuardBackend, WireGuardPeerStatus, WireGuardStatus};
use cell_model::step::WireGuardStep;

use crate::{Mismatch, Tunnels, WireGuard, WireGuardError, verify};

/// Records steps and behaves as if they had been carried out. Sends nothing.
#[derive(Debug, Default)]
pub struct FakeWireGuard {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: Vec<WireGuardStep>,
    spec: Option<WireGuardSpec>,
    failing: bool,
}

impl FakeWireGuard {
    /// One whose interface does not exist yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Steps carried out so far, oldest first; failed ones are not among them.
    pub fn steps(&self) -> Vec<WireGuardStep> {
        self.state().steps.clone()
    }

    /// From now on every call fails (or succeeds again), as if the system refused.
    pub fn set_failing(&self, failing: bool) {
        self.state().failing = failing;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn willing(&self) -> Result<MutexGuard<'_, State>, WireGuardError> {
        let state = self.state();
        match state.failing {
            true => Err(WireGuardError::Fake),
            false => Ok(state),
        }
    }
}

/// Tunnels that are only remembered.
#[derive(Debug, Default)]
pub struct FakeTunnels(Mutex<TunnelsSpec>);

impl FakeTunnels {
    /// Those that there are.
    pub fn present(&self) -> TunnelsSpec {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Tunnels for FakeTunnels {
    async fn apply(&self, spec: &TunnelsSpec) -> Result<(), WireGuardError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = spec.clone();
        Ok(())
    }

    async fn verify(&self, spec: &TunnelsSpec) -> Result<(), WireGuardError> {
        match self.present() == *spec {
            true => Ok(()),
            false => Err(Mismatch::Missing.into()),
        }
    }
}

#[async_trait]
impl WireGuard for FakeWireGuard {
    fn backend(&self) -> WireGuardBackend {
        WireGuardBackend::Userspace
    }

    async fn observe(&self) -> Result<Option<WireGuardStatus>, WireGuardError> {
        Ok(self.willing()?.spec.as_ref().map(status))
    }

    async fn apply(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        let mut state = self.willing()?;
        match step {
            WireGuardStep::Ensure(spec) => state.spec = Some(WireGuardSpec::clone(spec)),
            WireGuardStep::PatchPeers { remove, set } => {
                let spec = state.spec.as_mut().ok_or(Mismatch::Missing)?;
                spec.peers.retain(|key, _| !remove.contains(key));
                spec.peers
                    .extend(set.iter().map(|(key, peer)| (*key, peer.clone())));
            }
            WireGuardStep::Remove => state.spec = None,
        }
        state.steps.push(step.clone());
        Ok(())
    }

    async fn verify(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        let seen = self.observe().await?;
        match (step, seen) {
            (WireGuardStep::Remove, None) => Ok(()),
            (WireGuardStep::Remove, Some(_)) => Err(Mismatch::Present.into()),
            (_, None) => Err(Mismatch::Missing.into()),
            (WireGuardStep::Ensure(spec), Some(seen)) => Ok(verify::interface(spec, &seen)?),
            (WireGuardStep::PatchPeers { remove, set }, Some(seen)) => {
                Ok(verify::peers(remove, set, &seen.peers)?)
            }
        }
    }
}

fn status(spec: &WireGuardSpec) -> WireGuardStatus {
    WireGuardStatus {
        backend: WireGuardBackend::Userspace,
        interface: spec.interface.to_string(),
        listen_port: spec.listen_port,
        public_key: Some(spec.private_key.public_key()),
        peers: spec
            .peers
            .iter()
            .map(|(key, peer)| WireGuardPeerStatus {
                public_key: *key,
                endpoint: peer.endpoint,
                allowed_ips: peer.allowed_ips.iter().copied().collect(),
                latest_handshake: None,
                received_bytes: 0,
                sent_bytes: 0,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use cell_model::key::PrivateKey;
    use cell_model::spec::WireGuardPeerSpec;

    use super::*;

    fn key(byte: u8) -> PrivateKey {
        PrivateKey::from_bytes([byte; 32])
    }

    fn peer(network: &str) -> Arc<WireGuardPeerSpec> {
        Arc::new(WireGuardPeerSpec {
            preshared_key: None,
            allowed_ips: [network.parse().unwrap()].into(),
            endpoint: None,
            keepalive: None,
        })
    }

    fn ensure() -> WireGuardStep {
        WireGuardStep::Ensure(Arc::new(WireGuardSpec {
            interface: "wg0".parse().unwrap(),
            private_key: key(1),
            listen_port: 51820,
            mtu: 1420,
            addresses: BTreeSet::new(),
            routes: BTreeSet::new(),
            exit: None,
            peers: [(key(2).public_key(), peer("10.8.0.2/32"))].into(),
        }))
    }

    #[tokio::test]
    async fn steps_are_recorded_and_seen() {
        let fake = FakeWireGuard::new();
        assert_eq!(fake.observe().await.unwrap(), None);
        let patch = WireGuardStep::PatchPeers {
            remove: [key(2).public_key()].into(),
            set: [(key(3).public_key(), peer("10.8.0.3/32"))].into(),
        };
        for step in [ensure(), patch.clone()] {
            fake.apply(&step).await.unwrap();
            fake.verify(&step).await.unwrap();
        }
        let seen = fake.observe().await.unwrap().unwrap();
        assert_eq!(seen.peers.len(), 1);
        assert_eq!(seen.peers[0].public_key, key(3).public_key());
        assert_eq!(fake.steps(), [ensure(), patch]);
        assert!(matches!(
            fake.verify(&ensure()).await,
            Err(WireGuardError::Mismatch(Mismatch::PeerPresent(_)))
        ));
    }

    #[tokio::test]
    async fn failing_fake_changes_nothing() {
        let fake = FakeWireGuard::new();
        fake.set_failing(true);
        assert!(fake.apply(&ensure()).await.is_err());
        fake.set_failing(false);
        assert_eq!(fake.observe().await.unwrap(), None);
        let patch = WireGuardStep::PatchPeers {
            remove: BTreeSet::new(),
            set: BTreeMap::new(),
        };
        assert!(fake.apply(&patch).await.is_err());
        assert!(fake.steps().is_empty());
    }
}
