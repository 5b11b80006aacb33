//! Records that the plan made, by name, with the names they make exist above them.

use std::collections::HashMap;

use cell_model::name::Domain;
use cell_model::spec::{ZoneData, ZoneRecord};
use hickory_proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_proto::rr::rdata::{A, CNAME, MX, PTR, SRV, TLSA, TXT};
use hickory_proto::rr::{Name, RData};

/// Data by lower-case name. A name without data is there because one below it is (RFC 8020).
pub(super) type Made = HashMap<Name, Vec<RData>>;

/// Lays out what is inside the zone; the rest is none of its business.
pub(super) fn made(apex: &Name, records: &[ZoneRecord]) -> Made {
    let mut made = Made::new();
    for record in records {
        let Some(owner) = absolute(record.owner.as_str()) else {
            continue;
        };
        let Some(data) = data(&record.data).filter(|_| apex.zone_of(&owner)) else {
            continue;
        };
        for labels in apex.num_labels() + 1..owner.num_labels() {
            made.entry(owner.trim_to(labels.into())).or_default();
        }
        made.entry(owner).or_default().push(data);
    }
    made
}

fn data(data: &ZoneData) -> Option<RData> {
    Some(match data {
        ZoneData::A { address } => RData::A(A(*address)),
        ZoneData::Cname { target } => RData::CNAME(CNAME(host(target)?)),
        ZoneData::Mx {
            preference,
            exchange,
        } => RData::MX(MX::new(*preference, host(exchange)?)),
        ZoneData::Ptr { target } => RData::PTR(PTR(host(target)?)),
        ZoneData::Srv {
            priority,
            weight,
            port,
            target,
        } => {
            let target = match target {
                Some(target) => host(target)?,
                None => Name::root(),
            };
            RData::SRV(SRV::new(*priority, *weight, *port, target))
        }
        ZoneData::Tlsa {
            usage,
            selector,
            matching,
            data,
        } => RData::TLSA(TLSA::new(
            CertUsage::from(*usage),
            Selector::from(*selector),
            Matching::from(*matching),
            data.clone(),
        )),
        ZoneData::Txt { text } => RData::TXT(TXT::from_bytes(ZoneData::strings(text))),
    })
}

fn host(domain: &Domain) -> Option<Name> {
    absolute(domain.as_str())
}

fn absolute(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}
