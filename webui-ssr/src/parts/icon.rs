//! Small pictures beside words. They say nothing a word beside them does not say, so they are hidden from readers.

use maud::{Markup, html};

/// The pictures there are, as the path of a 16 by 16 drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    Tick,
    Clock,
    Cross,
    Question,
    Info,
    Warning,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Tick => "M4.5 8.5l2.5 2.5 4.5-5",
            Self::Clock => "M8 4v4l2.5 2",
            Self::Cross => "M5.5 5.5l5 5m0-5l-5 5",
            Self::Question => "M6 6.2c0-2.8 4-2.8 4 0 0 1.5-2 1.5-2 3M8 11.6v.1",
            Self::Info => "M8 7.5v4M8 4.7v.1",
            Self::Warning => "M8 4.5v4M8 11.3v.1",
        }
    }
}

/// A picture.
pub(crate) fn icon(icon: Icon) -> Markup {
    html! {
        svg.icon viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
            circle cx="8" cy="8" r="7" {}
            path d=(icon.path()) {}
        }
    }
}
