//! Mail looked at: what is asked, what is kept of it, and when the box looks by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use cell_control::action::{Action, Outcome};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::mail::{MailCheckForm, MailFindingsView};
use cell_control::query::{DkimKeys, MailFindings};
use cell_mail_check::{Leaves, Report, Scope};
use cell_model::mail::{DkimKey, DkimSeen, DkimState, FindingState, MailFinding};
use cell_model::problem::Problem;

use super::departures::install;
use super::home::{Home, code};

async fn check(home: &Home, form: MailCheckForm) -> Result<MailFindingsView, Problem> {
    let caller = Caller::local();
    match home.core.act(&caller, Action::CheckMail(form)).await? {
        Outcome::MailChecked(view) => Ok(*view),
        other => panic!("{other:?}"),
    }
}

async fn findings(home: &Home) -> Result<MailFindingsView, Problem> {
    ask(home.core.as_ref(), &Caller::local(), MailFindings).await
}

async fn key(home: &Home) -> DkimKey {
    home.core.look_after_dkim().await.unwrap();
    let keys = ask(home.core.as_ref(), &Caller::local(), DkimKeys).await;
    keys.unwrap().items.remove(0)
}

fn report(key: &DkimKey, seen: DkimSeen, state: FindingState) -> Report {
    let finding = |id: String, state, action: &str| MailFinding {
        id,
        state,
        seen: "It was looked at.".to_owned(),
        action: action.to_owned(),
    };
    Report {
        findings: vec![
            finding("mx".to_owned(), FindingState::Failed, "Mend it."),
            finding(format!("dkim:{}", key.selector), state, ""),
        ],
        keys: BTreeMap::from([(key.selector.clone(), seen)]),
    }
}

#[tokio::test]
async fn without_mail_there_is_nothing_to_look_at() {
    let home = Home::set_up().await;
    let not_there = (404, "mail_not_installed".to_owned());
    assert_eq!(
        code(check(&home, MailCheckForm::default()).await),
        not_there
    );
    assert_eq!(code(findings(&home).await), not_there);
    home.core.look_for_dkim_keys().await.unwrap();
    assert!(home.mail_check.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn look_is_kept_and_moves_keys_on() {
    let home = Home::set_up().await;
    install(&home).await;
    let first = key(&home).await;
    assert_eq!(findings(&home).await.unwrap(), MailFindingsView::default());

    let seen = report(&first, DkimSeen::Right, FindingState::Ok);
    home.mail_check.see(seen.clone());
    let view = check(&home, MailCheckForm::default()).await.unwrap();
    assert_eq!(view.findings, seen.findings);
    assert!(view.checked_at.is_some());
    assert_eq!(findings(&home).await.unwrap(), view);
    assert_eq!(key(&home).await.state, DkimState::Published);
    let audit = home.audit();
    let noted = audit.iter().find(|record| record.action == "mail.check");
    assert_eq!(noted.unwrap().detail, "failed: mx");

    let asked = home.mail_check.asked().pop().unwrap();
    assert_eq!(asked.scope, Scope::Everything);
    assert_eq!(asked.host.as_str(), "mail.hut.cell");
    assert!(asked.authority.unwrap().contains("BEGIN CERTIFICATE"));
    let name = format!("{}._domainkey.hut.cell", first.selector);
    let mut records = asked.records.iter();
    assert!(records.any(|record| record.record.owner.to_string() == name));
    // The box's own name server knows what public DNS may not.
    let published = home.core.system.get().unwrap().published.borrow().clone();
    let dns = &published.spec.as_ref().unwrap().dns;
    assert_eq!(asked.name_servers, dns.upstreams);
    let Leaves::Direct { greeted, port, .. } = asked.leaves else {
        panic!("{:?}", asked.leaves);
    };
    assert_eq!((greeted.len(), port), (2, 25));
}

#[tokio::test(start_paused = true)]
async fn only_others_are_greeted_and_only_while_mail_is_brought_to_them() {
    let home = Home::set_up().await;
    install(&home).await;
    let greet = |domain: &str| MailCheckForm {
        greet: Some(domain.parse().unwrap()),
    };
    let refused = (400, "invalid_field".to_owned());
    for own in ["hut.cell", "mail.hut.cell", "nas.lan"] {
        assert_eq!(code(check(&home, greet(own)).await), refused, "{own}");
    }
    let change =
        super::mail::settings(serde_json::json!({ "delivery": { "mode": "receive_only" } }));
    home.submit(change).await.unwrap();
    assert_eq!(code(check(&home, greet("friends.example")).await), refused);
    assert!(home.mail_check.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn owner_says_who_is_greeted() {
    let home = Home::set_up().await;
    install(&home).await;
    let greet = Some("friends.example".parse().unwrap());
    check(
        &home,
        MailCheckForm {
            greet: greet.clone(),
        },
    )
    .await
    .unwrap();
    let asked = home.mail_check.asked().pop().unwrap();
    let Leaves::Direct { greeted, .. } = asked.leaves else {
        panic!("{:?}", asked.leaves);
    };
    assert_eq!(greeted, Vec::from_iter(greet));
}

#[tokio::test(start_paused = true)]
async fn look_that_fails_leaves_what_was_found() {
    let home = Home::set_up().await;
    install(&home).await;
    let view = check(&home, MailCheckForm::default()).await.unwrap();
    home.mail_check.go_away(true);
    assert_eq!(
        code(check(&home, MailCheckForm::default()).await),
        (503, "mail_not_checked".to_owned())
    );
    assert_eq!(findings(&home).await.unwrap(), view);
}

#[tokio::test(start_paused = true)]
async fn one_look_at_a_time() {
    let home = Home::set_up().await;
    install(&home).await;
    let _under_way = home.core.mail_look.under_way.lock().await;
    assert_eq!(
        code(check(&home, MailCheckForm::default()).await),
        (409, "mail_check_running".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn box_looks_by_itself_while_a_key_waits_and_for_keys_only() {
    let home = Home::set_up().await;
    install(&home).await;
    let first = key(&home).await;
    home.mail_check
        .see(report(&first, DkimSeen::Wrong, FindingState::Failed));
    check(&home, MailCheckForm::default()).await.unwrap();
    let looks = || home.mail_check.asked().len();
    assert_eq!(looks(), 1);

    let mut later = report(&first, DkimSeen::Right, FindingState::Ok);
    later.findings.remove(0);
    home.mail_check.see(later);
    tokio::time::sleep(Duration::from_secs(3_700)).await;
    assert_eq!(looks(), 2);
    assert_eq!(home.mail_check.asked()[1].scope, Scope::Keys);
    assert_eq!(key(&home).await.state, DkimState::Published);
    let found = findings(&home).await.unwrap().findings;
    let states: Vec<FindingState> = found.iter().map(|finding| finding.state).collect();
    assert_eq!(states, [FindingState::Failed, FindingState::Ok]);

    // Once it signs, nobody is asked any more.
    let selector = first.selector;
    let sign = Action::SignWithDkimKey { selector };
    home.core.act(&Caller::local(), sign).await.unwrap();
    let before = looks();
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    assert_eq!(looks(), before);
}
