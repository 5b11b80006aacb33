//! One round: look, plan, carry out, read back, publish.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cell_firewall::FirewallStatus;
use cell_model::Timestamp;
use cell_model::container::ImageRef;
use cell_model::facts::{NetworkFacts, StartOptions};
use cell_model::name::{DnsLabel, ServiceId};
use cell_model::problem::chain;
use cell_model::spec::{BoxSpec, WireGuardSpec};
use cell_model::status::{MdnsStatus, Part, State};
use cell_model::step::{FirewallStep, Step, WireGuardStep};
use cell_plan::diff::{Applied, diff};
use cell_plan::resolve::{Input, closed, resolve};
use tokio::sync::{mpsc, watch};

use crate::execute::{LIMIT, StepError, limited};
use crate::exits::ExitsStatus;
use crate::in_hand::{Begun, InHand};
use crate::items::{Items, detail, found, part_of};
use crate::pauses::Pauses;
use crate::resting::Resting;
use crate::{Desired, Parts, Published};

/// No part may hold up the others for longer. A step that takes longer goes on beside them.
const PATIENCE: Duration = Duration::from_secs(3);
/// Carrying steps out can change the facts they follow from: new addresses, a new interface. After so many
/// passes the rest waits for the next round.
const MAX_PASSES: usize = 3;

/// Does the rounds.
pub(crate) struct Worker {
    options: StartOptions,
    parts: Parts,
    proxy_image: Option<ImageRef>,
    /// Connections to the proxy of before are to end.
    opened_after: Duration,
    published: watch::Sender<Arc<Published>>,
    clock: fn() -> Timestamp,
    applied: Applied,
    in_hand: InHand,
    facts: Option<Arc<NetworkFacts>>,
    look: Look,
    items: Items,
    /// Data of services that is gone.
    deleted: BTreeSet<(ServiceId, u32)>,
    serial: u32,
    pauses: Pauses,
    /// Whether there are rules in force: this process's, or those an earlier one left.
    guarded: bool,
    stopping: watch::Receiver<bool>,
    /// How ways out are, as far as it is known.
    exits_status: watch::Receiver<ExitsStatus>,
    /// The same, as this round plans with it.
    exits: ExitsStatus,
}

/// How much the next round looks at before it plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing: what is known is of this moment.
    Nowhere,
    /// The network, after a step of ours that changed it.
    AfterStep,
    /// The network, and whether somebody else undid what was carried out.
    Everywhere,
}

impl Worker {
    pub(crate) fn new(
        options: StartOptions,
        parts: Parts,
        published: watch::Sender<Arc<Published>>,
        clock: fn() -> Timestamp,
        stopping: watch::Receiver<bool>,
        resting: Resting,
        exits_status: watch::Receiver<ExitsStatus>,
    ) -> Self {
        let now = clock();
        Self {
            options,
            proxy_image: parts.library.proxy(),
            opened_after: Duration::ZERO,
            parts,
            published,
            clock,
            applied: Applied::default(),
            in_hand: InHand::new(resting),
            facts: None,
            look: Look::Everywhere,
            items: Items::new(now),
            deleted: BTreeSet::new(),
            serial: 0,
            pauses: Pauses::default(),
            guarded: false,
            stopping,
            exits_status,
            exits: ExitsStatus::default(),
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

    /// The next round looks at the world again.
    pub(crate) fn look_again(&mut self) {
        self.look = Look::Everywhere;
    }

    /// Looks at the network at once. Whether there is anything to do about it.
    pub(crate) async fn network_changed(&mut self) -> bool {
        let before = self.facts.clone();
        self.look_again();
        !self.observe().await || self.facts != before || self.applied.network.is_none()
    }

    /// The next round ends the connections to the proxy, so that those that come are told from those of before.
    pub(crate) fn end_connections(&mut self, opened_before: Duration) {
        self.opened_after = opened_before;
    }

    /// The next round brings the part up from whatever it is.
    pub(crate) fn forget(&mut self, part: Part) {
        self.in_hand.outdate(part);
        self.know_nothing_of(part);
        self.pauses.end(part);
    }

    fn know_nothing_of(&mut self, part: Part) {
        match part {
            Part::Firewall => self.applied.firewall = None,
            Part::Network => self.applied.network = None,
            Part::Wireguard => self.applied.wireguard = None,
            Part::Vault => self.applied.leaf = None,
            Part::Dns => self.applied.dns = None,
            Part::Exits => self.applied.exits = None,
            Part::Web => self.applied.web = None,
            Part::Mdns => self.applied.mdns = None,
            Part::Containers => self.applied.containers = None,
            Part::Proxy => self.applied.proxy = None,
        }
    }

    /// Whether everything essential is as asked afterwards.
    pub(crate) async fn round(&mut self, desired: &Desired) -> bool {
        self.pauses.is_of(desired.revision);
        let before = (self.items.clone(), self.facts.clone());
        let mut spec = None;
        let mut settled = false;
        let mut touched = false;
        let mut tried = false;
        for _ in 0..MAX_PASSES {
            let seen = self.observe().await;
            if !self.guarded && !self.in_hand.has(Part::Firewall) {
                self.close(desired).await;
            }
            self.find_due_leaf().await;
            let mut wanted = self.resolve(desired);
            let mut steps = diff(&self.applied, &wanted);
            if !seen {
                // Addresses are not changed blindly, and what was seen last stays what the others follow from.
                steps.retain(|step| part_of(step) != Part::Network);
            }
            let renamed = steps.iter().any(|step| part_of(step) == Part::Dns);
            if let Some(dns) = self.applied.dns.as_ref().filter(|_| !renamed) {
                // The serial of the zone moves only with its content.
                wanted.dns = Arc::clone(dns);
            }
            let wanted = Arc::clone(spec.insert(Arc::new(wanted)));
            if !self.guarded {
                self.hold_back();
                break;
            }
            let essential = |steps: &[Step]| {
                let parts = steps.iter().map(part_of);
                parts.filter(|part| part.is_essential()).count()
            };
            let all = essential(&steps);
            steps.retain(|step| {
                let part = part_of(step);
                let failed = tried && self.items.state(part) == State::Failed;
                let waits = failed || self.pauses.lasts(part);
                !self.in_hand.has(part) && (part.is_essential() || !waits)
            });
            let postponed = essential(&steps) < all;
            if steps.is_empty() {
                settled = seen && !postponed;
                break;
            }
            touched = true;
            // What can wait and fails is tried once a round.
            tried |= steps.iter().any(|step| !part_of(step).is_essential());
            if !self.carry_out(steps, &wanted).await {
                break;
            }
            if self.look == Look::Nowhere && self.applied.is_complete() && !postponed {
                // Nothing the plan follows from was touched: another pass would find nothing to do.
                settled = seen;
                break;
            }
        }
        let now = (self.clock)();
        for part in Part::ALL {
            if settled && self.items.state(part) == State::Unknown {
                self.items.set(part, State::Ok, "As asked.".to_owned(), now);
            }
        }
        let mut essential = Part::ALL.iter().filter(|part| part.is_essential());
        let settled = settled && essential.all(|&part| self.items.state(part) == State::Ok);
        self.say_found();
        let unchanged = !touched && before.0 == self.items && before.1 == self.facts;
        self.publish(desired, spec, settled, unchanged);
        settled
    }

    /// Brings what is known of the network up to date. Whether that worked.
    async fn observe(&mut self) -> bool {
        if self.look == Look::Nowhere {
            return true;
        }
        match limited(PATIENCE, self.parts.network.observe()).await {
            Ok(facts) => {
                if self.look == Look::Everywhere {
                    self.find_undone(&facts).await;
                }
                let found_as = self.found_as().await;
                self.facts = Some(Arc::new(NetworkFacts { found_as, ..facts }));
                self.look = Look::Nowhere;
                true
            }
            Err(error) => {
                self.forget(Part::Network);
                let now = (self.clock)();
                self.items
                    .set(Part::Network, State::Failed, error.to_string(), now);
                false
            }
        }
    }

    /// The label the box is found by: another one where the one it was to have is somebody else's.
    async fn found_as(&mut self) -> Option<DnsLabel> {
        let before = self.facts.as_ref().and_then(|facts| facts.found_as.clone());
        match &self.applied.mdns {
            // It is looking for one.
            None => return before,
            Some(None) => return None,
            Some(Some(_)) => {}
        }
        match limited(PATIENCE, self.parts.mdns.observe()).await {
            Ok(MdnsStatus::Answering { label }) => Some(label),
            Ok(MdnsStatus::Probing) => before,
            Ok(MdnsStatus::Idle | MdnsStatus::Taken) | Err(_) => {
                self.forget(Part::Mdns);
                None
            }
        }
    }

    /// The box is found by no name: whether the last one is free is not known any more.
    fn lose_name(&mut self) {
        if let Some(facts) = &mut self.facts
            && facts.found_as.is_some()
        {
            Arc::make_mut(facts).found_as = None;
        }
    }

    /// Says under which name the box is found: it may have been given up for another since.
    fn say_found(&mut self) {
        if let Some(spec) = &self.applied.mdns
            && self.items.state(Part::Mdns) == State::Ok
        {
            let found_as = self
                .facts
                .as_ref()
                .and_then(|facts| facts.found_as.as_ref());
            let detail = found(spec.as_ref(), found_as);
            self.items
                .set(Part::Mdns, State::Ok, detail, (self.clock)());
        }
    }

    /// Forgets what somebody else undid, so that it is done again.
    async fn find_undone(&mut self, facts: &NetworkFacts) {
        let applied = &self.applied;
        let mut undone = Vec::new();
        if let Some(spec) = &applied.network
            && !cell_network::is_applied(facts, spec)
        {
            undone.push(Part::Network);
        }
        if let Some(Some(spec)) = &applied.wireguard
            && (!facts.interfaces.contains_key(&spec.interface) || !self.leads_on(spec).await)
        {
            undone.push(Part::Wireguard);
        }
        if let Some(spec) = &applied.exits
            && !spec.tunnels.0.is_empty()
            && !self.in_hand.has(Part::Exits)
            && let Err(error) = limited(PATIENCE, self.parts.tunnels.verify(&spec.tunnels)).await
        {
            tracing::debug!(%error, "tunnels that lead out are not as asked");
            undone.push(Part::Exits);
        }
        if let Some(Some(spec)) = &applied.proxy
            && let Err(error) = limited(PATIENCE, self.parts.proxy.verify(Some(spec))).await
        {
            tracing::debug!(%error, "the proxy does not answer as asked");
            undone.push(Part::Proxy);
        }
        if let Some(rules) = &applied.firewall {
            let step = FirewallStep::Replace(Arc::clone(rules));
            let verified = self.parts.firewall.verify(&step);
            match tokio::time::timeout(PATIENCE, verified).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    undone.push(Part::Firewall);
                    // As at a cold start: closed before anything else is mended.
                    self.guarded = false;
                }
                // Nothing says that the rules are gone; they are put in place again when their turn comes.
                Err(_) => undone.push(Part::Firewall),
            }
        }
        for part in undone {
            tracing::warn!(part = part.as_str(), "it is no longer seen to be as asked");
            self.forget(part);
        }
    }

    /// Whether packets to other cells find their way. It takes reading all peers, so where there are none it is not asked.
    async fn leads_on(&self, spec: &Arc<WireGuardSpec>) -> bool {
        let step = WireGuardStep::Ensure(Arc::clone(spec));
        spec.routes.is_empty()
            || limited(PATIENCE, self.parts.wireguard.verify(&step))
                .await
                .is_ok()
    }

    /// Closes the box before anything else comes up, unless rules are in force that an earlier process left.
    async fn close(&mut self, desired: &Desired) {
        let left = limited(LIMIT, self.parts.firewall.observe()).await;
        if matches!(&left, Ok(FirewallStatus::Loaded(rules)) if rules.intact) {
            self.guarded = true;
            return;
        }
        let facts = self.facts.clone().unwrap_or_default();
        let rules = Arc::new(closed(&self.input(desired, &facts)));
        let step = FirewallStep::Replace(Arc::clone(&rules));
        match limited(LIMIT, self.parts.firewall.apply(&step)).await {
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

    /// Nothing comes up before the box is closed.
    fn hold_back(&mut self) {
        let now = (self.clock)();
        for part in Part::ALL {
            if part != Part::Firewall {
                let detail = "Waits for the firewall.".to_owned();
                self.items.set(part, State::Pending, detail, now);
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
            proxy_image: self.proxy_image.as_ref(),
            opened_after: self.opened_after,
            pairing: desired.pairing.as_deref(),
            places: &desired.places,
            exits: &self.exits,
        }
    }

    fn resolve(&mut self, desired: &Desired) -> BoxSpec {
        self.exits = self.exits_status.borrow().clone();
        // Seconds since 1970 rise over restarts; the increment keeps it rising within one second.
        let seconds = u32::try_from((self.clock)().as_second()).unwrap_or_default();
        self.serial = self.serial.wrapping_add(1).max(seconds);
        let facts = self.facts.clone().unwrap_or_default();
        resolve(&self.input(desired, &facts))
    }

    /// One after the other, in their order; one that takes long is put aside. Whether all essential ones worked.
    async fn carry_out(&mut self, steps: Vec<Step>, spec: &Arc<BoxSpec>) -> bool {
        let mut all = true;
        for step in steps {
            if *self.stopping.borrow() {
                return false;
            }
            let part = part_of(&step);
            let now = (self.clock)();
            self.in_hand.begin(&self.parts, step, Arc::clone(spec), now);
            if part.is_essential() {
                all &= self.wait_for(part).await;
            } else if self.items.state(part) != State::Failed {
                let detail = match part {
                    // Others on the wire are given a second to speak up, and nobody waits for that.
                    Part::Mdns => "It finds out whether the name is free.",
                    Part::Proxy => "It is told what to answer.",
                    Part::Exits => "It is told what to carry where.",
                    _ => "Services are brought to what is asked for.",
                };
                self.items.set(part, State::Pending, detail.to_owned(), now);
            }
        }
        all
    }

    /// Waits for the step a part has in hand, but not for long. Whether it ended, and worked.
    async fn wait_for(&mut self, part: Part) -> bool {
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                (begun, outcome) = self.in_hand.next() => {
                    let ended = part_of(&begun.step);
                    let worked = self.take_note(begun, outcome);
                    if ended == part {
                        return worked;
                    }
                }
                () = &mut patience => break,
            }
        }
        // Half of it may be done: until it ends, nothing is known of the part.
        self.know_nothing_of(part);
        let detail = format!("It takes longer than {} s.", PATIENCE.as_secs());
        self.items.set(part, State::Pending, detail, (self.clock)());
        false
    }

    /// Takes note of how a step ended. Whether it worked.
    fn take_note(&mut self, begun: Begun, outcome: Result<(), StepError>) -> bool {
        let Begun {
            step,
            spec,
            outdated,
        } = begun;
        let part = part_of(&step);
        let now = (self.clock)();
        if part == Part::Containers {
            // Its container may be another one since.
            self.tell_proxy_again();
        }
        self.pauses.note(part, outcome.is_ok());
        match outcome {
            Ok(()) if outdated => false,
            Ok(()) => {
                self.remember(&step, &spec);
                self.items.set(part, State::Ok, detail(part, &spec), now);
                true
            }
            Err(error) => {
                tracing::debug!(part = part.as_str(), %error, "step failed");
                self.know_nothing_of(part);
                if part == Part::Mdns {
                    self.lose_name();
                }
                self.items.set(part, State::Failed, error.to_string(), now);
                false
            }
        }
    }

    /// The proxy, if there is one, is told anew what it answers, also when that is on its way.
    fn tell_proxy_again(&mut self) {
        self.in_hand.outdate(Part::Proxy);
        self.applied.proxy = self.applied.proxy.take().filter(Option::is_none);
    }

    /// Whether steps that were put aside are still on their way.
    pub(crate) fn waits(&self) -> bool {
        !self.in_hand.is_empty()
    }

    /// Takes the next late result when it comes, and shows it. Whether there is more to do at once: what failed waits
    /// for its pause.
    pub(crate) async fn late_result(&mut self) -> bool {
        let (begun, outcome) = self.in_hand.next().await;
        let (outdated, worked) = (begun.outdated, self.take_note(begun, outcome));
        let last = self.published.borrow().clone();
        self.published.send_replace(Arc::new(Published {
            generation: last.generation + 1,
            items: self.items.list(),
            facts: self.facts.clone().unwrap_or_default(),
            deleted: self.deleted.clone(),
            ..Published::clone(&last)
        }));
        worked || outdated
    }

    fn remember(&mut self, step: &Step, spec: &BoxSpec) {
        match step {
            Step::Firewall(_) => self.applied.firewall = Some(Arc::clone(&spec.firewall)),
            Step::Network(step) => {
                if !step.spec.interfaces.is_empty() {
                    self.look = Look::AfterStep;
                }
                self.applied.network = Some(step.spec.clone());
            }
            Step::WireGuard(step) => {
                if !matches!(step, WireGuardStep::PatchPeers { .. }) {
                    self.look = Look::AfterStep;
                }
                self.applied.wireguard = Some(spec.wireguard.clone());
            }
            Step::Leaf(leaf) => {
                self.applied.leaf = Some(leaf.clone());
                // Listener and proxy fetch it anew, and so do services that are handed one of the same authority.
                self.applied.web = None;
                self.tell_proxy_again();
                let mut services = spec.containers.services.iter();
                if services.any(|service| !service.names.is_empty()) {
                    self.in_hand.outdate(Part::Containers);
                    self.applied.containers = None;
                }
            }
            Step::Dns(_) => self.applied.dns = Some(Arc::clone(&spec.dns)),
            Step::Exits(exits) => self.applied.exits = Some(Arc::clone(exits)),
            Step::Web(web) => self.applied.web = Some(web.clone()),
            Step::Mdns(mdns) => {
                // Which name was free is among the facts that certificate and admin page follow from.
                self.look = Look::AfterStep;
                self.applied.mdns = Some(mdns.clone());
            }
            Step::Containers(containers) => {
                self.deleted.clone_from(&containers.discarded);
                self.applied.containers = Some(Arc::clone(containers));
            }
            Step::Proxy(proxy) => self.applied.proxy = Some(proxy.clone()),
        }
    }

    /// A leaf that nears its end is issued anew, and with it shown by the listener.
    async fn find_due_leaf(&mut self) {
        let Some(spec) = &self.applied.leaf else {
            return;
        };
        let leaf = self.parts.vault.leaf().await;
        if leaf.is_none_or(|leaf| leaf.is_due(spec, (self.clock)())) {
            self.forget(Part::Vault);
        }
    }

    fn publish(
        &self,
        desired: &Desired,
        spec: Option<Arc<BoxSpec>>,
        settled: bool,
        unchanged: bool,
    ) {
        let last = self.published.borrow().clone();
        let applied_revision = if settled {
            Some(desired.revision)
        } else {
            last.applied_revision
        };
        let tried_revision = Some(desired.revision);
        let facts = self.facts.clone().unwrap_or_default();
        if unchanged
            && facts == last.facts
            && applied_revision == last.applied_revision
            && tried_revision == last.tried_revision
        {
            return;
        }
        self.published.send_replace(Arc::new(Published {
            generation: last.generation + 1,
            applied_revision,
            tried_revision,
            items: self.items.list(),
            facts,
            spec,
            deleted: self.deleted.clone(),
        }));
    }
}
