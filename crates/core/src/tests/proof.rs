//! What is dangerous is done for whose password was proven a short time ago.

use std::os::unix::net::UnixStream;

use cell_control::action::{
    AccountForm, AccountUpdate, Action, IncomingBundle, PasswordChange, PasswordReset,
};
use cell_control::api_token::ApiTokenForm;
use cell_control::app_password::AppPasswordForm;
use cell_control::caller::Caller;
use cell_control::invite::InviteForm;
use cell_control::link::{LinkCode, LinkInviteForm};
use cell_control::query::{Query, RecentProof};
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_model::scope::Area;
use cell_model::secret::Secret;
use std::time::Duration;

use super::home::{Home, OWNER, PASSWORD, code};

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn dangerous() -> Vec<Action> {
    let username = || "nobody".parse().unwrap();
    let reset = PasswordReset {
        username: username(),
        new_password: secret("another good phrase"),
    };
    let form = AccountForm {
        username: "ben".parse().unwrap(),
        password: secret("another good phrase"),
        role: Role::Member,
        access_until: None,
    };
    let app_password = AppPasswordForm {
        username: None,
        device: "phone".parse().unwrap(),
        services: None,
    };
    let token = ApiTokenForm {
        label: "backup".parse().unwrap(),
        scopes: [Area::Peers.read()].into(),
        expires_at: None,
    };
    let invite = InviteForm {
        username: "carla".parse().unwrap(),
        role: Role::Member,
        access_until: None,
        expires_in_s: None,
    };
    vec![
        Action::ResetPassword(reset),
        Action::RemoveAccount {
            username: username(),
        },
        Action::DropFirmware,
        Action::TryOtherSlot,
        Action::AddAppPassword(app_password),
        Action::AddApiToken(token),
        Action::Invite(invite),
        Action::InviteCell(LinkInviteForm::default()),
        Action::LinkCell(Box::default()),
        Action::AcceptLink {
            name: "cabin".parse().unwrap(),
        },
        Action::ConfirmLink {
            name: "cabin".parse().unwrap(),
            code: LinkCode {
                code: secret("123456"),
            },
        },
        Action::ChangeAccount {
            username: username(),
            update: AccountUpdate::default(),
        },
        Action::OfferSecondFactor,
        Action::OfferPasskey,
        Action::RemovePasskey { id: String::new() },
        Action::AddAccount(form),
    ]
}

async fn act(home: &Home, caller: &Caller, action: Action) -> String {
    let done = home.core.act(caller, action).await;
    done.map_or_else(|problem| problem.code.into_owned(), |_| "ok".to_owned())
}

async fn prove(home: &Home, caller: &Caller, password: &str) -> Result<(), Problem> {
    let password = secret(password);
    let proven = home
        .core
        .act(caller, Action::Reauthenticate { password })
        .await;
    proven.map(|_| ())
}

async fn is_proven(home: &Home, caller: &Caller) -> bool {
    let asked = home.core.snapshot(caller, Query::RecentProof(RecentProof));
    asked.await.is_ok()
}

async fn receive(home: &Home, caller: &Caller) -> (u16, String) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    let bundle = IncomingBundle::default();
    code(home.core.receive(caller, bundle, theirs.into()).await)
}

const QUARTER: Duration = Duration::from_secs(15 * 60);

#[tokio::test]
async fn a_quarter_of_an_hour_after_the_sign_in_the_password_is_asked_for_again() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    assert!(is_proven(&home, &owner).await);
    home.let_pass(QUARTER);
    assert!(!is_proven(&home, &owner).await);
    let required = "reauthentication_required";
    for action in dangerous() {
        assert_eq!(act(&home, &owner, action.clone()).await, required);
        assert_ne!(act(&home, &Caller::local(), action).await, required);
    }
    assert_eq!(receive(&home, &owner).await, (403, required.to_owned()));
    assert_ne!(receive(&home, &Caller::local()).await.1, required);
    // What is not dangerous is done all the same.
    assert_ne!(act(&home, &owner, Action::Restart).await, required);

    prove(&home, &owner, PASSWORD).await.unwrap();
    for action in dangerous() {
        assert_ne!(act(&home, &owner, action).await, required);
    }
    assert_ne!(receive(&home, &owner).await.1, required);
    home.let_pass(QUARTER);
    assert!(!is_proven(&home, &owner).await);
}

#[tokio::test]
async fn refusal_changes_nothing_and_both_are_recorded() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    home.let_pass(QUARTER);
    let last = dangerous().pop().unwrap();
    assert_ne!(act(&home, &owner, last).await, "ok");
    assert!(
        !home
            .core
            .people()
            .accounts
            .contains_key(&"ben".parse().unwrap())
    );
    let refused = home.audit().pop().unwrap();
    assert_eq!(
        (refused.action.as_str(), refused.detail.as_str()),
        ("account.add", "reauthentication_required")
    );
    prove(&home, &owner, "wrong password").await.unwrap_err();
    let refused = home.audit().pop().unwrap();
    assert_eq!(
        (refused.action.as_str(), refused.detail.as_str()),
        ("auth.reauthenticate", "wrong_password")
    );
    prove(&home, &owner, PASSWORD).await.unwrap();
    let done = home.audit().pop().unwrap();
    assert_eq!(
        (done.action.as_str(), done.outcome),
        ("auth.reauthenticate", cell_audit::Outcome::Ok)
    );
}

#[tokio::test]
async fn guesses_at_the_proof_are_counted_with_those_at_the_sign_in() {
    let home = Home::set_up().await;
    let owner = home
        .sign_in_from("10.0.0.7", OWNER, PASSWORD)
        .await
        .unwrap();
    for _ in 0..3 {
        let tried = prove(&home, &owner, "wrong password").await;
        assert_eq!(code(tried), (403, "wrong_password".into()));
    }
    for _ in 0..2 {
        let tried = home.sign_in_from("10.0.0.7", OWNER, "wrong password").await;
        assert_eq!(code(tried).0, 401);
    }
    let problem = prove(&home, &owner, PASSWORD).await.unwrap_err();
    assert_eq!(problem.status, 429);
    assert!(problem.retry_after.unwrap() > 800);
}

#[tokio::test]
async fn proof_is_the_sessions_own_and_a_restart_forgets_it() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let other = home.sign_in(OWNER, PASSWORD).await.unwrap();
    home.let_pass(QUARTER);
    prove(&home, &owner, PASSWORD).await.unwrap();
    assert!(is_proven(&home, &owner).await && !is_proven(&home, &other).await);
    let home = home.restart().await;
    assert!(!is_proven(&home, &owner).await);
    let fresh = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let home = home.restart().await;
    assert!(is_proven(&home, &fresh).await, "the sign-in is stored");
}

#[tokio::test]
async fn whoever_changes_their_password_has_proven_it() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    home.let_pass(QUARTER);
    let change = PasswordChange {
        current_password: secret(PASSWORD),
        new_password: secret("another good phrase"),
    };
    assert_eq!(
        act(&home, &owner, Action::ChangePassword(change)).await,
        "ok"
    );
    assert!(is_proven(&home, &owner).await);
}

#[tokio::test]
async fn root_and_strangers_have_nothing_to_prove() {
    let home = Home::set_up().await;
    for caller in [Caller::local(), super::home::stranger()] {
        assert_eq!(code(prove(&home, &caller, PASSWORD).await).0, 401);
    }
    assert!(is_proven(&home, &Caller::local()).await);
}
