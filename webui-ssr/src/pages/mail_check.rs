//! How mail looks from outside, and what to do about it.

use cell_control::mail::{MailFindingsView, MailView};
use cell_model::config::DeliveryConfig;
use cell_model::mail::{FindingState, MailFinding};
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::action::{Look, button};
use crate::parts::form::form;
use crate::parts::icon::Icon;
use crate::parts::list::table;
use crate::parts::shell::form_page;
use crate::parts::state::labelled;
use crate::parts::text::{empty, time};

/// The page; `found` is `None` while mail is not installed.
pub(crate) fn render(
    frame: &Frame,
    mail: &MailView,
    found: Option<&MailFindingsView>,
    draft: &Draft,
) -> Markup {
    let content = html! {
        p.lead { "What others find when they look for mail of " (mail.domain) ", whether they get through, and what to do where they do not." }
        @match found {
            Some(found) => {
                (shown(frame, found))
                @if frame.may_post("/mail/check") { (look(frame, mail, draft)) }
            }
            None => (empty("There is nothing to look at: mail is not installed.", &html! {})),
        }
    };
    form_page(frame, draft, &content)
}

fn shown(frame: &Frame, found: &MailFindingsView) -> Markup {
    let Some(checked_at) = found.checked_at else {
        return empty("Nobody has looked since the box was started.", &html! {});
    };
    let (well, open): (Vec<_>, Vec<_>) = found
        .findings
        .iter()
        .partition(|finding| finding.state == FindingState::Ok);
    let rows = |findings: &[&MailFinding]| findings.iter().map(|one| row(one)).collect::<Vec<_>>();
    html! {
        p { "As it was " (time(&frame.clock, checked_at)) "." }
        section {
            h2 { "What could be better" }
            @if open.is_empty() {
                (empty("Nothing: everything that can be seen is as it should be.", &html! {}))
            } @else {
                (table("What could be better", &["State", "What was seen"], &rows(&open)))
            }
        }
        @if !well.is_empty() {
            section {
                h2 { "What is as it should be" }
                (table("What is as it should be", &["State", "What was seen"], &rows(&well)))
            }
        }
    }
}

fn row(finding: &MailFinding) -> Vec<Markup> {
    let (class, picture, word) = match finding.state {
        FindingState::Ok => ("ok", Icon::Tick, "OK"),
        FindingState::Warning => ("pending", Icon::Warning, "Could be better"),
        FindingState::Failed => ("failed", Icon::Cross, "Fails"),
        FindingState::Unknown => ("unknown", Icon::Question, "Unknown"),
    };
    vec![
        labelled(class, picture, word),
        html! {
            span.told { (finding.seen) }
            @if !finding.action.is_empty() { br; strong { (finding.action) } }
        },
    ]
}

fn look(frame: &Frame, mail: &MailView, draft: &Draft) -> Markup {
    html! {
        section {
            h2 { "Look again" }
            p { "The box asks name servers, block lists and mail servers for up to 40 seconds. None is sent a message." }
            // Whose servers are greeted is a question only where the box itself brings mail to them, or for who asked it.
            @if mail.delivery == DeliveryConfig::Direct || draft.refused().is_some() || !draft.errors().is_empty() {
                (form(frame, draft, "/mail/check", "Look now"))
            } @else {
                div.buttons { (button(frame, "/mail/check", "Look now", Look::Main, &[])) }
            }
        }
    }
}
