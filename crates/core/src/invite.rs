//! Invites: made, taken back, and accepted by whoever holds the code.

use cell_audit::AuditEvent;
use cell_auth::{AccessLimit, Account, Invite};
use cell_control::action::Outcome;
use cell_control::caller::{Caller, now_since_boot};
use cell_control::invite::{AcceptedInvite, InviteForm, InviteView, InvitedView, NewInvite};
use cell_control::view::Page;
use cell_model::account::{Identity, Role};
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_store::Batch;
use jiff::SignedDuration;

use crate::authorise::LOCAL_NAME;
use crate::people::{ACCESS_LIMITS, ACCOUNTS, INVITES, People};
use crate::set_up::internal;
use crate::sign_in::{nobody, source, too_often};
use crate::{Core, submit};

/// How long an invite counts when nothing is said: a weekend lies within.
const USUAL_S: u32 = 7 * 24 * 60 * 60;
/// The least, in seconds, and the most: what lies about for longer is forgotten, and found by somebody else.
const RANGE_S: std::ops::RangeInclusive<u32> = 60..=30 * 24 * 60 * 60;

impl Core {
    pub(crate) fn invites(&self) -> Page<InviteView> {
        let now = (self.clock)();
        let people = self.people();
        let counts = people
            .invites
            .values()
            .filter(|invite| !invite.is_over(now));
        let mut items: Vec<InviteView> = counts.map(view).collect();
        items.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Page { items, next: None }
    }

    /// What a code invites to. Nothing is counted: nobody guesses 130 bits.
    pub(crate) fn invited(&self, code: &str) -> Result<InvitedView, Problem> {
        let cell_name = self.config()?.cell.name.clone();
        let invite = self.invite_of(&self.people(), code)?;
        Ok(InvitedView {
            cell_name,
            username: invite.username,
            role: invite.role,
            access_until: invite.access_until,
            invited_by: invite.invited_by,
        })
    }

    pub(crate) async fn invite(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: InviteForm,
    ) -> Result<Outcome, Problem> {
        if !may_invite(identity.role, form.role) {
            return Err(members_only());
        }
        if form.username.is_kept_for_the_console() {
            return Err(Problem::field("username", "is kept for the console"));
        }
        let seconds = form.expires_in_s.unwrap_or(USUAL_S);
        if !RANGE_S.contains(&seconds) {
            let range = "must be 60 to 2592000 seconds, which are 30 days";
            return Err(Problem::field("expires_in_s", range));
        }
        let now = (self.clock)();
        self.check_access_until(form.role, form.access_until)?;
        let _writer = self.writer_for(identity, caller).await?;
        self.refuse_alias(&form.username)?;
        self.check_departed(&form.username)?;
        let dropped = {
            let people = self.people();
            if people.accounts.contains_key(&form.username) {
                return Err(taken(&form.username));
            }
            // Another for the same name takes its place.
            let dropped = people.invites.values();
            let dropped =
                dropped.filter(|other| other.is_over(now) || other.username == form.username);
            let dropped: Vec<Invite> = dropped.cloned().collect();
            if people.invites.len() - dropped.len() >= Invite::MAX {
                return Err(too_many());
            }
            dropped
        };
        let expires_at = now + SignedDuration::from_secs(seconds.into());
        let by = identity.username.clone();
        let made = Invite::generate(form.username, form.role, by.clone(), now, expires_at);
        let (invite, code) = made.map_err(|error| internal(&error))?;
        let invite = Invite {
            access_until: form.access_until,
            ..invite
        };
        let mut batch = Batch::new(now, Some(by), "Invited somebody");
        remove_invites(&mut batch, &dropped);
        batch
            .put(INVITES, invite.id.to_string(), &invite)
            .map_err(|error| internal(&error))?;
        let event = submit::event("invite.add", identity, caller)
            .on(invite.username.to_string())
            .detail(invite.role.as_str());
        self.commit(batch, event).await?;
        let view = view(&invite);
        let mut people = self.people();
        people.end_invites(&dropped);
        people.invites.insert(invite.id, invite);
        Ok(Outcome::Invited(Box::new(NewInvite {
            invite: view,
            code: code.expose_text(),
        })))
    }

    pub(crate) async fn revoke_invite(
        &self,
        identity: &Identity,
        caller: &Caller,
        id: &str,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let found = id.parse().ok();
        let found = found.and_then(|id| self.people().invites.get(&id).cloned());
        let invite = found.ok_or_else(|| Problem::not_found("invite with this id"))?;
        if !may_invite(identity.role, invite.role) {
            return Err(members_only());
        }
        // Gone at once, whatever the disk says.
        self.people().invites.remove(&invite.id);
        let action = "invite.remove";
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        batch.urgent();
        remove_invites(&mut batch, std::slice::from_ref(&invite));
        let event = submit::event(action, identity, caller).on(invite.username.to_string());
        self.commit(batch, event).await?;
        Ok(Outcome::Done)
    }

    pub(crate) async fn accept_invite(
        &self,
        caller: &Caller,
        accepted: AcceptedInvite,
        user_agent: &str,
    ) -> Result<Outcome, Problem> {
        self.config()?;
        self.refuse_during_trial()?;
        let address = source(caller);
        // Each try costs a hash: whoever has no code shall not have many.
        let admitted = self
            .people()
            .invite_throttle
            .admit(address, &nobody(), now_since_boot());
        admitted.map_err(|throttled| too_often(throttled.retry_after))?;
        let code = accepted.code.expose();
        let invite = self.invite_of(&self.people(), code)?;
        self.people()
            .invite_throttle
            .was_no_guess(address, &nobody());
        cell_auth::check_password_rules(&accepted.password, &invite.username)
            .map_err(|error| Problem::field("password", error))?;
        let identity = Identity::new(invite.username.clone(), invite.role);
        let account = self.make_account(identity.clone(), accepted.password);
        let account = account.await?;
        let writer = self.writer.lock().await;
        // It may have been taken back, or accepted, while the password was hashed.
        let invite = self.invite_of(&self.people(), code)?;
        self.keep_accepted(address, &account, &invite).await?;
        let opened = self.open_session(address, &account, user_agent, None).await;
        drop(writer);
        opened
    }

    /// The account, and what was said about it when it was invited; the invite goes.
    async fn keep_accepted(
        &self,
        address: std::net::IpAddr,
        account: &Account,
        invite: &Invite,
    ) -> Result<(), Problem> {
        if self.people().accounts.contains_key(&account.username) {
            return Err(taken(&account.username));
        }
        self.check_departed(&account.username)?;
        self.refuse_alias(&account.username)?;
        let username = account.username.to_string();
        let by = Some(account.username.clone());
        let mut batch = Batch::new((self.clock)(), by, "Accepted an invite");
        remove_invites(&mut batch, std::slice::from_ref(invite));
        let put = batch.put(ACCOUNTS, username.clone(), account);
        put.map(drop).map_err(|error| internal(&error))?;
        let limit = invite.access_until;
        let limit = limit.map(|until| AccessLimit::new(account, until));
        if let Some(limit) = &limit {
            let put = batch.put(ACCESS_LIMITS, username.clone(), limit);
            put.map(drop).map_err(|error| internal(&error))?;
        }
        let event = AuditEvent::new("invite.accept").by(&account.identity());
        let event = event.from(address).on(username);
        let detail = format!("{} by {}", account.role.as_str(), invite.invited_by);
        self.commit(batch, event.detail(detail)).await?;
        let mut people = self.people();
        people.invites.remove(&invite.id);
        people.keep_limit(&account.username, limit);
        people
            .accounts
            .insert(account.username.clone(), account.clone());
        Ok(())
    }

    /// The invite of a code, if whoever made it may still do so.
    fn invite_of(&self, people: &People, code: &str) -> Result<Invite, Problem> {
        let now = (self.clock)();
        let mut invites = people.invites.values();
        let invite = invites.find(|invite| invite.has_code(code) && !invite.is_over(now));
        let invite = invite.ok_or_else(no_invite)?;
        let by = people.accounts.get(&invite.invited_by);
        let role = match by {
            Some(by) if !people.access_is_over(by, now) => Some(by.role),
            Some(_) => None,
            None => (invite.invited_by.as_str() == LOCAL_NAME).then_some(Role::Owner),
        };
        match role.is_some_and(|role| may_invite(role, invite.role)) {
            true => Ok(invite.clone()),
            false => Err(no_invite()),
        }
    }
}

impl People {
    pub(crate) fn end_invites(&mut self, invites: &[Invite]) {
        for invite in invites {
            self.invites.remove(&invite.id);
        }
    }

    /// Invites of a name, which has an account now, or by it.
    pub(crate) fn invites_about(&self, username: &Username) -> Vec<Invite> {
        let about =
            |invite: &&Invite| invite.username == *username || invite.invited_by == *username;
        self.invites.values().filter(about).cloned().collect()
    }
}

pub(crate) fn remove_invites(batch: &mut Batch, invites: &[Invite]) {
    for invite in invites {
        batch.remove(INVITES, invite.id.to_string());
    }
}

/// Admins look after members, and who runs the box is for owners to say.
fn may_invite(inviting: Role, invited: Role) -> bool {
    inviting == Role::Owner || inviting == Role::Admin && invited == Role::Member
}

fn view(invite: &Invite) -> InviteView {
    InviteView {
        id: invite.id.to_string(),
        username: invite.username.clone(),
        role: invite.role,
        access_until: invite.access_until,
        invited_by: invite.invited_by.clone(),
        created_at: invite.created_at,
        expires_at: invite.expires_at,
    }
}

/// 409: somebody has the name.
pub(crate) fn taken(username: &Username) -> Problem {
    Problem::conflict(
        "account_exists",
        "The name is taken",
        format!("There is an account {username} already."),
    )
}

fn members_only() -> Problem {
    Problem::new(
        403,
        "wrong_role",
        "You may not do this",
        "Admins can invite members only. Ask an owner.",
    )
}

fn too_many() -> Problem {
    Problem::conflict(
        "too_many",
        "There are too many invites",
        format!(
            "{} are out. Take one back that nobody will use.",
            Invite::MAX
        ),
    )
}

fn no_invite() -> Problem {
    Problem::new(
        401,
        "no_invite",
        "The invite does not count",
        "It was used or taken back, its time is over, or its code was mistyped. Ask whoever invited you for another.",
    )
}
