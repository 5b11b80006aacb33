//! What the box asks itself after a change. Choosing the questions is pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use cell_model::name::{DnsLabel, Domain, RecordOwner};
use cell_model::spec::{DnsSpec, ZoneSpec};
use cell_model::step::DnsStep;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::ask::ask;
use crate::error::DnsError;

/// A question and the answer it should get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name asked for.
    pub name: Name,
    /// The type asked for.
    pub record_type: RecordType,
    /// What must come back.
    pub expected: Expected,
}

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// An SOA record with this serial.
    Serial(u32),
    /// Exactly these addresses.
    Addresses(BTreeSet<IpAddr>),
    /// No such name.
    Absent,
}

/// The questions that show whether `step` is in service; `spec` is the state it leads to.
///
/// The serial shows that the swap happened, one changed name that the names came with it. Before
/// setup there is no zone: then `localhost`, which the server answers itself, shows that it lives.
pub fn checks(spec: &DnsSpec, step: &DnsStep) -> Vec<Check> {
    let Some(zone) = &spec.zone else {
        let loopback = IpAddr::from(std::net::Ipv4Addr::LOCALHOST);
        return Name::from_ascii("localhost.")
            .map(|name| Check {
                name,
                record_type: RecordType::A,
                expected: Expected::Addresses([loopback].into()),
            })
            .into_iter()
            .collect();
    };
    let Some(apex) = absolute(&zone.domain) else {
        return Vec::new();
    };
    let mut checks = vec![Check {
        name: apex.clone(),
        record_type: RecordType::SOA,
        expected: Expected::Serial(zone.serial),
    }];
    checks.extend(name_check(zone, &apex, step));
    checks
}

/// One name of those the step is about.
fn name_check(zone: &ZoneSpec, apex: &Name, step: &DnsStep) -> Option<Check> {
    let (label, addresses) = match step {
        DnsStep::Replace(_) => zone.names.iter().next().map(|(l, a)| (l, Some(a)))?,
        DnsStep::PatchNames { remove, set, .. } => {
            let set = set.iter().next().map(|(label, a)| (label, Some(a)));
            set.or_else(|| remove.iter().next().map(|label| (label, None)))?
        }
    };
    // The owner and the plan may have records of the same name, and the box answers for `admin` by source.
    let shared = |owner: RecordOwner| zone.made.iter().any(|record| record.owner == owner);
    if label == &DnsLabel::admin()
        || zone.records.iter().any(|record| &record.name == label)
        || zone.domain.owner(label.as_str()).is_ok_and(shared)
    {
        return None;
    }
    let name = apex.prepend_label(label.as_str().as_bytes()).ok()?;
    let Some(addresses) = addresses else {
        return Some(Check {
            name,
            record_type: RecordType::A,
            expected: Expected::Absent,
        });
    };
    let v4 = addresses.iter().any(IpAddr::is_ipv4);
    Some(Check {
        name,
        record_type: if v4 { RecordType::A } else { RecordType::AAAA },
        expected: Expected::Addresses(
            addresses
                .iter()
                .copied()
                .filter(|address| address.is_ipv4() == v4)
                .collect(),
        ),
    })
}

fn absolute(domain: &Domain) -> Option<Name> {
    let mut name = Name::from_ascii(domain.as_str()).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Asks `address` one of the questions.
///
/// # Errors
/// [`DnsError::Ask`] without an answer, [`DnsError::Differs`] with another one.
pub async fn check(address: SocketAddr, check: &Check) -> Result<(), DnsError> {
    let answer = ask(address, &check.name, check.record_type)
        .await
        .map_err(|source| DnsError::Ask { address, source })?;
    let found = found(&answer);
    if found == check.expected.text() {
        return Ok(());
    }
    Err(DnsError::Differs {
        address,
        name: format!("{} {}", check.name, check.record_type),
        expected: check.expected.text(),
        found,
    })
}

impl Expected {
    fn text(&self) -> String {
        match self {
            Self::Serial(serial) => format!("serial {serial}"),
            Self::Addresses(addresses) => addresses_text(addresses),
            Self::Absent => absent_text(ResponseCode::NXDomain),
        }
    }
}

fn found(answer: &Message) -> String {
    if answer.metadata.response_code != ResponseCode::NoError {
        return absent_text(answer.metadata.response_code);
    }
    let serial = answer.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    if let Some(serial) = serial {
        return Expected::Serial(serial).text();
    }
    let addresses: BTreeSet<IpAddr> = answer
        .answers
        .iter()
        .filter_map(|record| record.data.ip_addr())
        .collect();
    addresses_text(&addresses)
}

fn addresses_text(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() {
        return "no address".to_owned();
    }
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn absent_text(code: ResponseCode) -> String {
    format!("\"{code}\"")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use cell_model::config::{DnsRecordConfig, RecordData};
    use cell_model::spec::OwnAddresses;

    use super::*;

    fn label(text: &str) -> DnsLabel {
        text.parse().unwrap()
    }

    fn spec(names: &[(&str, &[&str])]) -> DnsSpec {
        let address = |text: &&str| text.parse().unwrap();
        let names = names.iter().map(|(name, addresses)| {
            let addresses = addresses.iter().map(address).collect();
            (label(name), Arc::new(addresses))
        });
        DnsSpec {
            listen: BTreeSet::new(),
            allow: BTreeSet::new(),
            zone: Some(ZoneSpec {
                domain: "home.cell".parse().unwrap(),
                serial: 3,
                own: OwnAddresses {
                    lan: BTreeSet::new(),
                    vpn: BTreeSet::new(),
                    vpn_sources: BTreeSet::new(),
                },
                services: Default::default(),
                names: names.collect(),
                records: Vec::new(),
                made: Vec::new(),
            }),
            upstreams: Vec::new(),
            forwards: BTreeMap::new(),
            withheld: BTreeSet::new(),
            guests: BTreeSet::new(),
            ways: BTreeMap::new(),
        }
    }

    fn texts(spec: &DnsSpec, step: &DnsStep) -> Vec<String> {
        let text = |check: &Check| {
            let Check {
                name, record_type, ..
            } = check;
            format!("{name} {record_type} {}", check.expected.text())
        };
        checks(spec, step).iter().map(text).collect()
    }

    fn replaced(spec: &DnsSpec) -> Vec<String> {
        texts(spec, &DnsStep::Replace(Arc::new(spec.clone())))
    }

    #[test]
    fn serial_and_one_name_are_asked_for() {
        let both = spec(&[("anna", &["10.0.0.2", "fd00::2"])]);
        assert_eq!(
            replaced(&both),
            ["home.cell. SOA serial 3", "anna.home.cell. A 10.0.0.2"]
        );
        let v6 = spec(&[("anna", &["fd00::2"])]);
        assert_eq!(replaced(&v6)[1], "anna.home.cell. AAAA fd00::2");
        assert_eq!(replaced(&spec(&[])).len(), 1);
    }

    #[test]
    fn patch_is_checked_by_a_name_it_touches() {
        let spec = spec(&[("anna", &["10.0.0.2"]), ("bob", &["10.0.0.3"])]);
        let names = &spec.zone.as_ref().unwrap().names;
        let set = BTreeMap::from([(label("bob"), Arc::clone(&names[&label("bob")]))]);
        let step = |set, remove: &[&str]| DnsStep::PatchNames {
            serial: 3,
            remove: remove.iter().map(|text| label(text)).collect(),
            set,
        };
        assert_eq!(
            texts(&spec, &step(set, &["carl"]))[1],
            "bob.home.cell. A 10.0.0.3"
        );
        let gone = texts(&spec, &step(BTreeMap::new(), &["carl"]));
        assert!(gone[1].starts_with("carl.home.cell. A "), "{gone:?}");
    }

    #[test]
    fn name_that_shares_its_label_with_a_record_is_not_judged() {
        let mut spec = spec(&[("anna", &["10.0.0.2"])]);
        spec.zone.as_mut().unwrap().records.push(DnsRecordConfig {
            name: label("anna"),
            data: RecordData::parse("A", "10.0.0.9").unwrap(),
        });
        assert_eq!(replaced(&spec), ["home.cell. SOA serial 3"]);
    }
}
