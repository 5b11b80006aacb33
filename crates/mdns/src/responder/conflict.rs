//! Others with the same name (RFC 6762 sections 8.1, 8.2 and 9).

use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Record, RecordType};

use super::records::written;
use super::{DEFERRED, FIGHTS, FIGHTS_WITHIN, Phase, Responder};

/// Who hears that a record was taken back keeps it for a second still (section 10.1).
const REMIND_WITHIN: Duration = Duration::from_millis(100);

/// Type and data of a record, in the order that decides (section 8.2).
type Claim = (u16, Vec<u8>);

impl Responder {
    /// Hears what another says of itself.
    pub(super) fn hear(&mut self, message: &Message, now: Instant) {
        let said = message.answers.iter().chain(&message.additionals);
        if said.clone().any(|record| self.is_cut_short(record)) {
            self.remind(now);
        }
        let mut said = said.filter(|record| self.is_of_ours(record) && record.ttl > 0);
        match self.phase {
            Phase::Probing { .. } => {
                if said.any(|record| !self.records.says(record)) {
                    self.next_alternative(now);
                }
            }
            Phase::Answering { .. } => {
                if said.any(|record| is_claim(record) && !self.records.says(record)) {
                    self.fight(now);
                }
            }
            Phase::Taken => {}
        }
    }

    /// Hears what another asks for that would have the name as well, at the same time. The later data wins.
    pub(super) fn compete(&mut self, message: &Message, now: Instant) {
        if !matches!(self.phase, Phase::Probing { .. }) {
            return;
        }
        let lost = self.records.names().any(|name| {
            let theirs = message.authorities.iter();
            let theirs = theirs.filter(|record| record.name == *name && is_claim(record));
            let theirs = ordered(theirs.map(|record| claim(record, written(&record.data))));
            let ours = self.records.claimed();
            let ours = ours.filter(|owned| owned.record.name == *name);
            let ours = ordered(ours.map(|owned| claim(&owned.record, owned.data.clone())));
            !theirs.is_empty() && theirs > ours
        });
        if lost {
            self.phase = Phase::Probing {
                asked: 0,
                next: now + DEFERRED,
            };
        }
    }

    /// Another claims a name that was the box's: asks again whose it is, a few times.
    fn fight(&mut self, now: Instant) {
        self.fights
            .retain(|&then| now.duration_since(then) < FIGHTS_WITHIN);
        self.fights.push(now);
        if self.fights.len() < FIGHTS {
            self.probe(now);
        } else {
            self.next_alternative(now);
        }
    }

    /// Whether others will soon forget a record of the box's that another has as well (section 6.6).
    fn is_cut_short(&self, record: &Record) -> bool {
        let same = self.records.same_as(record);
        let ours = same.and_then(|index| self.records.get(index));
        ours.is_some_and(|owned| record.ttl < owned.record.ttl / 2)
    }

    /// Announces once more, by chance not together with everybody else who has heard the same.
    fn remind(&mut self, now: Instant) {
        if let Phase::Answering { left: 0, next } = self.phase {
            let next = next.max(now + self.random.part_of(REMIND_WITHIN));
            self.phase = Phase::Answering { left: 1, next };
        }
    }

    /// Whether a record is of a name that is to be nobody else's.
    fn is_of_ours(&self, record: &Record) -> bool {
        record.dns_class == DNSClass::IN && self.records.has_name(&record.name)
    }
}

/// Whether a record is one of those that make a name somebody's.
fn is_claim(record: &Record) -> bool {
    matches!(
        record.record_type(),
        RecordType::A | RecordType::AAAA | RecordType::SRV
    )
}

fn claim(record: &Record, data: Vec<u8>) -> Claim {
    (record.record_type().into(), data)
}

fn ordered(claims: impl Iterator<Item = Claim>) -> Vec<Claim> {
    let mut claims: Vec<Claim> = claims.collect();
    claims.sort();
    claims
}
