use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cell_audit::Outcome as AuditOutcome;
use cell_control::action::{AccountForm, Action, Outcome, PasswordChange, PasswordReset};
use cell_control::app_password::{AppPasswordForm, NewAppPassword, ServiceSignIn};
use cell_control::caller::Caller;
use cell_control::query::AppPasswords;
use cell_control::{Control, ask};
use cell_gate::accounts;
use cell_model::account::Role;
use cell_model::name::ServiceId;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use data_encoding::BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::home::{Home, OWNER, PASSWORD, address, code, stranger};

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn form(username: Option<&str>) -> AppPasswordForm {
    AppPasswordForm {
        username: username.map(|name| name.parse().unwrap()),
        device: "Anna's phone".parse().unwrap(),
        services: None,
    }
}

async fn add(
    home: &Home,
    caller: &Caller,
    form: AppPasswordForm,
) -> Result<NewAppPassword, Problem> {
    match home.core.act(caller, Action::AddAppPassword(form)).await? {
        Outcome::AppPasswordAdded(made) => Ok(*made),
        other => panic!("{other:?}"),
    }
}

async fn remove(home: &Home, caller: &Caller, id: &str) -> Result<Outcome, Problem> {
    let id = id.to_owned();
    let remove = Action::RemoveAppPassword { id };
    home.core.act(caller, remove).await
}

/// The ids of an account's, as listed.
async fn ids(home: &Home, caller: &Caller, username: Option<&str>) -> Result<Vec<String>, Problem> {
    let username = username.map(|name| name.parse().unwrap());
    let page = ask(home.core.as_ref(), caller, AppPasswords { username }).await?;
    Ok(page.items.into_iter().map(|item| item.id).collect())
}

/// Whom the service `dav` lets in from this address.
async fn let_in(home: &Home, from: &str, name: &str, typed: &str) -> Result<String, Problem> {
    to_service(home, "dav", from, name, typed).await
}

async fn to_service(
    home: &Home,
    service: &str,
    from: &str,
    name: &str,
    typed: &str,
) -> Result<String, Problem> {
    let caller = Caller {
        address: Some(address(from)),
        ..stranger()
    };
    let sign_in = ServiceSignIn {
        service: service.parse().unwrap(),
        username: name.to_owned(),
        password: secret(typed),
    };
    match home
        .core
        .act(&caller, Action::CheckAppPassword(sign_in))
        .await?
    {
        Outcome::Admitted { username } => Ok(username.to_string()),
        other => panic!("{other:?}"),
    }
}

async fn add_account(home: &Home, name: &str, role: Role) {
    let form = AccountForm {
        username: name.parse().unwrap(),
        password: secret(PASSWORD),
        role,
        access_until: None,
    };
    let add = Action::AddAccount(form);
    home.core.act(&Caller::local(), add).await.unwrap();
}

const PHONE: &str = "10.0.0.20";

#[tokio::test]
async fn app_password_opens_services_until_it_is_removed() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let made = add(&home, &owner, form(None)).await.unwrap();
    let typed = made.password.expose().clone();
    assert_eq!(let_in(&home, PHONE, OWNER, &typed).await.unwrap(), OWNER);
    let spelled = format!(" {}-{}", &typed[..6].to_uppercase(), &typed[6..]);
    assert_eq!(let_in(&home, PHONE, "Anna", &spelled).await.unwrap(), OWNER);

    let home = home.restart().await;
    assert!(let_in(&home, PHONE, OWNER, &typed).await.is_ok());
    let id = &made.app_password.id;
    assert_eq!(ids(&home, &owner, None).await.unwrap(), [id.as_str()]);
    remove(&home, &owner, id).await.unwrap();
    let refused = let_in(&home, PHONE, OWNER, &typed).await;
    assert_eq!(code(refused), (401, "wrong_credentials".into()));
    let home = home.restart().await;
    assert_eq!(code(let_in(&home, PHONE, OWNER, &typed).await).0, 401);
    assert_eq!(code(remove(&home, &owner, id).await).0, 404);
    assert!(ids(&home, &owner, None).await.unwrap().is_empty());
}

/// What the socket says to the proxy about a client at this address.
async fn asked(socket: &Path, service: &str, from: &str, shown: &str) -> String {
    let shown = BASE64.encode(shown.as_bytes());
    let question = format!(
        "GET /check?service={service} HTTP/1.1\r\nHost: box\r\nX-Forwarded-For: {from}\r\n\
         Authorization: Basic {shown}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(question.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn proxy_is_told_who_may_use_a_service_until_that_ends() {
    let home = Home::set_up().await;
    let root = Caller::local();
    let services: BTreeSet<ServiceId> = ["dav".parse().unwrap()].into();
    let only = AppPasswordForm {
        services: Some(services),
        ..form(Some(OWNER))
    };
    let made = add(&home, &root, only).await.unwrap();
    let socket = home.runtime().join("accounts.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let control: Arc<dyn Control> = home.core.clone();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(async move {
        accounts::serve(listener, control, &"hut".parse().unwrap(), stopped).await
    });

    let right = format!("{OWNER}:{}", made.password.expose());
    let ask = async |service: &str, from: &str, shown: &str| {
        let answer = asked(&socket, service, from, shown).await;
        let status = answer.split(' ').nth(1).unwrap().to_owned();
        (status, answer)
    };
    let (status, answer) = ask("dav", PHONE, &right).await;
    assert!(answer.contains("x-account: anna\r\n"), "{answer}");
    assert_eq!(status, "200");
    assert_eq!(ask("files", PHONE, &right).await.0, "403");
    let own = format!("{OWNER}:{PASSWORD}");
    for _ in 0..5 {
        assert_eq!(ask("dav", "10.0.0.30", &own).await.0, "401");
    }
    let (status, answer) = ask("dav", "10.0.0.30", &right).await;
    assert!(
        status == "429" && answer.contains("retry-after: "),
        "{answer}"
    );
    remove(&home, &root, &made.app_password.id).await.unwrap();
    assert_eq!(ask("dav", PHONE, &right).await.0, "401");
    stop.send_replace(true);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn sign_in_and_services_take_their_own_passwords_only() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let made = add(&home, &owner, form(None)).await.unwrap();
    assert_eq!(code(let_in(&home, PHONE, OWNER, PASSWORD).await).0, 401);
    let typed = made.password.expose();
    assert_eq!(code(home.sign_in(OWNER, typed).await).0, 401);
}

#[tokio::test]
async fn app_password_for_some_services_opens_no_other() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let services: BTreeSet<ServiceId> = ["dav".parse().unwrap()].into();
    let only = AppPasswordForm {
        services: Some(services),
        ..form(None)
    };
    let typed = add(&home, &owner, only).await.unwrap().password;
    let typed = typed.expose().as_str();
    // No guess, however often: the secret is right.
    for _ in 0..7 {
        let refused = to_service(&home, "files", PHONE, OWNER, typed).await;
        assert_eq!(code(refused), (403, "other_service".into()));
    }
    assert!(let_in(&home, PHONE, OWNER, typed).await.is_ok());
    let none = AppPasswordForm {
        services: Some(BTreeSet::new()),
        ..form(None)
    };
    assert_eq!(code(add(&home, &owner, none).await).0, 400);
}

#[tokio::test]
async fn whatever_ends_an_account_or_its_password_ends_its_app_passwords() {
    let home = Home::set_up().await;
    let root = Caller::local();
    for end in ["reset", "remove"] {
        add_account(&home, "ben", Role::Member).await;
        let typed = add(&home, &root, form(Some("ben"))).await.unwrap().password;
        let typed = typed.expose().as_str();
        assert!(let_in(&home, PHONE, "ben", typed).await.is_ok());
        let username = "ben".parse().unwrap();
        let reset = PasswordReset {
            username: "ben".parse().unwrap(),
            new_password: secret("another good phrase"),
        };
        let act = match end {
            "reset" => Action::ResetPassword(reset),
            _ => Action::RemoveAccount { username },
        };
        home.core.act(&root, act).await.unwrap();
        assert_eq!(
            code(let_in(&home, PHONE, "ben", typed).await).0,
            401,
            "{end}"
        );
        if end == "reset" {
            assert!(ids(&home, &root, Some("ben")).await.unwrap().is_empty());
            let username = "ben".parse().unwrap();
            let remove = Action::RemoveAccount { username };
            home.core.act(&root, remove).await.unwrap();
        }
        // Whoever gets the name next does not get what it opened.
        add_account(&home, "ben", Role::Member).await;
        assert_eq!(code(let_in(&home, PHONE, "ben", typed).await).0, 401);
        let username = "ben".parse().unwrap();
        let remove = Action::RemoveAccount { username };
        home.core.act(&root, remove).await.unwrap();
    }
    let home = home.restart().await;
    assert!(ids(&home, &root, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn ones_own_new_password_leaves_devices_as_they_are() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let made = add(&home, &owner, form(None)).await.unwrap();
    let change = PasswordChange {
        current_password: secret(PASSWORD),
        new_password: secret("another good phrase"),
    };
    let change = Action::ChangePassword(change);
    home.core.act(&owner, change).await.unwrap();
    let typed = made.password.expose();
    assert!(let_in(&home, PHONE, OWNER, typed).await.is_ok());
}

#[tokio::test]
async fn members_look_after_their_own_and_admins_after_those_of_members() {
    let home = Home::set_up().await;
    let [member, admin] = [Role::Member, Role::Admin].map(|role| home.somebody(role));
    let root = Caller::local();
    let wrong_role = (403, "wrong_role".to_owned());
    let own = add(&home, &member, form(None))
        .await
        .unwrap()
        .app_password
        .id;
    let owners = add(&home, &root, form(Some(OWNER))).await.unwrap();
    let owners = owners.app_password.id;

    for other in [OWNER, "some-admin"] {
        let refused = add(&home, &member, form(Some(other))).await;
        assert_eq!(code(refused), wrong_role, "{other}");
        assert_eq!(code(ids(&home, &member, Some(other)).await), wrong_role);
    }
    assert_eq!(code(remove(&home, &member, &owners).await).0, 404);
    // It would open what is the owner's alone.
    assert_eq!(
        code(add(&home, &admin, form(Some(OWNER))).await),
        wrong_role
    );
    add(&home, &admin, form(Some("some-member"))).await.unwrap();
    let members = ids(&home, &admin, Some("some-member")).await.unwrap();
    assert_eq!((members.len(), &members[0]), (2, &own));
    assert_eq!(ids(&home, &member, None).await.unwrap(), members);
    remove(&home, &admin, &own).await.unwrap();
    remove(&home, &admin, &owners).await.unwrap();

    for missing in [
        code(add(&home, &root, form(Some("nobody"))).await),
        code(ids(&home, &root, Some("nobody")).await),
        code(remove(&home, &root, "none").await),
    ] {
        assert_eq!(missing, (404, "not_found".into()));
    }
    assert_eq!(code(add(&home, &root, form(None)).await).0, 400);
}

#[tokio::test]
async fn account_has_a_bounded_number() {
    let home = Home::set_up().await;
    let root = Caller::local();
    for _ in 0..64 {
        add(&home, &root, form(Some(OWNER))).await.unwrap();
    }
    let refused = add(&home, &root, form(Some(OWNER))).await;
    assert_eq!(code(refused), (409, "too_many".into()));
    let ids = ids(&home, &root, Some(OWNER)).await.unwrap();
    remove(&home, &root, &ids[0]).await.unwrap();
    add(&home, &root, form(Some(OWNER))).await.unwrap();
}

#[tokio::test]
async fn guesses_at_services_slow_the_guesser_and_keep_nobody_from_the_sign_in() {
    let home = Home::set_up().await;
    let root = Caller::local();
    let typed = add(&home, &root, form(Some(OWNER))).await.unwrap().password;
    let typed = typed.expose().as_str();
    for name in [OWNER, "nobody-of-that-name", "no/name"] {
        for _ in 0..5 {
            assert_eq!(code(let_in(&home, PHONE, name, "wrong").await).0, 401);
        }
        let problem = let_in(&home, PHONE, name, "wrong").await.unwrap_err();
        assert_eq!((problem.status, &*problem.code), (429, "too_many_tries"));
        assert!(problem.retry_after.unwrap() > 800);
    }
    // As at the sign-in, nothing is looked at for the guesser, and others are not touched.
    assert_eq!(code(let_in(&home, PHONE, OWNER, typed).await).0, 429);
    assert!(let_in(&home, "10.0.0.21", OWNER, typed).await.is_ok());
    assert!(home.sign_in_from(PHONE, OWNER, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn device_that_goes_on_with_a_removed_app_password_keeps_no_other_program_away() {
    let home = Home::set_up().await;
    let root = Caller::local();
    let gone = add(&home, &root, form(Some(OWNER))).await.unwrap();
    let kept = add(&home, &root, form(Some(OWNER))).await.unwrap().password;
    remove(&home, &root, &gone.app_password.id).await.unwrap();
    let gone = gone.password.expose();
    let goes_on = async |home: &Home| {
        for _ in 0..10 {
            let refused = let_in(home, PHONE, OWNER, gone).await;
            assert_eq!(code(refused), (401, "wrong_credentials".into()));
        }
        let_in(home, PHONE, OWNER, kept.expose()).await.unwrap();
    };
    goes_on(&home).await;
    let home = home.restart().await;
    goes_on(&home).await;
    // Guesses beside it count as ever.
    for _ in 0..5 {
        assert_eq!(code(let_in(&home, PHONE, OWNER, "wrong").await).0, 401);
        let _ = let_in(&home, PHONE, OWNER, gone).await;
    }
    assert_eq!(code(let_in(&home, PHONE, OWNER, gone).await).0, 429);

    // It is known for thirty days, and then is a guess like any other.
    home.let_pass(std::time::Duration::from_secs(32 * 24 * 60 * 60));
    for _ in 0..5 {
        assert_eq!(code(let_in(&home, "10.0.0.22", OWNER, gone).await).0, 401);
    }
    assert_eq!(code(let_in(&home, "10.0.0.22", OWNER, gone).await).0, 429);
}

#[tokio::test]
async fn what_was_removed_is_known_until_the_account_goes() {
    let home = Home::set_up().await;
    let root = Caller::local();
    add_account(&home, "ben", Role::Member).await;
    let made = add(&home, &root, form(Some("ben"))).await.unwrap().password;
    // A password that somebody else sets ends all of them.
    let reset = PasswordReset {
        username: "ben".parse().unwrap(),
        new_password: secret("a long and quiet river"),
    };
    let reset = Action::ResetPassword(reset);
    home.core.act(&root, reset).await.unwrap();
    let home = home.restart().await;
    for _ in 0..10 {
        assert_eq!(
            code(let_in(&home, PHONE, "ben", made.expose()).await).0,
            401
        );
    }
    let username = "ben".parse().unwrap();
    let end = Action::RemoveAccount { username };
    home.core.act(&root, end).await.unwrap();
    add_account(&home, "ben", Role::Member).await;
    for _ in 0..5 {
        assert_eq!(
            code(let_in(&home, PHONE, "ben", made.expose()).await).0,
            401
        );
    }
    let refused = let_in(&home, PHONE, "ben", made.expose()).await;
    assert_eq!(code(refused).0, 429);
}

#[tokio::test]
async fn day_of_last_use_is_shown_at_once_and_kept_later() {
    let home = Home::set_up().await;
    let root = Caller::local();
    let typed = add(&home, &root, form(Some(OWNER))).await.unwrap().password;
    let used = async |home: &Home| {
        let all = AppPasswords { username: None };
        let page = ask(home.core.as_ref(), &Caller::local(), all)
            .await
            .unwrap();
        page.items[0].last_used
    };
    assert_eq!(used(&home).await, None);
    let_in(&home, PHONE, OWNER, typed.expose()).await.unwrap();
    let today = used(&home).await;
    assert!(today.is_some());
    let home = home.restart().await;
    assert_eq!(used(&home).await, None, "no write at each use");
    let_in(&home, PHONE, OWNER, typed.expose()).await.unwrap();
    home.core.save_last_used().await;
    let home = home.restart().await;
    assert!(used(&home).await >= today);
}

#[tokio::test]
async fn removed_one_is_not_brought_back_by_its_last_use() {
    let home = Home::set_up().await;
    let root = Caller::local();
    let made = add(&home, &root, form(Some(OWNER))).await.unwrap();
    let typed = made.password.expose();
    let_in(&home, PHONE, OWNER, typed).await.unwrap();
    remove(&home, &root, &made.app_password.id).await.unwrap();
    home.core.save_last_used().await;
    let home = home.restart().await;
    assert_eq!(code(let_in(&home, PHONE, OWNER, typed).await).0, 401);
}

#[tokio::test]
async fn both_ends_of_an_app_password_have_a_record_and_neither_has_the_secret() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let made = add(&home, &owner, form(None)).await.unwrap();
    remove(&home, &owner, &made.app_password.id).await.unwrap();
    assert!(remove(&home, &owner, &made.app_password.id).await.is_err());
    let records = home.audit();
    let found: Vec<_> = records[2..]
        .iter()
        .map(|record| (record.action.as_str(), record.outcome))
        .collect();
    assert_eq!(
        found,
        [
            ("app_password.add", AuditOutcome::Ok),
            ("app_password.remove", AuditOutcome::Ok),
            ("app_password.remove", AuditOutcome::Refused),
        ]
    );
    for record in &records[2..4] {
        assert_eq!(record.object.as_deref(), Some(OWNER));
        assert_eq!(record.detail, "Anna's phone");
    }
    let typed = made.password.expose();
    let told = serde_json::to_string(&records).unwrap();
    assert!(!told.contains(typed.as_str()));
    assert!(!format!("{made:?}").contains(typed.as_str()));
}
