//! Keys that mail is signed with: made by themselves, shown, taken into use, destroyed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cell_control::action::{Action, Outcome};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::query::{DkimKeys, MailRecords};
use cell_model::mail::{DkimKey, DkimSeen, DkimState, MailPurpose};
use cell_model::name::DnsLabel;
use cell_model::problem::Problem;

use super::departures::install;
use super::home::{Home, code};

/// How often is looked for something before it is given up.
const LOOKS: usize = 3_000;

async fn keys(home: &Home) -> Vec<DkimKey> {
    let keys = ask(home.core.as_ref(), &Caller::local(), DkimKeys).await;
    keys.unwrap().items
}

async fn first_key(home: &Home) -> DkimKey {
    for _ in 0..LOOKS {
        if let Some(key) = keys(home).await.pop() {
            return key;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no key was made");
}

async fn act(home: &Home, action: Action) -> Result<Outcome, Problem> {
    home.core.act(&Caller::local(), action).await
}

async fn sign_with(home: &Home, selector: &DnsLabel) -> Result<Outcome, Problem> {
    let selector = selector.clone();
    act(home, Action::SignWithDkimKey { selector }).await
}

fn states(keys: &[DkimKey]) -> Vec<DkimState> {
    keys.iter().map(|key| key.state).collect()
}

/// What the mail service is handed: what there is to sign with, and what is signed with.
fn handed(home: &Home) -> (Vec<String>, Option<String>) {
    let published = home.core.system.get().unwrap().published.borrow().clone();
    let mail = &published.spec.as_ref().unwrap().containers.mail;
    let signing = mail.signing.as_ref().map(|(_, selector)| selector.clone());
    (mail.dkim.keys().cloned().collect(), signing)
}

async fn until_handed(home: &Home, wanted: (Vec<String>, Option<String>)) {
    for _ in 0..LOOKS {
        if handed(home) == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("handed is {:?}, not {wanted:?}", handed(home));
}

#[tokio::test]
async fn without_mail_there_are_no_keys() {
    let home = Home::set_up().await;
    home.core.look_after_dkim().await.unwrap();
    assert!(keys(&home).await.is_empty());
    assert_eq!(
        code(act(&home, Action::AddDkimKey).await),
        (404, "mail_not_installed".to_owned())
    );
    let records = ask(home.core.as_ref(), &Caller::local(), MailRecords).await;
    assert_eq!(code(records), (404, "mail_not_installed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn keys_come_sign_and_go() {
    let home = Home::set_up().await;
    install(&home).await;
    let first = first_key(&home).await;
    assert_eq!(first.state, DkimState::Made);
    let name = first.selector.to_string();
    until_handed(&home, (vec![name.clone()], None)).await;

    let shown = ask(home.core.as_ref(), &Caller::local(), MailRecords).await;
    let shown = shown.unwrap();
    let record = shown
        .records
        .iter()
        .find(|record| record.purpose == MailPurpose::Dkim)
        .unwrap();
    assert_eq!(record.name, format!("{name}._domainkey.hut.cell"));
    assert!(
        record.value.contains(&first.public[..60]),
        "{}",
        record.value
    );
    assert!(shown.zone.contains(&record.value));

    // One at a time, and what does not exist cannot sign.
    assert_eq!(
        code(act(&home, Action::AddDkimKey).await),
        (409, "dkim_key_waits".to_owned())
    );
    let unknown = "c190001".parse().unwrap();
    assert_eq!(
        code(sign_with(&home, &unknown).await),
        (404, "not_found".to_owned())
    );

    // Seen in public DNS, it rests; whoever knows better need not wait.
    let seen = BTreeMap::from([(first.selector.clone(), DkimSeen::Right)]);
    home.core.advance_dkim(&seen).await.unwrap();
    assert_eq!(states(&keys(&home).await), [DkimState::Published]);
    sign_with(&home, &first.selector).await.unwrap();
    assert_eq!(states(&keys(&home).await), [DkimState::Signing]);
    until_handed(&home, (vec![name.clone()], Some(name.clone()))).await;

    // The next takes over, and the first can sign nothing any more.
    let made = act(&home, Action::AddDkimKey).await.unwrap();
    let Outcome::DkimKeyAdded(second) = made else {
        panic!("no key: {made:?}");
    };
    sign_with(&home, &second.selector).await.unwrap();
    for (selector, state) in [
        (&first.selector, DkimState::Retiring),
        (&second.selector, DkimState::Signing),
    ] {
        let keys = keys(&home).await;
        let key = keys.iter().find(|key| key.selector == *selector);
        assert_eq!(key.map(|key| key.state), Some(state));
    }
    let next = second.selector.to_string();
    until_handed(&home, (vec![next.clone()], Some(next.clone()))).await;
    assert_eq!(
        home.core.store.secret(&format!("dkim/{name}")).unwrap(),
        None
    );
    assert_eq!(
        code(sign_with(&home, &first.selector).await),
        (409, "dkim_key_over".to_owned())
    );

    // All of it is there after a restart.
    let (private, present) = {
        let desired = home.core.desired.borrow();
        (desired.keys.dkim_private.clone(), desired.keys.dkim.clone())
    };
    let opened = crate::dkim::open(&home.core.store, &home.core.sealer).unwrap();
    assert_eq!(opened.1, private);
    let selectors = |keys: &[DkimKey]| -> BTreeSet<DnsLabel> {
        keys.iter().map(|key| key.selector.clone()).collect()
    };
    assert_eq!(selectors(&opened.0), selectors(&present));
    assert!(opened.1.contains_key(&second.selector));
}

#[tokio::test(start_paused = true)]
async fn domain_that_is_tried_takes_no_key_away() {
    let home = Home::set_up().await;
    install(&home).await;
    let key = first_key(&home).await;
    sign_with(&home, &key.selector).await.unwrap();
    let rename = |name: &str| {
        home.core.desired.send_modify(|desired| {
            let config = desired.config.as_mut().map(Arc::make_mut).unwrap();
            config.domain.name = name.parse().unwrap();
        });
    };

    // Another domain has another key, and the one of before is neither shown nor handed to anybody.
    rename("cabin.cell");
    let other = first_key(&home).await;
    assert_eq!(other.domain.as_str(), "cabin.cell");
    assert_ne!(other.selector, key.selector);
    until_handed(&home, (vec![other.selector.to_string()], None)).await;

    // Whoever comes back has theirs again.
    rename("hut.cell");
    let name = key.selector.to_string();
    until_handed(&home, (vec![name.clone()], Some(name))).await;
    assert_eq!(states(&keys(&home).await), [DkimState::Signing]);
}
