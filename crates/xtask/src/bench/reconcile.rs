//! One more device among 1, 1,000 and 10,000, and a cold start with 10,000.
//!
//! A change is timed from the call on the control socket to its return, when the system has followed; that it really
//! has is then asked of the VPN interface, outside the time. A cold start is the CPU of the daemon and its roles from
//! their start until `R/ready` is there.
//!
//! Aims: one device into 10,000 within three times one into 1, and out of them likewise; a cold start of 10,000
//! devices in 2 s of CPU.

use std::time::Duration;

use super::cell::Cell;
use super::devices;
use super::error::BenchError;
use super::figure::{Aim, Figure};
use crate::cargo::{self, Profile};
use crate::error::XtaskError;

/// Times a device is added and removed.
const CHANGES: usize = 15;
/// Cold starts with all devices.
const STARTS: usize = 3;
/// What a device more may cost among many, compared to among one.
const RATIO: Aim = Aim::AtMost(3.0);
/// Milliseconds within which an answer keeps a person's thoughts together (Nielsen, Usability Engineering, chapter 5).
const AT_ONCE: Aim = Aim::AtMost(1_000.0);
/// The number of a device that is not among those of any size.
const ANOTHER: usize = 50_000;

/// Milliseconds of each change.
#[derive(Debug, Default)]
struct Changes {
    added: Vec<f64>,
    removed: Vec<f64>,
}

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    let mut cell = Cell::set_up(cargo::build_celld(Profile::Release)?)?;
    grow(&mut cell, 0, 1)?;
    let of_1 = change(&cell)?;
    grow(&mut cell, 1, 1_000)?;
    let of_1000 = change(&cell)?;
    let mut cpu = vec![grow(&mut cell, 1_000, 10_000)?];
    let of_10000 = change(&cell)?;
    while cpu.len() < STARTS {
        cell.stop()?;
        cpu.push(cell.start()?);
    }
    Ok(vec![
        Figure::absolute("reconcile.add_one_of_1", "ms", &of_1.added, AT_ONCE),
        Figure::absolute("reconcile.add_one_of_1000", "ms", &of_1000.added, AT_ONCE),
        Figure::relative(
            "reconcile.add_one_of_10000",
            "ms",
            &of_10000.added,
            &of_1.added,
            RATIO,
        ),
        Figure::relative(
            "reconcile.remove_one_of_10000",
            "ms",
            &of_10000.removed,
            &of_1.removed,
            RATIO,
        ),
        Figure::absolute("reconcile.cold_start_cpu", "s", &cpu, Aim::AtMost(2.0)),
    ])
}

/// Gives the cell, which has `from` devices, `to` of them. Answers the CPU seconds of its cold start.
fn grow(cell: &mut Cell, from: usize, to: usize) -> Result<f64, XtaskError> {
    let vpn = cell.vpn()?;
    cell.stop()?;
    devices::write(cell.state_dir(), &vpn, from..to)?;
    let cpu = cell.start()?;
    require(cell, to - 1, true)?;
    Ok(cpu)
}

/// Adds and removes one device, again and again.
fn change(cell: &Cell) -> Result<Changes, XtaskError> {
    let mut changes = Changes::default();
    for number in ANOTHER..ANOTHER + CHANGES {
        let name = devices::name(number);
        let added = cell.add(&name, devices::key(number))?;
        require(cell, number, true)?;
        let removed = cell.remove(&name)?;
        require(cell, number, false)?;
        changes.added.push(milliseconds(added));
        changes.removed.push(milliseconds(removed));
    }
    Ok(changes)
}

/// An error unless the VPN interface has the device, or has it not, as `wanted`.
fn require(cell: &Cell, number: usize, wanted: bool) -> Result<(), BenchError> {
    if cell.carries(&devices::key(number))? == wanted {
        return Ok(());
    }
    Err(BenchError::NotApplied {
        device: devices::name(number),
        wanted: if wanted {
            "in the VPN interface"
        } else {
            "out of the VPN interface"
        },
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
