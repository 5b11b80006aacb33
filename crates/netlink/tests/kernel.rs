//! The calls against a real kernel, each test in a network namespace of its own, checked with `ip`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cell_model::name::InterfaceName;
use cell_netlink::{MAIN_TABLE, Netlink, NetlinkError, Route, Scope};
use cell_testkit::{Namespace, wait_for};
use ipnet::IpNet;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Long enough for any machine; only a failing test waits it out.
const PATIENCE: Duration = Duration::from_secs(30);

fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn bare() -> Namespace {
    Namespace::create("netlink").unwrap()
}

/// A namespace with the two ends of a wire, `left` and `right`, up.
fn wired() -> Namespace {
    let namespace = bare();
    ip(&namespace, "link add left type veth peer name right");
    ip(&namespace, "link set left up");
    ip(&namespace, "link set right up");
    namespace
}

fn ip(namespace: &Namespace, line: &str) {
    namespace.ip(line).unwrap();
}

/// What `ip` prints.
fn show(namespace: &Namespace, words: &str) -> String {
    let mut command = namespace.command("ip");
    let output = command.args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a future on a runtime inside the namespace.
fn inside<F: Future<Output: Send>>(
    namespace: &Namespace,
    work: impl FnOnce(Netlink) -> F + Send,
) -> F::Output {
    let body = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work(Netlink::new()))
    };
    namespace.run(body).unwrap()
}

fn route(destination: &str, gateway: Option<&str>, metric: u32) -> Route {
    Route {
        destination: net(destination),
        gateway: gateway.map(|text| text.parse().unwrap()),
        interface: name("left"),
        metric,
        table: MAIN_TABLE,
    }
}

#[test]
fn links_show_state_kind_and_mtu() {
    let namespace = wired();
    ip(&namespace, "link add bridge0 type bridge");
    ip(&namespace, "link set bridge0 mtu 1400");
    let links = inside(&namespace, async |netlink| netlink.links().await.unwrap());
    let find = |wanted: &str| links.iter().find(|link| link.name.as_str() == wanted);
    let left = find("left").unwrap();
    assert!(left.up && left.carrier);
    assert_eq!(left.kind.as_deref(), Some("veth"));
    let bridge = find("bridge0").unwrap();
    assert!(!bridge.up && !bridge.carrier);
    assert_eq!(bridge.mtu, 1400);
    let loopback = find("lo").unwrap();
    assert_eq!(loopback.kind, None);
    assert_eq!(loopback.index, 1);
}

#[test]
fn link_is_made_once_changed_and_removed_twice() {
    let namespace = bare();
    inside(&namespace, async |netlink| {
        let bridge = name("bridge0");
        netlink.add_link(&bridge, "bridge").await.unwrap();
        netlink.add_link(&bridge, "bridge").await.unwrap();
        netlink.set_up(&bridge).await.unwrap();
        netlink.set_mtu(&bridge, 1280).await.unwrap();
        let link = netlink.link(&bridge).await.unwrap();
        assert!(link.up);
        assert_eq!(link.mtu, 1280);
        netlink.remove_link(&bridge).await.unwrap();
        netlink.remove_link(&bridge).await.unwrap();
        let gone = netlink.link(&bridge).await;
        assert!(matches!(gone, Err(NetlinkError::NoInterface(name)) if name == bridge));
    });
}

#[test]
fn link_of_another_kind_is_not_taken_for_the_wanted_one() {
    let namespace = wired();
    let error = inside(&namespace, async |netlink| {
        netlink.add_link(&name("left"), "bridge").await
    });
    assert!(matches!(
        error,
        Err(NetlinkError::OtherKind { found: Some(kind), .. }) if kind == "veth"
    ));
}

#[test]
fn kind_the_kernel_does_not_know_is_told_apart() {
    let namespace = bare();
    let error = inside(&namespace, async |netlink| {
        netlink.add_link(&name("x0"), "no-such-kind").await
    })
    .unwrap_err();
    assert!(error.is_unsupported(), "{error:?}");
}

#[test]
fn refusal_carries_errno_and_the_kernels_words() {
    let namespace = wired();
    let error = inside(&namespace, async |netlink| {
        netlink.set_mtu(&name("left"), 1).await
    })
    .unwrap_err();
    assert_eq!(error.errno(), Some(rustix::io::Errno::INVAL));
    assert_eq!(
        error.to_string(),
        "the kernel refused to set the MTU of left to 1 (mtu less than device minimum)"
    );
}

#[test]
fn addresses_are_added_and_removed_and_doing_it_twice_is_fine() {
    let namespace = wired();
    for text in ["192.168.7.1/24", "fd00:7::1/64"] {
        inside(&namespace, async |netlink| {
            netlink.add_address(&name("left"), net(text)).await.unwrap();
            netlink.add_address(&name("left"), net(text)).await.unwrap();
        });
        let shown = show(&namespace, "addr show dev left");
        let line = shown.lines().find(|line| line.contains(text));
        assert!(!line.unwrap().contains("tentative"), "{shown}");
        inside(&namespace, async |netlink| {
            let left = name("left");
            netlink.remove_address(&left, net(text)).await.unwrap();
            netlink.remove_address(&left, net(text)).await.unwrap();
        });
        let shown = show(&namespace, "addr show dev left");
        assert!(!shown.contains(text), "{shown}");
    }
}

#[test]
fn removal_minds_the_prefix_length() {
    let namespace = wired();
    ip(&namespace, "addr add 10.9.0.1/24 dev left");
    ip(&namespace, "addr add 10.9.0.1/16 dev left");
    inside(&namespace, async |netlink| {
        netlink
            .remove_address(&name("left"), net("10.9.0.1/16"))
            .await
            .unwrap();
    });
    let shown = show(&namespace, "addr show dev left");
    assert!(shown.contains("10.9.0.1/24") && !shown.contains("10.9.0.1/16"));
}

#[test]
fn listed_addresses_have_interface_and_scope() {
    let namespace = wired();
    ip(&namespace, "link set lo up");
    ip(&namespace, "addr add 192.168.7.1/24 dev left");
    // An IPv6 address is listed once the kernel knows that nobody else has it.
    let addresses = wait_for(PATIENCE, || {
        let listed = inside(&namespace, async |netlink| {
            netlink.addresses().await.unwrap()
        });
        let is_settled = listed.iter().any(|found| found.scope == Scope::Link);
        is_settled.then_some(listed)
    })
    .expect("the wire has a link-local address");
    let scope = |text: &str| {
        let found = addresses.iter().find(|found| found.address == net(text))?;
        Some((found.interface.as_str(), found.scope))
    };
    assert_eq!(scope("192.168.7.1/24"), Some(("left", Scope::Global)));
    assert_eq!(scope("127.0.0.1/8"), Some(("lo", Scope::Host)));
}

#[test]
fn what_an_absent_interface_has_is_already_removed() {
    let namespace = bare();
    inside(&namespace, async |netlink| {
        let absent = name("left");
        let address = net("10.0.0.1/24");
        netlink.remove_address(&absent, address).await.unwrap();
        netlink
            .remove_route(&route("10.1.0.0/16", None, 0))
            .await
            .unwrap();
        let added = netlink.add_address(&absent, address).await;
        assert!(matches!(added, Err(NetlinkError::NoInterface(name)) if name == absent));
    });
}

#[test]
fn routes_are_added_listed_and_removed() {
    let namespace = wired();
    ip(&namespace, "addr add 192.168.7.1/24 dev left");
    let wanted = [
        route("10.1.0.0/16", Some("192.168.7.2"), 0),
        route("10.2.0.0/16", None, 700),
        route("fd00:1::/64", None, 256),
    ];
    inside(&namespace, async |netlink| {
        for route in &wanted {
            netlink.add_route(route).await.unwrap();
            netlink.add_route(route).await.unwrap();
        }
        let routes = netlink.routes().await.unwrap();
        for route in &wanted {
            assert!(routes.contains(route), "{route:?} in {routes:?}");
            netlink.remove_route(route).await.unwrap();
            netlink.remove_route(route).await.unwrap();
        }
        let routes = netlink.routes().await.unwrap();
        assert!(wanted.iter().all(|route| !routes.contains(route)));
    });
}

#[test]
fn own_routes_are_told_from_those_of_others() {
    let namespace = wired();
    ip(&namespace, "addr add 192.168.7.1/24 dev left");
    let networks = ["10.1.0.0/16", "fd00:1::/64"].map(net);
    let others = ["10.2.0.0/16", "fd00:2::/64"].map(net);
    for network in others {
        ip(&namespace, &format!("route add {network} dev left"));
    }
    inside(&namespace, async |netlink| {
        let route = |network| Route::on_wire(name("left"), network);
        for network in networks {
            netlink.add_own_route(&route(network)).await.unwrap();
        }
        let own = netlink.own_routes(&name("left")).await.unwrap();
        let found: Vec<IpNet> = own.iter().map(|route| route.destination).collect();
        assert_eq!(found, networks);
        assert_eq!(netlink.own_routes(&name("right")).await.unwrap(), []);
        for route in own.iter().chain(&others.map(route)) {
            netlink.remove_own_route(route).await.unwrap();
        }
        assert_eq!(netlink.own_routes(&name("left")).await.unwrap(), []);
        let left = netlink.routes().await.unwrap();
        for other in others {
            assert!(left.iter().any(|route| route.destination == other));
        }
    });
}

#[test]
fn route_somebody_else_added_is_removed() {
    let namespace = wired();
    ip(&namespace, "addr add 192.168.7.1/24 dev left");
    ip(
        &namespace,
        "route add default via 192.168.7.2 dev left metric 100 proto dhcp",
    );
    inside(&namespace, async |netlink| {
        let route = route("0.0.0.0/0", Some("192.168.7.2"), 100);
        netlink.remove_route(&route).await.unwrap();
    });
    assert_eq!(show(&namespace, "route show default"), "");
}

/// In such a namespace the main table does not exist yet, which a filtered listing is told as an error.
#[test]
fn namespace_where_nothing_was_ever_up_has_no_routes() {
    let name = format!("cell-{}-0-fresh", std::process::id());
    let netns = |verb| {
        let status = Command::new("ip").args(["netns", verb, &name]).status();
        assert!(status.unwrap().success(), "ip netns {verb} (are you root?)");
    };
    netns("add");
    let file = File::open(Path::new("/run/netns").join(&name));
    // The open file keeps the namespace.
    netns("del");
    let file = file.unwrap();
    let body = move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(Netlink::new().routes())
    };
    let routes = std::thread::spawn(body).join().unwrap();
    assert_eq!(routes.unwrap(), []);
}

#[test]
fn default_route_is_replaced_and_not_doubled() {
    let namespace = wired();
    ip(&namespace, "addr add 192.168.7.1/24 dev left");
    inside(&namespace, async |netlink| {
        for gateway in ["192.168.7.2", "192.168.7.3", "192.168.7.3"] {
            let route = Route::default_v4(name("left"), gateway.parse().unwrap());
            netlink.replace_route(&route).await.unwrap();
        }
    });
    let shown = show(&namespace, "route show default");
    assert_eq!(
        shown.trim(),
        "default via 192.168.7.3 dev left proto static"
    );
}

#[test]
fn route_in_a_numbered_table_stays_out_of_the_main_one() {
    let namespace = wired();
    let mut other = route("10.3.0.0/16", None, 0);
    other.table = 1000;
    let routes = inside(&namespace, async |netlink| {
        netlink.add_route(&other).await.unwrap();
        netlink.routes().await.unwrap()
    });
    assert!(
        !routes
            .iter()
            .any(|route| route.destination == other.destination)
    );
    assert!(show(&namespace, "route show table 1000").contains("10.3.0.0/16"));
}

#[test]
fn watch_tells_of_links_addresses_and_routes() {
    let namespace = bare();
    inside(&namespace, async |netlink| {
        let mut watch = netlink.watch().unwrap();
        for (command, what) in [
            ("link add left type veth peer name right", "link"),
            ("addr add 10.0.0.1/24 dev left", "address"),
            ("addr add fd00::1/64 dev right nodad", "address"),
            ("link set left up", "link"),
            ("route add 10.1.0.0/16 dev left", "route"),
            ("route add fd01::/64 dev left", "route"),
        ] {
            ip(&namespace, command);
            let seen = async {
                loop {
                    let change = watch.next().await.unwrap();
                    assert!(!change.lost);
                    match what {
                        "link" if change.links => break,
                        "address" if change.addresses => break,
                        "route" if change.routes => break,
                        _ => {}
                    }
                }
            };
            let waited = tokio::time::timeout(PATIENCE, seen).await;
            assert!(waited.is_ok(), "no event after ip {command}");
        }
    });
}

#[test]
fn watch_goes_on_after_an_overrun() {
    let namespace = wired();
    inside(&namespace, async |netlink| {
        let mut watch = netlink.watch().unwrap();
        let left = name("left");
        // More than any default socket buffer holds.
        for _ in 0..1000 {
            let address = net("10.0.0.1/24");
            netlink.add_address(&left, address).await.unwrap();
            netlink.remove_address(&left, address).await.unwrap();
        }
        let lost = async { while !watch.next().await.unwrap().lost {} };
        tokio::time::timeout(PATIENCE, lost).await.unwrap();
        // What had been queued before the overrun.
        while tokio::time::timeout(Duration::ZERO, watch.next())
            .await
            .is_ok()
        {}
        netlink.set_mtu(&left, 1300).await.unwrap();
        let linked = async { while !watch.next().await.unwrap().links {} };
        tokio::time::timeout(PATIENCE, linked).await.unwrap();
    });
}

#[test]
fn cancelled_call_does_not_disturb_the_next() {
    let namespace = wired();
    inside(&namespace, async |netlink| {
        for _ in 0..50 {
            let _ = tokio::time::timeout(Duration::ZERO, netlink.routes()).await;
            assert_eq!(
                netlink.link(&name("left")).await.unwrap().name,
                name("left")
            );
        }
    });
}
