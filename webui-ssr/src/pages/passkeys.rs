//! One's own passkeys.

use cell_control::passkey::PasskeyView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{empty, time};

/// The page.
pub(crate) fn render(frame: &Frame, passkeys: &[PasskeyView]) -> Markup {
    let add = link("/account/passkeys/new", "Add a passkey", Look::Main);
    let rows: Vec<Vec<Markup>> = passkeys.iter().map(|passkey| row(frame, passkey)).collect();
    let content = html! {
        p.lead { "With a passkey your phone, computer or security key signs you in, by finger, face or PIN: nothing to type, and nothing that somebody could learn." }
        @if rows.is_empty() {
            (empty("You have no passkey.", &html! { div.buttons { (add) } }))
        } @else {
            div.buttons { (add) }
            (table("Passkeys", &["Name", "For", "Since", "Last used", "Change"], &rows))
        }
        p.quiet { "Your password goes on counting, for browsers that know no passkeys." }
    };
    page(frame, &content)
}

fn row(frame: &Frame, passkey: &PasskeyView) -> Vec<Markup> {
    let id = cell_gate::form::encode(&passkey.id);
    vec![
        html! {
            (passkey.label)
            @if passkey.synced { br; span.quiet { "your other devices may have it too" } }
        },
        html! {
            (passkey.relying_party)
            @if !passkey.usable { br; span.quiet { "the box has another name now: it opens nothing" } }
        },
        time(&frame.clock, passkey.created_at),
        match passkey.last_used {
            Some(day) => html! { time datetime=(day) { (day) } },
            None => html! { "Never" },
        },
        html! { a href={ "/account/passkeys/" (id) "/remove" } { "Remove " (passkey.label) } },
    ]
}
