//! An invite that was just made. Its link is shown this once: the box keeps only what the code hashes to.

use cell_control::invite::NewInvite;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, facts, notice, qr_figure, time};

/// The page. `url` is where whoever made it reaches the box, `local` the name it has at home beside that.
pub(crate) fn render(frame: &Frame, made: &NewInvite, url: &str, local: Option<&str>) -> Markup {
    let invite = &made.invite;
    let content = html! {
        (notice(Weight::Warning, &html! {
            p { strong { "This is shown once. " } "Whoever has the link becomes " (invite.username) ": send it to nobody else." }
        }))
        (facts(&[
            ("Name", html! { (invite.username) }),
            ("Role", html! { (invite.role.as_str()) }),
            ("Counts until", time(&frame.clock, invite.expires_at)),
        ]))
        section {
            h2 { "Link" }
            (qr_figure(url, "The link: scan it with the camera of their phone"))
            div.scroll role="region" aria-label="The link" tabindex="0" { pre { (url) } }
            @if let Some(local) = local {
                p { "At home this one works too, without the box's name server:" }
                div.scroll role="region" aria-label="The link at home" tabindex="0" { pre { (local) } }
            }
            p.hint { "It opens at home and on devices of the VPN. The browser warns about the certificate until the device trusts the box; the page that follows says how." }
        }
        div.buttons { (link("/people", "Done", Look::Main)) }
    };
    answer(frame, &format!("Invite for {}", invite.username), &content)
}
