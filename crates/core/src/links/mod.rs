//! Other cells: invites for them, those of others that are imported, and what becomes of both. Links that are there are in
//! the config.
//!
//! ```text
//! invite ── used ── linked               here, by `pair`: another cell calls
//! import ── code known ── linked         here, by `advance`: this one calls
//! linked ── told ── changed ── told      here, by `sync`; `tell` calls
//! ```
//!
//! Where the joiner does not reach the inviter, its owner hands an acceptance back (`accept`). Then each has the other's box as
//! a peer of the VPN, and the same is said inside the tunnel.
//!
//! Both are kept, with their secrets sealed, so that either side may be switched off at any moment: whoever imports asks until
//! the other one answers, or the invite is over. An invite that was used stays until it is over, for its cell to ask.

mod accept;
mod advance;
mod find;
mod import;
mod invite;
mod pair;
mod sync;
mod tell;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, MutexGuard, PoisonError};

use cell_audit::AuditEvent;
use cell_auth::Throttle;
use cell_cells::{CellError, Inviting, Offer};
use cell_control::link::{LinkState, LinkView};
use cell_control::view::Page;
use cell_model::Timestamp;
use cell_model::config::{Claims, Config};
use cell_model::endpoint::{Endpoint, Host};
use cell_model::name::{CellName, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_model::signer::SignerKey;
use cell_plan::lint::links::check_claims;
use cell_plan::resolve::vpn_interface;
use cell_signed::SigningKey;
use cell_store::{Batch, Store, StoreError, Tree};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use self::find::Search;
use self::sync::KeptSync;
use self::tell::Contact;
use crate::edit::{self, Edit};
use crate::set_up::internal;
use crate::{Core, documents, keys};

/// Invites for other cells by their id.
const INVITES: Tree = Tree::new("link_invites");
/// Invites of other cells by whose they are.
const IMPORTS: Tree = Tree::new("link_imports");
/// The key that this cell signs with, PKCS #8 DER.
const IDENTITY: &str = "cell/identity";
/// For so long, a cell that was linked may still ask whether it is.
const AFTERWARDS: SignedDuration = SignedDuration::from_mins(10);

/// An invite of this cell's.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptInvite {
    id: Uuid,
    created_by: Username,
    created_at: Timestamp,
    expires_at: Timestamp,
    auto_accept: bool,
    #[serde(default)]
    allow_public_domain: bool,
    /// How often somebody did not know its secret.
    wrong_proofs: u32,
    /// How often a code was not the right one.
    wrong_codes: u32,
    used: Option<Used>,
    /// A cell whose acceptance was handed back: nobody else may use it.
    #[serde(default)]
    accepted: Option<Claims>,
}

/// The cell that has used an invite.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Used {
    claims: Claims,
    code: String,
    at: Timestamp,
    linked_at: Option<Timestamp>,
}

/// An invite of another cell's.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptImport {
    id: Uuid,
    created_by: Username,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// What the other cell said last.
    claims: Claims,
    allow_public_domain: bool,
    /// Once the other cell has answered.
    code: Option<String>,
    /// An earlier invite was answered, of which nothing more was heard.
    #[serde(default)]
    was_answered: bool,
    linked: bool,
    /// It was not reached at its endpoints: it may be inside the tunnel, should its owner be handed the acceptance.
    #[serde(default)]
    inside: bool,
    /// What is in the way.
    detail: Option<String>,
}

/// All of them, in memory; the store has the lasting copy.
#[derive(Default)]
pub(crate) struct Links {
    invites: BTreeMap<Uuid, KeptInvite>,
    imports: BTreeMap<SignerKey, KeptImport>,
    /// Cells that have said their first message.
    inviting: HashMap<Uuid, Inviting>,
    /// What linked cells and this one have told each other.
    syncs: BTreeMap<SignerKey, KeptSync>,
    /// How they were reached since the start.
    contacts: HashMap<SignerKey, Contact>,
    /// Where their boxes are.
    searches: HashMap<SignerKey, Search>,
    /// When the certificate was issued that other cells are shown.
    issued_at: Option<Timestamp>,
    throttle: Throttle,
}

/// What the tasks of links wait for.
#[derive(Default)]
pub(crate) struct LinkWork {
    /// Something has changed that a task has to look at.
    woken: Notify,
    /// Held while another cell is called.
    calling: tokio::sync::Mutex<()>,
}

impl Links {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut links = Self::default();
        links.read_anew(store)?;
        Ok(links)
    }

    /// Takes over what the store says.
    pub(crate) fn read_anew(&mut self, store: &Store) -> Result<(), StoreError> {
        let invites = store.records::<KeptInvite>(INVITES).scan()?;
        let imports = store.records::<KeptImport>(IMPORTS).scan()?;
        let invites = invites.into_iter().map(|(_, invite)| (invite.id, invite));
        self.invites = invites.collect();
        let imports = imports.into_iter().map(|(_, import)| import);
        self.imports = imports
            .map(|import| (import.claims.identity.clone(), import))
            .collect();
        self.syncs = sync::load(store)?;
        Ok(())
    }
}

impl KeptInvite {
    fn secret(id: Uuid) -> String {
        format!("link/invite/{id}")
    }

    /// Until when other cells are listened to because of it.
    fn listens_until(&self) -> Timestamp {
        let linked = self.used.as_ref().and_then(|used| used.linked_at);
        linked.map_or(self.expires_at, |at| self.expires_at.min(at + AFTERWARDS))
    }

    /// Whether another cell than this one has it.
    fn is_of_another(&self, identity: &SignerKey) -> bool {
        let used = self.used.as_ref().map(|used| &used.claims);
        let mut of = used.into_iter().chain(&self.accepted);
        of.any(|claims| claims.identity != *identity)
    }

    /// The cell that has accepted it, and is called.
    fn expected(&self) -> Option<&Claims> {
        let linked = self.used.as_ref().and_then(|used| used.linked_at);
        self.accepted.as_ref().filter(|_| linked.is_none())
    }

    /// The cell that waits for its code to be compared.
    fn waiting(&self) -> Option<&Used> {
        self.used.as_ref().filter(|used| used.linked_at.is_none())
    }
}

impl KeptImport {
    fn secret(identity: &SignerKey) -> String {
        format!("link/import/{identity}")
    }

    /// Whether the other cell may have this one as a link, which has not the other.
    fn may_be_linked_there(&self) -> bool {
        !self.linked && (self.code.is_some() || self.was_answered)
    }

    fn state(&self) -> LinkState {
        match (self.linked, &self.code) {
            (true, _) => LinkState::Linked,
            (false, Some(_)) => LinkState::AwaitingConfirmation,
            (false, None) => LinkState::Failed,
        }
    }
}

impl Core {
    pub(crate) fn links_kept(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the tasks of links running: whether other cells are listened to, whether they answer, and where they are.
    pub(crate) fn keep_links(self: &Arc<Self>) {
        self.keep_listening();
        self.keep_advancing();
        self.keep_telling();
        self.keep_finding();
    }

    /// Other cells, linked or on the way there.
    pub(crate) async fn links(&self) -> Result<Page<LinkView>, Problem> {
        let seen = self.seen().await;
        let mut page = self.links_unseen()?;
        let config = self.config()?;
        for item in &mut page.items {
            let mut links = config.links.iter();
            let link = links.find(|link| link.claims.identity == item.identity);
            let peers = seen.iter().flat_map(|seen| &seen.peers);
            let mut peers = peers.filter(|peer| {
                link.is_some_and(|link| link.claims.wireguard_key == peer.public_key)
            });
            if let Some(peer) = peers.next() {
                item.last_handshake = peer.latest_handshake;
                item.received_bytes = peer.received_bytes;
                item.sent_bytes = peer.sent_bytes;
            }
        }
        Ok(page)
    }

    /// The same without what the tunnel says.
    fn links_unseen(&self) -> Result<Page<LinkView>, Problem> {
        let config = self.config()?;
        let now = (self.clock)();
        let kept = self.links_kept();
        let linked = config.links.iter().map(|link| {
            let mut view = LinkView {
                paused: link.paused,
                services: link.services.clone(),
                offers_exit: link.offers_exit,
                ..view(&link.claims, LinkState::Linked, link.created_at)
            };
            self.show_sync(&kept, link, &mut view);
            kept.show_contact(&link.claims, &mut view);
            view
        });
        let mut items: Vec<LinkView> = linked.collect();
        let waiting = kept
            .invites
            .values()
            .filter(|invite| invite.expires_at > now);
        let waiting = waiting.filter_map(|invite| {
            let used = invite.waiting()?;
            Some(LinkView {
                code: Some(used.code.clone()),
                ..view(&used.claims, LinkState::AwaitingConfirmation, used.at)
            })
        });
        let expected = kept
            .invites
            .values()
            .filter(|invite| invite.expires_at > now);
        let expected =
            expected.filter_map(|invite| Some(accept::expected(invite.expected()?, invite)));
        let imports = kept.imports.values().filter(|import| !import.linked);
        let imports = imports.map(|import| LinkView {
            code: import.code.clone(),
            detail: import.detail.clone(),
            acceptance: self.acceptance_of(import),
            ..view(&import.claims, import.state(), import.created_at)
        });
        for item in waiting.chain(expected).chain(imports) {
            if !items.iter().any(|known| known.identity == item.identity) {
                items.push(item);
            }
        }
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Page { items, next: None })
    }

    /// One of them.
    pub(crate) async fn link(&self, name: &CellName) -> Result<LinkView, Problem> {
        let mut links = self.links().await?.items.into_iter();
        links
            .find(|link| link.name == *name)
            .ok_or_else(|| edit::link::unknown(name))
    }

    /// The one with this identity.
    fn link_of(&self, identity: &SignerKey) -> Result<LinkView, Problem> {
        let mut links = self.links_unseen()?.items.into_iter();
        links
            .find(|link| link.identity == *identity)
            .ok_or_else(Problem::internal)
    }

    fn is_linked(&self, identity: &SignerKey) -> Result<bool, Problem> {
        let config = self.config()?;
        let mut links = config.links.iter();
        Ok(links.any(|link| link.claims.identity == *identity))
    }

    /// The key that this cell signs with. The first who needs it makes it, with the writer's lock held.
    async fn identity_document(&self) -> Result<Secret<Vec<u8>>, Problem> {
        let kept = keys::open_bytes(&self.store, &self.sealer, IDENTITY);
        if let Some(document) = kept.map_err(|error| internal(&error))? {
            return Ok(document);
        }
        let document = SigningKey::generate().map_err(|error| internal(&error))?;
        let mut batch = Batch::new(
            (self.clock)(),
            None,
            "Made the key that the cell signs with",
        );
        self.put_secret(&mut batch, IDENTITY, document.expose())?;
        self.commit(batch, AuditEvent::new("cell.identity.make"))
            .await?;
        Ok(document)
    }

    /// The same, where it has to be there: nobody has an invite that nothing signed.
    fn identity(&self) -> Result<SigningKey, Problem> {
        let kept = keys::open_bytes(&self.store, &self.sealer, IDENTITY);
        let document = kept.map_err(|error| internal(&error))?;
        let document = document.ok_or_else(Problem::internal)?;
        signing_key(&document)
    }

    fn put_secret(&self, batch: &mut Batch, name: &str, secret: &[u8]) -> Result<(), Problem> {
        let sealed = self.sealer.seal(name, secret);
        batch.set_secret(name, sealed.map_err(|error| internal(&error))?);
        Ok(())
    }

    fn open_secret(&self, name: &str) -> Result<Secret<[u8; 32]>, Problem> {
        let opened = keys::open_bytes(&self.store, &self.sealer, name);
        let opened = opened.map_err(|error| internal(&error))?;
        let bytes = opened.and_then(|opened| opened.expose().as_slice().try_into().ok());
        bytes.map(Secret::new).ok_or_else(Problem::internal)
    }

    /// What this cell says of itself.
    fn own_claims(&self, key: &SigningKey) -> Result<Claims, Problem> {
        let config = self.config()?;
        let keys = Arc::clone(&self.desired.borrow().keys);
        let interface = keys.interface.as_ref().ok_or_else(Problem::internal)?;
        Ok(Claims {
            name: config.cell.name.clone(),
            identity: key.public().into(),
            wireguard_key: interface.public_key(),
            endpoints: self.own_endpoints(&config),
            domain: config.domain.name.clone(),
            vpn: config.vpn.clone(),
        })
    }

    /// Where others may find this cell: where the owner has said, and the addresses of the uplink.
    fn own_endpoints(&self, config: &Config) -> Vec<Endpoint> {
        let options = &self.settings.options;
        let facts = self.facts();
        let uplink = facts.addresses(&options.wan).map(|network| network.addr());
        let usable = uplink.filter(|address| match address {
            std::net::IpAddr::V4(address) => !address.is_link_local() && !address.is_loopback(),
            std::net::IpAddr::V6(address) => !address.is_unicast_link_local(),
        });
        let uplink = usable.map(|address| Endpoint {
            host: Host::Address(address),
            port: Some(options.wireguard_port),
        });
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for mut endpoint in config.cell.endpoint.clone().into_iter().chain(uplink) {
            endpoint.port.get_or_insert(options.wireguard_port);
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        endpoints.truncate(Claims::MAX_ENDPOINTS);
        endpoints
    }

    fn check_link(&self, claims: &Claims) -> Result<(), Problem> {
        let keys = Arc::clone(&self.desired.borrow().keys);
        let own_key = keys.interface.as_ref().map(|key| key.public_key());
        let (config, facts) = (self.config()?, self.facts());
        check_claims(&config, own_key, &facts, &vpn_interface(), claims)
    }

    /// Makes the link to the cell that is told this, together with what else is in the batch, with the writer's lock held.
    async fn put_link(
        &self,
        sync: KeptSync,
        event: AuditEvent,
        with: impl FnOnce(&mut Batch) -> Result<(), Problem> + Send,
    ) -> Result<(), Problem> {
        self.check_link(&sync.claims)?;
        let edit = edit::link::put(&*self.config()?, sync.claims.clone(), (self.clock)())?;
        self.keep_link(&edit, event, sync, with).await
    }

    /// Keeps what was changed of a link, as [`Self::put_link`].
    async fn keep_link(
        &self,
        edit: &Edit,
        event: AuditEvent,
        sync: KeptSync,
        with: impl FnOnce(&mut Batch) -> Result<(), Problem> + Send,
    ) -> Result<(), Problem> {
        let current = self.desired.borrow().clone();
        let config = current.config.clone();
        let config = config.ok_or_else(crate::authorise::setup_required)?;
        let now = (self.clock)();
        let waiting = self.confirmation().clone();
        if let Some(waiting) = waiting {
            drop(waiting.undone(&edit.config)?);
        }
        let changes = documents::changes(Some(&config), &edit.config);
        let changes = changes.map_err(|error| internal(&error))?;
        let mut batch = Batch::new(now, None, edit.summary.as_str());
        with(&mut batch)?;
        sync::put(&mut batch, &sync)?;
        let mut event = event.detail(edit.summary.as_str());
        event.object.clone_from(&edit.object);
        self.keep_with(batch, event, &current, edit, changes, None)
            .await?;
        self.take_over(sync);
        self.link_work.woken.notify_one();
        Ok(())
    }

    /// The invite as it was handed out, but for claims that are of now.
    fn offer_of(&self, invite: &KeptInvite, key: &SigningKey) -> Result<Offer, Problem> {
        Ok(Offer {
            id: invite.id,
            expires_at: invite.expires_at,
            claims: self.own_claims(key)?,
            secret: self.open_secret(&KeptInvite::secret(invite.id))?,
        })
    }

    /// The other cell's invite as it was imported, but for claims that are of its last word.
    fn imported(&self, import: &KeptImport) -> Result<Offer, Problem> {
        Ok(Offer {
            id: import.id,
            expires_at: import.expires_at,
            claims: import.claims.clone(),
            secret: self.open_secret(&KeptImport::secret(&import.claims.identity))?,
        })
    }
}

fn signing_key(document: &Secret<Vec<u8>>) -> Result<SigningKey, Problem> {
    SigningKey::from_pkcs8(document.expose()).map_err(|error| internal(&error))
}

fn nonce() -> Result<Secret<[u8; 32]>, Problem> {
    let bytes = cell_vault::random_bytes().map_err(|error| internal(&error))?;
    Ok(Secret::new(bytes))
}

fn view(claims: &Claims, state: LinkState, created_at: Timestamp) -> LinkView {
    LinkView {
        name: claims.name.clone(),
        domain: claims.domain.clone(),
        vpn_subnet: claims.vpn.subnet,
        vpn_subnet6: claims.vpn.subnet6,
        identity: claims.identity.clone(),
        endpoints: claims.endpoints.clone(),
        state,
        code: None,
        detail: None,
        acceptance: None,
        paused: false,
        services: Default::default(),
        offers_exit: false,
        told: false,
        theirs: None,
        held: None,
        last_handshake: None,
        last_contact: None,
        latency_ms: None,
        received_bytes: 0,
        sent_bytes: 0,
        created_at,
    }
}

/// Why an invite or a message is not taken.
fn refusal(error: &CellError) -> Problem {
    let detail = format!("Nothing was changed: {error}.");
    match error {
        CellError::Expired(_) => Problem::conflict("invite_over", "The invite is over", detail),
        CellError::Itself => Problem::conflict(
            "invite_own",
            "The invite is this cell's own",
            "Hand it to the owner of the other cell, who imports it there.",
        ),
        CellError::Secret | CellError::Nonce => Problem::new(
            403,
            "invite_secret",
            "The other cell does not prove that it has the invite",
            detail,
        ),
        _ => Problem::field("invite", error),
    }
}
