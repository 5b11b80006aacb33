//! How soon two cells are linked, and what 100 links cost one box.
//!
//! `cells.import_to_first_ping`: two daemons in two houses; from the import of an invite that is accepted by itself to the
//! first answer of the box that has invited, asked from the box that imports every 10 ms.
//!
//! All else is of the box at home, with links to 99 cells that are away, from whom nothing comes back, as of a house without
//! power: so each is looked for, again and again, and none is ever done with. They are written into the store while the
//! daemon is stopped; that the VPN interface and the packet filter really have them is asked outside the time. The cell that
//! was linked by an invite is the hundredth. Processor time and memory are those of the daemon, all its roles and the
//! processes that call other cells, and of WireGuard where it runs in a process.
//!
//! `cells.told_among_100_links`: from the call that shares something with that one cell to when it shows so.
//!
//! A change is timed from the call on the control socket to its return, when the system has followed.
//!
//! Aims: linked in 2 s; a change among 100 links, and that another cell learns of it, within three times one among 1, as
//! with devices. 100 links, the most that a box takes, may hold 4 MiB, a tenth of what a box may hold at rest
//! (`footprint.idle_memory`). They may take a fiftieth of a core while nobody uses the box: on the smallest boxes, of a
//! quarter of the speed of what measures, a twelfth of one, for houses that do not answer.

mod links;
mod pairing;

use std::ops::Range;
use std::time::{Duration, Instant};

use self::links::Way;
use self::pairing::Pair;
use super::cell::Cell;
use super::devices;
use super::error::BenchError;
use super::figure::{Aim, Figure};
use super::services::MIB;
use crate::cargo::{self, Profile};
use crate::error::XtaskError;

/// Cells that are away: with the one that is not, the most that a box takes.
const AWAY: usize = 99;
/// Times that two cells are linked. A box has at most 16 invites at a time, and one that was used stays for ten minutes.
const PAIRINGS: usize = 6;
/// Times that a cell is told something, so long after the time before: whatever is done every two seconds has had its turn.
const TOLD: usize = 8;
const PAUSE: Duration = Duration::from_secs(7);
/// Times that a link is paused and resumed, and a device added.
const CHANGES: usize = 15;
/// After this, caches of the start are written and freed.
const QUIET: Duration = Duration::from_secs(20);
/// After this, every cell was tried in vain so often that the pauses between two tries grow no more.
const SETTLE: Duration = Duration::from_secs(360);
/// Minutes for which a box is watched that nobody uses.
const MINUTES: usize = 3;
/// Looks at the memory in each of them.
const LOOKS: u32 = 6;
const MINUTE: Duration = Duration::from_secs(60);
/// What a change may cost among many links, compared to among one.
const RATIO: Aim = Aim::AtMost(3.0);
/// Seconds of each minute: a fiftieth.
const IDLE_CPU: Aim = Aim::AtMost(1.2);

/// What a box costs that nobody uses.
#[derive(Debug, Default)]
struct Rest {
    /// Seconds in a minute.
    cpu: Vec<f64>,
    /// MiB.
    memory: Vec<f64>,
}

/// Milliseconds of each change.
#[derive(Debug, Default)]
struct Changes {
    links: Vec<f64>,
    devices: Vec<f64>,
}

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    let binary = cargo::build_celld(Profile::Release)?;
    let mut pair = Pair::set_up(&binary)?;
    let mut linked = Vec::new();
    for _ in 0..PAIRINGS {
        linked.push(pair.link()?.as_secs_f64());
        pair.part()?;
    }
    pair.link()?;
    let told_alone = tell(&pair)?;
    pair.part()?;
    let home = &mut pair.home;
    links::cut_off(home)?;
    grow(home, 0..0)?;
    let without = rest(home, QUIET)?;
    grow(home, 0..1)?;
    let of_1 = change(home)?;
    grow(home, 1..AWAY)?;
    pair.link()?;
    let with = rest(&pair.home, SETTLE)?;
    let of_many = change(&pair.home)?;
    let told = tell(&pair)?;
    Ok(vec![
        Figure::absolute("cells.import_to_first_ping", "s", &linked, Aim::AtMost(2.0)),
        Figure::relative("cells.told_among_100_links", "s", &told, &told_alone, RATIO),
        Figure::absolute(
            "cells.memory_of_100_links",
            "MiB",
            &more(&with.memory, &without.memory),
            Aim::AtMost(4.0),
        ),
        Figure::absolute(
            "cells.idle_cpu_of_100_links",
            "s/min",
            &more(&with.cpu, &without.cpu),
            IDLE_CPU,
        ),
        Figure::relative(
            "cells.change_among_100_links",
            "ms",
            &of_many.links,
            &of_1.links,
            RATIO,
        ),
        Figure::relative(
            "cells.add_device_among_100_links",
            "ms",
            &of_many.devices,
            &of_1.devices,
            RATIO,
        ),
    ])
}

/// Seconds until the cabin knows what was changed at home, again and again.
fn tell(pair: &Pair) -> Result<Vec<f64>, BenchError> {
    let mut times = Vec::new();
    for turn in 0..TOLD {
        std::thread::sleep(PAUSE);
        times.push(pair.share(turn % 2 == 0)?.as_secs_f64());
    }
    Ok(times)
}

/// Starts the cell anew with the links that have these numbers, beside those before them.
fn grow(cell: &mut Cell, numbers: Range<usize>) -> Result<(), XtaskError> {
    let all = 0..numbers.end;
    cell.stop()?;
    links::write(cell.state_dir(), numbers)?;
    cell.start()?;
    links::require(cell, all, Way::Open)?;
    Ok(())
}

/// Watches the cell once it had time to settle.
fn rest(cell: &Cell, after: Duration) -> Result<Rest, XtaskError> {
    std::thread::sleep(after);
    let mut rest = Rest::default();
    for _ in 0..MINUTES {
        let (start, before) = (Instant::now(), cell.cpu_seconds()?);
        for _ in 0..LOOKS {
            std::thread::sleep(MINUTE / LOOKS);
            rest.memory.push(cell.memory_bytes()? / MIB);
        }
        let used = cell.cpu_seconds()? - before;
        rest.cpu
            .push(used * MINUTE.as_secs_f64() / start.elapsed().as_secs_f64());
    }
    Ok(rest)
}

/// Each of the runs, less the mean of what there is without.
fn more(with: &[f64], without: &[f64]) -> Vec<f64> {
    let mean = without.iter().sum::<f64>() / without.len() as f64;
    with.iter().map(|value| value - mean).collect()
}

/// Pauses and resumes one link and adds and removes one device, again and again.
fn change(cell: &Cell) -> Result<Changes, XtaskError> {
    let mut changes = Changes::default();
    for number in 0..CHANGES {
        for way in [Way::Paused, Way::Open] {
            changes.links.push(links::turn(cell, 0, way)?);
            links::require(cell, 0..1, way)?;
        }
        let (name, key) = (devices::name(number), devices::key(number));
        let added = cell.add(&name, key)?;
        if !cell.carries(&key)? {
            return Err(BenchError::NotApplied {
                device: name,
                wanted: "in the VPN interface",
            }
            .into());
        }
        changes.devices.push(added.as_secs_f64() * 1_000.0);
        cell.remove(&name)?;
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_without_links_does_not_count() {
        assert_eq!(more(&[5.0, 7.0], &[1.0, 3.0]), [3.0, 5.0]);
    }
}
