//! `setup`.

use cell_control::change::Change;
use cell_control::fake::{Call, Stage};
use cell_model::problem::Problem;

use crate::daemon::Daemon;

const CODE: &str = "7K3M9PQR";
const PASSWORD: &str = "correct horse battery";

#[test]
fn code_and_password_come_from_two_lines() {
    let daemon = Daemon::at(Stage::BeforeSetup);
    let ran = daemon.run_with(
        "setup --cell-name Hut --admin anna --timezone Europe/Vienna",
        &format!("{CODE}\n{PASSWORD}\n"),
    );
    assert_eq!(
        (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
        (Some(0), "The box is set up: revision 7.\n", "")
    );
    let calls = daemon.control.take_calls();
    let Some((_, Call::Submit(Change::SetUp(form)))) = calls.last() else {
        panic!("another call: {calls:?}");
    };
    assert_eq!(form.setup_code.expose(), CODE);
    assert_eq!(form.admin_password.expose(), PASSWORD);
    assert_eq!(form.domain.as_str(), "hut.cell");
    assert_eq!(form.vpn_subnet.to_string(), "10.31.7.0/24");
    assert_eq!(form.timezone.as_str(), "Europe/Vienna");
}

#[test]
fn what_is_named_replaces_the_proposal() {
    let daemon = Daemon::at(Stage::BeforeSetup);
    let ran = daemon.run_with(
        "setup --cell-name hut --admin anna --domain hut.example.org --vpn-subnet 10.9.0.0/16 --endpoint 203.0.113.7:4500",
        &format!("{CODE}\n{PASSWORD}\n"),
    );
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let calls = daemon.control.take_calls();
    let Some((_, Call::Submit(Change::SetUp(form)))) = calls.last() else {
        panic!("another call: {calls:?}");
    };
    assert_eq!(form.domain.as_str(), "hut.example.org");
    assert_eq!(form.vpn_subnet.to_string(), "10.9.0.0/16");
    assert_eq!(form.endpoint.as_ref().unwrap().port, Some(4500));
}

#[test]
fn missing_password_is_said_and_nothing_is_sent() {
    let daemon = Daemon::at(Stage::BeforeSetup);
    let ran = daemon.run_with("setup --cell-name hut --admin anna", &format!("{CODE}\n"));
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stderr.starts_with("error: the new password is missing"),
        "{}",
        ran.stderr
    );
    let calls = daemon.control.take_calls();
    assert!(
        calls
            .iter()
            .all(|(_, call)| matches!(call, Call::Snapshot(_)))
    );
}

#[test]
fn public_network_is_no_vpn() {
    let daemon = Daemon::at(Stage::BeforeSetup);
    let ran = daemon.run("setup --cell-name hut --admin anna --vpn-subnet 8.8.8.0/24");
    assert_eq!(ran.status, Some(2), "{ran:?}");
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn refusal_names_the_field() {
    let daemon = Daemon::at(Stage::BeforeSetup);
    daemon.control.refuse(Problem::field(
        "setup_code",
        "is not the code shown on the box",
    ));
    let ran = daemon.run_with(
        "setup --cell-name hut --admin anna",
        &format!("{CODE}\n{PASSWORD}\n"),
    );
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stderr
            .ends_with("\n  setup_code: is not the code shown on the box\n"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(CODE) && !ran.stderr.contains(PASSWORD));
}
