//! Second factors: set up, asked for, lost.

use std::time::Duration;

use cell_auth::TotpSecret;
use cell_control::action::{Action, Outcome, PasswordReset};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::query::Sessions;
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use data_encoding::BASE32_NOPAD;

use super::home::{Home, OWNER, PASSWORD, address, clock, code, stranger, with_token};

/// Two periods: no code of before counts any more.
const LATER: Duration = Duration::from_secs(60);

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// What the app shows now.
fn shown(app: &TotpSecret) -> Secret<String> {
    Secret::new(app.code_at(clock()))
}

async fn offer(home: &Home, caller: &Caller) -> Result<TotpSecret, Problem> {
    match home.core.act(caller, Action::OfferSecondFactor).await? {
        Outcome::SecondFactorOffered(offered) => {
            let uri = offered.uri.expose();
            assert!(uri.contains(offered.secret.expose()), "{uri}");
            let bytes = BASE32_NOPAD.decode(offered.secret.expose().as_bytes());
            Ok(TotpSecret::from_bytes(&bytes.unwrap()).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

async fn prove(
    home: &Home,
    caller: &Caller,
    code: Secret<String>,
) -> Result<Vec<Secret<String>>, Problem> {
    codes(
        home.core
            .act(caller, Action::AddSecondFactor { code })
            .await,
    )
}

fn codes(outcome: Result<Outcome, Problem>) -> Result<Vec<Secret<String>>, Problem> {
    match outcome? {
        Outcome::RecoveryCodes(codes) => Ok(codes.recovery_codes),
        other => panic!("{other:?}"),
    }
}

/// A home whose owner has one: their session, their app and their recovery codes.
async fn with_one() -> (Home, Caller, TotpSecret, Vec<Secret<String>>) {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let app = offer(&home, &owner).await.unwrap();
    let codes = prove(&home, &owner, shown(&app)).await.unwrap();
    home.let_pass(LATER);
    (home, owner, app, codes)
}

async fn sign_in(
    home: &Home,
    password: &str,
    code: Option<Secret<String>>,
) -> Result<Outcome, Problem> {
    let action = Action::SignIn {
        username: OWNER.to_owned(),
        password: secret(password),
        code,
        user_agent: "test".to_owned(),
    };
    home.core.act(&stranger(), action).await
}

async fn ticket(home: &Home) -> Secret<String> {
    match sign_in(home, PASSWORD, None).await.unwrap() {
        Outcome::CodeRequired { ticket } => ticket,
        other => panic!("{other:?}"),
    }
}

async fn go_on(
    home: &Home,
    ticket: &Secret<String>,
    code: Secret<String>,
) -> Result<Outcome, Problem> {
    let action = Action::SignInWithCode {
        ticket: ticket.clone(),
        code,
        user_agent: "test".to_owned(),
    };
    home.core.act(&stranger(), action).await
}

async fn left(home: &Home, caller: &Caller) -> Option<usize> {
    let own = ask(&*home.core, caller, Sessions).await.unwrap();
    own.second_factor.map(|factor| factor.recovery_codes_left)
}

#[tokio::test]
async fn password_alone_opens_nothing_once_there_is_a_second_factor() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let other = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let unoffered = prove(&home, &owner, secret("123456")).await;
    assert_eq!(code(unoffered), (409, "second_factor_not_offered".into()));
    let app = offer(&home, &owner).await.unwrap();
    assert_eq!(code(prove(&home, &owner, secret("12345")).await).0, 400);
    home.sign_in(OWNER, PASSWORD).await.unwrap();
    let codes = prove(&home, &owner, shown(&app)).await.unwrap();
    assert_eq!(codes.len(), 8);
    assert_eq!(left(&home, &owner).await, Some(8));
    assert!(
        home.core.identify(&other).await.is_err(),
        "other sessions end"
    );
    assert_eq!(
        code(offer(&home, &owner).await),
        (409, "second_factor_exists".into())
    );
    home.let_pass(LATER);

    // What is kept is sealed, and outlives a restart.
    let home = home.restart().await;
    let ticket = ticket(&home).await;
    let wrong = go_on(&home, &ticket, secret("000000")).await;
    assert_eq!(code(wrong), (401, "wrong_code".into()));
    let outcome = go_on(&home, &ticket, shown(&app)).await.unwrap();
    let Outcome::SignedIn { token, .. } = outcome else {
        panic!("{outcome:?}");
    };
    home.core.identify(&with_token(token)).await.unwrap();
    let again = go_on(&home, &ticket, shown(&app)).await;
    assert_eq!(code(again), (401, "sign_in_over".into()));
    let actions: Vec<String> = home
        .audit()
        .into_iter()
        .map(|record| record.action)
        .collect();
    assert!(
        actions
            .iter()
            .any(|action| action == "auth.second_factor.add"),
        "{actions:?}"
    );
}

#[tokio::test]
async fn code_may_come_with_the_password_and_counts_once() {
    let (home, _, app, _) = with_one().await;
    let now = shown(&app);
    assert!(sign_in(&home, PASSWORD, Some(now.clone())).await.is_ok());
    let replayed = sign_in(&home, PASSWORD, Some(now)).await;
    assert_eq!(code(replayed), (401, "wrong_code".into()));
    home.let_pass(LATER);
    let wrong = sign_in(&home, "not the password", Some(shown(&app))).await;
    assert_eq!(code(wrong), (401, "wrong_credentials".into()));
}

#[tokio::test]
async fn recovery_codes_stand_in_for_the_app_once_each() {
    let (home, owner, app, codes) = with_one().await;
    let one = codes[2].clone();
    assert!(sign_in(&home, PASSWORD, Some(one.clone())).await.is_ok());
    assert_eq!(left(&home, &owner).await, Some(7));
    let home = home.restart().await;
    let again = sign_in(&home, PASSWORD, Some(one)).await;
    assert_eq!(code(again), (401, "wrong_code".into()));
    let outcome = sign_in(&home, PASSWORD, Some(shown(&app))).await.unwrap();
    let Outcome::SignedIn { token, .. } = outcome else {
        panic!("{outcome:?}");
    };
    let owner = with_token(token);
    let renewed = home.core.act(&owner, Action::RenewRecoveryCodes).await;
    let renewed = self::codes(renewed).unwrap();
    let old = sign_in(&home, PASSWORD, Some(codes[3].clone())).await;
    assert_eq!(code(old), (401, "wrong_code".into()));
    let new = sign_in(&home, PASSWORD, Some(renewed[3].clone())).await;
    assert!(new.is_ok());
}

#[tokio::test]
async fn guessing_at_codes_is_braked_wherever_it_comes_from_and_keeps_nobody_out_for_good() {
    let (home, _, app, codes) = with_one().await;
    let ticket = ticket(&home).await;
    for host in 1..=5 {
        let guesser = Caller {
            address: Some(address(&format!("10.9.0.{host}"))),
            ..stranger()
        };
        let guess = Action::SignInWithCode {
            ticket: ticket.clone(),
            code: secret("000000"),
            user_agent: String::new(),
        };
        let wrong = home.core.act(&guesser, guess).await;
        assert_eq!(code(wrong), (401, "wrong_code".into()));
    }
    for _ in 0..7 {
        let kept_out = go_on(&home, &ticket, shown(&app)).await;
        assert_eq!(code(kept_out), (429, "too_many_tries".into()));
    }
    let other_way_in = go_on(&home, &ticket, codes[0].clone()).await;
    assert!(other_way_in.is_ok(), "{other_way_in:?}");
    let actions = home.audit().into_iter().map(|record| record.action);
    let asked = actions.filter(|action| action == "auth.login.ask-code");
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn second_factor_goes_with_ones_own_will_a_reset_or_the_account() {
    let (home, owner, ..) = with_one().await;
    let removed = home.core.act(&owner, Action::RemoveSecondFactor).await;
    removed.unwrap();
    let again = home.core.act(&owner, Action::RemoveSecondFactor).await;
    assert_eq!(code(again).0, 404);
    home.sign_in(OWNER, PASSWORD).await.unwrap();

    let app = offer(&home, &owner).await.unwrap();
    prove(&home, &owner, shown(&app)).await.unwrap();
    let reset = PasswordReset {
        username: OWNER.parse().unwrap(),
        new_password: secret("another good phrase"),
    };
    let reset = Action::ResetPassword(reset);
    home.core.act(&Caller::local(), reset).await.unwrap();
    home.sign_in(OWNER, "another good phrase").await.unwrap();
    let home = home.restart().await;
    home.sign_in(OWNER, "another good phrase").await.unwrap();
    let secrets = home.core.store.secret_names().unwrap();
    assert!(
        !secrets.iter().any(|name| name.contains("totp")),
        "{secrets:?}"
    );
    assert_eq!(code(offer(&home, &Caller::local()).await).0, 404);
}

#[tokio::test]
async fn who_is_made_anew_under_an_old_name_has_no_second_factor() {
    let home = Home::set_up().await;
    let ben = home.somebody(Role::Member);
    let name = home.core.identify(&ben).await.unwrap().username;
    let account = home.core.people().accounts[&name].clone();
    let codes = cell_auth::RecoveryCodes::generate().unwrap();
    let factor = cell_auth::SecondFactor::new(name, account.created_at, 1, &codes, clock());
    home.core.people().keep_second_factor(factor);
    assert!(home.core.people().second_factor(&account).is_some());
    let later = cell_auth::Account {
        created_at: clock() + LATER,
        ..account
    };
    assert!(home.core.people().second_factor(&later).is_none());
}
