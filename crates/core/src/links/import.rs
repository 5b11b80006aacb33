//! Invites of other cells: taken, and given up.

use cell_audit::AuditEvent;
use cell_cells::{Acceptance, Invite, Offer};
use cell_control::action::Outcome;
use cell_control::caller::Caller;
use cell_control::link::{InviteText, LinkForm};
use cell_model::account::Identity;
use cell_model::config::Claims;
use cell_model::name::CellName;
use cell_model::problem::Problem;
use cell_model::signer::SignerKey;
use cell_plan::lint::links::is_public;
use cell_store::Batch;
use jiff::SignedDuration;
use serde::de::DeserializeOwned;

use super::{IMPORTS, KeptImport, refusal, signing_key, sync};
use crate::set_up::internal;
use crate::{Core, edit, submit};

/// The most at a time.
const MAX: usize = 16;
/// So long, at most, a cell is tried that has invited, whatever it says of its invite's end.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Core {
    pub(crate) async fn link_cell(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: &LinkForm,
    ) -> Result<Outcome, Problem> {
        if form.invite.document.payload_type == Acceptance::PAYLOAD_TYPE {
            return self.take_acceptance(identity, caller, &form.invite).await;
        }
        let now = (self.clock)();
        let invite: Invite = read(&form.invite)?;
        let offer = invite.open(now).map_err(|error| refusal(&error))?;
        let other = offer.claims.identity.clone();
        let known = self.links_kept().imports.get(&other).cloned();
        let known = known.filter(|known| known.id == offer.id);
        // Of one that has led to a link which was ended since, nothing is left to take up.
        let goes_on = match known {
            Some(known) => !known.linked || self.is_linked(&other)?,
            None => false,
        };
        if !goes_on {
            self.keep_import(identity, caller, &offer, form).await?;
        }
        self.advance(&other).await?;
        Ok(Outcome::CellLinked(Box::new(self.link_of(&other)?)))
    }

    async fn keep_import(
        &self,
        identity: &Identity,
        caller: &Caller,
        offer: &Offer,
        form: &LinkForm,
    ) -> Result<(), Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let own = signing_key(&self.identity_document().await?)?;
        if SignerKey::from(own.public()) == offer.claims.identity {
            return Err(refusal(&cell_cells::CellError::Itself));
        }
        check_public(&offer.claims, form.allow_public_domain)?;
        self.check_link(&offer.claims)?;
        let now = (self.clock)();
        let imports = self.links_kept().imports.clone();
        let good = imports.values().filter(|import| import.expires_at > now);
        if good.count() >= MAX {
            return Err(Problem::conflict(
                "too_many",
                "There are too many cells that are not linked yet",
                format!("A box tries at most {MAX} at a time. Give one up that comes to nothing."),
            ));
        }
        let known = imports.get(&offer.claims.identity);
        let import = KeptImport {
            id: offer.id,
            created_by: identity.username.clone(),
            created_at: now,
            expires_at: offer.expires_at.min(now + LONGEST),
            claims: offer.claims.clone(),
            allow_public_domain: form.allow_public_domain,
            code: None,
            was_answered: known.is_some_and(KeptImport::may_be_linked_there),
            linked: false,
            inside: known.is_some_and(|known| known.inside),
            detail: None,
        };
        let by = Some(identity.username.clone());
        let mut batch = Batch::new(now, by, "Imported an invite of another cell");
        let secret = KeptImport::secret(&offer.claims.identity);
        self.put_secret(&mut batch, &secret, offer.secret.expose())?;
        put(&mut batch, &import)?;
        let event = submit::event("cell.link.add", identity, caller);
        self.commit(batch, event.on(import.claims.name.to_string()))
            .await?;
        let other = import.claims.identity.clone();
        self.links_kept().imports.insert(other, import);
        Ok(())
    }

    /// Gives up a link that is not there yet, of whichever side.
    pub(crate) async fn drop_link(
        &self,
        identity: &Identity,
        caller: &Caller,
        name: &CellName,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let event = submit::event("cell.link.drop", identity, caller);
        let (invites, import) = {
            let kept = self.links_kept();
            let invites = kept.invites.values();
            let invites = invites.filter(|invite| {
                let waiting = invite.waiting().map(|used| &used.claims);
                let mut of = waiting.into_iter().chain(invite.expected());
                of.any(|claims| claims.name == *name)
            });
            let mut imports = kept.imports.values().filter(|import| !import.linked);
            let import = imports.find(|import| import.claims.name == *name);
            let import = import.map(|import| import.claims.identity.clone());
            let invites: Vec<_> = invites.map(|invite| invite.id).collect();
            (invites, import)
        };
        if invites.is_empty() && import.is_none() {
            return Err(edit::link::unknown(name));
        }
        let event = event.on(name.to_string());
        for id in invites {
            self.end_invite(id, event.clone()).await?;
        }
        if let Some(other) = import {
            self.forget_import(&other, event).await?;
        }
        Ok(Outcome::Done)
    }

    /// With the writer's lock held.
    pub(super) async fn forget_import(
        &self,
        other: &SignerKey,
        event: AuditEvent,
    ) -> Result<(), Problem> {
        let mut batch = Batch::new((self.clock)(), None, "Gave up a link with another cell");
        remove(&mut batch, other);
        let import = self.links_kept().imports.get(other).cloned();
        let event = match &import {
            Some(import) => event.on(import.claims.name.to_string()),
            None => event,
        };
        // From the last message on, the other cell may have this one as a link.
        let linked_there = import.filter(KeptImport::may_be_linked_there);
        let sync = linked_there.map(|import| self.sync_of_former(&import.claims));
        if let Some(sync) = &sync {
            sync::put(&mut batch, sync)?;
        }
        self.commit(batch, event).await?;
        self.links_kept().imports.remove(other);
        sync.into_iter().for_each(|sync| self.take_over(sync));
        Ok(())
    }
}

/// What another owner has handed over.
pub(super) fn read<T: DeserializeOwned>(text: &InviteText) -> Result<T, Problem> {
    let text = serde_json::to_value(text).and_then(serde_json::from_value);
    text.map_err(|_| {
        Problem::field(
            "invite",
            "must be an invite or an acceptance, as the other cell has made it",
        )
    })
}

/// A domain of the internet's needs the owner's word: from then on, the other cell answers for it.
pub(super) fn check_public(claims: &Claims, is_allowed: bool) -> Result<(), Problem> {
    if is_allowed || !is_public(&claims.domain) {
        return Ok(());
    }
    let remedy = "import the invite again and allow it";
    Err(public_domain(claims, remedy))
}

/// Names in a domain of the internet's would be asked of another cell.
pub(super) fn public_domain(claims: &Claims, remedy: &str) -> Problem {
    Problem::conflict(
        "link_domain_public",
        "The other cell has a domain of the internet's",
        format!(
            "Names in {} would be asked of the cell {} alone, whoever has that domain on the internet. If it belongs to its \
             owner, {remedy}.",
            claims.domain, claims.name
        ),
    )
}

pub(super) fn put(batch: &mut Batch, import: &KeptImport) -> Result<(), Problem> {
    let key = import.claims.identity.to_string();
    let put = batch.put(IMPORTS, key, import);
    put.map(drop).map_err(|error| internal(&error))
}

fn remove(batch: &mut Batch, identity: &SignerKey) {
    batch.remove(IMPORTS, identity.to_string());
    batch.remove_secret(KeptImport::secret(identity));
}
