//! Revisions, audit, accounts, parts, logs.

use cell_control::action::{Action, LogLevel};
use cell_control::change::Change;
use cell_control::fake::Call;
use cell_control::query::Query;
use cell_model::status::Part;

use crate::daemon::Daemon;

#[test]
fn revisions_are_listed_compared_and_restored() {
    let daemon = Daemon::ready();
    assert_eq!(
        daemon.succeed("revisions list"),
        "NUMBER  TIME                  ACTOR  CHANGES  SUMMARY\n     \
         7  2026-11-18T11:06:40Z  owner        1  Added device anna-phone\n"
    );
    daemon.control.take_calls();
    let diff = daemon.succeed("revisions diff 7");
    assert!(
        diff.contains("+ cell.timezone = \"Europe/Vienna\"\n"),
        "{diff}"
    );
    let Call::Snapshot(Query::Diff(question)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!((question.from, question.to), (6, 7));
    daemon.succeed("revisions restore 3");
    assert!(matches!(
        daemon.only_call(),
        Call::Submit(Change::RestoreRevision { number: 3 })
    ));
}

#[test]
fn list_is_fetched_in_pages_of_a_thousand() {
    let daemon = Daemon::ready();
    for (arguments, limit) in [("", 1_000), (" --limit 7", 7), (" --limit 5000", 1_000)] {
        daemon.succeed(&format!("accounts list{arguments}"));
        let Call::Snapshot(Query::Accounts(question)) = daemon.only_call() else {
            panic!("another call");
        };
        assert_eq!((question.range.limit, question.range.cursor), (limit, None));
    }
}

#[test]
fn audit_is_exported_for_spreadsheets() {
    let daemon = Daemon::ready();
    let text = daemon.succeed("audit export --actor anna --action peer --object anna-phone");
    assert_eq!(
        text,
        "number,time,actor,role,address,action,object,outcome,detail\r\n\
         \"12\",\"2026-11-18T11:06:40Z\",\"owner\",\"owner\",\"192.168.1.20\",\"peer.add\",\"anna-phone\",\"ok\",\
         \"'=full tunnel, \"\"all\"\" services\"\r\n"
    );
    let Call::Snapshot(Query::Audit(question)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(question.actor.unwrap().as_str(), "anna");
    assert_eq!(question.action.as_deref(), Some("peer"));
    assert_eq!(question.object.as_deref(), Some("anna-phone"));
    assert_eq!(
        daemon.succeed("audit verify"),
        "The chain holds: 12 records.\n"
    );
}

#[test]
fn parts_are_tested_and_restarted() {
    let daemon = Daemon::ready();
    assert_eq!(
        daemon.succeed("parts test dns"),
        "It works.\n  It answers.\n"
    );
    assert_eq!(daemon.succeed("parts restart web"), "web starts anew.\n");
    let calls = daemon.control.take_calls();
    assert!(matches!(
        calls[1].1,
        Call::Act(Action::RestartPart { part: Part::Web })
    ));
    let unknown = daemon.run("parts show mail");
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.stderr.contains("firewall"), "{}", unknown.stderr);
}

#[test]
fn log_is_filtered_by_the_core() {
    let daemon = Daemon::ready();
    let text = daemon.succeed("logs --part dns --level warn --search zone --limit 5");
    assert_eq!(
        text,
        "2026-11-18T11:06:40Z  info  dns  the zone is in service\n"
    );
    let Call::Snapshot(Query::Logs(question)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!((question.limit, question.part), (5, Some(Part::Dns)));
    assert_eq!(question.level, Some(LogLevel::Warn));
    assert_eq!(question.text.as_deref(), Some("zone"));
    assert_eq!(daemon.run("logs --limit 1001").status, Some(2));
}

#[test]
fn verbosity_is_set_and_shown() {
    let daemon = Daemon::ready();
    let text = daemon.succeed("verbosity debug --part dns");
    assert_eq!(text, "PART     LEVEL\ndefault  info\ndns      debug\n");
    let calls = daemon.control.take_calls();
    let Call::Act(Action::SetVerbosity(set)) = &calls[0].1 else {
        panic!("another call: {calls:?}");
    };
    assert_eq!((set.part, set.level), (Some(Part::Dns), LogLevel::Debug));
    assert_eq!(daemon.run("verbosity --part dns").status, Some(2));
}
