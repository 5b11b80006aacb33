//! Where a browser is to use a passkey. Nothing of it is seen without the script.

use maud::{Markup, html};

use super::action::{Look, token};
use crate::assets;
use crate::frame::Frame;

/// The script, for pages that have such a form.
pub(crate) fn script() -> Markup {
    html! { script src=(assets::passkey_path()) defer {} }
}

/// Where the script says how it goes.
pub(crate) fn says() -> Markup {
    html! { p #passkey-says role="status" {} }
}

/// A form that is sent with a passkey that was used, and with what is carried along.
pub(crate) fn use_one(frame: &Frame, path: &str, label: &str, carried: &[(&str, &str)]) -> Markup {
    html! {
        section hidden {
            h2 { "With a passkey" }
            form.stack method="post" action=(path) data-passkey="use" data-ask="/api/auth/passkey-challenge" {
                (token(frame))
                @for (name, value) in carried { input type="hidden" name=(name) value=(value); }
                div.buttons { button class=(Look::Plain.class()) { (label) } }
                (says())
            }
        }
    }
}
