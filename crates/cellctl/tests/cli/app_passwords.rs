//! App passwords.

use cell_control::action::Action;
use cell_control::fake::{Call, FakeControl};
use cell_control::query::Query;

use crate::daemon::Daemon;

#[test]
fn new_app_password_stands_alone_on_standard_output() {
    let daemon = Daemon::ready();
    let ran = daemon.run("app-passwords add Anna phone --services dav,files");
    let shown = format!("{}\n", FakeControl::APP_PASSWORD);
    assert_eq!((ran.status, ran.stdout), (Some(0), shown));
    assert_eq!(
        ran.stderr,
        "phone signs in to services as anna with it. The box does not keep it.\n"
    );
    let Call::Act(Action::AddAppPassword(form)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(form.device.as_str(), "phone");
    assert_eq!(form.username.unwrap().as_str(), "anna");
    assert_eq!(form.services.unwrap().len(), 2);
}

#[test]
fn app_passwords_are_listed_and_removed() {
    let daemon = Daemon::ready();
    assert_eq!(
        daemon.succeed("app-passwords list anna"),
        "ID    USERNAME  DEVICE        SERVICES  CREATED               LAST USED\n\
         0f0f  anna      Anna's phone  all       2026-11-18T11:06:40Z  2026-11-18\n"
    );
    let Call::Snapshot(Query::AppPasswords(question)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(question.username.unwrap().as_str(), "anna");
    let said = daemon.succeed("app-passwords remove 0f0f");
    assert_eq!(said, "The app password 0f0f is removed.\n");
    let Call::Act(Action::RemoveAppPassword { id }) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(id, "0f0f");
}

#[test]
fn what_cannot_be_a_device_or_a_service_never_reaches_the_daemon() {
    let daemon = Daemon::ready();
    for wrong in [
        "app-passwords add anna",
        "app-passwords add anna <b>",
        "app-passwords add anna phone --services DAV",
        "app-passwords add anna phone --services=",
    ] {
        assert_eq!(daemon.run(wrong).status, Some(2), "{wrong}");
    }
    assert!(daemon.control.take_calls().is_empty());
}
