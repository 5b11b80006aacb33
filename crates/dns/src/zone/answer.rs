//! The answer to a question, from the zone alone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cell_model::config::RecordData;
use cell_model::name::DnsLabel;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{CNAME, HINFO, NS, PTR, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::reverse::Reverse;
use super::special::{Special, loopback, special};
use super::{NEGATIVE_TTL, TTL, Zone};

/// Aliases that are followed in a row. The owner makes them by hand: more is a circle.
const MAX_ALIASES: usize = 8;

/// What is asked, of class IN.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The name in lower case.
    pub(crate) name: &'a Name,
    /// The name as it was written; answers carry it.
    pub(crate) asked: &'a Name,
    /// The type.
    pub(crate) record_type: RecordType,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// We do, with this.
    Here(Reply),
    /// Others do.
    Elsewhere,
}

/// Content of a response.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) code: ResponseCode,
    /// From a zone of our own.
    pub(crate) authoritative: bool,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    pub(crate) additionals: Vec<Record>,
    /// An alias leads out of the zone: answers of this name belong behind it.
    pub(crate) follow: Option<Name>,
}

impl Reply {
    /// An empty response with this code.
    pub(crate) fn code(code: ResponseCode) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }

    fn authoritative() -> Self {
        Self {
            authoritative: true,
            ..Self::default()
        }
    }

    /// There is nothing: `code` says whether the name (NXDOMAIN) or only the type is missing (RFC 2308).
    fn absent(mut self, code: ResponseCode, soa: Record) -> Self {
        self.code = code;
        self.authorities.push(soa);
        self
    }

    fn with(mut self, record: Record) -> Self {
        self.answers.push(record);
        self
    }
}

/// Answers a question from `source`, or says that others have to.
pub(crate) fn answer(zone: Option<&Zone>, question: Question<'_>, source: IpAddr) -> Answer {
    if let Some(zone) = zone
        && zone.holds(question.name)
    {
        return Answer::Here(in_zone(zone, question, Asker::At(source)));
    }
    if let Some(special) = special(question.name) {
        return Answer::Here(in_special(special, question));
    }
    Reverse::read(question.name)
        .and_then(|reverse| in_reverse(zone, &reverse, question))
        .map_or(Answer::Elsewhere, Answer::Here)
}

/// Answers somebody of another cell, and never says that others have to.
pub(crate) fn answer_guest(zone: Option<&Zone>, question: Question<'_>) -> Reply {
    let Some(zone) = zone.filter(|zone| zone.holds(question.name)) else {
        return Reply::code(ResponseCode::Refused);
    };
    let mut reply = in_zone(zone, question, Asker::Guest);
    reply.follow = None;
    reply
}

/// Nothing is at a name in lower case, nor at any other in the domain that so many labels of it are.
pub(crate) fn absent(labels: usize, question: Question<'_>) -> Reply {
    in_special(Special::Absent(labels), question)
}

/// Who asks for a name of the zone.
#[derive(Debug, Clone, Copy)]
enum Asker {
    /// Somebody at home, or with a device of ours, from this address.
    At(IpAddr),
    /// Somebody of another cell. To them the box is at its addresses in the VPN, and there are no devices, no admin page,
    /// and no records that the owner has made for the home.
    Guest,
}

impl Asker {
    /// The box's own addresses as they are told.
    fn own(self, zone: &Zone) -> &BTreeSet<IpAddr> {
        match self {
            Self::At(source) => zone.own_for(source),
            Self::Guest => &zone.own.vpn,
        }
    }

    fn is_guest(self) -> bool {
        matches!(self, Self::Guest)
    }
}

/// What is at one name of the zone.
struct Node<'a> {
    apex: bool,
    own: Option<&'a BTreeSet<IpAddr>>,
    /// Of the own addresses, those over IPv4 only.
    is_service: bool,
    named: &'a [IpAddr],
    records: &'a [RecordData],
    made: &'a [RData],
}

impl<'a> Node<'a> {
    fn find(zone: &'a Zone, name: &Name, asker: Asker) -> Option<Self> {
        let mut labels = name.iter();
        let found = zone.made.get(name);
        let made = found.map_or(&[][..], Vec::as_slice);
        match labels.len() - zone.apex.iter().len() {
            0 => Some(Self {
                apex: true,
                own: Some(asker.own(zone)),
                is_service: false,
                named: &[],
                records: &[],
                made,
            }),
            1 => {
                let label = labels.next()?;
                let is_service = zone.services.contains(label);
                let at_home = !asker.is_guest();
                let is_admin = label == DnsLabel::admin().as_str().as_bytes();
                let own = is_service || (is_admin && at_home);
                let named = zone.names.get(label).filter(|_| at_home);
                let records = zone.records.get(label).filter(|_| at_home);
                let exists = own || named.is_some() || records.is_some() || found.is_some();
                exists.then(|| Self {
                    apex: false,
                    own: own.then(|| asker.own(zone)),
                    is_service,
                    named: named.map_or(&[], |named| named),
                    records: records.map_or(&[], |records| records),
                    made,
                })
            }
            _ => found.map(|made| Self {
                apex: false,
                own: None,
                is_service: false,
                named: &[],
                records: &[],
                made,
            }),
        }
    }

    /// The name this one stands for. An alias must be alone (RFC 1034 section 3.6.2): beside
    /// addresses or other records it does not count.
    fn alias(&self) -> Option<Name> {
        if self.own.is_some() || !self.named.is_empty() {
            return None;
        }
        match (self.records, self.made) {
            ([RecordData::Cname(target)], []) => {
                let mut target = Name::from_ascii(target.as_str().to_ascii_lowercase()).ok()?;
                target.set_fqdn(true);
                Some(target)
            }
            ([], [RData::CNAME(target)]) => Some(target.0.clone()),
            _ => None,
        }
    }

    /// Whether it is there only because something below it is.
    fn is_empty(&self) -> bool {
        self.own.is_none()
            && self.named.is_empty()
            && self.records.is_empty()
            && self.made.is_empty()
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let own = self.own.into_iter().flatten().copied();
        let own = own.filter(|address| address.is_ipv4() || !self.is_service);
        let records = self.records.iter().filter_map(|record| match record {
            RecordData::A(address) => Some(IpAddr::V4(*address)),
            RecordData::Aaaa(address) => Some(IpAddr::V6(*address)),
            RecordData::Cname(_) | RecordData::Txt(_) => None,
        });
        own.chain(self.named.iter().copied()).chain(records)
    }

    fn data(&self, zone: &Zone, record_type: RecordType) -> Vec<RData> {
        let mut data = self.own_data(zone, record_type);
        let made = self.made.iter().filter(|data| {
            // An alias beside others does not count.
            data.record_type() == record_type && record_type != RecordType::CNAME
        });
        data.extend(made.cloned());
        data
    }

    /// Without what the plan made.
    fn own_data(&self, zone: &Zone, record_type: RecordType) -> Vec<RData> {
        match record_type {
            RecordType::A | RecordType::AAAA => self
                .addresses()
                .filter(|address| address.is_ipv4() == (record_type == RecordType::A))
                .map(RData::from)
                .collect(),
            RecordType::TXT => self
                .records
                .iter()
                .filter_map(|record| match record {
                    RecordData::Txt(text) => Some(RData::TXT(TXT::new(vec![text.clone()]))),
                    _ => None,
                })
                .collect(),
            RecordType::NS if self.apex => vec![RData::NS(NS(zone.admin.clone()))],
            RecordType::ANY if !self.is_empty() => vec![minimal_any()],
            _ => Vec::new(),
        }
    }
}

/// RFC 8482 section 4.2: one record instead of all there are.
fn minimal_any() -> RData {
    RData::HINFO(HINFO::new("RFC8482".to_owned(), String::new()))
}

fn in_zone(zone: &Zone, question: Question<'_>, asker: Asker) -> Reply {
    let mut reply = Reply::authoritative();
    let mut name = question.name.clone();
    let mut owner = question.asked.clone();
    for _ in 0..=MAX_ALIASES {
        let Some(node) = Node::find(zone, &name, asker) else {
            return reply.absent(ResponseCode::NXDomain, zone.soa());
        };
        if node.apex && question.record_type == RecordType::SOA {
            let mut soa = zone.soa();
            (soa.name, soa.ttl) = (owner, TTL);
            return reply.with(soa);
        }
        let alias = node
            .alias()
            .filter(|_| question.record_type != RecordType::ANY);
        if let Some(target) = alias {
            let data = RData::CNAME(CNAME(target.clone()));
            reply.answers.push(Record::from_rdata(owner, TTL, data));
            if question.record_type == RecordType::CNAME {
                return reply;
            }
            if !zone.apex.zone_of(&target) {
                if special(&target).is_some() {
                    reply.code = ResponseCode::NXDomain;
                } else {
                    reply.follow = Some(target);
                }
                return reply;
            }
            name = target.clone();
            owner = target;
            continue;
        }
        let data = node.data(zone, question.record_type);
        if data.is_empty() {
            return reply.absent(ResponseCode::NoError, zone.soa());
        }
        for data in data {
            reply
                .answers
                .push(Record::from_rdata(owner.clone(), TTL, data));
        }
        if question.record_type == RecordType::NS && !asker.is_guest() {
            reply.additionals = asker
                .own(zone)
                .iter()
                .map(|a| Record::from_rdata(zone.admin.clone(), TTL, RData::from(*a)))
                .collect();
        }
        return reply;
    }
    // A circle of aliases (RFC 1034 section 3.6.2: to be signalled as an error).
    Reply::code(ResponseCode::ServFail)
}

fn in_special(special: Special, question: Question<'_>) -> Reply {
    let reply = Reply::authoritative();
    match special {
        Special::Localhost => match loopback(question.record_type) {
            Some(data) => reply.with(Record::from_rdata(question.asked.clone(), TTL, data)),
            None => reply.absent(
                ResponseCode::NoError,
                empty_zone_soa(question.name.trim_to(1)),
            ),
        },
        Special::Absent(labels) => {
            let zone = question.name.trim_to(labels);
            let code = if question.name.iter().len() == labels {
                ResponseCode::NoError
            } else {
                ResponseCode::NXDomain
            };
            reply.absent(code, empty_zone_soa(zone))
        }
    }
}

/// `None`: a public address that is none of ours.
fn in_reverse(zone: Option<&Zone>, reverse: &Reverse, question: Question<'_>) -> Option<Reply> {
    let targets = reverse
        .address()
        .map(|address| host_names(zone, address))
        .unwrap_or_default();
    let vpn = zone.and_then(|zone| {
        let mut sources = zone.own.vpn_sources.iter();
        sources.find(|net| net.contains(&reverse.network)).copied()
    });
    let network = match vpn.or_else(|| reverse.local()) {
        Some(network) => network,
        None if targets.is_empty() => return None,
        // A public address of a device or of the box: nobody else knows the name we gave it.
        None => reverse.network,
    };
    let apex = reverse.zone(question.name, network);
    let at_apex = apex == *question.name;
    let soa = empty_zone_soa(apex);

    let mut reply = Reply::authoritative();
    let exists = at_apex
        || !targets.is_empty()
        || (!reverse.deeper && zone.is_some_and(|zone| zone.any_within(reverse.network)));
    match question.record_type {
        RecordType::PTR => reply.answers.extend(
            targets
                .into_iter()
                .map(|name| ptr(question.asked.clone(), name)),
        ),
        RecordType::ANY if exists => reply.answers.push(Record::from_rdata(
            question.asked.clone(),
            TTL,
            minimal_any(),
        )),
        RecordType::SOA if at_apex => return Some(reply.with(soa)),
        _ => {}
    }
    Some(if !reply.answers.is_empty() {
        reply
    } else if exists {
        reply.absent(ResponseCode::NoError, soa)
    } else {
        reply.absent(ResponseCode::NXDomain, soa)
    })
}

fn ptr(owner: Name, target: Name) -> Record {
    Record::from_rdata(owner, TTL, RData::PTR(PTR(target)))
}

/// Names of an address: the box goes by its domain, whatever else is named so.
fn host_names(zone: Option<&Zone>, address: IpAddr) -> Vec<Name> {
    if address.is_loopback() {
        return Name::from_ascii("localhost.").into_iter().collect();
    }
    match zone {
        None => Vec::new(),
        Some(zone) if zone.is_own(address) => vec![zone.apex.clone()],
        Some(zone) => zone
            .labels_of(address)
            .filter_map(|label| zone.apex.prepend_label(&**label).ok())
            .collect(),
    }
}

/// The SOA record RFC 6303 section 3 gives zones that are only there to keep questions in the house.
fn empty_zone_soa(zone: Name) -> Record {
    let contact = Name::from_ascii("nobody.invalid.").unwrap_or_else(|_| Name::root());
    let soa = SOA::new(
        zone.clone(),
        contact,
        1,
        3_600,
        1_200,
        604_800,
        NEGATIVE_TTL,
    );
    Record::from_rdata(zone, NEGATIVE_TTL, RData::SOA(soa))
}
