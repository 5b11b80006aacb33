//! Invites, access, tokens and passkeys.

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::fake::{Call, FakeControl};
use cell_control::query::Query;
use cell_model::account::Role;

use crate::daemon::Daemon;

fn act(daemon: &Daemon) -> Action {
    match daemon.only_call() {
        Call::Act(action) => action,
        other => panic!("{other:?}"),
    }
}

#[test]
fn code_of_an_invite_stands_alone_on_standard_output() {
    let daemon = Daemon::ready();
    let ran = daemon.run("accounts invite ben --role helper --hours 2");
    let shown = format!("{}\n", FakeControl::INVITE);
    assert_eq!((ran.status, ran.stdout), (Some(0), shown));
    assert!(
        ran.stderr
            .starts_with("ben enters it at https://BOX/invite until ")
    );
    let Action::Invite(form) = act(&daemon) else {
        panic!("another act");
    };
    assert_eq!((form.role, form.expires_in_s), (Role::Helper, Some(7200)));
    for wrong in [
        "accounts invite",
        "accounts invite ben --hours 0",
        "accounts invite ben --hours 721",
        "accounts invite ben --until tomorrow",
        "accounts change ben",
    ] {
        assert_eq!(daemon.run(wrong).status, Some(2), "{wrong}");
    }
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn invites_are_listed_and_taken_back() {
    let daemon = Daemon::ready();
    assert_eq!(
        daemon.succeed("accounts invites"),
        "ID    USERNAME  ROLE    INVITED BY  COUNTS UNTIL\n\
         0f0f  member    member  owner       2026-11-18T11:06:40Z\n"
    );
    daemon.only_call();
    daemon.succeed("accounts revoke-invite 0f0f");
    assert!(matches!(act(&daemon), Action::RevokeInvite { id } if id == "0f0f"));
}

#[test]
fn access_changes_as_far_as_it_is_said() {
    let daemon = Daemon::ready();
    daemon.succeed("accounts change ben --until never");
    let Action::ChangeAccount { update, .. } = act(&daemon) else {
        panic!("another act");
    };
    assert_eq!((update.role, update.access_until), (None, Some(None)));
    daemon.succeed("accounts change ben --role admin");
    let Action::ChangeAccount { update, .. } = act(&daemon) else {
        panic!("another act");
    };
    assert_eq!(
        (update.role, update.access_until),
        (Some(Role::Admin), None)
    );
}

#[test]
fn what_lets_somebody_in_is_listed_and_removed() {
    let daemon = Daemon::ready();
    let tokens = daemon.succeed("tokens list ben");
    assert!(tokens.contains("backup  peers:read"), "{tokens}");
    let Call::Snapshot(Query::ApiTokens(question)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(question.username.unwrap().as_str(), "ben");
    daemon.succeed("tokens remove 0f0f");
    assert!(matches!(act(&daemon), Action::RemoveApiToken { id } if id == "0f0f"));
    let passkeys = daemon.succeed("passkeys list ben");
    assert!(passkeys.contains("admin.home.cell"), "{passkeys}");
    daemon.only_call();
    daemon.succeed("passkeys remove 0f0f");
    assert!(matches!(act(&daemon), Action::RemovePasskey { id } if id == "0f0f"));
}

#[test]
fn cells_are_invited_linked_and_given_services() {
    let daemon = Daemon::ready();
    let listed = daemon.succeed("cells list");
    assert!(
        listed.contains("cabin.cell") && listed.contains("linked"),
        "{listed}"
    );
    daemon.only_call();
    let invite = daemon.succeed("cells invite --auto-accept --expires-in 600");
    assert!(invite.starts_with("{\"cell\":"), "{invite}");
    assert!(
        matches!(act(&daemon), Action::InviteCell(form) if form.auto_accept && form.expires_in_s == Some(600))
    );
    daemon.succeed("cells confirm cabin 123456");
    assert!(matches!(act(&daemon), Action::ConfirmLink { name, .. } if name.as_str() == "cabin"));
    daemon.succeed("cells share cabin calendar,files");
    let Call::Submit(Change::ChangeLink { update, .. }) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(update.services.unwrap().len(), 2);
    daemon.succeed("cells pause cabin");
    let Call::Submit(Change::ChangeLink { update, .. }) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!((update.services, update.paused), (None, Some(true)));
    daemon.succeed("cells offer-exit cabin");
    let Call::Submit(Change::ChangeLink { update, .. }) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!((update.paused, update.offers_exit), (None, Some(true)));
    daemon.succeed("cells accept cabin");
    assert!(matches!(act(&daemon), Action::AcceptLink { name } if name.as_str() == "cabin"));
}

#[test]
fn groups_are_listed_set_and_given_services() {
    let daemon = Daemon::ready();
    assert_eq!(
        daemon.succeed("groups list"),
        "NAME    MEMBERS        SERVICES\n\
         family  member, owner  files\n"
    );
    daemon.only_call();
    daemon.succeed("groups set family anna,ben");
    let Call::Submit(Change::PutGroup { members, .. }) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(members.len(), 2);
    for (arguments, expected) in [("", None), (" family,guests", Some(2))] {
        daemon.succeed(&format!("services allow files{arguments}"));
        let Call::Submit(Change::ChangeService { update, .. }) = daemon.only_call() else {
            panic!("another call");
        };
        let groups = update.groups.unwrap();
        assert_eq!(groups.map(|groups| groups.len()), expected);
    }
}

#[test]
fn ways_out_are_listed_added_from_a_file_and_given_to_devices() {
    let daemon = Daemon::ready();
    let listed = daemon.succeed("exits list");
    assert!(
        listed.contains("socks5 proxy proxy.example.org port 1080"),
        "{listed}"
    );
    daemon.only_call();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.json");
    let form = r#"{"type":"proxy","name":"Work","config":{"scheme":"http","host":"192.0.2.7","port":3128}}"#;
    std::fs::write(&file, form).unwrap();
    daemon.succeed(&format!("exits add {}", file.display()));
    assert!(matches!(
        daemon.only_call(),
        Call::Submit(Change::AddConnection(_))
    ));
    let id = "6f1c7c9e-7a0b-4b52-9b0a-0d4a2f6f2f11";
    let shown = daemon.succeed(&format!("exits show {id}"));
    assert!(shown.contains("0x1000") && shown.contains("TCP"), "{shown}");
    daemon.only_call();
    daemon.succeed(&format!("exits change {id} {}", file.display()));
    assert!(matches!(
        daemon.only_call(),
        Call::Submit(Change::PutConnection { .. })
    ));
    daemon.succeed(&format!("exits remove {id}"));
    assert!(matches!(
        daemon.only_call(),
        Call::Submit(Change::RemoveConnection { .. })
    ));
    for (words, exit, failopen) in [
        (format!("--exit {id}"), Some(Some(id)), None),
        (
            "--exit uplink --fail-open yes".to_owned(),
            Some(None),
            Some(Some(true)),
        ),
        ("--fail-open usual".to_owned(), None, Some(None)),
    ] {
        daemon.succeed(&format!("peers change phone {words}"));
        let Call::Submit(Change::ChangePeer { update, .. }) = daemon.only_call() else {
            panic!("another call");
        };
        let asked = update
            .exit_connection_id
            .map(|id| id.map(|id| id.to_string()));
        assert_eq!(asked, exit.map(|id| id.map(str::to_owned)));
        assert_eq!(update.failopen, failopen);
    }
}
