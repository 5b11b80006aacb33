//! The loop at work, and configs for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cell_containers::Containers;
use cell_dns::Dns;
use cell_exits::Exits;
use cell_fetch::FetchLink;
use cell_firewall::Firewall;
use cell_mdns::Mdns;
use cell_model::config::{
    CellConfig, Config, DnsConfig, DomainConfig, DomainMode, NetworkConfig, PeerConfig,
    UpdatesConfig, VpnConfig,
};
use cell_model::facts::StartOptions;
use cell_model::key::{PrivateKey, PublicKey};
use cell_model::status::{Part, State};
use cell_model::subnet::matching_v6;
use cell_network::Network;
use cell_plan::resolve::Keys;
use cell_vault::Vault;
use cell_wireguard::WireGuard;
use cell_wireguard::fake::FakeTunnels;
use tokio::sync::watch;

use super::world::{World, clock};
use crate::{AdminListener, Desired, Handing, Parts, ProxyHost, Published, Reconciler};

/// A loop at work on a world.
pub(super) struct Running {
    pub(super) world: Arc<World>,
    pub(super) desired: watch::Sender<Desired>,
    pub(super) reconciler: Reconciler,
}

impl Running {
    pub(super) fn start(world: Arc<World>, desired: Desired) -> Self {
        let parts = Parts {
            firewall: Arc::clone(&world) as Arc<dyn Firewall>,
            network: Arc::clone(&world) as Arc<dyn Network>,
            wireguard: Arc::clone(&world) as Arc<dyn WireGuard>,
            vault: Arc::clone(&world) as Arc<dyn Vault>,
            dns: Arc::clone(&world) as Arc<dyn Dns>,
            tunnels: Arc::new(FakeTunnels::default()),
            exits: Arc::clone(&world) as Arc<dyn Exits>,
            listener: Arc::clone(&world) as Arc<dyn AdminListener>,
            mdns: Arc::clone(&world) as Arc<dyn Mdns>,
            containers: Arc::clone(&world) as Arc<dyn Containers>,
            library: Arc::default(),
            fetch: Arc::clone(&world.fetch) as Arc<dyn FetchLink>,
            incoming: world.incoming.path().to_owned(),
            handing: Arc::clone(&world) as Arc<dyn Handing>,
            proxy: Arc::clone(&world) as Arc<dyn ProxyHost>,
        };
        let (desired, receiver) = watch::channel(desired);
        Self {
            world,
            desired,
            reconciler: crate::start(options(), parts, receiver, clock),
        }
    }

    /// Brought up with this config, as revision 1.
    pub(super) async fn with(config: Config) -> Self {
        let running = Self::start(World::new(), desired(1, config));
        running.applied(1).await;
        // The events of its own coming up are over.
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.world.done();
        running
    }

    pub(super) fn published(&self) -> Arc<Published> {
        self.reconciler.published.borrow().clone()
    }

    /// Waits, in made-up time, until this holds.
    pub(super) async fn until(&self, holds: impl FnMut(&Arc<Published>) -> bool) -> Arc<Published> {
        let mut published = self.reconciler.published.clone();
        let held = tokio::time::timeout(Duration::from_secs(3_600), published.wait_for(holds));
        let last = match held.await {
            Ok(found) => return found.unwrap().clone(),
            Err(_) => self.published(),
        };
        panic!("not within an hour: {:?}", last.items)
    }

    pub(super) async fn applied(&self, revision: u64) -> Arc<Published> {
        self.until(|published| published.applied_revision == Some(revision))
            .await
    }

    pub(super) async fn tried(&self, revision: u64) -> Arc<Published> {
        self.until(|published| published.tried_revision == Some(revision))
            .await
    }

    pub(super) fn change(&self, revision: u64, config: Config) {
        self.desired.send_replace(desired(revision, config));
    }
}

pub(super) fn state(published: &Published, part: Part) -> State {
    let mut items = published.items.iter();
    items.find(|item| item.id == part.as_str()).unwrap().state
}

pub(super) fn options() -> StartOptions {
    StartOptions {
        wan: "wan0".parse().unwrap(),
        lan: Some("lan0".parse().unwrap()),
        admin: None,
        dns_port: 53,
        wireguard_port: 51820,
        containers: true,
        initial: Default::default(),
    }
}

pub(super) fn keys() -> Keys {
    Keys {
        interface: Some(PrivateKey::from_bytes([7; 32])),
        ..Keys::default()
    }
}

pub(super) fn desired(revision: u64, config: Config) -> Desired {
    Desired {
        pairing: None,
        places: Arc::default(),
        revision,
        config: Some(Arc::new(config)),
        keys: Arc::new(keys()),
    }
}

/// A config with a device for each host number.
pub(super) fn config(hosts: impl IntoIterator<Item = u8>) -> Config {
    let vpn = VpnConfig {
        subnet: "10.31.7.0/24".parse().unwrap(),
        subnet6: "fd12:3456:789a:1::/64".parse().unwrap(),
    };
    let peer = |host: u8| {
        let address = std::net::Ipv4Addr::new(10, 31, 7, host);
        let peer = PeerConfig {
            username: None,
            address,
            address6: matching_v6(vpn.subnet6, vpn.subnet, address),
            public_key: PublicKey::from_bytes([host; 32]),
            preshared_key: false,
            full_tunnel: true,
            peer_to_peer: false,
            services: BTreeSet::new(),
            exit_connection_id: None,
            failopen: None,
            created_at: clock(),
            expires_at: None,
            reinstall_needed: false,
        };
        (format!("device{host}").parse().unwrap(), Arc::new(peer))
    };
    Config {
        groups: Default::default(),
        mail: Default::default(),
        peers: hosts.into_iter().map(peer).collect(),
        connections: BTreeMap::new(),
        links: Vec::new(),
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
        vpn,
        dns: DnsConfig {
            upstreams: Vec::new(),
            records: Vec::new(),
        },
        updates: UpdatesConfig::default(),
        services: Default::default(),
    }
}
