//! A box to think about in tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cell_model::Timestamp;
use cell_model::config::{
    CellConfig, Claims, Config, ConnectionConfig, DnsConfig, DomainConfig, DomainMode, LinkConfig,
    NetworkConfig, PeerConfig, UpdatesConfig, VpnConfig,
};
use cell_model::facts::{InterfaceFacts, NetworkFacts, StartOptions};
use cell_model::key::{PrivateKey, PublicKey};
use cell_model::status::ExitStatus;
use cell_model::subnet::matching_v6;
use uuid::Uuid;

use crate::resolve::{Input, Keys};

pub(crate) struct Sample {
    pub(crate) options: StartOptions,
    pub(crate) facts: NetworkFacts,
    pub(crate) config: Option<Config>,
    pub(crate) keys: Keys,
    pub(crate) now: Timestamp,
    pub(crate) serial: u32,
    pub(crate) places: BTreeMap<PublicKey, SocketAddr>,
    pub(crate) exits: BTreeMap<Uuid, ExitStatus>,
}

impl Sample {
    /// A box with uplink `wan0` and home side `lan0`, set up, without peers.
    pub(crate) fn two_armed() -> Self {
        let mut sample = Self {
            options: StartOptions {
                wan: "wan0".parse().unwrap(),
                lan: Some("lan0".parse().unwrap()),
                admin: None,
                dns_port: 53,
                wireguard_port: 51820,
                containers: true,
                initial: Default::default(),
            },
            facts: NetworkFacts::default(),
            config: Some(config()),
            keys: Keys {
                interface: Some(PrivateKey::from_bytes([7; 32])),
                ..Keys::default()
            },
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            serial: 1,
            places: BTreeMap::new(),
            exits: BTreeMap::new(),
        };
        sample.set_addresses("wan0", &["203.0.113.2/24"]);
        sample.set_addresses("lan0", &["192.168.77.1/24"]);
        sample
    }

    pub(crate) fn input(&self) -> Input<'_> {
        Input {
            options: &self.options,
            facts: &self.facts,
            config: self.config.as_ref(),
            keys: &self.keys,
            now: self.now,
            serial: self.serial,
            proxy_image: None,
            opened_after: std::time::Duration::ZERO,
            pairing: None,
            places: &self.places,
            exits: &self.exits,
        }
    }

    pub(crate) fn set_addresses(&mut self, interface: &str, addresses: &[&str]) {
        let facts = InterfaceFacts {
            up: true,
            carrier: true,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        };
        self.facts
            .interfaces
            .insert(interface.parse().unwrap(), facts);
    }

    /// A peer whose key and address follow from its host number.
    pub(crate) fn add_peer(&mut self, name: &str, host: u8) {
        let now = self.now;
        let config = self.config.as_mut().unwrap();
        let address = std::net::Ipv4Addr::new(10, 31, 7, host);
        let peer = PeerConfig {
            username: None,
            address,
            address6: matching_v6(config.vpn.subnet6, config.vpn.subnet, address),
            public_key: PublicKey::from_bytes([host; 32]),
            preshared_key: false,
            full_tunnel: true,
            peer_to_peer: false,
            services: Default::default(),
            exit_connection_id: None,
            failopen: None,
            created_at: now,
            expires_at: None,
            reinstall_needed: false,
        };
        config.peers.insert(name.parse().unwrap(), Arc::new(peer));
    }

    /// A link with the cell that has this name, and networks that follow from a number.
    pub(crate) fn add_link(&mut self, name: &str, number: u8) {
        let claims = Claims {
            name: name.parse().unwrap(),
            identity: format!("{number:02x}").repeat(32).parse().unwrap(),
            wireguard_key: PublicKey::from_bytes([number; 32]),
            endpoints: Vec::new(),
            domain: format!("{name}.lan").parse().unwrap(),
            vpn: VpnConfig {
                subnet: format!("10.{number}.0.0/24").parse().unwrap(),
                subnet6: format!("fd00:{number}::/64").parse().unwrap(),
            },
        };
        let link = LinkConfig {
            claims,
            services: Default::default(),
            paused: false,
            offers_exit: false,
            created_at: self.now,
        };
        self.config.as_mut().unwrap().links.push(Arc::new(link));
    }

    /// A way out by a tunnel, in place of any other.
    pub(crate) fn add_tunnel(&mut self, address: &str, endpoint: &str) {
        let key = PublicKey::from_bytes([7; 32]);
        let connection: ConnectionConfig = serde_json::from_value(serde_json::json!({
            "name": "Sweden", "slot": 0, "enabled": true, "created_at": "2026-11-28T12:00:00Z",
            "way": { "type": "wireguard_ext", "config": {
                "address": address, "public_key": key, "server_public_key": key, "endpoint": endpoint,
            } },
        }))
        .unwrap();
        let config = self.config.as_mut().unwrap();
        config.connections = [(Uuid::nil(), Arc::new(connection))].into();
    }

    pub(crate) fn change_link(&mut self, number: usize, change: impl FnOnce(&mut LinkConfig)) {
        let config = self.config.as_mut().unwrap();
        change(Arc::make_mut(&mut config.links[number]));
    }

    pub(crate) fn change_peer(&mut self, name: &str, change: impl FnOnce(&mut PeerConfig)) {
        let config = self.config.as_mut().unwrap();
        let peer = config.peers.get_mut(&name.parse().unwrap()).unwrap();
        change(Arc::make_mut(peer));
    }
}

fn config() -> Config {
    Config {
        cell: CellConfig {
            name: "hut".parse().unwrap(),
            timezone: "UTC".parse().unwrap(),
            endpoint: None,
        },
        domain: DomainConfig {
            mode: DomainMode::Lan,
            name: "hut.cell".parse().unwrap(),
        },
        network: NetworkConfig::default(),
        vpn: VpnConfig {
            subnet: "10.31.7.0/24".parse().unwrap(),
            subnet6: "fd12:3456:789a:1::/64".parse().unwrap(),
        },
        dns: DnsConfig {
            upstreams: Vec::new(),
            records: Vec::new(),
        },
        updates: UpdatesConfig::default(),
        services: Default::default(),
        groups: BTreeMap::new(),
        mail: Default::default(),
        peers: BTreeMap::new(),
        connections: BTreeMap::new(),
        links: Vec::new(),
    }
}
