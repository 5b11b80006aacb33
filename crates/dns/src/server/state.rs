//! What is in service: swapped as a whole, or patched while nobody looks at it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use cell_model::spec::{DnsSpec, NamesWay};
use cell_model::step::DnsStep;
use hickory_proto::rr::Name;
use ipnet::IpNet;

use super::cells::{Cells, Neighbour};
use crate::error::DnsError;
use crate::forward::{Forwarder, Room, Transport};
use crate::zone::Zone;

/// Everything a question needs.
#[derive(Clone)]
pub(super) struct State {
    allow: Arc<[IpNet]>,
    guests: Arc<[IpNet]>,
    pub(super) zone: Option<Zone>,
    pub(super) cells: Cells,
    forwarder: Arc<Forwarder>,
    /// Who is asked for those that leave by a way of their own.
    ways: Arc<Ways>,
}

/// By who asks.
type Ways = BTreeMap<IpAddr, (NamesWay, Arc<Forwarder>)>;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// Somebody at home, or with a device of ours.
    Own,
    /// Somebody of another cell.
    Guest,
    /// Nobody who is answered.
    Stranger,
}

impl State {
    /// Answers nobody: what a process without a spec does.
    fn closed() -> Self {
        Self {
            allow: Arc::new([]),
            guests: Arc::new([]),
            zone: None,
            cells: Cells::default(),
            forwarder: Arc::new(Forwarder::new(&[], Transport::Any, Room::INTERNET)),
            ways: Arc::default(),
        }
    }

    fn new(spec: &DnsSpec, before: &Self) -> Result<Self, DnsError> {
        let zone = spec.zone.as_ref().map(Zone::new).transpose()?;
        // Another list of servers may see another internet: what was remembered goes with the list.
        let forwarder = if before.forwarder.addresses() == spec.upstreams {
            Arc::clone(&before.forwarder)
        } else {
            Arc::new(Forwarder::new(
                &spec.upstreams,
                Transport::Any,
                Room::INTERNET,
            ))
        };
        Ok(Self {
            allow: spec.allow.iter().copied().collect(),
            guests: spec.guests.iter().copied().collect(),
            zone,
            cells: Cells::new(spec, &before.cells),
            forwarder,
            ways: Arc::new(ways(spec, &before.ways)),
        })
    }

    /// Who is asked for somebody at this address about all that is not in the house.
    pub(super) fn forwarder(&self, source: IpAddr) -> &Arc<Forwarder> {
        let way = self.ways.get(&source);
        way.map_or(&self.forwarder, |(_, forwarder)| forwarder)
    }

    /// The other cell that a name in lower case belongs to, if it is one's. Our own zone comes first.
    pub(super) fn neighbour(&self, name: &Name) -> Option<Neighbour> {
        let own = self.zone.as_ref().is_some_and(|zone| zone.holds(name));
        (!own).then(|| self.cells.find(name)).flatten()
    }

    /// Who asks from this source. Where networks overlap, the one who is told less.
    pub(super) fn asker(&self, source: IpAddr) -> Asker {
        let is_in = |networks: &[IpNet]| networks.iter().any(|net| net.contains(&source));
        match (is_in(&self.guests), is_in(&self.allow)) {
            (true, _) => Asker::Guest,
            (false, true) => Asker::Own,
            (false, false) => Asker::Stranger,
        }
    }
}

/// One forwarder for each way, however many leave by it. One that was there goes on with what it remembers.
fn ways(spec: &DnsSpec, before: &Ways) -> Ways {
    let mut forwarders: BTreeMap<&NamesWay, Arc<Forwarder>> = before
        .values()
        .map(|(way, forwarder)| (way, Arc::clone(forwarder)))
        .collect();
    let mut ways = Ways::new();
    for (source, way) in &spec.ways {
        let forwarder = forwarders.entry(way).or_insert_with(|| {
            let server = way.server.as_slice();
            Arc::new(Forwarder::new(server, Transport::Tcp, Room::WAY))
        });
        ways.insert(*source, (way.clone(), Arc::clone(forwarder)));
    }
    ways
}

/// The state in service.
pub(super) struct Current(RwLock<Arc<State>>);

impl Current {
    pub(super) fn new() -> Self {
        Self(RwLock::new(Arc::new(State::closed())))
    }

    /// The state as it is now. Hold it briefly: a patch copies a state that somebody holds.
    pub(super) fn load(&self) -> Arc<State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Brings a step into service, wholly or not at all.
    pub(super) fn apply(&self, step: &DnsStep) -> Result<(), DnsError> {
        match step {
            DnsStep::Replace(spec) => {
                // Laid out outside the lock: 10,000 names take milliseconds.
                let next = Arc::new(State::new(spec, &self.load())?);
                *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
            }
            DnsStep::PatchNames {
                serial,
                remove,
                set,
            } => {
                let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
                if current.zone.is_none() {
                    return Err(DnsError::NoZone);
                }
                if let Some(zone) = &mut Arc::make_mut(&mut current).zone {
                    zone.patch(*serial, remove, set);
                }
            }
        }
        Ok(())
    }
}
