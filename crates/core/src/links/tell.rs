//! Tells linked cells how this one stands to them, until they have taken it, and hears the same of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cell_cells::{Answer, Command, Message, Reply, Statement};
use cell_control::link::LinkView;
use cell_model::Timestamp;
use cell_model::config::Claims;
use cell_model::endpoint::{Endpoint, Host};
use cell_model::problem::Problem;
use cell_model::signer::SignerKey;
use cell_signed::SigningKey;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Links;
use crate::Core;
use crate::set_up::internal;

/// How often it is looked for what there is to tell.
const LOOK: Duration = Duration::from_secs(2);
/// So often a cell is spoken with that has nothing new.
const HEARTBEAT: Duration = Duration::from_secs(5 * 60);
/// The longest time between two tries to reach one that has something to learn.
const LONGEST: Duration = Duration::from_secs(60);
/// So many are called at a time.
const AT_ONCE: usize = 8;
/// So many of them are cells that were not reached the last time.
const AT_ONCE_IN_VAIN: usize = 2;

/// How another cell was reached since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Contact {
    /// When it was last spoken with.
    last: Option<Timestamp>,
    /// The same, by a clock that nobody sets.
    pub(super) spoken: Option<Instant>,
    latency: Option<Duration>,
    /// How often it was not reached since then, and when it is tried again.
    failures: u32,
    is_called: bool,
    pub(super) again: Option<Instant>,
    why: Option<String>,
    /// The revision at which it was last tried to do as it says.
    tried_at: Option<u64>,
}

impl Contact {
    fn is_due(&self, is_told: bool) -> bool {
        let now = Instant::now();
        let rests = self.again.is_some_and(|again| now < again);
        let spoken = self.spoken.is_some_and(|at| at.elapsed() < HEARTBEAT);
        !(rests || is_told && spoken)
    }

    #[cfg(test)]
    pub(super) fn is_called(&self) -> bool {
        self.is_called
    }

    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        (self.failures, self.again, self.spoken) = (0, None, None);
    }

    fn succeeds(&mut self, at: Timestamp) {
        self.last = Some(at);
        self.spoken = Some(Instant::now());
        (self.failures, self.again, self.why) = (0, None, None);
    }

    fn fails(&mut self, why: String) {
        self.failures = self.failures.saturating_add(1);
        let wait = Duration::from_secs(1 << self.failures.min(10)).min(LONGEST);
        self.again = Some(Instant::now() + wait);
        self.why = Some(why);
    }
}

impl Links {
    /// How a cell was reached lately.
    pub(super) fn show_contact(&self, claims: &Claims, view: &mut LinkView) {
        let Some(contact) = self.contacts.get(&claims.identity) else {
            return;
        };
        view.last_contact = contact.last;
        let milliseconds = |latency: Duration| u32::try_from(latency.as_millis()).ok();
        view.latency_ms = contact.latency.and_then(milliseconds);
        if let Some(why) = &contact.why {
            let reached = format!(
                "The cell {} is not reached ({why}). What changes here is told as soon as it is.",
                claims.name
            );
            view.detail.get_or_insert(reached);
        }
    }
}

impl Core {
    /// Keeps telling.
    pub(super) fn keep_telling(self: &Arc<Self>) {
        let (core, mut desired) = (Arc::downgrade(self), self.desired.subscribe());
        tokio::spawn(async move {
            while let Some(core) = core.upgrade() {
                // Before setup, and where the box serves nothing yet, there is nobody to tell.
                if core.system.get().is_some() && core.config().is_ok() {
                    match core.tell_all().await {
                        Ok(mut calls) => calls.detach_all(),
                        Err(problem) => {
                            tracing::warn!(%problem, "other cells could not be told what has changed");
                        }
                    }
                }
                drop(core);
                if let Ok(Err(_)) = tokio::time::timeout(LOOK, desired.changed()).await {
                    return;
                }
            }
        });
    }

    /// Tells those who have something to learn, or were not spoken with for some time, unless they are not reached just now.
    /// The calls go on by themselves: one to a cell that is away takes seconds.
    pub(crate) async fn tell_all(self: &Arc<Self>) -> Result<JoinSet<()>, Problem> {
        self.settle_syncs().await?;
        let mut listeners = self.listeners();
        if listeners.is_empty() {
            return Ok(JoinSet::new());
        }
        {
            // Whoever waits longest comes first.
            let kept = self.links_kept();
            listeners
                .sort_by_key(|other| kept.contacts.get(other).and_then(|contact| contact.again));
        }
        let key = self.identity()?;
        let mut due = Vec::new();
        for other in listeners {
            self.heal_if_changed(&other).await?;
            if self.is_due(&other, &key).await? {
                due.push(other);
            }
        }
        let mut calls = JoinSet::new();
        for other in due {
            if self.begins_to_call(&other) {
                let core = Arc::clone(self);
                calls.spawn(async move {
                    if let Err(problem) = core.tell(&other).await {
                        tracing::info!(%problem, "a cell could not be told what has changed");
                        core.note_contact(&other, |contact| contact.fails(problem.to_string()));
                    }
                    core.note_contact(&other, |contact| contact.is_called = false);
                });
            }
        }
        Ok(calls)
    }

    /// Whether there is room to call a cell: those that were not reached leave some to those that were.
    fn begins_to_call(&self, other: &SignerKey) -> bool {
        let mut kept = self.links_kept();
        let called = kept.contacts.values().filter(|contact| contact.is_called);
        let (called, in_vain) = called.fold((0, 0), |(all, in_vain), contact| {
            (all + 1, in_vain + usize::from(contact.failures > 0))
        });
        let contact = kept.contacts.entry(other.clone()).or_default();
        let is_in_vain = contact.failures > 0;
        let begins =
            !contact.is_called && called < AT_ONCE && !(is_in_vain && in_vain >= AT_ONCE_IN_VAIN);
        contact.is_called |= begins;
        begins
    }

    async fn is_due(&self, other: &SignerKey, key: &SigningKey) -> Result<bool, Problem> {
        self.settle_said(other, key).await?;
        let kept = self.links_kept();
        let told = kept.syncs.get(other).is_some_and(|sync| sync.is_told());
        let contact = kept.contacts.get(other);
        Ok(contact.is_none_or(|contact| contact.is_due(told)))
    }

    async fn heal_if_changed(&self, other: &SignerKey) -> Result<(), Problem> {
        let revision = self.desired.borrow().revision;
        let mut is_new = false;
        self.note_contact(other, |contact| {
            is_new = contact.tried_at.replace(revision) != Some(revision);
        });
        match is_new {
            true => self.heal_again(other).await,
            false => Ok(()),
        }
    }

    /// Says how this cell stands to the other, and hears its answer.
    async fn tell(&self, other: &SignerKey) -> Result<(), Problem> {
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let key = self.identity()?;
        let said = self.settle_said(other, &key).await?;
        let statement = Statement::seal(said.clone(), other.clone(), &key);
        let statement = statement.map_err(|error| internal(&error))?;
        let own = SignerKey::from(key.public());
        let message = Message::Sync(Box::new(statement));
        let command = self.command_inside(&own, other, message);
        let why = match system.calls.call(command).await {
            Ok(Reply::Answered {
                answer: Answer::Synced(synced),
                latency,
                ..
            }) => {
                self.answered(other, &said, &synced, &key).await?;
                let now = (self.clock)();
                self.note_contact(other, |contact| {
                    contact.succeeds(now);
                    contact.latency = Some(latency);
                });
                return Ok(());
            }
            Ok(Reply::Answered { .. }) => "its answer makes no sense".to_owned(),
            Ok(Reply::Refused(problem)) => {
                if problem.code == "sync_old" {
                    self.count_on(other).await?;
                }
                problem.to_string()
            }
            Ok(Reply::Unreached(why)) => why,
            Err(error) => error.to_string(),
        };
        self.note_contact(other, |contact| contact.fails(why));
        Ok(())
    }

    /// Something to be said to another cell inside the tunnel.
    pub(super) fn command_inside(
        &self,
        own: &SignerKey,
        other: &SignerKey,
        message: Message,
    ) -> Command {
        let port = self.settings.options.wireguard_port;
        Command {
            endpoints: vec![Endpoint {
                host: Host::Address(IpAddr::V6(other.link_address())),
                port: Some(port),
            }],
            port,
            name_servers: Vec::new(),
            source: Some(IpAddr::V6(own.link_address())),
            identity: other.clone(),
            message,
        }
    }

    /// It was spoken with by its own doing: so it is reached.
    pub(super) fn note_heard(&self, other: &SignerKey) {
        let now = (self.clock)();
        self.note_contact(other, |contact| contact.succeeds(now));
    }

    fn note_contact(&self, other: &SignerKey, note: impl FnOnce(&mut Contact)) {
        note(self.links_kept().contacts.entry(other.clone()).or_default());
    }
}
