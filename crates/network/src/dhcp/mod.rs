//! DHCP clients (RFC 2131), one for each interface whose address is asked for.
//!
//! The protocol is BusyBox `udhcpc`'s, in a process without power (`process`); its hook is this very program, which
//! hands over what was granted (`hook`). What is made of it, is decided in `memory`, which is pure; nothing here
//! touches an address: that is for the plan, by way of the facts.

mod client;
mod event;
mod fallback;
pub mod hook;
mod kept;
mod lease;
mod memory;
mod process;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cell_model::facts::DhcpFacts;
use cell_model::name::InterfaceName;
use cell_model::spec::DhcpSpec;
use cell_netlink::Netlink;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use kept::Kept;
use memory::Memory;

/// What the clients need of the daemon.
#[derive(Debug, Clone)]
pub struct DhcpOptions {
    /// A folder for root alone, gone with a restart of the machine, where leases outlive a restart of the daemon.
    pub folder: PathBuf,
    /// The program that ends in [`hook::run`] when it is called by [`hook::PATH`].
    pub hook: PathBuf,
}

/// The clients at work.
#[derive(Debug)]
pub(crate) struct Clients {
    netlink: Netlink,
    kept: Kept,
    hook: PathBuf,
    running: Mutex<BTreeMap<InterfaceName, Running>>,
    facts: watch::Sender<BTreeMap<InterfaceName, DhcpFacts>>,
}

#[derive(Debug)]
struct Running {
    spec: watch::Sender<DhcpSpec>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its process ends with it.
        self.task.abort();
    }
}

impl Clients {
    pub(crate) fn new(netlink: Netlink, options: DhcpOptions) -> Self {
        Self {
            netlink,
            kept: Kept::new(options.folder),
            hook: options.hook,
            running: Mutex::default(),
            facts: watch::Sender::default(),
        }
    }

    /// What they know.
    pub(crate) fn facts(&self) -> BTreeMap<InterfaceName, DhcpFacts> {
        self.facts.borrow().clone()
    }

    /// Tells of changes of what they know.
    pub(crate) fn watch(&self) -> watch::Receiver<BTreeMap<InterfaceName, DhcpFacts>> {
        self.facts.subscribe()
    }

    /// Those that run.
    pub(crate) fn specs(&self) -> BTreeMap<InterfaceName, DhcpSpec> {
        let running = self.running();
        let specs = running.iter();
        specs
            .map(|(name, client)| (name.clone(), client.spec.borrow().clone()))
            .collect()
    }

    /// Starts one, or tells the one that runs. A lease that an earlier daemon kept is in force at once.
    pub(crate) fn ask(&self, interface: &InterfaceName, spec: &DhcpSpec) {
        let mut running = self.running();
        if let Some(client) = running.get(interface) {
            client.spec.send_replace(spec.clone());
            return;
        }
        let now = since_boot();
        let memory = Memory::new(self.kept.lease(interface, now), spec.avoid.clone(), now);
        self.facts.send_modify(|facts| {
            facts.insert(interface.clone(), memory.facts());
        });
        let (sender, receiver) = watch::channel(spec.clone());
        let client = client::Client {
            interface: interface.clone(),
            netlink: self.netlink,
            kept: self.kept.clone(),
            hook: self.hook.clone(),
            memory,
            facts: self.facts.clone(),
        };
        let client = Running {
            spec: sender,
            task: tokio::spawn(client.run(receiver)),
        };
        running.insert(interface.clone(), client);
    }

    /// Ends one for good: its lease is forgotten.
    pub(crate) fn stop(&self, interface: &InterfaceName) {
        drop(self.running().remove(interface));
        self.kept.forget(interface);
        self.facts.send_modify(|facts| {
            facts.remove(interface);
        });
    }

    /// Ends all of them, for the daemon to end; their leases are kept for the next.
    pub(crate) async fn pause(&self) {
        let running = std::mem::take(&mut *self.running());
        for mut client in running.into_values() {
            client.task.abort();
            let _ = (&mut client.task).await;
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<InterfaceName, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time since boot, sleep included: the same for every process, and never set by anybody.
fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}
