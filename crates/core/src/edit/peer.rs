//! Devices come, change and go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cell_control::change::{PeerForm, PeerUpdate};
use cell_model::Timestamp;
use cell_model::config::{Config, PeerConfig, ServiceToggle};
use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use cell_model::name::{PeerName, Username};
use cell_model::problem::Problem;
use cell_model::subnet::matching_v6;
use uuid::Uuid;

use super::{Context, Edit, EditedPeer};

pub(super) fn add(
    config: &Config,
    form: &PeerForm,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let name = &form.name;
    check_name(config, name)?;
    check_expiry(form.expires_at, context)?;
    if let Some(id) = form.exit_connection_id {
        check_connection(config, id)?;
    }
    let private_key = match form.public_key {
        Some(_) => None,
        None => Some(PrivateKey::from_bytes((context.random)()?)),
    };
    let public_key = match (&private_key, form.public_key) {
        (Some(private_key), _) => private_key.public_key(),
        (None, Some(public_key)) => public_key,
        (None, None) => return Err(Problem::internal()),
    };
    check_key(config, name, public_key, context)?;
    let address = config.next_peer_address().ok_or_else(|| {
        Problem::conflict(
            "vpn_full",
            "The VPN has no free address",
            format!(
                "All addresses of {} are taken. Remove a device, or choose a larger network.",
                config.vpn.subnet
            ),
        )
    })?;
    let preshared_key = match form.preshared_key {
        true => Some(PresharedKey::from_bytes((context.random)()?)),
        false => None,
    };
    let peer = PeerConfig {
        username: form.username.clone(),
        address,
        address6: matching_v6(config.vpn.subnet6, config.vpn.subnet, address),
        public_key,
        preshared_key: form.preshared_key,
        full_tunnel: form.full_tunnel,
        peer_to_peer: form.peer_to_peer,
        services: form
            .services
            .clone()
            .unwrap_or_else(|| BTreeSet::from(ServiceToggle::ALL)),
        exit_connection_id: form.exit_connection_id,
        failopen: None,
        created_at: context.now,
        expires_at: form.expires_at,
        reinstall_needed: false,
    };
    let mut config = config.clone();
    config.peers.insert(name.clone(), Arc::new(peer));
    let mut edit = Edit::new(
        config,
        "peer.add",
        name.as_str(),
        format!("Added the device {name}"),
    );
    edit.preshared
        .extend(preshared_key.clone().map(|key| (name.clone(), Some(key))));
    edit.peer = Some(EditedPeer {
        name: name.clone(),
        private_key,
        preshared_key,
    });
    Ok(edit)
}

pub(super) fn change(
    config: &Config,
    name: &PeerName,
    update: &PeerUpdate,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let PeerUpdate {
        username,
        full_tunnel,
        peer_to_peer,
        services,
        public_key,
        exit_connection_id,
        failopen,
        expires_at,
    } = update;
    let before = find(config, name)?;
    let mut peer = PeerConfig::clone(before);
    if let Some(username) = username {
        peer.username.clone_from(username);
    }
    if let Some(full_tunnel) = *full_tunnel {
        // The networks the device sends into the tunnel stand in its file.
        peer.reinstall_needed |= full_tunnel != peer.full_tunnel;
        peer.full_tunnel = full_tunnel;
    }
    if let Some(peer_to_peer) = *peer_to_peer {
        peer.peer_to_peer = peer_to_peer;
    }
    if let Some(services) = services {
        peer.services.clone_from(services);
    }
    if let Some(public_key) = *public_key {
        check_key(config, name, public_key, context)?;
        peer.public_key = public_key;
    }
    if let Some(id) = *exit_connection_id {
        id.map_or(Ok(()), |id| check_connection(config, id))?;
        peer.exit_connection_id = id;
    }
    if let Some(failopen) = *failopen {
        peer.failopen = failopen;
    }
    if let Some(expires_at) = *expires_at {
        check_expiry(expires_at, context)?;
        peer.expires_at = expires_at;
    }
    Ok(replace(
        config,
        name,
        peer,
        "peer.change",
        format!("Changed the device {name}"),
    ))
}

pub(super) fn rekey(
    config: &Config,
    name: &PeerName,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let mut peer = PeerConfig::clone(find(config, name)?);
    let private_key = PrivateKey::from_bytes((context.random)()?);
    let preshared_key = match peer.preshared_key {
        true => Some(PresharedKey::from_bytes((context.random)()?)),
        false => None,
    };
    peer.public_key = private_key.public_key();
    peer.reinstall_needed = false;
    let mut edit = replace(
        config,
        name,
        peer,
        "peer.rekey",
        format!("Made a new key for the device {name}"),
    );
    edit.preshared
        .extend(preshared_key.clone().map(|key| (name.clone(), Some(key))));
    edit.peer = Some(EditedPeer {
        name: name.clone(),
        private_key: Some(private_key),
        preshared_key,
    });
    Ok(edit)
}

pub(super) fn fetch(config: &Config, name: &PeerName) -> Result<Edit, Problem> {
    let mut peer = PeerConfig::clone(find(config, name)?);
    peer.reinstall_needed = false;
    let mut edit = replace(
        config,
        name,
        peer,
        "peer.fetch",
        format!("Fetched the file of the device {name}"),
    );
    edit.peer = Some(EditedPeer {
        name: name.clone(),
        private_key: None,
        preshared_key: None,
    });
    Ok(edit)
}

pub(super) fn remove(config: &Config, name: &PeerName) -> Result<Edit, Problem> {
    find(config, name)?;
    let mut config = config.clone();
    config.peers.remove(name);
    let mut edit = Edit::new(
        config,
        "peer.remove",
        name.as_str(),
        format!("Removed the device {name}"),
    );
    edit.preshared.push((name.clone(), None));
    Ok(edit)
}

/// Whoever goes takes their devices along, and leaves all groups; `None` when they have and are in none.
pub(crate) fn remove_all_of(config: &Config, username: &Username) -> Option<Edit> {
    let is_theirs = |peer: &PeerConfig| peer.username.as_ref() == Some(username);
    let (gone, rest) = config
        .peers
        .iter()
        .map(|(name, peer)| (name.clone(), Arc::clone(peer)))
        .partition::<BTreeMap<_, _>, _>(|(_, peer)| is_theirs(peer));
    let mut after = config.clone();
    after.peers = rest;
    for group in after.groups.values_mut() {
        group.members.remove(username);
    }
    after.mail.remove_person(username);
    if gone.is_empty() && after.groups == config.groups && after.mail == config.mail {
        return None;
    }
    let names: Vec<&str> = gone.keys().map(PeerName::as_str).collect();
    let summary = match names.is_empty() {
        true => format!("Removed the account {username}"),
        false => format!(
            "Removed the account {username} and its devices: {}",
            names.join(", ")
        ),
    };
    let mut edit = Edit::new(after, "account.remove", username.as_str(), summary);
    edit.preshared = gone.into_keys().map(|name| (name, None)).collect();
    Some(edit)
}

fn replace(
    config: &Config,
    name: &PeerName,
    peer: PeerConfig,
    action: &'static str,
    summary: String,
) -> Edit {
    let mut config = config.clone();
    config.peers.insert(name.clone(), Arc::new(peer));
    Edit::new(config, action, name.as_str(), summary)
}

fn find<'a>(config: &'a Config, name: &PeerName) -> Result<&'a PeerConfig, Problem> {
    config
        .peers
        .get(name)
        .map(Arc::as_ref)
        .ok_or_else(|| Problem::not_found(format!("device {name}")))
}

fn check_name(config: &Config, name: &PeerName) -> Result<(), Problem> {
    if config.peers.contains_key(name) {
        return Err(Problem::conflict(
            "peer_exists",
            "The name is taken",
            format!(
                "There is a device {name} already. Choose another name, or remove that one first."
            ),
        ));
    }
    let label = name.label();
    if label.is_reserved() {
        return Err(Problem::conflict(
            "name_reserved",
            "The name is reserved",
            format!(
                "The box keeps {label}.{} for itself. Choose another name.",
                config.domain.name
            ),
        ));
    }
    let taken_by = config
        .peer_with_label(&label)
        .map(|peer| format!("the device {peer}"))
        .or_else(|| {
            let record = config
                .dns
                .records
                .iter()
                .find(|record| record.name == label)?;
            Some(format!("your DNS record {}", record.name))
        });
    match taken_by {
        Some(owner) => Err(Problem::conflict(
            "name_taken",
            "The name is taken",
            format!(
                "{label}.{} belongs to {owner}. Choose another name.",
                config.domain.name
            ),
        )),
        None => Ok(()),
    }
}

fn check_key(
    config: &Config,
    name: &PeerName,
    key: PublicKey,
    context: &Context<'_>,
) -> Result<(), Problem> {
    if context.own_key == Some(key) {
        return Err(Problem::conflict(
            "key_taken",
            "The key is the box's own",
            "Paste the device's public key, not the one from its peer section.",
        ));
    }
    let owner = config
        .peers
        .iter()
        .find(|(other, peer)| *other != name && peer.public_key == key);
    match owner {
        Some((owner, _)) => Err(Problem::conflict(
            "key_taken",
            "The key is taken",
            format!("The device {owner} has this key. Every device needs a key of its own."),
        )),
        None => Ok(()),
    }
}

fn check_expiry(expires_at: Option<Timestamp>, context: &Context<'_>) -> Result<(), Problem> {
    match expires_at {
        Some(expiry) if expiry <= context.now => {
            Err(Problem::field("expires_at", "must be in the future"))
        }
        _ => Ok(()),
    }
}

fn check_connection(config: &Config, id: Uuid) -> Result<(), Problem> {
    match config.connections.contains_key(&id) {
        true => Ok(()),
        false => Err(unknown_connection(&id.to_string())),
    }
}

fn unknown_connection(id: &str) -> Problem {
    Problem {
        errors: vec![cell_model::problem::FieldError {
            field: "exit_connection_id".to_owned(),
            message: "must name a connection that exists".to_owned(),
        }],
        ..Problem::new(
            422,
            "unknown_connection",
            "There is no such connection",
            format!("No connection has the id {id}."),
        )
    }
}

#[cfg(test)]
mod tests {
    use cell_control::change::Change;

    use super::*;
    use crate::edit::{apply, sample};

    fn code(result: Result<Edit, Problem>) -> String {
        result.map_or_else(|problem| problem.code.into_owned(), |_| "ok".to_owned())
    }

    fn added(config: &Config, form: PeerForm) -> Result<Edit, Problem> {
        sample::with_context(|context| apply(config, &Change::AddPeer(form), context))
    }

    #[test]
    fn new_device_gets_the_next_free_address_and_a_key() {
        let config = sample::with_peers(&["a", "b", "c"]);
        let config = sample::with_context(|context| {
            apply(
                &config,
                &Change::RemovePeer {
                    name: "b".parse().unwrap(),
                },
                context,
            )
        })
        .unwrap()
        .config;
        let edit = added(&config, sample::form("d")).unwrap();
        let peer = &edit.config.peers[&"d".parse().unwrap()];
        assert_eq!(peer.address.to_string(), "10.31.7.3");
        assert_eq!(peer.address6.to_string(), "fd12:3456:789a:1::3");
        let made = edit.peer.unwrap();
        assert_eq!(made.private_key.unwrap().public_key(), peer.public_key);
    }

    #[test]
    fn name_must_be_free_as_a_name_and_as_a_label() {
        let config = sample::with_peers(&["Anna.Phone"]);
        for (name, expected) in [
            ("Anna.Phone", "peer_exists"),
            ("anna-phone", "name_taken"),
            ("anna_phone", "name_taken"),
            ("admin", "name_reserved"),
            ("WWW", "name_reserved"),
            ("anna", "ok"),
        ] {
            assert_eq!(code(added(&config, sample::form(name))), expected, "{name}");
        }
    }

    #[test]
    fn key_belongs_to_one_device() {
        let config = sample::with_peers(&["a"]);
        let key = config.peers[&"a".parse().unwrap()].public_key;
        let form = PeerForm {
            public_key: Some(key),
            ..sample::form("b")
        };
        assert_eq!(code(added(&config, form)), "key_taken");
        let form = PeerForm {
            public_key: Some(sample::own_key()),
            ..sample::form("b")
        };
        assert_eq!(code(added(&config, form)), "key_taken");
    }

    #[test]
    fn full_network_takes_no_more() {
        let mut config = sample::with_peers(&[]);
        config.vpn.subnet = "10.31.7.0/30".parse().unwrap();
        let config = added(&config, sample::form("only")).unwrap().config;
        assert_eq!(code(added(&config, sample::form("more"))), "vpn_full");
    }

    #[test]
    fn expiry_must_lie_ahead() {
        let config = sample::with_peers(&[]);
        let form = PeerForm {
            expires_at: Some(sample::now()),
            ..sample::form("a")
        };
        assert_eq!(code(added(&config, form)), "invalid_field");
    }

    #[test]
    fn changed_tunnel_calls_for_a_new_file_until_it_is_fetched() {
        let config = sample::with_peers(&["a"]);
        let name: PeerName = "a".parse().unwrap();
        let update = PeerUpdate {
            full_tunnel: Some(false),
            ..PeerUpdate::default()
        };
        let change = Change::ChangePeer {
            name: name.clone(),
            update,
        };
        let edit = sample::with_context(|context| apply(&config, &change, context)).unwrap();
        assert!(edit.config.peers[&name].reinstall_needed);
        let change = Change::FetchPeerFile { name: name.clone() };
        let edit = sample::with_context(|context| apply(&edit.config, &change, context)).unwrap();
        assert!(!edit.config.peers[&name].reinstall_needed);
        assert!(edit.peer.unwrap().private_key.is_none());
    }

    #[test]
    fn removed_device_takes_its_secret_along() {
        let config = sample::with_peers(&[]);
        let form = PeerForm {
            preshared_key: true,
            ..sample::form("a")
        };
        let edit = added(&config, form).unwrap();
        assert!(matches!(&edit.preshared[..], [(_, Some(_))]));
        let change = Change::RemovePeer {
            name: "a".parse().unwrap(),
        };
        let edit = sample::with_context(|context| apply(&edit.config, &change, context)).unwrap();
        assert!(matches!(&edit.preshared[..], [(_, None)]));
    }
}
