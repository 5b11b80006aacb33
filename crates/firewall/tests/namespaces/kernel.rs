//! What the kernel holds after a step, read back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::lab::{Lab, device, plain, spec};
use cell_firewall::{Firewall, FirewallError, FirewallStatus, closed_boot_spec};
use cell_model::config::{ExitSlot, ServiceToggle};
use cell_model::spec::{FirewallSpec, PeerAccess, Phase, ServiceAddress, WayOut};
use cell_model::step::FirewallStep;

type Peers = BTreeMap<Ipv4Addr, PeerAccess>;

fn replace(spec: &FirewallSpec) -> FirewallStep {
    FirewallStep::Replace(Arc::new(spec.clone()))
}

/// One of three ways.
fn way(number: u8) -> ExitSlot {
    ExitSlot::all().nth(usize::from(number) % 3).unwrap()
}

/// Devices with every mix of rights.
fn mixed(numbers: impl IntoIterator<Item = u8>) -> Peers {
    numbers
        .into_iter()
        .map(|number| {
            let mut access = plain(number);
            access.internet = match number % 4 {
                0 => WayOut::None,
                2 => WayOut::Exit(way(number)),
                _ => WayOut::Uplink,
            };
            access.peer_to_peer = number & 2 != 0;
            let toggles = ServiceToggle::ALL.into_iter().enumerate();
            access.services = toggles
                .filter(|(bit, _)| number & (4 << bit) != 0)
                .map(|(_, toggle)| toggle)
                .collect();
            (device(number), access)
        })
        .collect()
}

#[tokio::test]
async fn absent_then_loaded_then_another_generation() {
    let lab = Lab::bare();
    let nft = lab.nft();
    assert_eq!(nft.observe().await.unwrap(), FirewallStatus::Absent);

    let boot = closed_boot_spec("wan0".parse().unwrap(), None);
    nft.apply(&replace(&boot)).await.unwrap();
    assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&boot));

    let mut open = spec(Phase::Open);
    open.peers = mixed(2..70);
    open.services = ServiceToggle::ALL
        .into_iter()
        .flat_map(|toggle| {
            ["172.20.0.2", "fd20::2"].map(|address| ServiceAddress {
                toggle,
                address: address.parse().unwrap(),
                port: 443,
            })
        })
        .collect();
    nft.apply(&replace(&open)).await.unwrap();
    nft.verify(&replace(&open)).await.unwrap();
    assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&open));
    let stale = nft.verify(&replace(&boot)).await;
    assert!(
        matches!(stale, Err(FirewallError::NotInEffect(_))),
        "{stale:?}"
    );
}

#[tokio::test]
async fn table_of_another_make_is_replaced_too() {
    let lab = Lab::bare();
    let nft = lab.nft();
    lab.run("cell", "nft add table inet cell");
    lab.run("cell", "nft add set inet cell peers4 { type ether_addr; }");
    let spec = spec(Phase::Open);
    nft.apply(&replace(&spec)).await.unwrap();
    assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&spec));
}

#[tokio::test]
async fn patched_sets_read_as_replaced_ones() {
    let lab = Lab::bare();
    let nft = lab.nft();
    let mut now = spec(Phase::Open);
    now.peers = mixed(2..40);
    nft.apply(&replace(&now)).await.unwrap();

    let mut swapped = mixed([5, 8]);
    swapped.insert(device(6), plain(7));
    swapped.insert(device(7), plain(6));
    let patches = [
        (mixed([2, 3]), mixed([])),
        (mixed([]), mixed([2, 200])),
        (mixed([4]), [(device(4), plain(104))].into()),
        (mixed([5, 6, 7, 8]), swapped),
    ];
    for (remove, add) in patches {
        now.peers.retain(|address, _| !remove.contains_key(address));
        now.peers.extend(add.clone());
        let step = FirewallStep::PatchPeers { remove, add };
        for _ in 0..2 {
            nft.apply(&step).await.unwrap();
            nft.verify(&step).await.unwrap();
            assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&now));
        }
    }
}

#[tokio::test]
async fn patch_not_in_effect_is_told_and_looking_changes_nothing() {
    let lab = Lab::bare();
    let nft = lab.nft();
    let mut now = spec(Phase::Open);
    now.peers = mixed(2..10);
    nft.apply(&replace(&now)).await.unwrap();
    let wanted = [
        FirewallStep::PatchPeers {
            remove: mixed([3]),
            add: mixed([]),
        },
        FirewallStep::PatchPeers {
            remove: mixed([]),
            add: mixed([4, 77]),
        },
    ];
    for step in wanted {
        let answer = nft.verify(&step).await;
        assert!(
            matches!(answer, Err(FirewallError::NotInEffect(_))),
            "{answer:?}"
        );
        assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&now));
    }
    let present = FirewallStep::PatchPeers {
        remove: mixed([]),
        add: mixed(2..10),
    };
    nft.verify(&present).await.unwrap();
    assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&now));
}

#[tokio::test]
async fn patch_without_a_table_is_refused_with_the_reason() {
    let lab = Lab::bare();
    let step = FirewallStep::PatchPeers {
        remove: mixed([]),
        add: mixed([2]),
    };
    match lab.nft().apply(&step).await {
        Err(FirewallError::Refused(reason)) => {
            assert!(reason.contains("No such file or directory"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn refused_patch_changes_nothing() {
    let lab = Lab::bare();
    let nft = lab.nft();
    let mut now = spec(Phase::Open);
    now.peers = mixed(2..10);
    nft.apply(&replace(&now)).await.unwrap();
    lab.run("cell", "nft delete set inet cell webdav6");
    let before = lab.run("cell", "nft list table inet cell");
    let mut add = mixed([]);
    add.insert(device(99), {
        let mut access = plain(99);
        access.services = ServiceToggle::ALL.into();
        access
    });
    let step = FirewallStep::PatchPeers {
        remove: mixed([2]),
        add,
    };
    assert!(nft.apply(&step).await.is_err());
    assert_eq!(lab.run("cell", "nft list table inet cell"), before);
}

#[tokio::test]
async fn meddling_is_noticed_and_mended_by_a_replacement() {
    let lab = Lab::bare();
    let nft = lab.nft();
    let mut open = spec(Phase::Open);
    open.peers = mixed(2..10);
    let step = replace(&open);
    nft.apply(&step).await.unwrap();
    for meddling in [
        "nft flush chain inet cell antispoof",
        "nft add rule inet cell input accept",
        "nft add element inet cell internet4 {10.77.0.2}",
        "nft delete element inet cell peers6 {fd77::3}",
        "nft delete element inet cell ways4 {10.77.0.2 . 0x1020}",
        "nft add element inet cell ways6 {fd77::2 . 0x1000}",
        "nft add element inet cell ways4 {10.77.0.2 . 0x1}",
    ] {
        lab.run("cell", meddling);
        match nft.observe().await.unwrap() {
            FirewallStatus::Loaded(rules) => assert!(!rules.intact, "{meddling}"),
            FirewallStatus::Absent => panic!("{meddling}"),
        }
        nft.apply(&step).await.unwrap();
        assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&open));
    }
    lab.run("cell", "nft flush chain inet cell input");
    assert!(nft.verify(&step).await.is_err());
}

#[tokio::test]
async fn tables_of_others_are_left_alone() {
    let lab = Lab::bare();
    let nft = lab.nft();
    for line in [
        "nft add table inet netavark",
        "nft add chain inet netavark pods",
        "nft add rule inet netavark pods tcp dport 80 accept",
        "nft add table ip cell",
        "nft add chain ip cell theirs",
    ] {
        lab.run("cell", line);
    }
    let theirs = || {
        let list = |table| lab.run("cell", &format!("nft list table {table}"));
        [list("inet netavark"), list("ip cell")]
    };
    let before = theirs();
    assert_eq!(nft.observe().await.unwrap(), FirewallStatus::Absent);
    let mut open = spec(Phase::Open);
    nft.apply(&replace(&open)).await.unwrap();
    open.phase = Phase::Closed;
    nft.apply(&replace(&open)).await.unwrap();
    assert_eq!(theirs(), before);
}

#[tokio::test]
async fn overlapping_and_link_local_home_networks_load() {
    let lab = Lab::bare();
    let mut open = spec(Phase::Open);
    open.local_sources = [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "192.168.7.7/32",
        "169.254.0.0/16",
        "fe80::/10",
    ]
    .map(|net| net.parse().unwrap())
    .into();
    lab.nft().apply(&replace(&open)).await.unwrap();
    open.lan = None;
    lab.nft().apply(&replace(&open)).await.unwrap();
}

#[tokio::test]
async fn ten_thousand_devices_are_replaced_patched_and_read() {
    let lab = Lab::bare();
    let nft = lab.nft();
    let mut open = spec(Phase::Open);
    open.vpn.as_mut().unwrap().subnet = "10.76.0.0/15".parse().unwrap();
    open.peers = (0..10_000u32)
        .map(|number| {
            let mut access = plain(0);
            access.address6 = format!("fd77::1:{number:x}").parse().unwrap();
            access.internet = WayOut::Uplink;
            access.services.insert(ServiceToggle::Files);
            (Ipv4Addr::from_bits(0x0a4c_0100 + number), access)
        })
        .collect();
    nft.apply(&replace(&open)).await.unwrap();
    nft.verify(&replace(&open)).await.unwrap();
    let (address, access) = open.peers.pop_first().unwrap();
    let step = FirewallStep::PatchPeers {
        remove: [(address, access)].into(),
        add: Peers::new(),
    };
    nft.apply(&step).await.unwrap();
    nft.verify(&step).await.unwrap();
    assert_eq!(nft.observe().await.unwrap(), FirewallStatus::of(&open));
}
