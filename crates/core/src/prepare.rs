//! What setting a box up writes, however its answers came: from the wizard, or from a seed.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use cell_audit::AuditEvent;
use cell_auth::Account;
use cell_control::change::SetupForm;
use cell_model::Timestamp;
use cell_model::config::{
    CellConfig, Config, DnsConfig, DomainConfig, DomainMode, NetworkConfig, UpdatesConfig,
    VpnConfig,
};
use cell_model::endpoint::Endpoint;
use cell_model::facts::NetworkFacts;
use cell_model::key::PrivateKey;
use cell_model::name::{CellName, Domain, TimeZoneName};
use cell_model::problem::Problem;
use cell_model::seed::SeedAnswers;
use cell_plan::lint;
use cell_plan::resolve::vpn_interface;
use cell_store::Batch;
use cell_vault::{CellVault, PreparedCa, Sealer, random_bytes};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::people::ACCOUNTS;
use crate::set_up::internal;
use crate::{documents, keys, seed, submit};

/// What the config is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answers<'a> {
    cell_name: &'a CellName,
    domain_mode: DomainMode,
    domain: &'a Domain,
    vpn_subnet: Ipv4Net,
    timezone: &'a TimeZoneName,
    endpoint: &'a Option<Endpoint>,
}

impl<'a> From<&'a SetupForm> for Answers<'a> {
    fn from(form: &'a SetupForm) -> Self {
        Self {
            cell_name: &form.cell_name,
            domain_mode: form.domain_mode,
            domain: &form.domain,
            vpn_subnet: form.vpn_subnet,
            timezone: &form.timezone,
            endpoint: &form.endpoint,
        }
    }
}

impl<'a> From<&'a SeedAnswers> for Answers<'a> {
    fn from(answers: &'a SeedAnswers) -> Self {
        Self {
            cell_name: &answers.cell_name,
            domain_mode: answers.domain_mode,
            domain: &answers.domain,
            vpn_subnet: answers.vpn_subnet,
            timezone: &answers.timezone,
            endpoint: &answers.endpoint,
        }
    }
}

/// Everything of a setup but its commit.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) batch: Batch,
    pub(crate) event: AuditEvent,
    pub(crate) ca: PreparedCa,
    pub(crate) interface_key: PrivateKey,
}

/// The first config, with a network of its own for IPv6; refused when it cannot work where the box is.
pub(crate) fn config(
    answers: Answers<'_>,
    network: &NetworkConfig,
    facts: &NetworkFacts,
) -> Result<Config, Problem> {
    let config = Config {
        cell: CellConfig {
            name: answers.cell_name.clone(),
            timezone: answers.timezone.clone(),
            endpoint: answers.endpoint.clone(),
        },
        domain: DomainConfig {
            mode: answers.domain_mode,
            name: answers.domain.clone(),
        },
        network: network.clone(),
        vpn: VpnConfig {
            subnet: answers.vpn_subnet,
            subnet6: random_ula()?,
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
    lint::check(&config, facts, &vpn_interface())?;
    Ok(config)
}

/// Makes the keys and the authority, and puts all of it and the owner into one batch.
pub(crate) fn prepare(
    vault: &CellVault,
    sealer: &Sealer,
    config: &Config,
    owner: &Account,
    now: Timestamp,
) -> Result<Prepared, Problem> {
    let ca = vault
        .prepare(&config.cell.name, &config.domain.name, now)
        .map_err(|error| internal(&error))?;
    let interface_key = cell_vault::new_private_key().map_err(|error| internal(&error))?;
    let sealed = sealer
        .seal(keys::INTERFACE, interface_key.expose())
        .map_err(|error| internal(&error))?;

    let mut batch = Batch::new(now, Some(owner.username.clone()), "Set the box up");
    submit::put_documents(&mut batch, documents::changes(None, config))?;
    batch.set_secret(keys::INTERFACE, sealed);
    for record in ca.records() {
        batch.set_secret(record.name, record.sealed.clone());
    }
    // It has done what it was for.
    batch.remove_secret(seed::CODE);
    batch
        .put(ACCOUNTS, owner.username.to_string(), owner)
        .map_err(|error| internal(&error))?;
    let event = AuditEvent::new("setup.complete")
        .by(&owner.identity())
        .on(config.cell.name.to_string());
    Ok(Prepared {
        batch,
        event,
        ca,
        interface_key,
    })
}

/// A /64 of a random unique local /48 (RFC 4193 section 3.2.2).
pub(crate) fn random_ula() -> Result<Ipv6Net, Problem> {
    let mut octets = [0; 16];
    let global_id: [u8; 5] = random_bytes().map_err(|error| internal(&error))?;
    octets[0] = 0xfd;
    octets[1..6].copy_from_slice(&global_id);
    Ipv6Net::new(Ipv6Addr::from(octets), 64).map_err(|error| internal(&error))
}
