//! A store that lives through many starts on one disk, each begun with what a power cut left of the one before.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use cell_testkit::cut_disk::{CutDisk, Image, Recording};
use fastrand::Rng;

use crate::judge::{Known, Look, judge};
use crate::owner::{self, Act, Task};
use crate::script::{Mix, Script};

/// The state directory on the disk.
pub(crate) const STATE: &str = "cell";
/// One cut in so many is looked at closely.
const CLOSE: usize = 8;

/// How long a life is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) mix: Mix,
    /// Starts, each on what a cut of the one before left.
    pub(crate) starts: usize,
    /// Changes in each.
    pub(crate) changes: usize,
    /// Cuts that are looked at, in each.
    pub(crate) cuts: usize,
}

/// A store and what came of it.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    /// Where disks are mounted, and what is left of them is put.
    folder: &'a Path,
    seed: u64,
    mix: Mix,
    random: Rng,
    script: Script,
    /// What is on the disk before the next start, and what is known of it.
    pub(crate) remains: Image,
    pub(crate) known: Known,
    pub(crate) cuts: usize,
    pub(crate) faults: Vec<String>,
}

/// One start: what happened on the disk, and what the owner was told from which moment on.
pub(crate) struct Start {
    recording: Recording,
    notes: Vec<(usize, Known)>,
    fault: Option<String>,
}

impl<'a> Life<'a> {
    /// An empty disk.
    pub(crate) fn new(folder: &'a Path, seed: u64, mix: Mix) -> Self {
        Self {
            folder,
            seed,
            mix,
            random: Rng::with_seed(seed),
            script: Script::new(seed, mix),
            remains: Image::empty(),
            known: Known::default(),
            cuts: 0,
            faults: Vec::new(),
        }
    }

    /// Lives until something is wrong or the plan is done.
    pub(crate) fn run(mut self, plan: Plan) -> Self {
        for number in 0..plan.starts {
            let start = self.start(number, Act::Change(plan.changes));
            let (recording, before) = (&start.recording, self.known);
            let opened = start.notes.first().map_or(recording.len(), |note| note.0);
            // The opening is short and does much, and in a large transaction much may be lost.
            let random = &mut self.random;
            let mut moments: Vec<_> = (0..plan.cuts)
                .map(|cut| match cut % 3 {
                    0 => recording.any_moment(random),
                    1 => recording.any_byte(random),
                    _ => random.usize(..=opened),
                })
                .collect();
            moments.sort_unstable();
            let heir = self.random.usize(..plan.cuts);
            let mut replay = recording.replay();
            for (cut, moment) in moments.into_iter().enumerate() {
                replay.advance_to(moment);
                let left = replay.cut(&mut self.random);
                let known = start.known_at(moment).unwrap_or(before);
                self.look(&left, &[known], || {
                    format!(
                        "start {number}, cut after {moment} of {} operations",
                        recording.len()
                    )
                });
                if cut == heir {
                    (self.remains, self.known) = (left, known);
                }
            }
            if let Some(fault) = start.fault {
                self.faults
                    .push(format!("seed {}, start {number}: {fault}", self.seed));
                break;
            }
        }
        self
    }

    /// Lets an owner do something with what is on the disk.
    pub(crate) fn start(&self, number: usize, act: Act) -> Start {
        let path = self.folder.join(format!("disk-{}-{number}", self.seed));
        fs::create_dir_all(&path).unwrap();
        let disk = CutDisk::mount(&path, &self.remains).unwrap();
        let task = Task {
            dir: path.join(STATE),
            seed: self.seed,
            mix: self.mix,
            start: number,
            known: self.known,
            act,
        };
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "owner_of_a_store", "--nocapture"])
            .env(owner::TASK, serde_json::to_string(&task).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut notes = Vec::new();
        let mut answer = owner.stdin.take().unwrap();
        for line in BufReader::new(owner.stdout.take().unwrap()).lines() {
            if let Some(known) = owner::told(&line.unwrap()) {
                notes.push((disk.moment(), known));
                // An owner that is gone is found out below.
                let _ = answer.write_all(b"\n");
            }
        }
        let done = owner.wait_with_output().unwrap();
        let fault = (!done.status.success()).then(|| {
            let text = String::from_utf8_lossy(&done.stderr);
            text.lines().take(4).collect::<Vec<_>>().join(" ")
        });
        Start {
            recording: disk.finish().unwrap(),
            notes,
            fault,
        }
    }

    /// Looks at what a cut left; one of these must be what is known.
    pub(crate) fn look(&mut self, left: &Image, known: &[Known], when: impl FnOnce() -> String) {
        let look = match self.cuts.is_multiple_of(CLOSE) {
            true => Look::Close,
            false => Look::Usual,
        };
        self.cuts += 1;
        let place = self.folder.join("left");
        let mut faults = Vec::new();
        for known in known {
            left.write_to(&place).unwrap();
            let judged = judge(&place.join(STATE), &mut self.script, *known, look);
            fs::remove_dir_all(&place).unwrap();
            match judged {
                Ok(()) => return,
                Err(fault) => faults.push(fault),
            }
        }
        let faults = faults.join("; ");
        self.faults
            .push(format!("seed {}, {}: {faults}", self.seed, when()));
    }
}

impl Start {
    pub(crate) fn recording(&self) -> &Recording {
        &self.recording
    }

    /// What the owner was told last by this moment.
    pub(crate) fn known_at(&self, moment: usize) -> Option<Known> {
        let told = self.notes.iter().rev().find(|note| note.0 <= moment);
        told.map(|note| note.1)
    }

    /// What was left when nothing went wrong, and what is known of it.
    pub(crate) fn end(self) -> (Image, Known) {
        assert_eq!(self.fault, None);
        let mut replay = self.recording.replay();
        replay.advance_to(usize::MAX);
        (replay.whole(), self.notes.last().unwrap().1)
    }
}
