//! Accounts.

use cell_control::view::{AccountView, Page};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::person_path;
use crate::parts::action::{Look, link};
use crate::parts::list::{pagination, table};
use crate::parts::shell::page;
use crate::parts::text::time;

/// The page.
pub(crate) fn render(frame: &Frame, accounts: &Page<AccountView>, first: bool) -> Markup {
    let rows: Vec<Vec<Markup>> = accounts
        .items
        .iter()
        .map(|account| row(frame, account))
        .collect();
    let content = html! {
        p.lead { "Who can sign in, and as what." }
        @if frame.may_post("/people/new") {
            div.buttons { (link("/people/new", "Add a person", Look::Main)) }
        }
        (table("People", &["Name", "Role", "Since", "Password", "Change"], &rows))
        (pagination("/people", accounts.next.as_deref(), first))
    };
    page(frame, &content)
}

fn row(frame: &Frame, account: &AccountView) -> Vec<Markup> {
    let path = person_path(account.username.as_str());
    let own = frame
        .identity
        .as_ref()
        .is_some_and(|identity| identity.username == account.username);
    vec![
        html! { (account.username) },
        html! { (account.role.as_str()) },
        time(&frame.clock, account.created_at),
        html! { @if account.must_change_password { "To be changed" } @else { "Their own" } },
        html! {
            @if own {
                a href="/account" { "My account" }
            } @else {
                a href={ (path) "/password" } { "Set a password for " (account.username) }
                br; a href={ (path) "/app-passwords" } { "App passwords of " (account.username) }
                @if frame.may_post("/people/{username}/remove") {
                    br; a href={ (path) "/remove" } { "Remove " (account.username) }
                }
            }
        },
    ]
}
