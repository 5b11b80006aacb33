//! Devices.

use cell_control::change::Change;
use cell_control::fake::Call;
use cell_model::problem::Problem;

use crate::daemon::Daemon;

const FILE: &str = "[Interface]\nPrivateKey = c2FtcGxlLW9mLWEtcHJpdmF0ZS1rZXktb2YtMzItYiE=\n\
                    Address = 10.31.7.2/32\n\n[Peer]\nEndpoint = 203.0.113.7:51820\n";

#[test]
fn file_of_a_new_device_stands_alone_on_standard_output() {
    let daemon = Daemon::ready();
    let ran = daemon.run("peers add anna --services mail,calendar --split");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), FILE));
    assert_eq!(
        ran.stderr,
        "anna has the address 10.31.7.2.\nIt works only at home.\n"
    );
    let Call::Submit(Change::AddPeer(form)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!((form.name.as_str(), form.full_tunnel), ("anna", false));
    assert_eq!(form.services.unwrap().len(), 2);
}

#[test]
fn picture_follows_the_file() {
    let text = Daemon::ready().succeed("peers rekey anna --qr");
    let picture = text.strip_prefix(FILE).unwrap();
    let blocks = picture.chars().filter(|c| "▀▄█".contains(*c)).count();
    assert!(blocks > 200, "{picture}");
    assert!(picture.chars().all(|c| "▀▄█ \n".contains(c)), "{picture}");
}

#[test]
fn picture_is_not_for_programs() {
    let daemon = Daemon::ready();
    for line in [
        "peers add anna --qr --json",
        "--json peers add anna --qr",
        "--json peers rekey anna --qr",
    ] {
        assert_eq!(daemon.run(line).status, Some(2), "{line}");
    }
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn later_file_has_no_private_key() {
    let text = Daemon::ready().succeed("peers file anna");
    assert!(text.starts_with("[Interface]\nAddress"), "{text}");
}

#[test]
fn list_is_a_table() {
    assert_eq!(
        Daemon::ready().succeed("peers list"),
        "NAME        ADDRESS    TUNNEL  LAST HANDSHAKE        RECEIVED     SENT  REMARKS\n\
         anna-phone  10.31.7.2  full    2026-11-18T11:06:40Z   1.0 MiB  2.0 MiB  -\n"
    );
}

#[test]
fn details_of_a_device_stand_one_a_line() {
    let text = Daemon::ready().succeed("peers show anna");
    for line in [
        "name:            anna",
        "address:         10.31.7.2, fd31:7::2",
        "services:        calendar, files, mail, webdav",
        "expires:         never",
    ] {
        assert!(
            text.lines().any(|shown| shown == line),
            "no {line:?} in\n{text}"
        );
    }
}

#[test]
fn name_or_key_that_is_none_is_refused_before_the_core_is_asked() {
    let daemon = Daemon::ready();
    for wrong in [
        "peers add a/b",
        "peers add anna --public-key x",
        "peers show ..",
    ] {
        let ran = daemon.run(wrong);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{wrong}");
    }
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn refused_device_leaves_standard_output_empty() {
    let daemon = Daemon::ready();
    let taken = Problem::conflict("name_taken", "The name is taken", "Choose another one.");
    daemon.control.refuse(taken);
    let ran = daemon.run("peers add anna");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        ran.stderr,
        "error: The name is taken: Choose another one.\n"
    );
}
