//! An app password that was just made. It is shown this once: the box keeps only what it hashes to.

use cell_control::app_password::NewAppPassword;
use cell_model::name::Username;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::app_passwords_path;
use crate::parts::action::{Look, link};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, facts, notice};

/// Characters typed in one go.
const GROUP: usize = 5;

/// The page. `whose`: of somebody else.
pub(crate) fn render(frame: &Frame, whose: Option<&Username>, made: &NewAppPassword) -> Markup {
    let device = made.app_password.device.as_str();
    let content = html! {
        (notice(Weight::Warning, &html! {
            p { strong { "This is shown once. " } "Put the password into the device before you leave this page." }
        }))
        (facts(&[
            ("Device", html! { (device) }),
            ("Name", html! { (made.app_password.username) }),
        ]))
        section {
            h2 { "Password" }
            div.scroll role="region" aria-label="The password" tabindex="0" { pre { (grouped(made.password.expose())) } }
            p.hint { "Hyphens and upper case do not matter. One tap selects all of it." }
        }
        div.buttons { (link(&app_passwords_path(whose), "Done", Look::Main)) }
    };
    answer(frame, &format!("App password for {device}"), &content)
}

/// The secret in groups, which are easier to type; services take it with the hyphens and without.
fn grouped(secret: &str) -> String {
    let mut grouped = String::with_capacity(2 * secret.len());
    for (at, character) in secret.chars().enumerate() {
        // The last group is a longer one, rather than followed by a single character.
        if at > 0 && at % GROUP == 0 && secret.len() - at >= GROUP {
            grouped.push('-');
        }
        grouped.push(character);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_shown_in_five_groups() {
        let groups = grouped("0123456789abcdefghjkmnpqrs");
        assert_eq!(groups, "01234-56789-abcde-fghjk-mnpqrs");
    }
}
