//! One client: its process is kept at work, what it says is taken in, and what follows is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use cell_model::facts::DhcpFacts;
use cell_model::name::InterfaceName;
use cell_model::spec::DhcpSpec;
use cell_netlink::{Link, Netlink, Watch};
use ipnet::Ipv4Net;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::event::{self, Event, MAX_MESSAGE};
use super::kept::Kept;
use super::memory::Memory;
use super::process::{ClientProcess, start_client};
use super::{fallback, since_boot};

/// Pause before the process is started again: doubled from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A process that lived this long was well.
const WELL: Duration = Duration::from_secs(10);
/// Time without a deadline is looked at so often anyway.
const IDLE: Duration = Duration::from_secs(3600);

/// One client.
pub(super) struct Client {
    pub(super) interface: InterfaceName,
    pub(super) netlink: Netlink,
    pub(super) kept: Kept,
    pub(super) hook: PathBuf,
    pub(super) memory: Memory,
    pub(super) facts: watch::Sender<BTreeMap<InterfaceName, DhcpFacts>>,
}

/// Why a process is not at work any more.
enum Ended {
    /// It ended by itself.
    Exit(std::io::Result<ExitStatus>),
    /// The wire may lead elsewhere: another asks from the start.
    Link,
    /// There was none, and the pause is over.
    Pause,
}

/// What of an interface matters to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wire {
    index: u32,
    carrier: bool,
    /// Whatever was told in between: the carrier may be back before anybody looks.
    carrier_changes: u32,
    mac: Option<[u8; 6]>,
}

impl From<Link> for Wire {
    fn from(link: Link) -> Self {
        Self {
            index: link.index,
            carrier: link.carrier,
            carrier_changes: link.carrier_changes,
            mac: link.mac,
        }
    }
}

impl Wire {
    fn is_another_wire(self, before: Self) -> bool {
        !before.carrier
            || self.index != before.index
            || self.carrier_changes != before.carrier_changes
    }
}

/// What a client waits for beside its process.
struct Around {
    spec: watch::Receiver<DhcpSpec>,
    links: Links,
    /// At most one search for a free address.
    probe: JoinSet<Option<Ipv4Net>>,
}

/// The link of the interface, watched.
struct Links {
    netlink: Netlink,
    interface: InterfaceName,
    watch: Option<Watch>,
    wire: Option<Wire>,
    /// Something was heard of and not looked at yet: waiting may be cut off between the two.
    heard: bool,
}

impl Client {
    /// Asks until it is aborted.
    pub(super) async fn run(mut self, spec: watch::Receiver<DhcpSpec>) {
        self.kept.end_orphan(&self.interface);
        let mut around = Around {
            spec,
            links: Links::new(self.netlink, &self.interface).await,
            probe: JoinSet::new(),
        };
        let mut pause = PAUSE.0;
        loop {
            let started = Instant::now();
            let process = start_client(&self.interface, &self.hook, self.memory.grant());
            let ended = match process {
                Ok(process) => {
                    let id = process.child.id().unwrap_or_default();
                    self.kept.keep_process(&self.interface, id);
                    self.memory.client_started();
                    self.attend(Some(process), None, &mut around).await
                }
                Err(error) => Ended::Exit(Err(error)),
            };
            if started.elapsed() >= WELL {
                pause = PAUSE.0;
            }
            let ended = match ended {
                Ended::Exit(status) => {
                    self.note_exit(status);
                    let end = Instant::now() + pause;
                    self.attend(None, Some(end), &mut around).await
                }
                other => other,
            };
            if matches!(ended, Ended::Link) {
                info!(interface = %self.interface, "the link came up; asking for an address anew");
                self.memory.link_came(since_boot());
                pause = PAUSE.0;
            } else {
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }

    /// Takes in what happens until the process ends, or until `end` where there is none.
    async fn attend(
        &mut self,
        process: Option<ClientProcess>,
        end: Option<Instant>,
        around: &mut Around,
    ) -> Ended {
        let (mut child, news) = process.map(|process| (process.child, process.news)).unzip();
        let stderr = child
            .as_mut()
            .and_then(|child: &mut Child| child.stderr.take());
        let mut lines = stderr.map(|stderr| BufReader::new(stderr).lines());
        let mut datagram = vec![0; MAX_MESSAGE];
        loop {
            self.pass();
            self.tell();
            self.seek_fallback(around);
            let now = since_boot();
            let until = self
                .memory
                .deadline(now)
                .map_or(IDLE, |deadline| (deadline - now).min(IDLE));
            tokio::select! {
                received = receive(news.as_ref(), &mut datagram) => match received {
                    Ok(length) => self.hear(&datagram[..length]),
                    Err(error) => return Ended::Exit(Err(error)),
                },
                line = next_line(&mut lines) => debug!(interface = %self.interface, "{line}"),
                status = exit(child.as_mut()) => return Ended::Exit(status),
                came = around.links.came() => if came {
                    if let Some(in_use) = self.memory.fallback() {
                        self.probe(around, Some(in_use));
                    }
                    return Ended::Link;
                },
                changed = around.spec.changed() => {
                    if changed.is_err() {
                        // Nobody is left to tell; the task is about to be aborted.
                        std::future::pending::<()>().await;
                    }
                    let avoid = around.spec.borrow_and_update().avoid.clone();
                    self.memory.set_avoid(avoid, since_boot());
                }
                found = probed(&mut around.probe) => self.fall_back(found),
                () = tokio::time::sleep(until) => {}
                () = sleep_until(end) => return Ended::Pause,
            }
        }
    }

    fn hear(&mut self, datagram: &[u8]) {
        let now = since_boot();
        let Some(event) = event::read(datagram, now) else {
            // What udhcpc itself writes to its standard output comes the same way.
            debug!(interface = %self.interface, text = %String::from_utf8_lossy(datagram), "the DHCP client says");
            return;
        };
        debug!(interface = %self.interface, ?event, "the DHCP client reports");
        let before = self.memory.facts();
        let granted = matches!(event, Event::Granted(_));
        self.memory.hear(event, now);
        let after = self.memory.facts();
        if granted || before.lease.is_some() != after.lease.is_some() {
            self.kept.keep(&self.interface, self.memory.grant());
        }
        let address = |facts: &DhcpFacts| facts.lease.as_ref().map(|lease| lease.address);
        match (address(&before), address(&after)) {
            (before, Some(address)) if before != Some(address) => {
                info!(interface = %self.interface, %address, "an address was granted");
            }
            (Some(address), None) => {
                warn!(interface = %self.interface, %address, "the address may not be used any more");
            }
            _ => {}
        }
        if let Some(complaint) = &after.complaint
            && after.complaint != before.complaint
        {
            warn!(interface = %self.interface, "{complaint}");
        }
    }

    fn pass(&mut self) {
        let held = self.memory.grant().is_some();
        self.memory.pass(since_boot());
        if held && self.memory.grant().is_none() {
            warn!(interface = %self.interface, "the lease ran out");
            self.kept.keep(&self.interface, None);
        }
    }

    /// Looks for a link-local address when one is called for.
    fn seek_fallback(&self, around: &mut Around) {
        if around.probe.is_empty() && self.memory.wants_fallback(since_boot()) {
            self.probe(around, None);
        }
    }

    fn probe(&self, around: &mut Around, in_use: Option<Ipv4Net>) {
        let mac = around
            .links
            .wire
            .and_then(|wire| wire.mac)
            .unwrap_or_default();
        around.probe.abort_all();
        around
            .probe
            .spawn(fallback::find(self.interface.clone(), mac, in_use));
    }

    fn fall_back(&mut self, found: Option<Ipv4Net>) {
        match found {
            Some(address) => {
                info!(interface = %self.interface, %address, "no DHCP server was heard; using a link-local address");
                self.memory.fall_back(address);
            }
            None => warn!(interface = %self.interface, "no link-local address is free"),
        }
    }

    fn note_exit(&mut self, status: std::io::Result<ExitStatus>) {
        let reason = match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        warn!(interface = %self.interface, reason, "the DHCP client is not at work");
        self.memory.client_failed(format!(
            "The DHCP client on {} is not at work: {reason}. It is started again.",
            self.interface
        ));
    }

    /// Tells what is known, if that changed.
    fn tell(&self) {
        let known = self.memory.facts();
        self.facts.send_if_modified(|facts| {
            let told = facts.get_mut(&self.interface);
            match told {
                Some(told) if *told != known => {
                    *told = known;
                    true
                }
                // Stopped meanwhile, or nothing new.
                _ => false,
            }
        });
    }
}

impl Links {
    async fn new(netlink: Netlink, interface: &InterfaceName) -> Self {
        let mut links = Self {
            netlink,
            interface: interface.clone(),
            watch: netlink.watch().ok(),
            wire: None,
            heard: false,
        };
        links.wire = links.look().await;
        links
    }

    async fn look(&self) -> Option<Wire> {
        let link = self.netlink.link(&self.interface).await;
        link.ok().map(Wire::from)
    }

    /// Waits for news of the links. Whether ours came up, or is another. May be cancelled.
    async fn came(&mut self) -> bool {
        while !self.heard {
            let Some(watch) = &mut self.watch else {
                return std::future::pending().await;
            };
            match watch.next().await {
                Ok(change) => self.heard = change.links || change.lost,
                Err(error) => {
                    warn!(%error, interface = %self.interface, "the watch on links failed; listening anew");
                    self.watch = self.netlink.watch().ok();
                    self.heard = true;
                }
            }
        }
        let (before, now) = (self.wire, self.look().await);
        self.heard = false;
        self.wire = now;
        match (before, now) {
            (Some(before), Some(now)) => now.carrier && now.is_another_wire(before),
            (None, Some(now)) => now.carrier,
            _ => false,
        }
    }
}

async fn receive(news: Option<&UnixDatagram>, buffer: &mut [u8]) -> std::io::Result<usize> {
    match news {
        Some(news) => news.recv(buffer).await,
        None => std::future::pending().await,
    }
}

async fn exit(child: Option<&mut Child>) -> std::io::Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

async fn next_line<R: AsyncRead + Unpin>(
    lines: &mut Option<tokio::io::Lines<BufReader<R>>>,
) -> String {
    if let Some(reader) = lines {
        if let Ok(Some(line)) = reader.next_line().await {
            return line;
        }
        *lines = None;
    }
    std::future::pending().await
}

/// What a search found; never, while there is none. One that was given up does not count.
async fn probed(probe: &mut JoinSet<Option<Ipv4Net>>) -> Option<Ipv4Net> {
    loop {
        match probe.join_next().await {
            Some(Ok(found)) => return found,
            Some(Err(_)) => {}
            None => return std::future::pending().await,
        }
    }
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
