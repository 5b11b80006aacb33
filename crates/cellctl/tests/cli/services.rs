//! Services, the store and its sources.

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::fake::Call;

use crate::daemon::Daemon;

#[test]
fn store_and_sources_are_listed() {
    let daemon = Daemon::ready();
    assert_eq!(
        daemon.succeed("store list"),
        "SERVICE  VERSION  RELEASE  INSTALLED  FROM     WHAT IT IS\n\
         files    1.2            3          3  the box  Your files on all your devices\n"
    );
    let listed = "SOURCE   STATE  ASKED                 VERSION  ENDS                  SERVICES  DETAIL\n\
                  friends  ok     2026-11-18T11:06:40Z        3  2026-11-18T11:06:40Z         2  It was taken.\n";
    assert_eq!(daemon.succeed("sources list"), listed);
    daemon.control.take_calls();
    assert_eq!(daemon.succeed("sources refresh"), listed);
    let call = daemon.only_call();
    assert!(matches!(call, Call::Act(Action::RefreshStore)), "{call:?}");
    let json: serde_json::Value =
        serde_json::from_str(&daemon.succeed("--json sources list")).unwrap();
    assert_eq!(json["items"][0]["source"], "friends");
}

#[test]
fn services_are_listed_with_what_they_use_and_have_left() {
    let daemon = Daemon::ready();
    let listed = daemon.succeed("services list");
    assert!(
        listed.starts_with("SERVICE  VERSION  NEWER  STATE"),
        "{listed}"
    );
    assert!(listed.contains("files    1.2      1.3    ok"), "{listed}");
    let shown = daemon.succeed("services show files");
    assert!(shown.contains("keeps:          3.0 GiB"), "{shown}");
    assert_eq!(
        daemon.succeed("services usage"),
        "SERVICE  CONTAINER    MEMORY       MOST  PROCESSOR  MOST  PROCESSES  MOST     DATA\n\
         files    web        12.0 MiB  128.0 MiB        3 %  50 %          4    32  3.0 GiB\n"
    );
    assert_eq!(
        daemon.succeed("services kept"),
        "SERVICE  NAME       DATA\nphotos   Photos  5.0 GiB\n"
    );
    assert_eq!(
        daemon.succeed("services logs files --limit 5"),
        "2026-11-18T11:06:40Z  web  listening on port 8080\n"
    );
    assert_eq!(daemon.run("services logs files --limit 0").status, Some(2));
    assert_eq!(daemon.run("services show Files").status, Some(2));
}

#[test]
fn services_are_changed() {
    let daemon = Daemon::ready();
    for (command, expected) in [
        ("store install files", "InstallService"),
        ("store install files --set keep_free_gib=5", "Number(5)"),
        ("services set files log=true name=", "Some(Switch(true))"),
        ("services publish files", "published: Some(true)"),
        ("services unpublish files", "published: Some(false)"),
        ("services update files", "UpdateService"),
        ("services stop files", "enabled: Some(false)"),
        ("services start files", "enabled: Some(true)"),
        ("services remove files", "delete_data: false"),
        ("services remove files --delete-data", "delete_data: true"),
    ] {
        assert_eq!(daemon.succeed(command), "Stored as revision 7.\n");
        let call = daemon.only_call();
        assert!(matches!(
            call,
            Call::Submit(
                Change::InstallService(_)
                    | Change::UpdateService { .. }
                    | Change::ChangeService { .. }
                    | Change::RemoveService { .. }
            )
        ));
        assert!(
            format!("{call:?}").contains(expected),
            "{command}: {call:?}"
        );
    }
    assert_eq!(daemon.run("services set files").status, Some(2));
    assert_eq!(daemon.run("services set files log").status, Some(2));
    assert_eq!(
        daemon.succeed("services restart files"),
        "files starts anew.\n"
    );
    let call = daemon.only_call();
    assert!(
        matches!(call, Call::Act(Action::RestartService { .. })),
        "{call:?}"
    );
}
