//! The part against a real kernel, each test in a network namespace of its own, checked with `ip`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cell_model::name::InterfaceName;
use cell_model::spec::{InterfaceSpec, NetworkSpec};
use cell_model::step::NetworkStep;
use cell_network::{DhcpOptions, KernelNetwork, Network, NetworkError, is_applied};
use cell_testkit::Namespace;

/// Long enough for any machine; only a failing test waits it out.
const PATIENCE: Duration = Duration::from_secs(30);

/// No such file: no resolvers.
const NO_RESOLVERS: &str = "/nonexistent/resolv.conf";

/// A box with `wan` and `lan`, their other ends inside too. Promotion of later addresses is off, as in a fresh kernel.
fn cell() -> Namespace {
    let namespace = Namespace::create("network").unwrap();
    namespace
        .ip("link add wan type veth peer name isp\n\
             link add lan type veth peer name home\n\
             link set isp up\n\
             link set home up")
        .unwrap();
    for interface in ["all", "wan", "lan"] {
        let key = format!("net.ipv4.conf.{interface}.promote_secondaries");
        namespace.set_sysctl(&key, "0").unwrap();
    }
    namespace
}

/// For networks where nobody asks for an address.
fn no_clients() -> DhcpOptions {
    DhcpOptions {
        folder: "/nonexistent".into(),
        hook: "/nonexistent".into(),
    }
}

fn show(namespace: &Namespace, words: &str) -> String {
    let mut command = namespace.command("ip");
    let output = command.args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// IPv4 addresses and default routes as `ip` shows them.
fn picture(namespace: &Namespace) -> String {
    show(namespace, "-4 -brief addr show") + &show(namespace, "-4 route show default")
}

fn setting(namespace: &Namespace, key: &str) -> String {
    let path = Path::new("/proc/sys/net").join(key);
    let read = || std::fs::read_to_string(&path).unwrap();
    namespace.run(read).unwrap().trim().to_owned()
}

/// Runs a future on a runtime inside the namespace.
fn inside<F: Future<Output: Send>>(
    namespace: &Namespace,
    work: impl FnOnce(KernelNetwork) -> F + Send,
) -> F::Output {
    let body = || {
        let network = KernelNetwork::new("wan".parse().unwrap(), NO_RESOLVERS, no_clients());
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work(network))
    };
    namespace.run(body).unwrap()
}

fn step(interfaces: &[(&str, &str, Option<&str>)], forwarding: bool) -> NetworkStep {
    let interfaces = interfaces.iter().map(|(name, address, gateway)| {
        let spec = InterfaceSpec {
            addresses: [address.parse().unwrap()].into(),
            gateway: gateway.map(|text| text.parse().unwrap()),
        };
        (name.parse::<InterfaceName>().unwrap(), spec)
    });
    NetworkStep {
        spec: NetworkSpec {
            interfaces: interfaces.collect(),
            dhcp: BTreeMap::new(),
            forwarding,
        },
    }
}

#[test]
fn static_addresses_and_default_route_come_and_hold() {
    let namespace = cell();
    let step = step(
        &[
            ("wan", "198.51.100.2/24", Some("198.51.100.1")),
            ("lan", "192.168.7.1/24", None),
        ],
        true,
    );
    inside(&namespace, async |network| {
        network.apply(&step).await.unwrap();
        assert!(network.verify(&step.spec).await.unwrap().is_empty());
        let facts = network.observe().await.unwrap();
        assert!(is_applied(&facts, &step.spec), "{facts:?}");
        assert_eq!(facts.gateway, Some("198.51.100.1".parse().unwrap()));
        assert!(facts.interfaces[&"lan".parse().unwrap()].carrier);
    });
    let route = show(&namespace, "-4 route show default");
    assert_eq!(
        route.trim(),
        "default via 198.51.100.1 dev wan proto static"
    );
}

#[test]
fn address_changes_within_its_subnet_and_the_route_stays() {
    let namespace = cell();
    for address in ["198.51.100.2/24", "198.51.100.3/24", "198.51.100.3/25"] {
        let step = step(&[("wan", address, Some("198.51.100.1"))], false);
        inside(&namespace, async |network| {
            network.apply(&step).await.unwrap();
            let rest = network.verify(&step.spec).await.unwrap();
            assert!(rest.is_empty(), "{address}: {rest:?}");
        });
        let shown = picture(&namespace);
        assert!(shown.contains(address), "{shown}");
        assert!(
            shown.contains("default via 198.51.100.1 dev wan"),
            "{shown}"
        );
    }
}

#[test]
fn stale_addresses_and_default_routes_of_the_interface_go() {
    let namespace = cell();
    namespace
        .ip("link set wan up\n\
             addr add 10.0.0.5/24 dev wan\n\
             addr add 10.0.0.6/24 dev wan\n\
             addr add 10.1.0.5/16 dev wan\n\
             route add default via 10.0.0.1 dev wan\n\
             route add default via 10.1.0.1 dev wan metric 100")
        .unwrap();
    let step = step(&[("wan", "10.0.0.7/24", Some("10.0.0.2"))], false);
    inside(&namespace, async |network| {
        network.apply(&step).await.unwrap();
        let rest = network.verify(&step.spec).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    });
    let shown = show(&namespace, "-4 route show default");
    assert_eq!(shown.trim(), "default via 10.0.0.2 dev wan proto static");
}

#[test]
fn default_route_without_gateway_gives_way() {
    let namespace = cell();
    namespace
        .ip("link set wan up\nroute add default dev wan")
        .unwrap();
    let step = step(&[("wan", "10.0.0.7/24", Some("10.0.0.2"))], false);
    inside(&namespace, async |network| {
        network.apply(&step).await.unwrap();
        let rest = network.verify(&step.spec).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    });
    let shown = show(&namespace, "-4 route show default");
    assert_eq!(shown.trim(), "default via 10.0.0.2 dev wan proto static");
}

#[test]
fn second_time_changes_nothing() {
    let namespace = cell();
    let step = step(&[("wan", "198.51.100.2/24", Some("198.51.100.1"))], true);
    inside(&namespace, async |network| {
        network.apply(&step).await.unwrap()
    });
    let before = picture(&namespace);
    inside(&namespace, async |network| {
        let mut watch = cell_netlink::Netlink::new().watch().unwrap();
        network.apply(&step).await.unwrap();
        let event = tokio::time::timeout(Duration::ZERO, watch.next()).await;
        assert!(event.is_err(), "{event:?}");
    });
    assert_eq!(picture(&namespace), before);
}

#[test]
fn interfaces_not_named_are_left_alone() {
    let namespace = cell();
    namespace
        .ip("link set wan up\n\
             addr add 198.51.100.9/24 dev wan\n\
             route add default via 198.51.100.1 dev wan\n\
             addr add fd00:7::9/64 dev lan")
        .unwrap();
    let wan = show(&namespace, "-brief addr show dev wan");
    let step = step(&[("lan", "192.168.7.1/24", None)], false);
    inside(&namespace, async |network| {
        network.apply(&step).await.unwrap()
    });
    assert_eq!(show(&namespace, "-brief addr show dev wan"), wan);
    let route = show(&namespace, "-4 route show default");
    assert_eq!(route.trim(), "default via 198.51.100.1 dev wan");
    let lan = show(&namespace, "-brief addr show dev lan");
    assert!(lan.contains("192.168.7.1/24") && lan.contains("fd00:7::9/64"));
}

#[test]
fn missing_interface_is_named_after_the_others_are_done() {
    let namespace = cell();
    let step = step(
        &[
            ("absent", "10.0.0.1/24", None),
            ("lan", "192.168.7.1/24", None),
        ],
        true,
    );
    let error = inside(&namespace, async |network| network.apply(&step).await).unwrap_err();
    assert!(matches!(error, NetworkError::Missing(names) if names.len() == 1));
    assert!(picture(&namespace).contains("192.168.7.1/24"));
    assert_eq!(setting(&namespace, "ipv4/ip_forward"), "1");
}

#[test]
fn failure_on_one_interface_keeps_its_old_address_and_spares_the_others() {
    let namespace = cell();
    namespace
        .ip("link set lan up\naddr add 192.168.7.9/24 dev lan")
        .unwrap();
    // A gateway nobody on the wire can be: the kernel refuses the route, so the old address has to stay.
    let step = step(
        &[
            ("lan", "192.168.7.1/24", Some("203.0.113.1")),
            ("wan", "198.51.100.2/24", None),
        ],
        false,
    );
    let error = inside(&namespace, async |network| network.apply(&step).await).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot set the default route to 203.0.113.1 on lan"
    );
    let shown = picture(&namespace);
    assert!(shown.contains("192.168.7.9/24") && shown.contains("198.51.100.2/24"));
}

#[test]
fn forwarding_is_turned_on_and_off_and_the_uplink_goes_on_listening() {
    let namespace = cell();
    namespace
        .set_sysctl("net.ipv6.conf.wan.accept_ra", "1")
        .unwrap();
    for on in [true, false] {
        let step = step(&[], on);
        inside(&namespace, async |network| {
            network.apply(&step).await.unwrap()
        });
        let wanted = if on { "1" } else { "0" };
        for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            assert_eq!(setting(&namespace, key), wanted, "{key}");
        }
        assert_eq!(setting(&namespace, "ipv6/conf/wan/accept_ra"), "2");
    }
}

#[test]
fn advertisements_turned_off_stay_off() {
    let namespace = cell();
    namespace
        .set_sysctl("net.ipv6.conf.wan.accept_ra", "0")
        .unwrap();
    let step = step(&[], true);
    inside(&namespace, async |network| {
        network.apply(&step).await.unwrap()
    });
    assert_eq!(setting(&namespace, "ipv6/conf/wan/accept_ra"), "0");
}

#[test]
fn facts_have_resolvers_but_not_the_box_itself() {
    let namespace = cell();
    namespace.ip("addr add 192.168.7.1/24 dev lan").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "nameserver 192.168.7.1\nnameserver 127.0.0.53\nnameserver 9.9.9.9\n";
    std::fs::write(file.path(), text).unwrap();
    let facts = inside(&namespace, async |_| {
        let network = KernelNetwork::new("wan".parse().unwrap(), file.path(), no_clients());
        network.observe().await.unwrap()
    });
    assert_eq!(facts.resolvers, [([9, 9, 9, 9], 53).into()]);
    assert_eq!(facts.gateway, None);
}

#[test]
fn watch_tells_of_addresses_and_of_the_list_of_resolvers() {
    let namespace = cell();
    let file = tempfile::NamedTempFile::new().unwrap();
    inside(&namespace, async |_| {
        let network = KernelNetwork::new("wan".parse().unwrap(), file.path(), no_clients());
        let mut changes = network.watch().unwrap();
        namespace.ip("addr add 192.168.7.1/24 dev lan").unwrap();
        let told = tokio::time::timeout(PATIENCE, changes.recv()).await;
        assert_eq!(told.unwrap(), Some(()));
        std::fs::write(file.path(), "nameserver 9.9.9.9\n").unwrap();
        // Late news of the address may come first; the list is compared from time to time.
        let heard = async {
            while network.observe().await.unwrap().resolvers.is_empty() {
                changes.recv().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap();
    });
}
