//! How much services keep. Every file of it has to be looked at, so that is done now and then, when somebody asks, and
//! nobody waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cell_containers::{Containers, ContainersError};
use cell_model::config::DataConfig;
use cell_model::name::ServiceId;
use cell_model::problem::chain;
use tokio::time::Instant;

/// How old an answer may be, whatever it took.
const FRESH: Duration = Duration::from_secs(10);
/// How many times as old as the time it took: looking at files is a hundredth of what the disk does.
const SPARED: u32 = 100;
/// Most services have few files: the first who asks hears of them.
const SOON: Duration = Duration::from_millis(500);

/// Whose data, and which of it.
type Key = (ServiceId, [u32; 2]);

/// Sizes by service and numbers of its data.
#[derive(Debug, Default)]
pub(crate) struct DataSizes(Mutex<BTreeMap<Key, Known>>);

#[derive(Debug, Default)]
struct Known {
    bytes: Option<u64>,
    /// Until when that is good.
    fresh: Option<Instant>,
    /// Somebody is at it.
    is_measured: bool,
}

impl DataSizes {
    /// Bytes of what a service has kept, as far as they are known.
    pub(crate) async fn of(
        self: &Arc<Self>,
        containers: &Arc<dyn Containers>,
        id: &ServiceId,
        data: DataConfig,
    ) -> Option<u64> {
        let key = (id.clone(), data.numbers());
        if self.is_due(&key) {
            let (sizes, containers) = (Arc::clone(self), Arc::clone(containers));
            let key = key.clone();
            let measuring = tokio::spawn(async move {
                let begun = Instant::now();
                let found = measure(&*containers, &key).await;
                if let Err(error) = &found {
                    tracing::debug!(service = %key.0, error = %chain(error), "its data is not measured");
                }
                let spared = begun.elapsed().saturating_mul(SPARED).max(FRESH);
                sizes.take_in(key, found.ok(), spared);
            });
            let _ = tokio::time::timeout(SOON, measuring).await;
        }
        self.known().get(&key)?.bytes
    }

    /// Whether it is to be measured now; by whoever is told so.
    fn is_due(&self, key: &Key) -> bool {
        let mut known = self.known();
        let known = known.entry(key.clone()).or_default();
        let is_fresh = known.fresh.is_some_and(|until| Instant::now() < until);
        let is_due = !known.is_measured && !is_fresh;
        known.is_measured |= is_due;
        is_due
    }

    fn take_in(&self, key: Key, bytes: Option<u64>, spared: Duration) {
        let known = Known {
            bytes,
            fresh: bytes.map(|_| Instant::now() + spared),
            is_measured: false,
        };
        self.known().insert(key, known);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn measure(containers: &dyn Containers, (id, numbers): &Key) -> Result<u64, ContainersError> {
    let mut bytes = 0;
    for number in numbers {
        bytes += containers.data_size(id, *number).await?;
    }
    Ok(bytes)
}
