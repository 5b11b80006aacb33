//! Passwords: from the terminal without echo, from standard input, never from the command line.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, ChildStderr, Stdio};

use cell_control::action::Action;
use cell_control::fake::Call;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::daemon::{Daemon, Ran, finish};

const PASSWORD: &str = "correct horse battery";

/// `cellctl` with a terminal as its standard input.
struct Typing {
    child: Child,
    errors: ChildStderr,
    /// What was read of standard error so far.
    said: String,
    keyboard: File,
    terminal: File,
}

impl Typing {
    fn start(daemon: &Daemon, arguments: &str) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = File::from(rustix::fs::open(name, flags, Mode::empty()).unwrap());
        let mut child = daemon
            .command(arguments)
            .stdin(terminal.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = child.stderr.take().unwrap();
        Self {
            child,
            errors,
            said: String::new(),
            keyboard: File::from(keyboard),
            terminal,
        }
    }

    /// Waits until it asks: only then the echo is off.
    fn wait_for(&mut self, prompt: &str) {
        let mut byte = [0];
        while !self.said.ends_with(prompt) {
            let read = self.errors.read(&mut byte).unwrap();
            assert_eq!(read, 1, "it ended without {prompt:?}: {}", self.said);
            self.said.push(char::from(byte[0]));
        }
    }

    fn type_line(&mut self, text: &str) {
        writeln!(self.keyboard, "{text}").unwrap();
    }

    /// Waits for the end. The terminal must echo again by then.
    fn finish(mut self) -> Ended {
        self.errors.read_to_string(&mut self.said).unwrap();
        let mut ran = finish(self.child);
        ran.stderr = self.said;
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO), "the terminal stays mute");
        drop(self.terminal);
        let mut shown = Vec::new();
        // With no process left on the terminal, reading ends with EIO (pty(7)).
        let _ = self.keyboard.read_to_end(&mut shown);
        Ended {
            ran,
            shown: String::from_utf8(shown).unwrap(),
        }
    }
}

struct Ended {
    ran: Ran,
    /// What the terminal showed of what was typed.
    shown: String,
}

fn reset_password(daemon: &Daemon) -> String {
    let Call::Act(Action::ResetPassword(reset)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(reset.username.as_str(), "anna");
    reset.new_password.expose().clone()
}

#[test]
fn password_is_typed_twice_and_never_seen() {
    let daemon = Daemon::ready();
    let mut typing = Typing::start(&daemon, "reset-password anna");
    typing.wait_for("Type the new password: ");
    typing.type_line(PASSWORD);
    typing.wait_for("Type the new password again: ");
    typing.type_line(PASSWORD);
    let Ended { ran, shown } = typing.finish();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("anna has a new password"), "{ran:?}");
    assert_eq!(shown, "\r\n\r\n");
    assert!(!format!("{ran:?}").contains(PASSWORD));
    assert_eq!(reset_password(&daemon), PASSWORD);
}

#[test]
fn second_try_that_differs_changes_nothing() {
    let daemon = Daemon::ready();
    let mut typing = Typing::start(&daemon, "accounts add anna --role admin");
    typing.wait_for("Type the new password: ");
    typing.type_line(PASSWORD);
    typing.wait_for("Type the new password again: ");
    typing.type_line("correct horse batter");
    let Ended { ran, .. } = typing.finish();
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stderr
            .ends_with("error: the two passwords are not the same\n"),
        "{ran:?}"
    );
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn interrupted_prompt_gives_the_echo_back() {
    let daemon = Daemon::ready();
    let mut typing = Typing::start(&daemon, "reset-password anna");
    typing.wait_for("Type the new password: ");
    let process = Pid::from_child(&typing.child);
    kill_process(process, Signal::INT).unwrap();
    let Ended { ran, .. } = typing.finish();
    assert_eq!(ran.status, Some(130), "{ran:?}");
    assert!(daemon.control.take_calls().is_empty());
}

#[test]
fn password_comes_from_a_line_of_standard_input() {
    let daemon = Daemon::ready();
    let ran = daemon.run_with("reset-password anna", &format!("{PASSWORD}\n"));
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert!(!ran.stdout.contains(PASSWORD));
    assert_eq!(reset_password(&daemon), PASSWORD);
}

#[test]
fn new_account_gets_its_role_and_password() {
    let daemon = Daemon::ready();
    let ran = daemon.run_with("accounts add Ben --role helper", PASSWORD);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (Some(0), "ben may sign in as helper.\n")
    );
    let Call::Act(Action::AddAccount(form)) = daemon.only_call() else {
        panic!("another call");
    };
    assert_eq!(
        (form.role.as_str(), form.password.expose().as_str()),
        ("helper", PASSWORD)
    );
}

#[test]
fn password_is_never_an_argument() {
    let daemon = Daemon::ready();
    for wrong in [
        "reset-password anna secret",
        "reset-password anna --password=secret",
    ] {
        assert_eq!(daemon.run(wrong).status, Some(2), "{wrong}");
    }
    let empty = daemon.run("reset-password anna");
    assert_eq!(empty.status, Some(1));
    assert!(
        empty
            .stderr
            .starts_with("error: the new password is missing"),
        "{empty:?}"
    );
    assert!(daemon.control.take_calls().is_empty());
}
