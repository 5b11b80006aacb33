//! Looks for boxes of other cells that are not heard: they are called at one place after another, which their names lead to
//! by now. One that is heard stays where it was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cell_cells::{Found, Lookup};
use cell_model::Timestamp;
use cell_model::config::{Claims, Config};
use cell_model::endpoint::{Endpoint, Host};
use cell_model::key::PublicKey;
use cell_model::problem::Problem;
use tokio::time::Instant;

use crate::Core;

/// How often it is looked who is heard.
const LOOK: Duration = Duration::from_secs(5);
/// A box shakes hands every two minutes while anything is said (whitepaper, section 6.1), and says something every 25 seconds.
const SILENT: Duration = Duration::from_secs(180);
/// So long a box is called at one place: it is called every five seconds.
const TURN: Duration = Duration::from_secs(20);
/// So long what a name has led to counts.
const NAMES: Duration = Duration::from_secs(60);

/// What is known of where a box is.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Its last handshake, and when that was first seen.
    handshake: Option<(Timestamp, Instant)>,
    places: Vec<SocketAddr>,
    looked_up: Option<Instant>,
    /// Since when it is called where it is.
    turned: Option<Instant>,
}

impl Search {
    fn sees(&mut self, handshake: Option<Timestamp>) {
        let Some(at) = handshake else { return };
        if self.handshake.is_none_or(|(known, _)| known != at) {
            self.handshake = Some((at, Instant::now()));
        }
    }

    fn is_heard(&self) -> bool {
        self.handshake
            .is_some_and(|(_, seen)| seen.elapsed() < SILENT)
    }

    /// Whether it is time to call it at another place.
    fn is_due(&self) -> bool {
        !self.is_heard() && self.turned.is_none_or(|turned| turned.elapsed() >= TURN)
    }

    #[cfg(test)]
    pub(super) fn forget_times(&mut self) {
        (self.looked_up, self.turned) = (None, None);
    }

    fn is_stale(&self) -> bool {
        self.looked_up.is_none_or(|at| at.elapsed() >= NAMES)
    }

    /// Where it is called next, when it is called at `present` now and was asked to be at `asked`.
    fn turn(
        &mut self,
        present: Option<SocketAddr>,
        asked: Option<SocketAddr>,
    ) -> Option<SocketAddr> {
        self.turned = Some(Instant::now());
        let after = self.places.iter().position(|place| Some(*place) == present);
        let next = after.map_or(0, |at| (at + 1) % self.places.len());
        let next = self.places.get(next).copied()?;
        match asked == Some(next) && present != asked {
            // It has roamed from there; what is asked for has to change for it to be called there again.
            true => {
                self.turned = None;
                present
            }
            false => Some(next),
        }
    }
}

impl Core {
    pub(super) fn keep_finding(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(core) = core.upgrade() else { return };
                if let Err(problem) = core.find_all().await {
                    tracing::warn!(%problem, "other cells could not be looked for");
                }
            }
        });
    }

    /// One look at all of them.
    pub(crate) async fn find_all(&self) -> Result<(), Problem> {
        let desired = self.desired.borrow().clone();
        let Some(config) = desired.config.as_deref() else {
            return Ok(());
        };
        let others = desired.pairing.iter().flat_map(|pairing| &pairing.others);
        let linked = config.links.iter().map(|link| &link.claims);
        let sought: Vec<&Claims> = others.chain(linked).collect();
        if sought.is_empty() && desired.places.is_empty() {
            return Ok(());
        }
        let Some(seen) = self.seen().await else {
            return Ok(());
        };
        let seen: BTreeMap<_, _> = seen
            .peers
            .iter()
            .map(|peer| (peer.public_key, peer))
            .collect();
        let due: Vec<&Claims> = {
            let mut kept = self.links_kept();
            let identities: BTreeSet<_> = sought.iter().map(|claims| &claims.identity).collect();
            kept.searches
                .retain(|identity, _| identities.contains(identity));
            let due = sought.iter().filter(|claims| {
                let search = kept.searches.entry(claims.identity.clone()).or_default();
                let peer = seen.get(&claims.wireguard_key);
                search.sees(peer.and_then(|peer| peer.latest_handshake));
                peer.is_some() && search.is_due()
            });
            due.copied().collect()
        };
        self.look_up_places(config, &due).await?;
        let turned: Vec<_> = {
            let mut kept = self.links_kept();
            let turned = due.iter().filter_map(|claims| {
                let key = claims.wireguard_key;
                let present = seen.get(&key).and_then(|peer| peer.endpoint);
                let search = kept.searches.get_mut(&claims.identity)?;
                let asked = desired.places.get(&key).copied();
                Some((key, search.turn(present, asked)?))
            });
            turned.collect()
        };
        self.change_places(|places| {
            places.retain(|key, _| sought.iter().any(|claims| claims.wireguard_key == *key));
            places.extend(turned);
        });
        Ok(())
    }

    /// Looks up where those are whose names were not looked up lately.
    async fn look_up_places(&self, config: &Config, due: &[&Claims]) -> Result<(), Problem> {
        let stale: Vec<&Claims> = {
            let kept = self.links_kept();
            let searches = &kept.searches;
            let stale = due.iter().filter(|claims| {
                let search = searches.get(&claims.identity);
                search.is_some_and(Search::is_stale)
            });
            stale.copied().collect()
        };
        let names: BTreeSet<_> = stale
            .iter()
            .flat_map(|claims| &claims.endpoints)
            .filter_map(|endpoint| match &endpoint.host {
                Host::Name(name) => Some(name.clone()),
                Host::Address(_) => None,
            })
            .collect();
        let found = match names.is_empty() {
            true => Found::new(),
            false => {
                let system = self.system.get().ok_or_else(Problem::unavailable)?;
                let name_servers = self.name_servers();
                let lookup = Lookup {
                    names,
                    name_servers,
                };
                let found = system.calls.look_up(lookup).await;
                found.unwrap_or_else(|error| {
                    tracing::warn!(%error, "names of other cells could not be looked up");
                    Found::new()
                })
            }
        };
        let mut kept = self.links_kept();
        for claims in stale {
            if let Some(search) = kept.searches.get_mut(&claims.identity) {
                search.looked_up = Some(Instant::now());
                search.places = places(claims, &found, config);
            }
        }
        Ok(())
    }

    /// It was reached there: so there its tunnel is called first.
    pub(super) fn note_place(&self, claims: &Claims, place: SocketAddr) {
        {
            let mut kept = self.links_kept();
            let search = kept.searches.entry(claims.identity.clone()).or_default();
            search.turned = Some(Instant::now());
        }
        self.change_places(|places| places.extend([(claims.wireguard_key, place)]));
    }

    fn change_places(&self, change: impl FnOnce(&mut BTreeMap<PublicKey, SocketAddr>)) {
        self.desired.send_if_modified(|desired| {
            let mut places = (*desired.places).clone();
            change(&mut places);
            let is_new = *desired.places != places;
            desired.places = Arc::new(places);
            is_new
        });
    }
}

/// Where a cell may be, in the order that it says, without what lies inside a tunnel or is no other box's.
fn places(claims: &Claims, found: &Found, config: &Config) -> Vec<SocketAddr> {
    let mut places = Vec::new();
    for endpoint in &claims.endpoints {
        let port = endpoint.port.unwrap_or(Endpoint::PORT);
        let addresses = match &endpoint.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => found.get(name).cloned().unwrap_or_default(),
        };
        for address in addresses {
            let place = SocketAddr::new(address, port);
            if is_outside(address, config) && !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

fn is_outside(address: IpAddr, config: &Config) -> bool {
    let links = config.links.iter().map(|link| &link.claims.vpn);
    let mut tunnelled = links.chain([&config.vpn]).flat_map(|vpn| vpn.networks());
    let is_tunnelled = tunnelled.any(|network| network.contains(&address));
    !(is_tunnelled || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(last: u8) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, last], 51_820))
    }

    #[tokio::test(start_paused = true)]
    async fn box_is_called_at_one_place_after_another_until_it_is_heard() {
        let mut search = Search {
            places: vec![place(1), place(2)],
            ..Search::default()
        };
        assert!(search.is_due());
        assert_eq!(search.turn(None, None), Some(place(1)));
        assert!(!search.is_due());
        tokio::time::advance(TURN).await;
        assert!(search.is_due());
        assert_eq!(search.turn(Some(place(1)), Some(place(1))), Some(place(2)));
        tokio::time::advance(TURN).await;
        assert_eq!(search.turn(Some(place(2)), Some(place(2))), Some(place(1)));
        search.sees(Some(Timestamp::UNIX_EPOCH));
        tokio::time::advance(SILENT - LOOK).await;
        assert!(!search.is_due());
        // An old handshake that is seen again is no sign of life.
        search.sees(Some(Timestamp::UNIX_EPOCH));
        tokio::time::advance(LOOK).await;
        assert!(search.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn box_that_has_roamed_and_is_silent_is_called_where_it_was_again() {
        let mut search = Search {
            places: vec![place(1)],
            ..Search::default()
        };
        let (roamed, asked) = (Some(place(9)), Some(place(1)));
        assert_eq!(search.turn(roamed, asked), roamed);
        assert!(search.is_due(), "at once");
        assert_eq!(search.turn(roamed, roamed), asked);
    }

    #[tokio::test(start_paused = true)]
    async fn box_that_says_no_place_is_waited_for() {
        let mut search = Search::default();
        assert_eq!(search.turn(None, None), None);
        assert_eq!(search.turn(Some(place(9)), None), None);
    }
}
