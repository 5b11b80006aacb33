//! A cell that runs services: the real podman in its namespace, with a store.

use std::fs;
use std::path::{Path, PathBuf};

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::HOME_GATEWAY;
use cell_testkit::{CelldOptions, ContainerOptions, World, podman, wait_for};
use serde_json::{Value, json};

use crate::{Cell, DOMAIN, expect_status};

/// Adds the box's own proxy to a store, without which no service has a name.
pub fn add_proxy(store: &Path) {
    let own = own_services();
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let digest = read(&own.join("images.json"))["images"]["caddy"].clone();
    let manifest = blob(&digest);
    let list = read(&own.join(&manifest));
    let layers = list["layers"].as_array().unwrap().iter();
    let parts = layers
        .chain([&list["config"]])
        .map(|part| blob(&part["digest"]));
    for blob in parts.chain([manifest]) {
        fs::copy(own.join(&blob), store.join(&blob)).unwrap();
    }
    let path = store.join("images.json");
    let mut images = read(&path);
    images["images"]["caddy"] = digest;
    fs::write(path, images.to_string()).unwrap();
}

/// Where a package folder has what this digest says.
fn blob(digest: &Value) -> PathBuf {
    let digest = digest.as_str().unwrap().replace(':', "/");
    Path::new("blobs").join(digest)
}

fn own_services() -> PathBuf {
    let variable = std::env::var_os("CELL_SERVICES");
    PathBuf::from(variable.expect("cargo xtask test sets CELL_SERVICES"))
}

/// A cell with podman and a store.
#[derive(Debug)]
pub struct ServiceHost {
    /// The cell.
    pub cell: Cell,
    /// Its podman.
    pub process: podman::Podman,
}

/// An app password that was just made.
#[derive(Debug)]
pub struct AppPassword {
    /// To remove it by.
    pub id: String,
    /// What is typed into the device.
    pub text: String,
}

impl ServiceHost {
    /// Sets one up with the services that come with the box.
    #[must_use]
    pub fn with_own_services() -> Self {
        Self::start(|_| own_services())
    }

    /// Sets one up whose store `fill` makes, in a folder that is not there yet.
    #[must_use]
    pub fn start(fill: impl FnOnce(&podman::Podman) -> PathBuf) -> Self {
        Self::start_with(CelldOptions::default(), fill)
    }

    /// As [`Self::start`], with other options besides.
    #[must_use]
    pub fn start_with(
        options: CelldOptions,
        fill: impl FnOnce(&podman::Podman) -> PathBuf,
    ) -> Self {
        let variable = std::env::var_os("CELL_PACKAGES");
        let packages = PathBuf::from(variable.expect("cargo xtask test sets CELL_PACKAGES"));
        let settings =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../rootfs-overlay/etc/containers");
        let world = World::new().unwrap();
        let process = podman::Podman::start(&world.cell, &packages, &settings).unwrap();
        let options = CelldOptions {
            containers: Some(ContainerOptions {
                podman: process.socket(),
                volumes: process.volumes(),
                logs: process.run_folder(),
                packages: fill(&process),
            }),
            ..options
        };
        Self {
            cell: Cell::start_in(world, options),
            process,
        }
    }

    /// Sends the owner's request; another status ends the test.
    pub fn post(&self, path: &str, body: &Value, status: u16) -> Value {
        let reply = self.cell.owner.post(path, body).unwrap();
        expect_status(&reply, status);
        match reply.text().is_empty() {
            true => Value::Null,
            false => reply.json(),
        }
    }

    /// Has a service installed.
    pub fn install(&self, id: &str) -> Value {
        let path = format!("/api/store/{id}/install");
        self.post(&path, &json!({}), 201)["service"].clone()
    }

    /// Has it removed.
    pub fn remove(&self, id: &str, delete_data: bool) {
        let path = format!("/api/store/{id}/remove");
        self.post(&path, &json!({ "delete_data": delete_data }), 204);
    }

    /// How it is.
    #[must_use]
    pub fn service(&self, id: &str) -> Value {
        let path = format!("/api/services/active/{id}");
        self.cell.get(&path)["service"].clone()
    }

    /// Waits until a service is as the word says.
    pub fn wait(&self, id: &str, state: &str) -> Value {
        let found = wait_for(PATIENCE, || {
            Some(self.service(id)).filter(|service| service["state"] == state)
        });
        found.unwrap_or_else(|| panic!("{}\n{}", self.service(id), self.process.said()))
    }

    /// Stops a service, or starts it again.
    pub fn enable(&self, id: &str, enabled: bool) {
        let path = format!("/api/services/active/{id}");
        let body = json!({ "enabled": enabled });
        expect_status(&self.cell.owner.put(&path, &body).unwrap(), 200);
    }

    /// Opens a service to the internet, or closes it.
    pub fn publish(&self, id: &str, published: bool) {
        let path = format!("/api/services/active/{id}");
        let body = json!({ "published": published });
        let reply = self.cell.owner.put(&path, &body).unwrap();
        expect_status(&reply, 200);
        let service = &reply.json()["service"];
        assert_eq!(service["published"], published, "{service}");
    }

    /// Makes an app password for a device of the owner's.
    pub fn app_password(&self, device: &str) -> AppPassword {
        self.app_password_with(&json!({ "device": device }))
    }

    /// Makes an app password as the JSON says.
    pub fn app_password_with(&self, form: &Value) -> AppPassword {
        let made = self.post("/api/app-passwords", form, 201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        AppPassword {
            id: text(&made["app_password"]["id"]),
            text: text(&made["password"]),
        }
    }

    /// Removes an app password.
    pub fn remove_app_password(&self, id: &str) {
        let reply = self.cell.owner.delete(&format!("/api/app-passwords/{id}"));
        expect_status(&reply.unwrap(), 204);
    }

    /// What curl on the laptop is answered by a host of a service's, by name: the status (0: no answer), and everything
    /// after it.
    #[must_use]
    pub fn ask(&self, host: &str, path: &str, arguments: &[&str]) -> (u16, String) {
        let name = format!("{host}.{DOMAIN}");
        let mut curl = self.cell.world.laptop.command("curl");
        curl.args(["--silent", "--max-time", "20", "--include", "--cacert"])
            .arg(self.cell.celld.ca_pem())
            .args(["--resolve", &format!("{name}:443:{HOME_GATEWAY}")])
            .args(arguments)
            .arg(format!("https://{name}{path}"));
        let output = curl.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.unwrap_or_default(), text)
    }

    /// Waits until a host of a service's answers with this status.
    pub fn wait_answer(&self, host: &str, status: u16) -> String {
        let mut last = String::new();
        let found = wait_for(PATIENCE, || {
            let (found, text) = self.ask(host, "/", &[]);
            last = text;
            (found == status).then(|| last.clone())
        });
        found.unwrap_or_else(|| {
            panic!(
                "{host} answers {last:?}\n{}\n{}\n{}",
                self.cell.get("/api/status"),
                self.log("cell.proxy.caddy"),
                self.cell.celld.log_end()
            )
        })
    }

    /// What podman's own command line says.
    #[must_use]
    pub fn podman(&self, arguments: &[&str]) -> String {
        self.process.ask(arguments).unwrap()
    }

    /// What a container has said.
    #[must_use]
    pub fn log(&self, container: &str) -> String {
        let path = self.process.run_folder().join(format!("{container}.log"));
        fs::read_to_string(path).unwrap_or_default()
    }
}
