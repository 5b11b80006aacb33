//! Back to an earlier config: by restoring a revision, or by taking back a change that was not confirmed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use cell_model::config::{Config, PeerConfig, ServiceConfig, ServicesConfig};
use cell_model::key::PresharedKey;
use cell_model::name::PeerName;
use cell_model::problem::Problem;
use cell_model::subnet::{matching_v6, peer_addresses};

use super::settings::{files_differ, same_host};
use super::{Edit, services};

/// The config of an earlier revision, with the links of now: the other cells go back to nothing. Secrets that were destroyed since do not come back, and the summary says so.
pub(crate) fn restore(
    now: &Config,
    mut earlier: Config,
    number: u64,
    keys: &BTreeMap<PeerName, PresharedKey>,
) -> Edit {
    let everywhere = files_differ(now, &earlier);
    for (name, peer) in &mut earlier.peers {
        // The file a device has is that of its last change, not that of the revision.
        let differs = now.peers.get(name).is_some_and(|now| {
            now.full_tunnel != peer.full_tunnel
                || now.public_key != peer.public_key
                || now.address != peer.address
                || now.preshared_key != peer.preshared_key
        });
        if (everywhere || differs) && !peer.reinstall_needed {
            Arc::make_mut(peer).reinstall_needed = true;
        }
    }
    keep_data(now, &mut earlier);
    earlier.links.clone_from(&now.links);
    let (preshared, lost) = settle_preshared(&mut earlier, keys);
    let mut summary = format!("Restored revision {number}");
    if !lost.is_empty() {
        summary.push_str("; the pre-shared key is gone of ");
        summary.push_str(&lost.join(", "));
    }
    let mut edit = Edit::new(earlier, "config.restore", number.to_string(), summary);
    edit.preshared = preshared;
    edit
}

/// Services that came later go, and their data stays: to delete it, nobody has asked. Who has data keeps its numbers, for
/// the data belongs to users that follow from them. What was deleted stays so: who comes back without data begins anew. A
/// service of a source whose place somebody else's has taken since stays away: the data is not its own.
/// Programs do not go back: an older one may not be able to read what a newer one wrote.
fn keep_data(now: &Config, earlier: &mut Config) {
    let services = &mut earlier.services;
    let coming = std::mem::take(&mut services.installed);
    services.kept = now.services.kept.clone();
    services.kept_from = now.services.kept_from.clone();
    services.discarded = now.services.discarded.clone();
    services.deleted_to = now.services.deleted_to.max(services.deleted_to);
    let installed = now.services.installed.iter();
    for (id, service) in installed.filter(|(id, _)| !coming.contains_key(*id)) {
        services::leave(services, id, service, false);
    }
    for (id, service) in &coming {
        if let Some(present) = now.services.installed.get(id) {
            let service = services::with_settings_of(present, service);
            services.installed.insert(id.clone(), Arc::new(service));
        }
    }
    // What is there now has its numbers before anything else is given some.
    for (id, service) in coming {
        let owner = services.kept_from.get(&id);
        let is_strange = service.source().is_some() && service.source() != owner;
        if services.installed.contains_key(&id) || (is_strange && services.kept.contains_key(&id)) {
            continue;
        }
        let mut service = ServiceConfig::clone(&service);
        (service.next, service.former) = (None, None);
        if let Some(data) = services.data_for(&id) {
            service.data = data;
        }
        services.kept.remove(&id);
        services.kept_from.remove(&id);
        services.installed.insert(id, Arc::new(service));
    }
}

/// The present config without what one change made of it: whatever that change set and nobody touched
/// since is as before, whatever came later stays. Devices that came later move to a free address if theirs is gone.
///
/// # Errors
/// 409 when something that came later is in the way. A change is refused that would bring this about.
pub(crate) fn undo(now: &Config, before: &Config, after: &Config) -> Result<Config, Problem> {
    let Config {
        cell,
        domain,
        network,
        vpn,
        dns,
        updates,
        services,
        groups,
        mail,
        peers,
        connections,
        links,
    } = now;
    let mut undone = Config {
        cell: unless_touched(cell, &after.cell, &before.cell),
        domain: unless_touched(domain, &after.domain, &before.domain),
        network: unless_touched(network, &after.network, &before.network),
        vpn: unless_touched(vpn, &after.vpn, &before.vpn),
        dns: unless_touched(dns, &after.dns, &before.dns),
        updates: unless_touched(updates, &after.updates, &before.updates),
        services: undo_services(services, &before.services, &after.services),
        groups: unless_touched(groups, &after.groups, &before.groups),
        mail: unless_touched(mail, &after.mail, &before.mail),
        peers: BTreeMap::new(),
        connections: unless_touched(connections, &after.connections, &before.connections),
        // The other cells have not taken back what was agreed with them.
        links: links.clone(),
    };
    let mut later = Vec::new();
    let names: BTreeSet<&PeerName> = peers.keys().chain(before.peers.keys()).collect();
    for name in names {
        let present = peers.get(name);
        if present == after.peers.get(name) {
            let former = before.peers.get(name).cloned();
            undone.peers.extend(former.map(|peer| (name.clone(), peer)));
        } else if let Some(peer) = present {
            later.push((name, peer));
        }
    }
    let everywhere = files_differ(now, &undone);
    let taken: HashSet<_> = undone.peers.values().map(|peer| peer.address).collect();
    let mut free = Places {
        taken,
        config: &undone.clone(),
    };
    for (name, peer) in later {
        let mut peer = PeerConfig::clone(peer);
        let address = free.place(now, &peer).ok_or_else(|| in_the_way(name))?;
        peer.reinstall_needed |= everywhere || address != peer.address;
        peer.address = address;
        peer.address6 = matching_v6(undone.vpn.subnet6, undone.vpn.subnet, address);
        undone.peers.insert(name.clone(), Arc::new(peer));
    }
    check_clashes(&undone)?;
    Ok(undone)
}

/// What is installed and whose data that is belong together; the network of all does not depend on them.
fn undo_services(
    now: &ServicesConfig,
    before: &ServicesConfig,
    after: &ServicesConfig,
) -> ServicesConfig {
    let is_untouched = now.installed == after.installed
        && now.kept == after.kept
        && now.discarded == after.discarded;
    let services = if is_untouched { before } else { now };
    ServicesConfig {
        network: unless_touched(&now.network, &after.network, &before.network),
        ..services.clone()
    }
}

fn unless_touched<T: PartialEq + Clone>(now: &T, after: &T, before: &T) -> T {
    if now == after {
        before.clone()
    } else {
        now.clone()
    }
}

/// Addresses for devices that came later.
struct Places<'a> {
    taken: HashSet<std::net::Ipv4Addr>,
    config: &'a Config,
}

impl Places<'_> {
    /// The same host number if it is free, else the lowest free address.
    fn place(&mut self, now: &Config, peer: &PeerConfig) -> Option<std::net::Ipv4Addr> {
        let subnet = self.config.vpn.subnet;
        let same = same_host(now.vpn.subnet, subnet, peer.address)
            .filter(|address| !self.taken.contains(address));
        let address =
            same.or_else(|| peer_addresses(subnet).find(|address| !self.taken.contains(address)))?;
        self.taken.insert(address);
        Some(address)
    }
}

/// No two devices have a name in the zone or a key in common.
fn check_clashes(config: &Config) -> Result<(), Problem> {
    let (mut labels, mut keys) = (HashSet::new(), HashSet::new());
    for (name, peer) in &config.peers {
        if !labels.insert(name.label()) || !keys.insert(peer.public_key) {
            return Err(in_the_way(name));
        }
    }
    Ok(())
}

fn in_the_way(name: &PeerName) -> Problem {
    Problem::conflict(
        "confirmation_outstanding",
        "Another change waits for its confirmation",
        format!("{name} would be in the way if that change was taken back. Confirm it first."),
    )
}

/// Makes a config that comes back fit the pre-shared keys that are still there. Answers the keys to destroy,
/// and the devices that lost theirs.
pub(crate) fn settle_preshared(
    config: &mut Config,
    keys: &BTreeMap<PeerName, PresharedKey>,
) -> (Vec<(PeerName, Option<PresharedKey>)>, Vec<String>) {
    let mut lost = Vec::new();
    for (name, peer) in &mut config.peers {
        if peer.preshared_key && !keys.contains_key(name) {
            let peer = Arc::make_mut(peer);
            peer.preshared_key = false;
            peer.reinstall_needed = true;
            lost.push(name.to_string());
        }
    }
    let used = |name: &PeerName| {
        config
            .peers
            .get(name)
            .is_some_and(|peer| peer.preshared_key)
    };
    let gone = keys.keys().filter(|name| !used(name));
    (gone.map(|name| (name.clone(), None)).collect(), lost)
}

#[cfg(test)]
#[path = "undo_tests.rs"]
mod tests;
