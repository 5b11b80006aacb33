//! Ways out beside the uplink come, change and go.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use cell_control::connection::{ConnectionForm, ProxyForm, WayForm, WireguardExtForm};
use cell_model::config::{
    Config, ConnectionConfig, ConnectionSecret, ExitSlot, ProxyConfig, RelayPort, WayConfig,
    WireguardExtConfig, is_login_password,
};
use cell_model::endpoint::Host;
use cell_model::key::PresharedKey;
use cell_model::name::ConnectionName;
use cell_model::problem::{FieldError, Problem};
use cell_model::secret::Secret;
use cell_wireguard::provider::ProviderFile;
use uuid::{Builder, Uuid};

use super::{Context, Edit, SecretOf};

pub(super) fn add(
    config: &Config,
    form: &ConnectionForm,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let (way, secrets) = way(config, form, None)?;
    check_name(config, &form.name, None)?;
    check_key(config, &way, None)?;
    let random = (context.random)()?;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&random[8..24]);
    let id = Builder::from_random_bytes(bytes).into_uuid();
    let connection = ConnectionConfig {
        name: form.name.clone(),
        slot: free_slot(config)?,
        port: match way.is_relayed() {
            true => Some(free_port(config, context)?),
            false => None,
        },
        way,
        enabled: form.enabled,
        resolvers: form.resolvers.clone(),
        created_at: context.now,
    };
    let name = &form.name;
    let summary = format!("Added the way out {name}");
    let edit = replace(config, id, connection, "connection.add", summary);
    Ok(keeping(edit, id, secrets))
}

pub(super) fn put(
    config: &Config,
    id: Uuid,
    form: &ConnectionForm,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let before = config.connections.get(&id).ok_or_else(|| unknown(id))?;
    let mut secrets = before.way.secrets().into_iter();
    let has_all = secrets.all(|secret| context.connection_secrets.contains(&(id, secret)));
    let known = Known {
        way: &before.way,
        has_all,
    };
    let (way, secrets) = way(config, form, Some(known))?;
    check_name(config, &form.name, Some(id))?;
    check_key(config, &way, Some(id))?;
    let connection = ConnectionConfig {
        name: form.name.clone(),
        way,
        enabled: form.enabled,
        resolvers: form.resolvers.clone(),
        ..ConnectionConfig::clone(before)
    };
    let name = &form.name;
    let summary = format!("Changed the way out {name}");
    let edit = replace(config, id, connection, "connection.change", summary);
    Ok(keeping(edit, id, secrets))
}

fn keeping(mut edit: Edit, id: Uuid, secrets: Secrets) -> Edit {
    let secrets = secrets.into_iter();
    let secrets = secrets.map(|(secret, text)| ((id, secret), Some(text)));
    edit.connection_secrets.extend(secrets);
    edit.connection = Some(id);
    edit
}

pub(super) fn remove(config: &Config, id: Uuid) -> Result<Edit, Problem> {
    let gone = config.connections.get(&id).ok_or_else(|| unknown(id))?;
    let users = config.peers.iter();
    let users = users.filter(|(_, peer)| peer.exit_connection_id == Some(id));
    let users: Vec<&str> = users.map(|(name, _)| name.as_str()).collect();
    if !users.is_empty() {
        return Err(Problem::conflict(
            "connection_in_use",
            "Devices leave by this way",
            format!(
                "{} is the way out of {}. Give them another one first.",
                gone.name,
                users.join(", ")
            ),
        ));
    }
    let mut after = config.clone();
    after.connections.remove(&id);
    let summary = format!("Removed the way out {}", gone.name);
    Ok(Edit::new(
        after,
        "connection.remove",
        gone.name.as_str(),
        summary,
    ))
}

/// 404: nothing has the id.
pub(crate) fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("connection {id}"))
}

/// Whether a way has a use for a secret.
pub(crate) fn has_use(config: &Config, id: Uuid, secret: ConnectionSecret) -> bool {
    let connection = config.connections.get(&id);
    connection.is_some_and(|connection| connection.way.secrets().contains(&secret))
}

/// Ways of a config that comes back whose secrets are none of theirs: they are gone, or were kept for somebody else since.
pub(crate) fn without_secrets<'a>(
    now: &Config,
    coming: &'a Config,
    known: &'a BTreeSet<SecretOf>,
) -> impl Iterator<Item = (Uuid, &'a ConnectionConfig)> {
    let coming = coming.connections.iter();
    coming.filter_map(|(id, connection)| {
        let secrets = connection.way.secrets();
        let stay = now.connections.get(id).is_some_and(|now| {
            let mut secrets = secrets.iter();
            secrets.all(|secret| known.contains(&(*id, *secret)))
                && connection.way.shares_secrets(&now.way)
        });
        (!secrets.is_empty() && !stay).then_some((*id, connection.as_ref()))
    })
}

fn replace(
    config: &Config,
    id: Uuid,
    connection: ConnectionConfig,
    action: &'static str,
    summary: String,
) -> Edit {
    let mut config = config.clone();
    let name = connection.name.clone();
    config.connections.insert(id, Arc::new(connection));
    Edit::new(config, action, name.as_str(), summary)
}

/// Secrets that come with a form.
type Secrets = Vec<(ConnectionSecret, Secret<String>)>;

/// What a way is that is changed.
#[derive(Clone, Copy)]
struct Known<'a> {
    way: &'a WayConfig,
    /// Whether the box has all its secrets.
    has_all: bool,
}

/// The way that is asked for, and secrets that come for it.
fn way(
    config: &Config,
    form: &ConnectionForm,
    known: Option<Known<'_>>,
) -> Result<(WayConfig, Secrets), Problem> {
    let mut errors = Vec::new();
    let found = match (&form.way, known.map(|known| known.way)) {
        (WayForm::Proxy(_), Some(WayConfig::WireguardExt(_)))
        | (WayForm::WireguardExt(_), Some(WayConfig::Proxy(_))) => {
            errors.push(wrong(
                "type",
                "must stay what it is; add another way out instead",
            ));
            None
        }
        (WayForm::Proxy(proxy), _) => Some(by_proxy(config, proxy, known, &mut errors)),
        (WayForm::WireguardExt(tunnel), _) => by_tunnel(config, tunnel, known, &mut errors),
    };
    if form.resolvers.len() > ConnectionConfig::MAX_RESOLVERS {
        errors.push(wrong("resolvers", "must be at most 4"));
    }
    let is_wrong = |address: &&IpAddr| !is_another_machine(config, **address);
    if form.resolvers.iter().any(|address| is_wrong(&address)) {
        errors.push(wrong("resolvers", "must be addresses of other machines"));
    }
    match found {
        Some(found) if errors.is_empty() => Ok(found),
        _ => Err(Problem::fields(errors)),
    }
}

fn wrong(field: &str, message: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        message: message.into(),
    }
}

fn by_proxy(
    config: &Config,
    form: &ProxyForm,
    known: Option<Known<'_>>,
    errors: &mut Vec<FieldError>,
) -> (WayConfig, Secrets) {
    let ProxyForm {
        scheme,
        host,
        port,
        username,
        password,
    } = form;
    if *port == 0 {
        errors.push(wrong("config.port", "must be from 1 to 65535"));
    }
    if let Host::Address(address) = host
        && !is_another_machine(config, *address)
    {
        errors.push(wrong(
            "config.host",
            "must be the address of another machine",
        ));
    }
    let way = WayConfig::Proxy(ProxyConfig {
        scheme: *scheme,
        host: host.clone(),
        port: *port,
        username: username.clone(),
    });
    // It is told to nobody but who it was for.
    let is_known = known.is_some_and(|known| known.has_all && known.way.shares_secrets(&way));
    let why = match (username, password) {
        (None, Some(_)) => Some("must come with a username"),
        (Some(_), Some(password)) if !is_login_password(password.expose()) => {
            Some("must have 1 to 255 bytes, without spaces around and without line ends")
        }
        (Some(_), None) if !is_known => {
            Some("must be given, since the box has none of this user at this host")
        }
        _ => None,
    };
    errors.extend(why.map(|why| wrong("config.password", why)));
    let password = password.iter().cloned();
    let secrets = password.map(|password| (ConnectionSecret::Password, password));
    (way, secrets.collect())
}

/// `None`: what is wrong was noted.
fn by_tunnel(
    config: &Config,
    form: &WireguardExtForm,
    known: Option<Known<'_>>,
    errors: &mut Vec<FieldError>,
) -> Option<(WayConfig, Secrets)> {
    let Some(file) = &form.file else {
        // Also where its keys are gone: it can still be renamed, or switched off.
        if let Some(known) = known {
            return Some((known.way.clone(), Secrets::new()));
        }
        errors.push(wrong("config.file", "must be given"));
        return None;
    };
    let file = match ProviderFile::parse(file.expose()) {
        Ok(file) => file,
        Err(faults) => {
            // All of them at once: a person mends the file and not a line of it.
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            errors.push(wrong("config.file", faults.join("; ")));
            return None;
        }
    };
    let mut machines = file.dns.iter().chain(match &file.endpoint.host {
        Host::Address(address) => Some(address),
        Host::Name(_) => None,
    });
    if machines.any(|address| !is_another_machine(config, *address)) {
        let why = "must have addresses of other machines as DNS and Endpoint";
        errors.push(wrong("config.file", why));
        return None;
    }
    let mut secrets = vec![(ConnectionSecret::PrivateKey, file.private_key.expose_text())];
    let shared = file.preshared_key.as_ref().map(PresharedKey::expose_text);
    secrets.extend(shared.map(|shared| (ConnectionSecret::PresharedKey, shared)));
    let dns = file.dns.into_iter().take(ConnectionConfig::MAX_RESOLVERS);
    let way = WayConfig::WireguardExt(WireguardExtConfig {
        address: file.address,
        address6: file.address6,
        public_key: file.private_key.public_key(),
        server_public_key: file.server_public_key,
        preshared_key: file.preshared_key.is_some(),
        endpoint: file.endpoint,
        mtu: file.mtu,
        keepalive: file.keepalive,
        dns: dns.collect(),
    });
    Some((way, secrets))
}

fn is_another_machine(config: &Config, address: IpAddr) -> bool {
    let own = [config.vpn.address().into(), config.vpn.address6().into()];
    let is_none = match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        IpAddr::V6(_) => false,
    };
    !(is_none
        || address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || own.contains(&address))
}

fn check_name(config: &Config, name: &ConnectionName, own: Option<Uuid>) -> Result<(), Problem> {
    let mut others = config
        .connections
        .iter()
        .filter(|(id, _)| Some(**id) != own);
    match others.any(|(_, other)| other.name == *name) {
        true => Err(Problem::conflict(
            "connection_exists",
            "The name is taken",
            format!("There is a way out called {name} already. Choose another name."),
        )),
        false => Ok(()),
    }
}

/// Two tunnels with the same key at both ends would take each other's sessions.
fn check_key(config: &Config, way: &WayConfig, own: Option<Uuid>) -> Result<(), Problem> {
    let ends = |way: &WayConfig| match way {
        WayConfig::WireguardExt(tunnel) => Some((tunnel.public_key, tunnel.server_public_key)),
        WayConfig::Proxy(_) => None,
    };
    let Some(wanted) = ends(way) else {
        return Ok(());
    };
    let mut others = config.connections.iter();
    match others.find(|(id, other)| Some(**id) != own && ends(&other.way) == Some(wanted)) {
        Some((_, other)) => Err(Problem::conflict(
            "connection_key_taken",
            "The file is in use",
            format!(
                "The way out {} has the same keys. A provider's file is for one tunnel: ask for another one.",
                other.name
            ),
        )),
        None => Ok(()),
    }
}

fn free_slot(config: &Config) -> Result<ExitSlot, Problem> {
    let taken: BTreeSet<ExitSlot> = config.connections.values().map(|one| one.slot).collect();
    let mut free = ExitSlot::all().filter(|slot| !taken.contains(slot));
    free.next()
        .ok_or_else(|| pool_full("A box has at most 256."))
}

/// The lowest port that no other way has, and nothing else of the box.
fn free_port(config: &Config, context: &Context<'_>) -> Result<RelayPort, Problem> {
    let options = context.options;
    let own = [
        options.admin_port(),
        options.dns_port,
        options.wireguard_port,
    ];
    let taken = config.connections.values().filter_map(|one| one.port);
    let taken: BTreeSet<RelayPort> = taken.collect();
    let mut free =
        RelayPort::all().filter(|port| !taken.contains(port) && !own.contains(&port.get()));
    free.next().ok_or_else(|| {
        pool_full("At most 100 can be ways that the box itself carries flows by, such as proxies.")
    })
}

fn pool_full(detail: &str) -> Problem {
    Problem::conflict(
        "pool_full",
        "There are too many ways out",
        format!("{detail} Remove one that nobody needs."),
    )
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
