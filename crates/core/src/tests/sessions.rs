use cell_audit::Outcome;
use cell_control::action::Action;
use cell_control::caller::Credential;
use cell_control::query::{Answer, CsrfToken, Query, Sessions};
use cell_control::view::SessionsView;
use cell_model::account::Role;

use super::home::{Home, OWNER, PASSWORD, code, stranger, with_token};

async fn sessions(home: &Home, caller: &cell_control::caller::Caller) -> SessionsView {
    match home.core.snapshot(caller, Query::Sessions(Sessions)).await {
        Ok(Answer::Sessions(view)) => view,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn session_lives_from_sign_in_to_sign_out() {
    let home = Home::set_up().await;
    let caller = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let identity = home.core.identify(&caller).await.unwrap();
    assert_eq!(
        (identity.username.as_str(), identity.role),
        (OWNER, Role::Owner)
    );
    let token = home
        .core
        .snapshot(&caller, Query::CsrfToken(CsrfToken))
        .await;
    assert!(matches!(token, Ok(Answer::CsrfToken(_))));
    home.core.act(&caller, Action::SignOut).await.unwrap();
    assert_eq!(
        code(home.core.identify(&caller).await),
        (401, "sign_in_required".into())
    );
}

#[tokio::test]
async fn session_survives_a_restart_and_a_signed_out_one_does_not() {
    let home = Home::set_up().await;
    let stays = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let leaves = home.sign_in(OWNER, PASSWORD).await.unwrap();
    home.core.act(&leaves, Action::SignOut).await.unwrap();
    let home = home.restart().await;
    assert!(home.core.identify(&stays).await.is_ok());
    assert_eq!(code(home.core.identify(&leaves).await).0, 401);
}

#[tokio::test]
async fn only_own_sessions_can_be_ended() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let other = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let member = home.somebody(Role::Member);
    let view = sessions(&home, &owner).await;
    assert_eq!(view.sessions.len(), 2);
    let id = view
        .sessions
        .iter()
        .find(|session| !session.current)
        .unwrap();
    let end = Action::RevokeSession { id: id.id.clone() };
    assert_eq!(code(home.core.act(&member, end.clone()).await).0, 404);
    home.core.act(&owner, end).await.unwrap();
    assert_eq!(code(home.core.identify(&other).await).0, 401);
    assert!(home.core.identify(&owner).await.is_ok());
}

#[tokio::test]
async fn wrong_password_is_throttled_by_source() {
    let home = Home::set_up().await;
    for _ in 0..5 {
        let tried = home.sign_in_from("10.0.0.1", OWNER, "wrong password").await;
        assert_eq!(code(tried), (401, "wrong_credentials".into()));
    }
    let tried = home.sign_in_from("10.0.0.1", OWNER, PASSWORD).await;
    let problem = tried.unwrap_err();
    assert_eq!(problem.status, 429);
    assert!(problem.retry_after.unwrap() > 800);
    assert!(home.sign_in_from("10.0.0.2", OWNER, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn wrong_name_and_wrong_password_look_the_same() {
    let home = Home::set_up().await;
    let wrong_name = home.sign_in("nobody", PASSWORD).await.unwrap_err();
    let wrong_password = home.sign_in(OWNER, "wrong password").await.unwrap_err();
    let no_name = home.sign_in("no name at all!", PASSWORD).await.unwrap_err();
    assert_eq!(wrong_name, wrong_password);
    assert_eq!(wrong_name, no_name);
}

#[tokio::test]
async fn password_typed_as_a_name_is_not_kept() {
    let home = Home::set_up().await;
    let typed = "hunter2hunter2";
    assert!(home.sign_in(typed, "anything").await.is_err());
    let last = home.audit().pop().unwrap();
    assert_eq!(
        (last.action.as_str(), last.outcome),
        ("auth.login", Outcome::Refused)
    );
    assert!(!format!("{last:?}").contains(typed));
}

#[tokio::test]
async fn made_up_token_is_nobody() {
    let home = Home::set_up().await;
    for text in ["", "AAAA", &"A".repeat(43)] {
        let caller = with_token(cell_model::secret::Secret::new(text.to_owned()));
        assert_eq!(code(home.core.identify(&caller).await).0, 401, "{text}");
    }
    let local = cell_control::caller::Caller::local();
    assert!(matches!(local.credential, Credential::Local));
    assert_eq!(home.core.identify(&local).await.unwrap().role, Role::Owner);
}

#[tokio::test]
async fn box_without_accounts_says_so() {
    let home = Home::set_up().await;
    home.core.people().accounts.clear();
    let expected = (503, "no_accounts".to_owned());
    assert_eq!(code(home.core.identify(&stranger()).await), expected);
    assert_eq!(code(home.sign_in(OWNER, PASSWORD).await), expected);
}

#[tokio::test]
async fn what_is_read_anew_from_the_store_is_what_was() {
    let home = Home::set_up().await;
    let caller = home.sign_in(OWNER, PASSWORD).await.unwrap();
    home.add("phone").await;
    let (config, revision) = (home.config(), home.revision());
    home.core.store.reopen().unwrap();
    home.core.read_anew().unwrap();
    assert_eq!((home.config(), home.revision()), (config, revision));
    assert!(home.core.identify(&caller).await.is_ok());
    home.add("laptop").await;
    assert_eq!(home.revision(), revision + 1);
}
