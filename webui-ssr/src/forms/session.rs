//! Signing in, and one's own password and sessions.

use cell_control::action::{Action, PasswordChange};
use cell_control::second_factor::typed_code;
use cell_model::secret::Secret;

use super::Draft;
use super::field::{Field, Kind};

/// Fields of the sign-in.
pub(crate) const SIGN_IN: &[Field] = &[
    Field::username("username", "Name"),
    Field::password("password", "Password"),
    Field::hidden("next"),
];

/// Field of a code that a person reads off their phone, or off paper.
const CODE_FIELD: Field = Field::new("code", "Code", Kind::Text("one-time-code"))
    .hint("The six digits that the app shows now.");

/// Bytes of a ticket: what is longer is none.
const TICKET_BYTES: usize = 64;

/// Fields of the second half of the sign-in.
pub(crate) const SIGN_IN_CODE: &[Field] =
    &[CODE_FIELD, Field::hidden("ticket"), Field::hidden("next")];

/// Fields of the first code of an app.
pub(crate) const CODE: &[Field] = &[CODE_FIELD];

/// Fields of the password, once more: asked for before a page, or when a form was sent.
pub(crate) const REAUTHENTICATE: &[Field] = &[
    Field::password("password", "Password"),
    Field::hidden("next"),
    Field::hidden("form"),
];

/// Fields of one's own new password. The name is there for password managers.
pub(crate) const PASSWORD: &[Field] = &[
    Field::password("current_password", "Present password"),
    Field::new_password("new_password", "New password"),
];

/// Fields of ending a session.
pub(crate) const REVOKE: &[Field] = &[Field::hidden("id")];

/// Reads the sign-in.
pub(crate) fn parse_sign_in(draft: &mut Draft, user_agent: &str) -> Option<Action> {
    let username = draft.require_with("username", |text| Ok(text.to_owned()));
    let password = draft.secret("password");
    let action = Action::SignIn {
        username: username?,
        password: password?,
        code: None,
        user_agent: user_agent.chars().take(256).collect(),
    };
    draft.accept(Some(action))
}

/// Reads the second half of the sign-in.
pub(crate) fn parse_sign_in_code(draft: &mut Draft, user_agent: &str) -> Option<Action> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let ticket = draft.require_with("ticket", |text| {
        match text.len() <= TICKET_BYTES && text.bytes().all(is_plain) {
            true => Ok(Secret::new(text.to_owned())),
            false => Err("is none of this box: enter name and password first".to_owned()),
        }
    });
    let code = parse_code(draft);
    let action = Action::SignInWithCode {
        ticket: ticket?,
        code: code?,
        user_agent: user_agent.chars().take(256).collect(),
    };
    draft.accept(Some(action))
}

/// Reads a code.
pub(crate) fn parse_code(draft: &mut Draft) -> Option<Secret<String>> {
    let code = draft.require_with("code", |text| {
        typed_code(text).map_err(|error| error.to_string())
    });
    draft.accept(code)
}

/// Reads the password, once more.
pub(crate) fn parse_reauthenticate(draft: &mut Draft) -> Option<Action> {
    let password = draft.secret("password")?;
    draft.accept(Some(Action::Reauthenticate { password }))
}

/// Reads one's own new password.
pub(crate) fn parse_password(draft: &mut Draft) -> Option<Action> {
    let current_password = draft.secret("current_password");
    let new_password = draft.secret("new_password");
    let change = PasswordChange {
        current_password: current_password?,
        new_password: new_password?,
    };
    draft.accept(Some(Action::ChangePassword(change)))
}

/// Where to go after a password was entered: a page of this box only. Whatever a browser could read as another host is
/// not one.
pub(crate) fn local_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('\\');
    (text.starts_with('/') && !text.starts_with("//") && plain).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    #[test]
    fn next_page_is_one_of_this_box() {
        for good in ["/", "/peers?cursor=a%20b", "/peers/new"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in [
            "",
            "peers",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "/ä",
            "/\t/evil",
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn empty_sign_in_names_both_fields() {
        let mut draft = Draft::read(SIGN_IN, &Form::parse(b"username=+&password=").unwrap());
        assert!(parse_sign_in(&mut draft, "").is_none());
        assert!(draft.error("username").is_some() && draft.error("password").is_some());
    }

    #[test]
    fn password_keeps_its_blanks() {
        let mut draft = Draft::read(
            SIGN_IN,
            &Form::parse(b"username=anna&password=+a+").unwrap(),
        );
        let Some(Action::SignIn { password, .. }) = parse_sign_in(&mut draft, "") else {
            panic!("it is complete");
        };
        assert_eq!(password.expose(), " a ");
    }
}
