//! `firmware`: what is shown, handed in and asked for.

use cell_control::action::{Action, BundleSource, FirmwareFetch, IncomingBundle};
use cell_control::fake::Call;
use cell_control::query::{Firmware, Query};

use crate::daemon::Daemon;

#[test]
fn version_and_what_becomes_of_the_next_are_shown() {
    let text = Daemon::ready().succeed("firmware show");
    for line in [
        "version:        1.0.0",
        "falls back to:  b",
        "available:      1.2.0",
        "state:          ready",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn bundle_is_handed_in_from_a_file_and_from_standard_input() {
    let daemon = Daemon::ready();
    let path = daemon.file("next.bundle", "not really one");
    daemon.succeed(&format!(
        "firmware install --allow-older {}",
        path.display()
    ));
    let ran = daemon.run_with("firmware install -", "nor is this");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let calls = daemon.control.take_calls();
    let received: Vec<_> = calls
        .into_iter()
        .filter_map(|(_, call)| match call {
            Call::Receive(bundle, bytes) => Some((bundle, bytes)),
            _ => None,
        })
        .collect();
    let older = IncomingBundle {
        allow_older: true,
        allow_expired: false,
    };
    let plain = IncomingBundle::default();
    let expected = [
        (older, b"not really one".to_vec()),
        (plain, b"nor is this".to_vec()),
    ];
    assert_eq!(received, expected);
}

#[test]
fn file_that_is_not_there_is_named_and_nothing_asked() {
    let daemon = Daemon::ready();
    let ran = daemon.run("firmware install /nowhere/next.bundle");
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stderr.contains("/nowhere/next.bundle cannot be read"),
        "{ran:?}"
    );
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn each_word_is_its_act() {
    for (words, action) in [
        ("check", Action::CheckFirmware),
        ("drop", Action::DropFirmware),
        ("other", Action::TryOtherSlot),
        ("restart", Action::Restart),
        (
            "fetch --from stick --no-wait",
            Action::FetchFirmware(FirmwareFetch {
                from: BundleSource::Stick,
                allow_older: false,
                allow_expired: false,
            }),
        ),
    ] {
        let daemon = Daemon::ready();
        daemon.succeed(&format!("firmware {words}"));
        let calls = daemon.control.take_calls();
        let asked = format!("{:?}", Call::Act(action));
        assert_eq!(format!("{:?}", calls[0].1), asked);
        for (_, call) in &calls[1..] {
            assert!(matches!(call, Call::Snapshot(Query::Firmware(Firmware))));
        }
    }
}
