//! Manifests and answers to specs: what runs, and who reaches whom.

mod container;
mod ground;
mod images;
mod proxy;
mod reach;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use cell_catalogue::{LetIn, Manifest, Platform, SettingError, Template, Variable, requires};
use cell_model::config::{
    Config, DataConfig, ServiceConfig, ServiceToggle, ServicesConfig, SettingValue,
};
use cell_model::container::ImageRef;
use cell_model::name::{
    DnsLabel, Domain, InterfaceName, PartName, ServiceId, SettingKey, TimeZoneName, Username,
};
use cell_model::spec::{
    AnswersSpec, ContainerSpec, ContainersSpec, FlowSpec, PortSpec, ProxySpec, RouteSpec,
    ServiceAddress, ServiceSpec,
};
use ipnet::{IpNet, Ipv4Net};

pub use proxy::container as proxy_container;

use container::{container_spec, person_command, values, volumes};
use ground::Ground;
use reach::{edges, ports, routes};

/// A service that was installed.
#[derive(Debug, Clone)]
pub struct Installed<'a> {
    /// What it is.
    pub manifest: &'a Manifest,
    /// Its number, of which network and ids follow, and what it keeps.
    pub data: DataConfig,
    /// What was answered; all else is as the manifest says.
    pub answers: &'a BTreeMap<SettingKey, SettingValue>,
    /// What it was before an update that is on trial.
    pub former: Option<Former<'a>>,
}

/// A service as it was before an update.
#[derive(Debug, Clone, Copy)]
pub struct Former<'a> {
    /// What it was.
    pub manifest: &'a Manifest,
    /// The number of what an update copies.
    pub number: u32,
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
    /// The labels that ports are found by, and whose they are.
    pub port_hosts: BTreeMap<PartName, ServiceId>,
    /// What the box passes on.
    pub ports: BTreeSet<PortSpec>,
    /// What of that is for the internet too.
    pub public: BTreeSet<PortSpec>,
    /// What of that is for the devices that were given this kind of service.
    pub behind: BTreeSet<ServiceAddress>,
    /// What the reverse proxy answers; `None` while there is none.
    pub proxy: Option<ProxySpec>,
    /// Services that cannot be run as they are, and why. Nothing of them is above.
    pub problems: BTreeMap<ServiceId, ServiceProblem>,
}

impl Services {
    /// The labels of the domain that services have.
    pub fn hosts(&self) -> BTreeSet<DnsLabel> {
        let routes = self.routes.iter().map(|route| &route.host);
        routes.chain(self.port_hosts.keys()).map(label).collect()
    }

    /// Those of them that lead somewhere: what the reverse proxy is to answer does not while there is none.
    pub fn answered_hosts(&self) -> BTreeSet<DnsLabel> {
        match self.proxy {
            Some(_) => self.hosts(),
            None => self.port_hosts.keys().map(label).collect(),
        }
    }

    /// Refuses a host that another service has.
    fn refuse_taken_host(&self, host: &PartName) -> Result<(), ServiceProblem> {
        let mut routes = self.routes.iter();
        let route = routes.find(|route| route.host == *host);
        let port = self.port_hosts.get(host);
        match route.map(|route| &route.service).or(port) {
            Some(other) => Err(ServiceProblem::Taken {
                what: format!("the host {host}"),
                other: other.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl Services {
    /// Says who is let in at the ports of a service.
    fn let_in(&mut self, manifest: &Manifest, is_published: bool) {
        let mut services = self.containers.services.iter();
        let own = services.find(|service| service.id == manifest.id);
        let Some(network) = own.map(|service| service.network) else {
            return;
        };
        for port in &manifest.ports {
            let mut ports = self.ports.iter();
            let found = ports.find(|spec| {
                let is_same = (spec.protocol, spec.port) == (port.protocol, port.port);
                is_same && network.contains(spec.backend.ip())
            });
            // Of a service on trial.
            let Some(found) = found.cloned() else {
                continue;
            };
            if let Some(toggle) = ServiceToggle::of(&manifest.id) {
                self.behind.insert(ServiceAddress {
                    toggle,
                    address: (*found.backend.ip()).into(),
                    port: found.backend.port(),
                });
            }
            if is_published && port.from == LetIn::Internet {
                self.public.insert(found);
            }
        }
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

/// The reverse proxy before all hosts.
#[derive(Debug, Clone)]
pub struct Front<'a> {
    /// Its image.
    pub image: &'a ImageRef,
    /// Where people at home and devices are.
    pub sources: BTreeSet<IpNet>,
    /// Since boot: connections of before are to end.
    pub opened_after: Duration,
}

/// What follows from the services that a config has. Without the reverse proxy, nothing that they have for browsers is
/// reached.
pub fn of(config: &Config, front: Option<&Front<'_>>) -> Services {
    let mut manifests = BTreeMap::new();
    let mut problems = BTreeMap::new();
    for (id, service) in &config.services.installed {
        match read(id, service) {
            Ok(manifest) => drop(manifests.insert(id, (manifest, service))),
            Err(problem) => drop(problems.insert(id.clone(), problem)),
        }
    }
    let running = manifests.values().filter(|(_, service)| service.enabled);
    let installed: Vec<Installed<'_>> = running
        .map(|((manifest, former), service)| Installed {
            manifest,
            data: service.data,
            answers: &service.answers,
            former: former.as_ref().map(|(manifest, number)| Former {
                manifest,
                number: *number,
            }),
        })
        .collect();
    let place = place(config);
    let mut services = resolve(&installed, &place);
    services.problems.extend(problems);
    let discarded = config.services.discarded.iter();
    services.containers.discarded = discarded
        .flat_map(|(id, numbers)| numbers.iter().map(|number| (id.clone(), *number)))
        .collect();
    services.containers.origins = images::origins(config, &services.containers);
    services.containers.next = images::next(config);
    services.containers.kept_images = images::kept(config, front.map(|front| front.image));
    services.containers.realm = Some(config.cell.name.clone());
    let manifests = installed.iter().map(|service| service.manifest);
    for manifest in manifests {
        services.let_in(manifest, proxy::is_published(&manifest.id, config));
    }
    if let Some(front) = front.filter(|_| !services.routes.is_empty()) {
        proxy::add(&mut services, front, config, &place);
    }
    services
}

/// What a service is, and what it was before an update that is on trial, with the number of its data.
type Read = (Manifest, Option<(Manifest, u32)>);

fn read(id: &ServiceId, service: &ServiceConfig) -> Result<Read, ServiceProblem> {
    let parse = |text: &str| match Manifest::parse(text.as_bytes()) {
        Ok(manifest) if manifest.id == *id => Ok(manifest),
        Ok(manifest) => Err(ServiceProblem::Manifest(format!(
            "it is that of {}",
            manifest.id
        ))),
        Err(error) => Err(ServiceProblem::Manifest(error.to_string())),
    };
    let manifest = parse(&service.manifest)?;
    let former = service.former.as_ref();
    let former = former.map(|former| Ok((parse(&former.manifest)?, former.number)));
    Ok((manifest, former.transpose()?))
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
            lasting: 0,
        },
        answers,
        former: None,
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
    let mut routes = routes(services, manifest, &ground, &values)?;
    let mut ports = ports(services, manifest, &ground)?;
    if service.former.is_some() {
        // What people did to it would be lost should the one before come back.
        let asked = routes.iter_mut();
        let asked = asked.filter(|route| route.answers.backend().is_some());
        asked.for_each(|route| route.answers = AnswersSpec::Later);
        ports.clear();
    }

    let mut containers = Vec::new();
    for (at, container) in manifest.containers.iter().enumerate() {
        let address = ground.address(at);
        let own = edges.iter().filter(|edge| edge.from == container.name);
        let hosts = own
            .clone()
            .map(|edge| (edge.host.clone(), *edge.to.ip()))
            .collect();
        let open = own.filter(|edge| edge.is_open);
        services.flows.extend(open.map(|edge| FlowSpec {
            from: address,
            to: edge.to,
        }));
        let internet = manifest.internet.is_some() && container.internet;
        if internet {
            services.internet.insert(address);
        }
        let resolver = internet.then_some(place.resolver);
        containers.push(ContainerSpec {
            hosts,
            resolver,
            ..container_spec(container, address, &values)
        });
    }
    services.routes.extend(routes);
    services.ports.extend(ports);
    let accounts = manifest.accounts.as_ref();
    let hosts: BTreeSet<PartName> = manifest
        .ports
        .iter()
        .filter_map(|port| port.host.clone())
        .collect();
    services.containers.services.push(ServiceSpec {
        id: manifest.id.clone(),
        bridge: bridge(service.data.slot),
        network: ground.network,
        ids: ground.ids,
        volumes: volumes(service),
        data: service.data.number,
        containers,
        names: hosts
            .iter()
            .map(|host| format!("{host}.{}", place.domain))
            .collect(),
        certificate_key: None,
        end: accounts.map_or_else(Vec::new, |accounts| {
            let ends = accounts.end.iter();
            ends.map(|end| person_command(end, &values)).collect()
        }),
        remove: accounts
            .and_then(|accounts| Some(person_command(accounts.remove.as_ref()?, &values))),
    });
    let hosts = hosts.into_iter().map(|host| (host, manifest.id.clone()));
    services.port_hosts.extend(hosts);
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

#[cfg(test)]
mod tests;
