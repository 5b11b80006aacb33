//! A box in memory: parts that write down, in one list, what is done to them, and fail or hang when told to.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cell_containers::fake::FakeContainers;
use cell_containers::{Containers, ContainersError, ContainersSeen, LogEntry, Usage, VolumeRoom};
use cell_dns::fake::FakeDns;
use cell_dns::{Dns, DnsError};
use cell_exits::fake::FakeExits;
use cell_exits::{Exits, ExitsError};
use cell_fetch::fake::FakeFetch;
use cell_firewall::fake::FakeFirewall;
use cell_firewall::{Firewall, FirewallError, FirewallStatus};
use cell_mdns::fake::FakeMdns;
use cell_mdns::{Mdns, MdnsError};
use cell_model::Timestamp;
use cell_model::container::{Hand, ImageDigest};
use cell_model::facts::{InterfaceFacts, NetworkFacts};
use cell_model::name::{PartName, ServiceId};
use cell_model::secret::Secret;
use cell_model::spec::{
    ContainerSpec, ContainersSpec, ExitsSpec, LeafSpec, MdnsSpec, NetworkSpec, Phase, ProxySpec,
    ServiceSpec, WebSpec, WireGuardSpec,
};
use cell_model::status::{
    DnsStatus, ExitStatus, MdnsStatus, Part, WireGuardBackend, WireGuardStatus,
};
use cell_model::step::{DnsStep, FirewallStep, NetworkStep, WireGuardStep};
use cell_network::fake::FakeNetwork;
use cell_network::{Network, NetworkError, NetworkPlan};
use cell_vault::fake::FakeVault;
use cell_vault::{Leaf, LeafInfo, Vault, VaultError};
use cell_wireguard::fake::FakeWireGuard;
use cell_wireguard::{WireGuard, WireGuardError};
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{AdminListener, Handing, HandingError, ListenerError, ProxyHost, ProxyHostError};

thread_local! {
    static SECONDS: Cell<i64> = const { Cell::new(1_800_000_000) };
}

pub(super) fn clock() -> Timestamp {
    Timestamp::from_second(SECONDS.get()).unwrap()
}

pub(super) fn let_days_pass(days: i64) {
    SECONDS.set(SECONDS.get() + days * 86_400);
}

/// Every part at once.
pub(super) struct World {
    pub(super) firewall: FakeFirewall,
    pub(super) network: FakeNetwork,
    pub(super) wireguard: FakeWireGuard,
    pub(super) vault: FakeVault,
    pub(super) dns: FakeDns,
    pub(super) exits: FakeExits,
    pub(super) mdns: FakeMdns,
    pub(super) containers: FakeContainers,
    pub(super) fetch: Arc<FakeFetch>,
    pub(super) incoming: TempDir,
    pub(super) web: Mutex<Option<WebSpec>>,
    /// Services that have a certificate, and how many there were then.
    handed: Mutex<BTreeMap<ServiceId, usize>>,
    untold: Mutex<BTreeSet<(ServiceId, Hand)>>,
    log: Mutex<Vec<&'static str>>,
    broken: Mutex<BTreeSet<Part>>,
    hanging: Mutex<BTreeSet<Part>>,
    failures: AtomicUsize,
    busy: Mutex<BTreeSet<Part>>,
}

/// A part at work; two at a time end the test.
struct Busy<'a>(&'a World, Part);

impl<'a> Busy<'a> {
    fn new(world: &'a World, part: Part) -> Self {
        let alone = world.busy.lock().unwrap().insert(part);
        assert!(alone, "{part:?} is asked for two things at a time");
        Self(world, part)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.lock().unwrap().remove(&self.1);
    }
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        let mut facts = NetworkFacts::default();
        for (name, address) in [("wan0", "203.0.113.2/24"), ("lan0", "192.168.77.1/24")] {
            facts
                .interfaces
                .insert(name.parse().unwrap(), interface(&[address]));
        }
        Arc::new(Self {
            firewall: FakeFirewall::new(),
            network: FakeNetwork::new(facts),
            wireguard: FakeWireGuard::new(),
            vault: FakeVault::default(),
            dns: FakeDns::new(),
            exits: FakeExits::new(),
            mdns: FakeMdns::new(),
            containers: FakeContainers::new(),
            fetch: Arc::default(),
            incoming: tempfile::tempdir().unwrap(),
            web: Mutex::default(),
            handed: Mutex::default(),
            untold: Mutex::default(),
            log: Mutex::default(),
            broken: Mutex::default(),
            hanging: Mutex::default(),
            failures: AtomicUsize::new(0),
            busy: Mutex::default(),
        })
    }

    pub(super) fn break_part(&self, part: Part) {
        self.broken.lock().unwrap().insert(part);
    }

    /// What is begun from now on ends when it is mended.
    pub(super) fn hang(&self, part: Part) {
        self.hanging.lock().unwrap().insert(part);
    }

    pub(super) fn mend(&self) {
        self.broken.lock().unwrap().clear();
        self.hanging.lock().unwrap().clear();
    }

    /// How often something was asked of a broken part.
    pub(super) fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed)
    }

    /// What was done since the last time this was asked.
    pub(super) fn done(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// Writes the act down. Whether the part does it.
    async fn act(&self, part: Part, word: &'static str) -> bool {
        let busy = Busy::new(self, part);
        while self.hanging.lock().unwrap().contains(&part) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(busy);
        let works = !self.broken.lock().unwrap().contains(&part);
        match works {
            true => self.log.lock().unwrap().push(word),
            false => drop(self.failures.fetch_add(1, Ordering::Relaxed)),
        }
        works
    }
}

pub(super) fn interface(addresses: &[&str]) -> InterfaceFacts {
    InterfaceFacts {
        up: true,
        carrier: true,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

#[async_trait]
impl Firewall for World {
    async fn observe(&self) -> Result<FirewallStatus, FirewallError> {
        self.firewall.observe().await
    }

    async fn apply(&self, step: &FirewallStep) -> Result<(), FirewallError> {
        let word = match step {
            FirewallStep::Replace(spec) if spec.phase == Phase::Closed => "firewall closed",
            FirewallStep::Replace(_) => "firewall open",
            FirewallStep::PatchPeers { .. } => "firewall peers",
        };
        match self.act(Part::Firewall, word).await {
            true => self.firewall.apply(step).await,
            false => Err(FirewallError::Refused("no room".to_owned())),
        }
    }

    async fn verify(&self, step: &FirewallStep) -> Result<(), FirewallError> {
        self.firewall.verify(step).await
    }
}

#[async_trait]
impl Network for World {
    async fn observe(&self) -> Result<NetworkFacts, NetworkError> {
        self.network.observe().await
    }

    async fn apply(&self, step: &NetworkStep) -> Result<(), NetworkError> {
        match self.act(Part::Network, "network").await {
            true => self.network.apply(step).await,
            false => Err(no_interface()),
        }
    }

    async fn verify(&self, spec: &NetworkSpec) -> Result<NetworkPlan, NetworkError> {
        self.network.verify(spec).await
    }

    fn watch(&self) -> Result<mpsc::Receiver<()>, NetworkError> {
        self.network.watch()
    }
}

pub(super) fn no_interface() -> NetworkError {
    NetworkError::Missing(["eth9".parse().unwrap()].into())
}

#[async_trait]
impl WireGuard for World {
    fn backend(&self) -> WireGuardBackend {
        self.wireguard.backend()
    }

    async fn observe(&self) -> Result<Option<WireGuardStatus>, WireGuardError> {
        self.wireguard.observe().await
    }

    async fn apply(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        let word = match step {
            WireGuardStep::Ensure(_) => "wireguard",
            WireGuardStep::PatchPeers { .. } => "wireguard peers",
            WireGuardStep::Remove => "no wireguard",
        };
        if !self.act(Part::Wireguard, word).await {
            return Err(WireGuardError::Fake);
        }
        if let WireGuardStep::Ensure(spec) = step {
            let WireGuardSpec { interface, .. } = &**spec;
            self.network.change(|facts| {
                facts.interfaces.entry(interface.clone()).or_default();
            });
        }
        self.wireguard.apply(step).await
    }

    async fn verify(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        self.wireguard.verify(step).await
    }
}

#[async_trait]
impl Vault for World {
    async fn leaf(&self) -> Option<LeafInfo> {
        self.vault.leaf().await
    }

    async fn credentials(&self) -> Option<Arc<Leaf>> {
        self.vault.credentials().await
    }

    async fn ensure_leaf(&self, spec: &LeafSpec, now: Timestamp) -> Result<LeafInfo, VaultError> {
        match self.act(Part::Vault, "leaf").await {
            true => self.vault.ensure_leaf(spec, now).await,
            false => Err(VaultError::NoCa),
        }
    }

    async fn issue_for(
        &self,
        key_der: &Secret<Vec<u8>>,
        spec: &LeafSpec,
        now: Timestamp,
    ) -> Result<Leaf, VaultError> {
        self.vault.issue_for(key_der, spec, now).await
    }
}

#[async_trait]
impl Dns for World {
    async fn observe(&self) -> Result<DnsStatus, DnsError> {
        self.dns.observe().await
    }

    async fn apply(&self, step: &DnsStep) -> Result<(), DnsError> {
        let word = match step {
            DnsStep::Replace(_) => "dns",
            DnsStep::PatchNames { .. } => "dns names",
        };
        match self.act(Part::Dns, word).await {
            true => self.dns.apply(step).await,
            false => Err(DnsError::Process("gone".to_owned())),
        }
    }

    async fn verify(&self, step: &DnsStep) -> Result<(), DnsError> {
        self.dns.verify(step).await
    }
}

#[async_trait]
impl Exits for World {
    async fn observe(&self) -> Result<BTreeMap<Uuid, ExitStatus>, ExitsError> {
        self.exits.observe().await
    }

    async fn apply(&self, spec: &Arc<ExitsSpec>) -> Result<(), ExitsError> {
        match self.act(Part::Exits, "exits").await {
            true => self.exits.apply(spec).await,
            false => Err(ExitsError::Process("gone".to_owned())),
        }
    }
}

#[async_trait]
impl AdminListener for World {
    async fn apply(&self, spec: &WebSpec) -> Result<(), ListenerError> {
        match self.act(Part::Web, "web").await {
            true => *self.web.lock().unwrap() = Some(spec.clone()),
            false => return Err(ListenerError::Process("gone".to_owned())),
        }
        Ok(())
    }
}

#[async_trait]
impl Containers for World {
    async fn observe(&self) -> Result<ContainersSeen, ContainersError> {
        self.containers.observe().await
    }

    async fn apply(
        &self,
        spec: &ContainersSpec,
        resting: &BTreeSet<String>,
    ) -> Result<(), ContainersError> {
        match self.act(Part::Containers, "containers").await {
            true => self.containers.apply(spec, resting).await,
            false => Err(ContainersError::Fake),
        }
    }

    async fn probe(
        &self,
        service: &ServiceSpec,
        container: &ContainerSpec,
    ) -> Result<(), ContainersError> {
        self.containers.probe(service, container).await
    }

    async fn run(
        &self,
        service: &ServiceId,
        container: &PartName,
        command: &[String],
    ) -> Result<(), ContainersError> {
        self.containers.run(service, container, command).await
    }

    async fn restart(&self, service: &ServiceSpec) -> Result<(), ContainersError> {
        self.containers.restart(service).await
    }

    async fn usage(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, Usage>, ContainersError> {
        self.containers.usage(service).await
    }

    async fn log(
        &self,
        service: &ServiceId,
        container: &PartName,
    ) -> Result<Vec<LogEntry>, ContainersError> {
        self.containers.log(service, container).await
    }

    async fn rooms(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, VolumeRoom>, ContainersError> {
        self.containers.rooms(service).await
    }

    async fn data_size(&self, id: &ServiceId, number: u32) -> Result<u64, ContainersError> {
        self.containers.data_size(id, number).await
    }

    async fn remove_data(&self, id: &ServiceId, number: u32) -> Result<(), ContainersError> {
        self.containers.remove_data(id, number).await
    }

    async fn remove_images(&self, kept: &BTreeSet<ImageDigest>) -> Result<usize, ContainersError> {
        self.containers.remove_images(kept).await
    }

    async fn has_image(&self, digest: ImageDigest) -> Result<bool, ContainersError> {
        self.containers.has_image(digest).await
    }

    async fn load(&self, archive: File) -> Result<(), ContainersError> {
        self.containers.load(archive).await
    }
}

#[async_trait]
impl Handing for World {
    async fn hand(&self, spec: &ContainersSpec, _: Timestamp) -> Result<(), HandingError> {
        let mut handed = self.handed.lock().unwrap();
        for service in spec
            .services
            .iter()
            .filter(|service| !service.names.is_empty())
        {
            let leaf = self.vault.issued().len();
            if handed.insert(service.id.clone(), leaf) != Some(leaf) {
                let about = (service.id.clone(), Hand::Certificate);
                self.untold.lock().unwrap().insert(about);
            }
        }
        Ok(())
    }

    fn untold(&self) -> BTreeSet<(ServiceId, Hand)> {
        self.untold.lock().unwrap().clone()
    }

    fn told(&self, service: &ServiceId, hand: Hand) {
        self.untold.lock().unwrap().remove(&(service.clone(), hand));
    }
}

#[async_trait]
impl ProxyHost for World {
    async fn apply(&self, _: Option<&ProxySpec>) -> Result<(), ProxyHostError> {
        match self.act(Part::Proxy, "proxy").await {
            true => Ok(()),
            false => Err(ProxyHostError::Missing("gone".to_owned())),
        }
    }

    async fn verify(&self, _: Option<&ProxySpec>) -> Result<(), ProxyHostError> {
        Ok(())
    }
}

#[async_trait]
impl Mdns for World {
    async fn observe(&self) -> Result<MdnsStatus, MdnsError> {
        self.mdns.observe().await
    }

    async fn apply(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError> {
        match self.act(Part::Mdns, "mdns").await {
            true => self.mdns.apply(spec).await,
            false => Err(MdnsError::PortTaken),
        }
    }

    async fn verify(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError> {
        self.mdns.verify(spec).await
    }
}
