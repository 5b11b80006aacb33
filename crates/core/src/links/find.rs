//! Looks for boxes of other cells that are not heard: they are called at one place after another, which their names lead to
//! by now. One that is heard stays where it was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cell_cells::{Found, Lookup};
use cell_model::Timestamp;
use cell_model::config::{Claims, Config};
use cell_model::endpoint::{Endpoint, Host};
use cell_model::key::PublicKey;
use cell_model::name::Domain;
use cell_model::problem::Problem;
use cell_model::status::WireGuardStatus;
use cell_plan::lint::links::can_be_called;
use cell_reconcile::Desired;
use tokio::time::Instant;

use crate::Core;
use crate::answer::by_key;

/// Where boxes are called, by their keys.
type Places = BTreeMap<PublicKey, SocketAddr>;

/// How often it is looked who is heard.
const LOOK: Duration = Duration::from_secs(10);
/// A box shakes hands every two minutes while anything is said (whitepaper, section 6.1), and says something every 25 seconds.
const SILENT: Duration = Duration::from_secs(180);
/// So long a box is called at one place: it is called every five seconds.
const TURN: Duration = Duration::from_secs(20);
/// So long what a name has led to counts.
const NAMES: Duration = Duration::from_secs(60);
/// The most places at which one box is looked for.
const MOST_PLACES: usize = 16;

/// What is known of where a box is.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Its last handshake, and when that was first seen; `None`: it was old by then.
    handshake: Option<(Timestamp, Option<Instant>)>,
    /// What its names have led to. What one has led to counts until it leads elsewhere.
    found: Found,
    places: Vec<SocketAddr>,
    looked_up: Option<Instant>,
    /// Since when it is called where it is.
    turned: Option<Instant>,
}

impl Search {
    fn sees(&mut self, handshake: Option<Timestamp>, now: Timestamp) {
        let Some(at) = handshake else { return };
        if self.handshake.is_none_or(|(known, _)| known != at) {
            let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
            let is_of_before = self.handshake.is_none() && age > SILENT;
            self.handshake = Some((at, (!is_of_before).then(Instant::now)));
        }
    }

    fn is_heard(&self) -> bool {
        let seen = self.handshake.and_then(|(_, seen)| seen);
        seen.is_some_and(|seen| seen.elapsed() < SILENT)
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

    /// Takes over what names lead to by now. Where one leads nowhere, it is asked again soon.
    fn is_found(&mut self, claims: &Claims, found: &Found, config: &Config) {
        let mut names = names(claims);
        let is_all = names.all(|name| found.contains_key(name));
        self.looked_up = is_all.then(Instant::now);
        for name in self::names(claims) {
            if let Some(addresses) = found.get(name) {
                self.found.insert(name.clone(), addresses.clone());
            }
        }
        self.places = places(claims, &self.found, config);
    }

    /// Where it is called next, when it is called at `present` now and was asked to be at `asked`.
    fn turn(
        &mut self,
        present: Option<SocketAddr>,
        asked: Option<SocketAddr>,
    ) -> Option<SocketAddr> {
        let is_first = self.turned.replace(Instant::now()).is_none();
        let at = self.places.iter().position(|place| Some(*place) == present);
        let next = match at {
            // There it was called for a moment only.
            Some(at) if is_first => at,
            Some(at) => (at + 1) % self.places.len(),
            None => 0,
        };
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
        let sought = self.sought(&desired, config);
        if sought.is_empty() && desired.places.is_empty() {
            return Ok(());
        }
        let mut seen = self.seen().await;
        let mut due = self.due(&sought, &seen);
        if !due.is_empty() {
            self.look_up_places(config, &due).await?;
            // Whoever was heard meanwhile stays where that was.
            seen = self.seen().await;
            due = self.due(&due, &seen);
        }
        let turned = self.turn_all(&due, &seen, &desired.places);
        let heard = self.heard_at(&sought, &seen, &desired.places);
        let keys: BTreeSet<_> = sought.iter().map(|claims| claims.wireguard_key).collect();
        let gone = desired.places.keys().filter(|key| !keys.contains(key));
        let gone: Vec<_> = gone.copied().collect();
        self.change_places(|places| {
            places.extend(turned);
            places.extend(heard);
            places.retain(|key, _| !gone.contains(key));
        });
        Ok(())
    }

    /// Cells that are spoken with, or on the way there.
    fn sought(&self, desired: &Desired, config: &Config) -> Vec<Claims> {
        let others = desired.pairing.iter().flat_map(|pairing| &pairing.others);
        let linked = config.links.iter().map(|link| &link.claims);
        let mut kept = self.links_kept();
        let imports = kept.imports.values().filter(|import| !import.linked);
        let imports = imports.map(|import| &import.claims);
        let sought: Vec<Claims> = imports.chain(others).chain(linked).cloned().collect();
        let identities: BTreeSet<_> = sought.iter().map(|claims| &claims.identity).collect();
        kept.searches
            .retain(|identity, _| identities.contains(identity));
        sought
    }

    /// Those of them that are peers, and are to be called elsewhere.
    fn due(&self, sought: &[Claims], seen: &Option<WireGuardStatus>) -> Vec<Claims> {
        let now = (self.clock)();
        let by_key = by_key(seen.as_ref());
        let mut kept = self.links_kept();
        let due = sought.iter().filter(|claims| {
            let Some(peer) = by_key.get(&claims.wireguard_key) else {
                return false;
            };
            let search = kept.searches.entry(claims.identity.clone()).or_default();
            search.sees(peer.latest_handshake, now);
            search.is_due()
        });
        due.cloned().collect()
    }

    fn turn_all(
        &self,
        due: &[Claims],
        seen: &Option<WireGuardStatus>,
        places: &Places,
    ) -> Vec<(PublicKey, SocketAddr)> {
        let by_key = by_key(seen.as_ref());
        let mut kept = self.links_kept();
        let turned = due.iter().filter_map(|claims| {
            let key = claims.wireguard_key;
            let present = by_key.get(&key).and_then(|peer| peer.endpoint);
            let search = kept.searches.get_mut(&claims.identity)?;
            Some((key, search.turn(present, places.get(&key).copied())?))
        });
        turned.collect()
    }

    /// Where those are heard of whom nothing was noted yet: they stay there whatever else they say of where they are.
    fn heard_at(
        &self,
        sought: &[Claims],
        seen: &Option<WireGuardStatus>,
        places: &Places,
    ) -> Vec<(PublicKey, SocketAddr)> {
        let by_key = by_key(seen.as_ref());
        let kept = self.links_kept();
        let heard = sought.iter().filter_map(|claims| {
            let key = claims.wireguard_key;
            let search = kept.searches.get(&claims.identity)?;
            let is_new = search.is_heard() && !places.contains_key(&key);
            Some((key, by_key.get(&key)?.endpoint.filter(|_| is_new)?))
        });
        heard.collect()
    }

    /// Looks up where those are whose names were not looked up lately.
    async fn look_up_places(&self, config: &Config, due: &[Claims]) -> Result<(), Problem> {
        let stale: Vec<&Claims> = {
            let kept = self.links_kept();
            let searches = &kept.searches;
            let stale = due.iter().filter(|claims| {
                let search = searches.get(&claims.identity);
                search.is_some_and(Search::is_stale)
            });
            stale.collect()
        };
        let asked: BTreeSet<_> = stale
            .iter()
            .flat_map(|claims| names(claims))
            .cloned()
            .collect();
        let found = match asked.is_empty() {
            true => Found::new(),
            false => {
                let system = self.system.get().ok_or_else(Problem::unavailable)?;
                let lookup = Lookup {
                    names: asked,
                    name_servers: self.name_servers(),
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
                search.is_found(claims, &found, config);
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

    /// Has the system be so from now on, but for where other cells are called: that may have been found out meanwhile.
    pub(crate) fn want(&self, desired: Desired) {
        self.desired.send_modify(|present| {
            let places = Arc::clone(&present.places);
            *present = Desired { places, ..desired };
        });
    }

    fn change_places(&self, change: impl FnOnce(&mut Places)) {
        self.desired.send_if_modified(|desired| {
            let mut places = (*desired.places).clone();
            change(&mut places);
            let is_new = *desired.places != places;
            desired.places = Arc::new(places);
            is_new
        });
    }
}

/// The names by which a cell says that it is reached.
fn names(claims: &Claims) -> impl Iterator<Item = &Domain> {
    let endpoints = claims.endpoints.iter();
    endpoints.filter_map(|endpoint| match &endpoint.host {
        Host::Name(name) => Some(name),
        Host::Address(_) => None,
    })
}

/// Where a cell may be, in the order that it says.
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
            if can_be_called(address, config) && !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places.truncate(MOST_PLACES);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

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
        search.sees(Some(NOW), NOW);
        tokio::time::advance(SILENT - LOOK).await;
        assert!(!search.is_due());
        // An old handshake that is seen again is no sign of life.
        search.sees(Some(NOW), NOW);
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
    async fn place_at_which_a_box_is_called_to_begin_with_has_its_turn() {
        let mut search = Search {
            places: vec![place(1), place(2)],
            ..Search::default()
        };
        assert_eq!(search.turn(Some(place(2)), None), Some(place(2)));
        assert!(!search.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn handshake_of_before_the_start_counts_while_it_is_young() {
        for (age, is_heard) in [(SILENT, true), (SILENT + LOOK, false)] {
            let mut search = Search::default();
            search.sees(Some(NOW), NOW + age);
            assert_eq!(search.is_heard(), is_heard, "{age:?}");
            search.sees(Some(NOW + LOOK), NOW + age);
            assert!(search.is_heard(), "another one is of now");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn box_that_says_no_place_is_waited_for() {
        let mut search = Search::default();
        assert_eq!(search.turn(None, None), None);
        assert_eq!(search.turn(Some(place(9)), None), None);
    }
}
