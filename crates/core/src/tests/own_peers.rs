//! Devices and whose they are.

use cell_control::action::{AccountForm, Action};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::change::{Change, OwnPeerChange, PeerForm, PeerUpdate, Receipt};
use cell_control::query::{OwnPeers, OwnServices};
use cell_model::account::Role;
use cell_model::name::PeerName;
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::home::{Home, PASSWORD, code, peer};

const HELPER: &str = "some-helper";

fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

async fn own(home: &Home, caller: &Caller, change: OwnPeerChange) -> Result<Receipt, Problem> {
    home.core.submit(caller, Change::OwnPeer(change)).await
}

fn adds(name: &str) -> OwnPeerChange {
    let form = serde_json::json!({ "name": name });
    OwnPeerChange::Add(serde_json::from_value(form).unwrap())
}

async fn names(home: &Home, caller: &Caller) -> Vec<String> {
    let own = ask(home.core.as_ref(), caller, OwnPeers).await.unwrap();
    own.items.iter().map(|peer| peer.name.to_string()).collect()
}

fn of(username: &str, name: &str) -> Change {
    Change::AddPeer(PeerForm {
        username: Some(username.parse().unwrap()),
        ..peer(name)
    })
}

async fn add_ben(home: &Home) -> Caller {
    let form = AccountForm {
        username: "ben".parse().unwrap(),
        password: Secret::new(PASSWORD.to_owned()),
        role: Role::Member,
        access_until: None,
    };
    let add = Action::AddAccount(form);
    home.core.act(&Caller::local(), add).await.unwrap();
    home.sign_in("ben", PASSWORD).await.unwrap()
}

async fn remove_ben(home: &Home) {
    let username = "ben".parse().unwrap();
    let remove = Action::RemoveAccount { username };
    home.core.act(&Caller::local(), remove).await.unwrap();
}

#[tokio::test]
async fn people_look_after_their_own_devices_and_no_others() {
    let home = Home::set_up().await;
    home.add("printer").await;
    let (ben, helper) = (add_ben(&home).await, home.somebody(Role::Helper));
    let added = own(&home, &ben, adds("ben-phone")).await.unwrap();
    let file = added.peer.unwrap().config.unwrap();
    assert!(file.expose().contains("PrivateKey"));
    own(&home, &helper, adds("aid")).await.unwrap();
    home.submit(of("ben", "ben-laptop")).await.unwrap();
    assert_eq!(names(&home, &ben).await, ["ben-laptop", "ben-phone"]);
    assert_eq!(names(&home, &helper).await, ["aid"]);
    let key = home.config().peers[&name("ben-phone")].public_key;
    for strange in ["printer", "aid", "nothing"] {
        for change in [
            OwnPeerChange::Rekey {
                name: name(strange),
            },
            OwnPeerChange::FetchFile {
                name: name(strange),
            },
            OwnPeerChange::Remove {
                name: name(strange),
            },
        ] {
            let refused = own(&home, &ben, change).await;
            assert_eq!(code(refused), (404, "not_found".into()), "{strange}");
        }
    }
    let rekey = OwnPeerChange::Rekey {
        name: name("ben-phone"),
    };
    own(&home, &ben, rekey).await.unwrap();
    assert_ne!(home.config().peers[&name("ben-phone")].public_key, key);
    let remove = OwnPeerChange::Remove {
        name: name("ben-laptop"),
    };
    own(&home, &ben, remove).await.unwrap();
    assert_eq!(names(&home, &ben).await, ["ben-phone"]);
    // What others have is not theirs to see either.
    let services = ask(home.core.as_ref(), &ben, OwnServices).await.unwrap();
    assert!(services.items.is_empty());
}

#[tokio::test]
async fn own_device_gets_nothing_that_others_decide() {
    let home = Home::set_up().await;
    let ben = add_ben(&home).await;
    own(&home, &ben, adds("ben-phone")).await.unwrap();
    let made = home.config().peers[&name("ben-phone")].clone();
    assert!(!made.peer_to_peer && made.exit_connection_id.is_none());
    assert_eq!(made.username, Some("ben".parse().unwrap()));
    for number in 1..16 {
        own(&home, &ben, adds(&format!("ben-{number}")))
            .await
            .unwrap();
    }
    let refused = own(&home, &ben, adds("ben-more")).await;
    assert_eq!(code(refused), (409, "too_many".into()));
    // Root has no account that one could belong to.
    assert_eq!(code(own(&home, &Caller::local(), adds("x")).await).0, 404);
}

#[tokio::test]
async fn device_is_given_to_an_account_that_is_there() {
    let home = Home::set_up().await;
    home.add("tablet").await;
    let refused = home.submit(of("nobody", "phone")).await;
    assert_eq!(code(refused), (400, "invalid_field".into()));
    let given = |whom: Option<&str>| Change::ChangePeer {
        name: name("tablet"),
        update: PeerUpdate {
            username: Some(whom.map(|whom| whom.parse().unwrap())),
            ..PeerUpdate::default()
        },
    };
    assert_eq!(
        code(home.submit(given(Some("nobody"))).await),
        (400, "invalid_field".into())
    );
    let helper = home.somebody(Role::Helper);
    home.submit(given(Some(HELPER))).await.unwrap();
    assert_eq!(names(&home, &helper).await, ["tablet"]);
    home.submit(given(None)).await.unwrap();
    assert!(names(&home, &helper).await.is_empty());
}

#[tokio::test]
async fn whoever_goes_takes_their_devices_along_for_good() {
    let home = Home::set_up().await;
    home.add("printer").await;
    let ben = add_ben(&home).await;
    own(&home, &ben, adds("ben-phone")).await.unwrap();
    let with_key = Change::AddPeer(PeerForm {
        username: Some("ben".parse().unwrap()),
        preshared_key: true,
        ..peer("ben-laptop")
    });
    home.submit(with_key).await.unwrap();
    let before = home.revision();
    remove_ben(&home).await;
    let left = |home: &Home| {
        let config = home.config();
        let names = config.peers.keys().map(ToString::to_string);
        names.collect::<Vec<_>>()
    };
    assert_eq!(left(&home), ["printer"]);
    assert_eq!(home.revision(), before + 1);
    assert!(home.core.desired.borrow().keys.preshared.is_empty());
    let record = home.audit().pop().unwrap();
    assert_eq!(
        (record.action.as_str(), record.object.as_deref()),
        ("account.remove", Some("ben"))
    );
    assert!(record.detail.contains("ben-laptop, ben-phone"));
    let home = home.restart().await;
    assert_eq!(left(&home), ["printer"]);
    // Neither an earlier revision nor somebody else of that name brings them back.
    let restore = || Change::RestoreRevision { number: before };
    home.submit(restore()).await.unwrap();
    assert_eq!(left(&home), ["printer"]);
    add_ben(&home).await;
    home.submit(restore()).await.unwrap();
    assert_eq!(left(&home), ["printer"]);
}

#[tokio::test]
async fn restored_revision_keeps_devices_of_those_who_are_there() {
    let home = Home::set_up().await;
    let ben = add_ben(&home).await;
    own(&home, &ben, adds("ben-phone")).await.unwrap();
    let before = home.revision();
    let remove = OwnPeerChange::Remove {
        name: name("ben-phone"),
    };
    own(&home, &ben, remove).await.unwrap();
    let restore = Change::RestoreRevision { number: before };
    home.submit(restore).await.unwrap();
    assert_eq!(names(&home, &ben).await, ["ben-phone"]);
}
