//! The calls of podman's API that we make, and what of their answers counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::Duration;

use cell_model::container::ImageDigest;
use cell_model::name::{PartName, ServiceId};
use cell_model::spec::{ContainerSpec, ServiceSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::RequestBody;
use super::client::{Call, Client};
use crate::render::{self, Limiting, Place};
use crate::seen::{ContainerSeen, ContainerState};
use crate::{ContainersError, names};

/// Only what carries our label: `{"label":["cell.service"]}`.
const OURS: &str = "filters=%7B%22label%22%3A%5B%22cell.service%22%5D%7D";

/// The controllers of cgroup v2 without which limits mean nothing.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// A test in a container takes about as long as podman takes to start it.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Whether a thing with our label is named as ours are.
fn is_ours(name: &str) -> bool {
    name.starts_with(names::PREFIX)
}

/// That it is not there is what was asked for.
fn or_gone<T>(answer: Result<T, ContainersError>) -> Result<Option<T>, ContainersError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ContainersError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An image on the box.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Image {
    /// Podman's own id: the digest of its configuration.
    pub(super) id: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

impl Image {
    /// Whether it may have come from us: our archives give it no name, and somebody else gave it none since.
    pub(super) fn is_nameless(&self) -> bool {
        self.repo_tags.iter().flatten().next().is_none()
    }

    /// Whether it is the image of this digest. One that came in two forms has two.
    pub(super) fn is(&self, digest: ImageDigest) -> bool {
        let digest = digest.to_string();
        let also = self.repo_digests.iter().flatten();
        self.digest == digest
            || also
                .into_iter()
                .any(|name| name.ends_with(&format!("@{digest}")))
    }
}

pub(super) async fn images(client: &Client) -> Result<Vec<Image>, ContainersError> {
    client.read(Call::get("/images/json", "list images")).await
}

pub(super) async fn load(client: &Client, archive: File) -> Result<(), ContainersError> {
    let body = RequestBody::file(archive).map_err(ContainersError::Archive)?;
    client
        .send(Call::post("/images/load", "load an image").archive(body))
        .await?;
    Ok(())
}

/// Takes an image away, unless a container is made from it. Whether it is gone.
pub(super) async fn remove_image(client: &Client, id: &str) -> Result<bool, ContainersError> {
    let call = Call::delete(format!("/images/{id}"), "take an image away");
    match or_gone(client.send(call).await) {
        Ok(_) => Ok(true),
        Err(ContainersError::Refused { status: 409, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the kernel lets limits be set.
pub(super) async fn limiting(client: &Client) -> Result<Limiting, ContainersError> {
    #[derive(Deserialize)]
    struct Info {
        host: Host,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Host {
        #[serde(default)]
        cgroup_controllers: Vec<String>,
    }
    let info: Info = client
        .read(Call::get("/info", "tell what it can do"))
        .await?;
    let there = |name: &&str| {
        info.host
            .cgroup_controllers
            .iter()
            .any(|found| found == name)
    };
    Ok(match CONTROLLERS.iter().all(there) {
        true => Limiting::Possible,
        false => Limiting::Impossible,
    })
}

pub(super) async fn containers(
    client: &Client,
) -> Result<BTreeMap<String, ContainerSeen>, ContainersError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        names: Vec<String>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
        state: String,
        #[serde(default)]
        exit_code: i32,
        #[serde(default)]
        started_at: i64,
    }
    let path = format!("/containers/json?all=true&{OURS}");
    let listed: Vec<Listed> = client.read(Call::get(path, "list containers")).await?;
    let seen = listed.into_iter().filter_map(|found| {
        let label = |name: &str| found.labels.get(name).cloned().unwrap_or_default();
        let seen = ContainerSeen {
            service: label(names::SERVICE).parse().ok(),
            part: label(names::PART).parse().ok(),
            data: label(names::DATA).parse().ok(),
            state: match found.state.as_str() {
                "created" | "configured" | "initialized" => ContainerState::Created,
                "running" => ContainerState::Running,
                "exited" | "stopped" => ContainerState::Exited(found.exit_code),
                _ => ContainerState::Other,
            },
            made_from: label(names::MADE_FROM),
            started: found.started_at,
        };
        let name = found.names.into_iter().find(|name| is_ours(name))?;
        Some((name, seen))
    });
    Ok(seen.collect())
}

pub(super) async fn networks(client: &Client) -> Result<BTreeMap<String, String>, ContainersError> {
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }
    let path = format!("/networks/json?{OURS}");
    let listed: Vec<Listed> = client.read(Call::get(path, "list networks")).await?;
    let made_from = |labels: BTreeMap<String, String>| {
        labels.get(names::MADE_FROM).cloned().unwrap_or_default()
    };
    let networks = listed.into_iter().filter(|found| is_ours(&found.name));
    Ok(networks
        .map(|found| (found.name, made_from(found.labels)))
        .collect())
}

/// The volumes of a service's data, or all of ours.
pub(super) async fn volumes(
    client: &Client,
    data: Option<(&ServiceId, u32)>,
) -> Result<BTreeSet<String>, ContainersError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        name: String,
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }
    let path = format!("/volumes/json?{OURS}");
    let listed: Vec<Listed> = client.read(Call::get(path, "list volumes")).await?;
    let is_wanted = |found: &Listed| {
        is_ours(&found.name)
            && data.is_none_or(|(id, number)| {
                let label = |name| found.labels.get(name).map(String::as_str);
                label(names::SERVICE) == Some(id.as_str())
                    && label(names::DATA) == Some(number.to_string().as_str())
            })
    };
    Ok(listed
        .into_iter()
        .filter(is_wanted)
        .map(|found| found.name)
        .collect())
}

pub(super) async fn create_network(
    client: &Client,
    service: &ServiceSpec,
) -> Result<(), ContainersError> {
    let what = format!("make the network of {}", service.id);
    let call = Call::post("/networks/create", what).json(&render::network(service));
    client.send(call).await?;
    Ok(())
}

/// Takes a network away. That it could not is in the report, not in the status.
pub(super) async fn remove_network(client: &Client, name: &str) -> Result<(), ContainersError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Report {
        #[serde(default)]
        err: Value,
    }
    let what = format!("take the network {name} away");
    let call = Call::delete(format!("/networks/{name}"), &what);
    let reports: Option<Vec<Report>> = or_gone(client.read(call).await)?;
    match reports
        .into_iter()
        .flatten()
        .find(|report| !report.err.is_null())
    {
        None => Ok(()),
        Some(report) => Err(ContainersError::Refused {
            what,
            status: 200,
            message: report.err.to_string(),
        }),
    }
}

pub(super) async fn create_volume(
    client: &Client,
    service: &ServiceSpec,
    volume: &PartName,
    number: u32,
) -> Result<(), ContainersError> {
    let what = format!("make the volume {volume} of {}", service.id);
    let call = Call::post("/volumes/create", what).json(&render::volume(service, volume, number));
    client.send(call).await?;
    Ok(())
}

pub(super) async fn remove_volume(client: &Client, name: &str) -> Result<(), ContainersError> {
    let what = format!("take the volume {name} away");
    let call = Call::delete(format!("/volumes/{name}"), what);
    or_gone(client.send(call).await).map(drop)
}

/// Makes a container. What podman warns of it has left out.
pub(super) async fn create_container(
    client: &Client,
    name: &str,
    body: &Value,
) -> Result<Vec<String>, ContainersError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Made {
        #[serde(default)]
        warnings: Option<Vec<String>>,
    }
    let call = Call::post("/containers/create", format!("make the container {name}")).json(body);
    let made: Made = client.read(call).await?;
    Ok(made.warnings.unwrap_or_default())
}

pub(super) async fn start(client: &Client, name: &str) -> Result<(), ContainersError> {
    let path = format!("/containers/{name}/start");
    client
        .send(Call::post(path, format!("start {name}")))
        .await?;
    Ok(())
}

/// Ends a container if it runs, and starts it.
pub(super) async fn restart(client: &Client, name: &str) -> Result<(), ContainersError> {
    let path = format!("/containers/{name}/restart");
    let call = Call::post(path, format!("start {name} anew"));
    or_gone(client.send(call).await).map(drop)
}

/// Ends a container if it runs, and takes it away. Volumes stay.
pub(super) async fn remove_container(client: &Client, name: &str) -> Result<(), ContainersError> {
    let seconds = render::STOP_SECONDS;
    let path = format!("/containers/{name}?force=true&timeout={seconds}");
    let call = Call::delete(path, format!("take {name} away"));
    or_gone(client.send(call).await).map(drop)
}

/// Runs a program in a container, with all that confines it; the status it ends with. What has not ended by then is ended.
pub(super) async fn execute(
    client: &Client,
    name: &str,
    words: &[String],
    limit: Duration,
) -> Result<Option<i64>, ContainersError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Made {
        id: String,
    }
    let what = format!("run a program in {name}");
    let call = Call::post(format!("/containers/{name}/exec"), &what);
    let made: Made = client.read(call.json(&json!({ "Cmd": words }))).await?;
    let session = format!("/exec/{}", made.id);
    let status = tokio::time::timeout(limit, finish(client, &session, &what)).await;
    let call = Call::post(format!("{session}/remove"), &what);
    or_gone(client.send(call.json(&json!({ "Force": true }))).await)?;
    status.ok().transpose()
}

/// Starts what was made to be run, and waits for its end.
async fn finish(client: &Client, session: &str, what: &str) -> Result<i64, ContainersError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Session {
        running: bool,
        exit_code: i64,
    }
    let call = Call::post(format!("{session}/start"), what);
    client.send(call.json(&json!({ "Detach": true }))).await?;
    loop {
        let path = format!("{session}/json");
        let seen: Session = client.read(Call::get(path, what)).await?;
        if !seen.running {
            return Ok(seen.exit_code);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What podman made of what it was told.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    image: String,
    #[serde(default)]
    bounding_caps: Option<Vec<String>>,
    host_config: HostConfig,
    network_settings: NetworkSettings,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    networks: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    privileged: bool,
    readonly_rootfs: bool,
    network_mode: String,
    pid_mode: String,
    ipc_mode: String,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    userns_mode: String,
    #[serde(default)]
    security_opt: Option<Vec<String>>,
    #[serde(default)]
    devices: Option<Vec<Value>>,
    #[serde(default)]
    port_bindings: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    binds: Option<Vec<String>>,
    #[serde(default)]
    memory: i64,
    #[serde(default)]
    cpu_quota: i64,
    #[serde(default)]
    pids_limit: i64,
    #[serde(rename = "IDMappings", default)]
    id_mappings: Option<IdMappings>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IdMappings {
    uid_map: Vec<String>,
    gid_map: Vec<String>,
}

pub(super) async fn inspect(client: &Client, name: &str) -> Result<Inspected, ContainersError> {
    let path = format!("/containers/{name}/json");
    client.read(Call::get(path, format!("show {name}"))).await
}

impl Inspected {
    /// Whether it is confined as asked. A setting that podman does not know it leaves out without a word, so what confines
    /// is read back.
    pub(super) fn check(
        &self,
        name: &str,
        service: &ServiceSpec,
        container: &ContainerSpec,
        place: &Place<'_>,
    ) -> Result<(), ContainersError> {
        let host = &self.host_config;
        let image_id = place.image_id;
        let network = names::network(&service.id);
        let networks: Vec<&String> = self.network_settings.networks.keys().collect();
        let limits = container.limits;
        let is_limited = place.limiting == Limiting::Impossible
            || (host.memory == i64::from(limits.memory_mib) * 1024 * 1024
                && host.cpu_quota == i64::from(limits.cpu_percent) * 1_000
                && host.pids_limit == i64::from(limits.processes));
        let binds: BTreeSet<&str> = host
            .binds
            .iter()
            .flatten()
            .filter_map(|bind| bind.split(':').next())
            .collect();
        let handed = container.hands.iter().map(|hand| {
            let folder = names::handed(place.handed, &service.id, *hand);
            folder.display().to_string()
        });
        let volumes: Vec<String> = container
            .mounts
            .iter()
            .map(|mount| render::mounted(service, mount))
            .chain(handed)
            .collect();
        let volumes: BTreeSet<&str> = volumes.iter().map(String::as_str).collect();
        let ids = vec![format!("0:{}:{}", service.ids.first, service.ids.size)];
        let maps = host.id_mappings.as_ref();
        let wanted: BTreeSet<String> = container
            .capabilities
            .iter()
            .map(|capability| format!("CAP_{capability}"))
            .collect();
        let bounding: BTreeSet<String> = self.bounding_caps.iter().flatten().cloned().collect();
        let options = host.security_opt.as_deref().unwrap_or_default();
        for (is_so, expected, found) in [
            (self.image == image_id, image_id, self.image.clone()),
            (!host.privileged, "no privileges", "privileges".to_owned()),
            (
                host.readonly_rootfs,
                "a read-only root",
                "one to write to".to_owned(),
            ),
            (
                host.network_mode == "bridge",
                "a network of its service",
                host.network_mode.clone(),
            ),
            (
                networks == [&network],
                "its service's network alone",
                format!("{networks:?}"),
            ),
            (
                host.port_bindings.iter().flatten().next().is_none(),
                "no ports of the box",
                format!("{:?}", host.port_bindings),
            ),
            (
                binds == volumes,
                "its service's volumes, and what it is handed, alone",
                format!("{binds:?}"),
            ),
            (
                is_limited,
                "the limits it was given",
                format!(
                    "{} bytes, {} us, {} processes",
                    host.memory, host.cpu_quota, host.pids_limit
                ),
            ),
            (
                host.pid_mode == "private",
                "processes of its own",
                host.pid_mode.clone(),
            ),
            (
                host.uts_mode == "private",
                "a name of its own",
                host.uts_mode.clone(),
            ),
            (
                ["private", "shareable"].contains(&host.ipc_mode.as_str()),
                "memory of its own",
                host.ipc_mode.clone(),
            ),
            (
                host.userns_mode == "private",
                "users of its own",
                host.userns_mode.clone(),
            ),
            (
                maps.is_some_and(|maps| maps.uid_map == ids && maps.gid_map == ids),
                "the ids of its service",
                format!("{maps:?}"),
            ),
            (
                wanted == bounding,
                "the powers it was given",
                format!("{bounding:?}"),
            ),
            (
                options == ["no-new-privileges"],
                "the box's profile and no new privileges",
                format!("{options:?}"),
            ),
            (
                host.devices.iter().flatten().next().is_none(),
                "no devices",
                format!("{:?}", host.devices),
            ),
        ] {
            if !is_so {
                return Err(ContainersError::Mismatch {
                    name: name.to_owned(),
                    expected: expected.to_owned(),
                    found,
                });
            }
        }
        Ok(())
    }
}
