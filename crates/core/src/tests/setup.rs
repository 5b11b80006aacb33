use cell_control::action::Action;
use cell_control::caller::Caller;
use cell_control::change::Change;
use cell_control::query::{Query, Setup, Status};
use cell_model::secret::Secret;

use super::home::{Home, OWNER, PASSWORD, code, stranger};

#[tokio::test]
async fn nothing_but_setup_answers_before_it() {
    let home = Home::new();
    let asked = home.core.snapshot(&stranger(), Query::Status(Status)).await;
    assert_eq!(code(asked), (428, "setup_required".into()));
    assert_eq!(
        code(home.sign_in(OWNER, PASSWORD).await),
        (428, "setup_required".into())
    );
    let change = Change::RestoreRevision { number: 0 };
    assert_eq!(code(home.submit(change).await).0, 428);
    let view = home.core.snapshot(&stranger(), Query::Setup(Setup)).await;
    assert!(view.is_ok());
}

#[tokio::test]
async fn wrong_code_sets_nothing_up() {
    let home = Home::new();
    let wrong = home.setup_form_with("AAAAAAAA");
    let refused = home.core.submit(&stranger(), wrong).await;
    assert_eq!(code(refused), (403, "wrong_setup_code".into()));
    assert_eq!(home.core.desired().borrow().revision, 0);
    let records = home.audit();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].action, "setup.complete");
    assert_eq!(records[0].outcome.as_str(), "refused");
    assert_eq!(records[0].address, stranger().address);
    // The right one still works.
    home.core
        .submit(&stranger(), home.setup_form())
        .await
        .unwrap();
}

#[tokio::test]
async fn ten_wrong_codes_bring_another_and_a_pause() {
    let home = Home::new();
    let first = home.setup_code();
    let attempt = |code: &str| Action::CheckSetupCode {
        setup_code: Secret::new(code.to_owned()),
    };
    for _ in 0..9 {
        let tried = home.core.act(&stranger(), attempt("AAAAAAAA")).await;
        assert_eq!(code(tried), (403, "wrong_setup_code".into()));
    }
    let tenth = home.core.act(&stranger(), attempt("AAAAAAAA")).await;
    let tenth = tenth.unwrap_err();
    assert_eq!((tenth.status, tenth.retry_after), (429, Some(600)));
    assert_ne!(home.setup_code(), first);
    let right = home
        .core
        .act(&stranger(), attempt(&home.setup_code()))
        .await;
    assert_eq!(code(right), (429, "setup_paused".into()));
    assert_eq!(code(home.submit(home.setup_form()).await).0, 429);
    assert!((1..=600).contains(&home.core.setup_view().paused_s.unwrap()));
}

#[tokio::test]
async fn setup_happens_once() {
    let home = Home::new();
    let form = home.setup_form();
    assert_eq!(home.submit(form.clone()).await.unwrap().revision, 1);
    assert_eq!(
        code(home.submit(form).await),
        (410, "setup_complete".into())
    );
    let tried = Action::CheckSetupCode {
        setup_code: Secret::new("AAAAAAAA".to_owned()),
    };
    assert_eq!(code(home.core.act(&stranger(), tried).await).0, 410);
    assert!(!home.runtime().join("setup-code").exists());
    assert!(home.core.setup_view().complete);
}

#[tokio::test]
async fn two_setups_at_once_make_one_box() {
    let home = Home::new();
    let (one, other) = tokio::join!(
        home.submit(home.setup_form()),
        home.submit(home.setup_form())
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
    assert_eq!(home.revision(), 1);
}

#[tokio::test]
async fn everything_of_the_setup_is_there_after_a_restart() {
    let home = Home::set_up().await;
    let (config, keys) = (home.config(), home.core.desired.borrow().keys.clone());
    let root = home.core.vault.root().unwrap().fingerprint();
    std::fs::write(home.runtime().join("setup-code"), "left over").unwrap();

    let home = home.restart().await;
    assert_eq!(home.config(), config);
    assert_eq!(home.core.desired.borrow().keys, keys);
    assert_eq!(home.core.vault.root().unwrap().fingerprint(), root);
    assert!(!home.runtime().join("setup-code").exists());
    assert!(home.sign_in(OWNER, PASSWORD).await.is_ok());
    let setup = &home.audit()[0];
    assert_eq!(setup.action, "setup.complete");
    assert_eq!(setup.actor.as_ref().unwrap().as_str(), OWNER);
}

#[tokio::test]
async fn form_that_cannot_work_leaves_the_code_in_force() {
    let home = Home::new();
    for (field, value, status) in [
        ("admin_password", "short", 400),
        ("admin_username", "root@console", 400),
        ("vpn_subnet", "192.168.77.0/24", 409),
    ] {
        let Change::SetUp(form) = home.setup_form() else {
            panic!("a setup form");
        };
        let mut json = serde_json::to_value(&form).unwrap();
        json[field] = value.into();
        let form = Box::new(serde_json::from_value(json).unwrap());
        let refused = home
            .core
            .submit(&Caller::local(), Change::SetUp(form))
            .await;
        assert_eq!(code(refused).0, status, "{field}");
    }
    assert!(home.submit(home.setup_form()).await.is_ok());
}
