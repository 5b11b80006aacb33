//! One peer of the engine: its settings, its Noise state and its counters.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boringtun::noise::Tunn;
use cell_model::Timestamp;
use cell_model::key::PublicKey;
use cell_model::spec::WireGuardPeerSpec;
use cell_model::status::WireGuardPeerStatus;

use super::identity::Identity;
use super::routes::{PeerIndex, Routes};

/// One peer.
pub(super) struct Peer {
    pub(super) public_key: PublicKey,
    pub(super) spec: Arc<WireGuardPeerSpec>,
    /// Where it was last heard from, or where the spec says it is.
    pub(super) endpoint: Option<SocketAddr>,
    /// Whether its timers run.
    pub(super) active: bool,
    /// The number of a session we answered and the peer has not used yet.
    pub(super) unconfirmed: Option<u32>,
    pub(super) latest_handshake: Option<Timestamp>,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    /// When the path has been silent for the keepalive interval; `None` without an interval.
    keepalive_due: Option<Instant>,
    /// Made when first needed, so that idle peers cost neither time nor memory. Never dropped while the keys stay:
    /// it remembers the newest handshake and so refuses replayed ones.
    tunn: Option<Box<Tunn>>,
}

impl Peer {
    /// A peer nobody has heard from.
    pub(super) fn new(public_key: PublicKey, spec: Arc<WireGuardPeerSpec>, now: Instant) -> Self {
        Self {
            public_key,
            endpoint: spec.endpoint,
            active: false,
            unconfirmed: None,
            latest_handshake: None,
            received_bytes: 0,
            sent_bytes: 0,
            keepalive_due: spec.keepalive.filter(|&s| s > 0).map(|_| now),
            tunn: None,
            spec,
        }
    }

    /// Takes new settings over. The session goes on unless the pre-shared key changed: a session made
    /// with a key that was taken back must not live on.
    pub(super) fn change(&mut self, spec: Arc<WireGuardPeerSpec>, now: Instant) {
        if spec.preshared_key != self.spec.preshared_key {
            self.forget_sessions();
        }
        if spec.endpoint.is_some() && spec.endpoint != self.spec.endpoint {
            self.endpoint = spec.endpoint;
        }
        if spec.keepalive != self.spec.keepalive {
            self.keepalive_due = spec.keepalive.filter(|&s| s > 0).map(|_| now);
        }
        self.spec = spec;
    }

    /// Ends all sessions; what is already counted stays.
    pub(super) fn forget_sessions(&mut self) {
        self.tunn = None;
        self.unconfirmed = None;
        self.active = false;
    }

    /// Its Noise state, if it was ever needed.
    pub(super) fn tunn(&mut self) -> Option<&mut Tunn> {
        self.tunn.as_deref_mut()
    }

    /// Its Noise state with timers that know the present.
    pub(super) fn awake(
        &mut self,
        index: PeerIndex,
        identity: &Identity,
        scratch: &mut [u8],
    ) -> &mut Tunn {
        let preshared = self.spec.preshared_key.as_ref().map(|key| *key.expose());
        let tunn = self
            .tunn
            .get_or_insert_with(|| Box::new(identity.tunn(&self.public_key, preshared, index)));
        if !self.active {
            // Tunn keeps the time of its last tick. One that was left alone has nothing to send here:
            // it is new, or it has expired.
            let _ = tunn.update_timers(scratch);
        }
        tunn
    }

    /// Whether packets can be sent without a handshake.
    pub(super) fn has_session(&self) -> bool {
        self.tunn
            .as_ref()
            .is_some_and(|tunn| tunn.time_since_last_handshake().is_some())
    }

    /// Whether the peer needs ticks even when nothing is said: somebody must keep its path open.
    pub(super) fn keeps_path_open(&self) -> bool {
        self.keepalive_due.is_some() && self.endpoint.is_some()
    }

    /// Whether the path has been silent for too long. Asking starts the next interval.
    pub(super) fn take_due_keepalive(&mut self, now: Instant) -> bool {
        let due = self.keeps_path_open() && self.keepalive_due.is_some_and(|due| now >= due);
        if due {
            self.put_keepalive_off(now);
        }
        due
    }

    fn put_keepalive_off(&mut self, now: Instant) {
        if let (Some(due), Some(seconds)) = (&mut self.keepalive_due, self.spec.keepalive) {
            *due = now + Duration::from_secs(seconds.into());
        }
    }

    /// Counts a datagram to the peer.
    pub(super) fn sent(&mut self, datagram: &[u8], now: Instant) {
        self.sent_bytes += datagram.len() as u64;
        self.put_keepalive_off(now);
    }

    /// Counts a datagram that is surely from the peer, and sends to where it came from from now on.
    pub(super) fn heard(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) {
        self.received_bytes += datagram.len() as u64;
        self.endpoint = Some(source);
        self.put_keepalive_off(now);
    }

    /// The peer as seen from outside.
    pub(super) fn status(&self, index: PeerIndex, routes: &Routes) -> WireGuardPeerStatus {
        WireGuardPeerStatus {
            public_key: self.public_key,
            endpoint: self.endpoint,
            allowed_ips: self
                .spec
                .allowed_ips
                .iter()
                .filter(|network| routes.owner(**network) == Some(index))
                .map(ipnet::IpNet::trunc)
                .collect(),
            latest_handshake: self.latest_handshake,
            received_bytes: self.received_bytes,
            sent_bytes: self.sent_bytes,
        }
    }
}
