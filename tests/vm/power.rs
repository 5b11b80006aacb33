//! Shows 3: the power fails at random moments, 40 times, while the box starts for the first time, is set up, and is
//! changed. It always comes up, and what it acknowledged is there.
//!
//! Each test boots dozens of times: `cargo xtask test --long vm_power`.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use cell_tests::vm::Appliance;
use cell_tests::{expect_status, observe, random_below};
use serde_json::{Value, json};

/// Cuts of a first start, and of a setup.
const CUTS: usize = 8;
/// A stream of changes is cut after at most so long. It flows until then, so that every cut falls into it.
const LONGEST_STREAM: Duration = Duration::from_secs(8);
/// Devices there are at most.
const MOST_PEERS: usize = 40;

#[test]
#[ignore = "boots seventeen times; run by `cargo xtask test --long vm_power`"]
fn vm_power_fails_during_eight_first_starts_and_the_box_comes_up() {
    let undisturbed = first_start();
    let mut inside = 0;
    for cut in 1..=CUTS {
        let mut appliance = Appliance::start();
        let after = random_below(undisturbed);
        observe(after);
        appliance.machine.cut_power().unwrap();
        inside += usize::from(!appliance.has_shown_code());
        appliance.power_on();
        appliance.set_up();
        appliance.add_peer("phone");
        let status = appliance.get("/api/status");
        assert_eq!(status["revision"], status["applied_revision"]);
        println!("first start, cut {cut} after {after:?}: well");
    }
    println!("{inside} of {CUTS} cuts fell inside the start, which takes {undisturbed:?}");
}

/// How long a first start takes until the page answers, on this machine as busy as it is.
fn first_start() -> Duration {
    let begun = Instant::now();
    Appliance::start().wait_healthy();
    begun.elapsed()
}

#[test]
#[ignore = "boots eighteen times; run by `cargo xtask test --long vm_power`"]
fn vm_power_fails_during_eight_setups_and_each_is_done_or_not_begun() {
    let mut appliance = Appliance::start();
    appliance.wait_healthy();
    appliance.machine.cut_power().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.qcow2");
    let disk = appliance.machine.disk().to_owned();
    fs::copy(&disk, &fresh).unwrap();
    appliance.power_on();
    let undisturbed = setup(&mut appliance);
    appliance.machine.cut_power().unwrap();
    let mut inside = 0;
    for cut in 1..=CUTS {
        fs::copy(&fresh, &disk).unwrap();
        appliance.power_on();
        appliance.wait_healthy();
        let form = appliance.setup_form();
        let after = random_below(undisturbed);
        let acknowledged = std::thread::scope(|scope| {
            let owner = &appliance.owner;
            let setup = scope.spawn(|| {
                let reply = owner.post("/api/setup/complete", &form);
                reply.is_ok_and(|reply| reply.status == 200)
            });
            observe(after);
            appliance.machine.cut_power().unwrap();
            setup.join().unwrap()
        });
        inside += usize::from(!acknowledged);
        appliance.power_on();
        appliance.wait_healthy();
        match appliance.owner.get("/api/peers").unwrap().status {
            428 => {
                assert!(!acknowledged, "cut {cut}: setup was acknowledged");
                appliance.set_up();
            }
            _ => appliance.sign_in(),
        }
        assert_eq!(appliance.get("/api/audit/verify")["ok"], true);
        println!("setup, cut {cut} after {after:?}, acknowledged {acknowledged}: well");
        appliance.machine.cut_power().unwrap();
    }
    println!("{inside} of {CUTS} cuts fell inside the setup, which takes {undisturbed:?}");
}

/// How long a setup takes until it is acknowledged.
fn setup(appliance: &mut Appliance) -> Duration {
    appliance.wait_healthy();
    let form = appliance.setup_form();
    let begun = Instant::now();
    let reply = appliance.owner.post("/api/setup/complete", &form);
    expect_status(&reply.unwrap(), 200);
    begun.elapsed()
}

#[test]
#[ignore = "boots 25 times; run by `cargo xtask test --long vm_power`"]
fn vm_power_fails_24_times_under_a_stream_of_changes_and_nothing_acknowledged_is_lost() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    let mut known = Known::default();
    for cut in 1..=24 {
        let after = random_below(LONGEST_STREAM);
        std::thread::scope(|scope| {
            let (owner, known) = (&appliance.owner, &mut known);
            let stream = scope.spawn(|| while known.change(owner) {});
            observe(after);
            appliance.machine.cut_power().unwrap();
            stream.join().unwrap();
        });
        appliance.power_on();
        appliance.sign_in();
        known.compare(&appliance.get("/api/peers?limit=1000"), cut);
        assert_eq!(appliance.get("/api/audit/verify")["ok"], true);
        println!(
            "changes, cut {cut} after {after:?}, {} acknowledged: well",
            known.acknowledged
        );
    }
    assert!(known.acknowledged > 24, "the stream flowed");
    appliance.add_peer("afterwards");
}

/// What the box must know.
#[derive(Default)]
struct Known {
    peers: BTreeSet<String>,
    /// A change that was asked for and not answered: it may have happened or not.
    open: Option<String>,
    next: usize,
    acknowledged: usize,
}

impl Known {
    /// Asks for the next change: more devices until there are enough, then one goes for each that comes. False when the
    /// box does not answer.
    fn change(&mut self, owner: &cell_testkit::Client) -> bool {
        let leaves = (self.peers.len() >= MOST_PEERS)
            .then(|| self.peers.first().cloned())
            .flatten();
        let (name, comes) = match leaves {
            Some(name) => (name, false),
            None => (format!("peer-{:04}", self.next), true),
        };
        let reply = match comes {
            true => owner.post("/api/peers", &json!({ "name": name })),
            false => owner.delete(&format!("/api/peers/{name}")),
        };
        self.next += usize::from(comes);
        let Ok(reply) = reply else {
            self.open = Some(name);
            return false;
        };
        assert!(matches!(reply.status, 200..=204), "{}", reply.text());
        match comes {
            true => drop(self.peers.insert(name)),
            false => drop(self.peers.remove(&name)),
        }
        self.acknowledged += 1;
        true
    }

    /// Holds it against the box's list, and takes what became of the open change from it.
    fn compare(&mut self, list: &Value, cut: usize) {
        let items = list["items"].as_array().unwrap();
        let there: BTreeSet<String> = items
            .iter()
            .map(|peer| peer["name"].as_str().unwrap().to_owned())
            .collect();
        let mut different = there.symmetric_difference(&self.peers);
        assert!(
            different.all(|name| Some(name) == self.open.as_ref()),
            "cut {cut}: {there:?} instead of {:?}, open {:?}",
            self.peers,
            self.open
        );
        self.peers = there;
        self.open = None;
    }
}
