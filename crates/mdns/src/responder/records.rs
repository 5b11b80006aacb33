//! What the box says of itself under one label.

use std::time::Instant;

use cell_model::name::DnsLabel;
use cell_model::spec::MdnsSpec;
use hickory_proto::rr::rdata::{NULL, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use super::Via;

/// RFC 6762 section 10: of records with a host's name in or before them, and of the others.
const TTL_OF_HOST: u32 = 120;
const TTL: u32 = 4_500;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An address of the box.
    Address,
    /// The name of an address.
    Reverse,
    /// That the host's name has no other types.
    NoOthersOfHost,
    /// Host and port of the service.
    Service,
    /// What else there is to say of it.
    Text,
    /// That the service's name has no other types.
    NoOthersOfService,
    /// The service, to those who browse for its type.
    Pointer,
    /// The type, to those who browse for types.
    Type,
}

/// A record of the box's.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) record: Record,
    pub(super) role: Role,
    /// Nobody else may have one of this name and type.
    pub(super) unique: bool,
    /// Its data as written, without compression.
    pub(super) data: Vec<u8>,
    /// When everybody was told last, over each protocol.
    told: [Option<Instant>; 2],
}

/// All of them.
#[derive(Debug)]
pub(super) struct Records {
    names: Vec<Name>,
    all: Vec<Owned>,
}

impl Records {
    pub(super) fn new(spec: &MdnsSpec, label: &DnsLabel) -> Self {
        let mut records = Self {
            names: Vec::new(),
            all: Vec::new(),
        };
        // A label and the names here are far below the limits, so nothing is lost.
        let Some(host) = name(&[label.as_str(), "local"]) else {
            return records;
        };
        records.names.push(host.clone());
        let mut types = Vec::new();
        for address in spec.addresses.iter().map(ipnet::IpNet::addr) {
            let data = match address {
                std::net::IpAddr::V4(v4) => RData::A(v4.into()),
                std::net::IpAddr::V6(v6) => RData::AAAA(v6.into()),
            };
            types.push(data.record_type());
            records.add(Role::Address, &host, TTL_OF_HOST, data);
            let name = RData::PTR(PTR(host.clone()));
            records.add(Role::Reverse, &Name::from(address), TTL_OF_HOST, name);
        }
        if let Some(data) = no_others(&host, &types) {
            records.add(Role::NoOthersOfHost, &host, TTL_OF_HOST, data);
        }
        if let Some(port) = spec.admin_port {
            records.add_service(label, &host, port);
        }
        records
    }

    /// The admin page as a service (RFC 6763).
    fn add_service(&mut self, label: &DnsLabel, host: &Name, port: u16) {
        const TYPE: [&str; 3] = ["_https", "_tcp", "local"];
        let instance = name(&[&[label.as_str()][..], &TYPE].concat());
        let all_types = name(&["_services", "_dns-sd", "_udp", "local"]);
        let (Some(instance), Some(service_type), Some(all_types)) =
            (instance, name(&TYPE), all_types)
        else {
            return;
        };
        self.names.push(instance.clone());
        let data = RData::SRV(SRV::new(0, 0, port, host.clone()));
        self.add(Role::Service, &instance, TTL_OF_HOST, data);
        // One empty string: nothing to say (RFC 6763 section 6.1).
        let data = RData::TXT(TXT::new(vec![String::new()]));
        self.add(Role::Text, &instance, TTL, data);
        if let Some(data) = no_others(&instance, &[RecordType::TXT, RecordType::SRV]) {
            self.add(Role::NoOthersOfService, &instance, TTL_OF_HOST, data);
        }
        let data = RData::PTR(PTR(instance));
        self.add(Role::Pointer, &service_type, TTL, data);
        let data = RData::PTR(PTR(service_type));
        self.add(Role::Type, &all_types, TTL, data);
    }

    fn add(&mut self, role: Role, name: &Name, ttl: u32, data: RData) {
        self.all.push(Owned {
            data: written(&data),
            record: Record::from_rdata(name.clone(), ttl, data),
            role,
            unique: !matches!(role, Role::Pointer | Role::Type),
            told: [None; 2],
        });
    }

    /// Names that must be nobody else's.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    /// Whether this name must be nobody else's.
    pub(super) fn has_name(&self, name: &Name) -> bool {
        self.names.contains(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Owned> {
        self.all.iter()
    }

    /// What makes the names the box's: addresses, and host and port of the service.
    pub(super) fn claimed(&self) -> impl Iterator<Item = &Owned> {
        let claims = |owned: &&Owned| matches!(owned.role, Role::Address | Role::Service);
        self.all.iter().filter(claims)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Owned> {
        self.all.get(index)
    }

    pub(super) fn told(&mut self, index: usize, via: Via, now: Instant) {
        if let Some(owned) = self.all.get_mut(index) {
            owned.told[via as usize] = Some(now);
        }
    }

    pub(super) fn all_told(&mut self, via: Via, now: Instant) {
        for owned in &mut self.all {
            owned.told[via as usize] = Some(now);
        }
    }

    /// Whether one of the box's records says the same.
    pub(super) fn says(&self, record: &Record) -> bool {
        self.same_as(record).is_some()
    }

    /// Which of the box's records says the same, whatever its life. The data is written once at most, and only where
    /// there is something to compare it to: strangers choose how long it is.
    pub(super) fn same_as(&self, record: &Record) -> Option<usize> {
        let all = self.all.iter().enumerate();
        let mut alike = all.filter(|(_, owned)| owned.is_alike(record)).peekable();
        alike.peek()?;
        let data = written(&record.data);
        alike
            .find(|(_, owned)| owned.data == data)
            .map(|(index, _)| index)
    }

    /// What is to be taken back when it is no longer so. Not that there are no other types, which the next such record
    /// replaces; nor that there are services of the type, which others may have as well.
    pub(super) fn retractable(&self) -> impl Iterator<Item = &Record> {
        let own = self.all.iter().filter(|owned| {
            let kept = [Role::NoOthersOfHost, Role::NoOthersOfService, Role::Type];
            !kept.contains(&owned.role)
        });
        own.map(|owned| &owned.record)
    }
}

impl Owned {
    /// Whether it is of the same name and type.
    fn is_alike(&self, record: &Record) -> bool {
        self.record.record_type() == record.record_type() && self.record.name == record.name
    }

    /// Whether everybody was told over this protocol since then.
    pub(super) fn told_since(&self, via: Via, since: Option<Instant>) -> bool {
        match (self.told[via as usize], since) {
            (Some(told), Some(since)) => told > since,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

fn name(labels: &[&str]) -> Option<Name> {
    let mut name = Name::from_labels(labels.iter().map(|label| label.as_bytes())).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
thread_local! {
    /// How often data was written: for tests of what a message costs.
    pub(super) static WRITTEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Data of a record, names in full.
pub(super) fn written(data: &RData) -> Vec<u8> {
    #[cfg(test)]
    WRITTEN.set(WRITTEN.get() + 1);
    let mut bytes = Vec::new();
    // Alone in its message there is nothing a name could point to.
    let emitted = data.emit(&mut BinEncoder::new(&mut bytes));
    emitted.map_or_else(|_| Vec::new(), |()| bytes)
}

/// That a name has these types only: NSEC in the form of section 6.1, with all types below 256.
fn no_others(name: &Name, types: &[RecordType]) -> Option<RData> {
    let mut bitmap = [0_u8; 32];
    for &each in types {
        let number = usize::from(u16::from(each));
        *bitmap.get_mut(number / 8)? |= 0x80 >> (number % 8);
    }
    let length = bitmap.iter().rposition(|byte| *byte != 0)? + 1;
    let mut data = Vec::new();
    name.emit(&mut BinEncoder::new(&mut data)).ok()?;
    data.push(0);
    data.push(u8::try_from(length).ok()?);
    data.extend_from_slice(bitmap.get(..length)?);
    Some(RData::Unknown {
        code: RecordType::NSEC,
        rdata: NULL::with(data),
    })
}
