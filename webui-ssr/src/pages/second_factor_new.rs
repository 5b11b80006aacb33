//! What an app has to know for a second factor, and the code that proves it does.

use cell_control::second_factor::OfferedSecondFactor;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::qr_figure;

/// Characters typed in one go.
const GROUP: usize = 4;

/// The page. `offered` is there once: with a wrong code the app has it already.
pub(crate) fn render(
    frame: &Frame,
    draft: &Draft,
    offered: Option<&OfferedSecondFactor>,
) -> Markup {
    let content = html! {
        @if let Some(offered) = offered {
            section {
                h2 { "1. Show this to the app" }
                (qr_figure(offered.uri.expose(), "Scan it with the app, not with the camera alone."))
                details {
                    summary { "I cannot scan it" }
                    p { "Type this key into the app; it is one for codes by time." }
                    div.scroll role="region" aria-label="The key" tabindex="0" { pre { (grouped(offered.secret.expose())) } }
                    p { a href=(offered.uri.expose()) { "Open it in an app on this device" } }
                }
            }
            h2 { "2. Enter what the app shows" }
        } @else {
            p { "The app has the key already, if it shows a code for this box. If it does not, " a href="/account/second-factor" { "begin anew" } "." }
        }
        (form(frame, draft, "/account/second-factor/code", "Turn it on"))
        p.quiet { "Your other sessions end then, and you get recovery codes." }
    };
    form_page(frame, draft, &content)
}

fn grouped(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    let groups = characters.chunks(GROUP);
    let groups: Vec<String> = groups.map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_shown_in_groups_of_four() {
        assert_eq!(grouped("GEZDGNBVGY3T"), "GEZD GNBV GY3T");
    }
}
