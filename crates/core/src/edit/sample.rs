//! Configs and contexts for tests.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use cell_control::change::{Change, PeerForm, SettingsUpdate};
use cell_model::Timestamp;
use cell_model::config::{
    CellConfig, Config, DnsConfig, DomainConfig, DomainMode, NetworkConfig, UpdatesConfig,
    VpnConfig,
};
use cell_model::facts::StartOptions;
use cell_model::key::{PrivateKey, PublicKey};
use cell_model::problem::Problem;

use super::{Context, apply};

pub(crate) const REVISION: u64 = 7;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(crate) fn own_key() -> PublicKey {
    PrivateKey::from_bytes([9; 32]).public_key()
}

thread_local! {
    /// Makes every "random" key another one.
    static COUNTER: Cell<u64> = const { Cell::new(20) };
}

fn options() -> StartOptions {
    StartOptions {
        wan: "wan0".parse().unwrap(),
        lan: None,
        admin: None,
        dns_port: 53,
        wireguard_port: 51820,
        containers: true,
        initial: Default::default(),
    }
}

pub(crate) fn with_context<T>(act: impl FnOnce(&Context<'_>) -> T) -> T {
    let random = || -> Result<[u8; 32], Problem> {
        COUNTER.set(COUNTER.get() + 1);
        let mut bytes = [20; 32];
        // Curve25519 ignores bits at both ends of a private key (RFC 7748 section 5).
        bytes[8..16].copy_from_slice(&COUNTER.get().to_le_bytes());
        Ok(bytes)
    };
    act(&Context {
        now: now(),
        own_key: Some(own_key()),
        revision: REVISION,
        relay_password: false,
        connection_secrets: &BTreeSet::new(),
        options: &options(),
        random: &random,
    })
}

pub(crate) fn form(name: &str) -> PeerForm {
    serde_json::from_value(serde_json::json!({ "name": name })).unwrap()
}

pub(crate) fn with_peers(names: &[&str]) -> Config {
    let mut config = Config {
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
    };
    for name in names {
        let change = Change::AddPeer(form(name));
        config = with_context(|context| apply(&config, &change, context))
            .unwrap()
            .config;
    }
    config
}

/// The sections of a config, as an update that would bring them back.
pub(crate) fn sections(config: &Config) -> SettingsUpdate {
    SettingsUpdate {
        revision: None,
        cell: Some(config.cell.clone()),
        domain: Some(config.domain.clone()),
        network: Some(config.network.clone()),
        vpn: Some(config.vpn.clone()),
        dns: Some(config.dns.clone()),
        updates: Some(config.updates.clone()),
        services: None,
    }
}
