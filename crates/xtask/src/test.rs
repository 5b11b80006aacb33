//! `cargo xtask test`: what the tests need, the daemon they start, then the tests; a summary comes last.
//!
//! What runs in a virtual machine is tried with the image of a PC, and with `--long` with that of every board.

mod long;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use self::long::{Binary, Choice, Setting};
use crate::bundle;
use crate::cargo;
use crate::error::XtaskError;
use crate::image;
use crate::service_image;
use crate::setup::{self, Need};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also run the slow tests; with SET only the slow tests whose name holds SET, such as vm_long, those in a virtual
    /// machine for every board. What passed with the same programs is not run again
    #[arg(long, value_name = "SET", num_args = 0..=1)]
    long: Option<Option<String>>,
    /// Run what passed before once more
    #[arg(long, requires = "long")]
    again: bool,
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    if !rustix::process::geteuid().is_root() {
        return Err(XtaskError::NotRoot { command: "test" });
    }
    setup::ensure(Need::Test)?;
    // Tests start these; with the whole workspace chosen, features are those of the tests and nothing is built twice.
    println!("building the programs that tests start");
    cargo::succeed(cargo::cargo().args(["build", "--workspace", "--bins"]))?;
    let default = environment(image::DEFAULT_BOARD)?;
    let mut passed = true;
    if options.runs_quick() {
        passed &= cargo::finish(quick().envs(default.iter().cloned()))?.success();
    }
    if let Some(set) = options.set() {
        let binaries = long::binaries()?;
        let settings = settings(set, default, &binaries)?;
        let summary = long::run(set, &settings, &binaries, options.again)?;
        println!("\n{summary}");
        passed &= summary.failed.is_empty();
    }
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Options {
    fn runs_quick(&self) -> bool {
        !matches!(self.long, Some(Some(_)))
    }

    /// Part of the names of the slow tests that are to run; empty for all.
    fn set(&self) -> Option<&str> {
        let set = self.long.as_ref()?;
        Some(set.as_deref().unwrap_or_default())
    }
}

type Environment = Vec<(&'static str, PathBuf)>;

/// What tests are told: programs of ours, and the image of a board.
fn environment(board: &str) -> Result<Environment, XtaskError> {
    let architecture = image::board(board)?.meta.debian_architecture;
    Ok(vec![
        ("CELLD", daemon()),
        ("CELL_NODE_MODULES", setup::node_modules()),
        ("CELL_BOARD", board.into()),
        ("CELL_IMAGE", image::current(board)?),
        ("CELL_TOOLBOX", image::toolbox()?.path("")),
        ("CELL_PACKAGES", image::packages()?),
        ("CELL_SERVICES", service_image::for_this_machine()?),
        (
            "CELL_BOARD_SERVICES",
            service_image::current(&architecture)?,
        ),
        ("CELL_CADDY", service_image::caddy()?),
        ("CELL_KEYS", bundle::development_keys()?),
    ])
}

fn daemon() -> PathBuf {
    cargo::target_dir().join("debug/celld")
}

/// Everything but the slow tests.
fn quick() -> Command {
    let mut command = cargo::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command
}

/// The slow tests run with the default board's image, and those for machines with every other board's too.
fn settings(
    set: &str,
    default: Environment,
    binaries: &[Binary],
) -> Result<Vec<Setting>, XtaskError> {
    let programs = |board: &str| vec![daemon(), image::made_from(board)];
    let mut settings = vec![Setting {
        label: String::new(),
        environment: default,
        programs: programs(image::DEFAULT_BOARD),
        choice: Choice::Slow,
    }];
    if long::concerns_other_boards(set, binaries)? {
        for board in image::board_names()? {
            if board != image::DEFAULT_BOARD {
                settings.push(Setting {
                    environment: environment(&board)?,
                    programs: programs(&board),
                    label: board,
                    choice: Choice::OtherBoard,
                });
            }
        }
    }
    Ok(settings)
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

    fn options(arguments: &[&str]) -> Options {
        Line::parse_from([&["test"], arguments].concat()).options
    }

    #[test]
    fn long_adds_the_slow_tests_or_chooses_among_them() {
        let chosen = |arguments: &[&str]| {
            let options = options(arguments);
            (options.runs_quick(), options.set().map(str::to_owned))
        };
        assert_eq!(chosen(&[]), (true, None));
        assert_eq!(chosen(&["--long"]), (true, Some(String::new())));
        assert_eq!(
            chosen(&["--long", "kill"]),
            (false, Some("kill".to_owned()))
        );
    }
}
