//! The calls of podman's API that we make, and what of their answers counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use cell_model::container::ImageDigest;
use cell_model::name::{PartName, ServiceId};
use cell_model::spec::{ContainerSpec, ServiceSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::RequestBody;
use super::client::{Call, Client};
use crate::seen::{ContainerSeen, ContainerState};
use crate::{ContainersError, names, render};

/// Only what carries our label: `{"label":["cell.service"]}`.
const OURS: &str = "filters=%7B%22label%22%3A%5B%22cell.service%22%5D%7D";

/// The controllers of cgroup v2 without which limits mean nothing.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// A test in a container takes about as long as podman takes to start it.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

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
}

impl Image {
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

pub(super) async fn load(client: &Client, archive: &Path) -> Result<(), ContainersError> {
    let file = tokio::fs::File::open(archive)
        .await
        .map_err(ContainersError::Archive)?;
    let body = RequestBody::file(file)
        .await
        .map_err(ContainersError::Archive)?;
    client
        .send(Call::post("/images/load", "load an image").archive(body))
        .await?;
    Ok(())
}

/// Whether the kernel lets limits be set.
pub(super) async fn has_limits(client: &Client) -> Result<bool, ContainersError> {
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
    Ok(CONTROLLERS.iter().all(there))
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
    }
    let path = format!("/containers/json?all=true&{OURS}");
    let listed: Vec<Listed> = client.read(Call::get(path, "list containers")).await?;
    let seen = listed.into_iter().filter_map(|found| {
        let label = |name: &str| found.labels.get(name).cloned().unwrap_or_default();
        let seen = ContainerSeen {
            service: label(names::SERVICE).parse().ok(),
            part: label(names::PART).parse().ok(),
            state: match found.state.as_str() {
                "created" | "configured" | "initialized" => ContainerState::Created,
                "running" => ContainerState::Running,
                "exited" | "stopped" => ContainerState::Exited(found.exit_code),
                _ => ContainerState::Other,
            },
            made_from: label(names::MADE_FROM),
        };
        Some((found.names.into_iter().next()?, seen))
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
    let networks = listed.into_iter();
    Ok(networks
        .map(|found| (found.name, made_from(found.labels)))
        .collect())
}

/// The volumes of a service, or of all.
pub(super) async fn volumes(
    client: &Client,
    service: Option<&ServiceId>,
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
        service.is_none_or(|id| {
            found.labels.get(names::SERVICE).map(String::as_str) == Some(id.as_str())
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

pub(super) async fn remove_network(client: &Client, name: &str) -> Result<(), ContainersError> {
    let call = Call::delete(
        format!("/networks/{name}"),
        format!("take the network {name} away"),
    );
    client.send(call).await?;
    Ok(())
}

pub(super) async fn create_volume(
    client: &Client,
    service: &ServiceSpec,
    volume: &PartName,
) -> Result<(), ContainersError> {
    let what = format!("make the volume {volume} of {}", service.id);
    let call = Call::post("/volumes/create", what).json(&render::volume(service, volume));
    client.send(call).await?;
    Ok(())
}

pub(super) async fn remove_volume(client: &Client, name: &str) -> Result<(), ContainersError> {
    let call = Call::delete(
        format!("/volumes/{name}"),
        format!("take the volume {name} away"),
    );
    client.send(call).await?;
    Ok(())
}

pub(super) async fn create_container(
    client: &Client,
    name: &str,
    body: &Value,
) -> Result<(), ContainersError> {
    let call = Call::post("/containers/create", format!("make the container {name}")).json(body);
    client.send(call).await?;
    Ok(())
}

pub(super) async fn start(client: &Client, name: &str) -> Result<(), ContainersError> {
    let path = format!("/containers/{name}/start");
    client
        .send(Call::post(path, format!("start {name}")))
        .await?;
    Ok(())
}

/// Ends a container if it runs, and takes it away. What was only its own goes; volumes with a name stay.
pub(super) async fn remove_container(client: &Client, name: &str) -> Result<(), ContainersError> {
    let path = format!(
        "/containers/{name}?force=true&v=true&timeout={}",
        render::STOP_SECONDS
    );
    client
        .send(Call::delete(path, format!("take {name} away")))
        .await?;
    Ok(())
}

/// Runs a program in a container, with all that confines it; the status it ends with. Whoever waits for it sets the limit.
pub(super) async fn execute(
    client: &Client,
    name: &str,
    words: &[String],
) -> Result<i64, ContainersError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Made {
        id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Session {
        running: bool,
        exit_code: i64,
    }
    let what = format!("try whether {name} is well");
    let made: Made = client
        .read(Call::post(format!("/containers/{name}/exec"), &what).json(&json!({ "Cmd": words })))
        .await?;
    let start = format!("/exec/{}/start", made.id);
    let detached = json!({ "Detach": true });
    client
        .send(Call::post(start, &what).json(&detached))
        .await?;
    let path = format!("/exec/{}/json", made.id);
    loop {
        let session: Session = client.read(Call::get(&path, &what)).await?;
        if !session.running {
            return Ok(session.exit_code);
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
    /// Whether it is confined as asked. A setting that podman does not know it leaves out without a word, so all of them
    /// are read back.
    pub(super) fn check(
        &self,
        name: &str,
        service: &ServiceSpec,
        container: &ContainerSpec,
        image_id: &str,
    ) -> Result<(), ContainersError> {
        let host = &self.host_config;
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
