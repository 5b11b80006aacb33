//! Other people's accounts.

use cell_control::action::{AccountForm, AccountUpdate, Action, PasswordReset};
use cell_control::invite::{AcceptedInvite, InviteForm};
use cell_control::view::AccountView;
use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::name::Username;
use cell_model::secret::Secret;

use super::Draft;
use super::field::{Choice, Field};
use crate::clock::Clock;

/// Bytes of the code of an invite as it may be typed: what is longer is none.
const CODE_BYTES: usize = 64;

/// Roles, with what each may do.
pub(crate) const ROLES: &[Choice] = &[
    ("member", "Member: own devices and services only"),
    ("helper", "Helper: sees everything, changes little"),
    ("admin", "Admin: runs the box"),
    ("owner", "Owner: everything, accounts included"),
];

const USERNAME: Field =
    Field::text("username", "Name").hint("Letters, digits, '_', '-', '.' and '@'.");
const ROLE: Field = Field::one("role", "Role", ROLES);
const ACCESS_UNTIL: Field = Field::moment("access_until", "Access ends")
    .hint("In the time zone of the cell: for a helper or a guest. Leave it empty for access without an end.")
    .optional();

/// How long an invite counts, in seconds.
const EXPIRES: &[Choice] = &[
    ("3600", "One hour"),
    ("86400", "One day"),
    ("604800", "Seven days"),
    ("2592000", "30 days"),
];

/// Fields of a new account.
pub(crate) const NEW: &[Field] = &[
    USERNAME,
    ROLE,
    ACCESS_UNTIL,
    Field::new_password("password", "First password"),
];

/// Fields of an invite.
pub(crate) const INVITE: &[Field] = &[
    USERNAME,
    ROLE,
    ACCESS_UNTIL,
    Field::one("expires_in_s", "The invite counts for", EXPIRES),
];

/// Fields of what an account may do.
pub(crate) const ACCESS: &[Field] = &[ROLE, ACCESS_UNTIL];

/// Fields of taking an invite back.
pub(crate) const REVOKE: &[Field] = &[Field::hidden("id")];

/// Fields of accepting an invite.
pub(crate) const ACCEPT: &[Field] = &[
    Field::text("code", "Code of the invite")
        .hint("26 letters and digits. Hyphens and upper case do not matter."),
    Field::new_password("password", "Your password"),
];

/// Fields of a password set for somebody else.
pub(crate) const RESET: &[Field] = &[Field::new_password("new_password", "New password")];

/// Reads a new account.
pub(crate) fn parse_new(draft: &mut Draft, clock: &Clock) -> Option<Action> {
    let username = draft.require("username");
    let role = role(draft);
    let access_until = access_until(draft, clock);
    let password = draft.secret("password");
    let form = AccountForm {
        username: username?,
        password: password?,
        role: role?,
        access_until: access_until?,
    };
    draft.accept(Some(Action::AddAccount(form)))
}

/// Reads an invite.
pub(crate) fn parse_invite(draft: &mut Draft, clock: &Clock) -> Option<Action> {
    let username = draft.require("username");
    let role = role(draft);
    let access_until = access_until(draft, clock);
    let expires = draft.require_with("expires_in_s", |text| {
        let known = EXPIRES.iter().any(|(seconds, _)| *seconds == text);
        let seconds = text.parse().ok().filter(|_| known);
        seconds.ok_or_else(|| "must be one of those shown".to_owned())
    });
    let form = InviteForm {
        username: username?,
        role: role?,
        access_until: access_until?,
        expires_in_s: Some(expires?),
    };
    draft.accept(Some(Action::Invite(form)))
}

/// The form as the account is now.
pub(crate) fn access_of(account: &AccountView, clock: &Clock) -> Draft<'static> {
    let until = account.access_until.map(|until| clock.local(until));
    Draft::new(
        ACCESS,
        [
            (ROLE.name, account.role.as_str().to_owned()),
            (ACCESS_UNTIL.name, until.unwrap_or_default()),
        ],
    )
}

/// Reads what an account may do.
pub(crate) fn parse_access(
    draft: &mut Draft,
    clock: &Clock,
    account: &AccountView,
) -> Option<Action> {
    let role = role(draft);
    let shown = access_of(account, clock);
    let is_touched = draft.typed(ACCESS_UNTIL.name) != shown.typed(ACCESS_UNTIL.name);
    let access_until = access_until(draft, clock);
    let username = account.username.clone();
    let update = AccountUpdate {
        role: Some(role?),
        // A form has no seconds: what nobody touched stays as it is.
        access_until: Some(access_until?).filter(|_| is_touched),
    };
    draft.accept(Some(Action::ChangeAccount { username, update }))
}

/// Reads what whoever is invited sends.
pub(crate) fn parse_accepted(draft: &mut Draft, user_agent: &str) -> Option<Action> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"- ".contains(&byte);
    let code = draft.require_with("code", |text| {
        match text.len() <= CODE_BYTES && text.bytes().all(is_plain) {
            true => Ok(Secret::new(text.to_owned())),
            false => Err("must be 26 letters and digits".to_owned()),
        }
    });
    let password = draft.secret("password");
    let accepted = AcceptedInvite {
        code: code?,
        password: password?,
    };
    draft.accept(Some(Action::AcceptInvite {
        accepted,
        user_agent: user_agent.chars().take(256).collect(),
    }))
}

fn role(draft: &mut Draft) -> Option<Role> {
    draft.require_with("role", |text| {
        [Role::Member, Role::Helper, Role::Admin, Role::Owner]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| "must be one of those shown".to_owned())
    })
}

fn access_until(draft: &mut Draft, clock: &Clock) -> Option<Option<Timestamp>> {
    draft.maybe_with(ACCESS_UNTIL.name, |text| {
        clock
            .parse_local(text)
            .ok_or_else(|| "must be a date and time, such as 2027-01-31T18:00".to_owned())
    })
}

/// Reads a password set for somebody else.
pub(crate) fn parse_reset(draft: &mut Draft, username: Username) -> Option<Action> {
    let new_password = draft.secret("new_password")?;
    draft.accept(Some(Action::ResetPassword(PasswordReset {
        username,
        new_password,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    #[test]
    fn account_needs_a_known_role() {
        for (body, wrong) in [
            ("username=bo&role=king&password=x", "role"),
            ("username=bo&password=x", "role"),
            ("username=b%20o&role=admin&password=x", "username"),
            ("username=bo&role=admin", "password"),
        ] {
            let mut draft = Draft::read(NEW, &Form::parse(body.as_bytes()).unwrap());
            assert!(parse_new(&mut draft, &Clock::now(None)).is_none());
            assert!(draft.error(wrong).is_some(), "{body}");
        }
    }
}
