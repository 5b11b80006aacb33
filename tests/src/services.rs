//! A cell that runs services: the real podman in its namespace, with a store.

use std::fs;
use std::path::{Path, PathBuf};

use cell_os::toolbox::Toolbox;
use cell_testkit::celld::PATIENCE;
use cell_testkit::{CelldOptions, ContainerOptions, World, podman, wait_for};
use serde_json::{Value, json};

use crate::{Cell, expect_status};

/// A cell with podman and a store.
#[derive(Debug)]
pub struct ServiceHost {
    /// The cell.
    pub cell: Cell,
    /// Its podman.
    pub process: podman::Podman,
    packages: PathBuf,
}

impl ServiceHost {
    /// Sets one up whose store `fill` makes, in a folder that is not there yet.
    #[must_use]
    pub fn start(fill: impl FnOnce(&podman::Podman) -> PathBuf) -> Self {
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
            ..CelldOptions::default()
        };
        Self {
            cell: Cell::start_in(world, options),
            process,
            packages,
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

    /// What podman's own command line says.
    #[must_use]
    pub fn podman(&self, arguments: &[&str]) -> String {
        let podman = Toolbox::new(&self.packages).command("podman").unwrap();
        let output = self
            .cell
            .world
            .cell
            .command(podman.get_program())
            .args(podman.get_args())
            .arg("--url")
            .arg(format!("unix://{}", self.process.socket().display()))
            .args(arguments)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// What a container has said.
    #[must_use]
    pub fn log(&self, container: &str) -> String {
        let path = self.process.run_folder().join(format!("{container}.log"));
        fs::read_to_string(path).unwrap_or_default()
    }
}
