//! How something is: a word, a picture and a time, never colour alone.

use cell_model::Timestamp;
use cell_model::status::{Part, State};
use maud::{Markup, html};

use super::icon::{Icon, icon};
use super::text::time;
use crate::clock::Clock;

/// The state of a part.
pub(crate) fn badge(state: State) -> Markup {
    let (class, picture, word) = match state {
        State::Ok => ("ok", Icon::Tick, "OK"),
        State::Pending => ("pending", Icon::Clock, "Pending"),
        State::Failed => ("failed", Icon::Cross, "Failed"),
        State::Unknown => ("unknown", Icon::Question, "Unknown"),
    };
    labelled(class, picture, word)
}

/// The state of a part and since when.
pub(crate) fn badge_since(state: State, since: Timestamp, clock: &Clock) -> Markup {
    html! { (badge(state)) " " span.quiet { "since " (time(clock, since)) } }
}

/// A word of another set, in the colours of a state.
pub(crate) fn labelled(class: &str, picture: Icon, word: &str) -> Markup {
    html! { span class={ "state " (class) } { (icon(picture)) (word) } }
}

/// What a part is called.
pub(crate) fn part_name(part: Part) -> &'static str {
    match part {
        Part::Firewall => "Firewall",
        Part::Network => "Network",
        Part::Wireguard => "VPN",
        Part::Vault => "Keys and certificates",
        Part::Dns => "Name server",
        Part::Exits => "Ways out",
        Part::Web => "Admin page",
        Part::Mdns => "Found by name",
        Part::Containers => "Services",
        Part::Proxy => "Pages of services",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word_and_a_picture() {
        for state in [State::Ok, State::Pending, State::Failed, State::Unknown] {
            let markup = badge(state).into_string();
            assert!(markup.contains("<svg") && markup.to_lowercase().contains(state.as_str()));
        }
    }
}
