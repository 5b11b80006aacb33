//! Buttons that do something.

use maud::{Markup, html};

use crate::frame::Frame;

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// What the page is there for.
    Main,
    /// What else can be done.
    Plain,
    /// What takes something away.
    Danger,
}

impl Look {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Main => "button main",
            Self::Plain => "button",
            Self::Danger => "button danger",
        }
    }
}

/// The token every form of somebody who is signed in carries.
pub(crate) fn token(frame: &Frame) -> Markup {
    html! {
        @if let Some(token) = &frame.csrf_token {
            input type="hidden" name="csrf_token" value=(token);
        }
    }
}

/// A form of one button, with what it carries along.
pub(crate) fn button(
    frame: &Frame,
    path: &str,
    label: &str,
    look: Look,
    carried: &[(&str, &str)],
) -> Markup {
    html! {
        form.inline method="post" action=(path) {
            (token(frame))
            @for (name, value) in carried { input type="hidden" name=(name) value=(value); }
            button class=(look.class()) { (label) }
        }
    }
}

/// A link that looks like a button.
pub(crate) fn link(path: &str, label: &str, look: Look) -> Markup {
    html! { a class=(look.class()) href=(path) { (label) } }
}
