//! `plan`, `config`, `confirm`, `revert`.

use cell_control::change::Change;
use cell_control::fake::Call;
use cell_control::query::Query;

use crate::daemon::{Daemon, Ran};

#[test]
fn plan_says_what_would_happen_and_changes_nothing() {
    let daemon = Daemon::ready();
    let ran = daemon.run_with("plan -", r#"{"dns":{"upstreams":[{"address":"9.9.9.9"}]}}"#);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (Some(0), "1. The name server is told.\n")
    );
    let Call::Preview(Change::Settings(update)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(update.dns.unwrap().upstreams[0].port, 53);
}

#[test]
fn shown_settings_can_be_applied() {
    let daemon = Daemon::ready();
    let shown = daemon.succeed("config show");
    let file = daemon.file("settings.json", &shown);
    daemon.control.take_calls();
    let text = daemon.succeed(&format!("config apply {}", file.display()));
    assert_eq!(text, "Stored as revision 7.\n");
    let Call::Submit(Change::Settings(update)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(update.revision, Some(7));
    assert_eq!(update.cell.unwrap().name.as_str(), "home");
}

#[test]
fn older_settings_are_asked_for_by_number() {
    let daemon = Daemon::ready();
    daemon.succeed("config show --revision 3");
    let Call::Snapshot(Query::Settings(question)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(question.revision, Some(3));
}

#[test]
fn risky_change_says_how_to_keep_it() {
    let daemon = Daemon::ready();
    daemon.control.hold_changes();
    let Ran { stdout, .. } = daemon.run_with("config apply -", "{}");
    assert!(
        stdout.contains("returns by itself in 90 s unless owner confirms it (cellctl confirm)"),
        "{stdout}"
    );
    assert_eq!(daemon.succeed("confirm"), "Revision 7 stays.\n");
    assert_eq!(
        daemon.succeed("revert"),
        "Taken back. Stored as revision 7.\n"
    );
}

#[test]
fn file_that_is_no_settings_is_refused_before_the_core_is_asked() {
    let daemon = Daemon::ready();
    for (text, said) in [
        ("{\"dnss\":{}}", "unknown field `dnss`"),
        ("{", "EOF"),
        ("", "EOF"),
        (
            "{\"cell\":{\"name\":\"-\",\"timezone\":\"UTC\"}}",
            "must start and end with",
        ),
    ] {
        let ran = daemon.run_with("config apply -", text);
        assert_eq!(ran.status, Some(1), "{text}");
        assert!(
            ran.stderr.starts_with("error: - is not right: "),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    let missing = daemon.run("config apply /nowhere/settings.json");
    assert_eq!(missing.status, Some(1));
    assert!(
        missing
            .stderr
            .starts_with("error: /nowhere/settings.json cannot be read: "),
        "{}",
        missing.stderr
    );
    assert!(daemon.control.take_calls().is_empty());
}
