//! One further address.

use cell_control::mail::MailAliasView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::mail_alias_path;
use crate::parts::action::{Look, button};
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, alias: &MailAliasView, draft: &Draft) -> Markup {
    let path = mail_alias_path(&alias.name);
    let content = html! {
        p.lead { "What is sent to " strong { (alias.address) } "." }
        (form(frame, draft, &path, "Save"))
        section {
            h2 { "Remove" }
            p { "What is sent there is refused then, or goes to whoever gets mail for nobody; mail for postmaster and the like goes to the owners again. What came before stays where it is." }
            div.buttons { (button(frame, &format!("{path}/remove"), "Remove the address", Look::Danger, &[])) }
        }
    };
    form_page(frame, draft, &content)
}
