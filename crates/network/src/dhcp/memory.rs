//! What a client knows, and what follows from what it hears and from time that passes. Pure: time is handed in.

use std::collections::BTreeSet;
use std::time::Duration;

use cell_model::facts::DhcpFacts;
use ipnet::Ipv4Net;

use super::event::Event;
use super::lease::{Grant, Verdict, judge};

/// How long no server is heard before a link-local address is used beside or in place of a lease. A switch that looks
/// for loops passes nothing for up to 30 s after a cable is plugged in (IEEE 802.1D, twice a forward delay of 15 s):
/// sooner, and a box behind one would change its address at every start.
pub(super) const FALLBACK_AFTER: Duration = Duration::from_secs(30);

/// The client ends a lease itself. Should it not: so much later it is over all the same.
const GRACE: Duration = Duration::from_secs(10);

/// What a client knows.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    grant: Option<Grant>,
    verdict: Verdict,
    avoid: BTreeSet<Ipv4Net>,
    /// Since when a server is waited for; `None`: one was heard, and what it granted is of use.
    waiting_since: Option<Duration>,
    fallback: Option<Ipv4Net>,
    undecided: bool,
    /// Whether the process at work has said its first word, which is "deconfig" and means nothing.
    greeted: bool,
    /// Why the client itself is not at work.
    trouble: Option<String>,
}

impl Memory {
    /// Begins with the lease an earlier daemon kept, if there is one.
    pub(super) fn new(kept: Option<Grant>, avoid: BTreeSet<Ipv4Net>, now: Duration) -> Self {
        let mut memory = Self {
            grant: kept,
            verdict: Verdict::default(),
            avoid,
            waiting_since: Some(now),
            fallback: None,
            undecided: true,
            greeted: false,
            trouble: None,
        };
        memory.judge();
        memory
    }

    /// What is told to the outside.
    pub(super) fn facts(&self) -> DhcpFacts {
        DhcpFacts {
            undecided: self.undecided,
            lease: self.verdict.lease.clone(),
            fallback: self.fallback,
            complaint: self
                .trouble
                .clone()
                .or_else(|| self.verdict.complaint.clone()),
        }
    }

    /// What was granted, to be kept and to be asked for again.
    pub(super) fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// The address in use for want of a server.
    pub(super) fn fallback(&self) -> Option<Ipv4Net> {
        self.fallback
    }

    /// Another process asks from now on.
    pub(super) fn client_started(&mut self) {
        self.greeted = false;
        self.trouble = None;
    }

    /// No process can be made to ask.
    pub(super) fn client_failed(&mut self, reason: String) {
        self.trouble = Some(reason);
    }

    /// The wire may lead elsewhere now: the lease holds until a server says otherwise, but one must be heard anew.
    pub(super) fn link_came(&mut self, now: Duration) {
        self.waiting_since = Some(now);
    }

    /// Takes in what the client says.
    pub(super) fn hear(&mut self, event: Event, now: Duration) {
        match event {
            Event::Granted(grant) => {
                self.greeted = true;
                self.grant = Some(grant);
                self.judge();
                self.settle(now);
            }
            Event::Lost if self.greeted => self.lose(now),
            Event::Lost => self.greeted = true,
            Event::Silence => {}
        }
    }

    /// Other networks are to be kept clear of.
    pub(super) fn set_avoid(&mut self, avoid: BTreeSet<Ipv4Net>, now: Duration) {
        let before = self.verdict.lease.is_some();
        self.avoid = avoid;
        self.judge();
        if self.verdict.lease.is_some() != before {
            self.settle(now);
        }
    }

    /// Takes in that time has passed.
    pub(super) fn pass(&mut self, now: Duration) {
        if self
            .grant
            .as_ref()
            .is_some_and(|grant| grant.until + GRACE <= now)
        {
            self.lose(now);
        }
    }

    /// Whether a link-local address is called for and there is none.
    pub(super) fn wants_fallback(&self, now: Duration) -> bool {
        self.fallback.is_none()
            && self
                .waiting_since
                .is_some_and(|since| since + FALLBACK_AFTER <= now)
    }

    /// A link-local address was found free.
    pub(super) fn fall_back(&mut self, address: Ipv4Net) {
        if self.waiting_since.is_some() {
            self.fallback = Some(address);
            self.undecided = false;
        }
    }

    /// When time changes something next, after `now`; `None`: never.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let end = self.grant.as_ref().map(|grant| grant.until + GRACE);
        let fallback = self
            .waiting_since
            .filter(|_| self.fallback.is_none())
            .map(|since| since + FALLBACK_AFTER);
        let deadlines = end.into_iter().chain(fallback);
        deadlines.filter(|deadline| *deadline > now).min()
    }

    fn judge(&mut self) {
        self.verdict = self
            .grant
            .as_ref()
            .map_or_else(Verdict::default, |grant| judge(grant, &self.avoid));
        if self.verdict.lease.is_some() {
            self.undecided = false;
        }
    }

    /// A server was heard: what it granted is of use, or it is as if there were none.
    fn settle(&mut self, now: Duration) {
        if self.verdict.lease.is_some() {
            self.waiting_since = None;
            self.fallback = None;
        } else {
            self.waiting_since.get_or_insert(now);
        }
    }

    fn lose(&mut self, now: Duration) {
        self.grant = None;
        self.verdict = Verdict::default();
        self.undecided = false;
        self.waiting_since.get_or_insert(now);
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
