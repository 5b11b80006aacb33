//! The status of each part, with the time it last changed, and what a part says of itself.

use cell_model::Timestamp;
use cell_model::spec::BoxSpec;
use cell_model::status::{ItemStatus, Part, State};
use cell_model::step::Step;
use cell_plan::explain::{addresses, count, devices};

/// One line a part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Items(Vec<ItemStatus>);

impl Items {
    /// Nothing is known yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        let unknown = |part: Part| ItemStatus {
            id: part.as_str().to_owned(),
            state: State::Unknown,
            since: now,
            detail: "Not looked at yet.".to_owned(),
        };
        Self(Part::ALL.map(unknown).into())
    }

    /// Sets a part; the time moves only when the state does.
    pub(crate) fn set(&mut self, part: Part, state: State, detail: String, now: Timestamp) {
        let Some(item) = self.0.iter_mut().find(|item| item.id == part.as_str()) else {
            return;
        };
        if item.state != state {
            item.state = state;
            item.since = now;
            match state {
                State::Failed => tracing::warn!(part = part.as_str(), detail, "part failed"),
                _ => tracing::info!(part = part.as_str(), state = state.as_str(), "part changed"),
            }
        }
        item.detail = detail;
    }

    pub(crate) fn state(&self, part: Part) -> State {
        self.0
            .iter()
            .find(|item| item.id == part.as_str())
            .map_or(State::Unknown, |item| item.state)
    }

    pub(crate) fn list(&self) -> Vec<ItemStatus> {
        self.0.clone()
    }
}

/// The part a step is carried out by.
pub(crate) fn part_of(step: &Step) -> Part {
    match step {
        Step::Firewall(_) => Part::Firewall,
        Step::Network(_) => Part::Network,
        Step::WireGuard(_) => Part::Wireguard,
        Step::Leaf(_) => Part::Vault,
        Step::Dns(_) => Part::Dns,
        Step::Web(_) => Part::Web,
    }
}

/// What a part that is as asked says of itself.
pub(crate) fn detail(part: Part, spec: &BoxSpec) -> String {
    match part {
        Part::Firewall => format!(
            "Open for {}; everything else is dropped.",
            devices(spec.firewall.peers.len())
        ),
        Part::Network => addresses(&spec.network)
            .unwrap_or_else(|| "Addresses of the interfaces are as they were found.".to_owned()),
        Part::Wireguard => spec.wireguard.as_ref().map_or_else(
            || "There is no VPN before setup.".to_owned(),
            |wireguard| {
                let (port, peers) = (wireguard.listen_port, devices(wireguard.peers.len()));
                format!("{} on UDP port {port} knows {peers}.", wireguard.interface)
            },
        ),
        Part::Vault => match &spec.leaf.domain {
            Some(domain) => format!("The certificate for {domain} is signed by the cell's own CA."),
            None => "A throw-away certificate is shown until setup.".to_owned(),
        },
        Part::Dns => spec.dns.zone.as_ref().map_or_else(
            || "Questions are passed on; there is no zone before setup.".to_owned(),
            |zone| {
                let names = count(zone.names.len(), "name", "names");
                format!("{} answers with {names}.", zone.domain)
            },
        ),
        Part::Web => {
            let listen: Vec<String> = spec.web.listen.iter().map(ToString::to_string).collect();
            format!("Listens on {}.", listen.join(", "))
        }
    }
}
