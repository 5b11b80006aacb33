//! What whoever holds an invite sees: what they are invited to, and where they choose their password.

use cell_control::invite::InvitedView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::{facts, time};

/// The page. `invited` is known once there is a code that counts.
pub(crate) fn render(frame: &Frame, draft: &Draft, invited: Option<&InvitedView>) -> Markup {
    let content = html! {
        @match invited {
            Some(invited) => {
                p.lead { (invited.invited_by) " has invited you to the box " strong { (invited.cell_name) } "." }
                (facts(&about(frame, invited)))
            }
            None => p.lead { "Somebody has invited you to this box. Enter the code they gave you, and choose a password." },
        }
        (form(frame, draft, "/invite", "Join"))
        p { a href="/sign-in" { "I have an account already" } }
    };
    form_page(frame, draft, &content)
}

fn about(frame: &Frame, invited: &InvitedView) -> Vec<(&'static str, Markup)> {
    let mut about = vec![
        ("Your name here", html! { (invited.username) }),
        ("Role", html! { (invited.role.as_str()) }),
    ];
    if let Some(until) = invited.access_until {
        about.push(("Your access ends", time(&frame.clock, until)));
    }
    about
}
