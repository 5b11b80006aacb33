//! Other people's accounts.

use cell_control::action::{AccountForm, Action, PasswordReset};
use cell_model::account::Role;
use cell_model::name::Username;

use super::Draft;
use super::field::{Choice, Field};

/// Roles, with what each may do.
pub(crate) const ROLES: &[Choice] = &[
    ("member", "Member: own devices and services only"),
    ("helper", "Helper: sees everything, changes little"),
    ("admin", "Admin: runs the box"),
    ("owner", "Owner: everything, accounts included"),
];

/// Fields of a new account.
pub(crate) const NEW: &[Field] = &[
    Field::text("username", "Name").hint("Letters, digits, '_', '-', '.' and '@'."),
    Field::one("role", "Role", ROLES),
    Field::new_password("password", "First password"),
];

/// Fields of a password set for somebody else.
pub(crate) const RESET: &[Field] = &[Field::new_password("new_password", "New password")];

/// Reads a new account.
pub(crate) fn parse_new(draft: &mut Draft) -> Option<Action> {
    let username = draft.require("username");
    let role = draft.require_with("role", |text| {
        [Role::Member, Role::Helper, Role::Admin, Role::Owner]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| "must be one of those shown".to_owned())
    });
    let password = draft.secret("password");
    let form = AccountForm {
        username: username?,
        password: password?,
        role: role?,
    };
    draft.accept(Some(Action::AddAccount(form)))
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
            assert!(parse_new(&mut draft).is_none());
            assert!(draft.error(wrong).is_some(), "{body}");
        }
    }
}
