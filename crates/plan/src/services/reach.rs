//! Who reaches a service, and whom it reaches.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use cell_catalogue::{Manifest, Values};
use cell_model::name::{PartName, ServiceId};
use cell_model::spec::{AnswersSpec, DocumentSpec, PortSpec, RouteSpec};

use super::container::fill;
use super::ground::Ground;
use super::{Installed, Place, ServiceProblem, Services};

/// An edge with the address that it leads to.
pub(super) struct Reach {
    pub(super) from: PartName,
    pub(super) host: String,
    pub(super) to: SocketAddrV4,
    /// Not so while an update of the other one is on trial.
    pub(super) is_open: bool,
}

pub(super) fn edges(
    manifest: &Manifest,
    all: &BTreeMap<&ServiceId, &Installed<'_>>,
    place: &Place<'_>,
) -> Result<Vec<Reach>, ServiceProblem> {
    let mut edges = Vec::new();
    for edge in &manifest.edges {
        let other = all.get(&edge.service);
        let is_guarded = other.is_some_and(|other| {
            let routes = &other.manifest.routes;
            let accounts = other.manifest.accounts.as_ref();
            accounts.is_some_and(|accounts| accounts.header.is_some())
                && routes.iter().any(|route| route.backend == edge.to)
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
            is_open: other.is_some_and(|other| other.former.is_none()),
            to: to.ok_or_else(|| ServiceProblem::NoBackend {
                service: edge.service.clone(),
                to: edge.to.container.clone(),
            })?,
        });
    }
    Ok(edges)
}

pub(super) fn routes(
    services: &Services,
    manifest: &Manifest,
    ground: &Ground,
    values: &Values,
) -> Result<Vec<RouteSpec>, ServiceProblem> {
    let mut routes = Vec::new();
    for route in &manifest.routes {
        services.refuse_taken_host(&route.host)?;
        let backend = ground.backend(manifest, &route.backend);
        routes.push(RouteSpec {
            service: manifest.id.clone(),
            host: route.host.clone(),
            answers: AnswersSpec::Backend(
                backend.expect("a route leads to a container of its manifest"),
            ),
            max_body_mib: route.max_body_mib,
            well_known: route
                .well_known
                .iter()
                .map(|(known, path)| (known.word().to_owned(), path.clone()))
                .collect(),
            account_header: manifest
                .accounts
                .as_ref()
                .and_then(|accounts| accounts.header.clone()),
        });
    }
    routes.extend(documents(services, manifest, values)?);
    Ok(routes)
}

/// Hosts that have documents, and nothing else.
fn documents(
    services: &Services,
    manifest: &Manifest,
    values: &Values,
) -> Result<Vec<RouteSpec>, ServiceProblem> {
    let mut hosts: BTreeMap<&PartName, BTreeMap<String, DocumentSpec>> = BTreeMap::new();
    for document in &manifest.documents {
        services.refuse_taken_host(&document.host)?;
        let spec = DocumentSpec {
            media_type: document.media_type.word().to_owned(),
            text: fill(&document.text, values),
        };
        let host = hosts.entry(&document.host).or_default();
        host.insert(document.path.clone(), spec);
    }
    let route = |(host, documents): (&PartName, _)| RouteSpec {
        service: manifest.id.clone(),
        host: host.clone(),
        answers: AnswersSpec::Documents(documents),
        max_body_mib: 1,
        well_known: BTreeMap::new(),
        account_header: None,
    };
    Ok(hosts.into_iter().map(route).collect())
}

pub(super) fn ports(
    services: &Services,
    manifest: &Manifest,
    ground: &Ground,
) -> Result<Vec<PortSpec>, ServiceProblem> {
    let mut ports = Vec::new();
    for port in &manifest.ports {
        if let Some(host) = &port.host {
            services.refuse_taken_host(host)?;
        }
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
