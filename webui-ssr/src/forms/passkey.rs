//! What the script sends of a passkey that was made or used.

use cell_control::action::Action;
use cell_control::passkey::{PasskeyForm, UsedPasskey};
use cell_model::base64url::Base64Url;

use super::Draft;
use super::field::Field;

/// Fields of a new passkey. The hidden ones come from the browser.
pub(crate) const NEW: &[Field] = &[
    Field::text("label", "Name").hint(
        "So that you know it again in the list, such as \"Anna's phone\" or \"Key on my ring\".",
    ),
    Field::hidden("credential_id"),
    Field::hidden("client_data"),
    Field::hidden("authenticator_data"),
    Field::hidden("public_key"),
];

/// Fields of a passkey that was used to sign in, or to prove who is there.
pub(crate) const USED: &[Field] = &[
    Field::hidden("credential_id"),
    Field::hidden("client_data"),
    Field::hidden("authenticator_data"),
    Field::hidden("signature"),
    Field::hidden("user_handle"),
    Field::hidden("next"),
    Field::hidden("form"),
];

/// Reads a new passkey.
pub(crate) fn parse_new(draft: &mut Draft) -> Option<Action> {
    let label = draft.require("label");
    let form = PasskeyForm {
        credential_id: sent(draft, "credential_id")?,
        client_data: sent(draft, "client_data")?,
        authenticator_data: sent(draft, "authenticator_data")?,
        public_key: sent(draft, "public_key")?,
        label: label?,
    };
    draft.accept(Some(Action::AddPasskey(Box::new(form))))
}

/// Reads one that was used.
pub(crate) fn parse_used(draft: &mut Draft) -> Option<Box<UsedPasskey>> {
    let used = UsedPasskey {
        credential_id: sent(draft, "credential_id")?,
        client_data: sent(draft, "client_data")?,
        authenticator_data: sent(draft, "authenticator_data")?,
        signature: sent(draft, "signature")?,
        user_handle: sent(draft, "user_handle")?,
    };
    draft.accept(Some(Box::new(used)))
}

/// What the browser has put in. Nobody types that, so it is not sent back either.
fn sent(draft: &mut Draft, name: &str) -> Option<Base64Url> {
    let text = draft.typed(name).to_owned();
    draft.forget(name);
    let json = serde_json::Value::String(text);
    let bytes = serde_json::from_value(json);
    if bytes.is_err() {
        draft.note(name, "is not what a browser sends for a passkey");
    }
    bytes.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    #[test]
    fn what_no_browser_sends_is_named() {
        let body = b"label=phone&credential_id=AAAA&client_data=AAAA&authenticator_data=AAAA&public_key=%2B";
        let mut draft = Draft::read(NEW, &Form::parse(body).unwrap());
        assert!(parse_new(&mut draft).is_none());
        assert!(draft.error("public_key").is_some());
        let body = b"label=phone&credential_id=AAAA&client_data=AAAA&authenticator_data=AAAA&public_key=AAAA";
        let mut draft = Draft::read(NEW, &Form::parse(body).unwrap());
        assert!(parse_new(&mut draft).is_some());
    }
}
