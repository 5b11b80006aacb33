//! Mail: addresses and whose they are, from a change to what the mail service is told; and the password of the relay.

use cell_control::action::{AccountForm, Action, Outcome};
use cell_control::app_password::{AppPasswordForm, ServiceSignIn};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::change::{Change, Receipt};
use cell_control::invite::InviteForm;
use cell_control::mail::MailTable;
use cell_control::query::{Mail, MailLookup, OwnMail, Person};
use cell_model::account::Role;
use cell_model::name::{ServiceId, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use serde_json::json;

use super::home::{Home, OWNER, PASSWORD, code, stranger};
use crate::keys::RELAY_PASSWORD;

const RELAY_SECRET: &str = "a secret of the relay";

pub(super) fn alias(name: &str, targets: &[&str]) -> Change {
    Change::PutMailAlias {
        name: name.parse().unwrap(),
        targets: targets.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

pub(super) fn settings(sections: serde_json::Value) -> Change {
    Change::Mail(Box::new(serde_json::from_value(sections).unwrap()))
}

async fn put(home: &Home, name: &str, targets: &[&str]) -> Result<Receipt, Problem> {
    home.submit(alias(name, targets)).await
}

async fn set(home: &Home, sections: serde_json::Value) -> Result<Receipt, Problem> {
    home.submit(settings(sections)).await
}

async fn add(home: &Home, name: &str) -> Result<Outcome, Problem> {
    let form = AccountForm {
        username: name.parse().unwrap(),
        password: Secret::new(PASSWORD.to_owned()),
        role: Role::Member,
        access_until: None,
    };
    home.core
        .act(&Caller::local(), Action::AddAccount(form))
        .await
}

async fn remove(home: &Home, name: &str) {
    let username = name.parse().unwrap();
    let remove = Action::RemoveAccount { username };
    home.core.act(&Caller::local(), remove).await.unwrap();
}

/// What the mail service is told, which has no session.
async fn told(home: &Home, table: MailTable, key: &str) -> String {
    let lookup = MailLookup {
        service: ServiceId::mail(),
        table,
        key: key.to_owned(),
    };
    let told = ask(home.core.as_ref(), &stranger(), lookup).await;
    told.unwrap().unwrap_or_else(|| "-".to_owned())
}

async fn person(home: &Home, name: &str) -> Result<(Username, u32), Problem> {
    let question = Person {
        service: ServiceId::mail(),
        name: name.to_owned(),
    };
    let person = ask(home.core.as_ref(), &stranger(), question).await?;
    Ok((person.username, person.quota_mib))
}

#[tokio::test]
async fn nobody_has_an_address_before_setup() {
    let home = Home::new();
    let lookup = MailLookup {
        service: ServiceId::mail(),
        table: MailTable::Mailbox,
        key: "anna@hut.cell".to_owned(),
    };
    let told = ask(home.core.as_ref(), &stranger(), lookup).await;
    assert_eq!(code(told).0, 428);
    assert_eq!(code(person(&home, OWNER).await).0, 428);
}

#[tokio::test]
async fn people_have_addresses_for_as_long_as_they_may_use_mail() {
    let home = Home::set_up().await;
    add(&home, "ben").await.unwrap();
    put(&home, "info", &["ben", "anna@HUT.cell", "x@example.org"])
        .await
        .unwrap();
    let (mailbox, alias) = (MailTable::Mailbox, MailTable::Alias);
    assert_eq!(told(&home, mailbox, "Ben+x@hut.cell").await, "ben");
    let all = "anna@hut.cell,ben@hut.cell,x@example.org";
    assert_eq!(told(&home, alias, "info@hut.cell").await, all);
    assert_eq!(
        told(&home, alias, "postmaster@hut.cell").await,
        "anna@hut.cell"
    );
    set(
        &home,
        json!({ "quotas": { "ben": 100 }, "catch_all": "ben" }),
    )
    .await
    .unwrap();
    assert_eq!(
        person(&home, "BEN").await.unwrap(),
        ("ben".parse().unwrap(), 100)
    );
    let by_address = person(&home, "anna@Hut.Cell").await.unwrap();
    assert_eq!(by_address, ("anna".parse().unwrap(), 2_048));
    for nobody in [
        "carla",
        "ben@example.org",
        "",
        "@hut.cell",
        "ben@x@hut.cell",
    ] {
        assert_eq!(code(person(&home, nobody).await).0, 404, "{nobody}");
    }
    assert_eq!(told(&home, alias, "x@hut.cell").await, "ben@hut.cell");
    let until = super::home::clock() + std::time::Duration::from_secs(3_600);
    let update = serde_json::from_value(json!({ "access_until": until })).unwrap();
    let username = "ben".parse().unwrap();
    let limit = Action::ChangeAccount { username, update };
    home.core.act(&Caller::local(), limit).await.unwrap();
    home.let_pass(std::time::Duration::from_secs(3_601));
    assert_eq!(told(&home, mailbox, "ben@hut.cell").await, "-");
    assert_eq!(told(&home, alias, "ben@hut.cell").await, "-");
    assert_eq!(
        told(&home, MailTable::Sender, "info@hut.cell").await,
        "anna"
    );
    assert_eq!(told(&home, alias, "x@hut.cell").await, "-");
    assert_eq!(code(person(&home, "ben").await).0, 404);
}

#[tokio::test]
async fn own_address_and_app_password_open_mail() {
    let home = Home::set_up().await;
    let caller = home.sign_in(OWNER, PASSWORD).await.unwrap();
    let form = AppPasswordForm {
        username: None,
        device: "phone".parse().unwrap(),
        services: None,
    };
    let added = home.core.act(&caller, Action::AddAppPassword(form)).await;
    let Outcome::AppPasswordAdded(made) = added.unwrap() else {
        panic!("it is made");
    };
    let tries = async |name: &str| {
        let sign_in = ServiceSignIn {
            service: ServiceId::mail(),
            username: name.to_owned(),
            password: made.password.clone(),
        };
        let check = Action::CheckAppPassword(sign_in);
        home.core.act(&stranger(), check).await
    };
    for good in ["anna", "Anna@Hut.Cell"] {
        let admitted = tries(good).await.unwrap();
        let Outcome::Admitted { username } = admitted else {
            panic!("{good} is let in");
        };
        assert_eq!(username.as_str(), "anna");
    }
    for bad in [
        "anna@example.org",
        "anna@",
        "anna@hut.cell.",
        "x@anna@hut.cell",
    ] {
        assert_eq!(code(tries(bad).await).0, 401, "{bad}");
    }
    // Whoever has the address as a name is not somebody else.
    add(&home, "anna@hut.cell").await.unwrap();
    assert_eq!(code(tries("anna@hut.cell").await).0, 401);
}

#[tokio::test]
async fn aliases_name_people_who_are_there_and_take_nobodys_name() {
    let home = Home::set_up().await;
    let field = |refused: Result<Receipt, Problem>| refused.unwrap_err().errors[0].field.clone();
    assert_eq!(field(put(&home, "info", &["nobody"]).await), "targets");
    assert_eq!(
        field(put(&home, "info", &["nobody@hut.cell"]).await),
        "targets"
    );
    assert_eq!(field(put(&home, "anna", &["anna"]).await), "name");
    let strange = json!({ "catch_all": "nobody" });
    assert_eq!(field(set(&home, strange).await), "catch_all");
    let strange = json!({ "quotas": { "nobody": 100 } });
    assert_eq!(field(set(&home, strange).await), "quotas.nobody");
    // A name that cannot stand before an @ has no mailbox.
    add(&home, "ben@work").await.unwrap();
    let odd = json!({ "catch_all": "ben@work" });
    assert_eq!(field(set(&home, odd).await), "catch_all");
    assert_eq!(
        told(&home, MailTable::Mailbox, "ben@work@hut.cell").await,
        "-"
    );
    put(&home, "info", &["anna"]).await.unwrap();
    put(&home, "shop", &["info"]).await.unwrap();
    let taken = add(&home, "info").await.unwrap_err();
    assert_eq!(taken.errors[0].field, "username");
    let invite = |name: &str| {
        Action::Invite(InviteForm {
            username: name.parse().unwrap(),
            role: Role::Member,
            access_until: None,
            expires_in_s: None,
        })
    };
    let taken = home.core.act(&Caller::local(), invite("shop")).await;
    assert_eq!(taken.unwrap_err().errors[0].field, "username");
    home.core
        .act(&Caller::local(), invite("carla"))
        .await
        .unwrap();
    assert_eq!(field(put(&home, "carla", &["anna"]).await), "name");
}

#[tokio::test]
async fn whoever_goes_leaves_mail_for_good() {
    let home = Home::set_up().await;
    add(&home, "ben").await.unwrap();
    put(&home, "info", &["ben", "anna"]).await.unwrap();
    put(&home, "ben-only", &["ben"]).await.unwrap();
    put(&home, "deep", &["ben-only"]).await.unwrap();
    set(
        &home,
        json!({ "quotas": { "ben": 100 }, "catch_all": "ben" }),
    )
    .await
    .unwrap();
    let with_ben = home.revision();
    remove(&home, "ben").await;
    let check = |home: &Home| {
        let mail = home.config().mail.clone();
        let left: Vec<&str> = mail.aliases.keys().map(|name| name.as_str()).collect();
        assert_eq!(left, ["info"]);
        assert_eq!(mail.aliases[&"info".parse().unwrap()].len(), 1);
        assert!(mail.catch_all.is_none() && mail.quotas.is_empty());
    };
    check(&home);
    // Somebody else of that name is somebody else, whatever revision comes back.
    add(&home, "ben").await.unwrap();
    let number = with_ben;
    home.submit(Change::RestoreRevision { number })
        .await
        .unwrap();
    check(&home);
    let home = home.restart().await;
    check(&home);
    // Nor does an alias come back whose name is somebody's by now.
    put(&home, "carla", &["anna"]).await.unwrap();
    let number = home.revision();
    let name = "carla".parse().unwrap();
    home.submit(Change::RemoveMailAlias { name }).await.unwrap();
    add(&home, "carla").await.unwrap();
    home.submit(Change::RestoreRevision { number })
        .await
        .unwrap();
    check(&home);
}

fn relay(host: &str) -> serde_json::Value {
    json!({ "mode": "relay", "relay": { "host": host, "port": 587, "username": "hut" } })
}

/// Whether the password of the relay is there, on the disk and in memory.
fn has_password(home: &Home) -> bool {
    let sealed = home.core.store.secret(RELAY_PASSWORD).unwrap();
    let keys = home.core.desired.borrow().keys.clone();
    assert_eq!(sealed.is_some(), keys.relay_password.is_some());
    if let Some(password) = &keys.relay_password {
        assert_eq!(password.expose(), RELAY_SECRET);
    }
    sealed.is_some()
}

#[tokio::test]
async fn password_of_the_relay_is_sealed_and_goes_with_it() {
    let home = Home::set_up().await;
    let before = home.revision();
    let first = json!({ "delivery": relay("smtp.example.org"), "relay_password": RELAY_SECRET });
    set(&home, first.clone()).await.unwrap();
    let with_relay = home.revision();
    assert!(has_password(&home));
    let view = ask(home.core.as_ref(), &Caller::local(), Mail).await;
    let view = serde_json::to_string(&view.unwrap()).unwrap();
    assert!(view.contains("\"relay_password_set\":true") && !view.contains(RELAY_SECRET));
    assert!(!format!("{:?}", home.config()).contains(RELAY_SECRET));
    let audit = home.audit();
    assert!(audit.iter().any(|record| record.action == "mail.change"));
    assert!(!format!("{audit:?}").contains(RELAY_SECRET));
    let home = home.restart().await;
    assert!(has_password(&home));
    // What concerns something else leaves it there.
    set(&home, json!({ "quota_mib": 100 })).await.unwrap();
    assert!(has_password(&home));
    let others = set(&home, json!({ "delivery": relay("smtp.example.net") })).await;
    assert_eq!(others.unwrap_err().errors[0].field, "relay_password");
    assert!(has_password(&home));
    // The same relay comes back with the same password, another with none.
    let number = with_relay;
    home.submit(Change::RestoreRevision { number })
        .await
        .unwrap();
    assert!(has_password(&home));
    let number = before;
    home.submit(Change::RestoreRevision { number })
        .await
        .unwrap();
    assert!(!has_password(&home));
    let number = with_relay;
    home.submit(Change::RestoreRevision { number })
        .await
        .unwrap();
    assert!(home.config().mail.relay().is_some() && !has_password(&home));
    set(&home, json!({ "relay_password": RELAY_SECRET }))
        .await
        .unwrap();
    assert!(has_password(&home));
    set(&home, json!({ "delivery": { "mode": "receive_only" } }))
        .await
        .unwrap();
    assert!(!has_password(&home.restart().await));
}

#[tokio::test]
async fn change_that_is_taken_back_leaves_no_password_for_another_relay() {
    let home = Home::set_up().await;
    let before = home.revision();
    // A revision that is risky to go back to.
    home.settings(json!({ "vpn": { "subnet": "10.99.0.0/24", "subnet6": "fd00:1:2:3::/64" } }))
        .await
        .unwrap();
    home.core.revert(&Caller::local()).await.unwrap();
    let first = json!({ "delivery": relay("smtp.example.org"), "relay_password": RELAY_SECRET });
    set(&home, first).await.unwrap();
    let number = before + 1;
    let receipt = home.submit(Change::RestoreRevision { number }).await;
    assert!(receipt.unwrap().confirm.is_some());
    assert!(!has_password(&home), "it went with its relay");
    home.core.revert(&Caller::local()).await.unwrap();
    assert!(home.config().mail.relay().is_some() && !has_password(&home));
}

#[tokio::test]
async fn how_mail_leaves_the_box_wants_a_proven_password_and_the_rest_none() {
    let home = Home::set_up().await;
    let owner = home.sign_in(OWNER, PASSWORD).await.unwrap();
    home.let_pass(std::time::Duration::from_secs(15 * 60));
    let submit = async |sections| home.core.submit(&owner, settings(sections)).await;
    submit(json!({ "quota_mib": 100 })).await.unwrap();
    for sections in [
        json!({ "delivery": { "mode": "receive_only" } }),
        json!({ "delivery": relay("smtp.example.org"), "relay_password": RELAY_SECRET }),
    ] {
        let refused = submit(sections).await;
        assert_eq!(code(refused), (403, "reauthentication_required".into()));
    }
    home.core
        .submit(&owner, alias("info", &["anna"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn own_mail_is_told_to_who_has_some() {
    let home = super::groups::with_service("mail").await;
    add(&home, "ben").await.unwrap();
    let ben = home.sign_in("ben", PASSWORD).await.unwrap();
    put(&home, "info", &["ben", "anna"]).await.unwrap();
    set(
        &home,
        json!({ "catch_all": "ben", "delivery": { "mode": "receive_only" } }),
    )
    .await
    .unwrap();
    let own = ask(home.core.as_ref(), &ben, OwnMail).await.unwrap();
    assert_eq!(own.address, "ben@hut.cell");
    assert_eq!(own.aliases, ["info@hut.cell"]);
    assert!(own.catches_all && !own.can_send);
    let hosts = own.servers.iter();
    let hosts: Vec<String> = hosts
        .map(|server| format!("{}:{}", server.host, server.port))
        .collect();
    assert_eq!(
        hosts,
        [
            "mail.hut.cell:993",
            "mail.hut.cell:465",
            "mail.hut.cell:587"
        ]
    );
    let root = ask(home.core.as_ref(), &Caller::local(), OwnMail).await;
    assert_eq!(code(root), (404, "no_mail".into()));
    let without = Home::set_up().await;
    let owner = without.sign_in(OWNER, PASSWORD).await.unwrap();
    let none = ask(without.core.as_ref(), &owner, OwnMail).await;
    assert_eq!(code(none), (404, "no_mail".into()));
}
