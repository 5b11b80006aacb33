//! Mail of the box's domain.

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::fake::Call;
use cell_control::mail::MailUpdate;
use cell_model::config::DeliveryConfig;

use crate::daemon::Daemon;

fn update(daemon: &Daemon) -> MailUpdate {
    let Call::Submit(Change::Mail(update)) = daemon.only_call() else {
        panic!("another call");
    };
    *update
}

#[test]
fn settings_and_addresses_are_shown() {
    let daemon = Daemon::ready();
    let shown = daemon.succeed("mail show");
    for told in [
        "home.cell",
        "through smtp.example.net:587 as home@example.net",
        "2048 MiB",
        "member 4096 MiB",
        "abuse, postmaster",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert_eq!(
        daemon.succeed("mail aliases"),
        "ADDRESS         FOR\n\
         info@home.cell  member, friend@example.org\n"
    );
    let zone = daemon.succeed("mail records");
    assert!(
        zone.ends_with("home.cell. 3600 IN MX 10 mail.home.cell.\n"),
        "{zone}"
    );
}

#[test]
fn settings_are_changed_one_at_a_time() {
    let daemon = Daemon::ready();
    for (arguments, expected) in [(" --nobody", None), (" anna", Some("anna"))] {
        daemon.succeed(&format!("mail catch-all{arguments}"));
        let catch_all = update(&daemon).catch_all.unwrap();
        assert_eq!(catch_all.as_ref().map(|name| name.as_str()), expected);
    }
    daemon.succeed("mail room 4096 --everybody");
    let changed = update(&daemon);
    assert_eq!((changed.quota_mib, changed.quotas.len()), (Some(4_096), 0));
    for (arguments, expected) in [("room 8192 anna", Some(8_192)), ("usual-room anna", None)] {
        daemon.succeed(&format!("mail {arguments}"));
        let changed = update(&daemon);
        assert_eq!(changed.quota_mib, None);
        assert_eq!(changed.quotas[&"anna".parse().unwrap()], expected);
    }
    for incomplete in [
        "mail catch-all",
        "mail room 4096",
        "mail room 4096 anna --everybody",
    ] {
        assert_eq!(daemon.run(incomplete).status, Some(2), "{incomplete}");
    }
    daemon.succeed("mail alias family anna,ben,friend@example.net");
    let Call::Submit(Change::PutMailAlias { targets, .. }) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(targets.len(), 3);
    daemon.succeed("mail remove-alias family");
    assert!(matches!(
        daemon.only_call(),
        Call::Submit(Change::RemoveMailAlias { .. })
    ));
}

#[test]
fn password_of_a_provider_is_read_and_never_an_argument() {
    let daemon = Daemon::ready();
    let ran = daemon.run_with(
        "mail deliver relay smtp.example.net --port 465 --username hut@example.net",
        "an old dry well\n",
    );
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let changed = update(&daemon);
    let Some(DeliveryConfig::Relay(relay)) = changed.delivery else {
        panic!("another way");
    };
    assert_eq!((relay.host.as_str(), relay.port), ("smtp.example.net", 465));
    assert_eq!(changed.relay_password.unwrap().expose(), "an old dry well");
    // Nobody to sign in as, and nothing to read.
    daemon.succeed("mail deliver relay smtp.example.net");
    assert_eq!(update(&daemon).relay_password, None);
    daemon.succeed("mail deliver receive-only");
    assert_eq!(update(&daemon).delivery, Some(DeliveryConfig::ReceiveOnly));
    let missing = daemon.run_with("mail deliver relay smtp.example.net --username a", "");
    assert_eq!(missing.status, Some(1));
    assert!(missing.stderr.contains("is missing"), "{}", missing.stderr);
}

#[test]
fn keys_are_made_and_taken_into_use() {
    let daemon = Daemon::ready();
    let listed = daemon.succeed("mail keys");
    assert!(listed.contains("c202611   home.cell"), "{listed}");
    daemon.only_call();
    daemon.succeed("mail add-key");
    assert!(matches!(daemon.only_call(), Call::Act(Action::AddDkimKey)));
    daemon.succeed("mail sign c202611");
    assert!(matches!(
        daemon.only_call(),
        Call::Act(Action::SignWithDkimKey { .. })
    ));
}

#[test]
fn findings_say_what_to_do() {
    let daemon = Daemon::ready();
    let found = daemon.succeed("mail check --greet example.net");
    for told in ["dkim:c202611", "failed", "Copy the record"] {
        assert!(found.contains(told), "{told}: {found}");
    }
    let Call::Act(Action::CheckMail(form)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(form.greet.unwrap().as_str(), "example.net");
    assert_eq!(daemon.succeed("mail findings"), found);
}
