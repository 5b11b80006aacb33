//! A box that nobody has set up.

use cell_testkit::{CelldOptions, World};
use cell_tests::{set_up, start_fresh};

use crate::sitting::{EmptyBox, Setting, Sitting, piped};

#[test]
fn setup_code_is_a_plain_line_until_setup_is_done_and_opens_the_shell() {
    let world = World::new().unwrap();
    let celld = start_fresh(&world, CelldOptions::default());
    let code = celld.setup_code().unwrap();
    let line = format!("Setup code: {code}");
    let run = celld.runtime_dir();
    let setting = |arguments: &'static [&'static str]| Setting {
        namespace: Some(&world.cell),
        arguments,
        ..Setting::screen(&run, celld.state_dir())
    };
    let mut screen = Sitting::start(&setting(&[]));
    let mut plain = Sitting::start(&setting(&["--plain"]));
    // As one line, whatever else the terminal is told: programs read it from the serial line.
    screen.came(&format!("{line}\r\n"));
    plain.came(&format!("{line}\r\n"));
    screen.sees("The box is not set up yet.");
    screen.sees("Admin page: https://");

    screen.leads("3", "it has no owner yet");
    screen.leads("\r", "8  Open a shell");
    screen.leads("8", "the setup code opens the shell");
    screen.leads("ABCDABCD\r", "Not done");
    screen.leads("\r8", "Setup code:");
    screen.leads(&format!("{}\r", code.to_lowercase()), "# ");
    screen.leads("echo shell-$((6*7))\r", "shell-42");
    screen.leads("exit\r", "8  Open a shell");

    let _owner = set_up(&celld, &world.laptop);
    screen.sees("home - recovery console");
    let gone = cell_testkit::wait_for(crate::sitting::PATIENCE, || {
        (!screen.screen().contains("Setup code")).then_some(())
    });
    assert!(gone.is_some(), "{}", screen.screen());
    let page = plain.line("", " 9  Restart");
    assert!(!page.contains("Setup code"), "{page}");
}

#[test]
fn code_that_appears_while_the_console_runs_is_shown_at_once() {
    let empty = EmptyBox::new();
    let setting = Setting::screen(&empty.runtime_dir, &empty.state_dir);
    let console = Sitting::start(&setting);
    console.sees("The daemon does not run.");
    std::fs::write(empty.runtime_dir.join("setup-code"), "VDDYHH3G\n").unwrap();
    console.came("Setup code: VDDYHH3G\r\n");
    std::fs::write(empty.runtime_dir.join("setup-code"), "00000000\n").unwrap();
    console.came("Setup code: 00000000\r\n");
}

#[test]
fn box_that_was_never_started_has_a_menu_all_the_same() {
    let empty = EmptyBox::new();
    let setting = Setting::screen(&empty.runtime_dir, &empty.state_dir);
    let (status, said) = piped(&setting, b"3\n\n8\n\n2\n\n");
    assert_eq!(status.code(), Some(0));
    assert!(said.contains("it has no owner yet"), "{said}");
    assert!(said.contains("nobody may open a shell"), "{said}");
    assert!(said.contains("WAN interface: chosen by the box"), "{said}");
    assert_eq!(std::fs::read_dir(&empty.state_dir).unwrap().count(), 0);
}
