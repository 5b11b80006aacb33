use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

fn addresses(texts: &[&str]) -> BTreeSet<Ipv4Net> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn state(addresses_of_eth0: &[&str]) -> NetworkState {
    let eth0 = InterfaceState {
        up: true,
        addresses: addresses(addresses_of_eth0),
    };
    NetworkState {
        interfaces: [(name("eth0"), eth0)].into(),
        ..NetworkState::default()
    }
}

fn spec(interfaces: &[(&str, &str, Option<&str>)]) -> NetworkSpec {
    let interfaces = interfaces.iter().map(|(interface, address, gateway)| {
        let spec = InterfaceSpec {
            addresses: [address.parse().unwrap()].into(),
            gateway: gateway.map(|text| text.parse().unwrap()),
        };
        (name(interface), spec)
    });
    NetworkSpec {
        interfaces: interfaces.collect(),
        dhcp: BTreeMap::new(),
        forwarding: false,
    }
}

fn default_route(interface: &str, gateway: &str, metric: u32) -> DefaultRoute {
    DefaultRoute {
        metric,
        interface: name(interface),
        gateway: Some(gateway.parse().unwrap()),
    }
}

fn words(plan: &NetworkPlan) -> Vec<String> {
    plan.changes.iter().map(Change::to_string).collect()
}

#[test]
fn nothing_named_changes_nothing() {
    let mut state = state(&["192.168.7.1/24"]);
    state.default_routes = [default_route("eth0", "192.168.7.254", 100)].into();
    assert!(plan(&state, &spec(&[])).is_empty());
}

#[test]
fn old_address_goes_after_the_new_one_and_its_route_are_there() {
    let state = state(&["192.168.7.1/24"]);
    let spec = spec(&[("eth0", "192.168.7.2/24", Some("192.168.7.254"))]);
    assert_eq!(
        words(&plan(&state, &spec)),
        [
            "add 192.168.7.2/24 to eth0",
            "set the default route to 192.168.7.254 on eth0",
            "keep later addresses of eth0 when the first goes",
            "remove 192.168.7.1/24 from eth0",
        ]
    );
}

#[test]
fn another_prefix_length_is_another_address() {
    let state = state(&["192.168.7.1/24"]);
    let plan = plan(&state, &spec(&[("eth0", "192.168.7.1/16", None)]));
    assert!(words(&plan).contains(&"remove 192.168.7.1/24 from eth0".to_owned()));
}

#[test]
fn default_routes_of_the_interface_give_way_and_those_of_others_stay() {
    let mut state = state(&["192.168.7.1/24"]);
    state.default_routes = [
        default_route("eth0", "192.168.7.253", 100),
        default_route("eth1", "10.0.0.1", 200),
    ]
    .into();
    let spec = spec(&[("eth0", "192.168.7.1/24", Some("192.168.7.254"))]);
    assert_eq!(
        words(&plan(&state, &spec)),
        [
            "set the default route to 192.168.7.254 on eth0",
            "remove the default route to 192.168.7.253 on eth0",
        ]
    );
}

#[test]
fn interface_without_gateway_has_no_default_route() {
    let mut state = state(&["192.168.7.1/24"]);
    state.default_routes = [default_route("eth0", "192.168.7.254", 0)].into();
    let plan = plan(&state, &spec(&[("eth0", "192.168.7.1/24", None)]));
    assert_eq!(
        words(&plan),
        ["remove the default route to 192.168.7.254 on eth0"]
    );
}

#[test]
fn missing_interface_is_named_and_the_others_have_their_turn() {
    let spec = spec(&[
        ("eth0", "192.168.7.1/24", None),
        ("eth9", "10.0.0.1/24", None),
    ]);
    let plan = plan(&state(&[]), &spec);
    assert_eq!(plan.missing, [name("eth9")].into());
    assert_eq!(words(&plan), ["add 192.168.7.1/24 to eth0"]);
}

#[test]
fn advertisements_are_kept_before_ipv6_is_forwarded() {
    let mut state = state(&[]);
    state.forwarding = ForwardingState {
        ipv4: true,
        ipv6: Some(false),
        host_only_uplink: Some(name("eth0")),
    };
    let mut spec = spec(&[]);
    assert_eq!(words(&plan(&state, &spec)), ["stop forwarding IPv4"]);
    spec.forwarding = true;
    assert_eq!(
        words(&plan(&state, &spec)),
        [
            "keep listening to router advertisements on eth0",
            "start forwarding IPv6",
        ]
    );
}

#[test]
fn client_is_started_on_a_wire_that_is_up_told_of_changes_and_ended_last() {
    let mut state = state(&[]);
    state.interfaces.get_mut(&name("eth0")).unwrap().up = false;
    let mut spec = spec(&[]);
    spec.dhcp = [(name("eth0"), DhcpSpec::default())].into();
    let started = plan(&state, &spec);
    assert_eq!(
        words(&started),
        ["set eth0 up", "ask for the address of eth0 by DHCP"]
    );
    for change in &started.changes {
        happen(&mut state, change);
    }
    let avoid = addresses(&["10.0.0.0/24"]);
    spec.dhcp = [(name("eth0"), DhcpSpec { avoid })].into();
    assert_eq!(
        words(&plan(&state, &spec)),
        ["ask for the address of eth0 by DHCP"]
    );
    spec = self::spec(&[("eth0", "192.168.7.1/24", None)]);
    assert_eq!(
        words(&plan(&state, &spec)),
        [
            "add 192.168.7.1/24 to eth0",
            "stop asking for the address of eth0 by DHCP",
        ]
    );
}

#[test]
fn interface_that_lost_its_lease_has_neither_address_nor_route() {
    let mut state = state(&["192.168.7.1/24"]);
    state.default_routes = [default_route("eth0", "192.168.7.254", 0)].into();
    let mut spec = spec(&[("eth0", "192.168.7.1/24", None)]);
    spec.interfaces
        .values_mut()
        .for_each(|eth0| eth0.addresses.clear());
    assert_eq!(
        words(&plan(&state, &spec)),
        [
            "remove the default route to 192.168.7.254 on eth0",
            "keep later addresses of eth0 when the first goes",
            "remove 192.168.7.1/24 from eth0",
        ]
    );
}

#[test]
fn kernel_without_ipv6_is_not_asked_to_forward_it() {
    let mut spec = spec(&[]);
    spec.forwarding = true;
    let mut state = state(&[]);
    state.forwarding.host_only_uplink = Some(name("eth0"));
    assert_eq!(words(&plan(&state, &spec)), ["start forwarding IPv4"]);
}

/// What the kernel makes of a change.
fn happen(state: &mut NetworkState, change: &Change) {
    match change {
        Change::SetUp(name) => state.interfaces.get_mut(name).unwrap().up = true,
        Change::AddAddress(name, address) => {
            let addresses = &mut state.interfaces.get_mut(name).unwrap().addresses;
            assert!(addresses.insert(*address), "added what is there");
        }
        Change::RemoveAddress(name, address) => {
            let addresses = &mut state.interfaces.get_mut(name).unwrap().addresses;
            assert!(addresses.remove(address), "removed what is not there");
        }
        Change::SetDefaultRoute(name, gateway) => {
            state.default_routes.retain(|route| route.metric != 0);
            state.default_routes.insert(DefaultRoute {
                metric: 0,
                interface: name.clone(),
                gateway: Some(*gateway),
            });
        }
        Change::RemoveDefaultRoute(route) => {
            state.default_routes.remove(route);
        }
        Change::KeepAdvertisements(_) => state.forwarding.host_only_uplink = None,
        Change::ForwardIpv4(on) => state.forwarding.ipv4 = *on,
        Change::ForwardIpv6(on) => state.forwarding.ipv6 = Some(*on),
        Change::PromoteAddresses(_) => {}
        Change::Ask(name, spec) => {
            assert!(state.interfaces[name].up, "asked on a dead wire");
            state.clients.insert(name.clone(), spec.clone());
        }
        Change::StopAsking(name) => {
            assert!(
                state.clients.remove(name).is_some(),
                "ended what is not there"
            );
        }
    }
}

fn any_name() -> impl Strategy<Value = InterfaceName> {
    "eth[0-3]".prop_map(|text| name(&text))
}

/// From a small range, so that equal ones meet.
fn any_address() -> impl Strategy<Value = Ipv4Net> {
    (0u8..4, 0u8..4, prop::sample::select(vec![16, 24, 32])).prop_map(|(net, host, prefix)| {
        Ipv4Net::new(Ipv4Addr::new(10, 0, net, host), prefix).unwrap()
    })
}

fn any_route() -> impl Strategy<Value = DefaultRoute> {
    let metric = prop::sample::select(vec![0, 100]);
    let gateway = prop::option::of(any_address().prop_map(|address| address.addr()));
    (metric, any_name(), gateway).prop_map(|(metric, interface, gateway)| DefaultRoute {
        metric,
        interface,
        gateway,
    })
}

prop_compose! {
    fn any_state()(
        interfaces in prop::collection::btree_map(
            any_name(),
            (any::<bool>(), prop::collection::btree_set(any_address(), 0..4)),
            0..4,
        ),
        default_routes in prop::collection::btree_set(any_route(), 0..4),
        ipv4 in any::<bool>(),
        ipv6 in any::<Option<bool>>(),
        host_only_uplink in prop::option::of(any_name()),
        clients in any_clients(),
    ) -> NetworkState {
        let interfaces: BTreeMap<_, _> = interfaces
            .into_iter()
            .map(|(name, (up, addresses))| (name, InterfaceState { up, addresses }))
            .collect();
        NetworkState {
            interfaces,
            default_routes,
            forwarding: ForwardingState { ipv4, ipv6, host_only_uplink },
            clients,
        }
    }
}

fn any_clients() -> impl Strategy<Value = BTreeMap<InterfaceName, DhcpSpec>> {
    let avoid = prop::collection::btree_set(any_address().prop_map(|net| net.trunc()), 0..2);
    let spec = avoid.prop_map(|avoid| DhcpSpec { avoid });
    prop::collection::btree_map(any_name(), spec, 0..3)
}

prop_compose! {
    fn any_spec()(
        interfaces in prop::collection::btree_map(
            any_name(),
            (prop::collection::btree_set(any_address(), 0..3), prop::option::of(any_address())),
            0..4,
        ),
        dhcp in any_clients(),
        forwarding in any::<bool>(),
    ) -> NetworkSpec {
        let interfaces = interfaces
            .into_iter()
            .map(|(name, (addresses, gateway))| {
                let gateway = gateway.map(|net| net.addr());
                (name, InterfaceSpec { addresses, gateway })
            })
            .collect();
        NetworkSpec { interfaces, dhcp, forwarding }
    }
}

proptest! {
    #[test]
    fn plan_that_happened_leaves_nothing_to_do(mut state in any_state(), spec in any_spec()) {
        for change in plan(&state, &spec).changes {
            happen(&mut state, &change);
        }
        let rest = plan(&state, &spec);
        prop_assert!(rest.changes.is_empty(), "{:?}", rest.changes);
        for (name, wanted) in &spec.interfaces {
            match state.interfaces.get(name) {
                None => prop_assert!(rest.missing.contains(name)),
                Some(found) => {
                    prop_assert!(found.up);
                    prop_assert_eq!(&found.addresses, &wanted.addresses);
                }
            }
        }
        for (name, wanted) in &spec.dhcp {
            prop_assert!(state.clients.get(name) == Some(wanted) || rest.missing.contains(name));
        }
    }

    #[test]
    fn interface_is_never_without_address_under_way(
        mut state in any_state(),
        spec in any_spec(),
    ) {
        for change in plan(&state, &spec).changes {
            happen(&mut state, &change);
            if let Change::RemoveAddress(name, _) = change {
                let wanted = &spec.interfaces[&name].addresses;
                prop_assert!(state.interfaces[&name].addresses.is_superset(wanted));
            }
        }
    }

    #[test]
    fn interfaces_not_named_are_left_alone(before in any_state(), spec in any_spec()) {
        let mut after = before.clone();
        for change in plan(&before, &spec).changes {
            happen(&mut after, &change);
        }
        for (name, found) in &before.interfaces {
            if spec.dhcp.contains_key(name) && !spec.interfaces.contains_key(name) {
                // Asking takes a wire that is up, and no more.
                prop_assert_eq!(&after.interfaces[name].addresses, &found.addresses);
            } else if !spec.interfaces.contains_key(name) {
                prop_assert_eq!(&after.interfaces[name], found);
            }
        }
        let foreign = |state: &NetworkState| -> Vec<DefaultRoute> {
            let routes = state.default_routes.iter();
            // The wanted default route takes the place of the one with metric 0, whosever it is.
            routes
                .filter(|route| route.metric != 0 && !spec.interfaces.contains_key(&route.interface))
                .cloned()
                .collect()
        };
        prop_assert_eq!(foreign(&after), foreign(&before));
    }
}
