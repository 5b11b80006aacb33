//! Invites: made, accepted, taken back, over.

use std::time::Duration;

use cell_auth::Invite;
use cell_control::action::{AccountForm, AccountUpdate, Action, Outcome};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::invite::{AcceptedInvite, InviteForm, NewInvite};
use cell_control::query::{Accounts, Invited, Invites, Range};
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::home::{Home, OWNER, PASSWORD, clock, code, stranger, with_token};

const OWN: &str = "a password of my own";

fn form(username: &str, role: Role) -> InviteForm {
    InviteForm {
        username: username.parse().unwrap(),
        role,
        access_until: None,
        expires_in_s: None,
    }
}

async fn invite_with(home: &Home, caller: &Caller, form: InviteForm) -> Result<NewInvite, Problem> {
    match home.core.act(caller, Action::Invite(form)).await? {
        Outcome::Invited(made) => Ok(*made),
        other => panic!("{other:?}"),
    }
}

async fn invite(
    home: &Home,
    caller: &Caller,
    username: &str,
    role: Role,
) -> Result<NewInvite, Problem> {
    invite_with(home, caller, form(username, role)).await
}

async fn accept(home: &Home, code: &Secret<String>, password: &str) -> Result<Caller, Problem> {
    let accepted = AcceptedInvite {
        code: code.clone(),
        password: Secret::new(password.to_owned()),
    };
    let action = Action::AcceptInvite {
        accepted,
        user_agent: "test".to_owned(),
    };
    match home.core.act(&stranger(), action).await? {
        Outcome::SignedIn {
            token,
            must_change_password,
            ..
        } => {
            assert!(!must_change_password, "nobody else knows it");
            Ok(with_token(token))
        }
        other => panic!("{other:?}"),
    }
}

async fn outstanding(home: &Home) -> Vec<String> {
    let invites = ask(home.core.as_ref(), &Caller::local(), Invites).await;
    let invites = invites.unwrap().items;
    invites
        .iter()
        .map(|invite| invite.username.to_string())
        .collect()
}

async fn act(home: &Home, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
    home.core.act(caller, action).await
}

#[tokio::test]
async fn whoever_is_invited_makes_their_own_account_once() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let made = invite(&home, &anna, "ben", Role::Helper).await.unwrap();
    let question = Invited {
        code: made.code.clone(),
    };
    let told = ask(home.core.as_ref(), &stranger(), question)
        .await
        .unwrap();
    assert_eq!(
        (told.username.as_str(), told.role, told.invited_by.as_str()),
        ("ben", Role::Helper, OWNER)
    );
    // It outlives a restart, and a password that is none does not use it up.
    let home = home.restart().await;
    assert_eq!(outstanding(&home).await, ["ben"]);
    assert_eq!(code(accept(&home, &made.code, "short").await).0, 400);
    let spelled = Secret::new(made.code.expose().to_uppercase());
    let ben = accept(&home, &spelled, OWN).await.unwrap();
    let identity = home.core.identify(&ben).await.unwrap();
    assert_eq!(
        (identity.username.as_str(), identity.role),
        ("ben", Role::Helper)
    );
    assert_eq!(
        code(accept(&home, &made.code, OWN).await),
        (401, "no_invite".into())
    );
    assert!(outstanding(&home).await.is_empty());
    let home = home.restart().await;
    home.sign_in("ben", OWN).await.unwrap();
    let record = home.audit();
    let accepted = record
        .iter()
        .find(|record| record.action == "invite.accept");
    assert_eq!(accepted.unwrap().detail, "helper by anna");
    assert!(
        !record
            .iter()
            .any(|record| record.detail.contains(made.code.expose()))
    );
}

#[tokio::test]
async fn admins_invite_members_and_owners_everybody() {
    let home = Home::set_up().await;
    let (admin, owner) = (home.somebody(Role::Admin), home.somebody(Role::Owner));
    invite(&home, &admin, "ben", Role::Member).await.unwrap();
    for role in [Role::Helper, Role::Admin, Role::Owner] {
        let refused = invite(&home, &admin, "carla", role).await;
        assert_eq!(code(refused), (403, "wrong_role".into()));
        invite(&home, &owner, "carla", role).await.unwrap();
    }
    // Nor do admins take back what owners have said.
    let invites = ask(home.core.as_ref(), &admin, Invites)
        .await
        .unwrap()
        .items;
    for (username, allowed) in [("carla", false), ("ben", true)] {
        let found = invites
            .iter()
            .find(|invite| invite.username.as_str() == username);
        let id = found.unwrap().id.clone();
        let revoked = act(&home, &admin, Action::RevokeInvite { id }).await;
        assert_eq!(revoked.is_ok(), allowed, "{username}");
    }
    assert_eq!(outstanding(&home).await, ["carla"]);
}

#[tokio::test]
async fn invite_is_over_in_time_and_with_whoever_made_it() {
    let home = Home::set_up().await;
    let owner = home.somebody(Role::Owner);
    let short = InviteForm {
        expires_in_s: Some(60),
        ..form("ben", Role::Member)
    };
    let made = invite_with(&home, &owner, short).await.unwrap();
    home.let_pass(Duration::from_secs(61));
    assert_eq!(code(accept(&home, &made.code, OWN).await).0, 401);
    assert!(outstanding(&home).await.is_empty());
    // Another for the same name takes the place of the first.
    let first = invite(&home, &owner, "ben", Role::Member).await.unwrap();
    let second = invite(&home, &owner, "ben", Role::Member).await.unwrap();
    assert_eq!(code(accept(&home, &first.code, OWN).await).0, 401);
    // Who may not invite any more has invited nobody; who goes takes their invites along.
    let carla = invite(&home, &Caller::local(), "carla", Role::Owner)
        .await
        .unwrap();
    let carla = accept(&home, &carla.code, OWN).await.unwrap();
    let admin = invite(&home, &carla, "dora", Role::Admin).await.unwrap();
    let demote = |role| Action::ChangeAccount {
        username: "carla".parse().unwrap(),
        update: AccountUpdate {
            role: Some(role),
            ..AccountUpdate::default()
        },
    };
    act(&home, &Caller::local(), demote(Role::Admin))
        .await
        .unwrap();
    assert_eq!(code(accept(&home, &admin.code, OWN).await).0, 401);
    let username = "carla".parse().unwrap();
    act(&home, &Caller::local(), Action::RemoveAccount { username })
        .await
        .unwrap();
    assert_eq!(outstanding(&home).await, ["ben"]);
    accept(&home, &second.code, OWN).await.unwrap();
}

#[tokio::test]
async fn name_that_is_taken_meanwhile_ends_its_invite() {
    let home = Home::set_up().await;
    let made = invite(&home, &Caller::local(), "ben", Role::Owner)
        .await
        .unwrap();
    let form = AccountForm {
        username: "ben".parse().unwrap(),
        password: Secret::new(PASSWORD.to_owned()),
        role: Role::Member,
        access_until: None,
    };
    act(&home, &Caller::local(), Action::AddAccount(form))
        .await
        .unwrap();
    assert_eq!(code(accept(&home, &made.code, OWN).await).0, 401);
    let again = invite(&home, &Caller::local(), "ben", Role::Member).await;
    assert_eq!(code(again), (409, "account_exists".into()));
    assert_eq!(home.core.people().accounts.len(), 2);
}

#[tokio::test]
async fn wrong_invites_are_refused_and_bounded() {
    let home = Home::set_up().await;
    let root = Caller::local();
    for (form, field) in [
        (form("root@console", Role::Member), "username"),
        (
            InviteForm {
                expires_in_s: Some(59),
                ..form("ben", Role::Member)
            },
            "expires_in_s",
        ),
        (
            InviteForm {
                expires_in_s: Some(2_592_001),
                ..form("ben", Role::Member)
            },
            "expires_in_s",
        ),
        (
            InviteForm {
                access_until: Some(clock()),
                ..form("ben", Role::Member)
            },
            "access_until",
        ),
        (
            InviteForm {
                access_until: Some(clock() + Duration::from_secs(3600)),
                ..form("ben", Role::Owner)
            },
            "access_until",
        ),
    ] {
        let problem = invite_with(&home, &root, form).await.unwrap_err();
        assert_eq!(problem.errors[0].field, field);
    }
    for number in 0..Invite::MAX {
        let name = format!("guest-{number}");
        invite(&home, &root, &name, Role::Member).await.unwrap();
    }
    let refused = invite(&home, &root, "one-more", Role::Member).await;
    assert_eq!(code(refused), (409, "too_many".into()));
    // Guesses are slowed down.
    let wrong = Secret::new("0".repeat(26));
    for _ in 0..5 {
        assert_eq!(code(accept(&home, &wrong, OWN).await).0, 401);
    }
    assert_eq!(code(accept(&home, &wrong, OWN).await).0, 429);
}

#[tokio::test]
async fn invite_ends_with_the_access_it_would_give() {
    let home = Home::set_up().await;
    let short = InviteForm {
        access_until: Some(clock() + Duration::from_secs(60)),
        ..form("ben", Role::Helper)
    };
    let made = invite_with(&home, &Caller::local(), short).await.unwrap();
    home.let_pass(Duration::from_secs(60));
    assert_eq!(code(accept(&home, &made.code, OWN).await).0, 401);
    assert_eq!(home.core.people().accounts.len(), 1);
}

#[tokio::test]
async fn access_that_an_invite_limits_is_limited() {
    let home = Home::set_up().await;
    let until = clock() + Duration::from_secs(3600);
    let limited = InviteForm {
        access_until: Some(until),
        ..form("ben", Role::Helper)
    };
    let made = invite_with(&home, &Caller::local(), limited).await.unwrap();
    let ben = accept(&home, &made.code, OWN).await.unwrap();
    let (root, range) = (Caller::local(), Range::default());
    let accounts = ask(home.core.as_ref(), &root, Accounts { range });
    let accounts = accounts.await.unwrap().items;
    let account = accounts
        .iter()
        .find(|account| account.username.as_str() == "ben");
    assert_eq!(account.unwrap().access_until, Some(until));
    home.let_pass(Duration::from_secs(3601));
    assert_eq!(code(home.core.identify(&ben).await).0, 401);
    assert_eq!(
        code(home.sign_in("ben", OWN).await),
        (403, "access_over".into())
    );
}
