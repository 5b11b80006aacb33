//! One service: how it is, where it is found, how it is used.

use cell_control::view::{ServiceLogLine, ServiceView, SettingView};
use maud::{Markup, html};

use crate::forms::service::spoken;
use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, button, link};
use crate::parts::icon::Icon;
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::state::{badge, badge_since, labelled};
use crate::parts::text::facts;

use super::how_to_use::{Use, how_to_use};
use super::service_details::{details, size};

/// The page.
pub(crate) fn render(frame: &Frame, service: &ServiceView, lines: &[ServiceLogLine]) -> Markup {
    let path = service_path(&service.id);
    let content = html! {
        p.lead { (service.summary) }
        (facts(&about(frame, service)))
        div.buttons {
            @if frame.may_post("/services/{service}/stop") {
                @if service.enabled && !service.on_trial {
                    (button(frame, &format!("{path}/restart"), "Start it anew", Look::Plain, &[]))
                    (button(frame, &format!("{path}/stop"), "Stop it", Look::Plain, &[]))
                } @else if !service.enabled {
                    (button(frame, &format!("{path}/start"), "Start it", Look::Main, &[]))
                }
                @if service.update.is_some() && service.enabled && !service.on_trial {
                    (link(&format!("{path}/update"), "Update it", Look::Plain))
                }
                (link(&format!("{path}/remove"), "Remove it", Look::Danger))
            }
            a href=(path) { "Refresh" }
        }
        @if !service.guides.is_empty() || !service.urls.is_empty() {
            section {
                h2 { "How to use it" }
                (how_to_use(frame, &Use::from(service)))
            }
        }
        @if !service.settings.is_empty() {
            section {
                h2 { "Settings" }
                (table("Settings", &["Setting", "Value"], &settings(&service.settings)))
                @if frame.may_post("/services/{service}/settings") {
                    div.buttons { (link(&format!("{path}/settings"), "Change them", Look::Plain)) }
                }
            }
        }
        (details(frame, service, lines))
    };
    page(frame, &content)
}

/// How it is, in a word.
pub(super) fn state(frame: &Frame, service: &ServiceView) -> Markup {
    match (service.enabled, service.since) {
        (false, _) => labelled("unknown", Icon::Clock, "Stopped"),
        (true, Some(since)) => badge_since(service.state, since, &frame.clock),
        (true, None) => badge(service.state),
    }
}

fn about(frame: &Frame, service: &ServiceView) -> Vec<(&'static str, Markup)> {
    let list = |ids: Vec<&str>| html! { (ids.join(", ")) };
    let mut pairs = vec![
        ("State", state(frame, service)),
        ("Detail", html! { (service.detail) }),
    ];
    if !service.urls.is_empty() {
        let urls = html! { @for url in &service.urls { a href=(url) { (url) } br; } };
        pairs.push(("Address", urls));
    }
    if service.published.is_some() {
        pairs.push(("Reached by", reached_by(frame, service)));
    }
    pairs.push(("Used by", used_by(frame, service)));
    pairs.push(("Version", version(service)));
    if let Some(failed) = &service.failed_update {
        let failed = html! { "To version " (failed.version) ": taken back. " (failed.reason) };
        pairs.push(("Last update", failed));
    }
    let internet = service.internet.as_deref();
    pairs.push((
        "Internet",
        html! { (internet.unwrap_or("It cannot reach the internet.")) },
    ));
    pairs.push(("Data", html! { (size(service.data_bytes)) }));
    if !service.requires.is_empty() {
        let ids = service.requires.iter().map(|id| id.as_str()).collect();
        pairs.push(("Needs", list(ids)));
    }
    if !service.needed_by.is_empty() {
        let ids = service.needed_by.iter().map(|id| id.as_str()).collect();
        pairs.push(("Needed by", list(ids)));
    }
    pairs
}

/// Whose service it is, and where that is changed.
fn used_by(frame: &Frame, service: &ServiceView) -> Markup {
    let names = service.groups.iter().flatten();
    let names: Vec<&str> = names.map(|name| name.as_str()).collect();
    html! {
        @match &service.groups {
            None => "Everybody who has an account.",
            Some(_) => { "The groups " (names.join(", ")) "." }
        }
        @if frame.may_post("/services/{service}/people") {
            " " a href={ (service_path(&service.id)) "/people" } { "Change who may use it" }
        }
    }
}

/// Who may come, and where that is changed.
fn reached_by(frame: &Frame, service: &ServiceView) -> Markup {
    let is_open = service.published == Some(true);
    html! {
        (match is_open {
            true => "Everybody: it is open to the internet.",
            false => "People at home and devices of the VPN.",
        })
        @if frame.may_post("/services/{service}/internet") {
            " " a href={ (service_path(&service.id)) "/internet" } {
                (match is_open {
                    true => "Close it to the internet",
                    false => "Open it to the internet",
                })
            }
        }
    }
}

fn version(service: &ServiceView) -> Markup {
    html! {
        (service.version)
        @if let Some(next) = &service.next {
            " " span.quiet { "(version " (next.version) " is fetched, and is tried then)" }
        }
        @match &service.update {
            Some(_) if service.on_trial => {}
            Some(update) => { " " span.quiet { "(version " (update.version) " is there)" } }
            None => {}
        }
    }
}

fn settings(settings: &[SettingView]) -> Vec<Vec<Markup>> {
    let row = |setting: &SettingView| {
        let value = setting.value.as_ref().map(spoken).unwrap_or_default();
        vec![
            html! { (setting.label) },
            html! { (value) @if setting.is_default { " " span.quiet { "(as it came)" } } },
        ]
    };
    settings.iter().map(row).collect()
}
