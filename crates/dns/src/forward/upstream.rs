//! One server that is asked, and whether it lately answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{DnsRequest, DnsRequestOptions, Edns, Message, Query, ResponseCode};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};

use super::cache::{Flags, Remote};

/// How long a server that did not answer is left alone before it is tried again, beside a
/// question that another server answers.
const REST: Duration = Duration::from_secs(20);

/// The largest UDP answer asked for (DNS flag day 2020: below every path's MTU).
const UDP_PAYLOAD: u16 = 1_232;

/// Why a server gave no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// It cannot be reached or does not answer.
    #[error("no answer")]
    Silent(#[source] NetError),
    /// It answered that it cannot or will not.
    #[error("answered {0}")]
    Unwilling(ResponseCode),
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Over UDP, and over TCP where that is not enough.
    Any,
    /// Over TCP alone.
    Tcp,
}

/// A server.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// hickory's pool with this one server in it: UDP with retransmission, TCP after truncation,
    /// one query on the wire for equal questions. Choice between servers is ours, because a pool
    /// of several spends the whole deadline on a dead first one and gives up at SERVFAIL.
    pool: NameServerPool<TokioRuntimeProvider>,
    /// Whether it is asked over connections that it may close whenever it likes (RFC 7766, section 6.2.4).
    closes: bool,
    /// Since when it has not answered.
    silent_since: Mutex<Option<Instant>>,
}

impl Upstream {
    /// A server that is asked at `address`; gives up after `timeout`.
    pub(crate) fn new(
        address: SocketAddr,
        transport: Transport,
        timeout: Duration,
    ) -> Result<Self, NetError> {
        let mut connections = match transport {
            Transport::Any => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
            Transport::Tcp => vec![ConnectionConfig::tcp()],
        };
        for connection in &mut connections {
            connection.port = address.port();
        }
        let server = NameServerConfig::new(address.ip(), true, connections);
        let mut options = ResolverOpts::default();
        options.timeout = timeout;
        options.num_concurrent_reqs = 1;
        let context = PoolContext::new(options, TlsConfig::new()?);
        Ok(Self {
            address,
            pool: NameServerPool::from_config(
                [server],
                Arc::new(context),
                TokioRuntimeProvider::default(),
            ),
            closes: transport == Transport::Tcp,
            silent_since: Mutex::new(None),
        })
    }

    /// Asks it.
    pub(crate) async fn ask(&self, query: &Query, flags: Flags) -> Result<Remote, UpstreamError> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.metadata.checking_disabled = flags.checking_disabled;
        message.add_query(query.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        edns.set_dnssec_ok(flags.dnssec_ok);
        message.set_edns(edns);
        let request = || DnsRequest::new(message.clone(), DnsRequestOptions::default());
        let mut answer = self.pool.send(request()).first_answer().await;
        if self.closes && matches!(answer, Err(NetError::Io(_) | NetError::NoConnections)) {
            // It may have closed the connection while the question was on its way.
            answer = self.pool.send(request()).first_answer().await;
        }
        match answer {
            Ok(response) => {
                let message = response.into_message();
                Ok(Remote {
                    code: message.metadata.response_code,
                    answers: message.answers,
                    authorities: message.authorities,
                })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(absent))) => Ok(Remote {
                code: absent.response_code,
                answers: Vec::new(),
                authorities: absent.authorities.map_or_else(Vec::new, |all| all.to_vec()),
            }),
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Err(UpstreamError::Unwilling(code)),
            Err(error @ (NetError::Io(_) | NetError::Timeout | NetError::NoConnections)) => {
                Err(UpstreamError::Silent(error))
            }
            // It is there, but this answer cannot be used.
            Err(_) => Err(UpstreamError::Unwilling(ResponseCode::ServFail)),
        }
    }

    /// Notes that it answered; `true` when it had not before.
    pub(crate) fn heard(&self) -> bool {
        self.silent_since().take().is_some()
    }

    /// Notes that it did not answer; `true` when it had before.
    pub(crate) fn missed(&self, now: Instant) -> bool {
        self.silent_since().replace(now).is_none()
    }

    /// Whether it answered when last asked.
    pub(crate) fn answers(&self) -> bool {
        self.silent_since().is_none()
    }

    /// Whether it should be tried again now. Says so once per rest.
    pub(crate) fn is_rested(&self, now: Instant) -> bool {
        let mut since = self.silent_since();
        let rested = since.is_some_and(|since| now.saturating_duration_since(since) >= REST);
        if rested {
            *since = Some(now);
        }
        rested
    }

    fn silent_since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.silent_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_server_rests_and_is_tried_once_afterwards() {
        let upstream =
            Upstream::new("192.0.2.1:53".parse().unwrap(), Transport::Any, REST).unwrap();
        let now = Instant::now();
        assert!(upstream.answers());
        assert!(upstream.missed(now));
        assert!(!upstream.missed(now));
        assert!(!upstream.answers());
        assert!(!upstream.is_rested(now + REST / 2));
        assert!(upstream.is_rested(now + REST));
        assert!(!upstream.is_rested(now + REST));
        assert!(upstream.heard());
        assert!(upstream.answers());
    }
}
