//! Whether the internet reaches a service, and what that means.

use cell_control::view::ServiceView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, button, link};
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, service: &ServiceView, draft: &Draft) -> Markup {
    let page_path = service_path(&service.id);
    let content = html! {
        @match service.published {
            None => {
                p.lead { strong { (service.name) } " is not reached by a name over HTTPS, so there is nothing to open." }
                div.buttons { (link(&page_path, "Back", Look::Plain)) }
            }
            Some(true) => { (close(frame, service, &page_path)) }
            Some(false) => { (open(frame, service, draft, &page_path)) }
        }
    };
    form_page(frame, draft, &content)
}

fn open(frame: &Frame, service: &ServiceView, draft: &Draft, page_path: &str) -> Markup {
    html! {
        p.lead { "People at home and devices of the VPN reach " strong { (service.name) } " already. This is for those who have neither." }
        ul {
            li { "Anybody on the internet can ask it for an answer. You see first what that means, and can close it at any time." }
            li { "Only this service is opened, and nothing else of the box; the admin page never is." }
            @if service.mail.is_some() {
                li { "Other servers bring mail then, and devices reach their mailboxes from anywhere. Point the public names at the box too: " a href="/mail/records" { "DNS records" } "." }
            }
            li { "Visitors have to find its name and trust the cell's certificate: the next page says how, until the cell has a public name." }
            li { "While it is stopped it is closed, and open again once it is started." }
        }
        (form(frame, draft, &format!("{page_path}/internet"), "Review"))
    }
}

fn close(frame: &Frame, service: &ServiceView, page_path: &str) -> Markup {
    html! {
        p.lead { "The internet reaches " strong { (service.name) } " at ports " (ports(service)) " of the box." }
        p { "Once it is closed, only people at home and devices of the VPN reach it." }
        div.buttons {
            (button(frame, &format!("{page_path}/internet/close"), "Close it to the internet", Look::Main, &[]))
            (link(page_path, "Leave it open", Look::Plain))
        }
    }
}

/// Those that are open: the ones of mail, whose programs read their settings by HTTPS, and of what has pages.
fn ports(service: &ServiceView) -> &'static str {
    match service.mail {
        Some(_) => "25, 80, 443, 465, 587 and 993",
        None => "80 and 443",
    }
}
