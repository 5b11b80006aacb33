//! A network in memory, for the tests of those who use [`Network`].

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::facts::{DhcpFacts, NetworkFacts};
use cell_model::name::InterfaceName;
use cell_model::spec::{DhcpSpec, NetworkSpec};
use cell_model::step::NetworkStep;
use ipnet::IpNet;
use tokio::sync::mpsc;

use crate::state::{DefaultRoute, ForwardingState, InterfaceState, NetworkState};
use crate::{Change, Network, NetworkError, NetworkPlan, plan};

/// A network that does what it is told, remembers it, and fails when asked to.
#[derive(Debug, Default)]
pub struct FakeNetwork {
    world: Mutex<World>,
}

#[derive(Debug, Default)]
struct World {
    facts: NetworkFacts,
    /// The interface of a default route that was set here; facts do not tell it.
    routed_by: Option<InterfaceName>,
    forwarding: bool,
    clients: BTreeMap<InterfaceName, DhcpSpec>,
    steps: Vec<NetworkStep>,
    apply_failures: VecDeque<NetworkError>,
    observe_failures: VecDeque<NetworkError>,
    watchers: Vec<mpsc::Sender<()>>,
}

impl FakeNetwork {
    /// A network that looks like this and forwards nothing.
    pub fn new(facts: NetworkFacts) -> Self {
        let fake = Self::default();
        fake.world().facts = facts;
        fake
    }

    /// Changes what is so behind everybody's back, and tells the watchers.
    pub fn change(&self, change: impl FnOnce(&mut NetworkFacts)) {
        let mut world = self.world();
        let before = world.facts.gateway;
        change(&mut world.facts);
        if world.facts.gateway != before {
            world.routed_by = None;
        }
        world.tell();
    }

    /// Makes a coming [`Network::apply`] fail without effect; each call counts for one.
    pub fn fail_apply(&self, error: NetworkError) {
        self.world().apply_failures.push_back(error);
    }

    /// Makes a coming [`Network::observe`] or [`Network::verify`] fail; each call counts for one.
    pub fn fail_observe(&self, error: NetworkError) {
        self.world().observe_failures.push_back(error);
    }

    /// Every step that was asked for, failed ones included.
    pub fn steps(&self) -> Vec<NetworkStep> {
        self.world().steps.clone()
    }

    /// Whether packets pass between interfaces.
    pub fn forwards(&self) -> bool {
        self.world().forwarding
    }

    /// A test that panicked elsewhere is no reason to hide what this one sees.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Network for FakeNetwork {
    async fn observe(&self) -> Result<NetworkFacts, NetworkError> {
        let mut world = self.world();
        match world.observe_failures.pop_front() {
            Some(error) => Err(error),
            None => Ok(world.facts.clone()),
        }
    }

    async fn apply(&self, step: &NetworkStep) -> Result<(), NetworkError> {
        let mut world = self.world();
        world.steps.push(step.clone());
        if let Some(error) = world.apply_failures.pop_front() {
            return Err(error);
        }
        let plan = plan::plan(&world.state(), &step.spec);
        for change in &plan.changes {
            world.make(change);
        }
        if !plan.changes.is_empty() {
            world.tell();
        }
        if plan.missing.is_empty() {
            Ok(())
        } else {
            Err(NetworkError::Missing(plan.missing))
        }
    }

    async fn verify(&self, spec: &NetworkSpec) -> Result<NetworkPlan, NetworkError> {
        let mut world = self.world();
        match world.observe_failures.pop_front() {
            Some(error) => Err(error),
            None => Ok(plan::plan(&world.state(), spec)),
        }
    }

    fn watch(&self) -> Result<mpsc::Receiver<()>, NetworkError> {
        let (sender, receiver) = mpsc::channel(1);
        self.world().watchers.push(sender);
        Ok(receiver)
    }
}

impl World {
    fn tell(&mut self) {
        self.watchers.retain(|watcher| !watcher.is_closed());
        for watcher in &self.watchers {
            let _ = watcher.try_send(());
        }
    }

    fn make(&mut self, change: &Change) {
        let found = change
            .interface()
            .and_then(|name| self.facts.interfaces.get_mut(name));
        match (change, found) {
            (Change::SetUp(_), Some(found)) => found.up = true,
            (Change::AddAddress(_, address), Some(found)) => {
                found.addresses.insert((*address).into());
            }
            (Change::RemoveAddress(_, address), Some(found)) => {
                found.addresses.remove(&IpNet::from(*address));
            }
            (Change::SetDefaultRoute(name, gateway), _) => {
                self.facts.gateway = Some(*gateway);
                self.routed_by = Some(name.clone());
            }
            (Change::RemoveDefaultRoute(route), _) if route.gateway == self.facts.gateway => {
                self.facts.gateway = None;
            }
            (Change::ForwardIpv4(on), _) => self.forwarding = *on,
            (Change::Ask(name, spec), _) => {
                self.clients.insert(name.clone(), spec.clone());
                let asking = DhcpFacts {
                    undecided: true,
                    ..DhcpFacts::default()
                };
                self.facts.dhcp.entry(name.clone()).or_insert(asking);
            }
            (Change::StopAsking(name), _) => {
                self.clients.remove(name);
                self.facts.dhcp.remove(name);
            }
            _ => {}
        }
    }

    fn state(&self) -> NetworkState {
        let interfaces = self.facts.interfaces.iter().map(|(name, found)| {
            let v4 = found.addresses.iter().filter_map(|address| match address {
                IpNet::V4(v4) => Some(*v4),
                IpNet::V6(_) => None,
            });
            let state = InterfaceState {
                up: found.up,
                addresses: v4.collect(),
            };
            (name.clone(), state)
        });
        let route = self.facts.gateway.and_then(|gateway| {
            Some(DefaultRoute {
                metric: 0,
                interface: self.routed_by.clone().or_else(|| self.nearest(gateway))?,
                gateway: Some(gateway),
            })
        });
        NetworkState {
            interfaces: interfaces.collect(),
            default_routes: route.into_iter().collect(),
            forwarding: ForwardingState {
                ipv4: self.forwarding,
                ..ForwardingState::default()
            },
            clients: self.clients.clone(),
        }
    }

    /// The interface whose subnet a gateway is in.
    fn nearest(&self, gateway: Ipv4Addr) -> Option<InterfaceName> {
        let gateway = IpAddr::from(gateway);
        let mut interfaces = self.facts.interfaces.iter();
        let (name, _) = interfaces.find(|(_, found)| {
            let mut subnets = found.addresses.iter();
            subnets.any(|subnet| subnet.contains(&gateway))
        })?;
        Some(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use cell_model::facts::InterfaceFacts;
    use cell_model::spec::InterfaceSpec;

    use super::*;
    use crate::is_applied;

    fn fake() -> FakeNetwork {
        let eth0 = InterfaceFacts {
            up: true,
            carrier: true,
            addresses: ["192.168.7.9/24", "fd00::9/64"]
                .map(|text| text.parse().unwrap())
                .into(),
        };
        FakeNetwork::new(NetworkFacts {
            interfaces: [("eth0".parse().unwrap(), eth0)].into(),
            gateway: Some("192.168.7.254".parse().unwrap()),
            ..NetworkFacts::default()
        })
    }

    fn step(interface: &str, gateway: Option<&str>) -> NetworkStep {
        let spec = InterfaceSpec {
            addresses: ["192.168.7.1/24".parse().unwrap()].into(),
            gateway: gateway.map(|text| text.parse().unwrap()),
        };
        NetworkStep {
            spec: NetworkSpec {
                interfaces: [(interface.parse().unwrap(), spec)].into(),
                dhcp: BTreeMap::new(),
                forwarding: true,
            },
        }
    }

    #[tokio::test]
    async fn applied_step_shows_in_the_facts_and_leaves_nothing_to_do() {
        // The second gateway is in no subnet of the box.
        for gateway in [None, Some("192.168.7.254"), Some("10.0.0.1")] {
            let fake = fake();
            let step = step("eth0", gateway);
            assert!(!fake.verify(&step.spec).await.unwrap().is_empty());
            fake.apply(&step).await.unwrap();
            assert!(fake.verify(&step.spec).await.unwrap().is_empty());
            let facts = fake.observe().await.unwrap();
            assert!(is_applied(&facts, &step.spec));
            assert_eq!(facts.gateway, gateway.map(|text| text.parse().unwrap()));
            assert!(fake.forwards());
            assert_eq!(fake.steps(), [step]);
        }
    }

    #[tokio::test]
    async fn ordered_failure_has_no_effect_and_comes_once() {
        let fake = fake();
        let before = fake.observe().await.unwrap();
        fake.fail_apply(NetworkError::Missing(["eth5".parse().unwrap()].into()));
        let step = step("eth0", None);
        assert!(fake.apply(&step).await.is_err());
        assert_eq!(fake.observe().await.unwrap(), before);
        fake.apply(&step).await.unwrap();
        assert_eq!(fake.steps().len(), 2);
        fake.fail_observe(NetworkError::Missing(["eth5".parse().unwrap()].into()));
        assert!(fake.observe().await.is_err());
        assert!(fake.observe().await.is_ok());
    }

    #[tokio::test]
    async fn client_asks_until_the_spec_has_it_no_longer() {
        let fake = fake();
        let eth0: InterfaceName = "eth0".parse().unwrap();
        let mut step = step("eth0", None);
        step.spec.interfaces.clear();
        step.spec.dhcp = [(eth0.clone(), DhcpSpec::default())].into();
        fake.apply(&step).await.unwrap();
        assert!(fake.observe().await.unwrap().dhcp[&eth0].undecided);
        assert!(fake.verify(&step.spec).await.unwrap().is_empty());
        step.spec.dhcp.clear();
        fake.apply(&step).await.unwrap();
        assert!(fake.observe().await.unwrap().dhcp.is_empty());
    }

    #[tokio::test]
    async fn missing_interface_is_an_error_that_names_it() {
        let error = fake().apply(&step("eth5", None)).await.unwrap_err();
        assert_eq!(error.to_string(), "interface eth5 does not exist");
    }

    #[tokio::test]
    async fn watchers_hear_of_changes_once_and_of_repetitions_never() {
        let fake = fake();
        let mut changes = fake.watch().unwrap();
        fake.change(|facts| facts.gateway = None);
        fake.change(|facts| facts.resolvers.push(([9, 9, 9, 9], 53).into()));
        assert_eq!(changes.try_recv(), Ok(()));
        assert!(changes.try_recv().is_err());
        fake.apply(&step("eth0", None)).await.unwrap();
        assert_eq!(changes.try_recv(), Ok(()));
        fake.apply(&step("eth0", None)).await.unwrap();
        assert!(changes.try_recv().is_err());
    }
}
