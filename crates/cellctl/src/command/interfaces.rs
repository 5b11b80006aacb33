//! What is really there: the VPN interface, the network, the certificate.

use std::fmt::Write;

use cell_control::query::{Network, RootCertificate, WireGuard};
use cell_control::view::{NetworkView, WireGuardView};

use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::{Table, facts};
use crate::text::{bytes, joined, optional, time, word};

/// Shows the VPN interface.
pub(crate) async fn wireguard(core: &Core, output: &Output) -> Result<(), CellctlError> {
    let view = core.ask(WireGuard).await?;
    Ok(output.show(&view, wireguard_text)?)
}

/// Shows interfaces and listeners.
pub(crate) async fn network(core: &Core, output: &Output) -> Result<(), CellctlError> {
    let view = core.ask(Network).await?;
    Ok(output.show(&view, network_text)?)
}

/// Prints the root certificate.
pub(crate) async fn certificate(core: &Core, output: &Output) -> Result<(), CellctlError> {
    let view = core.ask(RootCertificate).await?;
    output.show(&view, |view| view.pem.clone())?;
    if !output.is_json() {
        output.note(&format!("SHA-256 fingerprint: {}", view.fingerprint));
    }
    Ok(())
}

fn wireguard_text(view: &WireGuardView) -> String {
    let mut text = facts([
        ("interface", view.interface.clone()),
        ("backend", word(&view.backend)),
        ("port", view.listen_port.to_string()),
        ("public key", optional(view.public_key)),
    ]);
    let rows = view.peers.iter().map(|peer| {
        [
            optional(peer.name.as_ref()),
            joined(&peer.allowed_ips),
            optional(peer.endpoint),
            optional(peer.latest_handshake.map(time)),
            bytes(peer.received_bytes),
            bytes(peer.sent_bytes),
        ]
    });
    let table = Table::new([
        "DEVICE",
        "NETWORKS",
        "SEEN AT",
        "LAST HANDSHAKE",
        "RECEIVED",
        "SENT",
    ])
    .numbers(&["RECEIVED", "SENT"])
    .with_rows(rows);
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{table}");
    text
}

fn network_text(view: &NetworkView) -> String {
    let mut text = facts([
        ("uplink", view.wan.to_string()),
        ("home side", optional(view.lan.as_ref())),
        ("gateway", optional(view.gateway)),
        ("name servers", joined(&view.resolvers)),
        ("admin page at", joined(&view.admin)),
        ("DNS at", joined(&view.dns)),
    ]);
    let rows = view.interfaces.iter().map(|(name, facts)| {
        [
            name.to_string(),
            if facts.up { "up" } else { "down" }.to_owned(),
            joined(&facts.addresses),
        ]
    });
    let table = Table::new(["INTERFACE", "STATE", "ADDRESSES"]).with_rows(rows);
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{table}");
    for (name, known) in &view.dhcp {
        let lease = known.lease.as_ref();
        let lines = facts([
            ("DHCP on", name.to_string()),
            ("lease", optional(lease.map(|lease| lease.address))),
            ("router", optional(lease.and_then(|lease| lease.router))),
            (
                "servers",
                lease
                    .map(|lease| joined(&lease.resolvers))
                    .unwrap_or_default(),
            ),
            ("granted by", optional(lease.and_then(|lease| lease.server))),
            ("until", optional(lease.map(|lease| time(lease.until)))),
            ("link-local address", optional(known.fallback)),
            ("trouble", optional(known.complaint.as_ref())),
        ]);
        let _ = write!(text, "\n{lines}");
    }
    text
}
