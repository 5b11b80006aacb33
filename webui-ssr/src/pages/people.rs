//! Accounts.

use cell_control::invite::InviteView;
use cell_control::view::{AccountView, Page};
use cell_model::account::Role;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::person_path;
use crate::parts::action::{Look, button, link};
use crate::parts::list::{pagination, table};
use crate::parts::shell::page;
use crate::parts::text::time;

/// The page.
pub(crate) fn render(
    frame: &Frame,
    accounts: &Page<AccountView>,
    first: bool,
    invites: &[InviteView],
) -> Markup {
    let rows: Vec<Vec<Markup>> = accounts
        .items
        .iter()
        .map(|account| row(frame, account))
        .collect();
    let content = html! {
        p.lead { "Who can sign in, and as what." }
        div.buttons {
            (link("/people/invite", "Invite a person", Look::Main))
            @if frame.may_post("/people/new") { (link("/people/new", "Add a person", Look::Plain)) }
        }
        (table("People", &["Name", "Role", "Since", "Password", "Change"], &rows))
        (pagination("/people", accounts.next.as_deref(), first))
        @if first && !invites.is_empty() {
            section {
                h2 { "Invites that are out" }
                (table("Invites", &["Name", "Role", "Invited by", "Counts until", "Change"], &invited(frame, invites)))
            }
        }
    };
    page(frame, &content)
}

fn invited(frame: &Frame, invites: &[InviteView]) -> Vec<Vec<Markup>> {
    // What an owner has said an owner takes back.
    let owner = frame.role() == Some(Role::Owner);
    let row = |invite: &InviteView| {
        let id = [("id", invite.id.as_str())];
        vec![
            html! { (invite.username) },
            html! { (invite.role.as_str()) },
            html! { (invite.invited_by) },
            time(&frame.clock, invite.expires_at),
            html! {
                @if owner || invite.role == Role::Member {
                    (button(frame, "/people/take-back", "Take it back", Look::Plain, &id))
                }
            },
        ]
    };
    invites.iter().map(row).collect()
}

/// What somebody may do, and until when.
fn role(frame: &Frame, account: &AccountView) -> Markup {
    html! {
        (account.role.as_str())
        @match account.access_until {
            Some(until) if account.access_over => { br; span.quiet { "ended " (time(&frame.clock, until)) } }
            Some(until) => { br; span.quiet { "ends " (time(&frame.clock, until)) } }
            None => {}
        }
    }
}

fn row(frame: &Frame, account: &AccountView) -> Vec<Markup> {
    let path = person_path(account.username.as_str());
    let own = frame
        .identity
        .as_ref()
        .is_some_and(|identity| identity.username == account.username);
    vec![
        html! { (account.username) },
        role(frame, account),
        time(&frame.clock, account.created_at),
        html! { @if account.must_change_password { "To be changed" } @else { "Their own" } },
        html! {
            @if own {
                a href="/account" { "My account" }
            } @else {
                a href={ (path) "/password" } { "Set a password for " (account.username) }
                br; a href={ (path) "/app-passwords" } { "App passwords of " (account.username) }
                @if frame.may_post("/people/{username}/access") {
                    br; a href={ (path) "/access" } { "Access of " (account.username) }
                }
                @if frame.may_post("/people/{username}/remove") {
                    br; a href={ (path) "/remove" } { "Remove " (account.username) }
                }
            }
        },
    ]
}
