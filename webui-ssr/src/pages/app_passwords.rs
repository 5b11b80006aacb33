//! Somebody's app passwords.

use std::collections::BTreeSet;

use cell_control::app_password::AppPasswordView;
use cell_model::name::{ServiceId, Username};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::app_passwords_path;
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{empty, time};

/// The page. `whose`: of somebody else.
pub(crate) fn render(
    frame: &Frame,
    whose: Option<&Username>,
    passwords: &[AppPasswordView],
) -> Markup {
    let path = app_passwords_path(whose);
    let add = link(&format!("{path}/new"), "Add an app password", Look::Main);
    let rows: Vec<Vec<Markup>> = passwords
        .iter()
        .map(|password| row(frame, &path, password))
        .collect();
    let content = html! {
        p.lead {
            "One for each phone or computer that uses services of the box. A lost device is shut out by removing its own, and no \
             service sees the password that opens these pages."
        }
        @if rows.is_empty() {
            (empty("There is no app password yet.", &html! { div.buttons { (add) } }))
        } @else {
            div.buttons { (add) }
            (table("App passwords", &["Device", "Opens", "Since", "Last used", "Change"], &rows))
        }
    };
    page(frame, &content)
}

fn row(frame: &Frame, path: &str, password: &AppPasswordView) -> Vec<Markup> {
    let id = cell_gate::form::encode(&password.id);
    vec![
        html! { (password.device) },
        html! { (opens(password.services.as_ref())) },
        time(&frame.clock, password.created_at),
        match password.last_used {
            Some(day) => html! { time datetime=(day) { (day) } },
            None => html! { "Never" },
        },
        html! { a href={ (path) "/" (id) "/remove" } { "Remove that of " (password.device) } },
    ]
}

fn opens(services: Option<&BTreeSet<ServiceId>>) -> String {
    let Some(services) = services else {
        return "All services".to_owned();
    };
    let names: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
    names.join(", ")
}
