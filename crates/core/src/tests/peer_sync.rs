//! Linked cells tell each other what has changed: whatever is lost, comes late or clashes, both sides come to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use cell_cells::{Command, Message, Reply, Said, Statement, Word};
use cell_control::action::{Action, Outcome};
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_control::change::Change;
use cell_control::link::{LinkState, LinkUpdate, LinkView};
use cell_control::query::Links;
use cell_model::config::ServiceToggle;
use cell_model::problem::Problem;
use cell_model::signer::SignerKey;
use cell_signed::SigningKey;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::confirmation::confirmed;
use super::home::Home;
use super::links::{act, cell, code, confirm, heard, import, invite, links};
use crate::Core;

/// Cells and the ways between them, all open to begin with.
#[derive(Default)]
struct World {
    cores: Mutex<BTreeMap<usize, Weak<Core>>>,
    cut: Mutex<BTreeSet<(usize, usize)>>,
    /// Who is called by nobody but inside the tunnel.
    hidden: Mutex<BTreeSet<usize>>,
}

impl World {
    /// From now on, this cell reaches the others, and they it.
    fn has(self: &Arc<Self>, number: usize, home: &Home) {
        lock(&self.cores).insert(number, Arc::downgrade(&home.core));
        let world = Arc::clone(self);
        home.calls.answer(move |command| {
            let world = Arc::clone(&world);
            async move { world.carry(number, command).await }
        });
    }

    fn cut(&self, one: usize, other: usize) {
        lock(&self.cut).insert((one.min(other), one.max(other)));
    }

    fn mend(&self, one: usize, other: usize) {
        lock(&self.cut).remove(&(one.min(other), one.max(other)));
    }

    /// As the network does: what is said inside the tunnel arrives where both ends have each other as a peer.
    async fn carry(&self, from: usize, command: Command) -> Reply {
        let nobody = || Reply::Unreached("nobody is there".to_owned());
        let core = |number: usize| lock(&self.cores).get(&number).and_then(Weak::upgrade);
        let numbers: Vec<usize> = lock(&self.cores).keys().copied().collect();
        let is_it = |number: &usize| {
            let core = core(*number);
            core.is_some_and(|core| core.link_identity().as_ref() == Some(&command.identity))
        };
        let Some(to) = numbers.into_iter().find(is_it) else {
            return nobody();
        };
        if lock(&self.cut).contains(&(from.min(to), from.max(to))) {
            return nobody();
        }
        let (Some(sender), Some(receiver)) = (core(from), core(to)) else {
            return nobody();
        };
        if let Some(source) = command.source {
            let own = sender.link_identity().unwrap();
            assert_eq!(source, IpAddr::V6(own.link_address()));
            if !receiver.has_peer(&own) || !sender.has_peer(&command.identity) {
                return nobody();
            }
        } else if lock(&self.hidden).contains(&to) {
            return nobody();
        }
        drop(sender);
        let said = says(&receiver, command.source, &command.message).await;
        said.unwrap_or_else(Reply::Refused)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says something to a cell from an address.
async fn says(core: &Core, source: Option<IpAddr>, message: &Message) -> Result<Reply, Problem> {
    let caller = Caller {
        credential: Credential::Nobody,
        address: Some(source.unwrap_or_else(|| "10.0.0.66".parse().unwrap())),
        connected_at: now_since_boot(),
    };
    let message = serde_json::to_value(message).unwrap();
    match core.act(&caller, Action::Pair { message }).await? {
        Outcome::Paired(answer) => Ok(heard(answer)),
        other => panic!("{other:?}"),
    }
}

/// Cells called cell-0, cell-1 and so on, of which nobody knows another.
async fn cells(count: u8) -> (Arc<World>, Vec<Home>) {
    let world = Arc::new(World::default());
    let mut homes = Vec::new();
    for number in 0..count {
        let home = cell(&format!("cell-{number}"), 10 + number).await;
        world.has(usize::from(number), &home);
        homes.push(home);
    }
    (world, homes)
}

/// Two of them, linked.
async fn pair() -> (Arc<World>, Home, Home) {
    let (world, homes) = cells(2).await;
    link(&homes[0], &homes[1]).await.unwrap();
    let mut homes = homes.into_iter();
    let pair = (homes.next().unwrap(), homes.next().unwrap());
    settle(&[&pair.0, &pair.1]).await;
    (world, pair.0, pair.1)
}

async fn link(home: &Home, inviter: &Home) -> Result<LinkView, Problem> {
    let made = invite(inviter, true).await;
    import(home, &made.invite).await
}

/// Everybody tells everybody all there is to tell, as often as it takes.
async fn settle(homes: &[&Home]) {
    for _ in 0..4 {
        for home in homes {
            home.core.try_all_again();
            home.core.advance_all().await;
            home.core.tell_all_now().await;
        }
    }
}

async fn views(home: &Home) -> Vec<LinkView> {
    let caller = Caller::local();
    let links = cell_control::ask(home.core.as_ref(), &caller, Links);
    links.await.unwrap().items
}

async fn view(home: &Home, name: &str) -> LinkView {
    let mut views = views(home).await.into_iter();
    views.find(|view| view.name.as_str() == name).unwrap()
}

async fn change(home: &Home, name: &str, update: LinkUpdate) {
    let name = name.parse().unwrap();
    let change = Change::ChangeLink { name, update };
    home.submit(change).await.unwrap();
}

async fn end(home: &Home, name: &str) {
    let name = name.parse().unwrap();
    home.submit(Change::RemoveLink { name }).await.unwrap();
}

async fn becomes(home: &Home, settings: Value) {
    let receipt = home.settings(settings).await.unwrap();
    if receipt.confirm.is_some() {
        confirmed(home).await;
    }
}

fn called(name: impl Into<Value>) -> Value {
    json!({ "cell": { "name": name.into(), "timezone": "UTC" } })
}

fn network(number: usize) -> Value {
    json!({ "vpn": { "subnet": format!("10.{number}.0.0/24"), "subnet6": format!("fd00:{number}::/64") } })
}

#[tokio::test]
async fn what_changes_on_one_side_is_so_on_the_other_at_the_latest_when_it_is_back() {
    let (world, home, cabin) = pair().await;
    let update = LinkUpdate {
        services: Some([ServiceToggle::Calendar].into()),
        offers_exit: Some(true),
        ..LinkUpdate::default()
    };
    change(&home, "cell-1", update).await;
    settle(&[&home, &cabin]).await;
    let theirs = view(&cabin, "cell-0").await.theirs.unwrap();
    assert_eq!(theirs.services, [ServiceToggle::Calendar].into());
    assert!(theirs.offers_exit && !theirs.paused);
    let seen = view(&home, "cell-1").await;
    assert!(seen.told && seen.held.is_none() && seen.detail.is_none());
    assert_eq!(seen.latency_ms, Some(7));

    // A day without contact, in which it becomes another, and is restarted.
    world.cut(0, 1);
    becomes(&home, called("manor")).await;
    becomes(&home, network(77)).await;
    settle(&[&home]).await;
    let seen = view(&home, "cell-1").await;
    assert!(!seen.told);
    assert!(seen.detail.unwrap().contains("nobody is there"));
    home.let_pass(Duration::from_secs(24 * 60 * 60));
    let home = home.restart().await;
    world.has(0, &home);
    assert_eq!(view(&cabin, "cell-0").await.state, LinkState::Linked);
    world.mend(0, 1);
    settle(&[&home, &cabin]).await;
    let seen = view(&cabin, "manor").await;
    assert_eq!(seen.vpn_subnet, "10.77.0.0/24".parse().unwrap());
    assert!(seen.theirs.unwrap().offers_exit);
    assert!(view(&home, "cell-1").await.told);

    // That nothing passes is told, too.
    let update = LinkUpdate {
        paused: Some(true),
        ..LinkUpdate::default()
    };
    change(&cabin, "manor", update).await;
    settle(&[&home, &cabin]).await;
    assert!(view(&home, "cell-1").await.theirs.unwrap().paused);
    assert!(!view(&home, "cell-1").await.paused);
}

#[tokio::test]
async fn link_that_one_side_ends_is_none_on_the_other_and_can_be_made_anew() {
    let (world, home, cabin) = pair().await;
    end(&home, "cell-1").await;
    settle(&[&home]).await;
    assert_eq!((links(&home).await, links(&cabin).await), (vec![], vec![]));

    // The other one is away, and this one restarted meanwhile.
    link(&home, &cabin).await.unwrap();
    settle(&[&home, &cabin]).await;
    world.cut(0, 1);
    end(&home, "cell-1").await;
    settle(&[&home, &cabin]).await;
    assert_eq!(links(&cabin).await.len(), 1);
    let home = home.restart().await;
    world.has(0, &home);
    world.mend(0, 1);
    settle(&[&cabin]).await;
    assert_eq!((links(&home).await, links(&cabin).await), (vec![], vec![]));
    let mut records = cabin.audit().into_iter();
    assert!(records.any(|record| record.action == "cell.link.end"));

    // Both at once.
    link(&cabin, &home).await.unwrap();
    world.cut(0, 1);
    end(&home, "cell-1").await;
    end(&cabin, "cell-0").await;
    world.mend(0, 1);
    settle(&[&home, &cabin]).await;
    link(&home, &cabin).await.unwrap();
    settle(&[&home, &cabin]).await;
    assert_eq!(
        (links(&home).await.len(), links(&cabin).await.len()),
        (1, 1)
    );
    assert!(view(&home, "cell-1").await.told && view(&cabin, "cell-0").await.told);
}

#[tokio::test]
async fn what_would_clash_is_held_until_nothing_is_in_the_way() {
    let (_world, homes) = cells(3).await;
    for other in [1, 2] {
        link(&homes[0], &homes[other]).await.unwrap();
    }
    let all: Vec<&Home> = homes.iter().collect();
    settle(&all).await;
    // They do not know each other, and so nothing keeps them from it.
    becomes(&homes[2], network(11)).await;
    becomes(&homes[2], called("hut")).await;
    settle(&all).await;
    let seen = view(&homes[0], "cell-2").await;
    let held = seen.held.unwrap();
    assert_eq!(held.vpn_subnet, "10.11.0.0/24".parse().unwrap());
    assert_eq!((held.name.as_str(), held.acceptable), ("hut", false));
    assert!(held.detail.contains("cell-1"), "{}", held.detail);
    assert_eq!(seen.vpn_subnet, "10.12.0.0/24".parse().unwrap());
    let told = view(&homes[2], "cell-0").await;
    assert!(told.told && told.detail.unwrap().contains("cell-1"));
    let name = "cell-2".parse().unwrap();
    let refused = act(&homes[0], Action::AcceptLink { name }).await;
    assert_eq!(code(refused), "link_subnet_linked");
    // What does not clash goes on.
    let update = LinkUpdate {
        offers_exit: Some(true),
        ..LinkUpdate::default()
    };
    change(&homes[2], "cell-0", update).await;
    settle(&all).await;
    assert!(view(&homes[0], "cell-2").await.theirs.unwrap().offers_exit);

    becomes(&homes[1], network(99)).await;
    settle(&all).await;
    let seen = view(&homes[0], "hut").await;
    assert_eq!(
        (seen.held, seen.vpn_subnet),
        (None, "10.11.0.0/24".parse().unwrap())
    );
    assert_eq!(view(&homes[2], "cell-0").await.detail, None);
}

#[tokio::test]
async fn domain_of_the_internet_waits_for_the_owner() {
    let (_world, home, cabin) = pair().await;
    becomes(
        &cabin,
        json!({ "domain": { "mode": "lan", "name": "example.com" } }),
    )
    .await;
    settle(&[&home, &cabin]).await;
    let seen = view(&home, "cell-1").await;
    assert_eq!(seen.domain.as_str(), "cell-1.cell");
    let held = seen.held.unwrap();
    assert!(held.detail.contains("example.com") && held.acceptable);
    let accept = || Action::AcceptLink {
        name: "cell-1".parse().unwrap(),
    };
    act(&home, accept()).await.unwrap();
    let seen = view(&home, "cell-1").await;
    assert_eq!((seen.domain.as_str(), seen.held), ("example.com", None));
    assert_eq!(code(act(&home, accept()).await), "nothing_held");
    // Other changes need no word.
    becomes(&cabin, called("cabin")).await;
    settle(&[&home, &cabin]).await;
    assert_eq!(view(&home, "cabin").await.domain.as_str(), "example.com");

    // Whoever joins with one needs an invite that allows it.
    let (_world, homes) = cells(2).await;
    becomes(
        &homes[0],
        json!({ "domain": { "mode": "lan", "name": "example.org" } }),
    )
    .await;
    let refused = link(&homes[0], &homes[1]).await.unwrap_err();
    assert_eq!(refused.code, "cell_refuses");
    assert!(refused.detail.contains("example.org"), "{refused}");
    assert_eq!(links(&homes[1]).await, []);
}

#[tokio::test]
async fn only_the_newest_word_of_the_cell_itself_counts() {
    let (_world, home, cabin) = pair().await;
    let own = |home: &Home| home.core.link_identity().unwrap();
    let source = Some(IpAddr::V6(own(&home).link_address()));
    let said = || {
        let said = home.calls.said();
        let mut said = said.into_iter().rev();
        said.find_map(|command| match command.message {
            Message::Sync(statement) => Some(statement),
            _ => None,
        })
        .unwrap()
    };
    let old = said();
    let update = LinkUpdate {
        offers_exit: Some(true),
        ..LinkUpdate::default()
    };
    change(&home, "cell-1", update).await;
    settle(&[&home, &cabin]).await;
    let new = said();
    assert_ne!(old, new);
    let before = (cabin.config(), cabin.revision(), views(&cabin).await);
    let refuses = async |source: Option<IpAddr>, statement: Statement| {
        let message = Message::Sync(Box::new(statement));
        says(&cabin.core, source, &message).await.map(drop)
    };
    assert_eq!(code(refuses(source, *old).await), "sync_old");
    // Once more, the same.
    assert_eq!(code(refuses(source, *new.clone()).await), "ok");
    // From elsewhere.
    assert_eq!(code(refuses(None, *new.clone()).await), "no_link");
    // By a key that is not the cell's, by the cell's to another, with a counter that was used for something else.
    let document = SigningKey::generate().unwrap();
    let foreign = SigningKey::from_pkcs8(document.expose()).unwrap();
    let key = home.core.link_key();
    let (_, known) = new.open(&own(&cabin)).unwrap();
    let seal = |said: &Said, to: &SignerKey, key: &SigningKey| {
        Statement::seal(said.clone(), to.clone(), key).unwrap()
    };
    let forged = seal(&known, &own(&cabin), &foreign);
    assert_eq!(code(refuses(source, forged).await), "not_that_cell");
    let ended = |counter| Said {
        counter,
        word: Word::Ended,
    };
    let foreign_address = SignerKey::from(foreign.public()).link_address();
    let strangers = seal(&ended(u64::MAX), &own(&cabin), &foreign);
    assert_eq!(
        code(refuses(Some(foreign_address.into()), strangers).await),
        "no_link"
    );
    let elsewhere = seal(&known, &own(&home), &key);
    assert_eq!(code(refuses(source, elsewhere).await), "not_that_cell");
    let twice = seal(&ended(known.counter), &own(&cabin), &key);
    assert_eq!(code(refuses(source, twice).await), "sync_old");
    let mut wide = known.clone();
    if let Word::Linked(terms) = &mut wide.word {
        terms.claims.vpn.subnet = "0.0.0.0/0".parse().unwrap();
    }
    wide.counter += 1;
    let wide = seal(&wide, &own(&cabin), &key);
    assert_eq!(code(refuses(source, wide).await), "invalid_field");
    let mut after = views(&cabin).await;
    after[0].last_contact = before.2[0].last_contact;
    assert_eq!((cabin.config(), cabin.revision(), after), before);

    // That it has the other cell's own key is held.
    let mut thief = known.clone();
    let keys = Arc::clone(&cabin.core.desired.borrow().keys);
    let mine = keys.interface.as_ref().unwrap().public_key();
    if let Word::Linked(terms) = &mut thief.word {
        terms.claims.wireguard_key = mine;
    }
    thief.counter += 1;
    let thief = seal(&thief, &own(&cabin), &key);
    assert_eq!(code(refuses(source, thief).await), "ok");
    let held = view(&cabin, "cell-0").await.held.unwrap();
    assert!(held.detail.contains("this cell itself"), "{}", held.detail);
    assert_eq!((cabin.config(), cabin.revision()), (before.0, before.1));

    // A cell that has lost what it had counted is heard again.
    home.core.forget_counter(&own(&cabin));
    change(
        &home,
        "cell-1",
        LinkUpdate {
            offers_exit: Some(false),
            ..LinkUpdate::default()
        },
    )
    .await;
    settle(&[&home, &cabin]).await;
    assert!(!view(&cabin, "cell-0").await.theirs.unwrap().offers_exit);
}

/// The most cells at a time.
const CELLS: usize = 5;

/// What happens among them.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The first imports an invite of the second, whose owner compares a code or does not have to.
    Pair {
        compares: bool,
    },
    /// The same where the second cannot be called.
    PairByHand {
        compares: bool,
    },
    /// The first is called so from now on.
    Rename(usize),
    /// Its VPN has this network from now on.
    Renumber(usize),
    Share(ServiceToggle),
    Pause(bool),
    OfferExit(bool),
    End,
    /// The first is off for a moment.
    Crash,
    Cut,
    Mend,
    HoursPass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => any::<bool>().prop_map(|compares| Event::Pair { compares }),
        2 => any::<bool>().prop_map(|compares| Event::PairByHand { compares }),
        1 => (0..CELLS + 1).prop_map(Event::Rename),
        // Few networks: they clash.
        1 => (0..CELLS + 2).prop_map(|number| Event::Renumber(10 + number)),
        1 => select(ServiceToggle::ALL.to_vec()).prop_map(Event::Share),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => any::<bool>().prop_map(Event::OfferExit),
        1 => Just(Event::End),
        1 => Just(Event::Crash),
        1 => Just(Event::Cut),
        1 => Just(Event::Mend),
        1 => (1..40_u64).prop_map(Event::HoursPass),
    ]
}

/// An event at one cell and with another.
fn step() -> impl Strategy<Value = (usize, usize, Event)> {
    let two = (0..CELLS, 1..CELLS).prop_map(|(one, off)| (one, (one + off) % CELLS));
    (two, event()).prop_map(|((one, other), event)| (one, other, event))
}

struct Model {
    world: Arc<World>,
    homes: Vec<Home>,
}

impl Model {
    async fn new() -> Self {
        let (world, homes) = cells(u8::try_from(CELLS).unwrap()).await;
        Self { world, homes }
    }

    /// What the first calls the second, if they are linked.
    fn name(&self, one: usize, other: usize) -> Option<String> {
        let identity = self.homes[other].core.link_identity()?;
        let config = self.homes[one].config();
        let mut links = config.links.iter();
        let link = links.find(|link| link.claims.identity == identity)?;
        Some(link.claims.name.to_string())
    }

    async fn happens(&mut self, one: usize, other: usize, event: Event) {
        let home = &self.homes[one];
        let update = match event {
            Event::Pair { compares } => {
                let made = invite(&self.homes[other], !compares).await;
                let imported = import(home, &made.invite).await;
                return self.compares(one, other, imported).await;
            }
            Event::PairByHand { compares } => {
                lock(&self.world.hidden).insert(other);
                self.pairs_by_hand(one, other, compares).await;
                lock(&self.world.hidden).remove(&other);
                return;
            }
            Event::Rename(number) => {
                let settings = called(format!("cell-{number}"));
                return self.tries_to_become(one, settings).await;
            }
            Event::Renumber(number) => return self.tries_to_become(one, network(number)).await,
            Event::Share(toggle) => LinkUpdate {
                services: Some([toggle].into()),
                ..LinkUpdate::default()
            },
            Event::Pause(paused) => LinkUpdate {
                paused: Some(paused),
                ..LinkUpdate::default()
            },
            Event::OfferExit(offers_exit) => LinkUpdate {
                offers_exit: Some(offers_exit),
                ..LinkUpdate::default()
            },
            Event::End => return self.submits(one, other, None).await,
            Event::Crash => {
                let home = self.homes.remove(one).restart().await;
                self.world.has(one, &home);
                self.homes.insert(one, home);
                return;
            }
            Event::Cut => return self.world.cut(one, other),
            Event::Mend => return self.world.mend(one, other),
            Event::HoursPass(hours) => {
                home.let_pass(Duration::from_secs(hours * 60 * 60));
                return;
            }
        };
        self.submits(one, other, Some(update)).await;
    }

    /// Changes or ends what links it to another one, if something does.
    async fn submits(&self, one: usize, other: usize, update: Option<LinkUpdate>) {
        let Some(called) = self.name(one, other) else {
            return;
        };
        let name = called.parse().unwrap();
        let change = match update {
            Some(update) => Change::ChangeLink { name, update },
            None => Change::RemoveLink { name },
        };
        if let Err(problem) = self.homes[one].submit(change).await {
            // What the other one has said at that moment has ended or renamed it.
            assert_eq!(problem.code, "not_found", "{problem:?}");
            assert_ne!(self.name(one, other), Some(called));
        }
    }

    /// What comes of an import, where the owner of the other one confirms the code.
    async fn compares(&self, one: usize, other: usize, imported: Result<LinkView, Problem>) {
        if let Ok(LinkView {
            state: LinkState::AwaitingConfirmation,
            code: Some(code),
            ..
        }) = imported
        {
            let name = self.homes[one].config().cell.name.to_string();
            // It may have been renamed, or lost, meanwhile.
            let _ = confirm(&self.homes[other], &name, &code).await;
        }
    }

    async fn pairs_by_hand(&self, one: usize, other: usize, compares: bool) {
        let (home, inviter) = (&self.homes[one], &self.homes[other]);
        let made = invite(inviter, !compares).await;
        let Ok(link) = import(home, &made.invite).await else {
            return;
        };
        let name = link.name.to_string();
        let Some(acceptance) = link.acceptance else {
            return;
        };
        // What clashes there is refused there.
        if import(inviter, &acceptance).await.is_ok() {
            home.core.advance_all().await;
            let mut links = home.core.links().await.unwrap().items.into_iter();
            if let Some(link) = links.find(|link| link.name.as_str() == name) {
                self.compares(one, other, Ok(link)).await;
            }
        }
    }

    /// What would clash with what it knows is refused.
    async fn tries_to_become(&self, one: usize, settings: Value) {
        let home = &self.homes[one];
        if let Ok(receipt) = home.settings(settings).await
            && receipt.confirm.is_some()
        {
            confirmed(home).await;
        }
    }

    /// What is so at any moment: no two of the cells that one knows, itself among them, have the same name, domain or
    /// network.
    fn check(&self) {
        for home in &self.homes {
            let config = home.config();
            let mut seen = BTreeSet::new();
            let own = (config.cell.name.to_string(), config.vpn.subnet);
            let links = config.links.iter();
            let links = links.map(|link| (link.claims.name.to_string(), link.claims.vpn.subnet));
            for (name, subnet) in links.chain([own]) {
                assert!(seen.insert(name.clone()), "two cells called {name}");
                assert!(seen.insert(subnet.to_string()), "two cells with {subnet}");
            }
        }
    }

    /// With every way open, what each of two says of their link is what the other has heard.
    async fn converges(&self) {
        lock(&self.world.cut).clear();
        let all: Vec<&Home> = self.homes.iter().collect();
        settle(&all).await;
        self.check();
        for one in 0..CELLS {
            for other in (0..CELLS).filter(|other| *other != one) {
                let (name, back) = (self.name(one, other), self.name(other, one));
                assert_eq!(name.is_some(), back.is_some(), "{one} and {other}");
                let (Some(name), Some(back)) = (name, back) else {
                    continue;
                };
                let (own, theirs) = (
                    view(&self.homes[one], &name).await,
                    view(&self.homes[other], &back).await,
                );
                assert!(own.told, "{one} has not told {other}: {own:?}");
                let heard = theirs.theirs.as_ref().unwrap();
                assert_eq!(
                    (&own.services, own.paused, own.offers_exit),
                    (&heard.services, heard.paused, heard.offers_exit),
                );
                let config = self.homes[one].config();
                let is = (config.cell.name.clone(), config.vpn.subnet);
                match &theirs.held {
                    None => assert_eq!((theirs.name.clone(), theirs.vpn_subnet), is),
                    Some(held) => {
                        assert_eq!((held.name.clone(), held.vpn_subnet), is);
                        // What is in the way is there, and who made the change knows.
                        assert!(!held.detail.contains("Nothing is in its way"), "{held:?}");
                        assert!(own.detail.is_some(), "{own:?}");
                    }
                }
            }
        }
    }
}

async fn live(steps: Vec<(usize, usize, Event)>) {
    let mut model = Model::new().await;
    for (one, other, event) in steps {
        model.happens(one, other, event).await;
        model.check();
    }
    model.converges().await;
}

#[tokio::test]
async fn end_that_is_being_told_does_not_end_a_link_on_one_side_that_is_made_meanwhile() {
    let pair = Event::Pair { compares: false };
    // What is told on the way is told by tasks: so it is so many times that one of them is in the middle.
    for number in 0..8 {
        live(vec![
            (1, 0, pair),
            (1, 2, Event::Rename(1)),
            (1, 0, Event::End),
            (0, 1, pair),
            (0, 2, Event::HoursPass(number)),
        ])
        .await;
    }
}

#[tokio::test]
async fn cell_that_was_linked_by_an_invite_of_which_nothing_more_was_heard_is_told() {
    let pair = |compares| Event::Pair { compares };
    // The invite is over before the joiner asks; or the joiner has another one, which is refused.
    for steps in [
        vec![
            (2, 3, pair(true)),
            (0, 1, Event::HoursPass(1)),
            (2, 4, pair(false)),
        ],
        vec![
            (1, 0, pair(true)),
            (1, 2, Event::Rename(3)),
            (3, 0, pair(true)),
            (1, 0, pair(false)),
        ],
    ] {
        live(steps).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn cells_come_to_the_same_whatever_happens(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(steps));
    }
}
