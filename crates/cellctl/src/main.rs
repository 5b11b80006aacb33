//! Command line over the local control socket: what the API does, for root on the box.
//!
//! Promises: standard output carries what was asked for and nothing else, as a table or, with `--json`, as the views
//! the core answers; a refusal goes to standard error with exit status 1, a wrong command line with 2, Ctrl-C with 130.
//! Must never: take a secret from the command line (every process of the box could read it there), echo one that is
//! typed, or touch the system except through the core.
//! Start reading at [`arguments::Arguments`]; each group of commands has a module in [`command`].

mod arguments;
mod choice;
mod command;
mod core;
mod error;
mod input;
mod output;
mod pages;
mod prompt;
mod qr;
mod setting;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Arguments;
use crate::error::CellctlError;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn perform(arguments: Arguments) -> Result<(), CellctlError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CellctlError::Start)?;
    let outcome = runtime.block_on(async {
        // Listening before the command begins: it may take the echo from the terminal, and must be dropped to give
        // it back.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CellctlError::Start)?;
        tokio::select! {
            outcome = arguments.perform() => outcome,
            _ = interrupt.recv() => Err(CellctlError::Interrupted),
        }
    });
    // A thread that waits for a line to be typed would never end by itself.
    runtime.shutdown_background();
    outcome
}
