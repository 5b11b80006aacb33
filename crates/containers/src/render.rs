//! What podman is told: the bodies of its libpod API (version 5), as values.

use std::collections::BTreeSet;
use std::path::Path;

use cell_model::container::{Hand, IdRange};
use cell_model::name::PartName;
use cell_model::spec::{ContainerSpec, MountSpec, ServiceSpec};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::names;

/// Part of a processor that a container's time is counted in, in microseconds (cgroup v2, `cpu.max`).
const CPU_PERIOD_US: u64 = 100_000;
const MIB: u64 = 1024 * 1024;
/// Shared memory; counts as the container's memory.
const SHM_BYTES: u64 = 16 * MIB;
/// A container's log, kept in memory.
const LOG_BYTES: u64 = MIB;
/// How long a container has to end by itself.
pub(crate) const STOP_SECONDS: u32 = 10;
/// A container is ended for want of memory before anything of the box is (`/proc/PID/oom_score_adj`).
const OOM_SCORE: i32 = 500;

/// The network of a service. Its packets are the firewall's business: no part of podman may write rules of its own.
pub(crate) fn network(service: &ServiceSpec) -> Value {
    let gateway = service.network.hosts().next();
    json!({
        "name": names::network(&service.id),
        "driver": "bridge",
        "network_interface": service.bridge,
        "dns_enabled": false,
        "internal": false,
        "ipv6_enabled": false,
        "subnets": [{ "subnet": service.network, "gateway": gateway }],
        "labels": {
            names::SERVICE: service.id,
            names::MADE_FROM: network_digest(service),
        },
    })
}

/// A volume.
pub(crate) fn volume(service: &ServiceSpec, volume: &PartName, number: u32) -> Value {
    json!({
        "Name": names::volume(&service.id, volume, number),
        "Labels": {
            names::SERVICE: service.id,
            names::PART: volume,
            names::DATA: number.to_string(),
        },
    })
}

/// The name of the volume that a container has at a mount. A manifest mounts nothing that its service has not.
pub(crate) fn mounted(service: &ServiceSpec, mount: &MountSpec) -> String {
    let number = service.volumes.get(&mount.volume);
    let number = number.map_or(service.data, |volume| volume.number);
    names::volume(&service.id, &mount.volume, number)
}

/// Where a container is made.
pub(crate) struct Place<'a> {
    /// Podman's id of the image.
    pub(crate) image_id: &'a str,
    /// Where its log goes.
    pub(crate) log: &'a Path,
    /// Whether limits are set.
    pub(crate) limiting: Limiting,
    /// Where podman finds what is handed to services.
    pub(crate) handed: &'a Path,
}

/// Whether the kernel lets limits be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Limiting {
    /// By cgroups.
    Possible,
    /// There are no cgroups, as on machines of developers.
    Impossible,
}

/// A container, ready to be started.
pub(crate) fn container(
    service: &ServiceSpec,
    container: &ContainerSpec,
    place: &Place<'_>,
) -> Value {
    let mut body = json!({
        "name": names::container(&service.id, &container.name),
        "image": place.image_id,
        "hostname": container.name,
        "env": container.environment,
        "labels": {
            names::SERVICE: service.id,
            names::PART: container.name,
            names::DATA: service.data.to_string(),
            names::MADE_FROM: container_digest(service, container, place.limiting),
        },
        // Powers.
        "cap_drop": ["ALL"],
        "cap_add": container.capabilities,
        "no_new_privileges": true,
        "privileged": false,
        "read_only_filesystem": true,
        "read_write_tmpfs": false,
        "userns": { "nsmode": "private" },
        "pidns": { "nsmode": "private" },
        "ipcns": { "nsmode": "private" },
        "utsns": { "nsmode": "private" },
        "idmappings": id_mappings(service.ids),
        "oom_score_adj": OOM_SCORE,
        // Network.
        "netns": { "nsmode": "bridge" },
        "Networks": {
            names::network(&service.id): {
                "static_ips": [container.address],
                "interface_name": "eth0",
            },
        },
        "base_hosts_file": "none",
        "hostadd": hosts(service, container),
        // Folders.
        "volumes": volumes(service, container),
        "mounts": scratch(container)
            .into_iter()
            .chain(hands(service, container, place.handed))
            .collect::<Vec<_>>(),
        "image_volume_mode": "ignore",
        "shm_size": SHM_BYTES,
        // Its life. Who ends is started again by us, with pauses.
        "restart_policy": "no",
        "stop_timeout": STOP_SECONDS,
        "systemd": "false",
        "sdnotifyMode": "ignore",
        "log_configuration": { "driver": "k8s-file", "path": place.log, "size": LOG_BYTES },
    });
    let map = body.as_object_mut().expect("it is a map");
    if !container.command.is_empty() {
        map.insert("command".to_owned(), json!(container.command));
    }
    match container.resolver {
        Some(resolver) => map.insert("dns_server".to_owned(), json!([resolver])),
        None => map.insert("use_image_resolve_conf".to_owned(), json!(true)),
    };
    match place.limiting {
        Limiting::Possible => map.insert("resource_limits".to_owned(), limits(container)),
        Limiting::Impossible => map.insert("cgroups_mode".to_owned(), json!("disabled")),
    };
    body
}

/// What 0 and up are outside.
fn id_mappings(ids: IdRange) -> Value {
    let map = json!([{ "container_id": 0, "host_id": ids.first, "size": ids.size }]);
    json!({
        "HostUIDMapping": false,
        "HostGIDMapping": false,
        "UIDMap": map,
        "GIDMap": map,
        "AutoUserNs": false,
    })
}

/// The names that it knows: itself, those of its service, and those it was given.
fn hosts(service: &ServiceSpec, container: &ContainerSpec) -> Vec<String> {
    let own = service.containers.iter();
    let own = own.map(|other| format!("{}:{}", other.name, other.address));
    let given = container.hosts.iter();
    own.chain(given.map(|(name, address)| format!("{name}:{address}")))
        .collect()
}

fn volumes(service: &ServiceSpec, container: &ContainerSpec) -> Vec<Value> {
    let volume = |mount: &MountSpec| {
        let access = if mount.read_only { "ro" } else { "rw" };
        json!({
            "Name": mounted(service, mount),
            "Dest": mount.path,
            "Options": [access, "nodev", "nosuid", "noexec"],
        })
    };
    container.mounts.iter().map(volume).collect()
}

/// Folders in memory, together of at most half of what the container may have: the other half is its programs'.
fn scratch(container: &ContainerSpec) -> Vec<Value> {
    let folders = container.scratch.len().max(1) as u64;
    let size = u64::from(container.limits.memory_mib) * MIB / 2 / folders;
    let folder = |path: &cell_model::container::ContainerPath| {
        json!({
            "type": "tmpfs",
            "source": "tmpfs",
            "destination": path,
            "options": [format!("size={size}"), "mode=1777", "nodev", "nosuid", "noexec"],
        })
    };
    container.scratch.iter().map(folder).collect()
}

/// What it is handed, each in a folder that is its service's alone.
fn hands<'a>(
    service: &'a ServiceSpec,
    container: &'a ContainerSpec,
    handed: &'a Path,
) -> impl Iterator<Item = Value> {
    let folder = move |hand: &Hand| {
        json!({
            "type": "bind",
            "source": names::handed(handed, &service.id, *hand),
            "destination": hand.place(),
            "options": ["rbind", "ro", "nodev", "nosuid", "noexec"],
        })
    };
    container.hands.iter().map(folder)
}

/// No swap: a container that wants more than it may have is ended, and does not wear the disk out.
fn limits(container: &ContainerSpec) -> Value {
    let memory = u64::from(container.limits.memory_mib) * MIB;
    let quota = u64::from(container.limits.cpu_percent) * CPU_PERIOD_US / 100;
    json!({
        "memory": { "limit": memory, "swap": memory },
        "cpu": { "quota": quota, "period": CPU_PERIOD_US },
        "pids": { "limit": container.limits.processes },
    })
}

/// What decides whether a network is still as asked.
pub(crate) fn network_digest(service: &ServiceSpec) -> String {
    digest(&(FORM, &service.id, &service.bridge, &service.network))
}

/// What decides whether a container is still as asked: all that is said of it but how it is tried, and what it shares with
/// its service.
pub(crate) fn container_digest(
    service: &ServiceSpec,
    container: &ContainerSpec,
    limiting: Limiting,
) -> String {
    let mut made_from = json!(container);
    if let Some(map) = made_from.as_object_mut() {
        map.remove("health");
        map.remove("reload");
    }
    let addresses: Map<String, Value> = service
        .containers
        .iter()
        .map(|other| (other.name.to_string(), json!(other.address)))
        .collect();
    let volumes: BTreeSet<String> = container
        .mounts
        .iter()
        .map(|mount| mounted(service, mount))
        .collect();
    digest(&(
        FORM,
        service.data,
        volumes,
        network_digest(service),
        service.ids,
        addresses,
        limiting,
        made_from,
    ))
}

/// Rises when this code makes another container or network of the same spec.
const FORM: u32 = 2;

fn digest(value: &impl Serialize) -> String {
    let text = serde_json::to_vec(value).expect("words of the model are plain JSON");
    HEXLOWER.encode(&Sha256::digest(text))
}
