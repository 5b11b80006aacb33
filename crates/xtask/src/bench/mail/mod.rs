//! What mail costs: messages that other servers bring, from the first connection to the last one delivered.
//!
//! The peer is the same Debian packages installed plainly: one root, Debian's own settings, a user of the system, on the
//! internet without a router or packet filter before it. The box has its containers, its packet filter, and asks its core
//! for each person; its filter is the same program with rules of its own. Both filters ask the same name server. For
//! each message the box asks twice whether there is room for it, so that nothing is taken which would have to be sent
//! back; the peer knows no limits.
//!
//! Both are brought the same messages in turn by the same servers, so that what slows the machine down slows both.
//! Processor time and memory are those of all that has a part in it: for the box, the containers and the daemon with its
//! roles; memory is that of the containers once what runs for a while has ended, shared pages divided among their holders.
//!
//! Aims: what the box does beside costs no more than what mail costs anyway, and a quarter more memory at most.

mod plain;
mod senders;

use std::time::Duration;

use cell_testkit::world::CELL_WAN;

use self::plain::Plain;
use self::senders::{ALL, Post, Senders};
use super::cell::{DOMAIN, OWNER};
use super::figure::{Aim, Figure};
use super::process;
use super::services::{Host, MIB, Parts};
use crate::error::XtaskError;
use crate::setup;

/// Times that all messages are brought to each.
const RUNS: usize = 3;
const SERVICE: &str = "mail";
/// Its containers.
const CONTAINERS: [&str; 3] = ["cell.mail.dovecot", "cell.mail.postfix", "cell.mail.rspamd"];
/// Where its mailboxes are.
const VOLUME: &str = "cell.mail.mail.";
/// After this, what runs only for a while has ended: Postfix keeps a process for 100 seconds without work.
const SETTLE: Duration = Duration::from_secs(120);
const RATE: Aim = Aim::AtLeast(0.5);
const CPU: Aim = Aim::AtMost(2.0);
const HELD: Aim = Aim::AtMost(1.25);

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    setup::ensure_mail_bench()?;
    let host = Host::set_up(&Parts::make()?)?;
    let plain = Plain::start(host.world())?;
    host.install_published(SERVICE)?;
    let senders = Senders::new(&host.world().phone)?;
    let own = Post {
        address: (CELL_WAN, 25).into(),
        receiver: format!("{OWNER}@{DOMAIN}"),
        mailbox: host.volume(VOLUME)?.join(OWNER).join("Maildir/new"),
    };
    let peer = plain.post();
    senders.warm_up(&own, || true)?;
    senders.warm_up(&peer, || plain.is_up())?;
    let own_processes = || -> Result<Vec<i32>, XtaskError> {
        let mut all = host.daemon()?;
        for container in CONTAINERS {
            all.extend(host.processes_of(container)?);
        }
        Ok(all)
    };
    let [mut own_runs, mut peer_runs] = [Runs::default(), Runs::default()];
    for _ in 0..RUNS {
        own_runs.bring(&senders, &own, own_processes)?;
        peer_runs.bring(&senders, &peer, || Ok(plain.processes()))?;
    }
    std::thread::sleep(SETTLE);
    let mail: Result<Vec<_>, _> = CONTAINERS
        .into_iter()
        .map(|container| host.processes_of(container))
        .collect();
    let held = |processes: &[i32]| process::memory_bytes(processes) / MIB;
    let (own_held, peer_held) = (held(&mail?.concat()), held(&plain.processes()));
    Ok(vec![
        Figure::relative("mail.rate", "1/s", &own_runs.rates, &peer_runs.rates, RATE),
        Figure::relative("mail.cpu", "ms", &own_runs.costs, &peer_runs.costs, CPU),
        Figure::relative("mail.memory", "MiB", &[own_held], &[peer_held], HELD),
    ])
}

/// What was measured.
#[derive(Default)]
struct Runs {
    /// Messages a second.
    rates: Vec<f64>,
    /// Milliseconds of processor time for a message.
    costs: Vec<f64>,
}

impl Runs {
    fn bring(
        &mut self,
        senders: &Senders<'_>,
        post: &Post,
        processes: impl Fn() -> Result<Vec<i32>, XtaskError>,
    ) -> Result<(), XtaskError> {
        let before = process::cpu_seconds(&processes()?);
        let seconds = senders.bring_all(post)?;
        let used = process::cpu_seconds(&processes()?) - before;
        self.rates.push(ALL as f64 / seconds);
        self.costs.push(used * 1_000.0 / ALL as f64);
        Ok(())
    }
}
