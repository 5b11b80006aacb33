//! Passkeys: added, used, ended.

use std::time::Duration;

use cell_auth::fake::FakeAuthenticator;
use cell_auth::{Assertion, Registration};
use cell_control::action::{AccountUpdate, Action, Outcome, PasswordReset};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::passkey::{OfferedPasskey, PasskeyForm, PasskeyView, UsedPasskey};
use cell_control::query::{Passkeys, RecentProof};
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::home::{Home, OWNER, PASSWORD, clock, code, stranger, with_token};

async fn offer(home: &Home, caller: &Caller) -> Result<OfferedPasskey, Problem> {
    match home.core.act(caller, Action::OfferPasskey).await? {
        Outcome::PasskeyOffered(offered) => Ok(*offered),
        other => panic!("{other:?}"),
    }
}

fn form(made: Registration) -> Action {
    Action::AddPasskey(Box::new(PasskeyForm {
        label: "phone".parse().unwrap(),
        credential_id: made.credential_id.into(),
        client_data: made.client_data.into(),
        authenticator_data: made.authenticator_data.into(),
        public_key: made.public_key.into(),
    }))
}

async fn add(home: &Home, caller: &Caller) -> Result<FakeAuthenticator, Problem> {
    let offered = offer(home, caller).await?;
    assert_eq!(offered.relying_party, "admin.hut.cell");
    let handle = offered.user_handle.bytes();
    let authenticator = FakeAuthenticator::new(&offered.relying_party, handle);
    let made = authenticator.make(offered.challenge.bytes());
    home.core.act(caller, form(made)).await?;
    Ok(authenticator)
}

async fn challenge(home: &Home) -> Vec<u8> {
    let challenged = home.core.act(&stranger(), Action::ChallengePasskey).await;
    match challenged.unwrap() {
        Outcome::PasskeyChallenged(challenge) => challenge.challenge.bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn sent(assertion: Assertion) -> Box<UsedPasskey> {
    Box::new(UsedPasskey {
        credential_id: assertion.credential_id.into(),
        client_data: assertion.client_data.into(),
        authenticator_data: assertion.authenticator_data.into(),
        signature: assertion.signature.into(),
        user_handle: assertion.user_handle.into(),
    })
}

async fn send(home: &Home, assertion: Assertion) -> Result<Caller, Problem> {
    let action = Action::SignInWithPasskey {
        used: sent(assertion),
        user_agent: "test".to_owned(),
    };
    match home.core.act(&stranger(), action).await? {
        Outcome::SignedIn { token, .. } => Ok(with_token(token)),
        other => panic!("{other:?}"),
    }
}

async fn sign_in(home: &Home, authenticator: &mut FakeAuthenticator) -> Result<Caller, Problem> {
    let challenge = challenge(home).await;
    send(home, authenticator.answer(&challenge)).await
}

async fn own(home: &Home, caller: &Caller) -> Vec<PasskeyView> {
    let passkeys = ask(home.core.as_ref(), caller, Passkeys { username: None }).await;
    passkeys.unwrap().items
}

#[tokio::test]
async fn passkey_signs_in_whose_it_is_without_a_password() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut phone = add(&home, &anna).await.unwrap();
    let home = home.restart().await;
    let session = sign_in(&home, &mut phone).await.unwrap();
    let identity = home.core.identify(&session).await.unwrap();
    assert_eq!(identity.username.as_str(), OWNER);
    ask(home.core.as_ref(), &session, RecentProof)
        .await
        .unwrap();
    let known = own(&home, &session).await;
    assert!(known[0].usable && known[0].last_used.is_some());
    // Its counter is on the disk: what was used once is known after a restart.
    let home = home.restart().await;
    phone.sign_count -= 1;
    assert_eq!(
        code(sign_in(&home, &mut phone).await),
        (401, "wrong_passkey".into())
    );
    sign_in(&home, &mut phone).await.unwrap();
    let id = known[0].id.clone();
    let remove = Action::RemovePasskey { id };
    home.core.act(&anna, remove).await.unwrap();
    assert_eq!(code(sign_in(&home, &mut phone).await).0, 401);
}

#[tokio::test]
async fn challenge_is_answered_once_in_time_and_by_nobody_else() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut phone = add(&home, &anna).await.unwrap();
    let challenge = challenge(&home).await;
    send(&home, phone.answer(&challenge)).await.unwrap();
    assert_eq!(
        code(send(&home, phone.answer(&challenge)).await),
        (401, "challenge_over".into())
    );
    assert_eq!(code(send(&home, phone.answer(&[7; 32])).await).0, 401);
    // What was offered to one is not what another adds.
    let ben = home.somebody(Role::Member);
    let offered = offer(&home, &anna).await.unwrap();
    let other = FakeAuthenticator::new("admin.hut.cell", offered.user_handle.bytes());
    let made = form(other.make(offered.challenge.bytes()));
    assert_eq!(
        code(home.core.act(&ben, made.clone()).await),
        (409, "passkey_not_offered".into())
    );
    // That has not used it up, and its own answer does.
    home.core.act(&anna, made.clone()).await.unwrap();
    assert_eq!(code(home.core.act(&anna, made).await).0, 409);
    assert_eq!(own(&home, &ben).await, []);
}

#[tokio::test]
async fn passkey_proves_who_is_there_to_their_own_session() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut phone = add(&home, &anna).await.unwrap();
    let ben = home.somebody(Role::Member);
    home.let_pass(Duration::from_secs(16 * 60));
    let proven = async |caller: &Caller| ask(home.core.as_ref(), caller, RecentProof).await;
    for (caller, expected) in [(&ben, 403), (&anna, 200)] {
        assert_eq!(code(proven(caller).await).0, 403);
        let answer = phone.answer(&challenge(&home).await);
        let action = Action::ReauthenticateWithPasskey(sent(answer));
        let answered = home.core.act(caller, action).await;
        assert_eq!(
            answered.map_or_else(|problem| problem.status, |_| 200),
            expected
        );
        assert_eq!(proven(caller).await.is_ok(), expected == 200);
    }
}

#[tokio::test]
async fn passkeys_end_with_what_lets_their_owner_in() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut phone = add(&home, &anna).await.unwrap();
    let helper = home.somebody(Role::Helper);
    let mut aid = add(&home, &helper).await.unwrap();
    let change = |access_until| Action::ChangeAccount {
        username: "some-helper".parse().unwrap(),
        update: AccountUpdate {
            role: None,
            access_until: Some(access_until),
        },
    };
    let soon = clock() + Duration::from_secs(60);
    let root = Caller::local();
    home.core.act(&root, change(Some(soon))).await.unwrap();
    home.let_pass(Duration::from_secs(60));
    assert_eq!(
        code(sign_in(&home, &mut aid).await),
        (403, "access_over".into())
    );
    home.core.act(&root, change(None)).await.unwrap();
    sign_in(&home, &mut aid).await.unwrap();
    let reset = Action::ResetPassword(PasswordReset {
        username: OWNER.parse().unwrap(),
        new_password: Secret::new("another good phrase".to_owned()),
    });
    home.core.act(&root, reset).await.unwrap();
    assert_eq!(code(sign_in(&home, &mut phone).await).0, 401);
    // An owner ends one of somebody else's.
    let owner = home.somebody(Role::Owner);
    let mut lost = add(&home, &helper).await.unwrap();
    let of_helper = Passkeys {
        username: Some("some-helper".parse().unwrap()),
    };
    let listed = ask(home.core.as_ref(), &owner, of_helper).await.unwrap();
    let id = listed.items.last().unwrap().id.clone();
    let admin = home.somebody(Role::Admin);
    let remove = |id: &str| Action::RemovePasskey { id: id.to_owned() };
    assert_eq!(code(home.core.act(&admin, remove(&id)).await).0, 404);
    home.core.act(&owner, remove(&id)).await.unwrap();
    assert_eq!(code(sign_in(&home, &mut lost).await).0, 401);
    let remove = Action::RemoveAccount {
        username: "some-helper".parse().unwrap(),
    };
    home.core.act(&root, remove).await.unwrap();
    assert_eq!(code(sign_in(&home, &mut aid).await).0, 401);
    assert!(home.core.people().passkeys.is_empty());
    let home = home.restart().await;
    assert!(home.core.people().passkeys.is_empty());
}

#[tokio::test]
async fn box_with_another_name_knows_its_old_passkeys_no_more() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut phone = add(&home, &anna).await.unwrap();
    let renamed = serde_json::json!({ "domain": { "mode": "lan", "name": "barn.cell" } });
    home.settings(renamed).await.unwrap();
    assert!(!own(&home, &anna).await[0].usable);
    let refused = sign_in(&home, &mut phone).await.unwrap_err();
    assert_eq!(refused.code, "wrong_passkey");
    home.core.revert(&Caller::local()).await.unwrap();
    sign_in(&home, &mut phone).await.unwrap();
}

#[tokio::test]
async fn wrong_passkeys_keep_nobody_out_and_leave_few_records() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut phone = add(&home, &anna).await.unwrap();
    let records = |home: &Home| home.audit().len();
    let before = records(&home);
    // Strangers, and whoever took too long, leave none.
    for _ in 0..8 {
        let mut strange = FakeAuthenticator::new("admin.hut.cell", &phone.user_handle);
        assert_eq!(code(sign_in(&home, &mut strange).await).0, 401);
        assert_eq!(code(send(&home, phone.answer(&[7; 32])).await).0, 401);
    }
    assert_eq!(records(&home), before);
    // One that is known and wrong does, but not for ever.
    for tried in 0..8 {
        let challenge = challenge(&home).await;
        let mut wrong = phone.answer(&challenge);
        wrong.signature[10] ^= 1;
        let expected = if tried < 5 { 401 } else { 429 };
        assert_eq!(code(send(&home, wrong).await).0, expected, "{tried}");
    }
    assert_eq!(records(&home), before + 5);
    sign_in(&home, &mut phone).await.unwrap();
}

#[tokio::test]
async fn what_no_browser_sends_is_a_bad_request_and_passkeys_are_few() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let offered = offer(&home, &anna).await.unwrap();
    let phone = FakeAuthenticator::new("admin.hut.cell", offered.user_handle.bytes());
    let mut made = phone.make(offered.challenge.bytes());
    made.credential_id = vec![1];
    assert_eq!(
        code(home.core.act(&anna, form(made)).await),
        (400, "invalid_passkey".into())
    );
    for _ in 0..16 {
        add(&home, &anna).await.unwrap();
    }
    assert_eq!(
        code(add(&home, &anna).await.map(drop)),
        (409, "too_many".into())
    );
}
