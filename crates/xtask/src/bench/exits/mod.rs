//! What it costs to leave by a proxy, beside others that carry TCP connections on: redsocks, by the same proxy (microsocks),
//! and sshuttle, by a server of OpenSSH.
//!
//! All of them run at a time, each in a process of its own behind the same packet filter, and are asked in turn, so that what
//! slows the machine down slows all. Ours is the daemon's role `relay`, confined as at a box, and told what the core would
//! tell it. A device downloads from a server out there; processor time is that of the program and of what it has started,
//! without the other end: neither proxy nor SSH server counts.
//!
//! `exits.1000_connections`: 1,000 connections are opened, all of them stay, and each says something that is heard back.
//!
//! `exits.failing_over`: a real box, a device that may use the uplink meanwhile, from the end of the proxy to the first
//! connection that gets out again.
//!
//! Aims: as fast as redsocks at least, for as much of the processor at most, and three times as fast as sshuttle. A person
//! waits for three seconds and not much longer.

mod contenders;
mod failover;
mod lab;

use self::contenders::Contender;
use self::lab::Lab;
use super::figure::{Aim, Figure};
use crate::cargo::{self, Profile};
use crate::error::XtaskError;
use crate::setup;

/// Times that each is asked.
const RUNS: usize = 5;
/// Bytes of a download; sshuttle is asked for a quarter of it.
const BYTES: u64 = 512 << 20;
/// Connections at a time.
const MANY: usize = 1_000;
const MEGABIT: f64 = 1e6;
const GIGABIT: f64 = 1e9;

/// What came of one program.
#[derive(Debug, Default)]
struct Runs {
    /// Megabits in a second.
    rate: Vec<f64>,
    /// Processor seconds for each gigabit.
    cpu: Vec<f64>,
    /// Seconds until all connections were heard back.
    many: Vec<f64>,
}

impl Runs {
    fn download(&mut self, lab: &Lab, program: &Contender, bytes: u64) -> Result<(), XtaskError> {
        let before = program.cpu_seconds();
        let seconds = lab.download(program.target(), bytes)?.as_secs_f64();
        let bits = bytes as f64 * 8.0;
        self.rate.push(bits / MEGABIT / seconds);
        self.cpu
            .push((program.cpu_seconds() - before) / (bits / GIGABIT));
        Ok(())
    }

    fn open_many(&mut self, lab: &Lab, program: &Contender) -> Result<(), XtaskError> {
        let time = lab.open_many(program.target(), MANY)?;
        self.many.push(time.as_secs_f64());
        Ok(())
    }
}

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    setup::ensure_exits_bench()?;
    let binary = cargo::build_celld(Profile::Release)?;
    let lab = Lab::new()?;
    let relay = Contender::relay(&lab, &binary)?;
    let redsocks = Contender::redsocks(&lab)?;
    let sshuttle = Contender::sshuttle(&lab)?;
    let [mut own, mut red, mut ssh] = [(); 3].map(|()| Runs::default());
    for _ in 0..RUNS {
        own.download(&lab, &relay, BYTES)?;
        red.download(&lab, &redsocks, BYTES)?;
        ssh.download(&lab, &sshuttle, BYTES / 4)?;
        own.open_many(&lab, &relay)?;
        red.open_many(&lab, &redsocks)?;
    }
    drop((relay, redsocks, sshuttle));
    let failing_over = failover::measure(&binary)?;
    let most = Aim::AtMost(1.0);
    Ok(vec![
        Figure::relative(
            "exits.rate_beside_redsocks",
            "Mbit/s",
            &own.rate,
            &red.rate,
            Aim::AtLeast(1.0),
        ),
        Figure::relative(
            "exits.rate_beside_sshuttle",
            "Mbit/s",
            &own.rate,
            &ssh.rate,
            Aim::AtLeast(3.0),
        ),
        Figure::relative(
            "exits.cpu_beside_redsocks",
            "s/Gbit",
            &own.cpu,
            &red.cpu,
            most,
        ),
        Figure::relative(
            "exits.cpu_beside_sshuttle",
            "s/Gbit",
            &own.cpu,
            &ssh.cpu,
            most,
        ),
        Figure::relative("exits.1000_connections", "s", &own.many, &red.many, most),
        Figure::absolute("exits.failing_over", "s", &failing_over, Aim::AtMost(3.0)),
    ])
}
