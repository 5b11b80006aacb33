//! Answering questions (RFC 6762 sections 5 to 7).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Record, RecordType};

use super::records::{Owned, Role};
use super::{Outgoing, PORT, Phase, Responder, Target, Via, outgoing};

/// The longest life that those are told who do not hear when it ends (section 6.7).
const TTL_OF_LEGACY: u32 = 10;
/// Everybody is told the same thing once in so long; one who asks for a name we have, oftener (section 6).
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_TO_PROBE: Duration = Duration::from_millis(250);
/// Others may have something to say as well: the earliest, and the rest by chance (section 6).
const SHARED: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));
/// More of what the questioner knows is on its way (section 7.2).
const MORE_KNOWN: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(100));
/// So many answers wait at most over each protocol, one for each questioner. Another goes along with one of them: it is
/// for everybody too.
const WAITING: usize = 32;
/// So many are to be said at once at most. They are said before the next message is taken, so more are not meant well.
const AT_ONCE: usize = 32;

/// So many answers to one alone are given within this time, all questioners together: a source can be made up, and
/// what goes to everybody is told once a second anyway.
const ALONE: u8 = 30;
const ALONE_WITHIN: Duration = Duration::from_secs(1);

/// How many answers to one alone were given of late.
#[derive(Debug, Default)]
pub(super) struct Budget {
    since: Option<Instant>,
    given: u8,
}

impl Budget {
    /// Whether there may be another.
    fn spend(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= ALONE_WITHIN {
            *self = Self {
                since: Some(now),
                given: 0,
            };
        }
        let left = self.given < ALONE;
        self.given += u8::from(left);
        left
    }
}

/// An answer that waits for its time.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) due: Instant,
    to: Target,
    /// Who asked, if it was one alone.
    source: Option<IpAddr>,
    /// Which records.
    records: Vec<usize>,
    /// Everybody is not told what they were told so short a time ago.
    again: Duration,
    /// The question, for one that speaks plain DNS and wants it back.
    plain: Option<(u16, Vec<Query>)>,
}

impl Pending {
    /// Says what another would as well, at the earlier of both times.
    fn join(&mut self, other: Self) {
        self.due = self.due.min(other.due);
        self.again = self.again.min(other.again);
        for index in other.records {
            if !self.records.contains(&index) {
                self.records.push(index);
            }
        }
    }
}

impl Responder {
    /// Makes a note to answer.
    pub(super) fn answer(&mut self, message: &Message, source: SocketAddr, now: Instant) {
        if !matches!(self.phase, Phase::Answering { .. }) {
            return;
        }
        if message.queries.is_empty() {
            self.forget_known(message, source.ip());
            return;
        }
        let via = Via::of(source.ip());
        let plain = source.port() != PORT;
        let known = self.known(&message.answers);
        let (mut to_one, mut to_all) = (Vec::new(), Vec::new());
        for query in &message.queries {
            for index in self.answers(query) {
                let Some(owned) = self.records.get(index) else {
                    continue;
                };
                if known.contains(&index) {
                    continue;
                }
                // Who wants to be told alone is, but for what everybody should be reminded of (section 5.4).
                let quarter = Duration::from_secs(u64::from(owned.record.ttl) / 4);
                let fresh = owned.told_since(via, now.checked_sub(quarter));
                let list = match plain || (query.mdns_unicast_response() && fresh) {
                    true => &mut to_one,
                    false => &mut to_all,
                };
                if !list.contains(&index) {
                    list.push(index);
                }
            }
        }
        if !to_one.is_empty() && !self.alone.spend(now) {
            // A plain resolver does not hear what everybody is told.
            to_one.retain(|index| !plain && !to_all.contains(index));
            to_all.append(&mut to_one);
        }
        let pending = |due, to, records| Pending {
            due,
            to,
            source: Some(source.ip()),
            records,
            again: match message.authorities.is_empty() {
                true => AGAIN,
                false => AGAIN_TO_PROBE,
            },
            plain: plain.then(|| (message.metadata.id, message.queries.clone())),
        };
        let wait = self.wait(message.metadata.truncation && !plain, &to_all);
        let one = pending(now, Target::One(source), to_one);
        let all = pending(now + wait, Target::Group(via), to_all);
        for answer in [one, all] {
            if !answer.records.is_empty() {
                self.make_note(answer, now);
            }
        }
    }

    /// Makes a note of an answer, in one with another to the same questioner where there is one.
    fn make_note(&mut self, answer: Pending, now: Instant) {
        let at_once = |pending: &Pending| pending.due <= now;
        let alike = |pending: &&mut Pending| {
            at_once(pending) == at_once(&answer)
                && pending.to == answer.to
                && pending.plain.is_none()
        };
        let mut notes = self.pending.iter_mut().filter(alike);
        let same = notes.find(|pending| pending.source == answer.source);
        if let Some(same) = same.filter(|_| answer.plain.is_none()) {
            same.join(answer);
            return;
        }
        let so_many = match at_once(&answer) {
            true => self.pending.iter().filter(|each| at_once(each)).count(),
            false => {
                let waiting = self.pending.iter().filter(|each| !at_once(each));
                waiting.filter(|each| each.to == answer.to).count()
            }
        };
        match (at_once(&answer), so_many) {
            (true, ..AT_ONCE) | (false, ..WAITING) => self.pending.push(answer),
            (true, _) => {}
            (false, _) => {
                if let Some(other) = self.pending.iter_mut().find(alike) {
                    // What one of them knows is no reason to keep it from the other.
                    other.source = None;
                    other.join(answer);
                }
            }
        }
    }

    /// How long an answer to everybody waits.
    fn wait(&mut self, more_known: bool, records: &[usize]) -> Duration {
        let shared = |index: &usize| self.records.get(*index).is_some_and(|owned| !owned.unique);
        let shared = records.iter().any(shared);
        match (more_known, shared) {
            (true, _) => MORE_KNOWN.0 + self.random.part_of(MORE_KNOWN.1),
            (false, true) => SHARED.0 + self.random.part_of(SHARED.1),
            (false, false) => Duration::ZERO,
        }
    }

    /// Which records answer a question.
    fn answers(&self, query: &Query) -> Vec<usize> {
        if !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY) {
            return Vec::new();
        }
        let all = self.records.all().enumerate();
        let of_name: Vec<(usize, &Owned)> = all
            .filter(|(_, owned)| owned.record.name == *query.name())
            .collect();
        let asked = query.query_type();
        let of_type = |owned: &Owned| match asked {
            RecordType::ANY => owned.record.record_type() != RecordType::NSEC,
            asked => owned.record.record_type() == asked,
        };
        let indexes = |wanted: &dyn Fn(&Owned) -> bool| -> Vec<usize> {
            let wanted = of_name.iter().filter(|(_, owned)| wanted(owned));
            wanted.map(|(index, _)| *index).collect()
        };
        let found = indexes(&of_type);
        match found.is_empty() {
            // Section 6.1: that there is none is an answer, where the name is ours alone.
            true => indexes(&|owned| owned.record.record_type() == RecordType::NSEC),
            false => found,
        }
    }

    /// The rest of what a questioner knows (section 7.2).
    fn forget_known(&mut self, message: &Message, source: IpAddr) {
        let known = self.known(&message.answers);
        for pending in &mut self.pending {
            if pending.source == Some(source) {
                pending.records.retain(|index| !known.contains(index));
            }
        }
    }

    /// Which records stand among the answers of a question, with half of their life left (section 7.1).
    fn known(&self, answers: &[Record]) -> BTreeSet<usize> {
        let known = answers.iter().filter_map(|answer| {
            let index = self.records.same_as(answer)?;
            let half = self.records.get(index)?.record.ttl / 2;
            (answer.ttl >= half).then_some(index)
        });
        known.collect()
    }

    /// Answers whose time has come.
    pub(super) fn due_answers(&mut self, now: Instant) -> Vec<Outgoing> {
        let (due, waiting) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|pending| pending.due <= now);
        self.pending = waiting;
        let due: Vec<Pending> = due;
        due.into_iter()
            .filter_map(|pending| self.say(pending, now))
            .collect()
    }

    fn say(&mut self, mut pending: Pending, now: Instant) -> Option<Outgoing> {
        if let Target::Group(via) = pending.to {
            let since = now.checked_sub(pending.again);
            let records = &self.records;
            pending.records.retain(|&index| {
                let owned = records.get(index);
                owned.is_some_and(|owned| !owned.told_since(via, since))
            });
            for &index in &pending.records {
                self.records.told(index, via, now);
            }
        }
        if pending.records.is_empty() {
            return None;
        }
        let plain = pending.plain.is_some();
        let as_told = |owned: &Owned| match plain {
            true => plainly(owned),
            false => told(owned),
        };
        let answers = pending.records.iter();
        let answers = answers.filter_map(|&index| self.records.get(index));
        let mut message = message(answers.map(as_told));
        message.add_additionals(self.related(&pending.records).map(as_told));
        if let Some((id, queries)) = pending.plain {
            message.metadata.id = id;
            message.add_queries(queries.into_iter().map(|mut query| {
                query.set_mdns_unicast_response(false);
                query
            }));
        }
        outgoing(pending.to, &message)
    }

    /// What whoever asked for these records will want next (RFC 6763 section 12), and what there is not.
    fn related(&self, records: &[usize]) -> impl Iterator<Item = &Owned> {
        let has = |role: Role| {
            let mut found = records.iter().filter_map(|&index| self.records.get(index));
            found.any(|owned| owned.role == role)
        };
        let pointer = has(Role::Pointer);
        let host = pointer || has(Role::Service) || has(Role::Address);
        let wanted = move |role| match role {
            Role::Address | Role::NoOthersOfHost => host,
            Role::Service | Role::Text => pointer,
            _ => false,
        };
        let all = self.records.all().enumerate();
        all.filter(move |(index, owned)| wanted(owned.role) && !records.contains(index))
            .map(|(_, owned)| owned)
    }
}

/// A record as those hear it who keep it until they hear otherwise.
pub(super) fn told(owned: &Owned) -> Record {
    let mut record = owned.record.clone();
    record.mdns_cache_flush = owned.unique;
    record
}

/// A record as those hear it who do not listen any longer.
fn plainly(owned: &Owned) -> Record {
    let mut record = owned.record.clone();
    record.ttl = record.ttl.min(TTL_OF_LEGACY);
    record
}

/// A response with these answers.
pub(super) fn message(answers: impl Iterator<Item = Record>) -> Message {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    message.add_answers(answers);
    message
}
