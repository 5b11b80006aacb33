//! Domains of other cells: whom to ask, and what of the answers is believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_model::name::Domain;
use cell_model::spec::{DnsSpec, ForwardSpec};
use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RData, Record};
use ipnet::IpNet;

use crate::forward::cache::{Flags, Remote};
use crate::forward::{ForwardError, Forwarder, Room, Transport};

/// A link has less of it than the internet: somebody at home asks for a handful of names there.
const ROOM: Room = Room {
    generation_bytes: 64 * 1024,
    pending: 16,
};

/// Other cells by their domains.
#[derive(Clone, Default)]
pub(super) struct Cells(Vec<(Name, Option<Arc<Cell>>)>);

/// Another cell that is asked.
pub(super) struct Cell {
    apex: Name,
    networks: Box<[IpNet]>,
    forwarder: Arc<Forwarder>,
}

/// Who answers for a name in the domain of another cell.
pub(super) enum Neighbour {
    /// The cell itself, and nobody else.
    Asked(Arc<Cell>),
    /// Nobody now. So many labels of the name are the domain.
    Withheld(usize),
}

impl Cells {
    /// Lays out a spec. Whom was asked before the same way is remembered with what was answered.
    pub(super) fn new(spec: &DnsSpec, before: &Self) -> Self {
        let asked = asked(&spec.forwards, before);
        let withheld = spec.withheld.iter().filter_map(apex);
        Self(
            withheld
                .map(|apex| (apex, None))
                .chain(asked.map(|cell| (cell.apex.clone(), Some(cell))))
                .collect(),
        )
    }

    /// Whose a name in lower case is, if it is another cell's.
    pub(super) fn find(&self, name: &Name) -> Option<Neighbour> {
        let found = self.0.iter().find(|(apex, _)| apex.zone_of(name));
        found.map(|(apex, cell)| match cell {
            Some(cell) => Neighbour::Asked(Arc::clone(cell)),
            None => Neighbour::Withheld(apex.iter().len()),
        })
    }
}

fn asked<'a>(
    forwards: &'a BTreeMap<Domain, ForwardSpec>,
    before: &'a Cells,
) -> impl Iterator<Item = Arc<Cell>> {
    forwards.iter().filter_map(|(domain, spec)| {
        let apex = apex(domain)?;
        let mut known = before.0.iter().filter_map(|(_, cell)| cell.as_ref());
        let known =
            known.find(|cell| cell.apex == apex && cell.forwarder.addresses() == spec.servers);
        Some(Arc::new(Cell {
            apex,
            networks: spec.networks.iter().copied().collect(),
            forwarder: known.map_or_else(
                || Arc::new(Forwarder::new(&spec.servers, Transport::Any, ROOM)),
                |cell| Arc::clone(&cell.forwarder),
            ),
        }))
    })
}

fn apex(domain: &Domain) -> Option<Name> {
    let mut name = Name::from_ascii(domain.as_str().to_ascii_lowercase()).ok()?;
    name.set_fqdn(true);
    Some(name)
}

impl Cell {
    /// What it answers, if that is about itself.
    pub(super) async fn resolve(
        &self,
        query: &Query,
        flags: Flags,
    ) -> Result<Remote, ForwardError> {
        let mut remote = self.forwarder.resolve(query, flags).await?;
        if !remote.answers.iter().all(|record| self.may_say(record)) {
            return Err(ForwardError::Foreign);
        }
        // Of those, only the one that bounds how long an absence is believed is of use.
        remote.authorities.retain(|record| {
            matches!(record.data, RData::SOA(_)) && self.apex.zone_of(&record.name)
        });
        Ok(remote)
    }

    /// Whether a record is about its own names and addresses. Types that are not known here could hold others.
    fn may_say(&self, record: &Record) -> bool {
        let is_own = |name: &Name| self.apex.zone_of(name);
        let may = match &record.data {
            RData::A(_) | RData::AAAA(_) => record
                .data
                .ip_addr()
                .is_some_and(|address| self.networks.iter().any(|net| net.contains(&address))),
            RData::CNAME(target) => is_own(&target.0),
            RData::NS(target) => is_own(&target.0),
            RData::MX(mx) => is_own(&mx.exchange),
            RData::SRV(srv) => srv.target.is_root() || is_own(&srv.target),
            RData::TXT(_) | RData::TLSA(_) | RData::SOA(_) | RData::HINFO(_) => true,
            _ => false,
        };
        may && is_own(&record.name)
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{CNAME, MX, PTR, TXT};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn spec() -> DnsSpec {
        DnsSpec {
            listen: [].into(),
            allow: [].into(),
            zone: None,
            upstreams: Vec::new(),
            forwards: [(
                "Cabin.lan".parse().unwrap(),
                ForwardSpec {
                    servers: Vec::new(),
                    networks: ["10.40.0.0/24", "fd00:40::/64"]
                        .map(|net| net.parse().unwrap())
                        .into(),
                },
            )]
            .into(),
            withheld: ["boat.lan".parse().unwrap()].into(),
            guests: [].into(),
            ways: [].into(),
        }
    }

    #[test]
    fn names_belong_to_the_cell_whose_domain_they_are_in() {
        let cells = Cells::new(&spec(), &Cells::default());
        let asked = |text: &str| matches!(cells.find(&name(text)), Some(Neighbour::Asked(_)));
        assert!(asked("cabin.lan.") && asked("a.b.cabin.lan."));
        assert!(!asked("lan.") && !asked("xcabin.lan.") && !asked("boat.lan."));
        let withheld = cells.find(&name("a.boat.lan."));
        assert!(matches!(withheld, Some(Neighbour::Withheld(2))));
    }

    #[test]
    fn cell_speaks_of_its_own_names_and_addresses_alone() {
        let cells = Cells::new(&spec(), &Cells::default());
        let Some(Neighbour::Asked(cell)) = cells.find(&name("cabin.lan.")) else {
            panic!("it is linked");
        };
        let may = |owner: &str, data| cell.may_say(&Record::from_rdata(name(owner), 60, data));
        let address = |text: &str| RData::from(text.parse::<std::net::IpAddr>().unwrap());
        let target = || name("www.example.com.");
        let own = || name("files.cabin.lan.");
        assert!(may("files.cabin.lan.", address("10.40.0.1")));
        assert!(may("files.cabin.lan.", address("fd00:40::1")));
        assert!(may("x.cabin.lan.", RData::CNAME(CNAME(own()))));
        assert!(may("cabin.lan.", RData::MX(MX::new(10, own()))));
        assert!(may("cabin.lan.", RData::TXT(TXT::new(vec!["v".into()]))));
        for foreign in [
            address("10.41.0.1"),
            address("192.168.1.1"),
            address("127.0.0.1"),
            address("203.0.113.7"),
            address("::ffff:10.40.0.1"),
            RData::CNAME(CNAME(target())),
            RData::MX(MX::new(10, target())),
            RData::PTR(PTR(own())),
        ] {
            assert!(!may("x.cabin.lan.", foreign.clone()), "{foreign:?}");
        }
        assert!(!may("www.example.com.", address("10.40.0.1")));
    }
}
