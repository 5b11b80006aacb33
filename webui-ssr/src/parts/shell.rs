//! What is around every page: head, menu, the way back, what was just done.

use cell_control::view::ServiceView;
use cell_model::account::{Identity, Role};
use maud::{DOCTYPE, Markup, html};

use super::text::{Weight, notice};
use crate::assets;
use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::{self, Link};

/// What the box is called before anybody may know its name.
const PRODUCT: &str = "Personal Internet Cell";

/// The entry of the menu that has one for each service below it.
const SERVICES: &str = "/services";

/// A page, under the title the route table gives it, which is its only first-level heading.
pub(crate) fn page(frame: &Frame, content: &Markup) -> Markup {
    answer(frame, &frame.title(), content)
}

/// What answers a form and is no page of its own: it has a title of its own.
pub(crate) fn answer(frame: &Frame, title: &str, content: &Markup) -> Markup {
    document(frame, title, title, &html! {}, content)
}

/// A page with a form: its title says so when something is wrong, because titles are heard first.
pub(crate) fn form_page(frame: &Frame, draft: &Draft, content: &Markup) -> Markup {
    let title = frame.title();
    document(frame, &spoken(draft, &title), &title, &html! {}, content)
}

/// A title that says so when something is wrong.
fn spoken(draft: &Draft, title: &str) -> String {
    let wrong = draft.refused().is_some() || !draft.errors().is_empty();
    match wrong {
        true => format!("Error: {title}"),
        false => title.to_owned(),
    }
}

/// A page with a form that a script has a part in.
pub(crate) fn scripted_form_page(
    frame: &Frame,
    draft: &Draft,
    script: &Markup,
    content: &Markup,
) -> Markup {
    let title = frame.title();
    document(frame, &spoken(draft, &title), &title, script, content)
}

/// A page whose live part the script keeps fresh.
pub(crate) fn live_page(frame: &Frame, content: &Markup) -> Markup {
    let script = html! { script src=(assets::live_path()) defer {} };
    let title = frame.title();
    document(frame, &title, &title, &script, content)
}

fn document(frame: &Frame, spoken: &str, title: &str, script: &Markup, content: &Markup) -> Markup {
    let cell = frame.cell_name.as_deref().unwrap_or(PRODUCT);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (spoken) " – " (cell) }
                link rel="stylesheet" href=(assets::style_path());
                // An empty picture keeps browsers from asking for /favicon.ico.
                link rel="icon" href="data:,";
                (script)
            }
            body.alone[frame.identity.is_none()] {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href=(frame.role().map_or("/", navigation::home)) { (cell) }
                    @if let Some(identity) = &frame.identity { (who(identity)) }
                }
                @if let Some(identity) = &frame.identity {
                    nav.side aria-label="Main" { (menu(frame, identity.role)) }
                    details.menu {
                        summary { "Menu" }
                        nav aria-label="Main" { (menu(frame, identity.role)) }
                    }
                }
                main #main tabindex="-1" {
                    @if let Some(role) = frame.role() { (crumbs(&navigation::crumbs(role, &frame.path, frame.names()))) }
                    h1 { (title) }
                    @if let Some(done) = frame.done {
                        div role="status" { (notice(Weight::Note, &html! { p { (done.sentence()) } })) }
                    }
                    (content)
                }
            }
        }
    }
}

fn who(identity: &Identity) -> Markup {
    html! { a.who href="/account" { (identity.username) " " span.quiet { (identity.role.as_str()) } } }
}

fn menu(frame: &Frame, role: Role) -> Markup {
    html! {
        @for (group, pages) in navigation::menu(role) {
            p.group { (group.title()) }
            ul {
                @for page in pages {
                    @let below: &[ServiceView] = if page.path == SERVICES { &frame.services } else { &[] };
                    @let is_below = below.iter().any(|service| is_at(frame, service));
                    @let is_here = navigation::is_under(&frame.path, page.path) && !is_below;
                    li {
                        a href=(page.path) aria-current=[is_here.then_some("page")] { (page.title) }
                        @if !below.is_empty() { (services(frame, below)) }
                    }
                }
            }
        }
    }
}

/// What is installed, below where all of it is listed.
fn services(frame: &Frame, services: &[ServiceView]) -> Markup {
    html! {
        ul {
            @for service in services {
                @let current = is_at(frame, service).then_some("page");
                li { a href=(navigation::service_path(&service.id)) aria-current=[current] { (service.name) } }
            }
        }
    }
}

/// Whether the page is one of a service's.
fn is_at(frame: &Frame, service: &ServiceView) -> bool {
    navigation::is_under(&frame.path, &navigation::service_path(&service.id))
}

fn crumbs(links: &[Link]) -> Markup {
    html! {
        @if !links.is_empty() {
            nav.crumbs aria-label="Where you are" {
                ol { @for link in links { li { a href=(link.path) { (link.title) } } } }
            }
        }
    }
}
