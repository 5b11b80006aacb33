//! Links to other cells come, change and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use cell_control::link::LinkUpdate;
use cell_model::Timestamp;
use cell_model::config::{Claims, Config, LinkConfig};
use cell_model::name::CellName;
use cell_model::problem::Problem;
use ipnet::IpNet;

use super::Edit;

/// The most links of a box.
const MAX: usize = 100;

/// A link to a cell, or other claims for the one that is there.
pub(crate) fn put(config: &Config, claims: Claims, now: Timestamp) -> Result<Edit, Problem> {
    let mut config = config.clone();
    let name = claims.name.clone();
    let (count, before) = (config.links.len(), networks(&config));
    let mut known = config.links.iter_mut();
    let known = known.find(|link| link.claims.identity == claims.identity);
    let verb = match known {
        Some(link) => {
            Arc::make_mut(link).claims = claims;
            "Linked again"
        }
        None if count >= MAX => {
            return Err(Problem::conflict(
                "too_many",
                "There are too many links",
                format!("A box has at most {MAX}. Remove one that nobody needs."),
            ));
        }
        None => {
            config.links.push(Arc::new(LinkConfig {
                claims,
                services: Default::default(),
                paused: false,
                offers_exit: false,
                created_at: now,
            }));
            "Linked"
        }
    };
    sort(&mut config);
    if networks(&config) != before {
        // Their files name every network that is reached through the tunnel.
        let split = config.peers.values_mut();
        for peer in split.filter(|peer| !peer.full_tunnel && !peer.reinstall_needed) {
            Arc::make_mut(peer).reinstall_needed = true;
        }
    }
    let summary = format!("{verb} with the cell {name}");
    Ok(Edit::new(config, "cell.link.add", name.as_str(), summary))
}

pub(super) fn change(
    config: &Config,
    name: &CellName,
    update: &LinkUpdate,
) -> Result<Edit, Problem> {
    let mut config = config.clone();
    let mut links = config.links.iter_mut();
    let link = links.find(|link| link.claims.name == *name);
    let link = Arc::make_mut(link.ok_or_else(|| unknown(name))?);
    let mut what = Vec::new();
    if let Some(services) = &update.services
        && *services != link.services
    {
        link.services.clone_from(services);
        what.push("what it may use".to_owned());
    }
    if let Some(paused) = update.paused
        && paused != link.paused
    {
        link.paused = paused;
        what.push(if paused { "paused" } else { "no longer paused" }.to_owned());
    }
    if let Some(offers_exit) = update.offers_exit
        && offers_exit != link.offers_exit
    {
        link.offers_exit = offers_exit;
        let offered = match offers_exit {
            true => "offered a way out to the internet",
            false => "offered no way out to the internet",
        };
        what.push(offered.to_owned());
    }
    let summary = match what.is_empty() {
        true => "Changed nothing".to_owned(),
        false => format!("Changed the link with the cell {name}: {}", what.join(", ")),
    };
    Ok(Edit::new(
        config,
        "cell.link.change",
        name.as_str(),
        summary,
    ))
}

pub(crate) fn remove(config: &Config, name: &CellName) -> Result<Edit, Problem> {
    let mut after = config.clone();
    after.links.retain(|link| link.claims.name != *name);
    if after.links.len() == config.links.len() {
        return Err(unknown(name));
    }
    let summary = format!("Ended the link with the cell {name}");
    Ok(Edit::new(after, "cell.link.remove", name.as_str(), summary))
}

pub(crate) fn unknown(name: &CellName) -> Problem {
    Problem::not_found(format!("cell {name}"))
}

fn networks(config: &Config) -> BTreeSet<IpNet> {
    let links = config.links.iter();
    links.flat_map(|link| link.claims.vpn.networks()).collect()
}

/// As their documents are read.
fn sort(config: &mut Config) {
    config
        .links
        .sort_by(|one, other| one.claims.identity.cmp(&other.claims.identity));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::sample;

    fn claims(name: &str, key: u8) -> Claims {
        serde_json::from_value(serde_json::json!({
            "name": name, "identity": format!("{key:02x}").repeat(32),
            "wireguard_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "endpoints": [],
            "domain": format!("{name}.lan"), "vpn": { "subnet": "10.40.0.0/24", "subnet6": "fd00:40::/64" },
        }))
        .unwrap()
    }

    #[test]
    fn link_is_made_renamed_changed_and_removed() {
        let now = Timestamp::UNIX_EPOCH;
        let config = sample::with_peers(&[]);
        let linked = put(&config, claims("cabin", 7), now).unwrap().config;
        let renamed = put(&linked, claims("hut-two", 7), now).unwrap();
        assert_eq!(renamed.summary, "Linked again with the cell hut-two");
        assert_eq!(renamed.config.links.len(), 1);
        let name = "hut-two".parse().unwrap();
        let update = LinkUpdate {
            paused: Some(true),
            ..LinkUpdate::default()
        };
        let paused = change(&renamed.config, &name, &update).unwrap();
        assert!(paused.config.links[0].paused);
        let again = change(&paused.config, &name, &update).unwrap();
        assert_eq!(
            (again.config, &*again.summary),
            (paused.config.clone(), "Changed nothing")
        );
        let gone = remove(&paused.config, &name).unwrap();
        assert_eq!(gone.config, config);
        assert_eq!(remove(&gone.config, &name).unwrap_err().status, 404);
        assert_eq!(change(&config, &name, &update).unwrap_err().status, 404);
    }

    #[test]
    fn links_are_few() {
        let mut config = sample::with_peers(&[]);
        for key in 0..u8::try_from(MAX).unwrap() {
            let claims = claims(&format!("cell-{key}"), key);
            config = put(&config, claims, Timestamp::UNIX_EPOCH).unwrap().config;
        }
        let more = put(&config, claims("more", 255), Timestamp::UNIX_EPOCH);
        assert_eq!(more.unwrap_err().code, "too_many");
    }
}
