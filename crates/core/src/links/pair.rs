//! What another cell says that uses an invite of this one's, and the owner's word about the code.

use cell_audit::AuditEvent;
use cell_cells::{Answer, Ask, CellError, Inviting, Join, Message, Progress, Reveal};
use cell_control::action::Outcome;
use cell_control::caller::{Caller, now_since_boot};
use cell_control::link::LinkCode;
use cell_model::account::Identity;
use cell_model::name::CellName;
use cell_model::problem::Problem;
use cell_plan::lint::links::is_public;
use cell_store::Batch;
use serde_json::Value;
use uuid::Uuid;

use super::import::public_domain;
use super::invite::{about, put};
use super::{KeptInvite, Used, nonce, refusal};
use crate::set_up::internal;
use crate::sign_in::{nobody, source, too_often};
use crate::{Core, edit, submit};

/// So many wrong proofs end an invite: whoever sends them knows its id, and so has seen a part of it.
const MOST_WRONG_PROOFS: u32 = 5;
/// So many wrong codes.
const MOST_WRONG_CODES: u32 = 3;

impl Core {
    /// Answers another cell. Nothing is signed, and nothing kept, for who does not know the secret of an invite.
    pub(crate) async fn pair(&self, caller: &Caller, message: Value) -> Result<Outcome, Problem> {
        self.config()?;
        let address = source(caller);
        let throttle = || self.links_kept();
        let admitted = throttle()
            .throttle
            .admit(address, &nobody(), now_since_boot());
        admitted.map_err(|throttled| too_often(throttled.retry_after))?;
        let message: Message = serde_json::from_value(message)
            .map_err(|_| Problem::field("message", "is none that a cell says"))?;
        let event = AuditEvent::new("cell.pair").from(address);
        let answered = match message {
            Message::Join(join) => self.joins(&join).await.map(Box::new).map(Answer::Welcome),
            Message::Reveal { invite, reveal } => {
                let progress = self.reveals(invite, &reveal, event.clone()).await;
                progress.map(Answer::Progress)
            }
            Message::Ask(ask) => self.asks(&ask).map(Answer::Progress),
            Message::Sync(statement) => {
                let told = self.is_told_by(caller, &statement).await;
                told.map(Box::new).map(Answer::Synced)
            }
        };
        match answered {
            Ok(answer) => {
                throttle().throttle.was_no_guess(address, &nobody());
                let answer = serde_json::to_value(&answer).map_err(|error| internal(&error))?;
                Ok(Outcome::Paired(answer))
            }
            Err(problem) => {
                // Whoever has the invite, and cannot be linked as things are, has guessed nothing.
                if problem.status == 409 {
                    throttle().throttle.was_no_guess(address, &nobody());
                }
                Err(self.refuse(event, problem).await)
            }
        }
    }

    /// An invite that is good: nobody has used it, or who has is linked or waits for that. Who was, and is no more, needs another.
    pub(super) fn good_invite(&self, id: Uuid) -> Result<KeptInvite, Problem> {
        let invite = self.links_kept().invites.get(&id).cloned();
        let invite = invite.filter(|invite| invite.expires_at > (self.clock)());
        let invite = invite.ok_or_else(no_invite)?;
        match &invite.used {
            Some(used) if used.linked_at.is_some() && !self.is_linked(&used.claims.identity)? => {
                Err(no_invite())
            }
            _ => Ok(invite),
        }
    }

    async fn joins(&self, join: &Join) -> Result<cell_cells::Welcome, Problem> {
        let id = join.invite().map_err(|error| refusal(&error))?;
        let invite = self.good_invite(id)?;
        let key = self.identity()?;
        let (offer, claims) = (self.offer_of(&invite, &key)?, self.own_claims(&key)?);
        let answered = Inviting::answer(offer, join, claims, &key, nonce()?, (self.clock)());
        let (inviting, welcome) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                if matches!(error, CellError::Secret) {
                    self.counts_wrong_proof(id).await?;
                }
                return Err(refusal(&error));
            }
        };
        let joiner = inviting.joiner();
        if invite.is_of_another(&joiner.identity) {
            return Err(used_up());
        }
        if is_public(&joiner.domain) && !invite.allow_public_domain {
            let remedy = "have an invite made that allows it";
            return Err(public_domain(joiner, remedy));
        }
        self.check_link(joiner)?;
        self.links_kept().inviting.insert(id, inviting);
        Ok(welcome)
    }

    async fn reveals(
        &self,
        id: Uuid,
        reveal: &Reveal,
        event: AuditEvent,
    ) -> Result<Progress, Problem> {
        let inviting = self.links_kept().inviting.remove(&id);
        let inviting = inviting.ok_or_else(no_invite)?;
        let joined = match inviting.revealed(reveal) {
            Ok(joined) => joined,
            Err(error) => {
                self.counts_wrong_proof(id).await?;
                return Err(refusal(&error));
            }
        };
        let _writer = self.writer.lock().await;
        // It may have been used, or taken back, while the other cell made up its answer.
        let mut invite = self.good_invite(id)?;
        if invite.is_of_another(&joined.claims.identity) {
            return Err(used_up());
        }
        let used = invite.used.as_ref();
        let now = (self.clock)();
        let links = invite.auto_accept || used.is_some_and(|used| used.linked_at.is_some());
        invite.used = Some(Used {
            claims: joined.claims.clone(),
            code: joined.code.to_string(),
            at: now,
            linked_at: links.then_some(now),
        });
        if links {
            let sync = self.sync_of_new(&joined.claims);
            self.put_link(sync, event, |batch| put(batch, &invite))
                .await?;
        } else {
            self.check_link(&joined.claims)?;
            let mut batch = Batch::new(now, None, "Another cell has used an invite");
            put(&mut batch, &invite)?;
            let event = event.on(joined.claims.name.to_string());
            self.commit(batch, event).await?;
        }
        self.links_kept().invites.insert(id, invite);
        Ok(match links {
            true => Progress::Linked,
            false => Progress::AwaitingConfirmation,
        })
    }

    fn asks(&self, ask: &Ask) -> Result<Progress, Problem> {
        let invite = self.good_invite(ask.invite)?;
        let offer = self.offer_of(&invite, &self.identity()?)?;
        ask.check(&offer).map_err(|error| refusal(&error))?;
        if self.is_linked(&ask.joiner)? {
            return Ok(Progress::Linked);
        }
        let used = invite
            .used
            .filter(|used| used.claims.identity == ask.joiner);
        used.map(|_| Progress::AwaitingConfirmation)
            .ok_or_else(no_invite)
    }

    async fn counts_wrong_proof(&self, id: Uuid) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let mut invite = self.good_invite(id)?;
        invite.wrong_proofs += 1;
        let event = AuditEvent::new("cell.invite.guess");
        if invite.wrong_proofs >= MOST_WRONG_PROOFS {
            return self.end_invite(id, event).await;
        }
        self.keep_invite(invite, event).await
    }

    pub(super) async fn keep_invite(
        &self,
        invite: KeptInvite,
        event: AuditEvent,
    ) -> Result<(), Problem> {
        let mut batch = Batch::new((self.clock)(), None, "An invite was used, or tried");
        put(&mut batch, &invite)?;
        self.commit(batch, about(event, invite.id)).await?;
        self.links_kept().invites.insert(invite.id, invite);
        Ok(())
    }

    /// The owner has a linked cell be what it wants to be, though its domain is one of the internet's.
    pub(crate) async fn accept_link(
        &self,
        identity: &Identity,
        caller: &Caller,
        name: &CellName,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let config = self.config()?;
        let mut links = config.links.iter();
        let link = links.find(|link| link.claims.name == *name);
        let link = link.ok_or_else(|| edit::link::unknown(name))?;
        let event = submit::event("cell.link.accept", identity, caller);
        self.accept_change(link, event).await?;
        let link = self.link_of(&link.claims.identity)?;
        Ok(Outcome::CellLinked(Box::new(link)))
    }

    /// The owner has compared the code.
    pub(crate) async fn confirm_link(
        &self,
        identity: &Identity,
        caller: &Caller,
        name: &CellName,
        code: &LinkCode,
    ) -> Result<Outcome, Problem> {
        let code: cell_cells::Code = code
            .code
            .expose()
            .parse()
            .map_err(|error| Problem::field("code", error))?;
        let _writer = self.writer_for(identity, caller).await?;
        let now = (self.clock)();
        let waiting = {
            let kept = self.links_kept();
            let good = kept
                .invites
                .values()
                .filter(|invite| invite.expires_at > now);
            let mut waiting =
                good.filter_map(|invite| Some((invite.clone(), invite.waiting()?.clone())));
            waiting.find(|(_, used)| used.claims.name == *name)
        };
        let Some((mut invite, used)) = waiting else {
            return Err(self.nothing_to_confirm(name));
        };
        if used.code != code.to_string() {
            invite.wrong_codes += 1;
            let left = MOST_WRONG_CODES - invite.wrong_codes.min(MOST_WRONG_CODES);
            let event = submit::event("cell.link.confirm", identity, caller);
            let event = event.on(name.to_string());
            match left {
                0 => self.end_invite(invite.id, event).await?,
                _ => self.keep_invite(invite, event).await?,
            }
            return Err(wrong_code(name, left));
        }
        let identity_of = used.claims.identity.clone();
        invite.used = Some(Used {
            linked_at: Some(now),
            ..used.clone()
        });
        let event = submit::event("cell.link.confirm", identity, caller);
        let sync = self.sync_of_new(&used.claims);
        self.put_link(sync, event, |batch| put(batch, &invite))
            .await?;
        self.links_kept().invites.insert(invite.id, invite);
        Ok(Outcome::CellLinked(Box::new(self.link_of(&identity_of)?)))
    }

    fn nothing_to_confirm(&self, name: &CellName) -> Problem {
        let mut links = self
            .links_unseen()
            .map_or_else(|_| Vec::new(), |page| page.items)
            .into_iter();
        match links.find(|link| link.name == *name).ok_or(()) {
            Ok(_) => Problem::conflict(
                "not_confirmed_here",
                "There is nothing to confirm here",
                format!(
                    "The cell {name} is linked already, or has made the invite: then its owner confirms, there."
                ),
            ),
            Err(_) => edit::link::unknown(name),
        }
    }
}

fn no_invite() -> Problem {
    Problem::new(
        404,
        "no_invite",
        "There is no such invite",
        "It was used, taken back, or is over. Ask for a new one.",
    )
}

fn used_up() -> Problem {
    Problem::conflict(
        "invite_used",
        "Another cell has used the invite",
        "An invite is good for one cell. Ask for a new one; if nobody else was to have it, have the owner look who did.",
    )
}

fn wrong_code(name: &CellName, left: u32) -> Problem {
    let then = match left {
        0 => "The invite counts no more: make a new one.".to_owned(),
        1 => "One more try is left.".to_owned(),
        left => format!("{left} more tries are left."),
    };
    Problem::new(
        403,
        "wrong_code",
        "The code is another one",
        format!(
            "The cell {name} is not linked. If its owner reads you the code that their cell shows, and it differs from the \
             one here, somebody may be between you. {then}"
        ),
    )
}
