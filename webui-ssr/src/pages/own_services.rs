//! Services as whoever uses them sees them: where they are, and what to do on one's devices.

use cell_control::view::OwnServiceView;
use maud::{Markup, html};

use super::how_to_use::{Use, how_to_use};
use crate::frame::Frame;
use crate::parts::shell::page;
use crate::parts::state::badge;
use crate::parts::text::{empty, facts};

/// The page.
pub(crate) fn render(frame: &Frame, services: &[OwnServiceView]) -> Markup {
    let content = html! {
        p.lead { "What the box does for you, and how to use it on your devices." }
        @if services.is_empty() {
            (empty("There is no service yet.", &html! { p { "Whoever runs the box can add some." } }))
        }
        @for service in services { (shown(frame, service)) }
    };
    page(frame, &content)
}

fn shown(frame: &Frame, service: &OwnServiceView) -> Markup {
    let mut about = vec![("State", badge(service.state))];
    if !service.urls.is_empty() {
        let urls = html! { @for url in &service.urls { a href=(url) { (url) } br; } };
        about.push(("Address", urls));
    }
    let from = match service.published {
        true => "From anywhere",
        false => "At home, and on devices of the VPN",
    };
    about.push(("Works", html! { (from) }));
    html! {
        section {
            h2 { (service.name) }
            p { (service.summary) }
            (facts(&about))
            (how_to_use(frame, &Use::from(service)))
        }
    }
}
