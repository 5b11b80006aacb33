//! `cargo xtask ci`: every check prints one line; all of them run; one failure fails the whole.

mod arrows;
mod files;
mod licences;
mod links;
mod sizes;
mod spdx;

use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::buildroot;
use crate::cargo;
use crate::error;

/// How a check ended, with its one line of text or its report.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should be; the text is a figure or empty.
    Passed(String),
    /// Not checked, and why.
    Skipped(String),
    /// What is wrong, one finding a line.
    Failed(String),
}

impl Outcome {
    /// Passed with `figure` when there are no findings.
    pub(crate) fn from_findings(findings: &[String], figure: String) -> Self {
        if findings.is_empty() {
            return Self::Passed(figure);
        }
        Self::Failed(findings.join("\n"))
    }
}

impl<E: std::error::Error> From<E> for Outcome {
    fn from(cause: E) -> Self {
        Self::Failed(error::chain(&cause))
    }
}

type Check = (&'static str, fn() -> Outcome);

/// The quick ones first.
const CHECKS: [Check; 10] = [
    ("arrows", arrows::check),
    ("sizes", sizes::check),
    ("links", links::check),
    ("buildroot", buildroot::check_tree),
    ("format", format),
    ("licences", licences::check),
    ("advisories", advisories),
    ("clippy", clippy),
    ("docs", docs),
    ("lock file", lock_file),
];

/// Runs all checks.
pub(crate) fn all() -> ExitCode {
    run(&CHECKS)
}

/// Runs the check of crate arrows alone.
pub(crate) fn only_arrows() -> ExitCode {
    run(&[("arrows", arrows::check)])
}

fn run(checks: &[Check]) -> ExitCode {
    let mut failed = Vec::new();
    for (name, check) in checks {
        if !shown(name, check) {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// Runs one check and prints its line, with the report if it failed; whether it did not fail.
pub(crate) fn shown(name: &str, check: impl FnOnce() -> Outcome) -> bool {
    let start = Instant::now();
    let outcome = check();
    let seconds = start.elapsed().as_secs_f32();
    let (word, text) = match &outcome {
        Outcome::Passed(text) => ("ok", text.as_str()),
        Outcome::Skipped(reason) => ("skipped", reason.as_str()),
        Outcome::Failed(_) => ("FAILED", ""),
    };
    println!(
        "{}",
        format!("{name:<12}{word:<9}{seconds:>6.1} s  {text}").trim_end()
    );
    let Outcome::Failed(report) = outcome else {
        return true;
    };
    println!("{}\n", report.trim_end());
    false
}

fn format() -> Outcome {
    // Names of files are enough: `cargo fmt --all` mends them.
    quietly(cargo::cargo().args(["fmt", "--all", "--check", "--", "--files-with-diff"]))
}

fn clippy() -> Outcome {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    quietly(cargo::cargo().args(arguments))
}

fn docs() -> Outcome {
    let arguments = ["doc", "--workspace", "--no-deps", "--quiet"];
    quietly(
        cargo::cargo()
            .args(arguments)
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn lock_file() -> Outcome {
    quietly(cargo::cargo().args(["metadata", "--format-version", "1", "--quiet", "--locked"]))
}

fn advisories() -> Outcome {
    Outcome::Skipped(
        "the advisory database is a git repository, not on a package registry; run `cargo deny check advisories` where it can be fetched"
            .to_owned(),
    )
}

/// Runs a program; what it says is shown only when it fails.
fn quietly(command: &mut Command) -> Outcome {
    match command.output() {
        Err(source) => error::XtaskError::Start {
            program: cargo::shown(command),
            source,
        }
        .into(),
        Ok(output) if output.status.success() => Outcome::Passed(String::new()),
        Ok(output) => Outcome::Failed(format!(
            "{}{}`{}` ended with {}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            cargo::shown(command),
            output.status
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_does_not_keep_the_others_from_running() {
        use std::sync::atomic::{AtomicBool, Ordering};
        static LAST_RAN: AtomicBool = AtomicBool::new(false);
        let last = || {
            LAST_RAN.store(true, Ordering::Relaxed);
            Outcome::Passed(String::new())
        };
        let code = run(&[("first", || Outcome::Failed("no".into())), ("last", last)]);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(LAST_RAN.load(Ordering::Relaxed));
    }

    #[test]
    fn a_skipped_check_is_no_failure() {
        assert_eq!(
            run(&[("one", || Outcome::Skipped("no network".into()))]),
            ExitCode::SUCCESS
        );
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let Outcome::Failed(report) = quietly(Command::new("sh").args(["-c", "echo said; exit 3"]))
        else {
            panic!("sh failed and was not seen to");
        };
        assert!(
            report.starts_with("said\n") && report.ends_with("exit status: 3"),
            "{report}"
        );
    }
}
