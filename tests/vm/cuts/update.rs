//! A box that is given a new version, and what a power cut leaves of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use cell_os::bundle::verity;
use cell_testkit::Client;
use cell_testkit::vm::{Frozen, Machine};
use cell_tests::random_below;
use cell_tests::update::{install, peers, restart};
use cell_tests::version::{Contents, Version};
use cell_tests::vm::{Appliance, BOOTS, emulator, image};
use cell_updates::boot_state::{Loader, Selection, Slot};
use cell_updates::bundle::size_with_tree;

use crate::left::{Held, Left};

/// Cuts of each phase.
const CUTS: usize = 9;

pub(crate) struct Update {
    pub(crate) appliance: Appliance,
    pub(crate) new: Version,
    old: Contents,
}

/// A part of an update in which the power is cut.
pub(crate) struct Phase<'a> {
    pub(crate) name: &'a str,
    /// Has the box begin it.
    pub(crate) begin: &'a dyn Fn(&mut Appliance),
    /// When, by the machine's clock.
    pub(crate) moments: Range<Duration>,
    /// What the owner does.
    pub(crate) meanwhile: &'a (dyn Fn(&Client, &Version) + Sync),
}

/// The machine's clock: the processor time it has used since it was switched on or gone on with. A busy host does not
/// stretch it.
pub(crate) fn clock(machine: &Machine) -> Duration {
    Duration::from_secs_f64(machine.cpu_seconds())
}

/// Cuts the power when the clock is there. It hardly runs where there is nothing more to do, and is not waited for then.
fn cut_at(moment: Duration, machine: &mut Machine) {
    let limit = Instant::now() + moment * 8 + Duration::from_secs(5);
    while clock(machine) < moment && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(5));
    }
    machine.cut_power().unwrap();
}

impl Update {
    /// A box with both slots and a device, and where it can be gone on from.
    pub(crate) fn begin() -> (Self, Frozen) {
        let mut appliance = Appliance::start();
        appliance.set_up();
        appliance.add_peer("before");
        appliance.wait_both_slots();
        let idle = appliance.freeze();
        let new = Version::after(1, |root| fs::write(root.join("etc/cell/new"), "new"));
        let verity = verity(&image(), emulator().toolbox()).unwrap();
        let Contents([boot, (_, any)]) = new.contents();
        // The versions' boot partitions differ by a root hash only.
        let sizes = Contents([boot, (size_with_tree(verity.data_blocks), any)]);
        let update = Self {
            old: appliance.contents(Slot::A, sizes),
            new,
            appliance,
        };
        (update, idle)
    }

    /// Cuts the power at random moments of a phase, and looks each time at what that has left. Answers what it saw.
    pub(crate) fn cut(&mut self, phase: &Phase<'_>) -> String {
        let name = phase.name;
        let (mut lines, mut seen) = (String::new(), BTreeMap::<String, usize>::new());
        for cut in 1..=CUTS {
            (phase.begin)(&mut self.appliance);
            let Range { start, end } = phase.moments;
            let moment = start + random_below(end - start);
            std::thread::scope(|scope| {
                let (owner, new) = (&self.appliance.owner, &self.new);
                scope.spawn(|| (phase.meanwhile)(owner, new));
                cut_at(moment, &mut self.appliance.machine);
            });
            let at = format!("{name}, cut {cut} after {moment:.1?}");
            let left = self.left(&at);
            let runs = self.come_up(&at, &left);
            writeln!(lines, "{at}: {left}; {runs}").unwrap();
            *seen.entry(left.to_string()).or_default() += 1;
            if cut == CUTS {
                self.finish(&left.selection);
            }
            self.appliance.machine.cut_power().unwrap();
        }
        for (left, times) in seen {
            writeln!(
                lines,
                "{times} of {CUTS} cuts while it is {name} left {left}"
            )
            .unwrap();
        }
        lines
    }

    /// What the loader points to and the slots hold, while the box is off: it points to whole versions only.
    fn left(&self, at: &str) -> Left {
        let files = self.appliance.boot_files();
        let loader = Loader::read(|file| files.get(&file).cloned());
        assert!(loader.selection_copy.is_some(), "{at}: no whole selection");
        let left = Left {
            selection: loader.selection,
            held: Slot::ALL.map(|slot| self.held(slot)),
        };
        let Selection {
            primary,
            other,
            trial,
            ..
        } = left.selection;
        for slot in [Some(primary), other, trial].into_iter().flatten() {
            assert_ne!(left.held_by(slot), Held::Mixed, "{at}: {left}");
        }
        left
    }

    fn held(&self, slot: Slot) -> Held {
        let is = |like: Contents| self.appliance.contents(slot, like) == like;
        match () {
            () if is(self.old) => Held::Old,
            () if is(self.new.contents()) => Held::New,
            () => Held::Mixed,
        }
    }

    /// Switches on: a whole version runs, with what was kept. Answers which, and what for.
    fn come_up(&mut self, at: &str, left: &Left) -> String {
        self.appliance.power_on();
        self.appliance.wait_healthy();
        let firmware = self.appliance.get("/api/firmware");
        let slots = &firmware["slots"];
        let (running, mode) = (slots["running"].as_str(), slots["mode"].as_str());
        let (running, mode) = (running.unwrap(), mode.unwrap());
        let is_new = firmware["version"] == self.new.release.version;
        let expected = left.held_by(running.parse().unwrap());
        assert_eq!(expected == Held::New, is_new, "{at}: {left}; {firmware}");
        assert_ne!(mode, "recovery", "{at}: {left}; {firmware}");
        assert_eq!(peers(&self.appliance), ["before"], "{at}");
        format!("slot {running} runs, {mode}")
    }

    /// Does what is left to do of the update.
    fn finish(&self, selection: &Selection) {
        let is_under_way = selection.trial.is_some() || selection.primary == Slot::B;
        let mark = match is_under_way {
            true => 0,
            false => {
                install(&self.appliance, &self.new);
                let mark = self.appliance.machine.serial().mark();
                restart(&self.appliance);
                mark
            }
        };
        let serial = self.appliance.machine.serial();
        serial.wait_after(mark, "slot b is good", BOOTS).unwrap();
        self.expect_new();
    }

    pub(crate) fn expect_new(&self) {
        let firmware = self.appliance.get("/api/firmware");
        assert_eq!(firmware["version"], self.new.release.version, "{firmware}");
        assert_eq!(firmware["slots"]["primary"], "b", "{firmware}");
        assert_eq!(peers(&self.appliance), ["before"]);
    }
}
