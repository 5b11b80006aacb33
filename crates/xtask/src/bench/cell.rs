//! A set-up cell to measure: the real daemon in a world, asked through its control socket.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cell_control::action::{Action, Outcome};
use cell_control::app_password::AppPasswordForm;
use cell_control::caller::Caller;
use cell_control::change::{Change, PeerForm, Receipt, SetupForm};
use cell_control::query::{PartDetail, Question, Settings, WireGuard};
use cell_control::remote::Remote;
use cell_control::view::WireGuardPeerView;
use cell_control::{Control, ask};
use cell_model::config::{DomainMode, VpnConfig};
use cell_model::key::PublicKey;
use cell_model::name::{PeerName, ServiceId};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_model::status::Part;
use cell_testkit::{Celld, CelldOptions, ContainerOptions, World};
use ipnet::Ipv4Net;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::error::BenchError;
use super::process;
use crate::error::XtaskError;

/// The cell's domain.
pub(super) const DOMAIN: &str = "home.cell";
/// The owner's name.
pub(super) const OWNER: &str = "anna";
const PASSWORD: &str = "a long and quiet river";
/// The one that setup makes.
const FIRST_REVISION: u64 = 1;
/// Where a cell stands that is told nothing else. Its VPN has room for 10,000 devices and those that are added to them.
pub(super) const HOME: House = House {
    cell_name: "bench",
    domain: DOMAIN,
    vpn_subnet: Ipv4Net::new_assert(Ipv4Addr::new(10, 64, 0, 0), 16),
};

/// What a cell is told at setup, where two of them are to differ.
pub(super) struct House {
    pub(super) cell_name: &'static str,
    pub(super) domain: &'static str,
    pub(super) vpn_subnet: Ipv4Net,
}

/// A daemon that is set up, and the world it stands in; dropped, both are gone.
pub(super) struct Cell {
    pub(super) celld: Celld,
    pub(super) world: World,
    binary: PathBuf,
    containers: Option<ContainerOptions>,
    state: TempDir,
    runtime: Runtime,
}

impl Cell {
    /// Sets a cell up in a router's place, without devices.
    pub(super) fn set_up(binary: PathBuf) -> Result<Self, XtaskError> {
        Self::set_up_in(World::new()?, binary, None)
    }

    /// Sets one up in a house of its own.
    pub(super) fn set_up_as(
        house: &House,
        world: World,
        binary: PathBuf,
    ) -> Result<Self, XtaskError> {
        Self::set_up_with(house, world, binary, None)
    }

    /// Sets one up in a world, which may run containers.
    pub(super) fn set_up_in(
        world: World,
        binary: PathBuf,
        containers: Option<ContainerOptions>,
    ) -> Result<Self, XtaskError> {
        Self::set_up_with(&HOME, world, binary, containers)
    }

    fn set_up_with(
        house: &House,
        world: World,
        binary: PathBuf,
        containers: Option<ContainerOptions>,
    ) -> Result<Self, XtaskError> {
        let state = tempfile::tempdir().map_err(BenchError::Folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BenchError::Runtime)?;
        let mut celld = Celld::spawn(&world, options(&binary, state.path(), containers.as_ref()))?;
        celld.wait_healthy()?;
        let mut cell = Self {
            celld,
            world,
            binary,
            containers,
            state,
            runtime,
        };
        let form = setup_form(house, cell.celld.setup_code()?);
        cell.submit("set itself up", Change::SetUp(Box::new(form)))?;
        cell.celld.wait_applied(FIRST_REVISION)?;
        Ok(cell)
    }

    /// Where the daemon keeps what it must not forget. Its store may be opened while it is stopped.
    pub(super) fn state_dir(&self) -> &Path {
        self.state.path()
    }

    /// Stops the daemon in order.
    pub(super) fn stop(&mut self) -> Result<(), XtaskError> {
        self.celld.terminate()?;
        Ok(())
    }

    /// Starts the stopped daemon and waits until its config is in force. Answers the CPU seconds that this took it and
    /// its roles.
    pub(super) fn start(&mut self) -> Result<f64, XtaskError> {
        let options = options(&self.binary, self.state.path(), self.containers.as_ref());
        self.celld = Celld::spawn(&self.world, options)?;
        self.celld.wait_applied(0)?;
        self.cpu_seconds()
    }

    /// What the daemon and its roles have used since they run.
    pub(super) fn cpu_seconds(&self) -> Result<f64, XtaskError> {
        Ok(process::cpu_seconds(&self.world.cell.process_ids()?))
    }

    /// What they hold, in bytes.
    pub(super) fn memory_bytes(&self) -> Result<f64, XtaskError> {
        Ok(process::memory_bytes(&self.world.cell.process_ids()?))
    }

    /// The VPN's addresses.
    pub(super) fn vpn(&self) -> Result<VpnConfig, BenchError> {
        let settings = self.ask("tell its settings", Settings { revision: None })?;
        Ok(settings.vpn)
    }

    /// Makes a change, and answers what came of it.
    pub(super) fn change(
        &self,
        asked: &'static str,
        change: Change,
    ) -> Result<Receipt, BenchError> {
        self.call(asked, async |control| {
            control.submit(&Caller::local(), change).await
        })
    }

    /// Makes a change. Answers the time from the call to its return, at which the system has followed.
    pub(super) fn submit(
        &self,
        asked: &'static str,
        change: Change,
    ) -> Result<Duration, BenchError> {
        self.call(asked, async |control| {
            let start = Instant::now();
            control.submit(&Caller::local(), change).await?;
            Ok(start.elapsed())
        })
    }

    /// Adds a device that made its own key. Answers as [`Cell::submit`].
    pub(super) fn add(&self, name: &PeerName, key: PublicKey) -> Result<Duration, BenchError> {
        let form = PeerForm {
            name: name.clone(),
            username: None,
            full_tunnel: true,
            public_key: Some(key),
            services: None,
            peer_to_peer: false,
            preshared_key: false,
            exit_connection_id: None,
            expires_at: None,
        };
        self.submit("add a device", Change::AddPeer(form))
    }

    /// Removes a device. Answers as [`Cell::submit`].
    pub(super) fn remove(&self, name: &PeerName) -> Result<Duration, BenchError> {
        let name = name.clone();
        self.submit("remove a device", Change::RemovePeer { name })
    }

    /// Whether the VPN interface really has a device with this key.
    pub(super) fn carries(&self, key: &PublicKey) -> Result<bool, BenchError> {
        let peers = self.vpn_peers()?;
        Ok(peers.iter().any(|peer| peer.public_key == *key))
    }

    /// What the VPN interface really has.
    pub(super) fn vpn_peers(&self) -> Result<Vec<WireGuardPeerView>, BenchError> {
        Ok(self
            .ask("tell what its VPN interface has", WireGuard)?
            .peers)
    }

    /// The process of the role that serves the pages.
    pub(super) fn web_process(&self) -> Result<Option<u32>, BenchError> {
        let question = PartDetail { part: Part::Web };
        Ok(self.ask("tell of the part web", question)?.process_id)
    }

    /// Signs the owner in: the token that the session cookie carries.
    pub(super) fn sign_in(&self) -> Result<Secret<String>, BenchError> {
        let action = Action::SignIn {
            username: OWNER.to_owned(),
            password: Secret::new(PASSWORD.to_owned()),
            code: None,
            user_agent: "bench".to_owned(),
        };
        match self.act("sign the owner in", action)? {
            Outcome::SignedIn { token, .. } => Ok(token),
            _ => Err(BenchError::NoSession),
        }
    }

    /// Makes an app password of the owner's, for these services or for all.
    pub(super) fn app_password(
        &self,
        services: Option<BTreeSet<ServiceId>>,
    ) -> Result<Secret<String>, BenchError> {
        let form = AppPasswordForm {
            username: Some(OWNER.parse().expect("a constant of the bench")),
            device: "bench".parse().expect("a constant of the bench"),
            services,
        };
        match self.act("make an app password", Action::AddAppPassword(form))? {
            Outcome::AppPasswordAdded(made) => Ok(made.password),
            _ => Err(BenchError::NoAppPassword),
        }
    }

    pub(super) fn act(&self, asked: &'static str, action: Action) -> Result<Outcome, BenchError> {
        self.call(asked, async |control| {
            control.act(&Caller::local(), action).await
        })
    }

    pub(super) fn ask<Q: Question>(
        &self,
        asked: &'static str,
        question: Q,
    ) -> Result<Q::Answer, BenchError> {
        self.call(asked, async |control| {
            ask(control, &Caller::local(), question).await
        })
    }

    /// One call on a connection of its own.
    fn call<T>(
        &self,
        asked: &'static str,
        work: impl AsyncFnOnce(&Remote) -> Result<T, Problem>,
    ) -> Result<T, BenchError> {
        let path = self.celld.control_socket();
        self.runtime.block_on(async {
            let control = match Remote::connect(&path).await {
                Ok(control) => control,
                Err(source) => return Err(BenchError::Connect { path, source }),
            };
            let answer = work(&control).await;
            answer.map_err(|problem| BenchError::Refused {
                asked,
                source: Box::new(problem),
            })
        })
    }
}

fn options(binary: &Path, state_dir: &Path, containers: Option<&ContainerOptions>) -> CelldOptions {
    CelldOptions {
        binary: Some(binary.to_owned()),
        containers: containers.cloned(),
        state_dir: Some(state_dir.to_owned()),
        ..CelldOptions::default()
    }
}

fn setup_form(house: &House, setup_code: String) -> SetupForm {
    let valid = "a constant of the bench";
    SetupForm {
        setup_code: Secret::new(setup_code),
        cell_name: house.cell_name.parse().expect(valid),
        domain_mode: DomainMode::Lan,
        domain: house.domain.parse().expect(valid),
        vpn_subnet: house.vpn_subnet,
        admin_username: OWNER.parse().expect(valid),
        admin_password: Secret::new(PASSWORD.to_owned()),
        timezone: "UTC".parse().expect(valid),
        endpoint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_the_wizard_are_valid() {
        let form = setup_form(&HOME, "ABCD-EFGH".to_owned());
        cell_model::subnet::check_vpn_subnet(form.vpn_subnet).unwrap();
        assert_eq!(form.admin_username.as_str(), OWNER);
    }
}
