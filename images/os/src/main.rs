//! `cell-os`: the assembler for bases that bring a finished root, as Buildroot's post-image hook calls it.

use std::path::PathBuf;
use std::process::ExitCode;

use cell_os::OsError;
use cell_os::assemble::{Assembly, Base, assemble};
use cell_os::board::Board;
use cell_os::keyring;
use cell_os::toolbox::Toolbox;
use cell_updates::bundle::Release;
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cell-os", about = "Assembles the appliance image")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a disk image from a finished root and a kernel.
    Assemble(AssembleArguments),
}

#[derive(Debug, Args)]
struct AssembleArguments {
    /// For which board.
    #[arg(long)]
    board: String,
    /// The root file system.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The kernel.
    #[arg(long, value_name = "FILE")]
    kernel: PathBuf,
    /// The first file system, where the kernel needs one.
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
    /// Where the programs that make file systems are: a folder with `usr/bin`; `/` for this machine's.
    #[arg(long, value_name = "DIR", default_value = "/")]
    toolbox: PathBuf,
    /// The folder `board` of the source tree.
    #[arg(long, value_name = "DIR", default_value = "board")]
    boards: PathBuf,
    /// The chain of key lists whose updates the system takes; without it, it takes none.
    #[arg(long, value_name = "FILE", env = "CELL_KEYS")]
    keys: Option<PathBuf>,
    /// The services that come with the system, as a package folder; without it, none do.
    #[arg(long, value_name = "DIR", env = "CELL_SERVICES")]
    services: Option<PathBuf>,
    /// Time of all files in seconds since 1970.
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    epoch: u64,
    /// Where the image goes.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let Command::Assemble(arguments) = Arguments::parse().command;
    match perform(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: AssembleArguments) -> Result<(), OsError> {
    let keys = arguments.keys.as_deref().map(keyring::read_chain);
    let assembly = Assembly {
        release: Release {
            board: arguments.board.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sequence: arguments.epoch,
            schema: cell_store::SCHEMA,
        },
        keys: keys.transpose()?.unwrap_or_default(),
        services: arguments.services,
        board: Board::read(&arguments.boards, &arguments.board)?,
        common: arguments.boards.join("common"),
        toolbox: Toolbox::new(arguments.toolbox),
        scratch: arguments.out.join("scratch"),
        epoch: arguments.epoch,
    };
    let base = Base {
        root: arguments.root,
        kernel: arguments.kernel,
        initrd: arguments.initrd,
    };
    assemble(&base, &assembly, &arguments.out, say).map(drop)
}

#[expect(
    clippy::print_stdout,
    reason = "a command for people: its output is the terminal's"
)]
fn say(step: &str) {
    println!("{step}");
}

#[expect(
    clippy::print_stderr,
    reason = "a command for people: its output is the terminal's"
)]
fn report(error: &OsError) {
    eprintln!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}
