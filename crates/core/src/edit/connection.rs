//! Ways out beside the uplink come, change and go.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use cell_control::connection::{ConnectionForm, ProxyForm};
use cell_model::config::{
    Config, ConnectionConfig, ExitSlot, ProxyConfig, RelayPort, WayConfig, is_login_password,
};
use cell_model::endpoint::Host;
use cell_model::name::ConnectionName;
use cell_model::problem::{FieldError, Problem};
use cell_model::secret::Secret;
use uuid::{Builder, Uuid};

use super::{Context, Edit};

pub(super) fn add(
    config: &Config,
    form: &ConnectionForm,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let (proxy, password) = proxy(config, form, None)?;
    check_name(config, &form.name, None)?;
    let random = (context.random)()?;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&random[8..24]);
    let id = Builder::from_random_bytes(bytes).into_uuid();
    let connection = ConnectionConfig {
        name: form.name.clone(),
        way: WayConfig::Proxy(proxy),
        slot: free_slot(config)?,
        port: Some(free_port(config, context)?),
        enabled: form.enabled,
        resolvers: form.resolvers.clone(),
        created_at: context.now,
    };
    let name = &form.name;
    let summary = format!("Added the way out {name}");
    let mut edit = replace(config, id, connection, "connection.add", summary);
    edit.connection_passwords
        .extend(password.map(|password| (id, Some(password))));
    edit.connection = Some(id);
    Ok(edit)
}

pub(super) fn put(
    config: &Config,
    id: Uuid,
    form: &ConnectionForm,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let before = config.connections.get(&id).ok_or_else(|| unknown(id))?;
    let WayConfig::Proxy(known) = &before.way;
    let known = Some(known).filter(|_| context.connection_passwords.contains(&id));
    let (proxy, password) = proxy(config, form, known)?;
    check_name(config, &form.name, Some(id))?;
    let connection = ConnectionConfig {
        name: form.name.clone(),
        way: WayConfig::Proxy(proxy),
        enabled: form.enabled,
        resolvers: form.resolvers.clone(),
        ..ConnectionConfig::clone(before)
    };
    let name = &form.name;
    let summary = format!("Changed the way out {name}");
    let mut edit = replace(config, id, connection, "connection.change", summary);
    edit.connection_passwords
        .extend(password.map(|password| (id, Some(password))));
    edit.connection = Some(id);
    Ok(edit)
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

/// Whether a way has a use for a password.
pub(crate) fn has_login(config: &Config, id: Uuid) -> bool {
    config
        .connections
        .get(&id)
        .is_some_and(|connection| match &connection.way {
            WayConfig::Proxy(proxy) => proxy.username.is_some(),
        })
}

/// Ways of a config that comes back whose password is none of theirs: it is gone, or was kept for another user or host since.
pub(crate) fn without_password<'a>(
    now: &Config,
    coming: &'a Config,
    known: &'a BTreeSet<Uuid>,
) -> impl Iterator<Item = (Uuid, &'a ConnectionConfig)> {
    let coming = coming.connections.iter();
    coming.filter_map(|(id, connection)| {
        let WayConfig::Proxy(proxy) = &connection.way;
        let stays = now.connections.get(id).is_some_and(|now| {
            let WayConfig::Proxy(now) = &now.way;
            known.contains(id) && has_login_of(proxy, now)
        });
        (proxy.username.is_some() && !stays).then_some((*id, connection.as_ref()))
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

/// The proxy that is asked for, and its password where another one comes. `known`: the proxy whose password there is.
fn proxy(
    config: &Config,
    form: &ConnectionForm,
    known: Option<&ProxyConfig>,
) -> Result<(ProxyConfig, Option<Secret<String>>), Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: &str| {
        errors.push(FieldError {
            field: field.to_owned(),
            message: message.to_owned(),
        });
    };
    let ProxyForm {
        scheme,
        host,
        port,
        username,
        password,
    } = &form.config;
    if *port == 0 {
        wrong("config.port", "must be from 1 to 65535");
    }
    if let Host::Address(address) = host
        && !is_another_machine(config, *address)
    {
        wrong("config.host", "must be the address of another machine");
    }
    let proxy = ProxyConfig {
        scheme: *scheme,
        host: host.clone(),
        port: *port,
        username: username.clone(),
    };
    match (username, password) {
        (None, Some(_)) => wrong("config.password", "must come with a username"),
        (Some(_), Some(password)) if !is_login_password(password.expose()) => wrong(
            "config.password",
            "must have 1 to 255 bytes, without spaces around and without line ends",
        ),
        // It is told to nobody but who it was for.
        (Some(_), None) if !known.is_some_and(|known| has_login_of(&proxy, known)) => wrong(
            "config.password",
            "must be given, since the box has none of this user at this host",
        ),
        _ => {}
    }
    if form.resolvers.len() > ConnectionConfig::MAX_RESOLVERS {
        wrong("resolvers", "must be at most 4");
    }
    let is_wrong = |address: &&IpAddr| !is_another_machine(config, **address);
    if form.resolvers.iter().any(|address| is_wrong(&address)) {
        wrong("resolvers", "must be addresses of other machines");
    }
    match errors.is_empty() {
        true => Ok((proxy, password.clone())),
        false => Err(Problem::fields(errors)),
    }
}

/// Whether the same password is for both. Another port of a host is the same host.
fn has_login_of(one: &ProxyConfig, other: &ProxyConfig) -> bool {
    one.host == other.host && one.username == other.username
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
