//! Manifests and answers to specs: what runs, and who reaches whom.

mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use cell_catalogue::{
    Accounts, Backend, Container, Manifest, Platform, Probe, Setting, SettingError, Template,
    Values, Variable, requires,
};
use cell_model::config::{Config, DataConfig, ServicesConfig, SettingValue};
use cell_model::container::{IdRange, ImageRef};
use cell_model::name::{
    DnsLabel, Domain, InterfaceName, PartName, ServiceId, SettingKey, TimeZoneName, Username,
};
use cell_model::spec::{
    ContainerSpec, ContainersSpec, FlowSpec, HealthSpec, MountSpec, OriginSpec, PortSpec,
    ProbeSpec, ProxySpec, RouteSpec, ServiceSpec,
};
use ipnet::Ipv4Net;

pub use proxy::container as proxy_container;

/// Length of the prefix of a service's network: the box, and more containers than a manifest may have.
const SERVICE_PREFIX: u8 = 27;
/// Above all ids that systems give out by themselves.
const FIRST_ID: u32 = 0x4000_0000;
/// Some programs make negative numbers of larger ones.
const LAST_ID: u32 = 0x7fff_ffff;
/// As many as user namespaces usually have, so that images find the ids they expect (user_namespaces(7)).
const IDS: u32 = 65_536;
/// The first address of a service's network is the box's.
const FIRST_HOST: usize = 1;

/// A service that was installed.
#[derive(Debug, Clone)]
pub struct Installed<'a> {
    /// What it is.
    pub manifest: &'a Manifest,
    /// Its number, of which network and ids follow, and what it keeps.
    pub data: DataConfig,
    /// What was answered; all else is as the manifest says.
    pub answers: &'a BTreeMap<SettingKey, SettingValue>,
}

/// What is the same for all services.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The domain of the cell.
    pub domain: &'a Domain,
    /// As people at home have it.
    pub time_zone: &'a TimeZoneName,
    /// The networks that services get theirs from.
    pub pool: Ipv4Net,
    /// Whom those who may reach the internet ask for names.
    pub resolver: Ipv4Addr,
}

/// What follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// What runs.
    pub containers: ContainersSpec,
    /// Which of them may open connections to which.
    pub flows: BTreeSet<FlowSpec>,
    /// Which of them may reach the internet.
    pub internet: BTreeSet<Ipv4Addr>,
    /// What Caddy answers.
    pub routes: Vec<RouteSpec>,
    /// What the box passes on.
    pub ports: BTreeSet<PortSpec>,
    /// What the reverse proxy answers; `None` while there is none.
    pub proxy: Option<ProxySpec>,
    /// Services that cannot be run as they are, and why. Nothing of them is above.
    pub problems: BTreeMap<ServiceId, ServiceProblem>,
}

impl Services {
    /// The labels of the domain that services have.
    pub fn hosts(&self) -> BTreeSet<DnsLabel> {
        let hosts = self.routes.iter().map(|route| label(&route.host));
        hosts.collect()
    }
}

/// The label of a host.
fn label(host: &PartName) -> DnsLabel {
    let label = host.as_str().parse();
    label.expect("the name of a host is a label")
}

/// Why a service cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceProblem {
    /// Another version of the box took the manifest.
    #[error("has a manifest that this version of the box does not take: {0}")]
    Manifest(String),
    /// An answer is not one of those the manifest takes.
    #[error("the setting {key} {error}")]
    Answer {
        /// Which.
        key: SettingKey,
        /// Why.
        error: SettingError,
    },
    /// An answer to nothing.
    #[error("has no setting {0}")]
    Unknown(SettingKey),
    /// What it needs is not there, or does not run either.
    #[error("needs the service {0}, which does not run")]
    Needs(ServiceId),
    /// Two services want the same.
    #[error("wants {what}, which the service {other} has")]
    Taken {
        /// The host or port.
        what: String,
        /// Who has it.
        other: ServiceId,
    },
    /// The other service has no such container.
    #[error("wants to reach {to} of the service {service}, which has none")]
    NoBackend {
        /// The other service.
        service: ServiceId,
        /// The container.
        to: PartName,
    },
    /// The box asks for passwords there, which this way would lead past.
    #[error("wants to reach {to} of the service {service}, where it could say that it is anybody")]
    Guarded {
        /// The other service.
        service: ServiceId,
        /// The container.
        to: PartName,
    },
    /// The pool has no such network.
    #[error("has no network: the pool {0} is used up")]
    NoNetwork(Ipv4Net),
}

/// Where a service is.
#[derive(Debug, Clone, Copy)]
struct Ground {
    network: Ipv4Net,
    ids: IdRange,
}

impl Ground {
    fn of(slot: u16, pool: Ipv4Net) -> Option<Self> {
        let network = pool.subnets(SERVICE_PREFIX).ok()?.nth(slot.into())?;
        let first = FIRST_ID.checked_add(u32::from(slot).checked_mul(IDS)?)?;
        first.checked_add(IDS).filter(|end| *end <= LAST_ID)?;
        Some(Self {
            network,
            ids: IdRange { first, size: IDS },
        })
    }

    /// The address of a container by its place in the manifest.
    fn address(&self, at: usize) -> Ipv4Addr {
        let mut hosts = self.network.hosts();
        hosts
            .nth(FIRST_HOST + at)
            .expect("a network holds more than a manifest may have")
    }

    fn backend(&self, manifest: &Manifest, backend: &Backend) -> Option<SocketAddrV4> {
        let mut containers = manifest.containers.iter();
        let at = containers.position(|container| container.name == backend.container)?;
        Some(SocketAddrV4::new(self.address(at), backend.port))
    }
}

/// What follows from the services that a config has. `proxy` is the image of the reverse proxy; without it, nothing that
/// they have for browsers is reached.
pub fn of(config: &Config, proxy: Option<&ImageRef>) -> Services {
    let mut manifests = BTreeMap::new();
    let mut problems = BTreeMap::new();
    for (id, service) in &config.services.installed {
        match Manifest::parse(service.manifest.as_bytes()) {
            Ok(manifest) if manifest.id == *id => {
                manifests.insert(id, (manifest, service));
            }
            Ok(manifest) => {
                let problem = ServiceProblem::Manifest(format!("it is that of {}", manifest.id));
                problems.insert(id.clone(), problem);
            }
            Err(error) => {
                problems.insert(id.clone(), ServiceProblem::Manifest(error.to_string()));
            }
        }
    }
    let running = manifests.values().filter(|(_, service)| service.enabled);
    let installed: Vec<Installed<'_>> = running
        .map(|(manifest, service)| Installed {
            manifest,
            data: service.data,
            answers: &service.answers,
        })
        .collect();
    let place = place(config);
    let mut services = resolve(&installed, &place);
    services.problems.extend(problems);
    let discarded = config.services.discarded.iter();
    services.containers.discarded = discarded
        .flat_map(|(id, numbers)| numbers.iter().map(|number| (id.clone(), *number)))
        .collect();
    services.containers.origins = origins(config, &services.containers);
    if let Some(image) = proxy.filter(|_| !services.routes.is_empty()) {
        proxy::add(&mut services, image, config, &place);
    }
    services
}

/// Where the images are of those that run. The source may be none of the settings any more: then nobody is asked for them.
fn origins(config: &Config, containers: &ContainersSpec) -> BTreeMap<ServiceId, OriginSpec> {
    let running = containers.services.iter().map(|service| &service.id);
    let origins = running.filter_map(|id| {
        let origin = config.services.installed.get(id)?.origin.as_ref()?;
        let source = config.services.sources.get(&origin.source)?;
        let spec = OriginSpec {
            url: source.url.clone(),
            registry: origin.registry.clone(),
            authorities: source.authorities.clone(),
            size: origin.size,
        };
        Some((id.clone(), spec))
    });
    origins.collect()
}

/// What a person of this name has to do on their devices to use a service: kinds of device, each with its steps.
///
/// # Errors
/// An answer is none that the manifest takes.
pub fn guides(
    config: &Config,
    manifest: &Manifest,
    answers: &BTreeMap<SettingKey, SettingValue>,
    username: &Username,
) -> Result<Vec<(Platform, Vec<String>)>, ServiceProblem> {
    let service = Installed {
        manifest,
        data: DataConfig {
            slot: ServicesConfig::OWN_SLOT,
            number: 0,
        },
        answers,
    };
    let mut values = values(&service, &place(config))?;
    values.insert(Variable::Username, username.to_string());
    let fill = |step: &Template| {
        step.fill(&values)
            .expect("a manifest has no step that its service cannot fill")
    };
    let guides = manifest.guides.iter();
    Ok(guides
        .map(|guide| (guide.platform, guide.steps.iter().map(fill).collect()))
        .collect())
}

fn place(config: &Config) -> Place<'_> {
    Place {
        domain: &config.domain.name,
        time_zone: &config.cell.timezone,
        pool: config.services.network,
        resolver: config.vpn.address(),
    }
}

/// What follows from the services that are installed.
pub fn resolve(installed: &[Installed<'_>], place: &Place<'_>) -> Services {
    let mut services = Services::default();
    let by_id: BTreeMap<&ServiceId, &Installed<'_>> = installed
        .iter()
        .map(|service| (&service.manifest.id, service))
        .collect();
    for id in order(installed) {
        if let Err(problem) = add(&mut services, by_id[&id], &by_id, place) {
            services.problems.insert(id, problem);
        }
    }
    services
}

/// All of them, those that others need first. Who needs what is not there comes at the end, and is told so then.
fn order(installed: &[Installed<'_>]) -> Vec<ServiceId> {
    let needs: requires::Needs = installed
        .iter()
        .map(|service| {
            (
                service.manifest.id.clone(),
                service.manifest.requires.clone(),
            )
        })
        .collect();
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    for id in needs.keys() {
        let next = requires::install_order(id, &needs, &done).unwrap_or_default();
        done.extend(next.iter().cloned());
        order.extend(next);
    }
    let left = needs.keys().filter(|id| !done.contains(*id));
    order.extend(left.cloned());
    order
}

fn add(
    services: &mut Services,
    service: &Installed<'_>,
    all: &BTreeMap<&ServiceId, &Installed<'_>>,
    place: &Place<'_>,
) -> Result<(), ServiceProblem> {
    let manifest = service.manifest;
    let runs = |id: &ServiceId| {
        services
            .containers
            .services
            .iter()
            .any(|spec| spec.id == *id)
    };
    if let Some(missing) = manifest.requires.iter().find(|id| !runs(id)) {
        return Err(ServiceProblem::Needs(missing.clone()));
    }
    let ground =
        Ground::of(service.data.slot, place.pool).ok_or(ServiceProblem::NoNetwork(place.pool))?;
    let values = values(service, place)?;
    let edges = edges(manifest, all, place)?;
    let routes = routes(services, manifest, &ground)?;
    let ports = ports(services, manifest, &ground)?;

    let mut containers = Vec::new();
    for (at, container) in manifest.containers.iter().enumerate() {
        let address = ground.address(at);
        let own = edges.iter().filter(|edge| edge.from == container.name);
        let hosts = own
            .clone()
            .map(|edge| (edge.host.clone(), *edge.to.ip()))
            .collect();
        services.flows.extend(own.map(|edge| FlowSpec {
            from: address,
            to: edge.to,
        }));
        if manifest.internet.is_some() {
            services.internet.insert(address);
        }
        let resolver = manifest.internet.as_ref().map(|_| place.resolver);
        containers.push(ContainerSpec {
            hosts,
            resolver,
            ..container_spec(container, address, &values)
        });
    }
    services.routes.extend(routes);
    services.ports.extend(ports);
    services.containers.services.push(ServiceSpec {
        id: manifest.id.clone(),
        bridge: bridge(service.data.slot),
        network: ground.network,
        ids: ground.ids,
        volumes: manifest
            .volumes
            .iter()
            .map(|volume| volume.name.clone())
            .collect(),
        data: service.data.number,
        containers,
    });
    Ok(())
}

/// What the names of all bridges begin with.
const BRIDGE: &str = "svc";

fn bridge(slot: u16) -> InterfaceName {
    let name = format!("{BRIDGE}{slot}");
    name.parse().expect("eight characters at most are a name")
}

/// Whether an interface is the box's side of a service's network.
pub fn is_bridge(name: &InterfaceName) -> bool {
    let number = name.as_str().strip_prefix(BRIDGE);
    number.is_some_and(|number| number.parse::<u16>().is_ok())
}

/// What the places of templates are filled with.
fn values(service: &Installed<'_>, place: &Place<'_>) -> Result<Values, ServiceProblem> {
    let manifest = service.manifest;
    let find = |key: &SettingKey| manifest.settings.iter().find(|setting| setting.key == *key);
    for (key, answer) in service.answers {
        let setting: &Setting = find(key).ok_or_else(|| ServiceProblem::Unknown(key.clone()))?;
        setting.kind.check(answer).map_err(|error| {
            let key = key.clone();
            ServiceProblem::Answer { key, error }
        })?;
    }
    let mut values = Values::from([
        (Variable::Domain, place.domain.to_string()),
        (Variable::TimeZone, place.time_zone.to_string()),
    ]);
    for route in &manifest.routes {
        let name = format!("{}.{}", route.host, place.domain);
        values.insert(Variable::Host(route.host.clone()), name);
    }
    for setting in &manifest.settings {
        let answer = service.answers.get(&setting.key).cloned();
        if let Some(value) = answer.or_else(|| setting.kind.default_value()) {
            values.insert(Variable::Setting(setting.key.clone()), value.to_string());
        }
    }
    Ok(values)
}

fn container_spec(container: &Container, address: Ipv4Addr, values: &Values) -> ContainerSpec {
    let fill = |template: &Template| {
        template
            .fill(values)
            .expect("a manifest has no template that its service cannot fill")
    };
    ContainerSpec {
        name: container.name.clone(),
        image: container.image.clone(),
        command: container.command.iter().map(fill).collect(),
        environment: container
            .environment
            .iter()
            .map(|(key, template)| (key.clone(), fill(template)))
            .collect(),
        capabilities: container.capabilities.clone(),
        limits: container.limits,
        mounts: container
            .mounts
            .iter()
            .map(|mount| MountSpec {
                volume: mount.volume.clone(),
                path: mount.path.clone(),
                read_only: mount.read_only,
            })
            .collect(),
        scratch: container.scratch.clone(),
        address,
        hosts: BTreeMap::new(),
        resolver: None,
        health: HealthSpec {
            probe: match &container.health.probe {
                Probe::Http { port, path } => ProbeSpec::Http {
                    port: *port,
                    path: path.clone(),
                },
                Probe::Tcp { port } => ProbeSpec::Tcp { port: *port },
                Probe::Command(words) => ProbeSpec::Command(words.iter().map(fill).collect()),
            },
            interval_s: container.health.interval_s,
            timeout_s: container.health.timeout_s,
            retries: container.health.retries,
            start_s: container.health.start_s,
        },
    }
}

/// An edge with the address that it leads to.
struct Reach {
    from: PartName,
    host: String,
    to: SocketAddrV4,
}

fn edges(
    manifest: &Manifest,
    all: &BTreeMap<&ServiceId, &Installed<'_>>,
    place: &Place<'_>,
) -> Result<Vec<Reach>, ServiceProblem> {
    let mut edges = Vec::new();
    for edge in &manifest.edges {
        let other = all.get(&edge.service);
        let is_guarded = other.is_some_and(|other| {
            let routes = &other.manifest.routes;
            other.manifest.accounts.is_some() && routes.iter().any(|route| route.backend == edge.to)
        });
        if is_guarded {
            return Err(ServiceProblem::Guarded {
                service: edge.service.clone(),
                to: edge.to.container.clone(),
            });
        }
        let to = other.and_then(|other| {
            Ground::of(other.data.slot, place.pool)?.backend(other.manifest, &edge.to)
        });
        edges.push(Reach {
            from: edge.from.clone(),
            host: format!("{}.{}", edge.to.container, edge.service),
            to: to.ok_or_else(|| ServiceProblem::NoBackend {
                service: edge.service.clone(),
                to: edge.to.container.clone(),
            })?,
        });
    }
    Ok(edges)
}

fn routes(
    services: &Services,
    manifest: &Manifest,
    ground: &Ground,
) -> Result<Vec<RouteSpec>, ServiceProblem> {
    let mut routes = Vec::new();
    for route in &manifest.routes {
        if let Some(other) = services
            .routes
            .iter()
            .find(|other| other.host == route.host)
        {
            return Err(ServiceProblem::Taken {
                what: format!("the host {}", route.host),
                other: other.service.clone(),
            });
        }
        let backend = ground.backend(manifest, &route.backend);
        routes.push(RouteSpec {
            service: manifest.id.clone(),
            host: route.host.clone(),
            backend: backend.expect("a route leads to a container of its manifest"),
            max_body_mib: route.max_body_mib,
            well_known: route
                .well_known
                .iter()
                .map(|(known, path)| (known.word().to_owned(), path.clone()))
                .collect(),
            account_header: manifest
                .accounts
                .as_ref()
                .map(|Accounts::Header(name)| name.clone()),
        });
    }
    Ok(routes)
}

fn ports(
    services: &Services,
    manifest: &Manifest,
    ground: &Ground,
) -> Result<Vec<PortSpec>, ServiceProblem> {
    let mut ports = Vec::new();
    for port in &manifest.ports {
        let is_same =
            |other: &&PortSpec| (other.protocol, other.port) == (port.protocol, port.port);
        if let Some(other) = services.ports.iter().find(is_same) {
            let owner = services.containers.services.iter();
            let mut owner = owner.filter(|service| service.network.contains(other.backend.ip()));
            return Err(ServiceProblem::Taken {
                what: format!("the port {} {}", port.port, port.protocol.word()),
                other: owner
                    .next()
                    .map_or_else(|| manifest.id.clone(), |service| service.id.clone()),
            });
        }
        let backend = ground.backend(manifest, &port.backend);
        ports.push(PortSpec {
            protocol: port.protocol,
            port: port.port,
            backend: backend.expect("a port leads to a container of its manifest"),
        });
    }
    Ok(ports)
}

#[cfg(test)]
mod tests;
