//! Invites for other cells: made, listed and taken back; and while one is good, other cells are listened to.

use std::sync::Arc;
use std::time::Duration;

use cell_audit::AuditEvent;
use cell_cells::{Credentials, Invite, Offer};
use cell_control::action::Outcome;
use cell_control::caller::Caller;
use cell_control::link::{LinkInviteForm, LinkInviteView, NewLinkInvite};
use cell_control::view::Page;
use cell_model::account::Identity;
use cell_model::problem::{Problem, chain};
use cell_plan::resolve::Pairing;
use cell_store::Batch;
use jiff::SignedDuration;
use uuid::Uuid;

use super::{INVITES, KeptInvite, nonce, signing_key};
use crate::set_up::internal;
use crate::{Core, submit};

/// How long an invite counts when nothing is said.
const USUAL_S: u32 = 24 * 60 * 60;
/// The least, in seconds, and the most.
const RANGE_S: std::ops::RangeInclusive<u32> = 60..=30 * 24 * 60 * 60;
/// The most at a time.
const MAX: usize = 16;
/// The certificate that other cells are shown is good for much longer.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Invites end by themselves.
const LOOK: Duration = Duration::from_secs(5);

impl Core {
    pub(crate) fn link_invites(&self) -> Page<LinkInviteView> {
        let now = (self.clock)();
        let kept = self.links_kept();
        let count = kept.invites.values().filter(|invite| {
            let is_done = invite
                .used
                .as_ref()
                .is_some_and(|used| used.linked_at.is_some());
            invite.expires_at > now && !is_done
        });
        let mut items: Vec<LinkInviteView> = count.map(view).collect();
        items.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Page { items, next: None }
    }

    pub(crate) async fn invite_cell(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: &LinkInviteForm,
    ) -> Result<Outcome, Problem> {
        let seconds = form.expires_in_s.unwrap_or(USUAL_S);
        if !RANGE_S.contains(&seconds) {
            let range = "must be 60 to 2592000 seconds, which are 30 days";
            return Err(Problem::field("expires_in_s", range));
        }
        let _writer = self.writer_for(identity, caller).await?;
        let now = (self.clock)();
        let over: Vec<Uuid> = {
            let kept = self.links_kept();
            let over = kept
                .invites
                .values()
                .filter(|invite| invite.listens_until() <= now);
            over.map(|invite| invite.id).collect()
        };
        if self.links_kept().invites.len() - over.len() >= MAX {
            return Err(Problem::conflict(
                "too_many",
                "There are too many invites for other cells",
                format!("A box has at most {MAX} at a time. Take one back that nobody needs."),
            ));
        }
        let key = signing_key(&self.identity_document().await?)?;
        let invite = KeptInvite {
            id: Uuid::new_v4(),
            created_by: identity.username.clone(),
            created_at: now,
            expires_at: now + SignedDuration::from_secs(seconds.into()),
            auto_accept: form.auto_accept,
            allow_public_domain: form.allow_public_domain,
            wrong_proofs: 0,
            wrong_codes: 0,
            used: None,
            accepted: None,
        };
        let offer = Offer {
            id: invite.id,
            expires_at: invite.expires_at,
            claims: self.own_claims(&key)?,
            secret: nonce()?,
        };
        let sealed = Invite::seal(&offer, &key).map_err(|error| internal(&error))?;
        let text = serde_json::to_value(&sealed).and_then(serde_json::from_value);
        let text = text.map_err(|error| internal(&error))?;
        let by = Some(identity.username.clone());
        let mut batch = Batch::new(now, by, "Invited another cell");
        for id in &over {
            remove(&mut batch, *id);
        }
        self.put_secret(
            &mut batch,
            &KeptInvite::secret(invite.id),
            offer.secret.expose(),
        )?;
        put(&mut batch, &invite)?;
        let event = submit::event("cell.invite.add", identity, caller).on(invite.id.to_string());
        self.commit(batch, event).await?;
        let view = view(&invite);
        {
            let mut kept = self.links_kept();
            over.iter().for_each(|id| drop(kept.invites.remove(id)));
            kept.invites.insert(invite.id, invite);
        }
        self.link_work.woken.notify_one();
        Ok(Outcome::CellInvited(Box::new(NewLinkInvite {
            invite: text,
            view,
        })))
    }

    pub(crate) async fn revoke_cell_invite(
        &self,
        identity: &Identity,
        caller: &Caller,
        id: &str,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let id: Option<Uuid> = id.parse().ok();
        let known = id.filter(|id| self.links_kept().invites.contains_key(id));
        let id = known.ok_or_else(|| Problem::not_found("invite with this id"))?;
        self.end_invite(id, submit::event("cell.invite.remove", identity, caller))
            .await?;
        Ok(Outcome::Done)
    }

    /// An invite counts no more, at once and whatever the disk says. With the writer's lock held.
    pub(super) async fn end_invite(&self, id: Uuid, event: AuditEvent) -> Result<(), Problem> {
        {
            let mut kept = self.links_kept();
            kept.invites.remove(&id);
            kept.inviting.remove(&id);
        }
        let mut batch = Batch::new((self.clock)(), None, "An invite for another cell ended");
        batch.urgent();
        remove(&mut batch, id);
        let ended = self.commit(batch, about(event, id)).await;
        self.link_work.woken.notify_one();
        ended.map(drop)
    }

    /// Keeps to whom there is to listen to.
    pub(super) fn keep_listening(self: &Arc<Self>) {
        let (core, work) = (Arc::downgrade(self), Arc::clone(&self.link_work));
        let mut desired = self.desired.subscribe();
        tokio::spawn(async move {
            while let Some(core) = core.upgrade() {
                if let Err(problem) = core.settle_listening().await {
                    tracing::warn!(%problem, "whether other cells are listened to could not be settled");
                }
                // Who waits keeps nobody from ending.
                drop(core);
                tokio::select! {
                    () = work.woken.notified() => {}
                    changed = desired.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        });
    }

    /// Other cells are listened to while there is one that is linked, or one could come with an invite.
    async fn settle_listening(&self) -> Result<(), Problem> {
        let now = (self.clock)();
        let present = self.desired.borrow().clone();
        let (listening, stale) = {
            let config = present.config.as_ref();
            let linked = config.is_some_and(|config| !config.links.is_empty());
            let kept = self.links_kept();
            let mut all = kept.invites.values();
            let invites = all.any(|invite| invite.listens_until() > now);
            let others = kept.others(config.map_or(&[], |config| &*config.links), now);
            let listening = linked || invites || !others.is_empty();
            let listening = listening.then_some((invites, others));
            let listens = present.pairing.as_ref();
            let listens = listens.map(|pairing| (pairing.invites, pairing.others.clone()));
            let stale = kept
                .issued_at
                .is_none_or(|at| now >= at + RENEWED_AFTER || now < at);
            if listens == listening && !(stale && listening.is_some()) {
                return Ok(());
            }
            (listening, stale)
        };
        let _writer = self.writer.lock().await;
        let present = self.desired.borrow().pairing.clone();
        let pairing = match listening {
            Some((invites, others)) => {
                let document = self.identity_document().await?;
                let identity = signing_key(&document)?.public().into();
                let (chain_der, key_der) = match present.filter(|_| !stale) {
                    Some(known) => (known.chain_der.clone(), known.key_der.clone()),
                    None => {
                        let made = Credentials::issue(&document, now);
                        let made = made.map_err(|error| internal(&error))?;
                        self.links_kept().issued_at = Some(now);
                        (made.chain_der, made.key_der)
                    }
                };
                Some(Arc::new(Pairing {
                    identity,
                    chain_der,
                    key_der,
                    invites,
                    others,
                }))
            }
            None => None,
        };
        self.desired
            .send_modify(|desired| desired.pairing = pairing);
        Ok(())
    }
}

pub(super) fn put(batch: &mut Batch, invite: &KeptInvite) -> Result<(), Problem> {
    let put = batch.put(INVITES, invite.id.to_string(), invite);
    put.map(drop).map_err(|error| {
        tracing::error!(error = %chain(&error), "an invite cannot be written");
        Problem::internal()
    })
}

/// What is recorded of an invite: with the cell that it is about where that is known, otherwise under its id.
pub(super) fn about(event: AuditEvent, id: Uuid) -> AuditEvent {
    match event.object {
        Some(_) => event.detail(format!("invite {id}")),
        None => event.on(id.to_string()),
    }
}

fn remove(batch: &mut Batch, id: Uuid) {
    batch.remove(INVITES, id.to_string());
    batch.remove_secret(KeptInvite::secret(id));
}

fn view(invite: &KeptInvite) -> LinkInviteView {
    LinkInviteView {
        id: invite.id.to_string(),
        created_by: invite.created_by.clone(),
        created_at: invite.created_at,
        expires_at: invite.expires_at,
        auto_accept: invite.auto_accept,
        used_by: invite.used.as_ref().map(|used| used.claims.name.clone()),
    }
}
