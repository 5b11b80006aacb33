use cell_control::action::{
    AccountForm, AccountUpdate, Action, Outcome, PasswordChange, PasswordReset,
};
use cell_control::caller::Caller;
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::home::{Home, OWNER, PASSWORD, code};

const OTHER: &str = "another good phrase";

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

async fn add(home: &Home, name: &str, role: Role) -> Result<Outcome, Problem> {
    let form = AccountForm {
        username: name.parse().unwrap(),
        password: secret(PASSWORD),
        role,
        access_until: None,
    };
    home.core
        .act(&Caller::local(), Action::AddAccount(form))
        .await
}

async fn remove(home: &Home, name: &str) -> Result<Outcome, Problem> {
    let username = name.parse().unwrap();
    home.core
        .act(&Caller::local(), Action::RemoveAccount { username })
        .await
}

fn change(current: &str, new: &str) -> Action {
    Action::ChangePassword(PasswordChange {
        current_password: secret(current),
        new_password: secret(new),
    })
}

fn reset(name: &str) -> Action {
    Action::ResetPassword(PasswordReset {
        username: name.parse().unwrap(),
        new_password: secret(OTHER),
    })
}

#[tokio::test]
async fn new_account_signs_in_and_is_asked_for_another_password() {
    let home = Home::set_up().await;
    add(&home, "ben", Role::Member).await.unwrap();
    let taken = add(&home, "ben", Role::Admin).await;
    assert_eq!(code(taken), (409, "account_exists".into()));
    assert_eq!(code(add(&home, "x@console", Role::Admin).await).0, 400);
    let home = home.restart().await;
    home.sign_in("ben", PASSWORD).await.unwrap();
    let ben = home.core.people().accounts[&"ben".parse().unwrap()].clone();
    assert!(ben.must_change_password);
    assert_eq!(ben.role, Role::Member);
}

#[tokio::test]
async fn last_owner_stays() {
    let home = Home::set_up().await;
    add(&home, "ben", Role::Admin).await.unwrap();
    assert_eq!(code(remove(&home, OWNER).await), (409, "last_owner".into()));
    add(&home, "carla", Role::Owner).await.unwrap();
    remove(&home, OWNER).await.unwrap();
    assert_eq!(
        code(remove(&home, "carla").await),
        (409, "last_owner".into())
    );
    remove(&home, "ben").await.unwrap();
    assert_eq!(code(remove(&home, "ben").await).0, 404);
}

#[tokio::test]
async fn removed_account_is_gone_with_its_sessions() {
    let home = Home::set_up().await;
    add(&home, "ben", Role::Admin).await.unwrap();
    let ben = home.sign_in("ben", PASSWORD).await.unwrap();
    remove(&home, "ben").await.unwrap();
    assert_eq!(code(home.core.identify(&ben).await).0, 401);
    let home = home.restart().await;
    assert_eq!(code(home.core.identify(&ben).await).0, 401);
    assert_eq!(code(home.sign_in("ben", PASSWORD).await).0, 401);
    // Whoever gets the name next does not get the session.
    add(&home, "ben", Role::Member).await.unwrap();
    assert_eq!(code(home.core.identify(&ben).await).0, 401);
}

#[tokio::test]
async fn changed_password_ends_the_other_sessions() {
    let home = Home::set_up().await;
    let mine = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let other = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let wrong = home.core.act(&mine, change("not it at all", OTHER)).await;
    assert_eq!(code(wrong), (403, "wrong_password".into()));
    let weak = home.core.act(&mine, change(PASSWORD, "short")).await;
    assert_eq!(code(weak).0, 400);
    assert!(home.core.identify(&other).await.is_ok());
    home.core.act(&mine, change(PASSWORD, OTHER)).await.unwrap();
    assert!(home.core.identify(&mine).await.is_ok());
    assert_eq!(code(home.core.identify(&other).await).0, 401);

    let home = home.restart().await;
    assert!(home.core.identify(&mine).await.is_ok());
    assert_eq!(code(home.sign_in(OWNER, PASSWORD).await).0, 401);
    assert!(home.sign_in(OWNER, OTHER).await.is_ok());
}

#[tokio::test]
async fn present_password_cannot_be_guessed_without_end() {
    let home = Home::set_up().await;
    let mine = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(code(home.core.act(&mine, change("not it at all", OTHER)).await).0);
    }
    assert_eq!(codes, [403, 403, 403, 403, 403, 429]);
}

#[tokio::test]
async fn admin_sets_the_password_of_members_only() {
    let home = Home::set_up().await;
    add(&home, "ben", Role::Member).await.unwrap();
    add(&home, "carla", Role::Helper).await.unwrap();
    let ben = home.sign_in("ben", PASSWORD).await.unwrap();
    let admin = home.somebody(Role::Admin);
    for name in [OWNER, "carla", "some-admin"] {
        let refused = home.core.act(&admin, reset(name)).await;
        assert_eq!(code(refused), (403, "wrong_role".into()), "{name}");
    }
    home.core.act(&admin, reset("ben")).await.unwrap();
    assert_eq!(code(home.core.identify(&ben).await).0, 401);
    home.core
        .act(&Caller::local(), reset("carla"))
        .await
        .unwrap();
    let ben = &home.core.people().accounts[&"ben".parse().unwrap()].clone();
    assert!(ben.must_change_password);
}

#[tokio::test]
async fn sign_in_with_a_password_that_is_being_replaced_opens_nothing() {
    let home = Home::set_up().await;
    add(&home, "ben", Role::Member).await.unwrap();
    let root = Caller::local();
    for _ in 0..5 {
        let (signed_in, _) = tokio::join!(
            home.sign_in("ben", PASSWORD),
            home.core.act(&root, reset("ben"))
        );
        if let Ok(ben) = signed_in {
            assert_eq!(code(home.core.identify(&ben).await).0, 401);
        }
        let back = PasswordReset {
            username: "ben".parse().unwrap(),
            new_password: secret(PASSWORD),
        };
        home.core
            .act(&root, Action::ResetPassword(back))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_the_lock_is_asked_again_who_they_are() {
    let home = Home::set_up().await;
    let core = std::sync::Arc::clone(&home.core);
    let ben = home.somebody(Role::Owner);
    let demote = Action::ChangeAccount {
        username: "some-owner".parse().unwrap(),
        update: AccountUpdate {
            role: Some(Role::Member),
            access_until: None,
        },
    };
    let mut token = serde_json::json!({ "label": "x", "scopes": ["peers:read"] });
    let form = serde_json::from_value(token.take()).unwrap();
    let writer = home.core.writer.lock().await;
    let queue = |caller: Caller, action: Action| {
        let core = std::sync::Arc::clone(&core);
        tokio::spawn(async move { core.act(&caller, action).await })
    };
    // Each is let in, and waits.
    let waits = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    let demoted = queue(Caller::local(), demote);
    waits().await;
    let again = Action::ChangeAccount {
        username: "some-owner".parse().unwrap(),
        update: AccountUpdate {
            role: Some(Role::Owner),
            access_until: None,
        },
    };
    let promoted = queue(ben.clone(), again);
    let added = queue(ben.clone(), Action::AddApiToken(form));
    waits().await;
    drop(writer);
    demoted.await.unwrap().unwrap();
    for late in [promoted, added] {
        assert_eq!(code(late.await.unwrap()), (409, "account_changed".into()));
    }
    let now = home.core.identify(&ben).await.unwrap();
    assert_eq!(now.role, Role::Member);
}
