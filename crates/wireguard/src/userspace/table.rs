//! The peers of the engine: who they are, where they are found, what is theirs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use cell_model::key::PublicKey;
use cell_model::spec::WireGuardPeerSpec;
use cell_model::status::WireGuardPeerStatus;

use super::peer::Peer;
use super::routes::{PeerIndex, Routes};

/// All peers.
#[derive(Default)]
pub(super) struct Table {
    pub(super) peers: HashMap<PeerIndex, Peer>,
    indexes: HashMap<PublicKey, PeerIndex>,
    pub(super) routes: Routes,
    /// Peers whose timers run. The others cost nothing.
    pub(super) active: HashSet<PeerIndex>,
    /// Turns a count into the next peer's place, so that session numbers do not tell how many peers there are.
    places: RandomState,
    places_given: u64,
}

impl Table {
    /// Where the peer with this key is.
    pub(super) fn index(&self, key: &PublicKey) -> Option<PeerIndex> {
        self.indexes.get(key).copied()
    }

    /// Keys of peers that are not among these.
    pub(super) fn strangers<V>(&self, wanted: &BTreeMap<PublicKey, V>) -> BTreeSet<PublicKey> {
        let keys = self.indexes.keys();
        keys.filter(|key| !wanted.contains_key(key))
            .copied()
            .collect()
    }

    /// Removes peers, then adds or changes others. Returns how many were added, changed or removed.
    pub(super) fn patch(
        &mut self,
        remove: &BTreeSet<PublicKey>,
        set: &BTreeMap<PublicKey, Arc<WireGuardPeerSpec>>,
        now: Instant,
    ) -> usize {
        let removed = remove.iter().filter(|key| self.remove(key)).count();
        // Lost networks are given up before any is taken, so that two peers can swap theirs.
        let changed = set
            .iter()
            .filter(|(key, spec)| self.set(**key, spec, now))
            .count();
        for (key, spec) in set {
            let Some(index) = self.index(key) else {
                continue;
            };
            for network in &spec.allowed_ips {
                self.routes.insert(*network, index);
            }
            if self.peers.get(&index).is_some_and(Peer::keeps_path_open) {
                self.activate(index);
            }
        }
        removed + changed
    }

    fn remove(&mut self, key: &PublicKey) -> bool {
        let Some(index) = self.indexes.remove(key) else {
            return false;
        };
        self.active.remove(&index);
        if let Some(peer) = self.peers.remove(&index) {
            for network in &peer.spec.allowed_ips {
                self.routes.remove(*network, index);
            }
        }
        true
    }

    /// Takes a peer's settings over but for its networks, of which it only gives up those it loses.
    /// Returns whether anything changed.
    fn set(&mut self, key: PublicKey, spec: &Arc<WireGuardPeerSpec>, now: Instant) -> bool {
        let Some(index) = self.index(&key) else {
            let index = self.free_place();
            self.indexes.insert(key, index);
            self.peers
                .insert(index, Peer::new(key, Arc::clone(spec), now));
            return true;
        };
        let Some(peer) = self.peers.get_mut(&index).filter(|peer| peer.spec != *spec) else {
            return false;
        };
        for network in peer.spec.allowed_ips.difference(&spec.allowed_ips) {
            self.routes.remove(*network, index);
        }
        peer.change(Arc::clone(spec), now);
        true
    }

    fn free_place(&mut self) -> PeerIndex {
        loop {
            self.places_given += 1;
            // 24 bits: the lower 8 of a session number count the sessions of one peer.
            let [a, b, c, ..] = self.places.hash_one(self.places_given).to_le_bytes();
            let index = PeerIndex::from_le_bytes([a, b, c, 0]);
            if !self.peers.contains_key(&index) {
                return index;
            }
        }
    }

    /// Lets a peer's timers run.
    pub(super) fn activate(&mut self, index: PeerIndex) {
        if let Some(peer) = self.peers.get_mut(&index).filter(|peer| !peer.active) {
            peer.active = true;
            self.active.insert(index);
        }
    }

    /// Ends all sessions of all peers.
    pub(super) fn forget_sessions(&mut self) {
        self.peers.values_mut().for_each(Peer::forget_sessions);
        self.active.clear();
    }

    /// One peer as seen from outside.
    pub(super) fn status(&self, key: &PublicKey) -> Option<WireGuardPeerStatus> {
        let index = self.index(key)?;
        Some(self.peers.get(&index)?.status(index, &self.routes))
    }

    /// All peers as seen from outside, by key.
    pub(super) fn statuses(&self) -> Vec<WireGuardPeerStatus> {
        let mut all: Vec<_> = self
            .peers
            .iter()
            .map(|(&index, peer)| peer.status(index, &self.routes))
            .collect();
        all.sort_unstable_by_key(|peer| peer.public_key);
        all
    }
}
