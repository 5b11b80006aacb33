//! The life of the keys that messages are signed with (RFC 6376).
//!
//! A key is *made*; once its record is seen in public DNS it is *published*; after a rest, for those who remember that
//! there was no record, it *signs* and the one before it *retires*: messages under way may still be checked for
//! [`RETIREMENT`]. Then its record says that it is revoked, and after [`REVOCATION`] nothing of it is left.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::Timestamp;
use cell_model::mail::{DkimKey, DkimSeen, DkimState};
use cell_model::name::{DnsLabel, Domain, NameError};

/// From being seen to signing, in seconds: an hour, how long the absence of a name is usually remembered (RFC 2308
/// section 5).
pub const REST: i64 = 3_600;
/// How long a record outlives its last signature, in seconds: a week, as servers try to deliver for five days
/// (RFC 5321 section 4.5.4.1).
pub const RETIREMENT: i64 = 7 * 86_400;
/// How long a revoked key's record stays, in seconds: thirty days, for the owner to see.
pub const REVOCATION: i64 = 30 * 86_400;
/// After how long a new key is proposed, in seconds: half a year (M3AAWG, "DKIM Key Rotation Best Common Practices").
pub const ROTATION: i64 = 180 * 86_400;

/// What becomes of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DkimNext {
    /// Those that are left.
    pub keys: Vec<DkimKey>,
    /// Whose private half is to be destroyed.
    pub destroy: BTreeSet<DnsLabel>,
}

/// The text of a key's record (RFC 6376 section 3.6.1).
pub fn record_text(key: &DkimKey) -> String {
    let public = match key.state {
        DkimState::Revoked => "",
        _ => key.public.as_str(),
    };
    format!("v=DKIM1; k=rsa; p={public}")
}

/// The key to sign mail of a domain with.
pub fn signing<'a>(keys: &'a [DkimKey], domain: &Domain) -> Option<&'a DkimKey> {
    let mut keys = keys.iter();
    keys.find(|key| key.state == DkimState::Signing && key.domain == *domain)
}

/// Whether there is no key that signs or ever will.
pub fn is_wanted(keys: &[DkimKey]) -> bool {
    !keys.iter().any(|key| key.state.has_private())
}

/// Whether a new key should take over from the one that signs, and none is there to do so.
pub fn is_rotation_due(keys: &[DkimKey], now: Timestamp) -> bool {
    let is_old = |key: &DkimKey| key.state == DkimState::Signing && age(key, now) >= ROTATION;
    !is_coming(keys) && keys.iter().any(is_old)
}

/// Whether a key waits to be published or to sign: until it does, no other can be made.
pub fn is_coming(keys: &[DkimKey]) -> bool {
    let mut keys = keys.iter();
    keys.any(|key| matches!(key.state, DkimState::Made | DkimState::Published))
}

/// The selector of a new key: `c` with year and month, and four digits of chance, so that it was never another one's, of a
/// box before this one either: others remember records for days.
///
/// # Errors
/// None that a time of this era can cause.
pub fn new_selector(keys: &[DkimKey], now: Timestamp, chance: u16) -> Result<DnsLabel, NameError> {
    let month = now.strftime("c%Y%m");
    let is_taken = |name: &str| keys.iter().any(|key| key.selector.as_str() == name);
    let names = (0..=u16::MAX).map(|step| format!("{month}-{:04x}", chance.wrapping_add(step)));
    let mut free = names.filter(|name| !is_taken(name));
    free.next().unwrap_or_default().parse()
}

/// Moves each key on as far as time and what was `seen` allow. What was not asked or not answered is not in `seen`.
pub fn advance(keys: &[DkimKey], seen: &BTreeMap<DnsLabel, DkimSeen>, now: Timestamp) -> DkimNext {
    let mut keys = keys.to_vec();
    let to = |key: &mut DkimKey, state| (key.state, key.since) = (state, now);
    for key in &mut keys {
        match (key.state, seen.get(&key.selector)) {
            (DkimState::Made, Some(DkimSeen::Right)) => to(key, DkimState::Published),
            // The record went again before anything was signed.
            (DkimState::Published, Some(DkimSeen::Wrong)) => to(key, DkimState::Made),
            (DkimState::Retiring, _) if age(key, now) >= RETIREMENT => {
                to(key, DkimState::Revoked);
            }
            _ => {}
        }
    }
    keys.retain(|key| key.state != DkimState::Revoked || age(key, now) < REVOCATION);
    let ready = |key: &&DkimKey| key.state == DkimState::Published && age(key, now) >= REST;
    match keys.iter().find(ready).map(|key| key.selector.clone()) {
        Some(ready) => sign_with(&keys, &ready, now),
        None => DkimNext {
            keys,
            destroy: BTreeSet::new(),
        },
    }
}

/// Has one of the keys sign from `now` on, in place of the one that does.
pub fn sign_with(keys: &[DkimKey], selector: &DnsLabel, now: Timestamp) -> DkimNext {
    let mut next = DkimNext {
        keys: keys.to_vec(),
        destroy: BTreeSet::new(),
    };
    for key in &mut next.keys {
        let state = match key.state {
            _ if key.selector == *selector => DkimState::Signing,
            DkimState::Signing => DkimState::Retiring,
            state => state,
        };
        if state == DkimState::Retiring && key.state == DkimState::Signing {
            next.destroy.insert(key.selector.clone());
        }
        if state != key.state {
            (key.state, key.since) = (state, now);
        }
    }
    next
}

/// Seconds in the present state; less than none when the clock was put back.
fn age(key: &DkimKey, now: Timestamp) -> i64 {
    now.as_second() - key.since.as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_000_000;
    const DAY: i64 = 86_400;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(START + second).unwrap()
    }

    fn label(text: &str) -> DnsLabel {
        text.parse().unwrap()
    }

    fn key(selector: &str, state: DkimState, since: i64) -> DkimKey {
        DkimKey {
            selector: label(selector),
            domain: "example.org".parse().unwrap(),
            state,
            since: at(since),
            public: "AAAA".to_owned(),
        }
    }

    fn states(keys: &[DkimKey]) -> Vec<(&str, DkimState)> {
        let states = keys.iter().map(|key| (key.selector.as_str(), key.state));
        states.collect()
    }

    fn step(keys: &[DkimKey], seen: &[(&str, DkimSeen)], second: i64) -> DkimNext {
        let seen = seen.iter().map(|(name, seen)| (label(name), *seen));
        advance(keys, &seen.collect(), at(second))
    }

    #[test]
    fn key_signs_an_hour_after_it_was_seen() {
        let keys = vec![key("a", DkimState::Made, 0)];
        assert!(!is_wanted(&keys) && is_coming(&keys));
        let keys = step(&keys, &[], DAY).keys;
        let keys = step(&keys, &[("a", DkimSeen::Wrong)], DAY).keys;
        assert_eq!(states(&keys), [("a", DkimState::Made)]);
        let keys = step(&keys, &[("a", DkimSeen::Right)], DAY).keys;
        assert_eq!(states(&keys), [("a", DkimState::Published)]);
        assert_eq!(keys[0].since, at(DAY));
        let early = step(&keys, &[("a", DkimSeen::Right)], DAY + REST - 1).keys;
        assert_eq!(states(&early), [("a", DkimState::Published)]);
        let signs = step(&early, &[], DAY + REST).keys;
        let domain = |text: &str| -> Domain { text.parse().unwrap() };
        let signing = |text| signing(&signs, &domain(text));
        assert_eq!(signing("example.org").unwrap().selector.as_str(), "a");
        assert_eq!(signing("example.net"), None);
    }

    #[test]
    fn key_whose_record_went_before_it_signed_starts_over() {
        let keys = [key("a", DkimState::Published, 0)];
        let keys = step(&keys, &[("a", DkimSeen::Wrong)], REST).keys;
        assert_eq!(states(&keys), [("a", DkimState::Made)]);
    }

    #[test]
    fn former_key_retires_is_revoked_and_goes() {
        let keys = [
            key("old", DkimState::Signing, 0),
            key("new", DkimState::Published, DAY),
        ];
        let next = step(&keys, &[], 2 * DAY);
        assert_eq!(
            states(&next.keys),
            [("old", DkimState::Retiring), ("new", DkimState::Signing)]
        );
        assert_eq!(next.destroy, [label("old")].into());

        let same = step(&next.keys, &[], 2 * DAY + RETIREMENT - 1);
        assert_eq!(same.keys, next.keys);
        assert!(same.destroy.is_empty());
        let revoked = step(&same.keys, &[], 2 * DAY + RETIREMENT).keys;
        assert_eq!(revoked[0].state, DkimState::Revoked);
        assert_eq!(record_text(&revoked[0]), "v=DKIM1; k=rsa; p=");
        let after = 2 * DAY + RETIREMENT + REVOCATION;
        assert_eq!(step(&revoked, &[], after - 1).keys, revoked);
        let left = step(&revoked, &[], after).keys;
        assert_eq!(states(&left), [("new", DkimState::Signing)]);
    }

    #[test]
    fn signing_goes_on_while_dns_cannot_be_read_or_is_wrong() {
        let keys = [key("a", DkimState::Signing, 0)];
        let seen = [("a", DkimSeen::Wrong)];
        assert_eq!(step(&keys, &seen, 400 * DAY).keys, keys);
        assert_eq!(step(&keys, &[], 400 * DAY).keys, keys);
    }

    #[test]
    fn clock_that_was_put_back_moves_nothing() {
        let keys = [
            key("a", DkimState::Retiring, 0),
            key("b", DkimState::Published, 0),
        ];
        assert_eq!(step(&keys, &[], -400 * DAY).keys, keys);
    }

    #[test]
    fn new_key_is_due_after_half_a_year_unless_one_is_coming() {
        let mut keys = vec![key("a", DkimState::Signing, 0)];
        assert!(!is_rotation_due(&keys, at(ROTATION - 1)));
        assert!(is_rotation_due(&keys, at(ROTATION)));
        keys.push(key("b", DkimState::Made, 0));
        assert!(!is_rotation_due(&keys, at(ROTATION)));
        assert!(is_wanted(&[key("a", DkimState::Retiring, 0)]));
    }

    #[test]
    fn selector_says_the_month_and_is_never_taken() {
        let now = at(0);
        let name = |keys: &[DkimKey], chance| new_selector(keys, now, chance).unwrap().to_string();
        assert_eq!(name(&[], 0x2a), "c202611-002a");
        let keys = ["c202611-ffff", "c202611-0000"].map(|name| key(name, DkimState::Revoked, 0));
        assert_eq!(name(&keys, u16::MAX), "c202611-0001");
    }
}
