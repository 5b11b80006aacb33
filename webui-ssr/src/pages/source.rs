//! One source of services: how it is, whose signatures count, what came from it.

use std::collections::BTreeSet;

use cell_control::view::SourceView;
use cell_model::config::SourceConfig;
use cell_model::name::ServiceId;
use maud::{Markup, html};

use super::source_keys::{keys, place};
use super::sources::{catalogue, look, state};
use crate::frame::Frame;
use crate::navigation::{service_path, source_path};
use crate::parts::action::{Look, link};
use crate::parts::shell::page;
use crate::parts::text::facts;

/// The page.
pub(crate) fn render(frame: &Frame, view: &SourceView, source: &SourceConfig) -> Markup {
    let path = source_path(&view.source);
    let mut pairs = vec![
        ("State", state(frame, view)),
        ("Catalogue", catalogue(frame, view)),
    ];
    pairs.extend(place(source));
    pairs.push(("Installed from it", installed(&view.installed)));
    if !view.kept_data.is_empty() {
        pairs.push(("Data that was kept", html! { (listed(&view.kept_data)) }));
    }
    let content = html! {
        (facts(&pairs))
        div.buttons {
            (look(frame))
            @if frame.may_post("/sources/{source}/change") {
                (link(&format!("{path}/change"), "Change it", Look::Plain))
                (link(&format!("{path}/remove"), "Remove it", Look::Danger))
            }
        }
        section {
            h2 { "Publisher's keys" }
            (keys(&source.keys))
        }
    };
    page(frame, &content)
}

fn installed(services: &BTreeSet<ServiceId>) -> Markup {
    html! {
        @if services.is_empty() { "Nothing" }
        @for (at, id) in services.iter().enumerate() {
            @if at > 0 { ", " }
            a href=(service_path(id)) { (id) }
        }
    }
}

/// Services in a row.
pub(super) fn listed(services: &BTreeSet<ServiceId>) -> String {
    let names: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
    names.join(", ")
}
