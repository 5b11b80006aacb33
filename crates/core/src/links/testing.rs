//! What tests of links look at and set.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cell_model::signer::SignerKey;
use cell_signed::SigningKey;

use super::tell::Contact;
use crate::Core;

impl Core {
    /// As if no cell had been tried in vain lately, nor spoken with.
    pub(crate) fn try_all_again(&self) {
        let mut kept = self.links_kept();
        let contacts = kept.contacts.values_mut();
        contacts.for_each(Contact::forget);
    }

    /// Tells all there is to tell, and waits for what is being told already.
    pub(crate) async fn tell_all_now(self: &Arc<Self>) {
        self.tell_all().await.unwrap().join_all().await;
        let is_calling = || self.links_kept().contacts.values().any(Contact::is_called);
        while is_calling() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Where the box of each linked cell is called, unless it is where that says.
    pub(crate) fn places(&self) -> Vec<Option<SocketAddr>> {
        let desired = self.desired.borrow();
        let links = desired.config.iter().flat_map(|config| &config.links);
        let keys = links.map(|link| link.claims.wireguard_key);
        keys.map(|key| desired.places.get(&key).copied()).collect()
    }

    /// The same, looked for as if that were long ago.
    pub(crate) async fn places_found(&self) -> Vec<Option<SocketAddr>> {
        let revision = self.desired.borrow().revision;
        self.wait_until_tried(revision).await;
        for search in self.links_kept().searches.values_mut() {
            search.forget_times();
        }
        self.find_all().await.unwrap();
        self.places()
    }

    /// How many cells are spoken with inside the tunnel and not linked.
    pub(crate) fn others_spoken_with(&self) -> usize {
        let config = self.config().unwrap();
        self.links_kept()
            .others(&config.links, (self.clock)())
            .len()
    }

    /// The code that is shown while it waits for that.
    pub(crate) fn link_code(&self, name: &str) -> String {
        let mut links = self.links_unseen().unwrap().items.into_iter();
        let link = links.find(|link| link.name.as_str() == name).unwrap();
        link.code.unwrap()
    }

    /// The key that it signs with, once it has one.
    pub(crate) fn link_key(&self) -> SigningKey {
        self.identity().unwrap()
    }

    /// Its public half; `None` before it has one.
    pub(crate) fn link_identity(&self) -> Option<SignerKey> {
        self.identity().ok().map(|key| key.public().into())
    }

    /// Whether something from there comes through the tunnel.
    pub(crate) fn has_peer(&self, other: &SignerKey) -> bool {
        let linked = &self.config().unwrap().links;
        let others = self.links_kept().others(linked, (self.clock)());
        let mut peers = linked.iter().map(|link| &link.claims).chain(&others);
        peers.any(|claims| claims.identity == *other)
    }

    /// As if an older state of the box had been brought back by a clock that went back, too.
    pub(crate) fn forget_counter(&self, other: &SignerKey) {
        let mut kept = self.links_kept();
        let said = kept
            .syncs
            .get_mut(other)
            .and_then(|sync| sync.said.as_mut());
        said.unwrap().counter = 1;
    }
}
