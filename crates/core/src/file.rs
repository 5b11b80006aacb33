//! The file a device is set up with.

use std::net::IpAddr;

use cell_control::change::PeerReceipt;
use cell_control::view::PeerView;
use cell_model::config::{Config, PeerConfig};
use cell_model::endpoint::{Endpoint, Host};
use cell_model::facts::{NetworkFacts, StartOptions, is_global};
use cell_model::key::PublicKey;
use cell_model::name::PeerName;
use cell_model::{Timestamp, status::WireGuardPeerStatus};
use cell_wireguard::client::ClientFile;
use ipnet::{Ipv4Net, Ipv6Net};

use crate::edit::EditedPeer;

/// What a file is made from.
pub(crate) struct Sources<'a> {
    pub(crate) config: &'a Config,
    pub(crate) facts: &'a NetworkFacts,
    pub(crate) options: &'a StartOptions,
    pub(crate) server_key: PublicKey,
    pub(crate) now: Timestamp,
}

/// The device and its file; `None` when the device is not there.
pub(crate) fn receipt(sources: &Sources<'_>, edited: &EditedPeer) -> Option<PeerReceipt> {
    let config = sources.config;
    let peer = config.peers.get(&edited.name)?;
    let (endpoint, note) = endpoint(sources);
    let file = ClientFile {
        private_key: edited.private_key.clone(),
        address: peer.address,
        address6: Some(peer.address6),
        dns_servers: vec![config.vpn.address().into(), config.vpn.address6().into()],
        search_domain: Some(config.domain.name.clone()),
        server_public_key: sources.server_key,
        preshared_key: edited.preshared_key.clone(),
        allowed_ips: if peer.full_tunnel {
            vec![Ipv4Net::default().into(), Ipv6Net::default().into()]
        } else {
            let links = config.links.iter();
            let links = links.flat_map(|link| link.claims.vpn.networks());
            config.vpn.networks().into_iter().chain(links).collect()
        },
        endpoint,
        keepalive: Some(ClientFile::KEEPALIVE),
    };
    Some(PeerReceipt {
        peer: view(&edited.name, peer, None, false, sources.now),
        config: Some(file.render()),
        notes: note.into_iter().collect(),
    })
}

/// Where devices find the box: what the owner said, else a public address, else one that works only at home.
fn endpoint(sources: &Sources<'_>) -> (String, Option<String>) {
    let port = sources.options.wireguard_port;
    if let Some(endpoint) = &sources.config.cell.endpoint {
        return (endpoint.with_port(port), None);
    }
    let addresses = |interface| {
        sources
            .facts
            .addresses(interface)
            .map(|network| network.addr())
    };
    let wan: Vec<IpAddr> = addresses(&sources.options.wan).collect();
    let text = |address| {
        Endpoint {
            host: Host::Address(address),
            port: None,
        }
        .with_port(port)
    };
    // IPv4 first: more networks away from home have it.
    let global = wan
        .iter()
        .filter(|address| is_global(**address))
        .min_by_key(|address| address.is_ipv6());
    if let Some(address) = global {
        return (text(*address), None);
    }
    let home = wan
        .into_iter()
        .chain(addresses(sources.options.home()))
        .min_by_key(IpAddr::is_ipv6);
    let note = "This file works only at home: no public address of the box is known. Set an endpoint in the \
                settings, and forward the UDP port of the VPN to the box."
        .to_owned();
    let address = home.unwrap_or_else(|| sources.config.vpn.address().into());
    (text(address), Some(note))
}

/// A device as shown, with what the interface knows of it.
pub(crate) fn view(
    name: &PeerName,
    peer: &PeerConfig,
    seen: Option<&WireGuardPeerStatus>,
    open_now: bool,
    now: Timestamp,
) -> PeerView {
    PeerView {
        name: name.clone(),
        label: name.label(),
        username: peer.username.clone(),
        address: peer.address,
        address6: peer.address6,
        public_key: peer.public_key,
        preshared_key: peer.preshared_key,
        full_tunnel: peer.full_tunnel,
        peer_to_peer: peer.peer_to_peer,
        services: peer.services.clone(),
        exit_connection_id: peer.exit_connection_id,
        failopen: peer.failopen,
        open_now,
        created_at: peer.created_at,
        expires_at: peer.expires_at,
        expired: peer.expires_at.is_some_and(|expiry| expiry <= now),
        reinstall_needed: peer.reinstall_needed,
        latest_handshake: seen.and_then(|seen| seen.latest_handshake),
        endpoint: seen.and_then(|seen| seen.endpoint),
        received_bytes: seen.map_or(0, |seen| seen.received_bytes),
        sent_bytes: seen.map_or(0, |seen| seen.sent_bytes),
    }
}

#[cfg(test)]
mod tests {
    use cell_model::facts::InterfaceFacts;

    use super::*;
    use crate::edit::sample;

    fn options() -> StartOptions {
        StartOptions {
            wan: "wan0".parse().unwrap(),
            lan: None,
            admin: None,
            dns_port: 53,
            wireguard_port: 51820,
            containers: false,
            initial: Default::default(),
        }
    }

    fn facts(addresses: &[&str]) -> NetworkFacts {
        let mut facts = NetworkFacts::default();
        let interface = InterfaceFacts {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            ..InterfaceFacts::default()
        };
        facts.interfaces.insert("wan0".parse().unwrap(), interface);
        facts
    }

    fn endpoint_line(config: &Config, facts: &NetworkFacts) -> (String, bool) {
        let (options, name) = (options(), "a".parse().unwrap());
        let sources = Sources {
            config,
            facts,
            options: &options,
            server_key: sample::own_key(),
            now: sample::now(),
        };
        let edited = EditedPeer {
            name,
            private_key: None,
            preshared_key: None,
        };
        let receipt = receipt(&sources, &edited).unwrap();
        let file = receipt.config.unwrap();
        assert!(!file.expose().contains("PrivateKey"));
        let line = file
            .expose()
            .lines()
            .find(|line| line.starts_with("Endpoint"))
            .unwrap()
            .to_owned();
        (line, !receipt.notes.is_empty())
    }

    #[test]
    fn endpoint_is_what_was_said_then_public_then_home_only() {
        let mut config = sample::with_peers(&["a"]);
        let private = facts(&["192.168.1.5/24"]);
        let public = facts(&["192.168.1.5/24", "203.0.113.2/24", "2001:db8::2/64"]);
        assert_eq!(
            endpoint_line(&config, &private),
            ("Endpoint = 192.168.1.5:51820".into(), true)
        );
        assert_eq!(
            endpoint_line(&config, &public),
            ("Endpoint = 203.0.113.2:51820".into(), false)
        );
        config.cell.endpoint = Some("hut.example:4500".parse().unwrap());
        assert_eq!(
            endpoint_line(&config, &private),
            ("Endpoint = hut.example:4500".into(), false)
        );
    }
}
