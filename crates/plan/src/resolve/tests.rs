use cell_model::facts::LeaseFacts;
use cell_model::spec::WayOut;

use super::*;
use crate::sample;

#[test]
fn before_setup_only_the_home_side_is_served() {
    let mut sample = sample::Sample::two_armed();
    sample.config = None;
    let spec = resolve(&sample.input());
    assert_eq!(spec.wireguard, None);
    assert_eq!(spec.dns.zone, None);
    assert!(!spec.network.forwarding);
    let listen: Vec<String> = spec.web.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:8443", "192.168.77.1:8443"]);
}

#[test]
fn one_armed_box_lets_only_private_neighbours_in() {
    let mut sample = sample::Sample::two_armed();
    sample.options.lan = None;
    let spec = resolve(&sample.input());
    assert_eq!(spec.firewall.local_sources, BTreeSet::new());
    sample.set_addresses("wan0", &["192.168.1.5/24", "2001:db8::5/64"]);
    let spec = resolve(&sample.input());
    let sources: Vec<String> = spec
        .firewall
        .local_sources
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(sources, ["192.168.1.0/24"]);
}

#[test]
fn box_is_found_by_its_name_and_before_setup_by_that_of_every_box() {
    let mut sample = sample::Sample::two_armed();
    let spec = resolve(&sample.input()).mdns.unwrap();
    assert_eq!(spec.label.as_str(), "hut");
    assert_eq!(spec.interface.as_str(), "lan0");
    assert_eq!(spec.addresses, ["192.168.77.1/24".parse().unwrap()].into());
    assert_eq!(spec.admin_port, Some(8443));
    sample.options.admin = Some("127.0.0.1:9443".parse().unwrap());
    assert_eq!(resolve(&sample.input()).mdns.unwrap().admin_port, None);
    sample.config = None;
    let spec = resolve(&sample.input());
    assert_eq!(spec.mdns.unwrap().label.as_str(), "cell");
    assert!(spec.web.hosts.contains("cell.local"));
    assert!(spec.leaf.names.contains("cell.local"));
}

#[test]
fn admin_page_answers_to_the_name_that_was_free_too() {
    let mut sample = sample::Sample::two_armed();
    sample.facts.found_as = Some("hut-2".parse().unwrap());
    let spec = resolve(&sample.input());
    for name in ["hut.local", "hut-2.local"] {
        assert!(spec.web.hosts.contains(name) && spec.leaf.names.contains(name));
    }
    assert_eq!(spec.mdns.unwrap().label.as_str(), "hut");
    sample.facts.found_as = Some("cell".parse().unwrap());
    assert!(!resolve(&sample.input()).web.hosts.contains("cell.local"));
}

#[test]
fn nobody_finds_the_box_where_nobody_is_served() {
    let mut sample = sample::Sample::two_armed();
    let lan = "lan0".parse().unwrap();
    sample.facts.interfaces.get_mut(&lan).unwrap().carrier = false;
    assert_eq!(resolve(&sample.input()).mdns, None);
    sample.options.lan = None;
    assert_eq!(resolve(&sample.input()).mdns, None);
    sample.set_addresses("wan0", &["192.168.1.5/24", "2001:db8::5/64"]);
    let spec = resolve(&sample.input()).mdns.unwrap();
    assert_eq!(spec.interface.as_str(), "wan0");
    assert_eq!(spec.addresses, ["192.168.1.5/24".parse().unwrap()].into());
}

#[test]
fn expired_peer_is_nowhere() {
    let mut sample = sample::Sample::two_armed();
    sample.add_peer("phone", 2);
    let now = sample.now;
    sample.change_peer("phone", |peer| peer.expires_at = Some(now));
    let spec = resolve(&sample.input());
    assert!(spec.firewall.peers.is_empty());
    assert!(spec.wireguard.unwrap().peers.is_empty());
    assert!(spec.dns.zone.as_ref().unwrap().names.is_empty());
}

#[test]
fn peer_with_an_exit_of_its_own_does_not_leave_by_the_uplink() {
    let mut sample = sample::Sample::two_armed();
    sample.add_peer("phone", 2);
    sample.change_peer("phone", |peer| peer.exit_connection_id = Some(Uuid::nil()));
    let spec = resolve(&sample.input());
    assert!(
        spec.firewall
            .peers
            .values()
            .all(|peer| peer.internet == WayOut::None)
    );
}

#[test]
fn named_admin_address_replaces_the_home_side() {
    let mut sample = sample::Sample::two_armed();
    sample.options.admin = Some("192.168.77.9:9443".parse().unwrap());
    let spec = resolve(&sample.input());
    let listen: Vec<String> = spec.web.listen.iter().map(ToString::to_string).collect();
    assert_eq!(
        listen,
        [
            "10.31.7.1:9443",
            "127.0.0.1:9443",
            "192.168.77.9:9443",
            "[fd12:3456:789a:1::1]:9443"
        ]
    );
    sample.options.admin = Some("0.0.0.0:9443".parse().unwrap());
    let spec = resolve(&sample.input());
    assert!(
        spec.web
            .listen
            .iter()
            .all(|address| !address.ip().is_unspecified())
    );
    assert!(
        spec.web
            .listen
            .contains(&"192.168.77.1:9443".parse().unwrap())
    );
}

#[test]
fn gateway_is_of_the_uplink_only() {
    let mut sample = sample::Sample::two_armed();
    let addressing = AddressingConfig::Static {
        address: "192.168.50.1/24".parse().unwrap(),
        gateway: Some(Ipv4Addr::new(192, 168, 50, 254)),
    };
    let config = sample.config.as_mut().unwrap();
    config.network.lan.addressing = addressing.clone();
    config.network.wan.addressing = addressing;
    let spec = resolve(&sample.input()).network;
    let gateways: Vec<bool> = ["lan0", "wan0"]
        .map(|name| spec.interfaces[&name.parse().unwrap()].gateway.is_some())
        .into();
    assert_eq!(gateways, [false, true]);
}

mod dhcp {
    use super::*;

    fn by_dhcp() -> sample::Sample {
        let mut sample = sample::Sample::two_armed();
        let config = sample.config.as_mut().unwrap();
        config.network.wan.addressing = AddressingConfig::Dhcp;
        sample
    }

    fn know(sample: &mut sample::Sample, facts: DhcpFacts) -> Option<InterfaceSpec> {
        let wan = sample.options.wan.clone();
        sample.facts.dhcp.insert(wan.clone(), facts);
        let spec = resolve(&sample.input()).network;
        assert!(spec.dhcp.contains_key(&wan));
        spec.interfaces.get(&wan).cloned()
    }

    fn lease() -> LeaseFacts {
        LeaseFacts {
            address: "198.51.100.7/24".parse().unwrap(),
            router: Some(Ipv4Addr::new(198, 51, 100, 1)),
            resolvers: Vec::new(),
            server: None,
            until: Duration::from_secs(3_600),
        }
    }

    #[test]
    fn addresses_stay_until_something_is_known() {
        let mut sample = by_dhcp();
        let spec = resolve(&sample.input()).network;
        assert!(spec.interfaces.is_empty() && spec.dhcp.len() == 1);
        let undecided = DhcpFacts {
            undecided: true,
            ..DhcpFacts::default()
        };
        assert_eq!(know(&mut sample, undecided), None);
    }

    #[test]
    fn lease_brings_address_and_router_and_its_loss_takes_both() {
        let mut sample = by_dhcp();
        let facts = DhcpFacts {
            lease: Some(lease()),
            ..DhcpFacts::default()
        };
        let spec = know(&mut sample, facts).unwrap();
        assert_eq!(spec.addresses, BTreeSet::from([lease().address]));
        assert_eq!(spec.gateway, lease().router);
        let spec = know(&mut sample, DhcpFacts::default()).unwrap();
        assert!(spec.addresses.is_empty() && spec.gateway.is_none());
    }

    #[test]
    fn fallback_stands_beside_a_lease_and_is_served_at_home() {
        let mut sample = by_dhcp();
        sample.options.lan = None;
        let fallback: Ipv4Net = "169.254.7.7/16".parse().unwrap();
        let facts = DhcpFacts {
            lease: Some(lease()),
            fallback: Some(fallback),
            ..DhcpFacts::default()
        };
        assert_eq!(know(&mut sample, facts).unwrap().addresses.len(), 2);
        sample.set_addresses("wan0", &["169.254.7.7/16"]);
        let spec = resolve(&sample.input());
        let sources = [fallback.trunc().into()];
        assert_eq!(spec.firewall.local_sources, sources.into());
        assert!(
            spec.web
                .listen
                .contains(&"169.254.7.7:8443".parse().unwrap())
        );
        assert!(spec.dns.listen.contains(&"169.254.7.7:53".parse().unwrap()));
        assert!(spec.dns.allow.contains(&sources[0]));
    }

    #[test]
    fn offers_keep_clear_of_vpn_and_home() {
        let mut sample = by_dhcp();
        sample.set_addresses("lan0", &["192.168.77.1/24", "169.254.9.9/16"]);
        let spec = resolve(&sample.input()).network;
        let avoid = &spec.dhcp[&sample.options.wan].avoid;
        let shown: Vec<String> = avoid.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.31.7.0/24", "192.168.77.0/24"]);
    }

    #[test]
    fn box_never_set_up_asks_where_it_was_started_to() {
        let mut sample = by_dhcp();
        sample.config = None;
        assert!(resolve(&sample.input()).network.dhcp.is_empty());
        sample.options.initial.network.wan.addressing = AddressingConfig::Dhcp;
        let spec = resolve(&sample.input()).network;
        assert!(spec.dhcp.contains_key(&sample.options.wan) && !spec.forwarding);
    }
}
