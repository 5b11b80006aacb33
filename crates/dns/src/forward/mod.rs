//! Asks others, in the owner's order, and remembers what they said.
//!
//! A server that stays silent is passed over from then on and tried again beside a question that
//! another one answers, so nobody waits for it twice.

pub(crate) mod cache;
mod failures;
mod upstream;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::Query;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{info, warn};

use cache::{Cache, Flags, Key, Remote};
use failures::Failures;
pub(crate) use upstream::Transport;
use upstream::{Upstream, UpstreamError};

/// How long one server may take while another could be asked. Above the round trip of any usable
/// link, below the second at which people notice.
const PATIENCE: Duration = Duration::from_millis(900);

/// How long a question may take in all: less than the five seconds after which resolvers of
/// clients ask again (resolv.conf(5), `timeout`).
const DEADLINE: Duration = Duration::from_secs(4);

/// What a forwarder may take up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes of one of the two generations of answers that are remembered.
    pub(crate) generation_bytes: usize,
    /// Questions on the way at once. Each may hold four sockets (retransmissions), and a process has 1,024 descriptors
    /// by default.
    pub(crate) pending: usize,
}

impl Room {
    /// For all that is not in the house.
    pub(crate) const INTERNET: Self = Self {
        generation_bytes: cache::GENERATION_BYTES,
        pending: 200,
    };
    /// For one way out beside the uplink: it is for a few people, and there may be many of them.
    pub(crate) const WAY: Self = Self {
        generation_bytes: cache::GENERATION_BYTES / 8,
        pending: 100,
    };
}

/// Why there is no answer. The texts are sent to the client (RFC 8914).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForwardError {
    /// The list of servers is empty.
    #[error("no upstream server is configured")]
    NoUpstream,
    /// None answered.
    #[error("no upstream server answers")]
    Unreachable,
    /// All that answered said they cannot.
    #[error("the upstream servers could not answer")]
    Failed,
    /// Too many questions are on the way.
    #[error("too many questions at once")]
    Busy,
    /// Another cell spoke of what is not its own.
    #[error("the other cell answered with names or addresses that are not its own")]
    Foreign,
}

/// Asks others. Kept while the list of servers stays the same, so the cache outlives other changes.
pub(crate) struct Forwarder {
    addresses: Vec<SocketAddr>,
    upstreams: Vec<Arc<Upstream>>,
    cache: Mutex<Cache>,
    failures: Mutex<Failures>,
    pending: Semaphore,
}

impl Forwarder {
    /// A forwarder to these servers, in this order.
    pub(crate) fn new(addresses: &[SocketAddr], transport: Transport, room: Room) -> Self {
        let upstreams = addresses
            .iter()
            .filter_map(
                |address| match Upstream::new(*address, transport, DEADLINE) {
                    Ok(upstream) => Some(Arc::new(upstream)),
                    Err(error) => {
                        warn!(upstream = %address, %error, "upstream cannot be used");
                        None
                    }
                },
            )
            .collect();
        Self {
            addresses: addresses.to_vec(),
            upstreams,
            cache: Mutex::new(Cache::new(room.generation_bytes)),
            failures: Mutex::default(),
            pending: Semaphore::new(room.pending),
        }
    }

    /// The list it was made from.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The answer, remembered or asked for.
    pub(crate) async fn resolve(
        &self,
        query: &Query,
        flags: Flags,
    ) -> Result<Remote, ForwardError> {
        let key = Key::new(query.name(), query.query_type(), flags);
        if let Some(remote) = self.cache().get(&key, Instant::now()) {
            return Ok(remote);
        }
        if self.upstreams.is_empty() {
            return Err(ForwardError::NoUpstream);
        }
        if let Some(error) = self.failures().get(&key, Instant::now()) {
            return Err(error);
        }
        let _permit = self.pending.try_acquire().map_err(|_| ForwardError::Busy)?;
        let remote = timeout(DEADLINE, self.ask_in_order(query, flags))
            .await
            .unwrap_or(Err(ForwardError::Unreachable));
        match &remote {
            Ok(remote) => self.cache().put(key, query, remote, Instant::now()),
            Err(error) => self.failures().put(key, *error, Instant::now()),
        }
        remote
    }

    async fn ask_in_order(&self, query: &Query, flags: Flags) -> Result<Remote, ForwardError> {
        let (answering, silent): (Vec<_>, Vec<_>) = self
            .upstreams
            .iter()
            .partition(|upstream| upstream.answers());
        if !answering.is_empty() {
            for upstream in &silent {
                self.retry_beside(upstream, query, flags);
            }
        }
        let order: Vec<_> = answering.into_iter().chain(silent).collect();
        let mut outcome = ForwardError::Unreachable;
        for (position, upstream) in order.iter().enumerate() {
            let last = position + 1 == order.len();
            let patience = if last { DEADLINE } else { PATIENCE };
            match ask(upstream, query, flags, patience).await {
                Some(Ok(remote)) => return Ok(remote),
                Some(Err(_)) => outcome = ForwardError::Failed,
                None => {}
            }
        }
        Err(outcome)
    }

    /// Sees whether a silent server is back, without anybody waiting for it.
    fn retry_beside(&self, upstream: &Arc<Upstream>, query: &Query, flags: Flags) {
        if upstream.is_rested(Instant::now()) {
            let (upstream, query) = (Arc::clone(upstream), query.clone());
            tokio::spawn(async move { ask(&upstream, &query, flags, PATIENCE).await });
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one server and notes whether it answers. `None`: it does not.
async fn ask(
    upstream: &Upstream,
    query: &Query,
    flags: Flags,
    patience: Duration,
) -> Option<Result<Remote, UpstreamError>> {
    match timeout(patience, upstream.ask(query, flags)).await {
        Ok(Err(UpstreamError::Silent(_))) | Err(_) => {
            if upstream.missed(Instant::now()) {
                warn!(upstream = %upstream.address, "upstream does not answer, passed over");
            }
            None
        }
        Ok(answer) => {
            if upstream.heard() {
                info!(upstream = %upstream.address, "upstream answers again");
            }
            Some(answer)
        }
    }
}
