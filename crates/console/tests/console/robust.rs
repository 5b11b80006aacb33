//! Lines that break, daemons that hang, and cats on keyboards.

use std::os::unix::net::UnixListener;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::sitting::{EmptyBox, PATIENCE, Setting, Sitting, piped};

fn signal(console: &Sitting, signal: Signal) {
    let pid = Pid::from_raw(console.process_id().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn closed_input_ends_it_with_success() {
    let empty = EmptyBox::new();
    let setting = Setting::screen(&empty.runtime_dir, &empty.state_dir);
    let (status, said) = piped(&setting, b"");
    assert_eq!(status.code(), Some(0));
    assert!(said.contains("recovery console"), "{said}");
}

#[test]
fn hangup_and_termination_end_it_with_success() {
    let empty = EmptyBox::new();
    for arguments in [&[][..], &["--plain"]] {
        let setting = Setting {
            arguments,
            ..Setting::screen(&empty.runtime_dir, &empty.state_dir)
        };
        let mut console = Sitting::start(&setting);
        console.sees("9  Restart or power off");
        console.hang_up();
        assert_eq!(console.ended().code(), Some(0));
        let mut console = Sitting::start(&setting);
        console.sees("9  Restart or power off");
        signal(&console, Signal::TERM);
        assert_eq!(console.ended().code(), Some(0));
    }
}

#[test]
fn interrupt_leads_back_to_the_menu() {
    let empty = EmptyBox::new();
    let mut screen = Sitting::start(&Setting::screen(&empty.runtime_dir, &empty.state_dir));
    screen.sees("9  Restart or power off");
    screen.leads("6", "SSH is off");
    screen.leads("\x03", "9  Restart or power off");
    for name in [Signal::INT, Signal::QUIT, Signal::TSTP] {
        screen.leads("6", "SSH is off");
        signal(&screen, name);
        screen.sees("9  Restart or power off");
    }
    let mut plain = Sitting::start(&Setting {
        term: Some("dumb"),
        ..Setting::screen(&empty.runtime_dir, &empty.state_dir)
    });
    plain.came("9  Restart or power off");
    plain.line("6", "SSH is off");
    let before = plain.stream().matches("9  Restart").count();
    plain.keys("\x03");
    let again = cell_testkit::wait_for(PATIENCE, || {
        (plain.stream().matches("9  Restart").count() > before).then_some(())
    });
    assert!(again.is_some(), "{}", plain.stream());
    assert!(plain.is_running());
}

#[test]
fn modes_that_others_change_come_back() {
    let empty = EmptyBox::new();
    let mut screen = Sitting::start(&Setting::screen(&empty.runtime_dir, &empty.state_dir));
    screen.sees("9  Restart or power off");
    screen.set_line_modes();
    screen.leads("6", "SSH is off");
    screen.echoes(false);
}

#[test]
fn garbage_changes_nothing() {
    let empty = EmptyBox::new();
    // No digits, Enter or letters among them: those may lead somewhere.
    let garbage: Vec<u8> = (0..2_000_u32)
        .map(|number| u8::try_from(number * 7_919 % 256).unwrap())
        .filter(|byte| {
            !byte.is_ascii_alphanumeric() && !matches!(byte, b'\r' | b'\n' | 0x03 | 0x04)
        })
        .collect();
    let mut screen = Sitting::start(&Setting::screen(&empty.runtime_dir, &empty.state_dir));
    screen.sees("9  Restart or power off");
    screen.bytes(&garbage);
    screen.bytes(b"\x1b[");
    screen.leads("\x03", "9  Restart or power off");
    screen.leads("\x036", "SSH is off");

    let mut plain = Sitting::start(&Setting {
        arguments: &["--plain"],
        ..Setting::screen(&empty.runtime_dir, &empty.state_dir)
    });
    plain.came("9  Restart or power off");
    plain.bytes(b"\xff\xfe\xc3\x28");
    plain.line("", "That line is not text.");
    plain.line(&"9".repeat(3_000), "Type a number from 1 to 9.");
    plain.line("99999999999999999999999999", "Type a number from 1 to 9.");
    plain.line("6", "SSH is off");
    assert!(!empty.state_dir.parent().unwrap().join("ssh").exists());
}

#[test]
fn hung_daemon_is_waited_for_a_few_seconds_and_said_to_be_hung() {
    let empty = EmptyBox::new();
    // It takes connections, and never reads from them.
    let _socket = UnixListener::bind(empty.runtime_dir.join("control.sock")).unwrap();
    let mut console = Sitting::start(&Setting::screen(&empty.runtime_dir, &empty.state_dir));
    console.sees("does not answer");
    let asked = Instant::now();
    console.leads("3", "Not done");
    assert!(asked.elapsed() < PATIENCE / 2, "{:?}", asked.elapsed());
    console.sees("Wait a minute.");
    console.leads("\r", "9  Restart or power off");
    console.leads("912", "The box restarts.");
    assert_eq!(console.started("reboot"), 1);
}

#[test]
fn terminal_decides_how_it_is_drawn() {
    let empty = EmptyBox::new();
    let base = || Setting::screen(&empty.runtime_dir, &empty.state_dir);
    let full = |setting: Setting<'_>| {
        let console = Sitting::start(&setting);
        console.sees("9  Restart or power off");
        console.stream().contains("\x1b[2J")
    };
    assert!(full(base()));
    assert!(full(Setting {
        size: (60, 20),
        ..base()
    }));
    // A serial line says nothing about its size.
    assert!(full(Setting {
        size: (0, 0),
        ..base()
    }));
    assert!(!full(Setting {
        size: (59, 20),
        ..base()
    }));
    assert!(!full(Setting {
        size: (80, 19),
        ..base()
    }));
    assert!(!full(Setting {
        term: None,
        ..base()
    }));
    assert!(!full(Setting {
        term: Some("dumb"),
        ..base()
    }));
    assert!(!full(Setting {
        arguments: &["--plain"],
        ..base()
    }));
}
