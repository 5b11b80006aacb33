//! A service is to be installed: what that means.

use cell_control::view::OfferView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, link, token};
use crate::parts::form::{fields, summary};
use crate::parts::shell::form_page;

/// The page, with what the service asks.
pub(crate) fn render(frame: &Frame, offer: &OfferView, draft: &Draft) -> Markup {
    let path = format!("{}/install", service_path(&offer.id));
    let needs: Vec<&str> = offer.requires.iter().map(|id| id.as_str()).collect();
    let asked = draft.fields();
    let content = html! {
        (summary(draft))
        p.lead { strong { (offer.name) } ": " (offer.summary) "." }
        ul {
            @match &offer.source {
                None => { li { "Version " (offer.version) ", as it came with the box. Nothing is fetched." } }
                Some(source) => { li { "Version " (offer.version) ", fetched from the source " strong { (source) } "." } }
            }
            @if !needs.is_empty() { li { "It needs " (needs.join(", ")) ", which is installed with it." } }
            @match &offer.internet {
                Some(why) => { li { "It may reach the internet: " (why) } },
                None => { li { "It cannot reach the internet, your home network or the box." } },
            }
            @if offer.kept_data { li { "Its data from before is still there, and is used again." } }
        }
        form.stack[!asked.is_empty()] method="post" action=(path) {
            (token(frame))
            (fields(draft, asked))
            div.buttons {
                button class=(Look::Main.class()) { "Install it" }
                (link("/services", "Do nothing", Look::Plain))
            }
        }
    };
    form_page(frame, draft, &content)
}
