//! A key signs from now on, because somebody says that its record is there.

use cell_model::mail::{DkimKey, DkimState};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::mail_key_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, key: &DkimKey) -> Markup {
    let record = format!("{}._domainkey.{}", key.selector, key.domain);
    let back = |label| link("/mail/keys", label, Look::Plain);
    let content = html! {
        @match key.state {
            DkimState::Made | DkimState::Published => {
                p.lead { "From now on, whether or not the box has seen the record of the key in public DNS." }
                ul {
                    li { "Do this when you know that the record " code { (record) } " is there, and the box cannot find it or you do not want to wait." }
                    li { "Where the record is not found, others take the signature for a false one, and mail of yours for spam." }
                    li { "The key that signs now signs no more, and its private half is destroyed. That cannot be taken back." }
                }
                div.buttons {
                    (button(frame, &mail_key_path(&key.selector), "Sign with it now", Look::Main, &[]))
                    (back("Wait for the record"))
                }
            }
            DkimState::Signing => {
                p.lead { "Mail is signed with this key already." }
                div.buttons { (back("Back")) }
            }
            DkimState::Retiring | DkimState::Revoked => {
                p.lead { "The time of this key is over: its private half is destroyed. Make a new one." }
                div.buttons { (back("Back")) }
            }
        }
    };
    page(frame, &content)
}
