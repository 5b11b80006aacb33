//! Answers of others, remembered in wire form within a fixed number of bytes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Bytes of one generation of the internet's answers. Two of them hold about 16,000 usual answers (some 250 bytes each):
/// more than a household asks for within the usual TTLs, and a tenth of the daemon's memory aim.
pub(super) const GENERATION_BYTES: usize = 2 * 1024 * 1024;

/// What an entry costs beside its key and message: map slot, two allocations, times.
const ENTRY_OVERHEAD: usize = 112;

/// The longest an answer is believed (RFC 8767 section 4 warns of absurdly long TTLs).
const MAX_TTL: u32 = 86_400;

/// The longest an absence is believed (RFC 2308 section 5 recommends one to three hours).
const MAX_NEGATIVE_TTL: u32 = 3_600;

/// What distinguishes answers: name, type, and whether signatures and unchecked data are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Box<[u8]>);

impl Key {
    /// The key of a question; the name's case does not matter.
    pub(crate) fn new(name: &Name, record_type: RecordType, flags: Flags) -> Self {
        let mut bytes = Vec::with_capacity(name.len() + 3);
        for label in name.iter() {
            bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            bytes.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        bytes.extend(u16::from(record_type).to_be_bytes());
        bytes.push(u8::from(flags.dnssec_ok) | u8::from(flags.checking_disabled) << 1);
        Self(bytes.into())
    }
}

/// Bits of a question that change its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// DO: signatures are wanted (RFC 4035 section 3.2.1).
    pub(crate) dnssec_ok: bool,
    /// CD: answers are wanted even when the upstream finds them forged (section 3.2.2).
    pub(crate) checking_disabled: bool,
}

/// An answer of others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Remote {
    pub(crate) code: ResponseCode,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
}

impl Remote {
    /// How long it may be remembered; `None`: not at all.
    fn ttl(&self) -> Option<u32> {
        let ttl = if self.answers.is_empty() || self.code == ResponseCode::NXDomain {
            // RFC 2308 section 5: without SOA a negative answer must not be cached.
            self.authorities
                .iter()
                .find_map(|record| match &record.data {
                    RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
                    _ => None,
                })?
                .min(MAX_NEGATIVE_TTL)
        } else {
            MAX_TTL
        };
        let shortest = self.answers.iter().map(|record| record.ttl).min();
        let ttl = shortest.map_or(ttl, |shortest| shortest.min(ttl));
        (ttl > 0).then_some(ttl)
    }
}

struct Entry {
    message: Box<[u8]>,
    stored: Instant,
    ttl: Duration,
}

/// The cache: two generations. New and used entries are in the young one; when it is full it becomes
/// the old one and what nobody used since is forgotten. That is cheap, and bounded by construction.
pub(crate) struct Cache {
    generation_bytes: usize,
    young: HashMap<Key, Entry>,
    young_bytes: usize,
    old: HashMap<Key, Entry>,
}

impl Cache {
    /// An empty one, whose generations have so many bytes each.
    pub(crate) fn new(generation_bytes: usize) -> Self {
        Self {
            generation_bytes,
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
        }
    }

    /// The answer, with what is left of its TTLs at `now`.
    pub(crate) fn get(&mut self, key: &Key, now: Instant) -> Option<Remote> {
        if let Some(entry) = self.old.remove(key) {
            self.keep(key.clone(), entry);
        }
        let entry = self.young.get(key)?;
        let age = now.saturating_duration_since(entry.stored);
        if age >= entry.ttl {
            return None;
        }
        let message = Message::from_vec(&entry.message).ok()?;
        let mut remote = Remote {
            code: message.metadata.response_code,
            answers: message.answers,
            authorities: message.authorities,
        };
        let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        for record in remote.answers.iter_mut().chain(&mut remote.authorities) {
            record.ttl = record.ttl.min(MAX_TTL).saturating_sub(age);
        }
        Some(remote)
    }

    /// Remembers an answer, if it may be.
    pub(crate) fn put(&mut self, key: Key, query: &Query, remote: &Remote, now: Instant) {
        let Some(ttl) = remote.ttl() else { return };
        // The question is kept so that names in the answers shrink to pointers at it.
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.metadata.response_code = remote.code;
        message.add_query(query.clone());
        message.answers.clone_from(&remote.answers);
        message.authorities.clone_from(&remote.authorities);
        let Ok(bytes) = message.to_vec() else { return };
        self.old.remove(&key);
        self.keep(
            key,
            Entry {
                message: bytes.into(),
                stored: now,
                ttl: Duration::from_secs(ttl.into()),
            },
        );
    }

    fn keep(&mut self, key: Key, entry: Entry) {
        let cost = |key: &Key, entry: &Entry| key.0.len() + entry.message.len() + ENTRY_OVERHEAD;
        let bytes = cost(&key, &entry);
        if self.young_bytes + bytes > self.generation_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        let key_bytes = key.0.len();
        if let Some(replaced) = self.young.insert(key, entry) {
            self.young_bytes -= key_bytes + replaced.message.len() + ENTRY_OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::rr::rdata::SOA;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn remote(ttl: u32) -> Remote {
        let data = RData::A(Ipv4Addr::new(192, 0, 2, 1).into());
        Remote {
            code: ResponseCode::NoError,
            answers: vec![Record::from_rdata(name("a.example."), ttl, data)],
            authorities: Vec::new(),
        }
    }

    fn key(text: &str) -> Key {
        Key::new(&name(text), RecordType::A, Flags::default())
    }

    fn put(cache: &mut Cache, text: &str, remote: &Remote, now: Instant) {
        let query = Query::query(name(text), RecordType::A);
        cache.put(key(text), &query, remote, now);
    }

    #[test]
    fn remembered_answer_ages_and_ends() {
        let (mut cache, now) = (Cache::new(GENERATION_BYTES), Instant::now());
        put(&mut cache, "a.example.", &remote(30), now);
        let later = cache.get(&key("A.Example."), now + Duration::from_secs(10));
        assert_eq!(later.unwrap().answers[0].ttl, 20);
        assert!(
            cache
                .get(&key("a.example."), now + Duration::from_secs(30))
                .is_none()
        );
    }

    #[test]
    fn answer_without_a_lifetime_is_not_remembered() {
        let (mut cache, now) = (Cache::new(GENERATION_BYTES), Instant::now());
        put(&mut cache, "a.example.", &remote(0), now);
        assert!(cache.get(&key("a.example."), now).is_none());
        let bare = Remote {
            code: ResponseCode::NXDomain,
            answers: Vec::new(),
            authorities: Vec::new(),
        };
        put(&mut cache, "b.example.", &bare, now);
        assert!(cache.get(&key("b.example."), now).is_none());
    }

    #[test]
    fn absence_lives_as_long_as_its_soa_says() {
        let (mut cache, now) = (Cache::new(GENERATION_BYTES), Instant::now());
        let soa = SOA::new(name("example."), name("h.example."), 1, 1, 1, 1, 60);
        let absent = Remote {
            code: ResponseCode::NXDomain,
            answers: Vec::new(),
            authorities: vec![Record::from_rdata(name("example."), 900, RData::SOA(soa))],
        };
        put(&mut cache, "n.example.", &absent, now);
        let found = cache.get(&key("n.example."), now + Duration::from_secs(59));
        assert_eq!(found.unwrap().code, ResponseCode::NXDomain);
        assert!(
            cache
                .get(&key("n.example."), now + Duration::from_secs(60))
                .is_none()
        );
    }

    #[test]
    fn signed_and_unsigned_answers_are_kept_apart() {
        let signed = Flags {
            dnssec_ok: true,
            checking_disabled: false,
        };
        let key_of = |flags| Key::new(&name("a.example."), RecordType::A, flags);
        assert_ne!(key_of(signed), key_of(Flags::default()));
    }

    #[test]
    fn cache_stays_within_its_bytes_and_keeps_what_is_used() {
        let (mut cache, now) = (Cache::new(GENERATION_BYTES), Instant::now());
        put(&mut cache, "used.example.", &remote(600), now);
        for i in 0..40_000 {
            put(&mut cache, &format!("n{i}.example."), &remote(600), now);
            if i % 1_000 == 0 {
                assert!(cache.get(&key("used.example."), now).is_some());
            }
            assert!(cache.young_bytes <= GENERATION_BYTES);
        }
        let held = |map: &HashMap<Key, Entry>| -> usize {
            map.iter()
                .map(|(key, entry)| key.0.len() + entry.message.len() + ENTRY_OVERHEAD)
                .sum()
        };
        assert_eq!(held(&cache.young), cache.young_bytes);
        assert!(held(&cache.old) <= GENERATION_BYTES);
        assert!(cache.get(&key("n0.example."), now).is_none());
    }
}
