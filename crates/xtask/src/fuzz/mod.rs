//! `cargo xtask fuzz`: foreign bytes for the parsers of firmware, from libFuzzer, which keeps what reaches new branches
//! (`docs/operations/fuzzing.md`). Exit status 1 when a promise did not hold.

mod outcome;
mod program;
mod report;
mod session;

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cell_fuzz::{TARGETS, Target};

use self::outcome::Outcome;
use self::session::Session;
use crate::cargo;
use crate::error::XtaskError;
use crate::setup;
use crate::signals::StopRequest;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which parsers; all of them when none is named
    targets: Vec<String>,
    /// How long each is tried
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// How many are tried side by side; one a processor unless said
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Only run the named target on this file, and show what it says
    #[arg(long, value_name = "FILE", requires = "targets")]
    input: Option<PathBuf>,
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    let targets = chosen(&options.targets)?;
    setup::ensure_fuzz()?;
    println!("building the targets so that libFuzzer sees their branches");
    let program = program::build()?;
    let sessions = targets.into_iter().map(|target| Session {
        target,
        program: program.clone(),
        folder: cargo::cache_dir().join("fuzz").join(target.name),
    });
    if let Some(input) = &options.input {
        for session in sessions {
            session.repeat(input)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let jobs = options.jobs.unwrap_or_else(processors);
    let time = Duration::from_secs(options.minutes * 60);
    let outcomes = side_by_side(sessions.collect(), jobs, time)?;
    println!();
    for outcome in &outcomes {
        println!("{outcome}");
    }
    Ok(match outcomes.iter().all(Outcome::is_clean) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs `jobs` sessions at a time; what came of them, in their order.
fn side_by_side(
    sessions: Vec<Session>,
    jobs: usize,
    time: Duration,
) -> Result<Vec<Outcome>, XtaskError> {
    let stop = StopRequest::listen()?;
    let waiting: Mutex<VecDeque<_>> = Mutex::new(sessions.into_iter().enumerate().collect());
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    };
    let work = || {
        let mut done = Vec::new();
        while let Some((number, session)) = next() {
            done.push((number, session.run(time, &stop)));
        }
        done
    };
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        ends.flat_map(|end| end.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>, XtaskError> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    let find = |name: &String| {
        let found = TARGETS.iter().find(|target| target.name == name);
        found.ok_or_else(|| XtaskError::NoFuzzTarget {
            name: name.clone(),
            available: TARGETS
                .iter()
                .map(|target| target.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_target_lists_those_there_are() {
        let error = chosen(&["bundle".to_owned(), "bundles".to_owned()]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("no target `bundles`; there are: bundle, "),
            "{text}"
        );
    }

    #[test]
    fn all_targets_are_tried_unless_some_are_named() {
        assert_eq!(chosen(&[]).unwrap().len(), TARGETS.len());
        assert_eq!(chosen(&["plan".to_owned()]).unwrap()[0].name, "plan");
    }
}
