//! Sections of the config are replaced.

use std::net::Ipv4Addr;
use std::sync::Arc;

use cell_control::change::SettingsUpdate;
use cell_model::config::{Config, DnsConfig, UpdateMode, UpdatesConfig, VpnConfig};
use cell_model::problem::Problem;
use cell_model::subnet::{cell_address, check_vpn_subnet, matching_v6};
use ipnet::Ipv4Net;

use super::sources::check_sources;
use super::{Context, Edit};

pub(super) fn update(
    config: &Config,
    update: &SettingsUpdate,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    if let Some(seen) = update.revision
        && seen != context.revision
    {
        return Err(Problem::conflict(
            "stale_revision",
            "The settings have changed meanwhile",
            format!(
                "This change was made from revision {seen}, the box is at {}. Look at it again.",
                context.revision
            ),
        ));
    }
    let after = replaced(config, update)?;
    let names = changed_sections(config, &after);
    let summary = summary(config, &after, &names);
    Ok(Edit::new(after, "config.change", names.join(","), summary))
}

/// What changed, for history and audit.
fn summary(before: &Config, after: &Config, sections: &[&str]) -> String {
    let mut what = Vec::new();
    let others: Vec<&str> = sections
        .iter()
        .filter(|name| **name != "dns")
        .copied()
        .collect();
    if !others.is_empty() {
        what.push(format!("the settings of {}", others.join(", ")));
    }
    if before.dns.records != after.dns.records {
        what.push("the DNS records".to_owned());
    }
    if before.dns.upstreams != after.dns.upstreams {
        what.push("the upstream DNS servers".to_owned());
    }
    match what.as_slice() {
        [] => "Changed nothing".to_owned(),
        what => format!("Changed {}", what.join(" and ")),
    }
}

fn replaced(config: &Config, update: &SettingsUpdate) -> Result<Config, Problem> {
    let SettingsUpdate {
        revision: _,
        cell,
        domain,
        network,
        vpn,
        dns,
        updates,
        services,
    } = update;
    let mut after = config.clone();
    if let Some(cell) = cell {
        after.cell = cell.clone();
    }
    if let Some(domain) = domain {
        after.domain = domain.clone();
    }
    if let Some(network) = network {
        after.network = network.clone();
    }
    if let Some(dns) = dns {
        check_dns(dns)?;
        after.dns = dns.clone();
    }
    if let Some(updates) = updates {
        check_updates(updates)?;
        after.updates = updates.clone();
    }
    if let Some(services) = services {
        if !services.is_fit() {
            return Err(Problem::field(
                "services.network",
                "must be a private network with a prefix of 12 to 24 bits, such as 172.20.0.0/16",
            ));
        }
        check_sources(services)?;
        after.services.network = services.network;
        after.services.sources = services.sources.clone();
    }
    if let Some(vpn) = vpn {
        check_vpn(vpn)?;
        renumber(&mut after, vpn)?;
    }
    if files_differ(config, &after) {
        for peer in after.peers.values_mut() {
            if !peer.reinstall_needed {
                Arc::make_mut(peer).reinstall_needed = true;
            }
        }
    }
    Ok(after)
}

/// Whether the file of every device changes: endpoint, domain and addresses stand in it.
pub(super) fn files_differ(one: &Config, other: &Config) -> bool {
    one.cell.endpoint != other.cell.endpoint
        || one.domain.name != other.domain.name
        || one.vpn != other.vpn
}

fn check_dns(dns: &DnsConfig) -> Result<(), Problem> {
    if dns.upstreams.len() > DnsConfig::MAX_UPSTREAMS {
        let limit = DnsConfig::MAX_UPSTREAMS;
        return Err(Problem::field(
            "dns.upstreams",
            format!("must have at most {limit} entries"),
        ));
    }
    if dns.records.len() > DnsConfig::MAX_RECORDS {
        let limit = DnsConfig::MAX_RECORDS;
        return Err(Problem::field(
            "dns.records",
            format!("must have at most {limit} entries"),
        ));
    }
    for (index, upstream) in dns.upstreams.iter().enumerate() {
        let address = upstream.address;
        if address.is_unspecified()
            || address.is_multicast()
            || address.is_loopback()
            || upstream.port == 0
        {
            return Err(Problem::field(
                format!("dns.upstreams.{index}"),
                "must be the address and port of another host",
            ));
        }
    }
    Ok(())
}

fn check_updates(updates: &UpdatesConfig) -> Result<(), Problem> {
    if updates.mode != UpdateMode::Manual && updates.source.is_none() {
        return Err(Problem::field(
            "updates.source",
            "must be given, or the box has nowhere to look for new versions",
        ));
    }
    let Some(authorities) = &updates.authorities else {
        return Ok(());
    };
    cell_fetch::check_authorities(authorities.as_str())
        .map_err(|error| Problem::field("updates.authorities", error))
}

fn check_vpn(vpn: &VpnConfig) -> Result<(), Problem> {
    check_vpn_subnet(vpn.subnet).map_err(|error| Problem::field("vpn.subnet", error))?;
    let ula = vpn.subnet6.addr().is_unique_local();
    if !ula || vpn.subnet6.prefix_len() != 64 || vpn.subnet6.trunc() != vpn.subnet6 {
        return Err(Problem::field(
            "vpn.subnet6",
            "must be a unique local /64, such as fd12:3456:789a:1::/64",
        ));
    }
    Ok(())
}

/// Moves every device to the same host number of another network.
fn renumber(config: &mut Config, vpn: &VpnConfig) -> Result<(), Problem> {
    if config.vpn == *vpn {
        return Ok(());
    }
    let from = config.vpn.subnet;
    for (name, peer) in &mut config.peers {
        let address = same_host(from, vpn.subnet, peer.address).ok_or_else(|| {
            Problem::conflict(
                "subnet_too_small",
                "The network is too small",
                format!(
                    "The device {name} has no place in {}. Choose a larger network.",
                    vpn.subnet
                ),
            )
        })?;
        let peer = Arc::make_mut(peer);
        peer.address = address;
        peer.address6 = matching_v6(vpn.subnet6, vpn.subnet, address);
    }
    config.vpn = vpn.clone();
    Ok(())
}

/// The address with the same host number in another network; `None` when that has no such place for a device.
pub(super) fn same_host(from: Ipv4Net, to: Ipv4Net, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let host = u32::from(address).checked_sub(u32::from(from.network()))?;
    let moved = Ipv4Addr::from(u32::from(to.network()).checked_add(host)?);
    let fits = to.contains(&moved) && moved > cell_address(to) && moved < to.broadcast();
    fits.then_some(moved)
}

fn changed_sections(before: &Config, after: &Config) -> Vec<&'static str> {
    [
        ("cell", before.cell != after.cell),
        ("domain", before.domain != after.domain),
        ("network", before.network != after.network),
        ("vpn", before.vpn != after.vpn),
        ("dns", before.dns != after.dns),
        ("updates", before.updates != after.updates),
        ("services", before.services != after.services),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use cell_control::change::Change;

    use super::*;
    use crate::edit::sample::sections;
    use crate::edit::{apply, sample};

    fn submit(config: &Config, update: SettingsUpdate) -> Result<Edit, Problem> {
        let change = Change::Settings(Box::new(update));
        sample::with_context(|context| apply(config, &change, context))
    }

    fn vpn(subnet: &str) -> SettingsUpdate {
        SettingsUpdate {
            vpn: Some(VpnConfig {
                subnet: subnet.parse().unwrap(),
                subnet6: "fd12:3456:789a:1::/64".parse().unwrap(),
            }),
            ..SettingsUpdate::default()
        }
    }

    #[test]
    fn devices_keep_their_host_number_in_another_network() {
        let config = sample::with_peers(&["a", "b"]);
        let edit = submit(&config, vpn("192.168.200.0/24")).unwrap();
        let addresses: Vec<String> = edit
            .config
            .peers
            .values()
            .map(|peer| peer.address.to_string())
            .collect();
        assert_eq!(addresses, ["192.168.200.2", "192.168.200.3"]);
        assert!(edit.config.peers.values().all(|peer| peer.reinstall_needed));
        assert_eq!(
            submit(&config, vpn("10.9.9.0/30")).unwrap_err().code,
            "subnet_too_small"
        );
    }

    #[test]
    fn change_made_from_an_older_revision_is_refused() {
        let config = sample::with_peers(&[]);
        let update = SettingsUpdate {
            revision: Some(0),
            ..sections(&config)
        };
        assert_eq!(submit(&config, update).unwrap_err().code, "stale_revision");
        let update = SettingsUpdate {
            revision: Some(sample::REVISION),
            ..sections(&config)
        };
        assert_eq!(submit(&config, update).unwrap().config, config);
    }

    #[test]
    fn summary_tells_records_from_upstreams() {
        let config = sample::with_peers(&[]);
        let told = |dns: serde_json::Value, cell: &str| {
            let mut update = sections(&config);
            update.dns = Some(serde_json::from_value(dns).unwrap());
            update.cell.as_mut().unwrap().name = cell.parse().unwrap();
            submit(&config, update).unwrap().summary
        };
        let name = config.cell.name.as_str();
        let record = serde_json::json!([{"name": "nas", "type": "A", "value": "192.168.1.9"}]);
        let server = serde_json::json!([{"address": "9.9.9.9"}]);
        for (dns, cell, expected) in [
            (
                serde_json::json!({"records": record}),
                name,
                "Changed the DNS records",
            ),
            (
                serde_json::json!({"upstreams": server}),
                name,
                "Changed the upstream DNS servers",
            ),
            (
                serde_json::json!({"records": record, "upstreams": server}),
                "shed",
                "Changed the settings of cell and the DNS records and the upstream DNS servers",
            ),
        ] {
            assert_eq!(told(dns, cell), expected);
        }
    }

    #[test]
    fn upstream_must_be_another_host() {
        let config = sample::with_peers(&[]);
        for (address, fits) in [
            ("9.9.9.9", true),
            ("127.0.0.1", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
        ] {
            let mut update = sections(&config);
            update.dns = Some(
                serde_json::from_value(serde_json::json!({"upstreams": [{"address": address}]}))
                    .unwrap(),
            );
            assert_eq!(submit(&config, update).is_ok(), fits, "{address}");
        }
    }
}
