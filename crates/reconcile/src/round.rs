//! One round: look, plan, carry out, read back, publish.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cell_firewall::FirewallStatus;
use cell_model::Timestamp;
use cell_model::facts::{NetworkFacts, StartOptions};
use cell_model::spec::BoxSpec;
use cell_model::status::{Part, State};
use cell_model::step::{FirewallStep, Step, WireGuardStep};
use cell_plan::diff::{Applied, diff};
use cell_plan::resolve::{Input, closed, resolve};
use tokio::sync::{mpsc, watch};

use crate::items::Items;
use crate::{Desired, Parts, Published};

/// No step may hold up the others for longer.
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// Carrying steps out can change the facts they follow from: new addresses, a new interface. After so many
/// passes the rest waits for the next round.
const MAX_PASSES: usize = 3;

type StepError = Box<dyn Error + Send + Sync>;

/// Does the rounds.
pub(crate) struct Worker {
    options: StartOptions,
    parts: Parts,
    published: watch::Sender<Arc<Published>>,
    clock: fn() -> Timestamp,
    applied: Applied,
    facts: Option<Arc<NetworkFacts>>,
    items: Items,
    serial: u32,
    /// Whether there are rules in force: this process's, or those an earlier one left.
    guarded: bool,
}

impl Worker {
    pub(crate) fn new(
        options: StartOptions,
        parts: Parts,
        published: watch::Sender<Arc<Published>>,
        clock: fn() -> Timestamp,
    ) -> Self {
        let now = clock();
        Self {
            options,
            parts,
            published,
            clock,
            applied: Applied::default(),
            facts: None,
            items: Items::new(now),
            serial: 0,
            guarded: false,
        }
    }

    pub(crate) fn watch_network(&self) -> Option<mpsc::Receiver<()>> {
        match self.parts.network.watch() {
            Ok(events) => Some(events),
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "network events are not to be had; looking from time to time"
                );
                None
            }
        }
    }

    /// The next round looks at the network again.
    pub(crate) fn look_at_network(&mut self) {
        self.facts = None;
    }

    /// The next round brings the part up from whatever it is.
    pub(crate) fn forget(&mut self, part: Part) {
        match part {
            Part::Firewall => self.applied.firewall = None,
            Part::Network => self.applied.network = None,
            Part::Wireguard => self.applied.wireguard = None,
            Part::Vault => self.applied.leaf = None,
            Part::Dns => self.applied.dns = None,
            Part::Web => self.applied.web = None,
        }
    }

    /// Whether everything is as asked afterwards.
    pub(crate) async fn round(&mut self, desired: &Desired) -> bool {
        let before = (self.items.clone(), self.facts.clone());
        let mut spec = None;
        let mut settled = false;
        for _ in 0..MAX_PASSES {
            self.observe().await;
            if !self.guarded {
                self.close(desired).await;
            }
            let wanted = self.resolve(desired);
            let steps = diff(&self.applied, &wanted);
            spec = Some(Arc::new(wanted));
            if steps.is_empty() {
                settled = true;
                break;
            }
            let spec = spec.as_deref().expect("set in the line before");
            if !self.carry_out(steps, spec).await {
                break;
            }
        }
        self.renew_leaf().await;
        let now = (self.clock)();
        for part in Part::ALL {
            if settled && self.items.state(part) == State::Unknown {
                self.items.set(part, State::Ok, "As asked.".to_owned(), now);
            }
        }
        let settled = settled
            && Part::ALL
                .iter()
                .all(|&part| self.items.state(part) == State::Ok);
        self.publish(desired, spec, settled, before);
        settled
    }

    async fn observe(&mut self) {
        if self.facts.is_some() {
            return;
        }
        match limited(self.parts.network.observe()).await {
            Ok(facts) => self.facts = Some(Arc::new(facts)),
            Err(error) => {
                self.items.set(
                    Part::Network,
                    State::Failed,
                    error.to_string(),
                    (self.clock)(),
                );
            }
        }
    }

    /// Closes the box before anything else comes up, unless rules are in force that an earlier process left.
    async fn close(&mut self, desired: &Desired) {
        let left = limited(self.parts.firewall.observe()).await;
        if matches!(&left, Ok(FirewallStatus::Loaded(rules)) if rules.intact) {
            self.guarded = true;
            return;
        }
        let facts = self.facts.clone().unwrap_or_default();
        let rules = Arc::new(closed(&self.input(desired, &facts)));
        let step = FirewallStep::Replace(Arc::clone(&rules));
        match limited(self.parts.firewall.apply(&step)).await {
            Ok(()) => {
                self.guarded = true;
                self.applied.firewall = Some(rules);
            }
            Err(error) => {
                self.items.set(
                    Part::Firewall,
                    State::Failed,
                    error.to_string(),
                    (self.clock)(),
                );
            }
        }
    }

    fn input<'a>(&'a self, desired: &'a Desired, facts: &'a NetworkFacts) -> Input<'a> {
        Input {
            options: &self.options,
            facts,
            config: desired.config.as_deref(),
            keys: &desired.keys,
            now: (self.clock)(),
            serial: self.serial,
        }
    }

    fn resolve(&mut self, desired: &Desired) -> BoxSpec {
        // Seconds since 1970 rise over restarts; the increment keeps it rising within one second.
        let seconds = u32::try_from((self.clock)().as_second()).unwrap_or_default();
        self.serial = self.serial.wrapping_add(1).max(seconds);
        let facts = self.facts.clone().unwrap_or_default();
        resolve(&self.input(desired, &facts))
    }

    /// Whether all of them worked.
    async fn carry_out(&mut self, steps: Vec<Step>, spec: &BoxSpec) -> bool {
        let mut all = true;
        for step in steps {
            let part = part_of(&step);
            // Nothing comes up before the box is closed, and it stays closed when that fails.
            if !self.guarded && part != Part::Network && part != Part::Vault {
                self.items.set(
                    part,
                    State::Pending,
                    "Waits for the firewall.".to_owned(),
                    (self.clock)(),
                );
                all = false;
                continue;
            }
            let outcome = self.execute(&step).await;
            let now = (self.clock)();
            match outcome {
                Ok(()) => {
                    self.remember(&step, spec);
                    self.items.set(part, State::Ok, detail(part, spec), now);
                }
                Err(error) => {
                    tracing::debug!(part = part.as_str(), %error, "step failed");
                    self.forget(part);
                    self.items.set(part, State::Failed, error.to_string(), now);
                    all = false;
                }
            }
        }
        all
    }

    async fn execute(&self, step: &Step) -> Result<(), StepError> {
        let parts = &self.parts;
        match step {
            Step::Firewall(step) => {
                limited(parts.firewall.apply(step)).await?;
                limited(parts.firewall.verify(step)).await
            }
            Step::Network(step) => {
                limited(parts.network.apply(step)).await?;
                let left = limited(parts.network.verify(&step.spec)).await?;
                if left.is_empty() {
                    Ok(())
                } else {
                    Err("the kernel does not show what was asked for".into())
                }
            }
            Step::WireGuard(step) => {
                limited(parts.wireguard.apply(step)).await?;
                limited(parts.wireguard.verify(step)).await
            }
            Step::Leaf(spec) => {
                limited(parts.vault.ensure_leaf(spec, (self.clock)())).await?;
                Ok(())
            }
            Step::Dns(step) => {
                limited(parts.dns.apply(step)).await?;
                limited(parts.dns.verify(step)).await
            }
            Step::Web(spec) => limited(parts.listener.apply(spec)).await,
        }
    }

    fn remember(&mut self, step: &Step, spec: &BoxSpec) {
        match step {
            Step::Firewall(_) => self.applied.firewall = Some(Arc::clone(&spec.firewall)),
            Step::Network(step) => {
                if !step.spec.interfaces.is_empty() {
                    self.facts = None;
                }
                self.applied.network = Some(step.spec.clone());
            }
            Step::WireGuard(step) => {
                if !matches!(step, WireGuardStep::PatchPeers { .. }) {
                    self.facts = None;
                }
                self.applied.wireguard = Some(spec.wireguard.clone());
            }
            Step::Leaf(leaf) => {
                self.applied.leaf = Some(leaf.clone());
                // The listener fetches it anew.
                self.applied.web = None;
            }
            Step::Dns(_) => self.applied.dns = Some(Arc::clone(&spec.dns)),
            Step::Web(web) => self.applied.web = Some(web.clone()),
        }
    }

    /// A leaf that nears its end is issued anew, and shown by the listener.
    async fn renew_leaf(&mut self) {
        let Some(spec) = self.applied.leaf.clone() else {
            return;
        };
        let now = (self.clock)();
        if !self
            .parts
            .vault
            .leaf()
            .await
            .is_some_and(|leaf| leaf.is_due(&spec, now))
        {
            return;
        }
        let renewed = match limited(self.parts.vault.ensure_leaf(&spec, now)).await {
            Ok(_) => limited(self.parts.listener.renew_leaf()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = renewed {
            self.items
                .set(Part::Vault, State::Failed, error.to_string(), now);
        }
    }

    fn publish(
        &self,
        desired: &Desired,
        spec: Option<Arc<BoxSpec>>,
        settled: bool,
        before: (Items, Option<Arc<NetworkFacts>>),
    ) {
        let last = self.published.borrow().clone();
        let applied_revision = if settled {
            Some(desired.revision)
        } else {
            last.applied_revision
        };
        let tried_revision = Some(desired.revision);
        let unchanged = applied_revision == last.applied_revision
            && tried_revision == last.tried_revision
            && before.0 == self.items
            && before.1 == self.facts;
        if unchanged {
            return;
        }
        self.published.send_replace(Arc::new(Published {
            generation: last.generation + 1,
            applied_revision,
            tried_revision,
            items: self.items.list(),
            facts: self.facts.clone().unwrap_or(last.facts.clone()),
            spec,
        }));
    }
}

fn part_of(step: &Step) -> Part {
    match step {
        Step::Firewall(_) => Part::Firewall,
        Step::Network(_) => Part::Network,
        Step::WireGuard(_) => Part::Wireguard,
        Step::Leaf(_) => Part::Vault,
        Step::Dns(_) => Part::Dns,
        Step::Web(_) => Part::Web,
    }
}

/// What a part that is as asked says of itself.
fn detail(part: Part, spec: &BoxSpec) -> String {
    match part {
        Part::Firewall => format!(
            "Open for {} devices; everything else is dropped.",
            spec.firewall.peers.len()
        ),
        Part::Network => match spec.network.interfaces.len() {
            0 => "Addresses of the interfaces are as they were found.".to_owned(),
            set => format!("Addresses of {set} interfaces are set."),
        },
        Part::Wireguard => spec.wireguard.as_ref().map_or_else(
            || "There is no VPN before setup.".to_owned(),
            |wireguard| {
                let (port, peers) = (wireguard.listen_port, wireguard.peers.len());
                format!(
                    "{} on UDP port {port} knows {peers} devices.",
                    wireguard.interface
                )
            },
        ),
        Part::Vault => match &spec.leaf.domain {
            Some(domain) => format!("The certificate for {domain} is signed by the cell's own CA."),
            None => "A throw-away certificate is shown until setup.".to_owned(),
        },
        Part::Dns => spec.dns.zone.as_ref().map_or_else(
            || "Questions are passed on; there is no zone before setup.".to_owned(),
            |zone| format!("{} answers with {} names.", zone.domain, zone.names.len()),
        ),
        Part::Web => {
            let listen: Vec<String> = spec.web.listen.iter().map(ToString::to_string).collect();
            format!("Listens on {}.", listen.join(", "))
        }
    }
}

/// Runs one act of a part, but not for ever, and keeps why it failed with all its causes.
async fn limited<T, E: Error + Send + Sync + 'static>(
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, StepError> {
    match tokio::time::timeout(STEP_LIMIT, act).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(chain(&error).into()),
        Err(_) => Err(format!("no end within {} s", STEP_LIMIT.as_secs()).into()),
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
