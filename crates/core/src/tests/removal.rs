//! Whoever goes leaves nothing behind that lets somebody in, whatever goes wrong on the way: any sequence of people who
//! come, get things and go, with faults of the disk and restarts at every step.

use std::collections::BTreeSet;

use cell_auth::fake::FakeAuthenticator;
use cell_auth::{
    AccessLimit, Account, ApiToken, AppPassword, Invite, Passkey, SecondFactor, Session, TotpSecret,
};
use cell_control::action::{AccountForm, AccountUpdate, Action, Outcome};
use cell_control::api_token::ApiTokenForm;
use cell_control::app_password::AppPasswordForm;
use cell_control::caller::Caller;
use cell_control::change::{Change, OwnPeerChange, PeerForm};
use cell_control::invite::InviteForm;
use cell_control::passkey::PasskeyForm;
use cell_model::account::Role;
use cell_model::config::MailTarget;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::scope::Area;
use cell_model::secret::Secret;
use cell_store::Fault;
use data_encoding::BASE32_NOPAD;
use proptest::prelude::*;
use proptest::sample::select;

use super::home::{Home, OWNER, PASSWORD, clock, peer};
use super::mail::{alias, settings};
use crate::people::{
    ACCESS_LIMITS, ACCOUNTS, API_TOKENS, APP_PASSWORDS, INVITES, PASSKEYS, SECOND_FACTORS, SESSIONS,
};

const NAMES: [&str; 2] = ["ben", "carla"];

/// What happens to somebody.
#[derive(Debug, Clone, Copy)]
enum Event {
    Comes,
    IsLimited,
    GetsAppPassword,
    GetsToken,
    GetsPasskey,
    GetsSecondFactor,
    AddsDevice,
    IsGivenDevice,
    Invites,
    HasMail,
    Goes,
}

/// What happens at a step.
#[derive(Debug, Clone, Copy)]
struct Step {
    name: &'static str,
    event: Event,
    fault: Option<Fault>,
    restart: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop_oneof![
        3 => Just(Event::Comes),
        1 => Just(Event::IsLimited),
        1 => Just(Event::GetsAppPassword),
        1 => Just(Event::GetsToken),
        1 => Just(Event::GetsPasskey),
        1 => Just(Event::GetsSecondFactor),
        1 => Just(Event::AddsDevice),
        1 => Just(Event::IsGivenDevice),
        1 => Just(Event::Invites),
        2 => Just(Event::HasMail),
        3 => Just(Event::Goes),
    ];
    let faults = select(vec![
        None,
        None,
        None,
        Some(Fault::Full),
        Some(Fault::Lost),
        Some(Fault::Unsure),
    ]);
    (select(&NAMES[..]), event, faults, prop::bool::weighted(0.1)).prop_map(
        |(name, event, fault, restart)| Step {
            name,
            event,
            fault,
            restart,
        },
    )
}

/// Somebody's session; `None` when they are not there.
async fn session(home: &Home, name: &str) -> Option<Caller> {
    // A code would be asked for: a session of theirs is made without one.
    let username: Username = name.parse().unwrap();
    let account = home.core.people().accounts.get(&username).cloned()?;
    let address = super::home::address("10.0.0.9");
    let opened = home.core.open_session(address, &account, "test", None);
    match opened.await.ok()? {
        Outcome::SignedIn { token, .. } => Some(super::home::with_token(token)),
        _ => None,
    }
}

async fn happen(home: &Home, step: Step) -> Result<(), Problem> {
    let username: Username = step.name.parse().unwrap();
    let root = Caller::local();
    let act = async |caller: &Caller, action| home.core.act(caller, action).await.map(drop);
    let own = match step.event {
        Event::Comes | Event::Goes | Event::IsLimited | Event::IsGivenDevice | Event::HasMail => {
            None
        }
        _ => match session(home, step.name).await {
            Some(caller) => Some(caller),
            None => return Ok(()),
        },
    };
    let own = own.as_ref().unwrap_or(&root);
    // What comes before the step that a fault belongs to is not its business.
    let fail = || home.core.store.fail_next(step.fault);
    match step.event {
        Event::Comes => {
            fail();
            let form = AccountForm {
                username,
                password: Secret::new(PASSWORD.to_owned()),
                role: Role::Admin,
                access_until: None,
            };
            act(&root, Action::AddAccount(form)).await
        }
        Event::IsLimited => {
            fail();
            let update = AccountUpdate {
                role: None,
                access_until: Some(Some(clock() + std::time::Duration::from_secs(3600))),
            };
            act(&root, Action::ChangeAccount { username, update }).await
        }
        Event::GetsAppPassword => {
            fail();
            let form = AppPasswordForm {
                username: None,
                device: "phone".parse().unwrap(),
                services: None,
            };
            act(own, Action::AddAppPassword(form)).await
        }
        Event::GetsToken => {
            fail();
            let form = ApiTokenForm {
                label: "backup".parse().unwrap(),
                scopes: [Area::Peers.read()].into(),
                expires_at: None,
            };
            act(own, Action::AddApiToken(form)).await
        }
        Event::GetsPasskey => {
            let offered = home.core.act(own, Action::OfferPasskey).await?;
            let Outcome::PasskeyOffered(offered) = offered else {
                panic!("it is offered");
            };
            let handle = offered.user_handle.bytes();
            let device = FakeAuthenticator::new(&offered.relying_party, handle);
            let made = device.make(offered.challenge.bytes());
            let form = PasskeyForm {
                label: "phone".parse().unwrap(),
                credential_id: made.credential_id.into(),
                client_data: made.client_data.into(),
                authenticator_data: made.authenticator_data.into(),
                public_key: made.public_key.into(),
            };
            fail();
            act(own, Action::AddPasskey(Box::new(form))).await
        }
        Event::GetsSecondFactor => {
            let offered = home.core.act(own, Action::OfferSecondFactor).await?;
            let Outcome::SecondFactorOffered(offered) = offered else {
                panic!("it is offered");
            };
            let bytes = BASE32_NOPAD.decode(offered.secret.expose().as_bytes());
            let app = TotpSecret::from_bytes(&bytes.unwrap()).unwrap();
            let code = Secret::new(app.code_at(clock()));
            fail();
            act(own, Action::AddSecondFactor { code }).await
        }
        Event::AddsDevice => {
            let form = serde_json::json!({ "name": format!("{}-phone", step.name) });
            let form = serde_json::from_value(form).unwrap();
            fail();
            let change = Change::OwnPeer(OwnPeerChange::Add(form));
            home.core.submit(own, change).await.map(drop)
        }
        Event::IsGivenDevice => {
            fail();
            let form = PeerForm {
                username: Some(username),
                preshared_key: true,
                ..peer(&format!("{}-laptop", step.name))
            };
            let change = Change::AddPeer(form);
            home.core.submit(&root, change).await.map(drop)
        }
        Event::Invites => {
            fail();
            let form = InviteForm {
                username: format!("{}-friend", step.name).parse().unwrap(),
                role: Role::Member,
                access_until: None,
                expires_in_s: None,
            };
            act(own, Action::Invite(form)).await
        }
        Event::HasMail => {
            let own = format!("{}-shop", step.name);
            for change in [
                alias("info", &[step.name, OWNER]),
                alias(&own, &[step.name]),
                alias("deep", &[&own]),
                settings(serde_json::json!({ "quotas": { step.name: 100 } })),
            ] {
                home.core.submit(&root, change).await?;
            }
            fail();
            let change = settings(serde_json::json!({ "catch_all": step.name }));
            home.core.submit(&root, change).await.map(drop)
        }
        Event::Goes => {
            fail();
            act(&root, Action::RemoveAccount { username }).await
        }
    }
}

/// Who has something on the disk that belongs to an account.
fn on_disk(home: &Home) -> BTreeSet<(&'static str, Username)> {
    let store = &home.core.store;
    let mut found = BTreeSet::new();
    macro_rules! owners {
        ($what:literal, $tree:expr, $record:ty, $owner:ident) => {
            for (_, record) in store.records::<$record>($tree).scan().unwrap() {
                found.insert(($what, record.$owner));
            }
        };
    }
    owners!("session", SESSIONS, Session, username);
    owners!("limit", ACCESS_LIMITS, AccessLimit, username);
    owners!("app password", APP_PASSWORDS, AppPassword, username);
    owners!("token", API_TOKENS, ApiToken, username);
    owners!("passkey", PASSKEYS, Passkey, username);
    owners!("second factor", SECOND_FACTORS, SecondFactor, username);
    owners!("invite", INVITES, Invite, invited_by);
    for name in NAMES {
        let username: Username = name.parse().unwrap();
        if store
            .secret(&format!("account/{name}/totp"))
            .unwrap()
            .is_some()
        {
            found.insert(("secret", username));
        }
    }
    let mail = &home.config().mail;
    let names = mail.aliases.values().flatten();
    let names = names.filter_map(|target| match target {
        MailTarget::Name(name) if mail.aliases.contains_key(name) => None,
        MailTarget::Name(name) => Some(name.username()),
        MailTarget::Address(_) => None,
    });
    let named = names.chain(mail.quotas.keys().cloned());
    let named = named.chain(mail.catch_all.clone());
    found.extend(named.map(|username| ("mail", username)));
    for peer in home.config().peers.values() {
        found.extend(peer.username.clone().map(|username| ("device", username)));
    }
    found
}

/// What the core has in memory is what the disk has, and nobody has anything who is not there.
fn check(home: &Home, step: &Step) {
    let people = home.core.people();
    let there: BTreeSet<Username> = people.accounts.keys().cloned().collect();
    let accounts = home.core.store.records::<Account>(ACCOUNTS).scan().unwrap();
    let stored: BTreeSet<Username> = accounts.into_iter().map(|(_, it)| it.username).collect();
    assert_eq!(there, stored, "{step:?}");
    let now = clock();
    for name in NAMES {
        let username: Username = name.parse().unwrap();
        if there.contains(&username) {
            continue;
        }
        assert!(people.sessions.of_account(&username, now).is_empty());
        assert_eq!(people.app_passwords.of_account(&username).count(), 0);
        assert_eq!(people.api_tokens.of_account(&username).count(), 0);
        assert!(people.passkeys_of(&username).is_empty());
        assert!(!people.second_factors.contains_key(&username));
        assert!(!people.access_limits.contains_key(&username));
        assert!(people.invites_about(&username).is_empty());
    }
    drop(people);
    for (what, username) in on_disk(home) {
        assert!(
            there.contains(&username),
            "{step:?}: a {what} of {username}"
        );
    }
    let config = home.config();
    for (alias, targets) in &config.mail.aliases {
        assert!(!targets.is_empty(), "{step:?}: {alias} is for nobody");
        assert!(!there.contains(&alias.username()), "{step:?}: {alias}");
    }
    let preshared = home.core.desired.borrow().keys.preshared.clone();
    for name in preshared.keys() {
        assert!(config.peers.contains_key(name), "{step:?}: a key of {name}");
    }
}

async fn live(steps: Vec<Step>) {
    let mut home = Home::set_up().await;
    for step in steps {
        let was_there = |home: &Home| {
            let people = home.core.people();
            people.accounts.contains_key(&step.name.parse().unwrap())
        };
        let before = was_there(&home);
        let happened = happen(&home, step).await;
        home.core.store.fail_next(None);
        let after = was_there(&home);
        match (step.event, &happened) {
            (Event::Comes, Ok(())) => assert!(after, "{step:?}"),
            (Event::Goes, Ok(())) => assert!(!after, "{step:?}"),
            // What was refused, and known to be, has changed nothing.
            (_, Err(_)) if step.fault == Some(Fault::Full) => assert_eq!(before, after, "{step:?}"),
            _ => {}
        }
        check(&home, &step);
        if step.restart {
            home = home.restart().await;
            assert_eq!(was_there(&home), after, "{step:?}");
            check(&home, &step);
        }
    }
    // And the owner is still there, however it went.
    let root = Caller::local();
    for name in NAMES {
        let username = name.parse().unwrap();
        let _ = home
            .core
            .act(&root, Action::RemoveAccount { username })
            .await;
    }
    let owner: Username = OWNER.parse().unwrap();
    let left = on_disk(&home).into_iter().map(|(_, name)| name);
    let left: BTreeSet<Username> = left.filter(|name| *name != owner).collect();
    assert!(left.is_empty(), "{left:?}");
    home.sign_in(OWNER, PASSWORD).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn whoever_goes_leaves_nothing_behind(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { let mut runtime = runtime; runtime.enable_all().build().unwrap() };
        runtime.block_on(live(steps));
    }
}
