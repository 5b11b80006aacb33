//! `cargo xtask bench NAME [--json]`: figures with their aims. Exit status 1 when an aim is missed.

mod cell;
mod cells;
mod devices;
mod error;
mod exits;
mod figure;
mod footprint;
mod image;
mod mail;
mod pages;
mod process;
mod reconcile;
mod services;
mod update;

use std::process::ExitCode;

use crate::error::XtaskError;
pub(crate) use error::BenchError;
use figure::Figure;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to measure; `all` for everything
    name: String,
    /// One JSON line a figure
    #[arg(long)]
    json: bool,
}

/// One bench: its name on the command line and what it measures.
struct Bench {
    name: &'static str,
    measure: fn() -> Result<Vec<Figure>, XtaskError>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "reconcile",
        measure: reconcile::measure,
    },
    Bench {
        name: "footprint",
        measure: footprint::measure,
    },
    Bench {
        name: "image",
        measure: image::measure,
    },
    Bench {
        name: "update",
        measure: update::measure,
    },
    Bench {
        name: "services",
        measure: services::measure,
    },
    Bench {
        name: "mail",
        measure: mail::measure,
    },
    Bench {
        name: "cells",
        measure: cells::measure,
    },
    Bench {
        name: "exits",
        measure: exits::measure,
    },
];

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    let benches = chosen(&options.name)?;
    if !rustix::process::geteuid().is_root() {
        return Err(XtaskError::NotRoot { command: "bench" });
    }
    let mut all_met = true;
    for bench in benches {
        for figure in (bench.measure)()? {
            all_met &= figure.met;
            if options.json {
                println!("{}", figure.to_json());
            } else {
                println!("{figure}");
            }
        }
    }
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(name: &str) -> Result<Vec<&'static Bench>, XtaskError> {
    let chosen: Vec<&Bench> = BENCHES
        .iter()
        .filter(|bench| name == "all" || bench.name == name)
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = BENCHES
            .iter()
            .map(|bench| bench.name)
            .chain(["all"])
            .collect();
        return Err(XtaskError::NoBench {
            name: name.to_owned(),
            available: names.join(", "),
        });
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_those_there_are() {
        let Err(error) = chosen("speed") else {
            panic!("there is no such bench")
        };
        assert_eq!(
            error.to_string(),
            "no bench `speed`; there are: reconcile, footprint, image, update, services, mail, cells, exits, all"
        );
    }

    #[test]
    fn all_is_every_bench() {
        assert_eq!(chosen("all").unwrap().len(), BENCHES.len());
        assert_eq!(chosen("footprint").unwrap().len(), 1);
    }
}
