//! Somebody's own mail: their addresses, and what to type into a device.

use cell_control::mail::{MailProtocol, MailSecurity, MailServerView, OwnMailView};
use cell_control::view::OwnServiceView;
use maud::{Markup, html};

use super::how_to_use::{Use, how_to_use};
use crate::forms::mail::amount;
use crate::frame::Frame;
use crate::parts::shell::page;
use crate::parts::text::{Weight, empty, facts, notice};

/// The page. Who has no mail here is told why.
pub(crate) fn render(
    frame: &Frame,
    mail: Option<&OwnMailView>,
    service: Option<&OwnServiceView>,
) -> Markup {
    let content = match mail {
        Some(mail) => html! { (addresses(mail)) (devices(frame, mail, service)) },
        None => empty(
            "You have no mail here.",
            &html! { p { "The mail service is not installed, or not for you, or your name cannot be an address. Whoever runs the box can tell." } },
        ),
    };
    page(frame, &content)
}

fn addresses(mail: &OwnMailView) -> Markup {
    let mut pairs = vec![("Your address", html! { strong { (mail.address) } })];
    if !mail.aliases.is_empty() {
        let aliases = html! { @for alias in &mail.aliases { (alias) br; } };
        pairs.push(("You also get mail of", aliases));
    }
    if mail.catches_all {
        pairs.push((
            "The rest",
            html! { "You get what is sent to an address that nobody has." },
        ));
    }
    pairs.push(("Room", html! { (amount(mail.quota_mib)) }));
    html! {
        (facts(&pairs))
        @if mail.can_send {
            @if !mail.aliases.is_empty() { p { "You may write under each of these addresses." } }
        } @else {
            (notice(Weight::Note, &html! { p { "The box only receives: you get mail from everywhere, and can write to people of this box alone." } }))
        }
    }
}

fn devices(frame: &Frame, mail: &OwnMailView, service: Option<&OwnServiceView>) -> Markup {
    let mut pairs = vec![
        ("E-mail address", html! { (mail.address) }),
        (
            "User name",
            html! { (mail.username) ", or the whole address" },
        ),
        (
            "Password",
            html! { "An " a href="/account/app-passwords" { "app password" } ": one for each device, not the one you sign in with here" },
        ),
    ];
    for (protocol, name) in [
        (MailProtocol::Imap, "Reading (IMAP)"),
        (MailProtocol::Smtp, "Sending (SMTP)"),
    ] {
        let servers = mail.servers.iter();
        let servers = servers.filter(|server| server.protocol == protocol);
        let servers: Vec<String> = servers.map(server).collect();
        pairs.push((name, html! { (servers.join("; or ")) }));
    }
    html! {
        section {
            h2 { "What to type into a device" }
            (facts(&pairs))
        }
        @if let Some(service) = service {
            section {
                h2 { "Step by step" }
                @if !service.published {
                    p { "Works at home, and on devices of the VPN." }
                }
                (how_to_use(frame, &Use::from(service)))
            }
        }
    }
}

fn server(server: &MailServerView) -> String {
    let security = match server.security {
        MailSecurity::Tls => "TLS (SSL)",
        MailSecurity::StartTls => "STARTTLS",
    };
    format!("{}, port {}, {security}", server.host, server.port)
}
