//! Mail: how it is, and everything that there is to set.

use cell_control::mail::{MailAliasView, MailView};
use cell_control::view::ServiceView;
use cell_model::config::DeliveryConfig;
use cell_model::mail::{DkimKey, DkimState};
use cell_model::name::Domain;
use http::Method;
use maud::{Markup, html};

use super::service::state;
use crate::forms::mail::amount;
use crate::frame::Frame;
use crate::navigation::{mail_alias_path, service_path};
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{Weight, empty, facts, notice};

/// The page.
pub(crate) fn render(frame: &Frame, mail: &MailView, keys: &[DkimKey]) -> Markup {
    let service = frame.services.iter().find(|service| service.mail.is_some());
    let content = html! {
        p.lead { "Everybody who may use the service has their name as an address: name@" (mail.domain) "." }
        @if mail.installed {
            @if let Some(service) = service { (facts(&about(frame, service))) }
        } @else {
            (missing(frame))
        }
        @if mail.domain.is_for_home() {
            (at_home(&mail.domain))
        } @else if let Some(service) = service.filter(|service| service.published == Some(false)) {
            (closed(frame, service))
        }
        (addresses(frame, mail))
        (room(frame, mail))
        (delivery(frame, mail))
        @if mail.installed { (others(mail, keys)) }
    };
    page(frame, &content)
}

/// What it means that nobody outside can have the domain.
pub(super) fn at_home(domain: &Domain) -> Markup {
    notice(
        Weight::Warning,
        &html! {
            p {
                strong { (domain) " is a name for home. " }
                "Nobody outside can write to it, and mail from it is turned away. For mail with others the box needs a domain of your own, such as example.org, as its domain in the "
                a href="/settings" { "settings" } "."
            }
        },
    )
}

/// There is no service yet.
fn missing(frame: &Frame) -> Markup {
    let next = html! {
        @if frame.may(&Method::GET, "/services/{service}/install") {
            p { "What is set below counts from then on." }
            div.buttons { (link("/services/mail/install", "Install mail", Look::Main)) }
        }
    };
    empty(
        "The mail service is not installed: nobody gets mail here.",
        &next,
    )
}

fn about(frame: &Frame, service: &ServiceView) -> [(&'static str, Markup); 2] {
    let path = service_path(&service.id);
    let from_outside = match service.published {
        Some(true) => "Open: others bring mail, and devices reach it from anywhere",
        _ => "Closed: only people at home and devices of the VPN reach it",
    };
    [
        (
            "State",
            html! { (state(frame, service)) br; a href=(path) { "The service" } },
        ),
        ("From outside", html! { (from_outside) }),
    ]
}

/// Mail of others does not come in.
fn closed(frame: &Frame, service: &ServiceView) -> Markup {
    let path = format!("{}/internet", service_path(&service.id));
    notice(
        Weight::Warning,
        &html! {
            p {
                strong { "No mail from outside arrives. " }
                "Other servers bring it to port 25, which is closed until the service is open to the internet. People of the box can write to each other."
            }
            @if frame.may(&Method::GET, "/services/{service}/internet") {
                p { a href=(path) { "Open it to the internet" } }
            }
        },
    )
}

fn addresses(frame: &Frame, mail: &MailView) -> Markup {
    let may = frame.may_post("/mail/aliases/new");
    let add = html! { @if may { (link("/mail/aliases/new", "Add an address", Look::Main)) } };
    let aliases = mail.aliases.iter();
    let rows: Vec<Vec<Markup>> = aliases.map(|alias| row(alias, may)).collect();
    html! {
        section {
            h2 { "Further addresses" }
            @if rows.is_empty() {
                (empty("There is none beside those that people have.", &html! { div.buttons { (add) } }))
            } @else {
                (table("Further addresses", &["Address", "Who gets it"], &rows))
                div.buttons { (add) }
            }
            @if !mail.kept_names.is_empty() {
                p {
                    "Others write to some names to reach whoever runs a domain. Their mail goes to the owners of the box, until such a name is somebody's or a further address: "
                    (kept(mail)) "."
                }
            }
            p {
                @match &mail.catch_all {
                    Some(username) => {
                        "What is sent to an address that nobody has goes to " strong { (username) } "."
                    }
                    None => { "What is sent to an address that nobody has is refused, and whoever sent it is told so." }
                }
                @if frame.may_post("/mail/rest") { " " a href="/mail/rest" { "Change who gets it" } }
            }
        }
    }
}

fn row(alias: &MailAliasView, may: bool) -> Vec<Markup> {
    let targets = alias.targets.iter().map(ToString::to_string);
    let targets: Vec<String> = targets.collect();
    vec![
        html! {
            @if may { a href=(mail_alias_path(&alias.name)) { (alias.address) } } @else { (alias.address) }
        },
        html! { (targets.join(", ")) },
    ]
}

fn kept(mail: &MailView) -> String {
    let names = mail.kept_names.iter().map(|name| name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn room(frame: &Frame, mail: &MailView) -> Markup {
    let row = |(username, mib): (_, &u32)| (username, html! { (amount(*mib)) });
    let quotas = mail.quotas.iter();
    let quotas = quotas.map(|(username, mib)| row((username.as_str(), mib)));
    let mut pairs = vec![("Each person", html! { (amount(mail.quota_mib)) })];
    pairs.extend(quotas);
    html! {
        section {
            h2 { "Room for mail" }
            (facts(&pairs))
            @if frame.may_post("/mail/room") {
                div.buttons { (link("/mail/room", "Change the room", Look::Plain)) }
            }
        }
    }
}

fn delivery(frame: &Frame, mail: &MailView) -> Markup {
    html! {
        section {
            h2 { "How mail leaves the box" }
            @match &mail.delivery {
                DeliveryConfig::Direct => {
                    p { "The box brings it to the servers of those it is for. That fails on most connections at home: their providers close port 25, and other servers turn away mail from addresses of homes. Send it through a provider then." }
                }
                DeliveryConfig::Relay(relay) => {
                    p { "A provider takes all of it and brings it on." }
                    (facts(&[
                        ("Server", html! { (relay.host) ", port " (relay.port) }),
                        ("User name", html! {
                            @match &relay.username {
                                Some(username) => (username),
                                None => "None: the box does not sign in",
                            }
                        }),
                        ("Password", html! {
                            (match (mail.relay_password_set, &relay.username) {
                                (true, _) => "Kept, sealed",
                                (false, None) => "None",
                                (false, Some(_)) => "None: nothing is sent until it is typed in",
                            })
                        }),
                    ]))
                }
                DeliveryConfig::ReceiveOnly => {
                    p { "None does: people get mail from everywhere, and write to people of this box alone." }
                }
            }
            @if frame.may_post("/mail/delivery") {
                div.buttons { (link("/mail/delivery", "Change how it leaves", Look::Plain)) }
            }
        }
    }
}

/// What others have to find in public DNS.
fn others(mail: &MailView, keys: &[DkimKey]) -> Markup {
    let has = |state| keys.iter().any(|key| key.state == state);
    let (signs, waits) = (has(DkimState::Signing), has(DkimState::Made));
    let leaves = mail.delivery != DeliveryConfig::ReceiveOnly && !mail.domain.is_for_home();
    html! {
        section {
            h2 { "What others have to find" }
            p { "Other servers look into public DNS for where mail of the domain goes, and whether mail from it is genuine." }
            @if leaves && !signs {
                (notice(Weight::Warning, &html! {
                    p {
                        strong { "Mail is not signed. " }
                        @if waits {
                            "A key waits: put its record into public DNS. "
                        } @else if has(DkimState::Published) {
                            "The record of a key was seen: it signs within an hour or two. "
                        }
                        a href="/mail/keys" { "Signing keys" }
                    }
                }))
            } @else if leaves && waits {
                (notice(Weight::Note, &html! {
                    p { "A new key waits: put its record into public DNS. " a href="/mail/keys" { "Signing keys" } }
                }))
            }
            div.buttons {
                (link("/mail/records", "DNS records", Look::Plain))
                (link("/mail/keys", "Signing keys", Look::Plain))
                (link("/mail/check", "How it looks from outside", Look::Plain))
            }
        }
    }
}
