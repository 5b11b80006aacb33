//! A packet filter that exists in memory only, for the tests of those who use one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::spec::PeerAccess;
use cell_model::step::FirewallStep;

use crate::{Firewall, FirewallError, FirewallStatus, LoadedRules};

/// Behaves like the kernel: a patch without a table is refused, a refused step changes nothing.
#[derive(Debug)]
pub struct FakeFirewall {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    status: FirewallStatus,
    steps: Vec<FirewallStep>,
    refusal: Option<String>,
}

impl FakeFirewall {
    /// Nothing loaded.
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                status: FirewallStatus::Absent,
                steps: Vec::new(),
                refusal: None,
            }),
        }
    }

    /// From now on every step is refused with this text, or none when `None`.
    pub fn refuse(&self, reason: Option<&str>) {
        self.lock().refusal = reason.map(str::to_owned);
    }

    /// Somebody else changes what is loaded.
    pub fn disturb(&self, status: FirewallStatus) {
        self.lock().status = status;
    }

    /// The steps carried out, in order.
    pub fn steps(&self) -> Vec<FirewallStep> {
        self.lock().steps.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FakeFirewall {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Firewall for FakeFirewall {
    async fn observe(&self) -> Result<FirewallStatus, FirewallError> {
        Ok(self.lock().status.clone())
    }

    async fn apply(&self, step: &FirewallStep) -> Result<(), FirewallError> {
        let mut inner = self.lock();
        if let Some(reason) = &inner.refusal {
            return Err(FirewallError::Refused(reason.clone()));
        }
        match step {
            FirewallStep::Replace(spec) => inner.status = FirewallStatus::of(spec),
            FirewallStep::PatchPeers { remove, add } => match &mut inner.status {
                FirewallStatus::Loaded(rules) => patch(rules, remove, add),
                FirewallStatus::Absent => return Err(no_table()),
            },
        }
        inner.steps.push(step.clone());
        Ok(())
    }

    async fn verify(&self, step: &FirewallStep) -> Result<(), FirewallError> {
        let inner = self.lock();
        let FirewallStatus::Loaded(rules) = &inner.status else {
            return Err(FirewallError::NotInEffect("nothing is loaded".to_owned()));
        };
        let in_effect = match step {
            FirewallStep::Replace(spec) => inner.status == FirewallStatus::of(spec),
            FirewallStep::PatchPeers { remove, add } => {
                let present = add
                    .iter()
                    .all(|(key, peer)| rules.peers.get(key) == Some(peer));
                let mut gone = remove.keys().filter(|key| !add.contains_key(key));
                present && gone.all(|key| !rules.peers.contains_key(key))
            }
        };
        match in_effect {
            true => Ok(()),
            false => Err(FirewallError::NotInEffect(
                "something else is loaded".to_owned(),
            )),
        }
    }
}

fn patch(
    rules: &mut LoadedRules,
    remove: &BTreeMap<Ipv4Addr, PeerAccess>,
    add: &BTreeMap<Ipv4Addr, PeerAccess>,
) {
    rules
        .peers
        .retain(|address, _| !remove.contains_key(address));
    rules.peers.extend(add.clone());
}

fn no_table() -> FirewallError {
    FirewallError::Refused("No such file or directory".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cell_model::spec::WayOut;

    use super::*;

    fn peers() -> BTreeMap<Ipv4Addr, PeerAccess> {
        let access = PeerAccess {
            address6: "fd00::2".parse().unwrap(),
            internet: WayOut::Uplink,
            peer_to_peer: false,
            services: Default::default(),
        };
        [(Ipv4Addr::new(10, 9, 8, 2), access)].into()
    }

    #[tokio::test]
    async fn fake_tells_what_was_applied() {
        let fake = FakeFirewall::new();
        let patch = FirewallStep::PatchPeers {
            remove: BTreeMap::new(),
            add: peers(),
        };
        assert!(fake.apply(&patch).await.is_err(), "there is no table yet");

        let mut spec = crate::closed_boot_spec("eth0".parse().unwrap(), None);
        let replace = FirewallStep::Replace(Arc::new(spec.clone()));
        fake.apply(&replace).await.unwrap();
        assert!(fake.verify(&patch).await.is_err());
        fake.apply(&patch).await.unwrap();
        fake.verify(&patch).await.unwrap();
        spec.peers = peers();
        assert_eq!(fake.observe().await.unwrap(), FirewallStatus::of(&spec));
        assert_eq!(fake.steps(), [replace, patch]);
    }

    #[tokio::test]
    async fn fake_that_refuses_stays_as_it_was() {
        let fake = FakeFirewall::new();
        fake.refuse(Some("not today"));
        let spec = crate::closed_boot_spec("eth0".parse().unwrap(), None);
        let step = FirewallStep::Replace(Arc::new(spec));
        assert!(fake.apply(&step).await.is_err());
        assert_eq!(fake.observe().await.unwrap(), FirewallStatus::Absent);
        assert!(fake.steps().is_empty());
        fake.refuse(None);
        fake.apply(&step).await.unwrap();
    }
}
