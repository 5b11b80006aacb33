//! The reverse proxy: a container of the box's own, before all hosts of services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use cell_model::config::{Config, ServiceToggle, ServicesConfig};
use cell_model::container::{ContainerPath, Limits, Protocol};
use cell_model::name::{DnsLabel, Domain, PartName, ServiceId};
use cell_model::spec::{
    AdminRouteSpec, ContainerSpec, FlowSpec, HTTP_PORT, HTTPS_PORT, HealthSpec, MountSpec,
    PortSpec, ProbeSpec, ProxyHostSpec, ProxySpec, RouteSpec, ServiceSpec, VolumeSpec,
};

use super::ground::Ground;
use super::{Front, Place, Services, bridge};
use crate::links;

/// The volume with the socket that Caddy is told by what to answer, and where it is in the container.
const CONTROL: (&str, &str) = ("control", "/run/caddy");
/// The one with the sockets where it asks whose a request is, and where the admin page is. Caddy cannot put others in
/// their place.
const ACCOUNTS: (&str, &str) = ("accounts", "/run/accounts");
/// What Caddy keeps for itself.
const DATA: (&str, &str) = ("data", "/data");

/// What it keeps never gets another number. Sockets, and a copy of what it was told.
const KEPT: VolumeSpec = VolumeSpec {
    number: 0,
    copy_of: None,
    max_mib: Some(64),
};

/// Where it listens in its container, where it has no right to low ports.
const HTTP: u16 = 8080;
const HTTPS: u16 = 8443;

const LIMITS: Limits = Limits {
    memory_mib: 256,
    cpu_percent: 200,
    processes: 128,
};

/// Adds the proxy, and the ways to it and from it.
pub(super) fn add(services: &mut Services, front: &Front<'_>, config: &Config, place: &Place<'_>) {
    let Some(ground) = Ground::of(ServicesConfig::OWN_SLOT, place.pool) else {
        return;
    };
    let address = ground.address(0);
    let backends = services
        .routes
        .iter()
        .filter_map(|route| route.answers.backend());
    let flows = backends.map(|to| FlowSpec { from: address, to });
    services.flows.extend(flows);
    let hosts: Vec<ProxyHostSpec> = services
        .routes
        .iter()
        .map(|route| host(route, config))
        .collect();
    let ports = ports(address);
    services.ports.extend(ports.clone());
    if hosts.iter().any(|host| host.public) {
        services.public.extend(ports);
    }
    let mount = |(volume, path): (&str, &str), read_only| MountSpec {
        volume: part(volume),
        path: container_path(path),
        read_only,
    };
    services.containers.services.push(ServiceSpec {
        id: ServiceId::proxy(),
        bridge: bridge(ServicesConfig::OWN_SLOT),
        network: ground.network,
        ids: ground.ids,
        volumes: [CONTROL, ACCOUNTS, DATA]
            .map(|(volume, _)| (part(volume), KEPT))
            .into(),
        data: KEPT.number,
        containers: vec![ContainerSpec {
            name: container(),
            image: front.image.clone(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            capabilities: BTreeSet::new(),
            limits: LIMITS,
            mounts: vec![
                mount(CONTROL, false),
                mount(ACCOUNTS, true),
                mount(DATA, false),
            ],
            scratch: vec![container_path("/tmp")],
            hands: BTreeSet::new(),
            reload: Vec::new(),
            address,
            hosts: BTreeMap::new(),
            resolver: None,
            // It listens once it was told what to answer.
            health: HealthSpec {
                probe: ProbeSpec::Tcp { port: HTTPS },
                interval_s: 30,
                timeout_s: 5,
                retries: 3,
                start_s: 180,
            },
        }],
        names: BTreeSet::new(),
        certificate_key: None,
        end: Vec::new(),
        remove: None,
    });
    services.proxy = Some(ProxySpec {
        cell: config.cell.name.clone(),
        http_port: HTTP,
        https_port: HTTPS,
        outside_https_port: HTTPS_PORT,
        control: container_path(&format!("{}/admin.sock", CONTROL.1)),
        ask: container_path(&format!("{}/accounts.sock", ACCOUNTS.1)),
        sources: front.sources.clone(),
        hosts,
        admin: Some(AdminRouteSpec {
            names: own_names(&config.domain.name).into_iter().collect(),
            socket: container_path(&format!("{}/page.sock", ACCOUNTS.1)),
            opened_after: front.opened_after,
        }),
    });
}

/// What the container is called there.
pub fn container() -> PartName {
    part("caddy")
}

/// The names of the box itself: the apex, and that of the admin page where the domain leaves room for it.
pub(crate) fn own_names(domain: &Domain) -> Vec<Domain> {
    let admin = format!("{}.{domain}", DnsLabel::admin()).parse();
    [domain.clone()].into_iter().chain(admin).collect()
}

fn host(route: &RouteSpec, config: &Config) -> ProxyHostSpec {
    let domain = &config.domain.name;
    ProxyHostSpec {
        service: route.service.clone(),
        names: host_name(route, domain).into_iter().collect(),
        answers: route.answers.clone(),
        max_body_mib: route.max_body_mib,
        well_known: route.well_known.clone(),
        account_header: route.account_header.clone(),
        public: is_published(&route.service, config),
        refused: refused(&route.service, config),
        guests: links::guests(&route.service, config),
    }
}

/// Where clients find the container that is at this address.
fn ports(address: Ipv4Addr) -> [PortSpec; 3] {
    [
        (Protocol::Tcp, HTTP_PORT, HTTP),
        (Protocol::Tcp, HTTPS_PORT, HTTPS),
        (Protocol::Udp, HTTPS_PORT, HTTPS),
    ]
    .map(|(protocol, port, to)| PortSpec {
        protocol,
        port,
        backend: SocketAddrV4::new(address, to),
    })
}

pub(super) fn is_published(service: &ServiceId, config: &Config) -> bool {
    let service = config.services.installed.get(service);
    service.is_some_and(|service| service.published)
}

/// Devices that were not given this kind of service. One that no toggle stands for is everybody's.
fn refused(service: &ServiceId, config: &Config) -> BTreeSet<Ipv4Addr> {
    let Some(toggle) = ServiceToggle::of(service) else {
        return BTreeSet::new();
    };
    let peers = config.peers.values();
    peers
        .filter(|peer| !peer.services.contains(&toggle))
        .map(|peer| peer.address)
        .collect()
}

/// The whole name of a route's host; `None` where the domain leaves no room for it.
pub(super) fn host_name(route: &RouteSpec, domain: &Domain) -> Option<Domain> {
    format!("{}.{domain}", route.host).parse().ok()
}

fn part(name: &str) -> PartName {
    name.parse().expect("a name of ours is one")
}

fn container_path(path: &str) -> ContainerPath {
    path.parse().expect("a path of ours is one")
}
