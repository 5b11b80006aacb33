//! The cell's zone, laid out for answering. Pure: no sockets, no clock.
//!
//! Start with [`Zone::new`] (from a spec), [`Zone::patch`] (a few names) and [`answer`](answer::answer).

mod answer;
mod made;
mod reverse;
mod special;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use cell_model::config::RecordData;
use cell_model::name::DnsLabel;
use cell_model::spec::{OwnAddresses, ZoneSpec};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record};
use ipnet::IpNet;

use made::Made;

pub(crate) use answer::{Answer, Question, Reply, absent, answer, answer_guest};

/// How long others may remember a record, in seconds. Addresses of devices are stable, but a renamed
/// or re-issued device should be reachable within a minute; answering again costs microseconds.
pub const TTL: u32 = 60;

/// How long others may remember that a name is not there, in seconds. Short, because the usual
/// absent name is that of a device or service about to be added.
pub const NEGATIVE_TTL: u32 = 15;

/// A label in lower case. Shared between the two directions.
type Label = Arc<[u8]>;

/// Why a zone cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The domain does not fit in a DNS message with a label in front.
    #[error("the domain {0} is too long to hold names")]
    Domain(String),
}

/// The zone.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    /// The apex, lower case.
    apex: Name,
    /// `admin.<apex>`: the name server's name.
    admin: Name,
    serial: u32,
    own: OwnAddresses,
    /// Hosts of services, which are the box's IPv4 addresses.
    services: HashSet<Label>,
    /// Devices.
    names: HashMap<Label, Box<[IpAddr]>>,
    /// The same, by address. A tree, so that a part of an address finds what is below it.
    reverse: BTreeSet<(IpAddr, Label)>,
    /// The owner's records.
    records: HashMap<Label, Vec<RecordData>>,
    /// The plan's, at any depth.
    made: Made,
}

impl Zone {
    /// Lays out a spec.
    pub(crate) fn new(spec: &ZoneSpec) -> Result<Self, ZoneError> {
        let too_long = || ZoneError::Domain(spec.domain.to_string());
        let mut apex =
            Name::from_ascii(spec.domain.as_str().to_ascii_lowercase()).map_err(|_| too_long())?;
        apex.set_fqdn(true);
        let admin = apex
            .prepend_label(DnsLabel::admin().as_str().as_bytes())
            .map_err(|_| too_long())?;
        let mut zone = Self {
            made: made::made(&apex, &spec.made),
            apex,
            admin,
            serial: spec.serial,
            own: spec.own.clone(),
            services: spec
                .services
                .iter()
                .map(|label| Label::from(label.as_str().as_bytes()))
                .collect(),
            names: HashMap::with_capacity(spec.names.len()),
            reverse: BTreeSet::new(),
            records: HashMap::new(),
        };
        for (label, addresses) in &spec.names {
            zone.set(label, addresses);
        }
        for record in &spec.records {
            zone.records
                .entry(Label::from(record.name.as_str().as_bytes()))
                .or_default()
                .push(record.data.clone());
        }
        Ok(zone)
    }

    /// Forgets and sets names; touches nothing else.
    pub(crate) fn patch<'a>(
        &mut self,
        serial: u32,
        remove: impl IntoIterator<Item = &'a DnsLabel>,
        set: impl IntoIterator<Item = (&'a DnsLabel, &'a Arc<BTreeSet<IpAddr>>)>,
    ) {
        self.serial = serial;
        for label in remove {
            self.remove(label);
        }
        for (label, addresses) in set {
            self.set(label, addresses);
        }
    }

    fn set(&mut self, label: &DnsLabel, addresses: &BTreeSet<IpAddr>) {
        self.remove(label);
        let key = Label::from(label.as_str().as_bytes());
        for address in addresses {
            self.reverse.insert((*address, Arc::clone(&key)));
        }
        self.names.insert(key, addresses.iter().copied().collect());
    }

    fn remove(&mut self, label: &DnsLabel) {
        if let Some((key, addresses)) = self.names.remove_entry(label.as_str().as_bytes()) {
            for address in addresses {
                self.reverse.remove(&(address, Arc::clone(&key)));
            }
        }
    }

    /// Whether a name in lower case is in it.
    pub(crate) fn holds(&self, name: &Name) -> bool {
        self.apex.zone_of(name)
    }

    /// The serial in service.
    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    /// How many names of devices and services there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The box's own addresses as told to this source.
    fn own_for(&self, source: IpAddr) -> &BTreeSet<IpAddr> {
        if self.own.vpn_sources.iter().any(|net| net.contains(&source)) {
            &self.own.vpn
        } else {
            &self.own.lan
        }
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own.lan.contains(&address) || self.own.vpn.contains(&address)
    }

    /// Whether the box or a name has an address in this network.
    fn any_within(&self, network: IpNet) -> bool {
        let own = self.own.lan.iter().chain(&self.own.vpn);
        own.clone().any(|address| network.contains(address))
            || self
                .at_or_after(network.network())
                .next()
                .is_some_and(|(address, _)| network.contains(address))
    }

    /// Labels of names with this address.
    fn labels_of(&self, address: IpAddr) -> impl Iterator<Item = &Label> {
        self.at_or_after(address)
            .take_while(move |(other, _)| *other == address)
            .map(|(_, label)| label)
    }

    fn at_or_after(&self, address: IpAddr) -> impl Iterator<Item = &(IpAddr, Label)> {
        // No label is empty, so this bound sorts before every entry of the address.
        let first = (address, Label::from([].as_slice()));
        self.reverse
            .range((Bound::Included(first), Bound::Unbounded))
    }

    /// The SOA record, with the TTL negative answers carry.
    fn soa(&self) -> Record {
        let contact = self
            .apex
            .prepend_label(b"hostmaster".as_slice()) // RFC 2142 section 7
            .unwrap_or_else(|_| self.admin.clone());
        // Nobody transfers the zone, so refresh, retry and expire are the customary values of RFC 1912.
        let soa = SOA::new(
            self.admin.clone(),
            contact,
            self.serial,
            3_600,
            600,
            1_209_600,
            NEGATIVE_TTL,
        );
        Record::from_rdata(self.apex.clone(), NEGATIVE_TTL, RData::SOA(soa))
    }
}

#[cfg(test)]
mod tests;
