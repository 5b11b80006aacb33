//! What the client says, read strictly: the words come from a server on the wire, by way of a process without power.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::lease::Grant;

/// The largest message, in bytes: a list of servers fills at most one option of 255 bytes, 63 addresses as text.
pub(super) const MAX_MESSAGE: usize = 4096;

/// More name servers than anybody asks.
const MAX_RESOLVERS: usize = 8;

/// Leases end: an endless one, and one that outlives the box, is looked at again after a year.
const LONGEST_LEASE: Duration = Duration::from_secs(365 * 24 * 3600);

/// News as the hook sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// What happened, in udhcpc's word.
    pub(super) event: String,
    /// Its variables.
    pub(super) values: BTreeMap<String, String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A server granted an address, for the first time or again.
    Granted(Grant),
    /// The address may not be used any more: refused or run out. Also the first word of every client.
    Lost,
    /// Nobody answers; it goes on asking.
    Silence,
}

/// The event a datagram tells of; `None` when it cannot be read.
pub(super) fn read(datagram: &[u8], now: Duration) -> Option<Event> {
    let message: Message = serde_json::from_slice(datagram).ok()?;
    match message.event.as_str() {
        "bound" | "renew" => grant(&message.values, now).map(Event::Granted),
        "deconfig" | "nak" => Some(Event::Lost),
        "leasefail" => Some(Event::Silence),
        _ => None,
    }
}

fn grant(values: &BTreeMap<String, String>, now: Duration) -> Option<Grant> {
    let seconds: u32 = one(values, "lease")?;
    Some(Grant {
        address: one(values, "ip")?,
        netmask: one(values, "subnet"),
        router: list(values, "router").next(),
        resolvers: list(values, "dns").take(MAX_RESOLVERS).collect(),
        server: one(values, "serverid"),
        until: now + Duration::from_secs(seconds.into()).min(LONGEST_LEASE),
    })
}

fn one<T: FromStr>(values: &BTreeMap<String, String>, name: &str) -> Option<T> {
    values.get(name)?.parse().ok()
}

/// Addresses among the words of a variable.
fn list(values: &BTreeMap<String, String>, name: &str) -> impl Iterator<Item = Ipv4Addr> {
    let words = values.get(name).into_iter();
    words
        .flat_map(|text| text.split_whitespace())
        .filter_map(|word| word.parse().ok())
}

impl Grant {
    /// The address with its prefix; `None` without a netmask that is one.
    pub(super) fn net(&self) -> Option<Ipv4Net> {
        Ipv4Net::with_netmask(self.address, self.netmask?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn datagram(event: &str, values: &[(&str, &str)]) -> Vec<u8> {
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let message = Message {
            event: event.to_owned(),
            values: values.collect(),
        };
        serde_json::to_vec(&message).unwrap()
    }

    const BOUND: [(&str, &str); 6] = [
        ("ip", "192.168.1.7"),
        ("subnet", "255.255.255.0"),
        ("router", "192.168.1.1 192.168.1.2"),
        ("dns", "192.168.1.1 9.9.9.9 router.lan"),
        ("serverid", "192.168.1.1"),
        ("lease", "3600"),
    ];

    #[test]
    fn grant_is_read_with_its_first_router_and_all_servers() {
        let Some(Event::Granted(grant)) = read(&datagram("bound", &BOUND), NOW) else {
            panic!("it is a grant");
        };
        assert_eq!(grant.net(), Some("192.168.1.7/24".parse().unwrap()));
        assert_eq!(grant.router, Some(Ipv4Addr::new(192, 168, 1, 1)));
        assert_eq!(grant.resolvers.len(), 2);
        assert_eq!(grant.until, Duration::from_secs(4_600));
        assert!(matches!(
            read(&datagram("renew", &BOUND), NOW),
            Some(Event::Granted(_))
        ));
    }

    #[test]
    fn endless_lease_is_looked_at_again_after_a_year() {
        let mut values = BOUND;
        values[5].1 = "4294967295";
        let Some(Event::Granted(grant)) = read(&datagram("bound", &values), NOW) else {
            panic!("it is a grant");
        };
        assert_eq!(grant.until, NOW + LONGEST_LEASE);
    }

    #[test]
    fn netmask_with_holes_is_none() {
        let mut values = BOUND;
        values[1].1 = "255.0.255.0";
        let Some(Event::Granted(grant)) = read(&datagram("bound", &values), NOW) else {
            panic!("it is a grant");
        };
        assert_eq!(grant.net(), None);
    }

    #[test]
    fn loss_and_silence_need_no_values() {
        assert_eq!(read(&datagram("nak", &[]), NOW), Some(Event::Lost));
        assert_eq!(read(&datagram("deconfig", &[]), NOW), Some(Event::Lost));
        assert_eq!(read(&datagram("leasefail", &[]), NOW), Some(Event::Silence));
        assert_eq!(read(&datagram("dance", &[]), NOW), None);
        assert_eq!(read(&datagram("bound", &BOUND[1..]), NOW), None);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_or_passed_over(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, NOW);
        }

        #[test]
        fn any_values_are_read_or_passed_over(
            values in proptest::collection::btree_map("(ip|subnet|router|dns|lease)", "[0-9a-f. ]{0,20}", 0..6),
        ) {
            let message = Message { event: "bound".to_owned(), values };
            let _ = read(&serde_json::to_vec(&message).unwrap(), NOW);
        }
    }
}
