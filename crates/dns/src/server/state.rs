//! What is in service: swapped as a whole, or patched while nobody looks at it.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use cell_model::spec::DnsSpec;
use cell_model::step::DnsStep;
use ipnet::IpNet;

use crate::error::DnsError;
use crate::forward::Forwarder;
use crate::zone::Zone;

/// Everything a question needs.
#[derive(Clone)]
pub(super) struct State {
    allow: Arc<[IpNet]>,
    pub(super) zone: Option<Zone>,
    pub(super) forwarder: Arc<Forwarder>,
}

impl State {
    /// Answers nobody: what a process without a spec does.
    fn closed() -> Self {
        Self {
            allow: Arc::new([]),
            zone: None,
            forwarder: Arc::new(Forwarder::new(&[])),
        }
    }

    fn new(spec: &DnsSpec, before: &Self) -> Result<Self, DnsError> {
        let zone = spec.zone.as_ref().map(Zone::new).transpose()?;
        // Another list of servers may see another internet: what was remembered goes with the list.
        let forwarder = if before.forwarder.addresses() == spec.upstreams {
            Arc::clone(&before.forwarder)
        } else {
            Arc::new(Forwarder::new(&spec.upstreams))
        };
        Ok(Self {
            allow: spec.allow.iter().copied().collect(),
            zone,
            forwarder,
        })
    }

    /// Whether this source is answered.
    pub(super) fn allows(&self, source: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&source))
    }
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
