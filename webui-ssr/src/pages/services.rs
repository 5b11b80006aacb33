//! Services: those that are installed, and those the store has.

use cell_control::view::{KeptDataView, OfferView, ServiceView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::empty;

use super::service::state;
use super::service_details::size;

/// The page.
pub(crate) fn render(frame: &Frame, offers: &[OfferView], kept: &[KeptDataView]) -> Markup {
    let others: Vec<&OfferView> = offers
        .iter()
        .filter(|offer| offer.installed.is_none())
        .collect();
    let content = html! {
        p.lead { "What the box does for people beside their connection. Each service runs shut in, with what its page shows and no more." }
        section {
            h2 { "Installed" }
            @if frame.services.is_empty() {
                (empty("No service is installed.", &html! { p.quiet { "Choose one below." } }))
            } @else {
                (installed(frame))
            }
        }
        section {
            h2 { "Store" }
            @if others.is_empty() && offers.is_empty() {
                (empty("This box brought no services along.", &html! { p.quiet { "Its image was made without them." } }))
            } @else if others.is_empty() {
                p { "All services of the store are installed." }
            } @else {
                (table("Services of the store", &["Name", "What it is", "Version"], &offered(frame, &others)))
            }
            p { a href="/sources" { "Sources of services" } }
        }
        @if !kept.is_empty() {
            section {
                h2 { "Data that was kept" }
                p { "Of services that were removed. They go on with it when they are installed again." }
                (table("Data that was kept", &["Service", "Size"], &left(frame, kept)))
            }
        }
    };
    page(frame, &content)
}

/// Every service that is installed, with its state; shared with the overview.
pub(super) fn installed(frame: &Frame) -> Markup {
    let row = |service: &ServiceView| {
        vec![
            html! { a href=(service_path(&service.id)) { (service.name) } },
            html! { (state(frame, service)) },
            html! { @for url in &service.urls { span.value { (url) } br; } },
        ]
    };
    let rows: Vec<Vec<Markup>> = frame.services.iter().map(row).collect();
    table("Installed services", &["Name", "State", "Address"], &rows)
}

fn left(frame: &Frame, kept: &[KeptDataView]) -> Vec<Vec<Markup>> {
    let row = |data: &KeptDataView| {
        let path = format!("{}/data", service_path(&data.id));
        vec![
            html! { (data.name) },
            html! {
                (size(data.data_bytes))
                @if frame.may_post("/services/{service}/data") { br; (link(&path, "Delete", Look::Danger)) }
            },
        ]
    };
    kept.iter().map(row).collect()
}

fn offered(frame: &Frame, offers: &[&OfferView]) -> Vec<Vec<Markup>> {
    let row = |offer: &&OfferView| {
        let path = format!("{}/install", service_path(&offer.id));
        vec![
            html! { (offer.name) },
            html! {
                (offer.summary)
                @if offer.kept_data { br; span.quiet { "Its data from before is still there." } }
                @if let Some(source) = &offer.source { br; span.quiet { "From the source " (source) "." } }
            },
            html! {
                (offer.version) br;
                @if frame.may_post("/services/{service}/install") { (link(&path, "Install", Look::Plain)) }
            },
        ]
    };
    offers.iter().map(row).collect()
}
