//! Tokens: made, good for what they are good for, ended.

use std::collections::BTreeSet;
use std::time::Duration;

use cell_control::action::{AccountUpdate, Action, Outcome, PasswordReset};
use cell_control::api_token::{ApiTokenForm, NewApiToken};
use cell_control::ask;
use cell_control::caller::{Caller, Credential};
use cell_control::change::Change;
use cell_control::query::{ApiTokens, Audit, CsrfToken, Peers, Range, RecentProof, Settings};
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_model::scope::{Area, Scope};
use cell_model::secret::Secret;

use super::home::{Home, OWNER, PASSWORD, clock, code, peer, stranger};

fn form(scopes: &[Scope]) -> ApiTokenForm {
    ApiTokenForm {
        label: "backup".parse().unwrap(),
        scopes: scopes.iter().copied().collect(),
        expires_at: None,
    }
}

async fn add(home: &Home, caller: &Caller, form: ApiTokenForm) -> Result<NewApiToken, Problem> {
    match home.core.act(caller, Action::AddApiToken(form)).await? {
        Outcome::ApiTokenAdded(made) => Ok(*made),
        other => panic!("{other:?}"),
    }
}

fn bearer(made: &NewApiToken) -> Caller {
    Caller {
        credential: Credential::Token(made.secret.clone()),
        ..stranger()
    }
}

async fn peers(home: &Home, caller: &Caller) -> Result<(), Problem> {
    let range = Range::default();
    let answer = ask(home.core.as_ref(), caller, Peers { range }).await;
    answer.map(drop)
}

#[tokio::test]
async fn token_opens_what_it_is_good_for_and_nothing_else() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let made = add(&home, &anna, form(&[Area::Peers.write()]))
        .await
        .unwrap();
    let home = home.restart().await;
    let program = bearer(&made);
    let identity = home.core.identify(&program).await.unwrap();
    assert_eq!(
        (identity.username.as_str(), identity.role),
        (OWNER, Role::Owner)
    );
    peers(&home, &program).await.unwrap();
    let add_peer = Change::AddPeer(peer("phone"));
    home.core.submit(&program, add_peer).await.unwrap();
    assert_eq!(
        home.audit().pop().unwrap().actor,
        Some(OWNER.parse().unwrap())
    );
    let core = home.core.as_ref();
    let settings = ask(core, &program, Settings { revision: None }).await;
    assert_eq!(code(settings), (403, "wrong_scope".into()));
    let audit = Audit {
        range: Range::default(),
        actor: None,
        action: None,
        object: None,
    };
    assert_eq!(code(ask(core, &program, audit).await).1, "wrong_scope");
    // What is about sessions, or dangerous, no token opens.
    assert_eq!(code(ask(core, &program, CsrfToken).await).1, "wrong_scope");
    assert_eq!(
        code(ask(core, &program, RecentProof).await).1,
        "wrong_scope"
    );
    assert_eq!(
        code(ask(core, &program, ApiTokens { username: None }).await).1,
        "wrong_scope"
    );
    let more = form(&Scope::all().collect::<Vec<_>>());
    assert_eq!(
        code(add(&home, &program, more).await),
        (403, "wrong_scope".into())
    );
    assert_eq!(
        home.core
            .people()
            .api_tokens
            .of_account(&identity.username)
            .count(),
        1
    );
}

#[tokio::test]
async fn token_reaches_as_far_as_the_role_of_whose_it_is() {
    let home = Home::set_up().await;
    let helper = home.somebody(Role::Helper);
    let all: Vec<Scope> = Scope::all().collect();
    let program = bearer(&add(&home, &helper, form(&all)).await.unwrap());
    peers(&home, &program).await.unwrap();
    let refused = home.core.submit(&program, Change::AddPeer(peer("x"))).await;
    assert_eq!(code(refused), (403, "wrong_role".into()));
    let change = Action::ChangeAccount {
        username: "some-helper".parse().unwrap(),
        update: AccountUpdate {
            role: Some(Role::Member),
            access_until: None,
        },
    };
    home.core.act(&Caller::local(), change).await.unwrap();
    assert_eq!(
        code(peers(&home, &program).await),
        (403, "wrong_role".into())
    );
}

#[tokio::test]
async fn token_ends_with_its_time_its_removal_and_whose_it_is() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let reads = [Area::Peers.read()];
    let short = ApiTokenForm {
        expires_at: Some(clock() + Duration::from_secs(60)),
        ..form(&reads)
    };
    let short = add(&home, &anna, short).await.unwrap();
    peers(&home, &bearer(&short)).await.unwrap();
    home.let_pass(Duration::from_secs(60));
    assert_eq!(code(peers(&home, &bearer(&short)).await).0, 401);

    let removed = add(&home, &anna, form(&reads)).await.unwrap();
    let remove = |id: &str| Action::RemoveApiToken { id: id.to_owned() };
    let (admin, owner) = (home.somebody(Role::Admin), home.somebody(Role::Owner));
    let id = &removed.api_token.id;
    assert_eq!(code(home.core.act(&admin, remove(id)).await).0, 404);
    // Owners see what lets others in, and end it.
    let of_anna = || ApiTokens {
        username: Some(OWNER.parse().unwrap()),
    };
    let core = home.core.as_ref();
    assert_eq!(
        code(ask(core, &admin, of_anna()).await),
        (403, "wrong_role".into())
    );
    let listed = ask(core, &owner, of_anna()).await.unwrap().items;
    assert!(listed.iter().any(|token| token.id == *id));
    home.core.act(&owner, remove(id)).await.unwrap();
    assert_eq!(code(peers(&home, &bearer(&removed)).await).0, 401);

    let kept = add(&home, &anna, form(&reads)).await.unwrap();
    let reset = Action::ResetPassword(PasswordReset {
        username: OWNER.parse().unwrap(),
        new_password: Secret::new("another good phrase".to_owned()),
    });
    home.core.act(&Caller::local(), reset).await.unwrap();
    assert_eq!(code(peers(&home, &bearer(&kept)).await).0, 401);
    let home = home.restart().await;
    for made in [&short, &removed, &kept] {
        assert_eq!(code(peers(&home, &bearer(made)).await).0, 401);
    }
}

#[tokio::test]
async fn use_of_a_token_is_noted_and_wrong_ones_are_refused() {
    let home = Home::set_up().await;
    let anna = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let made = add(&home, &anna, form(&[Area::Peers.read()]))
        .await
        .unwrap();
    peers(&home, &bearer(&made)).await.unwrap();
    home.core.save_last_used().await;
    let home = home.restart().await;
    let own = ask(home.core.as_ref(), &anna, ApiTokens { username: None })
        .await
        .unwrap()
        .items;
    assert!(own[0].last_used.is_some());
    let mut wrong = made.secret.expose().clone();
    wrong.pop();
    for text in ["", "cell_", wrong.as_str()] {
        let caller = Caller {
            credential: Credential::Token(Secret::new(text.to_owned())),
            ..stranger()
        };
        assert_eq!(code(peers(&home, &caller).await).0, 401);
    }
    for (form, field) in [
        (form(&[]), "scopes"),
        (
            ApiTokenForm {
                expires_at: Some(clock()),
                ..form(&[Area::Peers.read()])
            },
            "expires_at",
        ),
    ] {
        let problem = add(&home, &anna, form).await.unwrap_err();
        assert_eq!(problem.errors[0].field, field);
    }
    let mut made = BTreeSet::from([own[0].id.clone()]);
    while made.len() < 32 {
        let token = add(&home, &anna, form(&[Area::Peers.read()]))
            .await
            .unwrap();
        made.insert(token.api_token.id);
    }
    let more = add(&home, &anna, form(&[Area::Peers.read()])).await;
    assert_eq!(code(more), (409, "too_many".into()));
}
