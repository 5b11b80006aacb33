//! Roles that change, and access that ends.

use std::time::Duration;

use cell_control::action::{AccountForm, AccountUpdate, Action, Outcome};
use cell_control::app_password::{AppPasswordForm, ServiceSignIn};
use cell_control::caller::Caller;
use cell_control::change::{Change, OwnPeerChange, PeerUpdate};
use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::name::PeerName;
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::home::{Home, OWNER, PASSWORD, clock, code};

const HOUR: Duration = Duration::from_secs(3600);

async fn act(home: &Home, action: Action) -> Result<Outcome, Problem> {
    home.core.act(&Caller::local(), action).await
}

async fn add_ben(home: &Home, role: Role, access_until: Option<Timestamp>) -> Caller {
    let form = AccountForm {
        username: "ben".parse().unwrap(),
        password: Secret::new(PASSWORD.to_owned()),
        role,
        access_until,
    };
    act(home, Action::AddAccount(form)).await.unwrap();
    home.sign_in("ben", PASSWORD).await.unwrap()
}

async fn change(home: &Home, username: &str, update: AccountUpdate) -> Result<Outcome, Problem> {
    let username = username.parse().unwrap();
    act(home, Action::ChangeAccount { username, update }).await
}

fn to(role: Role) -> AccountUpdate {
    AccountUpdate {
        role: Some(role),
        access_until: None,
    }
}

fn until(end: Option<Timestamp>) -> AccountUpdate {
    AccountUpdate {
        role: None,
        access_until: Some(end),
    }
}

async fn add_device(home: &Home, caller: &Caller, name: &str) {
    let form = serde_json::from_value(serde_json::json!({ "name": name })).unwrap();
    let add = Change::OwnPeer(OwnPeerChange::Add(form));
    home.core.submit(caller, add).await.unwrap();
}

fn end_of(home: &Home, name: &str) -> Option<Timestamp> {
    let name: PeerName = name.parse().unwrap();
    home.config().peers[&name].expires_at
}

#[tokio::test]
async fn changed_role_counts_at_once_and_some_owner_stays() {
    let home = Home::set_up().await;
    let ben = add_ben(&home, Role::Admin, None).await;
    let role = async || home.core.identify(&ben).await.unwrap().role;
    assert_eq!(role().await, Role::Admin);
    change(&home, "ben", to(Role::Member)).await.unwrap();
    assert_eq!(role().await, Role::Member);
    let last = change(&home, OWNER, to(Role::Admin)).await;
    assert_eq!(code(last), (409, "last_owner".into()));
    change(&home, "ben", to(Role::Owner)).await.unwrap();
    change(&home, OWNER, to(Role::Helper)).await.unwrap();
    let home = home.restart().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    assert_eq!(home.core.identify(&anna).await.unwrap().role, Role::Helper);
    let nobody = change(&home, "nobody", to(Role::Member)).await;
    assert_eq!(code(nobody).0, 404);
    let detail: Vec<String> = home
        .audit()
        .into_iter()
        .filter(|record| record.action == "account.change")
        .map(|record| record.detail)
        .collect();
    assert_eq!(
        detail,
        ["member", "last_owner", "owner", "helper", "not_found"]
    );
}

#[tokio::test]
async fn access_ends_everywhere_at_its_time() {
    let home = Home::set_up().await;
    let end = clock() + HOUR;
    let ben = add_ben(&home, Role::Member, Some(end)).await;
    let form = AppPasswordForm {
        username: None,
        device: "phone".parse().unwrap(),
        services: None,
    };
    let added = home.core.act(&ben, Action::AddAppPassword(form)).await;
    let Outcome::AppPasswordAdded(made) = added.unwrap() else {
        panic!("it is made");
    };
    let check = || {
        Action::CheckAppPassword(ServiceSignIn {
            service: "calendar".parse().unwrap(),
            username: "ben".to_owned(),
            password: made.password.clone(),
        })
    };
    add_device(&home, &ben, "ben-phone").await;
    assert_eq!(end_of(&home, "ben-phone"), Some(end));
    act(&home, check()).await.unwrap();
    home.let_pass(HOUR);
    assert_eq!(code(home.core.identify(&ben).await).0, 401);
    let refused = home.sign_in("ben", PASSWORD).await;
    assert_eq!(code(refused), (403, "access_over".into()));
    assert_eq!(code(act(&home, check()).await), (403, "access_over".into()));
    // More time opens all of it again.
    change(&home, "ben", until(Some(end + 2 * HOUR)))
        .await
        .unwrap();
    assert_eq!(end_of(&home, "ben-phone"), Some(end + 2 * HOUR));
    act(&home, check()).await.unwrap();
    home.core.identify(&ben).await.unwrap();
    let home = home.restart().await;
    home.let_pass(2 * HOUR);
    assert_eq!(code(home.sign_in("ben", PASSWORD).await).0, 403);
}

#[tokio::test]
async fn device_ends_with_its_person_and_not_later() {
    let home = Home::set_up().await;
    let ben = add_ben(&home, Role::Member, None).await;
    add_device(&home, &ben, "phone").await;
    add_device(&home, &ben, "laptop").await;
    home.add("printer").await;
    let end = clock() + 2 * HOUR;
    let ends = |name: &str, at: Option<Timestamp>| Change::ChangePeer {
        name: name.parse().unwrap(),
        update: PeerUpdate {
            expires_at: Some(at),
            ..PeerUpdate::default()
        },
    };
    home.submit(ends("laptop", Some(end - HOUR))).await.unwrap();
    change(&home, "ben", until(Some(end))).await.unwrap();
    assert_eq!(end_of(&home, "phone"), Some(end));
    assert_eq!(end_of(&home, "laptop"), Some(end - HOUR), "sooner stays");
    assert_eq!(end_of(&home, "printer"), None);
    for at in [None, Some(end + HOUR)] {
        home.submit(ends("phone", at)).await.unwrap();
        assert_eq!(end_of(&home, "phone"), Some(end));
    }
    // Nor does an earlier revision give more.
    home.submit(Change::RestoreRevision {
        number: home.revision() - 2,
    })
    .await
    .unwrap();
    assert_eq!(end_of(&home, "phone"), Some(end));
    change(&home, "ben", until(None)).await.unwrap();
    assert_eq!(end_of(&home, "phone"), None);
}

#[tokio::test]
async fn end_lies_ahead_and_owners_have_none() {
    let home = Home::set_up().await;
    add_ben(&home, Role::Helper, Some(clock() + HOUR)).await;
    for (name, update) in [
        ("ben", until(Some(clock()))),
        ("ben", to(Role::Owner)),
        (OWNER, until(Some(clock() + HOUR))),
    ] {
        let problem = change(&home, name, update).await.unwrap_err();
        assert_eq!(problem.errors[0].field, "access_until");
    }
    let both = AccountUpdate {
        role: Some(Role::Owner),
        access_until: Some(None),
    };
    change(&home, "ben", both).await.unwrap();
    // Whoever gets the name next has no end of somebody before.
    change(&home, "ben", to(Role::Member)).await.unwrap();
    change(&home, "ben", until(Some(clock() + HOUR)))
        .await
        .unwrap();
    let username = "ben".parse().unwrap();
    act(&home, Action::RemoveAccount { username })
        .await
        .unwrap();
    let ben = add_ben(&home, Role::Member, None).await;
    home.let_pass(HOUR);
    home.core.identify(&ben).await.unwrap();
}

#[tokio::test]
async fn end_of_access_never_keeps_a_waiting_change_from_being_taken_back() {
    let home = Home::set_up().await;
    let ben = add_ben(&home, Role::Member, None).await;
    add_device(&home, &ben, "phone").await;
    let key = home.config().peers[&"phone".parse().unwrap()].public_key;
    let with_phone = home.revision();
    let name = "phone".parse().unwrap();
    home.submit(Change::RemovePeer { name }).await.unwrap();
    let again = serde_json::json!({ "name": "phone2", "public_key": key });
    let again = Change::AddPeer(serde_json::from_value(again).unwrap());
    home.submit(again).await.unwrap();
    let renamed = serde_json::json!({ "domain": { "mode": "lan", "name": "barn.cell" } });
    assert!(home.settings(renamed).await.unwrap().confirm.is_some());
    home.core.confirm(&Caller::local()).await.unwrap();
    // What comes back has the key on another device than what it would be taken back to.
    let restore = Change::RestoreRevision { number: with_phone };
    assert!(home.submit(restore).await.unwrap().confirm.is_some());
    let ended = change(&home, "ben", until(Some(clock() + HOUR))).await;
    assert_eq!(code(ended), (409, "confirmation_outstanding".into()));
    assert_eq!(end_of(&home, "phone"), None);
    home.core.revert(&Caller::local()).await.unwrap();
    change(&home, "ben", until(Some(clock() + HOUR)))
        .await
        .unwrap();
    assert!(home.config().peers.contains_key(&"phone2".parse().unwrap()));
}
