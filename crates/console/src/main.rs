//! `cell-console`, the menu on serial line, screen and SSH. See the library beside it.

use std::process::ExitCode;

use cell_console::options::Options;
use cell_console::terminal;
use clap::Parser;

fn main() -> ExitCode {
    terminal::run(&Options::parse())
}
