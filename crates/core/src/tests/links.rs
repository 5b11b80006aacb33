//! Two cores, or three, that link with each other: what one says reaches the other, or does not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cell_cells::{Invite, Joining, Message, Reply};
use cell_control::action::{Action, Outcome};
use cell_control::caller::Caller;
use cell_control::change::Change;
use cell_control::link::{
    InviteText, LinkCode, LinkForm, LinkInviteForm, LinkState, LinkUpdate, LinkView, NewLinkInvite,
};
use cell_control::query::{LinkInvites, Links};
use cell_model::name::Domain;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_signed::SigningKey;
use serde_json::Value;

use super::home::{Home, stranger};

/// Where others are reached.
const PLACE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9)), 51_820);

/// A box that is set up with names and networks of its own.
pub(super) async fn cell(name: &str, number: u8) -> Home {
    let home = Home::new();
    let Change::SetUp(mut form) = home.setup_form() else {
        panic!("no setup");
    };
    form.cell_name = name.parse().unwrap();
    form.domain = format!("{name}.cell").parse().unwrap();
    form.vpn_subnet = format!("10.{number}.0.0/24").parse().unwrap();
    home.submit(Change::SetUp(form)).await.unwrap();
    home
}

/// From now on, what `from` says reaches `to`.
fn reaches(from: &Home, to: &Home) {
    let to = Arc::clone(&to.core);
    from.calls.answer(move |command| {
        let to = Arc::clone(&to);
        async move {
            let message = serde_json::to_value(&command.message).unwrap();
            match to.act(&stranger(), Action::Pair { message }).await {
                Ok(Outcome::Paired(answer)) => heard(answer),
                Ok(other) => panic!("{other:?}"),
                Err(problem) => Reply::Refused(problem),
            }
        }
    });
}

pub(super) fn heard(answer: Value) -> Reply {
    Reply::Answered {
        answer: serde_json::from_value(answer).unwrap(),
        latency: Duration::from_millis(7),
        place: PLACE,
    }
}

pub(super) async fn act(home: &Home, action: Action) -> Result<Outcome, Problem> {
    home.core.act(&Caller::local(), action).await
}

pub(super) async fn invite(home: &Home, auto_accept: bool) -> NewLinkInvite {
    let form = LinkInviteForm {
        auto_accept,
        expires_in_s: Some(600),
        ..LinkInviteForm::default()
    };
    match act(home, Action::InviteCell(form)).await.unwrap() {
        Outcome::CellInvited(made) => *made,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn import(home: &Home, invite: &InviteText) -> Result<LinkView, Problem> {
    let form = LinkForm {
        invite: invite.clone(),
        allow_public_domain: false,
    };
    match act(home, Action::LinkCell(Box::new(form))).await? {
        Outcome::CellLinked(link) => Ok(*link),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn confirm(home: &Home, name: &str, code: &str) -> Result<Outcome, Problem> {
    let (name, code) = (name.parse().unwrap(), Secret::new(code.to_owned()));
    let code = LinkCode { code };
    act(home, Action::ConfirmLink { name, code }).await
}

pub(super) async fn links(home: &Home) -> Vec<(String, LinkState)> {
    let caller = Caller::local();
    let links = cell_control::ask(home.core.as_ref(), &caller, Links);
    let links = links.await.unwrap().items.into_iter();
    links
        .map(|link| (link.name.to_string(), link.state))
        .collect()
}

async fn invites(home: &Home) -> usize {
    let caller = Caller::local();
    let asked = cell_control::ask(home.core.as_ref(), &caller, LinkInvites);
    asked.await.unwrap().items.len()
}

fn is(name: &str, state: LinkState) -> Vec<(String, LinkState)> {
    vec![(name.to_owned(), state)]
}

pub(super) fn code(result: Result<impl Sized, Problem>) -> String {
    result.map_or_else(|problem| problem.code.into_owned(), |_| "ok".to_owned())
}

#[tokio::test]
async fn invite_links_two_cells_once_and_says_so_as_often_as_it_is_asked() {
    let (home, cabin, other) = (
        cell("home", 1).await,
        cell("cabin", 2).await,
        cell("other", 3).await,
    );
    let made = invite(&cabin, true).await;
    reaches(&home, &cabin);
    reaches(&other, &cabin);
    for _ in 0..2 {
        let link = import(&home, &made.invite).await.unwrap();
        assert_eq!(
            (link.name.as_str(), link.state),
            ("cabin", LinkState::Linked)
        );
    }
    assert_eq!(links(&home).await, is("cabin", LinkState::Linked));
    assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
    let link = &cabin.config().links[0];
    assert_eq!(link.claims.vpn, home.config().vpn);
    assert!(link.services.is_empty(), "nothing is shared by itself");
    // Whoever finds it later has nothing.
    let refused = import(&other, &made.invite).await.unwrap_err();
    assert_eq!(refused.code, "cell_refuses");
    assert!(
        refused.detail.contains("Another cell has used"),
        "{refused}"
    );
    assert_eq!(links(&other).await, []);
    assert_eq!(links(&cabin).await.len(), 1);
    assert_eq!(invites(&cabin).await, 0, "it counts no more");
    assert_eq!(code(import(&cabin, &made.invite).await), "invite_own");
}

#[tokio::test]
async fn code_decides_where_the_invite_was_made_and_is_guessed_thrice_at_most() {
    let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
    reaches(&home, &cabin);
    let made = invite(&cabin, false).await;
    let link = import(&home, &made.invite).await.unwrap();
    let right = link.code.unwrap();
    assert_eq!(link.state, LinkState::AwaitingConfirmation);
    assert_eq!(
        links(&cabin).await,
        is("home", LinkState::AwaitingConfirmation)
    );
    assert!(home.config().links.is_empty() && cabin.config().links.is_empty());
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    assert_eq!(code(confirm(&cabin, "home", wrong).await), "wrong_code");
    assert_eq!(
        code(confirm(&home, "cabin", &right).await),
        "not_confirmed_here"
    );
    assert_eq!(code(confirm(&cabin, "home", &right).await), "ok");
    assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
    // The other one learns of it when it asks next.
    let link = import(&home, &made.invite).await.unwrap();
    assert_eq!((link.state, link.code), (LinkState::Linked, None));

    let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
    reaches(&home, &cabin);
    let made = invite(&cabin, false).await;
    let right = import(&home, &made.invite).await.unwrap().code.unwrap();
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    for _ in 0..3 {
        assert_eq!(code(confirm(&cabin, "home", wrong).await), "wrong_code");
    }
    assert_eq!(code(confirm(&cabin, "home", &right).await), "not_found");
    assert_eq!(links(&cabin).await, []);
    assert_eq!(code(import(&home, &made.invite).await), "cell_refuses");
    assert_eq!(links(&home).await, []);
}

#[tokio::test]
async fn half_done_is_shown_kept_over_a_restart_gone_on_with_and_given_up() {
    let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
    let made = invite(&cabin, true).await;
    // Nobody is there.
    let link = import(&home, &made.invite).await.unwrap();
    assert_eq!(link.state, LinkState::Failed);
    assert!(link.detail.unwrap().contains("nobody is there"));
    let home = home.restart().await;
    assert_eq!(links(&home).await, is("cabin", LinkState::Failed));
    // The answer to the last message is lost: the other cell has us, and we ask.
    let to = Arc::clone(&cabin.core);
    home.calls.answer(move |command| {
        let to = Arc::clone(&to);
        async move {
            let message = serde_json::to_value(&command.message).unwrap();
            let answered = to.act(&stranger(), Action::Pair { message }).await;
            match (answered, command.message) {
                (Ok(Outcome::Paired(answer)), Message::Join(_)) => heard(answer),
                _ => Reply::Unreached("the line is dead".to_owned()),
            }
        }
    });
    let link = import(&home, &made.invite).await.unwrap();
    assert_eq!(link.state, LinkState::AwaitingConfirmation);
    assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
    let (home, cabin) = (home.restart().await, cabin.restart().await);
    assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
    reaches(&home, &cabin);
    let link = import(&home, &made.invite).await.unwrap();
    assert_eq!(link.state, LinkState::Linked);
    assert_eq!(links(&home).await, is("cabin", LinkState::Linked));

    let other = cell("other", 3).await;
    let made = invite(&other, false).await;
    home.calls.fall_silent();
    import(&home, &made.invite).await.unwrap();
    let name = "other".parse().unwrap();
    act(&home, Action::DropLink { name }).await.unwrap();
    assert_eq!(links(&home).await, is("cabin", LinkState::Linked));
}

#[tokio::test]
async fn who_does_not_know_the_secret_gets_nothing_and_five_times_ends_the_invite() {
    let (cabin, other) = (cell("cabin", 2).await, cell("other", 3).await);
    let made = invite(&cabin, true).await;
    let invite: Invite =
        serde_json::from_value(serde_json::to_value(&made.invite).unwrap()).unwrap();
    let mut offer = invite.open(super::home::clock()).unwrap();
    offer.secret = Secret::new([0; 32]);
    let document = SigningKey::generate().unwrap();
    let key = SigningKey::from_pkcs8(document.expose()).unwrap();
    let mut claims = offer.claims.clone();
    claims.identity = key.public().into();
    let before = (cabin.config(), cabin.revision());
    let join = || {
        let begun = Joining::begin(offer.clone(), claims.clone(), &key, Secret::new([1; 32]));
        Message::Join(Box::new(begun.unwrap().1))
    };
    let says = async |message: &Message| {
        let message = serde_json::to_value(message).unwrap();
        code(cabin.core.act(&stranger(), Action::Pair { message }).await)
    };
    let mut said = Vec::new();
    for _ in 0..6 {
        said.push(says(&join()).await);
    }
    // Whoever guesses waits; with others' addresses it is the invite that ends.
    assert!(
        said.iter()
            .all(|code| code == "invite_secret" || code == "too_many_tries" || code == "no_invite"),
        "{said:?}"
    );
    assert_ne!(said[5], "invite_secret", "{said:?}");
    assert_eq!((cabin.config(), cabin.revision()), before);
    for garbage in [
        Value::Null,
        serde_json::json!({ "join": 1 }),
        serde_json::json!({ "ask": {} }),
    ] {
        let action = Action::Pair { message: garbage };
        let refused = cabin.core.act(&stranger(), action).await.unwrap_err();
        assert!([400, 429].contains(&refused.status), "{refused}");
    }
    drop(other);
}

#[tokio::test]
async fn cells_that_clash_are_linked_on_neither_side() {
    let (home, twin) = (cell("home", 1).await, cell("twin", 1).await);
    reaches(&home, &twin);
    let made = invite(&twin, true).await;
    assert_eq!(code(import(&home, &made.invite).await), "link_subnet_own");
    assert!(home.calls.said().is_empty(), "it was not even called");
    // What the inviter alone knows: it is linked with a cell that has our network.
    let (cabin, third) = (cell("cabin", 2).await, cell("third", 1).await);
    reaches(&third, &cabin);
    import(&third, &invite(&cabin, true).await.invite)
        .await
        .unwrap();
    reaches(&home, &cabin);
    let refused = import(&home, &invite(&cabin, true).await.invite)
        .await
        .unwrap_err();
    assert_eq!((refused.status, &*refused.code), (409, "cell_refuses"));
    assert!(refused.detail.contains("third"), "{refused}");
    assert_eq!(links(&home).await, []);
    assert_eq!(links(&cabin).await, is("third", LinkState::Linked));
    // And this cell does not become what would clash.
    let vpn = serde_json::json!({ "vpn": { "subnet": "10.1.0.0/16", "subnet6": "fd00:9::/64" } });
    let refused = cabin.settings(vpn).await.unwrap_err();
    assert_eq!(refused.code, "link_subnet_own");
    assert!(refused.detail.contains("third"), "{refused}");
}

#[tokio::test]
async fn link_is_changed_and_ended_and_no_revision_brings_it_back() {
    let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
    reaches(&home, &cabin);
    let made = invite(&cabin, true).await;
    import(&home, &made.invite).await.unwrap();
    let linked = home.revision();
    let name = || "cabin".parse().unwrap();
    let update = LinkUpdate {
        paused: Some(true),
        ..LinkUpdate::default()
    };
    home.submit(Change::ChangeLink {
        name: name(),
        update,
    })
    .await
    .unwrap();
    assert!(home.config().links[0].paused);
    home.submit(Change::RemoveLink { name: name() })
        .await
        .unwrap();
    assert_eq!(links(&home).await, []);
    // The invite that has led to it does so once.
    assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
    let ended = Change::RemoveLink {
        name: "home".parse().unwrap(),
    };
    cabin.submit(ended).await.unwrap();
    assert_eq!(code(import(&home, &made.invite).await), "cell_refuses");
    assert_eq!((links(&home).await, links(&cabin).await), (vec![], vec![]));
    home.submit(Change::RestoreRevision { number: linked })
        .await
        .unwrap();
    assert_eq!(links(&home).await, []);
    assert_eq!(
        code(home.submit(Change::RemoveLink { name: name() }).await),
        "not_found"
    );
}

#[tokio::test]
async fn box_that_is_not_heard_is_called_where_its_name_leads_by_now() {
    let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
    let named = serde_json::json!({
        "endpoint": "cabin.example.org:4500", "name": "cabin", "timezone": "UTC",
    });
    let named = serde_json::json!({ "cell": named });
    cabin.settings(named).await.unwrap();
    let made = invite(&cabin, true).await;
    reaches(&home, &cabin);
    import(&home, &made.invite).await.unwrap();
    let name: Domain = "cabin.example.org".parse().unwrap();
    let leads_to = |last: u8| {
        let address = IpAddr::from([203, 0, 113, last]);
        home.calls.set_names([(name.clone(), vec![address])].into());
        Some(SocketAddr::new(address, 4_500))
    };
    // Where it was reached counts until it is looked for.
    assert_eq!(home.core.places(), [Some(PLACE)]);
    let place = leads_to(7);
    assert_eq!(home.core.places_found().await, [place]);
    let place = leads_to(8);
    assert_eq!(home.core.places_found().await, [place]);
    // Without an address for the name, what else it said.
    home.calls.set_names(Default::default());
    let uplink = home.core.places_found().await;
    assert!(uplink[0].is_some() && uplink != [place], "{uplink:?}");
}

/// From now on, what `from` says inside the tunnel reaches `to` while each has the other as a peer; nothing else does.
fn reaches_inside(from: &Home, to: &Home) {
    let (near, far) = (Arc::clone(&from.core), Arc::clone(&to.core));
    from.calls.answer(move |command| {
        let (near, far) = (Arc::clone(&near), Arc::clone(&far));
        async move {
            let identities = (near.link_identity().unwrap(), far.link_identity().unwrap());
            let is_tunnel = near.has_peer(&identities.1) && far.has_peer(&identities.0);
            let Some(source) = command.source.filter(|_| is_tunnel) else {
                return Reply::Unreached("nothing comes in there".to_owned());
            };
            let message = serde_json::to_value(&command.message).unwrap();
            let mut caller = stranger();
            caller.address = Some(source);
            match far.act(&caller, Action::Pair { message }).await {
                Ok(Outcome::Paired(answer)) => heard(answer),
                Ok(other) => panic!("{other:?}"),
                Err(problem) => Reply::Refused(problem),
            }
        }
    });
}

#[tokio::test]
async fn inviter_that_is_not_reached_is_handed_the_acceptance_and_calls() {
    for auto_accept in [true, false] {
        let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
        let made = invite(&cabin, auto_accept).await;
        reaches_inside(&home, &cabin);
        let link = import(&home, &made.invite).await.unwrap();
        assert_eq!(link.state, LinkState::Failed);
        let acceptance = link.acceptance.expect("it is to be handed over");
        home.core.advance_all().await;
        assert_eq!(links(&home).await, is("cabin", LinkState::Failed));
        // Where it is of no use, it changes nothing.
        assert_eq!(code(import(&home, &acceptance).await), "no_invite");
        let taken = import(&cabin, &acceptance).await.unwrap();
        assert_eq!(
            (taken.name.as_str(), taken.state),
            ("home", LinkState::Failed)
        );
        assert_eq!(import(&cabin, &acceptance).await.unwrap().name, taken.name);
        assert!(cabin.config().links.is_empty());
        home.core.advance_all().await;
        if !auto_accept {
            let shown = home.core.link_code("cabin");
            assert_eq!(
                links(&cabin).await,
                is("home", LinkState::AwaitingConfirmation)
            );
            confirm(&cabin, "home", &shown).await.unwrap();
            home.core.advance_all().await;
        }
        assert_eq!(links(&home).await, is("cabin", LinkState::Linked));
        assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
        // Nobody else is called because of it, now that it has led to a link.
        assert_eq!(
            home.core.others_spoken_with() + cabin.core.others_spoken_with(),
            0
        );
    }
}

#[tokio::test]
async fn invite_that_was_accepted_by_hand_is_for_nobody_else() {
    let (home, cabin, other) = (
        cell("home", 1).await,
        cell("cabin", 2).await,
        cell("other", 3).await,
    );
    let made = invite(&cabin, true).await;
    let acceptance = |link: LinkView| link.acceptance.unwrap();
    let of_home = acceptance(import(&home, &made.invite).await.unwrap());
    let of_other = acceptance(import(&other, &made.invite).await.unwrap());
    import(&cabin, &of_home).await.unwrap();
    assert_eq!(code(import(&cabin, &of_other).await), "invite_used");
    reaches(&other, &cabin);
    other.core.advance_all().await;
    assert_eq!(links(&cabin).await, is("home", LinkState::Failed));
    // Given up here, the invite counts no more, and nobody is called.
    let name = "home".parse().unwrap();
    act(&cabin, Action::DropLink { name }).await.unwrap();
    assert_eq!(links(&cabin).await, []);
    assert_eq!(cabin.core.others_spoken_with(), 0);
    assert_eq!(code(import(&cabin, &of_home).await), "no_invite");

    // What could not be linked is not called either.
    let twin = cell("twin", 2).await;
    let made = invite(&cabin, true).await;
    let clash = import(&twin, &made.invite).await;
    assert_eq!(code(clash), "link_subnet_own");
}

#[tokio::test]
async fn clock_that_is_a_day_off_links_all_the_same_or_is_named() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
    let made = invite(&cabin, true).await;
    home.let_pass(DAY);
    let before = (home.config(), home.revision());
    let refused = import(&home, &made.invite).await.unwrap_err();
    assert_eq!((refused.status, &*refused.code), (409, "invite_over"));
    assert!(refused.detail.contains("clock"), "{refused}");
    assert_eq!((home.config(), home.revision()), before);
    assert_eq!(links(&home).await, []);
    // By the clock that is behind, an invite of the other is good for longer.
    let made = invite(&home, true).await;
    reaches(&cabin, &home);
    import(&cabin, &made.invite).await.unwrap();
    assert_eq!(links(&home).await, is("cabin", LinkState::Linked));
    assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
}

#[tokio::test]
async fn last_message_that_was_heard_and_not_answered_inside_is_not_said_again_outside() {
    let (home, cabin) = (cell("home", 1).await, cell("cabin", 2).await);
    let made = invite(&cabin, true).await;
    let link = import(&home, &made.invite).await.unwrap();
    import(&cabin, &link.acceptance.unwrap()).await.unwrap();
    // By now, there is a way outside, too; and inside, an answer is lost.
    let to = Arc::clone(&cabin.core);
    let identity = home.core.link_identity().unwrap();
    home.calls.answer(move |command| {
        let (to, identity) = (Arc::clone(&to), identity.clone());
        async move {
            let mut caller = stranger();
            caller.address = command.source.or(caller.address);
            let message = serde_json::to_value(&command.message).unwrap();
            let said = to.act(&caller, Action::Pair { message }).await;
            let is_lost =
                command.source.is_some() && matches!(command.message, Message::Reveal { .. });
            assert!(to.has_peer(&identity));
            match said {
                _ if is_lost => Reply::Unreached("it hung up".to_owned()),
                Ok(Outcome::Paired(answer)) => heard(answer),
                Ok(other) => panic!("{other:?}"),
                Err(problem) => Reply::Refused(problem),
            }
        }
    });
    home.core.advance_all().await;
    home.core.advance_all().await;
    assert_eq!(links(&home).await, is("cabin", LinkState::Linked));
    assert_eq!(links(&cabin).await, is("home", LinkState::Linked));
}

#[tokio::test]
async fn cell_is_not_called_as_a_page_is() {
    let home = cell("home", 1).await;
    let named = serde_json::json!({ "cell": { "name": "invites", "timezone": "UTC" } });
    let refused = home.settings(named).await.unwrap_err();
    assert_eq!(refused.status, 400, "{refused}");
    assert!(
        refused.detail.contains("page") || format!("{refused:?}").contains("page"),
        "{refused:?}"
    );
}
