//! Shows 1 of updates: versions that never get well are left by themselves, and what was kept is there. They are put
//! into the slot while the box is off; the way there is that of `update`.
//!
//! The test boots many times: `cargo xtask test --long vm_long`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use cell_tests::expect_status;
use cell_tests::update::peers;
use cell_tests::version::Version;
use cell_tests::vm::{Appliance, BOOTS};

/// A way not to get well.
struct Kind {
    name: &'static str,
    /// Seconds in which it would have to prove itself: enough for what it says, fewer than the 600 that versions have.
    deadline_s: u32,
    /// What it says on the serial port meanwhile.
    says: &'static str,
    spoil: fn(&Path) -> io::Result<()>,
}

/// Those that hang before anything is up, stop the machine, hang, end; and one that lacks a single part.
const KINDS: [Kind; 5] = [
    Kind {
        name: "answers no names",
        deadline_s: 300,
        says: "dns is not well",
        spoil: |root| daemon(root, STOPS_NAME_SERVER),
    },
    Kind {
        name: "hangs in the first script",
        deadline_s: 60,
        says: "the trial failed",
        spoil: |root| {
            let begun = "/usr/libexec/cell/trial &\n";
            replace(
                root,
                "usr/libexec/cell/boot",
                begun,
                &format!("{begun}sleep 100000\n"),
            )
        },
    },
    Kind {
        name: "panics",
        deadline_s: 300,
        says: "Kernel panic - not syncing: Attempted to kill init!",
        spoil: |root| put_script(root, "usr/sbin/init", "exit 3"),
    },
    Kind {
        name: "has a daemon that hangs",
        deadline_s: 60,
        says: "the trial failed",
        spoil: |root| daemon(root, "exec sleep 100000"),
    },
    Kind {
        name: "has a daemon that ends",
        deadline_s: 200,
        says: "celld ended with status 134",
        spoil: |root| daemon(root, "exit 134"),
    },
];

/// The process that answers names is there, and is stopped time and again.
const STOPS_NAME_SERVER: &str = r#"
while sleep 3; do
    for entry in /proc/[0-9]*; do
        case $(tr '\0' ' ' <"$entry/cmdline") in *' role dns '*) kill -STOP "${entry##*/}" ;; esac
    done
done 2>/dev/null &"#;

#[test]
#[ignore = "boots thirteen times; run by `cargo xtask test --long vm_long`"]
fn vm_long_versions_that_hang_end_or_answer_no_names_are_left_by_themselves() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    appliance.add_peer("phone");
    for (kind, steps) in KINDS.into_iter().zip(1..) {
        appliance.machine.cut_power().unwrap();
        let version = Version::after(steps, |root| {
            let limit = format!("-lt {}", kind.deadline_s);
            replace(root, "usr/libexec/cell/trial", "-lt 600", &limit)?;
            (kind.spoil)(root)
        });
        appliance.put_on_trial(&version);
        let begun = Instant::now();
        appliance.power_on();
        let serial = appliance.machine.serial();
        for text in [
            "Booting slot b (trial)",
            kind.says,
            "system a is up, mode normal",
        ] {
            serial.wait(text, BOOTS).unwrap();
        }
        println!(
            "a version that {} was left after {:.0?}",
            kind.name,
            begun.elapsed()
        );
        appliance.wait_healthy();
        let firmware = appliance.get("/api/firmware");
        assert_eq!(firmware["slots"]["running"], "a", "{firmware}");
        assert_eq!(firmware["last_trial"]["passed"], false, "{firmware}");
        // What stopped before the partition was there could keep nothing.
        if steps == 1 {
            let log = appliance.owner.get("/api/firmware/trial-log").unwrap();
            expect_status(&log, 200);
            assert!(log.text().contains(kind.says), "{}", log.text());
        }
        assert_eq!(peers(&appliance), ["phone"]);
    }
}

fn replace(root: &Path, file: &str, from: &str, to: &str) -> io::Result<()> {
    let path = root.join(file);
    let text = fs::read_to_string(&path)?;
    let replaced = text.replace(from, to);
    assert_ne!(replaced, text, "{file}");
    fs::write(&path, replaced)
}

/// A daemon that does this instead; what init asks of the program is answered as ever.
fn daemon(root: &Path, instead: &str) -> io::Result<()> {
    let (path, kept) = (root.join("usr/bin/celld"), root.join("usr/bin/celld-kept"));
    fs::rename(path, kept)?;
    let script = format!("case $1 in --state-dir) {instead} ;; esac\nexec celld-kept \"$@\"");
    put_script(root, "usr/bin/celld", &script)
}

fn put_script(root: &Path, file: &str, script: &str) -> io::Result<()> {
    let path = root.join(file);
    // It may be a link to something else.
    let _ = fs::remove_file(&path);
    fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
}
