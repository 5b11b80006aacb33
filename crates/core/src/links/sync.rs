//! What linked cells tell each other: how this one stands to each, and what follows from what it hears.
//!
//! What was said and heard is kept, so that neither a restart nor a day without contact loses a change. A cell that wants to
//! be what would clash with this one is held: the link stays as it was until nothing is in the way any more. One that is
//! linked no more is kept until it knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_audit::AuditEvent;
use cell_cells::{CellError, Said, Statement, Synced, Terms, Word};
use cell_control::caller::Caller;
use cell_control::link::{HeldView, LinkView, TheirTerms};
use cell_model::Timestamp;
use cell_model::config::{Claims, Config, LinkConfig};
use cell_model::problem::Problem;
use cell_model::signer::SignerKey;
use cell_plan::lint::links::is_public;
use cell_signed::SigningKey;
use cell_store::{Batch, Tree};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::import::public_domain;
use super::{KeptInvite, Links, refusal};
use crate::set_up::internal;
use crate::sign_in::source;
use crate::{Core, edit};

/// What was said to other cells and heard of them, by whose word it is.
const SYNCS: Tree = Tree::new("link_syncs");
/// So long, a cell that is linked no more is told.
const TELL_FORMER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So long, one that knows is still spoken with: it says the same, and has to hear that this one knows, too.
const LINGER: SignedDuration = SignedDuration::from_secs(20);
/// So long, what a cell had said before the link ended is remembered: whatever is repeated of it later is old.
const REMEMBER: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Told that what it said is old, a cell counts on from there: it has lost what it had counted, or its clock went back.
const LEAP: u64 = 24 * 60 * 60 * 1_000;

/// What this cell and another have told each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptSync {
    /// The other one, as it was linked last.
    pub(super) claims: Claims,
    /// What this one says.
    pub(super) said: Option<Said>,
    /// The counter of what the other one has taken of that; 0: nothing yet.
    taken: u64,
    /// Why it keeps to what this one was before.
    pub(super) obstacle: Option<String>,
    /// What it says.
    heard: Option<Said>,
    /// Since when it is linked no more.
    ended_at: Option<Timestamp>,
    /// Since when it knows that.
    over_at: Option<Timestamp>,
}

impl KeptSync {
    pub(super) fn new(claims: Claims) -> Self {
        Self {
            claims,
            said: None,
            taken: 0,
            obstacle: None,
            heard: None,
            ended_at: None,
            over_at: None,
        }
    }

    /// Linked, or linked again: what was said before counts no more, but as what is old.
    fn linked(&mut self, claims: Claims) {
        self.claims = claims;
        if self.ended_at.take().is_some() {
            if let Some(heard) = &mut self.heard {
                heard.word = Word::Ended;
            }
            // Should it end again, that is another end.
            if let Some(said) = &mut self.said {
                said.counter = said.counter.saturating_add(1);
            }
            self.taken = 0;
            self.obstacle = None;
            self.over_at = None;
        }
    }

    fn end(&mut self, now: Timestamp) {
        self.ended_at.get_or_insert(now);
        self.obstacle = None;
    }

    /// What it said of a link that it has.
    fn theirs(&self) -> Option<&Terms> {
        match &self.heard.as_ref()?.word {
            Word::Linked(terms) if self.ended_at.is_none() => Some(terms),
            Word::Linked(_) | Word::Ended => None,
        }
    }

    /// Whether it still has to learn that it is linked no more.
    fn is_owed_an_end(&self, now: Timestamp) -> bool {
        let ended_at = self.ended_at.filter(|_| self.over_at.is_none());
        ended_at.is_some_and(|ended_at| now < ended_at + TELL_FORMER)
    }

    /// Whether it is spoken with though it is linked no more.
    fn is_former(&self, now: Timestamp) -> bool {
        let lingers = |over_at| now < over_at + LINGER;
        self.is_owed_an_end(now) || self.over_at.is_some_and(lingers)
    }

    /// Whether it has taken what this cell says now.
    pub(super) fn is_told(&self) -> bool {
        let said = self.said.as_ref();
        said.is_some_and(|said| said.counter == self.taken)
    }
}

impl Links {
    /// Cells that are spoken with and not linked, but for those that are on the way there by another way than the tunnel.
    pub(super) fn others(&self, links: &[Arc<LinkConfig>], now: Timestamp) -> Vec<Claims> {
        let former = self.syncs.values().filter(|sync| sync.is_former(now));
        let former = former.map(|sync| &sync.claims);
        let invites = self.invites.values();
        let invites = invites.filter(|invite| invite.expires_at > now);
        let imports = self.imports.values().filter(|import| {
            let is_good = !import.linked && import.expires_at > now;
            is_good && import.inside
        });
        let others = former
            .chain(invites.filter_map(KeptInvite::expected))
            .chain(imports.map(|import| &import.claims));
        let mut others: BTreeMap<_, _> = others
            .map(|claims| (claims.identity.clone(), claims.clone()))
            .collect();
        others.retain(|identity, _| links.iter().all(|link| link.claims.identity != *identity));
        others.into_values().collect()
    }
}

impl Core {
    /// What another cell says. It has to come from where only that cell can be.
    pub(super) async fn is_told_by(
        &self,
        caller: &Caller,
        statement: &Statement,
    ) -> Result<Synced, Problem> {
        let key = self.identity()?;
        let opened = statement.open(&key.public().into());
        let (other, said) = opened.map_err(|error| unbelieved(&error))?;
        if source(caller) != other.link_address() || !self.is_spoken_with(&other) {
            return Err(no_link());
        }
        let obstacle = self.hears(&other, said, None).await?;
        self.note_heard(&other);
        let said = self.settle_said(&other, &key).await?;
        let statement = Statement::seal(said, other, &key).map_err(|error| internal(&error))?;
        Ok(Synced {
            statement,
            obstacle,
        })
    }

    fn is_spoken_with(&self, other: &SignerKey) -> bool {
        self.links_kept().syncs.contains_key(other)
    }

    /// What another cell has answered that was told what `said` is.
    pub(super) async fn answered(
        &self,
        other: &SignerKey,
        said: &Said,
        synced: &Synced,
        key: &SigningKey,
    ) -> Result<(), Problem> {
        let opened = synced.statement.open(&key.public().into());
        let (signer, theirs) = opened.map_err(|error| unbelieved(&error))?;
        if signer != *other {
            return Err(unbelieved(&CellError::OtherCell));
        }
        self.note_taken(other, said, synced.obstacle.clone())
            .await?;
        self.hears(other, theirs, Some(said)).await.map(drop)
    }

    /// How this cell stands to the other by now, with a counter that is a new one if that is new.
    pub(super) async fn settle_said(
        &self,
        other: &SignerKey,
        key: &SigningKey,
    ) -> Result<Said, Problem> {
        let _writer = self.writer.lock().await;
        let config = self.config()?;
        let word = match linked(&config, other) {
            Some(link) => Word::Linked(Box::new(Terms {
                claims: self.own_claims(key)?,
                services: link.services.clone(),
                paused: link.paused,
                offers_exit: link.offers_exit,
            })),
            None => Word::Ended,
        };
        let mut sync = self.sync_with(other)?;
        if let Some(said) = sync.said.as_ref().filter(|said| said.word == word) {
            return Ok(said.clone());
        }
        let last = sync.said.as_ref().map_or(0, |said| said.counter);
        let said = Said {
            counter: self.next_counter(last),
            word,
        };
        sync.said = Some(said.clone());
        self.keep_sync(sync).await?;
        Ok(said)
    }

    /// By the clock, so that whoever has lost what was counted is not taken to be repeating something; and always more.
    fn next_counter(&self, last: u64) -> u64 {
        let now = (self.clock)().as_millisecond();
        u64::try_from(now)
            .unwrap_or_default()
            .max(last.saturating_add(1))
    }

    /// The other cell has heard something newer of this one.
    pub(super) async fn count_on(&self, other: &SignerKey) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let mut sync = self.sync_with(other)?;
        if let Some(said) = &mut sync.said {
            said.counter = self.next_counter(said.counter.saturating_add(LEAP));
        }
        self.keep_sync(sync).await
    }

    async fn note_taken(
        &self,
        other: &SignerKey,
        said: &Said,
        obstacle: Option<String>,
    ) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let mut sync = self.sync_with(other)?;
        if sync.said.as_ref() != Some(said)
            || (sync.taken, &sync.obstacle) == (said.counter, &obstacle)
        {
            return Ok(());
        }
        sync.taken = said.counter;
        sync.over_at = (said.word == Word::Ended).then(|| (self.clock)());
        sync.obstacle = obstacle;
        self.keep_sync(sync).await
    }

    /// Does as another cell says, perhaps in answer to this one, but for what would clash: why, if so.
    async fn hears(
        &self,
        other: &SignerKey,
        said: Said,
        in_answer_to: Option<&Said>,
    ) -> Result<Option<String>, Problem> {
        let _writer = self.writer.lock().await;
        let mut sync = self.sync_with(other)?;
        // What was answered to an older word may be that a link before this one is over.
        if in_answer_to.is_some() && in_answer_to != sync.said.as_ref() {
            return Ok(None);
        }
        if let Some(known) = &sync.heard {
            let is_same = said == *known;
            if said.counter < known.counter || (said.counter == known.counter && !is_same) {
                return Err(old());
            }
        }
        let is_new = sync.heard.as_ref() != Some(&said);
        let config = self.config()?;
        let link = linked(&config, other);
        // That it is over was said of a link before this one.
        if link.is_some() && !is_new && said.word == Word::Ended {
            return Err(old());
        }
        let word = said.word.clone();
        sync.heard = Some(said);
        match (link, word) {
            (Some(link), Word::Ended) => {
                sync.end((self.clock)());
                let edit = edit::link::remove(&config, &link.claims.name)?;
                let event = AuditEvent::new("cell.link.end");
                self.keep_link(&edit, event, sync, |_| Ok(())).await?;
                Ok(None)
            }
            (Some(link), Word::Linked(terms)) if link.claims != terms.claims => {
                self.heal(sync, link, &terms.claims, is_new).await
            }
            (_, Word::Linked(_) | Word::Ended) => {
                if is_new {
                    self.keep_sync(sync).await?;
                }
                Ok(None)
            }
        }
    }

    /// A linked cell is something else by now: so is the link, unless something is in the way.
    async fn heal(
        &self,
        sync: KeptSync,
        link: &LinkConfig,
        claims: &Claims,
        is_new: bool,
    ) -> Result<Option<String>, Problem> {
        let event = AuditEvent::new("cell.link.heal");
        let healthy = KeptSync {
            claims: claims.clone(),
            ..sync.clone()
        };
        let healed = match self.check_change(link, claims) {
            Ok(()) => self.put_link(healthy, event, |_| Ok(())).await,
            Err(problem) => Err(problem),
        };
        match healed {
            Ok(()) => Ok(None),
            Err(problem) if problem.status == 409 => {
                if is_new {
                    self.keep_sync(sync).await?;
                }
                Ok(Some(problem.detail))
            }
            Err(problem) => Err(problem),
        }
    }

    /// Whether a linked cell may be this from now on.
    fn check_change(&self, link: &LinkConfig, claims: &Claims) -> Result<(), Problem> {
        if claims.domain != link.claims.domain && is_public(&claims.domain) {
            let remedy = "the owner here can allow it; until then, the link stays as it was";
            return Err(public_domain(claims, remedy));
        }
        self.check_link(claims)
    }

    /// Tries once more what was held, now that this cell is another.
    pub(super) async fn heal_again(&self, other: &SignerKey) -> Result<(), Problem> {
        // Something newer may be heard at this moment.
        let _writer = self.writer.lock().await;
        let sync = self.sync_with(other)?;
        let config = self.config()?;
        let held = sync.theirs().map(|terms| terms.claims.clone());
        match (linked(&config, other), held) {
            (Some(link), Some(claims)) if link.claims != claims => {
                self.heal(sync, link, &claims, false).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The owner takes over what a linked cell is now, though its domain is one of the internet's.
    pub(super) async fn accept_change(
        &self,
        link: &LinkConfig,
        event: AuditEvent,
    ) -> Result<(), Problem> {
        let mut sync = self.sync_with(&link.claims.identity)?;
        let held = sync.theirs().map(|terms| terms.claims.clone());
        let held = held.filter(|held| *held != link.claims);
        let Some(claims) = held else {
            return Err(Problem::conflict(
                "nothing_held",
                "There is nothing to take over",
                format!("The cell {} is what it says that it is.", link.claims.name),
            ));
        };
        sync.claims = claims;
        self.put_link(sync, event, |_| Ok(())).await
    }

    /// Notes who is linked by now and who is no more; what is too old to be of use is forgotten.
    pub(super) async fn settle_syncs(&self) -> Result<(), Problem> {
        let now = (self.clock)();
        let config = self.config()?;
        let is_settled = |links: &Links| {
            let all = config.links.iter().all(|link| {
                let sync = links.syncs.get(&link.claims.identity);
                sync.is_some_and(|sync| sync.ended_at.is_none())
            });
            let mut syncs = links.syncs.iter();
            all && syncs.all(|(other, sync)| match sync.ended_at {
                None => linked(&config, other).is_some(),
                Some(ended_at) => now < ended_at + REMEMBER,
            })
        };
        if is_settled(&self.links_kept()) {
            return Ok(());
        }
        let _writer = self.writer.lock().await;
        let config = self.config()?;
        let mut batch = Batch::new(now, None, "Settled what other cells are told");
        let mut syncs = self.links_kept().syncs.clone();
        for link in &config.links {
            let claims = link.claims.clone();
            let sync = syncs.entry(claims.identity.clone());
            let sync = sync.or_insert_with(|| KeptSync::new(claims.clone()));
            sync.linked(claims);
        }
        syncs.retain(|_, sync| {
            sync.ended_at
                .is_none_or(|ended_at| now < ended_at + REMEMBER)
        });
        for (other, sync) in &mut syncs {
            if linked(&config, other).is_none() {
                sync.end(now);
            }
            put(&mut batch, sync)?;
        }
        let known = self.links_kept().syncs.clone();
        for other in known.keys().filter(|other| !syncs.contains_key(*other)) {
            batch.remove(SYNCS, other.to_string());
        }
        self.commit(batch, AuditEvent::new("cell.link.settle"))
            .await?;
        self.links_kept().syncs = syncs;
        Ok(())
    }

    /// What is told to a cell with which a link is made, for the batch that makes it; see [`Self::take_over`].
    pub(super) fn sync_of_new(&self, claims: &Claims) -> KeptSync {
        let known = self.links_kept().syncs.get(&claims.identity).cloned();
        let mut sync = known.unwrap_or_else(|| KeptSync::new(claims.clone()));
        sync.linked(claims.clone());
        sync
    }

    /// A cell that may have this one as a link, though it is none here.
    pub(super) fn sync_of_former(&self, claims: &Claims) -> KeptSync {
        let mut sync = self.sync_of_new(claims);
        sync.end((self.clock)());
        sync
    }

    /// What is on disk is so from now on.
    pub(super) fn take_over(&self, sync: KeptSync) {
        let other = sync.claims.identity.clone();
        self.links_kept().syncs.insert(other, sync);
    }

    fn sync_with(&self, other: &SignerKey) -> Result<KeptSync, Problem> {
        let known = self.links_kept().syncs.get(other).cloned();
        known.ok_or_else(no_link)
    }

    /// With the writer's lock held.
    async fn keep_sync(&self, sync: KeptSync) -> Result<(), Problem> {
        let mut batch = Batch::new((self.clock)(), None, "Told another cell, or was told");
        put(&mut batch, &sync)?;
        let event = AuditEvent::new("cell.link.sync").on(sync.claims.name.to_string());
        self.commit(batch, event).await?;
        self.take_over(sync);
        Ok(())
    }

    /// Other cells that have to be told something, linked or not.
    pub(super) fn listeners(&self) -> Vec<SignerKey> {
        let now = (self.clock)();
        let kept = self.links_kept();
        let count = kept.syncs.values();
        let count = count.filter(|sync| sync.ended_at.is_none() || sync.is_owed_an_end(now));
        count.map(|sync| sync.claims.identity.clone()).collect()
    }

    /// What another cell has told, and what is held of that.
    pub(super) fn show_sync(&self, links: &Links, link: &LinkConfig, view: &mut LinkView) {
        let Some(sync) = links.syncs.get(&link.claims.identity) else {
            return;
        };
        view.told = sync.is_told();
        view.detail.clone_from(&sync.obstacle);
        let Some(terms) = sync.theirs() else { return };
        view.theirs = Some(TheirTerms {
            services: terms.services.clone(),
            paused: terms.paused,
            offers_exit: terms.offers_exit,
        });
        if terms.claims != link.claims {
            let refused = self.check_change(link, &terms.claims).err();
            view.held = Some(HeldView {
                name: terms.claims.name.clone(),
                domain: terms.claims.domain.clone(),
                vpn_subnet: terms.claims.vpn.subnet,
                vpn_subnet6: terms.claims.vpn.subnet6,
                // Only that the owner has not said so: all else is checked as well.
                acceptable: refused.is_some() && self.check_link(&terms.claims).is_ok(),
                detail: refused.map_or_else(
                    || "Nothing is in its way any more.".to_owned(),
                    |problem| problem.detail,
                ),
            });
        }
    }
}

pub(super) fn put(batch: &mut Batch, sync: &KeptSync) -> Result<(), Problem> {
    let put = batch.put(SYNCS, sync.claims.identity.to_string(), sync);
    put.map(drop).map_err(|error| internal(&error))
}

/// All that are kept.
pub(super) fn load(
    store: &cell_store::Store,
) -> Result<BTreeMap<SignerKey, KeptSync>, cell_store::StoreError> {
    let syncs = store.records::<KeptSync>(SYNCS).scan()?.into_iter();
    let syncs = syncs.map(|(_, sync)| (sync.claims.identity.clone(), sync));
    Ok(syncs.collect())
}

fn linked<'a>(config: &'a Config, other: &SignerKey) -> Option<&'a LinkConfig> {
    let mut links = config.links.iter();
    let link = links.find(|link| link.claims.identity == *other);
    link.map(AsRef::as_ref)
}

fn unbelieved(error: &CellError) -> Problem {
    match error {
        CellError::Signature(_) | CellError::OtherCell => Problem::new(
            403,
            "not_that_cell",
            "This is not the cell that it says it is",
            format!("Nothing was changed: {error}."),
        ),
        _ => refusal(error),
    }
}

/// Whoever asks does not learn who is linked.
fn no_link() -> Problem {
    Problem::new(
        403,
        "no_link",
        "There is no such link",
        "Only linked cells are listened to here, each by its own tunnel. Nothing was changed.",
    )
}

fn old() -> Problem {
    Problem::conflict(
        "sync_old",
        "Something newer was heard of the cell",
        "What it says now it had said before, or counts wrongly. Nothing was changed.",
    )
}
