//! The interface's own key and what is derived from it for all peers.

use std::net::IpAddr;
use std::sync::Arc;

use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{HandshakeInit, Packet, Tunn, TunnResult};
use boringtun::x25519::{PublicKey as X25519Public, StaticSecret};
use cell_model::key::{PrivateKey, PublicKey};

use super::routes::PeerIndex;

/// Handshake messages a second that are answered without a cookie, from all sources together.
/// Enough for every device of a large household to come back at once; one costs about 0.2 ms.
const HANDSHAKES_PER_SECOND: u64 = 100;

/// The interface's own key.
pub(super) struct Identity {
    secret: StaticSecret,
    public: X25519Public,
    /// Asked once for every datagram.
    limiter: RateLimiter,
    /// For the peers, which would otherwise count each handshake a second time.
    unlimited: Arc<RateLimiter>,
}

impl Identity {
    /// From the interface's private key.
    pub(super) fn new(key: &PrivateKey) -> Self {
        let secret = StaticSecret::from(*key.expose());
        let public = X25519Public::from(&secret);
        Self {
            limiter: RateLimiter::new(&public, HANDSHAKES_PER_SECOND),
            unlimited: Arc::new(RateLimiter::new(&public, u64::MAX)),
            secret,
            public,
        }
    }

    /// The public key of the interface.
    pub(super) fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.public.to_bytes())
    }

    /// The packet, when its form and first MAC are right and the source has proven its address or there is no rush.
    /// An error may carry a cookie to be sent back.
    pub(super) fn admit<'d, 'c>(
        &self,
        datagram: &'d [u8],
        source: IpAddr,
        cookie: &'c mut [u8; COOKIE_REPLY_SIZE],
    ) -> Result<Packet<'d>, Option<&'c [u8]>> {
        self.limiter
            .verify_packet(Some(source), datagram, cookie)
            .map_err(|refused| match refused {
                TunnResult::WriteToNetwork(cookie) => Some(&*cookie),
                _ => None,
            })
    }

    /// Whose handshake this is.
    pub(super) fn caller(&self, initiation: &HandshakeInit<'_>) -> Option<PublicKey> {
        parse_handshake_anon(&self.secret, &self.public, initiation)
            .ok()
            .map(|half| PublicKey::from_bytes(half.peer_static_public))
    }

    /// Fresh Noise state for a peer. The engine keeps paths open by itself, so that a changed interval needs no
    /// new state.
    pub(super) fn tunn(
        &self,
        peer: &PublicKey,
        preshared_key: Option<[u8; 32]>,
        index: PeerIndex,
    ) -> Tunn {
        Tunn::new(
            self.secret.clone(),
            X25519Public::from(*peer.as_bytes()),
            preshared_key,
            None,
            index,
            Some(Arc::clone(&self.unlimited)),
        )
    }

    /// To be called several times a second: lets a new second's handshakes in.
    pub(super) fn tick(&self) {
        self.limiter.reset_count();
    }
}

/// Length of a cookie reply in bytes (WireGuard paper, section 5.4.7).
pub(super) const COOKIE_REPLY_SIZE: usize = 64;
