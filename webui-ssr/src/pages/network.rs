//! Interfaces and addresses: what was asked for beside what is so.

use cell_control::view::{ConfigView, DhcpView, NetworkView};
use cell_model::config::AddressingConfig;
use cell_model::facts::InterfaceFacts;
use cell_model::name::InterfaceName;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::icon::Icon;
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::state::labelled;
use crate::parts::text::{facts, time};

/// The page.
pub(crate) fn render(frame: &Frame, config: &ConfigView, network: &NetworkView) -> Markup {
    let content = html! {
        div.pair {
            section.card {
                h2 { "Asked for" }
                (facts(&[
                    ("Uplink (WAN)", asked(&config.network.wan.addressing)),
                    ("Home side (LAN)", match network.lan {
                        Some(_) => asked(&config.network.lan.addressing),
                        None => html! { "None: the box has one arm" },
                    }),
                    ("VPN", html! { (config.vpn.subnet) br; (config.vpn.subnet6) }),
                ]))
                @if frame.may_post("/network/addresses") {
                    div.buttons { (link("/network/addresses", "Change the addresses", Look::Plain)) }
                }
            }
            section.card {
                h2 { "In force" }
                (facts(&[
                    ("Uplink (WAN)", actual(network, &network.wan)),
                    ("Home side (LAN)", match &network.lan {
                        Some(lan) => actual(network, lan),
                        None => html! { "None" },
                    }),
                    ("Gateway", match network.gateway {
                        Some(gateway) => html! { (gateway) },
                        None => html! { "None: no way out" },
                    }),
                    ("Servers the uplink was given", listed(&network.resolvers)),
                    ("Admin page listens on", listed(&network.admin)),
                    ("DNS listens on", listed(&network.dns)),
                ]))
            }
        }
        @for (name, known) in &network.dhcp { (dhcp(frame, name, known)) }
        section {
            h2 { "Interfaces" }
            (interfaces(network))
            p { a href="/network" { "Refresh" } }
        }
    };
    page(frame, &content)
}

fn asked(addressing: &AddressingConfig) -> Markup {
    match addressing {
        AddressingConfig::Adopt => html! { "Keep what is there" },
        AddressingConfig::Dhcp => html! { "Ask by DHCP" },
        AddressingConfig::Static { address, gateway } => html! {
            (address) @if let Some(gateway) = gateway { br; "gateway " (gateway) }
        },
    }
}

fn actual(network: &NetworkView, name: &InterfaceName) -> Markup {
    let found = network
        .interfaces
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, facts)| facts);
    html! {
        (name)
        @match found {
            Some(facts) => { @for address in &facts.addresses { br; (address) } },
            None => " – not there",
        }
    }
}

fn dhcp(frame: &Frame, name: &InterfaceName, known: &DhcpView) -> Markup {
    let state = match (&known.lease, known.fallback) {
        (Some(_), _) => labelled("ok", Icon::Tick, "Address granted"),
        (None, Some(_)) => labelled("failed", Icon::Cross, "No server answers"),
        (None, None) => labelled("pending", Icon::Clock, "Asking"),
    };
    let mut rows = vec![("State", state)];
    if let Some(lease) = &known.lease {
        rows.extend([
            ("Address", html! { (lease.address) }),
            ("Router", or_none(lease.router)),
            ("Name servers", listed(&lease.resolvers)),
            ("Granted by", or_none(lease.server)),
            ("Until, if not renewed", time(&frame.clock, lease.until)),
        ]);
    }
    if let Some(fallback) = known.fallback {
        rows.push((
            "Address of its own",
            html! {
                (fallback) br; "A computer on the same cable reaches the box there."
            },
        ));
    }
    html! {
        section.card {
            h2 { "DHCP on " (name) }
            @if let Some(complaint) = &known.complaint { p { (complaint) } }
            (facts(&rows))
        }
    }
}

fn or_none<T: ToString>(item: Option<T>) -> Markup {
    html! { (item.map_or_else(|| "None".to_owned(), |item| item.to_string())) }
}

fn listed<T: ToString>(items: &[T]) -> Markup {
    html! {
        @if items.is_empty() { "None" }
        @for (at, item) in items.iter().enumerate() { @if at > 0 { br; } (item.to_string()) }
    }
}

fn interfaces(network: &NetworkView) -> Markup {
    let rows: Vec<Vec<Markup>> = network
        .interfaces
        .iter()
        .map(|(name, facts)| {
            let addresses: Vec<String> = facts.addresses.iter().map(ToString::to_string).collect();
            vec![html! { (name) }, link_state(facts), listed(&addresses)]
        })
        .collect();
    if rows.is_empty() {
        return html! { p { "None was seen yet. Refresh in a moment." } };
    }
    table("Interfaces", &["Name", "Link", "Addresses"], &rows)
}

fn link_state(facts: &InterfaceFacts) -> Markup {
    match (facts.up, facts.carrier) {
        (true, true) => labelled("ok", Icon::Tick, "Up"),
        (true, false) => labelled("failed", Icon::Cross, "No cable"),
        (false, _) => labelled("unknown", Icon::Question, "Down"),
    }
}
