//! Recovery codes that were just made. They are shown this once: the box keeps only what they hash to.

use cell_control::second_factor::NewRecoveryCodes;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, notice};

/// The page.
pub(crate) fn render(frame: &Frame, codes: &NewRecoveryCodes) -> Markup {
    let lines: Vec<&str> = codes
        .recovery_codes
        .iter()
        .map(|code| code.expose().as_str())
        .collect();
    let content = html! {
        (notice(Weight::Warning, &html! {
            p { strong { "These are shown once. " } "Print them or write them down, and keep them apart from the phone." }
        }))
        p { "When the phone is lost, each lets you sign in once in place of its code. Codes of before count no more." }
        div.scroll role="region" aria-label="The codes" tabindex="0" { pre { (lines.join("\n")) } }
        div.buttons { (link("/account/second-factor", "Done", Look::Main)) }
    };
    answer(frame, "Recovery codes", &content)
}
