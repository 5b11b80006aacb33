//! `--json`, wherever it stands.

use cell_control::change::{Preview, Receipt};
use cell_control::view::{Page, PartView, PeerView};
use serde_json::Value;

use crate::daemon::Daemon;

#[test]
fn every_command_answers_one_document() {
    let daemon = Daemon::ready();
    let settings = daemon.file("settings.json", "{}");
    let settings = settings.display();
    for command in [
        "status",
        &format!("plan {settings}"),
        "config show",
        &format!("config apply {settings}"),
        "confirm",
        "revert",
        "peers list",
        "peers show anna",
        "peers add anna",
        "peers change anna --split",
        "peers remove anna",
        "peers rekey anna",
        "peers file anna",
        "wireguard",
        "network",
        "certificate",
        "revisions list",
        "revisions show 7",
        "revisions diff 7",
        "revisions restore 6",
        "audit list",
        "audit verify",
        "accounts list",
        "accounts remove anna",
        "app-passwords list",
        "app-passwords add anna phone",
        "app-passwords remove 0f0f",
        "parts list",
        "parts show dns",
        "parts test dns",
        "parts restart dns",
        "logs",
        "verbosity",
        "verbosity debug --part dns",
    ] {
        let ran = daemon.run(&format!("{command} --json"));
        assert_eq!(
            (ran.status, ran.stderr.as_str()),
            (Some(0), ""),
            "{command}"
        );
        let parsed: Result<Value, _> = serde_json::from_str(&ran.stdout);
        assert!(
            parsed.is_ok_and(|value| value.is_object()),
            "{command}: {}",
            ran.stdout
        );
    }
}

#[test]
fn documents_are_the_views_of_the_core() {
    let daemon = Daemon::ready();
    let json = |command: &str| daemon.succeed(&format!("--json {command}"));
    let peers: Page<PeerView> = serde_json::from_str(&json("peers list")).unwrap();
    assert_eq!(peers.items[0].name.as_str(), "anna-phone");
    let parts: Page<PartView> = serde_json::from_str(&json("parts list")).unwrap();
    assert_eq!((parts.items.len(), parts.next), (10, None));
    let added: Receipt = serde_json::from_str(&json("peers add ben")).unwrap();
    let file = added.peer.unwrap().config.unwrap();
    assert!(file.expose().contains("PrivateKey = "));
    let settings = daemon.file("settings.json", "{}");
    let preview: Preview =
        serde_json::from_str(&json(&format!("plan {}", settings.display()))).unwrap();
    assert_eq!(preview.steps, ["The name server is told."]);
}

#[test]
fn export_as_json_is_one_record_a_line() {
    let text = Daemon::ready().succeed("audit export --json");
    let record: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(
        (record["number"].as_u64(), text.lines().count()),
        (Some(12), 1)
    );
}
