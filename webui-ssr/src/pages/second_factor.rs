//! The second factor of one's own account: whether there is one, and what may be done about it.

use cell_control::second_factor::SecondFactorView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button};
use crate::parts::shell::page;
use crate::parts::text::{Weight, facts, notice, time};

/// So few recovery codes are left that a person should know.
const FEW: usize = 2;

/// The page.
pub(crate) fn render(frame: &Frame, factor: Option<&SecondFactorView>) -> Markup {
    let content = match factor {
        None => html! {
            p.lead { "With a second factor, signing in takes your password and a code from an app on your phone, so that somebody who learns your password gets nowhere." }
            p { "Any app that makes such codes will do: Aegis, Ente Auth, 2FAS, the passwords of an iPhone. It needs no internet, but its clock has to be right, and so has the box's." }
            p.quiet { "App passwords of your devices are not asked for codes." }
            div.buttons { (button(frame, "/account/second-factor", "Set it up", Look::Main, &[])) }
        },
        Some(factor) => html! {
            @if factor.recovery_codes_left <= FEW {
                (notice(Weight::Warning, &html! {
                    p { "Few recovery codes are left. Make others while you can sign in." }
                }))
            }
            (facts(&[
                ("Second factor", html! { "On since " (time(&frame.clock, factor.since)) }),
                ("Recovery codes left", html! { (factor.recovery_codes_left) }),
            ]))
            div.buttons {
                (button(frame, "/account/second-factor/codes", "Make other recovery codes", Look::Plain, &[]))
                (button(frame, "/account/second-factor/remove", "Remove it", Look::Danger, &[]))
            }
            p.quiet { "To use another phone, remove it and set it up anew." }
        },
    };
    page(frame, &content)
}
