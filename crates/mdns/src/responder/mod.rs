//! What is said when, without sockets and clock: messages and the time go in, messages come out.
//!
//! A name is asked for three times (`Phase::Probing`); when nobody has it, it is told twice and answered from then
//! on (`Phase::Answering`). Start at [`Responder::due`], [`Responder::receive`] and [`Responder::update`].

mod answer;
mod conflict;
mod records;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use cell_model::name::DnsLabel;
use cell_model::spec::MdnsSpec;
use cell_model::status::MdnsStatus;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Record, RecordType};
use serde::{Deserialize, Serialize};

use answer::{Budget, Pending};
use records::Records;

/// RFC 6762 section 3.
pub const PORT: u16 = 5353;
/// RFC 6762 section 3.
pub const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// RFC 6762 section 3.
pub const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// RFC 6762 section 8.1: so many questions, this far apart, the first after a random part of the same.
const PROBES: u8 = 3;
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// RFC 6762 section 8.2: who loses against another that asks at the same time waits so long.
const DEFERRED: Duration = Duration::from_secs(1);
/// RFC 6762 section 8.3: at least two, a second apart.
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// A name that is fought over so often within this time is given up, so that two that do not hear each other's
/// questions end.
const FIGHTS: usize = 3;
const FIGHTS_WITHIN: Duration = Duration::from_secs(60);

/// The protocol below a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Via {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Where everybody hears it.
    pub fn group(self) -> SocketAddr {
        match self {
            Self::V4 => (GROUP4, PORT).into(),
            Self::V6 => (GROUP6, PORT).into(),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Who is to hear a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Everybody on the wire.
    Group(Via),
    /// Who asked.
    One(SocketAddr),
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom.
    pub to: Target,
    /// The message.
    pub bytes: Vec<u8>,
}

/// How far it is with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Asks whether somebody has it.
    Probing { asked: u8, next: Instant },
    /// Answers to it; so many announcements are left.
    Answering { left: u8, next: Instant },
    /// All alternatives are somebody else's.
    Taken,
}

/// One box on one wire.
#[derive(Debug)]
pub struct Responder {
    spec: MdnsSpec,
    /// Which of the label's alternatives it is at.
    alternative: usize,
    records: Records,
    phase: Phase,
    /// What everybody was told and has not been taken back, whatever the phase.
    announced: Vec<Record>,
    /// What takes back a name that was lost, and since when it is to be said.
    goodbye: Option<(Instant, Vec<Outgoing>)>,
    pending: Vec<Pending>,
    alone: Budget,
    /// When others claimed a name that was the box's already.
    fights: Vec<Instant>,
    random: Random,
}

impl Responder {
    /// Begins to ask for the first name. The seed need not be secret: it keeps boxes that start together apart.
    pub fn new(spec: MdnsSpec, seed: u64, now: Instant) -> Self {
        let mut responder = Self {
            records: Records::new(&spec, &spec.label),
            spec,
            alternative: 0,
            phase: Phase::Taken,
            announced: Vec::new(),
            goodbye: None,
            pending: Vec::new(),
            alone: Budget::default(),
            fights: Vec::new(),
            // Xorshift stays at zero.
            random: Random(seed | 1),
        };
        responder.probe(now);
        responder
    }

    /// How it is.
    pub fn status(&self) -> MdnsStatus {
        match self.phase {
            Phase::Probing { .. } => MdnsStatus::Probing,
            Phase::Answering { .. } => MdnsStatus::Answering {
                label: self.label(),
            },
            Phase::Taken => MdnsStatus::Taken,
        }
    }

    /// When [`Self::due`] has something to say at the latest; `None`: not before it hears something.
    pub fn deadline(&self) -> Option<Instant> {
        let next = match self.phase {
            Phase::Probing { next, .. } => Some(next),
            Phase::Answering { left, next } => (left > 0).then_some(next),
            Phase::Taken => None,
        };
        let goodbye = self.goodbye.iter().map(|(since, _)| *since);
        let answers = self.pending.iter().map(|pending| pending.due);
        next.into_iter().chain(goodbye).chain(answers).min()
    }

    /// What is to be said now.
    pub fn due(&mut self, now: Instant) -> Vec<Outgoing> {
        let mut outgoing = self.goodbyes();
        match self.phase {
            Phase::Probing { asked, next } if next <= now && asked < PROBES => {
                self.phase = Phase::Probing {
                    asked: asked + 1,
                    next: now + PROBE_EVERY,
                };
                let question = self.question();
                outgoing.extend(
                    Via::BOTH
                        .into_iter()
                        .filter_map(|via| to_group(via, &question)),
                );
            }
            Phase::Probing { next, .. } if next <= now => {
                self.phase = Phase::Answering {
                    left: ANNOUNCEMENTS,
                    next: now,
                };
                outgoing.extend(self.due(now));
                return outgoing;
            }
            Phase::Answering {
                left: left @ 1..,
                next,
            } if next <= now => {
                self.phase = Phase::Answering {
                    left: left - 1,
                    next: now + ANNOUNCE_EVERY,
                };
                self.announced = self.records.retractable().cloned().collect();
                let announcement = answer::message(self.records.all().map(answer::told));
                for via in Via::BOTH {
                    self.records.all_told(via, now);
                    outgoing.extend(to_group(via, &announcement));
                }
            }
            _ => {}
        }
        outgoing.extend(self.due_answers(now));
        outgoing
    }

    /// Takes a message that came to the port. One that is not understood, or not from the wire, is nothing.
    /// What it calls for is said by [`Self::due`].
    pub fn receive(&mut self, bytes: &[u8], source: SocketAddr, now: Instant) {
        if !self.is_neighbour(source.ip()) {
            return;
        }
        let Ok(message) = Message::from_vec(bytes) else {
            return;
        };
        // RFC 6762 section 18: other operations are nothing, and so are errors.
        if message.metadata.op_code != OpCode::Query {
            return;
        }
        match message.metadata.message_type {
            MessageType::Response if source.port() == PORT => self.hear(&message, now),
            // RFC 6762 section 6: answers of a resolver that is not multicast's are nobody's.
            MessageType::Response => {}
            MessageType::Query => {
                self.compete(&message, now);
                self.answer(&message, source, now);
            }
        }
    }

    /// Answers as another spec says from now on. What is to be taken back is said on the way the old one was.
    pub fn update(&mut self, spec: MdnsSpec, now: Instant) -> Vec<Outgoing> {
        let same_name = spec.label == self.spec.label && spec.interface == self.spec.interface;
        if spec == self.spec && self.phase != Phase::Taken {
            return Vec::new();
        }
        let answering = matches!(self.phase, Phase::Answering { .. });
        if !same_name || !answering {
            let outgoing = self.farewell();
            self.spec = spec;
            self.alternative = 0;
            self.fights.clear();
            self.probe(now);
            return outgoing;
        }
        self.spec = spec;
        let records = Records::new(&self.spec, &self.label());
        if records.names().all(|name| self.records.has_name(name)) {
            self.records = records;
            self.pending.clear();
            self.phase = Phase::Answering {
                left: ANNOUNCEMENTS,
                next: now,
            };
        } else {
            // The service is new, and so is its name.
            self.probe(now);
        }
        let mut outgoing = self.goodbyes();
        outgoing.extend(self.take_back_stale());
        outgoing
    }

    /// Takes back everything that was told.
    pub fn farewell(&mut self) -> Vec<Outgoing> {
        let mut outgoing = self.goodbyes();
        outgoing.extend(take_back(std::mem::take(&mut self.announced)));
        outgoing
    }

    /// What takes back a name that was lost, once.
    fn goodbyes(&mut self) -> Vec<Outgoing> {
        self.goodbye.take().map_or_else(Vec::new, |(_, said)| said)
    }

    /// Takes back what was told and is no longer so.
    fn take_back_stale(&mut self) -> Vec<Outgoing> {
        let announced = std::mem::take(&mut self.announced).into_iter();
        let (so, gone) = announced.partition(|record| self.records.says(record));
        self.announced = so;
        take_back(gone)
    }

    /// The label it is at.
    fn label(&self) -> DnsLabel {
        let mut labels = self.spec.label.alternatives();
        labels
            .nth(self.alternative)
            .unwrap_or_else(|| self.spec.label.clone())
    }

    /// Begins to ask for the label it is at.
    fn probe(&mut self, now: Instant) {
        self.records = Records::new(&self.spec, &self.label());
        self.pending.clear();
        self.phase = Phase::Probing {
            asked: 0,
            next: now + self.random.part_of(PROBE_EVERY),
        };
    }

    /// Leaves the label to whoever has it.
    fn next_alternative(&mut self, now: Instant) {
        let goodbye = self.farewell();
        self.goodbye = (!goodbye.is_empty()).then_some((now, goodbye));
        self.fights.clear();
        self.alternative += 1;
        if self
            .spec
            .label
            .alternatives()
            .nth(self.alternative)
            .is_some()
        {
            self.probe(now);
        } else {
            self.pending.clear();
            self.phase = Phase::Taken;
        }
    }

    /// Who has our names? With what they would stand for, should another ask at the same time (section 8.2).
    fn question(&self) -> Message {
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        let names = self.records.names().map(|name| (name, RecordType::ANY));
        // Some answer for their addresses to nothing else, python-zeroconf and with it Home Assistant among them.
        let host = self.records.names().next();
        let host = host.map(|name| (name, RecordType::A));
        for (name, record_type) in names.chain(host) {
            let mut query = Query::query(name.clone(), record_type);
            query.set_mdns_unicast_response(true);
            message.add_query(query);
        }
        message.add_authorities(self.records.claimed().map(|owned| owned.record.clone()));
        message
    }

    /// Whether an address is of the wire: section 11, but for senders with addresses of other networks.
    fn is_neighbour(&self, address: IpAddr) -> bool {
        let mut networks = self.spec.addresses.iter();
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => true,
            _ => networks.any(|network| network.contains(&address)),
        }
    }
}

/// Section 10.1: a life of nothing. Without a word on what others say of the name, which may be theirs by now.
fn take_back(records: Vec<Record>) -> Vec<Outgoing> {
    if records.is_empty() {
        return Vec::new();
    }
    let goodbye = answer::message(records.into_iter().map(|mut record| {
        record.ttl = 0;
        record
    }));
    let to_all = Via::BOTH.into_iter();
    to_all.filter_map(|via| to_group(via, &goodbye)).collect()
}

/// The message as it goes out; `None` for one that cannot be written, which none of ours is.
fn outgoing(to: Target, message: &Message) -> Option<Outgoing> {
    let bytes = message.to_vec().ok()?;
    Some(Outgoing { to, bytes })
}

fn to_group(via: Via, message: &Message) -> Option<Outgoing> {
    outgoing(Target::Group(via), message)
}

/// Numbers that differ between boxes: xorshift64 (Marsaglia, 2003).
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// Some part of a time.
    fn part_of(&mut self, whole: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let micros = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.0 % micros.max(1))
    }
}
