//! What mail wants in public DNS.

use cell_control::mail::{MailRecordView, MailRecordsView, MailView};
use cell_gate::form::encode;
use cell_model::mail::MailPurpose;
use maud::{Markup, html};

use super::mail::at_home;
use crate::frame::Frame;
use crate::parts::action::Look;
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{Weight, empty, notice};

/// The page.
pub(crate) fn render(frame: &Frame, mail: &MailView, records: Option<&MailRecordsView>) -> Markup {
    let content = match records {
        Some(records) => shown(mail, records),
        None => {
            let next = html! { p { a href="/mail" { "Mail" } } };
            empty("Mail is not installed, so there are no records.", &next)
        }
    };
    page(frame, &content)
}

fn shown(mail: &MailView, view: &MailRecordsView) -> Markup {
    let (needed, better): (Vec<_>, Vec<_>) = view.records.iter().partition(|record| record.needed);
    // A link and not a form: there is nothing to ask the box for again.
    let download = format!("data:text/plain;charset=utf-8,{}", encode(&view.zone));
    let has_host = view
        .records
        .iter()
        .any(|record| record.purpose == MailPurpose::Host);
    html! {
        p.lead { "Put these where the names of " strong { (mail.domain) } " are kept: usually with whoever you have the domain from." }
        ul {
            li { "Some want names without the domain at the end: " code { "mail" } " instead of " code { "mail." (mail.domain) } ", and " code { "@" } " for the domain itself." }
            li { "Some want texts without their quotation marks, and in one piece." }
            li { "A record of the same name and type that is there already is to be replaced, not added to. Others find a change within the hour or a day." }
        }
        div.buttons {
            a class=(Look::Plain.class()) href=(download) download={ (mail.domain) ".zone" } { "Download as a zone file" }
        }
        @if mail.domain.is_for_home() { (at_home(&mail.domain)) }
        @if !has_host {
            (notice(Weight::Warning, &html! {
                p {
                    strong { "The address of the server is missing below. " }
                    "The box does not know which address others reach it at. Add a record of type A for " code { "mail." (mail.domain) }
                    " with the public address of your connection, or set that address as the endpoint in the " a href="/settings" { "settings" } "."
                }
            }))
        }
        (section("Needed", "Without these, mail does not arrive, here or at others.", &needed))
        (section("Better with these", "Mail works without them. With them, devices set themselves up and fewer messages are taken for spam.", &better))
    }
}

fn section(title: &str, about: &str, records: &[&MailRecordView]) -> Markup {
    let rows: Vec<Vec<Markup>> = records.iter().map(|record| row(record)).collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { (title) }
                p { (about) " One tap selects a name or a value." }
                (table(title, &["Name", "Type", "Value", "What for"], &rows))
            }
        }
    }
}

fn row(record: &MailRecordView) -> Vec<Markup> {
    vec![
        html! { code.value { (record.name) } },
        html! { (record.kind) },
        html! { code.value { (record.value) } },
        html! { (record.description) },
    ]
}
