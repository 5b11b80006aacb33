//! Specs and what is known of the system to steps, in an order that is safe.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use cell_model::spec::{
    BoxSpec, ContainersSpec, DnsSpec, ExitsSpec, FirewallSpec, LeafSpec, MdnsSpec, NetworkSpec,
    ProxySpec, WebSpec, WireGuardSpec, ZoneSpec,
};
use cell_model::step::{DnsStep, FirewallStep, NetworkStep, Step, WireGuardStep};

/// What the system is known to be. `None`: not known, so it is brought to the spec from whatever it is.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Packet filter in force.
    pub firewall: Option<Arc<FirewallSpec>>,
    /// Addresses in force.
    pub network: Option<NetworkSpec>,
    /// VPN interface in force; the inner `None`: there is none.
    pub wireguard: Option<Option<Arc<WireGuardSpec>>>,
    /// Ways out in service.
    pub exits: Option<Arc<ExitsSpec>>,
    /// Leaf in use.
    pub leaf: Option<LeafSpec>,
    /// Name server in service.
    pub dns: Option<Arc<DnsSpec>>,
    /// Admin listener in service.
    pub web: Option<WebSpec>,
    /// Being found by name; the inner `None`: it is not.
    pub mdns: Option<Option<MdnsSpec>>,
    /// What runs in containers.
    pub containers: Option<Arc<ContainersSpec>>,
    /// What the reverse proxy answers; the inner `None`: there is none.
    pub proxy: Option<Option<ProxySpec>>,
}

impl Applied {
    /// The system once all steps towards the spec were carried out.
    pub fn all(spec: &BoxSpec) -> Self {
        Self {
            firewall: Some(Arc::clone(&spec.firewall)),
            network: Some(spec.network.clone()),
            wireguard: Some(spec.wireguard.clone()),
            exits: Some(Arc::clone(&spec.exits)),
            leaf: Some(spec.leaf.clone()),
            dns: Some(Arc::clone(&spec.dns)),
            web: Some(spec.web.clone()),
            mdns: Some(spec.mdns.clone()),
            containers: Some(Arc::clone(&spec.containers)),
            proxy: Some(spec.proxy.clone()),
        }
    }
}

impl Applied {
    /// Whether every essential part is known.
    pub fn is_complete(&self) -> bool {
        let Self {
            firewall,
            network,
            wireguard,
            leaf,
            dns,
            web,
            exits: _,
            mdns: _,
            containers: _,
            proxy: _,
        } = self;
        firewall.is_some()
            && network.is_some()
            && wireguard.is_some()
            && leaf.is_some()
            && dns.is_some()
            && web.is_some()
    }
}

/// What differs between two maps.
struct Difference<'a, K, V> {
    gone: Vec<(&'a K, &'a V)>,
    changed: Vec<(&'a K, &'a V, &'a V)>,
    new: Vec<(&'a K, &'a V)>,
}

impl<'a, K: Ord, V: PartialEq> Difference<'a, K, V> {
    /// Walks both in step: with 10,000 entries far cheaper than looking each one up.
    fn between(before: &'a BTreeMap<K, V>, after: &'a BTreeMap<K, V>) -> Self {
        let mut difference = Self {
            gone: Vec::new(),
            changed: Vec::new(),
            new: Vec::new(),
        };
        let (mut old, mut young) = (before.iter().peekable(), after.iter().peekable());
        loop {
            let order = match (old.peek(), young.peek()) {
                (Some((one, _)), Some((other, _))) => one.cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return difference,
            };
            match order {
                Ordering::Less => difference.gone.extend(old.next()),
                Ordering::Greater => difference.new.extend(young.next()),
                Ordering::Equal => {
                    if let (Some((key, was)), Some((_, is))) = (old.next(), young.next())
                        && was != is
                    {
                        difference.changed.push((key, was, is));
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.changed.is_empty() && self.new.is_empty()
    }

    /// Keys that are no longer there.
    fn gone_keys<T: FromIterator<K>>(&self) -> T
    where
        K: Clone,
    {
        self.gone.iter().map(|(key, _)| (*key).clone()).collect()
    }

    /// Entries that are new or changed, as they are.
    fn set<T: FromIterator<(K, V)>>(&self) -> T
    where
        K: Clone,
        V: Clone,
    {
        let changed = self.changed.iter().map(|(key, _, is)| (*key, *is));
        let all = changed.chain(self.new.iter().copied());
        all.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Entries that are gone or changed, as they were.
    fn unset<T: FromIterator<(K, V)>>(&self) -> T
    where
        K: Clone,
        V: Clone,
    {
        let changed = self.changed.iter().map(|(key, was, _)| (*key, *was));
        let all = changed.chain(self.gone.iter().copied());
        all.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// Steps from what is known to what shall be. Access is taken away before it is given: a new generation
/// of the packet filter comes when all behind it is up, unless nothing but its devices changes, then first.
pub fn diff(applied: &Applied, spec: &BoxSpec) -> Vec<Step> {
    let firewall = firewall(applied.firewall.as_deref(), &spec.firewall);
    let (early, late) = match firewall {
        Some(step @ FirewallStep::PatchPeers { .. }) => (Some(step), None),
        other => (None, other),
    };
    let mut steps = Vec::new();
    steps.extend(early.map(Step::Firewall));
    if applied.network.as_ref() != Some(&spec.network) {
        steps.push(Step::Network(NetworkStep {
            spec: spec.network.clone(),
        }));
    }
    steps.extend(
        wireguard(applied.wireguard.as_ref(), spec.wireguard.as_ref()).map(Step::WireGuard),
    );
    if applied.leaf.as_ref() != Some(&spec.leaf) {
        steps.push(Step::Leaf(spec.leaf.clone()));
    }
    steps.extend(dns(applied.dns.as_deref(), &spec.dns).map(Step::Dns));
    if applied.exits.as_ref() != Some(&spec.exits) {
        steps.push(Step::Exits(Arc::clone(&spec.exits)));
    }
    if applied.web.as_ref() != Some(&spec.web) {
        steps.push(Step::Web(spec.web.clone()));
    }
    steps.extend(late.map(Step::Firewall));
    if applied.mdns.as_ref() != Some(&spec.mdns) {
        // Nobody is called before the door is open.
        steps.push(Step::Mdns(spec.mdns.clone()));
    }
    if applied.containers.as_ref() != Some(&spec.containers) {
        steps.push(Step::Containers(Arc::clone(&spec.containers)));
    }
    if applied.proxy.as_ref() != Some(&spec.proxy) {
        steps.push(Step::Proxy(spec.proxy.clone()));
    }
    steps
}

fn firewall(applied: Option<&FirewallSpec>, spec: &Arc<FirewallSpec>) -> Option<FirewallStep> {
    let Some(applied) = applied.filter(|applied| same_but_peers(applied, spec)) else {
        return Some(FirewallStep::Replace(Arc::clone(spec)));
    };
    let difference = Difference::between(&applied.peers, &spec.peers);
    (!difference.is_empty()).then(|| FirewallStep::PatchPeers {
        remove: difference.unset(),
        add: difference.set(),
    })
}

/// Compared field by field so that a new field cannot be forgotten.
fn same_but_peers(one: &FirewallSpec, other: &FirewallSpec) -> bool {
    let FirewallSpec {
        phase,
        wan,
        lan,
        vpn,
        local_sources,
        admin_ports,
        https,
        dns_port,
        peers: _,
        services,
        containers,
        links,
        exits,
    } = one;
    *phase == other.phase
        && *wan == other.wan
        && *lan == other.lan
        && *vpn == other.vpn
        && *local_sources == other.local_sources
        && *admin_ports == other.admin_ports
        && *https == other.https
        && *dns_port == other.dns_port
        && *services == other.services
        && *containers == other.containers
        && *links == other.links
        && *exits == other.exits
}

fn wireguard(
    applied: Option<&Option<Arc<WireGuardSpec>>>,
    spec: Option<&Arc<WireGuardSpec>>,
) -> Option<WireGuardStep> {
    let ensure = |spec: &Arc<WireGuardSpec>| WireGuardStep::Ensure(Arc::clone(spec));
    match (applied, spec) {
        (Some(None), None) => None,
        (_, None) => Some(WireGuardStep::Remove),
        (None | Some(None), Some(spec)) => Some(ensure(spec)),
        (Some(Some(applied)), Some(spec)) => {
            if !same_interface(applied, spec) {
                return Some(ensure(spec));
            }
            let difference = Difference::between(&applied.peers, &spec.peers);
            (!difference.is_empty()).then(|| WireGuardStep::PatchPeers {
                remove: difference.gone_keys(),
                set: difference.set(),
            })
        }
    }
}

fn same_interface(one: &WireGuardSpec, other: &WireGuardSpec) -> bool {
    let WireGuardSpec {
        interface,
        private_key,
        listen_port,
        mtu,
        addresses,
        routes,
        exit,
        peers: _,
    } = one;
    *interface == other.interface
        && *private_key == other.private_key
        && *listen_port == other.listen_port
        && *mtu == other.mtu
        && *addresses == other.addresses
        && *routes == other.routes
        && *exit == other.exit
}

fn dns(applied: Option<&DnsSpec>, spec: &Arc<DnsSpec>) -> Option<DnsStep> {
    let replace = || Some(DnsStep::Replace(Arc::clone(spec)));
    let Some(applied) = applied else {
        return replace();
    };
    let same_server = same_but_zone(applied, spec);
    match (&applied.zone, &spec.zone) {
        (None, None) if same_server => None,
        (Some(before), Some(after)) if same_server && same_but_names(before, after) => {
            let difference = Difference::between(&before.names, &after.names);
            (!difference.is_empty()).then(|| DnsStep::PatchNames {
                serial: after.serial,
                remove: difference.gone_keys(),
                set: difference.set(),
            })
        }
        _ => replace(),
    }
}

fn same_but_zone(one: &DnsSpec, other: &DnsSpec) -> bool {
    let DnsSpec {
        listen,
        allow,
        zone: _,
        upstreams,
        forwards,
        withheld,
        guests,
        ways,
    } = one;
    *listen == other.listen
        && *allow == other.allow
        && *upstreams == other.upstreams
        && *forwards == other.forwards
        && *withheld == other.withheld
        && *guests == other.guests
        && *ways == other.ways
}

/// The serial follows the content, so it does not count as content.
fn same_but_names(one: &ZoneSpec, other: &ZoneSpec) -> bool {
    let ZoneSpec {
        domain,
        serial: _,
        own,
        services,
        names: _,
        records,
        made,
    } = one;
    *domain == other.domain
        && *own == other.own
        && *services == other.services
        && *records == other.records
        && *made == other.made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::resolve;
    use crate::sample::Sample;

    fn kinds(steps: &[Step]) -> Vec<&'static str> {
        steps
            .iter()
            .map(|step| match step {
                Step::Firewall(FirewallStep::Replace(_)) => "firewall",
                Step::Firewall(FirewallStep::PatchPeers { .. }) => "firewall peers",
                Step::Network(_) => "network",
                Step::WireGuard(WireGuardStep::PatchPeers { .. }) => "wireguard peers",
                Step::WireGuard(_) => "wireguard",
                Step::Leaf(_) => "leaf",
                Step::Dns(DnsStep::Replace(_)) => "dns",
                Step::Dns(DnsStep::PatchNames { .. }) => "dns names",
                Step::Exits(_) => "exits",
                Step::Web(_) => "web",
                Step::Mdns(_) => "mdns",
                Step::Containers(_) => "containers",
                Step::Proxy(_) => "proxy",
            })
            .collect()
    }

    #[test]
    fn unknown_system_is_brought_up_in_order_and_opened_last() {
        let spec = resolve(&Sample::two_armed().input());
        let steps = diff(&Applied::default(), &spec);
        assert_eq!(
            kinds(&steps),
            [
                "network",
                "wireguard",
                "leaf",
                "dns",
                "exits",
                "web",
                "firewall",
                "mdns",
                "containers",
                "proxy"
            ]
        );
    }

    #[test]
    fn added_peer_touches_only_itself() {
        let mut sample = Sample::two_armed();
        for host in 2..200 {
            sample.add_peer(&format!("peer{host}"), host);
        }
        let applied = Applied::all(&resolve(&sample.input()));
        sample.add_peer("phone", 200);
        sample.serial += 1;
        let steps = diff(&applied, &resolve(&sample.input()));
        assert_eq!(
            kinds(&steps),
            ["firewall peers", "wireguard peers", "dns names"]
        );
        for step in &steps {
            let touched = match step {
                Step::Firewall(FirewallStep::PatchPeers { remove, add }) => {
                    remove.len() + add.len()
                }
                Step::WireGuard(WireGuardStep::PatchPeers { remove, set }) => {
                    remove.len() + set.len()
                }
                Step::Dns(DnsStep::PatchNames { remove, set, .. }) => remove.len() + set.len(),
                other => panic!("{other:?}"),
            };
            assert_eq!(touched, 1);
        }
    }

    #[test]
    fn changed_address_of_the_uplink_leaves_the_tunnel_alone() {
        let mut sample = Sample::two_armed();
        let applied = Applied::all(&resolve(&sample.input()));
        sample.set_addresses("lan0", &["192.168.99.1/24"]);
        let steps = diff(&applied, &resolve(&sample.input()));
        assert_eq!(kinds(&steps), ["leaf", "dns", "web", "firewall", "mdns"]);
    }

    #[test]
    fn box_without_config_has_no_tunnel() {
        let mut sample = Sample::two_armed();
        let applied = Applied::all(&resolve(&sample.input()));
        sample.config = None;
        let steps = diff(&applied, &resolve(&sample.input()));
        assert!(steps.contains(&Step::WireGuard(WireGuardStep::Remove)));
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        /// Host numbers of peers with a flag that changes their access.
        fn peers() -> impl Strategy<Value = BTreeMap<u8, bool>> {
            proptest::collection::btree_map(2_u8..40, any::<bool>(), 0..12)
        }

        fn spec_of(peers: &BTreeMap<u8, bool>, lan: bool, serial: u32) -> BoxSpec {
            let mut sample = Sample::two_armed();
            sample.serial = serial;
            if lan {
                sample.set_addresses("lan0", &["192.168.5.1/24"]);
            }
            for (&host, &full) in peers {
                let name = format!("p{host}");
                sample.add_peer(&name, host);
                sample.change_peer(&name, |peer| peer.full_tunnel = full);
            }
            resolve(&sample.input())
        }

        /// Carries steps out on what is known, the way the parts do.
        fn apply(applied: &mut Applied, steps: Vec<Step>) {
            for step in steps {
                match step {
                    Step::Firewall(FirewallStep::Replace(spec)) => applied.firewall = Some(spec),
                    Step::Firewall(FirewallStep::PatchPeers { remove, add }) => {
                        let spec = Arc::make_mut(applied.firewall.as_mut().unwrap());
                        for (address, access) in remove {
                            assert_eq!(spec.peers.remove(&address), Some(access));
                        }
                        spec.peers.extend(add);
                    }
                    Step::Network(step) => applied.network = Some(step.spec),
                    Step::WireGuard(WireGuardStep::Ensure(spec)) => {
                        applied.wireguard = Some(Some(spec))
                    }
                    Step::WireGuard(WireGuardStep::Remove) => applied.wireguard = Some(None),
                    Step::WireGuard(WireGuardStep::PatchPeers { remove, set }) => {
                        let spec = applied.wireguard.as_mut().unwrap().as_mut().unwrap();
                        let spec = Arc::make_mut(spec);
                        spec.peers.retain(|key, _| !remove.contains(key));
                        spec.peers.extend(set);
                    }
                    Step::Leaf(spec) => applied.leaf = Some(spec),
                    Step::Dns(DnsStep::Replace(spec)) => applied.dns = Some(spec),
                    Step::Dns(DnsStep::PatchNames {
                        serial,
                        remove,
                        set,
                    }) => {
                        let spec = Arc::make_mut(applied.dns.as_mut().unwrap());
                        let zone = spec.zone.as_mut().unwrap();
                        zone.serial = serial;
                        zone.names.retain(|label, _| !remove.contains(label));
                        zone.names.extend(set);
                    }
                    Step::Exits(spec) => applied.exits = Some(spec),
                    Step::Web(spec) => applied.web = Some(spec),
                    Step::Mdns(spec) => applied.mdns = Some(spec),
                    Step::Containers(spec) => applied.containers = Some(spec),
                    Step::Proxy(spec) => applied.proxy = Some(spec),
                }
            }
        }

        proptest! {
            #[test]
            fn carried_out_plan_leaves_nothing_to_do(
                before in peers(), after in peers(), moved in any::<bool>(), known in any::<bool>(),
            ) {
                let mut applied = if known {
                    Applied::all(&spec_of(&before, false, 1))
                } else {
                    Applied::default()
                };
                let wanted = spec_of(&after, moved, 2);
                let steps = diff(&applied, &wanted);
                apply(&mut applied, steps);
                prop_assert_eq!(diff(&applied, &wanted), Vec::new());
                prop_assert_eq!(applied.firewall.as_ref(), Some(&wanted.firewall));
                let wireguard = applied.wireguard.unwrap();
                prop_assert_eq!(wireguard, wanted.wireguard);
            }
        }
    }
}
