//! `cargo xtask test`: what the tests need, the daemon they start, then the tests; cargo's summary comes last.
//!
//! What runs in a virtual machine is tried with the image of a PC, and with `--long` with that of every board.

use std::process::{Command, ExitCode};

use crate::cargo;
use crate::error::XtaskError;
use crate::image;
use crate::setup::{self, Need};

/// What the slow tests in a virtual machine begin with.
const MACHINE_SET: &str = "vm_long";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also run the slow tests, and those in a virtual machine for every board; with SET only the slow tests whose path
    /// contains SET, for every board when SET is `vm_long`
    #[arg(long, value_name = "SET", num_args = 0..=1)]
    long: Option<Option<String>>,
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    if !rustix::process::geteuid().is_root() {
        return Err(XtaskError::NotRoot { command: "test" });
    }
    setup::ensure(Need::Test)?;
    // Tests start these; with the whole workspace chosen, features are those of the tests and nothing is built twice.
    println!("building the programs that tests start");
    cargo::succeed(cargo::cargo().args(["build", "--workspace", "--bins"]))?;
    let mut passed = run(&mut tests(options), image::DEFAULT_BOARD)?;
    if runs_every_board(options) {
        for board in image::board_names()? {
            if board != image::DEFAULT_BOARD {
                println!("\nthe tests in a virtual machine again, with the image for {board}");
                passed &= run(&mut board_tests(), &board)?;
            }
        }
    }
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs tests with the image of a board, and says whether they passed.
fn run(tests: &mut Command, board: &str) -> Result<bool, XtaskError> {
    let image = image::current(board)?;
    let toolbox = image::toolbox()?;
    tests
        .env("CELL_BOARD", board)
        .env("CELL_IMAGE", image)
        .env("CELL_TOOLBOX", toolbox.path(""));
    Ok(cargo::finish(tests)?.success())
}

fn tests(options: &Options) -> Command {
    let mut command = cargo_test();
    command.args(["--workspace", "--no-fail-fast"]);
    match &options.long {
        None => {}
        Some(None) => drop(command.args(["--", "--include-ignored"])),
        Some(Some(set)) => drop(command.args(["--", "--ignored", set])),
    }
    command
}

/// Whether the image of every board is tried: by all slow tests, and by those in a virtual machine.
fn runs_every_board(options: &Options) -> bool {
    match &options.long {
        None => false,
        Some(None) => true,
        Some(Some(set)) => set == MACHINE_SET,
    }
}

/// The tests in a virtual machine, quick and slow.
fn board_tests() -> Command {
    let mut command = cargo_test();
    command.args(["--package", "cell-tests", "--no-fail-fast"]);
    command.args(["--test", "vm_*", "--", "--include-ignored"]);
    command
}

fn cargo_test() -> Command {
    let mut command = cargo::cargo();
    command
        .arg("test")
        .env("CELLD", cargo::target_dir().join("debug/celld"))
        .env("CELL_NODE_MODULES", setup::node_modules());
    command
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn shown(arguments: &[&str]) -> String {
        let line = Line::parse_from([&["test"], arguments].concat());
        let shown = cargo::shown(&tests(&line.options));
        shown.split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn long_adds_the_slow_tests_or_chooses_among_them() {
        assert_eq!(shown(&[]), "test --workspace --no-fail-fast");
        assert_eq!(
            shown(&["--long"]),
            "test --workspace --no-fail-fast -- --include-ignored"
        );
        assert_eq!(
            shown(&["--long", "kill"]),
            "test --workspace --no-fail-fast -- --ignored kill"
        );
    }

    #[test]
    fn every_board_is_tried_by_all_slow_tests_and_by_those_of_machines() {
        let long = |set: Option<&str>| Options {
            long: Some(set.map(str::to_owned)),
        };
        assert!(!runs_every_board(&Options { long: None }));
        assert!(runs_every_board(&long(None)));
        assert!(runs_every_board(&long(Some("vm_long"))));
        assert!(!runs_every_board(&long(Some("kill"))));
        let shown = cargo::shown(&board_tests());
        assert!(
            shown.ends_with("--test vm_* -- --include-ignored"),
            "{shown}"
        );
    }

    #[test]
    fn tests_are_told_which_daemon_to_start() {
        let command = tests(&Options { long: None });
        let names: Vec<_> = command
            .get_envs()
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        assert!(
            names.contains(&"CELLD".to_owned()) && names.contains(&"CELL_NODE_MODULES".to_owned()),
            "{names:?}"
        );
    }
}
