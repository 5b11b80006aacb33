//! `celld`, the daemon of a Personal Internet Cell.
//!
//! For putting the parts together: options, processes, start and shutdown order. No logic.
//! Promises: the core alone has power; what faces the network runs as processes without any; a second start on
//! the same state directory is refused.
//! Must never: decide anything about config, names or packets.
//! Start reading at [`daemon::run`], then [`roles`].

mod appliance;
mod control_socket;
mod daemon;
mod health;
mod logging;
mod options;
mod ready;
mod roles;
mod seed;
mod slot;
mod sticks;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Arguments, Command};

fn main() -> ExitCode {
    if cell_network::dhcp::hook::is_called() {
        return cell_network::dhcp::hook::run();
    }
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Role { role, log_level }) => roles::run(role, log_level),
        Some(Command::Slot { occasion }) => slot::run(occasion),
        Some(Command::Seed(arguments)) => seed::run(&arguments),
        Some(Command::Check { state_dir }) => daemon::check(&state_dir),
        None => match arguments.run.required() {
            Ok(options) => daemon::run(options),
            Err(missing) => missing.exit(),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::last_words(error.as_ref());
            ExitCode::FAILURE
        }
    }
}
