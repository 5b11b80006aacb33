//! `cargo xtask test`: what the tests need, the daemon they start, then the tests; cargo's summary comes last.

use std::process::{Command, ExitCode};

use crate::cargo;
use crate::error::XtaskError;
use crate::image;
use crate::setup::{self, Need};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also run the slow tests; with SET only the slow tests whose path contains SET
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
    let image = image::current(image::DEFAULT_BOARD)?;
    let toolbox = image::toolbox()?;
    let mut tests = tests(options);
    tests
        .env("CELL_IMAGE", image)
        .env("CELL_TOOLBOX", toolbox.path(""));
    let status = cargo::finish(&mut tests)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tests(options: &Options) -> Command {
    let mut command = cargo::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command.env("CELLD", cargo::target_dir().join("debug/celld"));
    command.env("CELL_NODE_MODULES", setup::node_modules());
    match &options.long {
        None => {}
        Some(None) => drop(command.args(["--", "--include-ignored"])),
        Some(Some(set)) => drop(command.args(["--", "--ignored", set])),
    }
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
