//! What is said when it does not work.

use cell_control::fake::Stage;
use cell_model::problem::{FieldError, Problem};

use crate::daemon::{Daemon, cellctl, run};

#[test]
fn missing_socket_says_that_nobody_runs_there() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let ran = run(cellctl("status --socket").arg(&socket), "");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""));
    let said = format!("error: celld is not running at {}: ", socket.display());
    assert!(ran.stderr.starts_with(&said), "{}", ran.stderr);
    // Left behind by a daemon that was killed.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let ran = run(cellctl("status --socket").arg(&socket), "");
    assert!(ran.stderr.starts_with(&said), "{}", ran.stderr);
}

#[test]
fn option_names_the_socket_before_the_environment_does() {
    let daemon = Daemon::ready();
    let mut command = cellctl("status --socket");
    command.arg(daemon.socket()).env("CELL_SOCKET", "/nowhere");
    assert_eq!(run(&mut command, "").status, Some(0));
}

#[test]
fn refusal_is_said_with_its_fields() {
    let daemon = Daemon::ready();
    daemon.control.refuse(Problem::fields(vec![
        FieldError {
            field: "vpn.subnet".to_owned(),
            message: "overlaps the LAN".to_owned(),
        },
        FieldError {
            field: "dns.upstreams".to_owned(),
            message: "has too many servers".to_owned(),
        },
    ]));
    let ran = daemon.run_with("config apply -", "{}");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        ran.stderr,
        "error: Some fields are not right: Correct what is named and send it again.\n  \
         vpn.subnet: overlaps the LAN\n  dns.upstreams: has too many servers\n"
    );
}

#[test]
fn message_from_elsewhere_cannot_steer_the_terminal() {
    let daemon = Daemon::ready();
    let hostile = Problem::new(404, "not_found", "Not found", "\x1b]0;owned\x07\x1b[2J");
    daemon.control.refuse(hostile);
    let ran = daemon.run("peers show anna");
    assert_eq!(ran.status, Some(1));
    assert!(!ran.stderr.contains(['\x1b', '\x07']), "{:?}", ran.stderr);
}

#[test]
fn daemon_that_goes_away_is_no_endless_wait() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let leaver = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let ran = run(cellctl("status --socket").arg(&socket), "");
    leaver.join().unwrap();
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stderr.starts_with("error: The box is starting"),
        "{}",
        ran.stderr
    );
}

#[test]
fn wrong_command_line_is_status_two() {
    let daemon = Daemon::at(Stage::Ready);
    for wrong in [
        "",
        "statuss",
        "peers",
        "peers change anna",
        "revisions show x",
        "--json",
    ] {
        assert_eq!(daemon.run(wrong).status, Some(2), "{wrong:?}");
    }
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn completion_needs_no_daemon() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&mut cellctl(&format!("completion {shell}")), "");
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(ran.stdout.contains("reset-password"), "{shell}");
    }
}
