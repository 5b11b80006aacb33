//! The development commands: `cargo xtask ci | test | run | image | service-image | store | bundle | flash | bench | fuzz | buildroot | check-arrows | setup`.
//!
//! Promises: everything a command builds is kept outside the tree (`CARGO_TARGET_DIR`, or a folder of its own in the
//! cache), everything it starts is gone when it ends, and a failure is exit status 1 with what to do.
//!
//! Must never: be needed by the product; nothing depends on this crate.
//!
//! Start reading at [`Task`]; each command has a module of its name.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: its output is the terminal's"
)]

mod bench;
mod buildroot;
mod bundle;
mod cargo;
mod check;
mod error;
mod flash;
mod forward;
mod fuzz;
mod image;
mod run;
mod service_image;
mod setup;
mod signals;
mod store;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::XtaskError;

#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "Development commands of Personal Internet Cell"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check everything that needs no tests: format, lints, docs, arrows, sizes, licences, links
    Ci,
    /// Check which crate uses which against DESIGN section 3
    CheckArrows,
    /// Install what the tests need, build the daemon, run all tests
    Test(test::Options),
    /// Boot the image in a virtual machine, or run the daemon in network namespaces, until Ctrl-C
    Run(run::Options),
    /// Measure, and say whether the aim is met
    Bench(bench::Options),
    /// Try foreign bytes on the parsers of firmware, led by the branches they reach
    Fuzz(fuzz::Options),
    /// Make the disk image of a board
    Image(image::Options),
    /// Make the images of services, and the folder in which they come with the box
    ServiceImage(service_image::Options),
    /// Sign the folder of service-image, so that boxes install from where it is put
    Store(store::Options),
    /// Make the update bundle of a board; sign one; make the keys for it
    Bundle(bundle::Options),
    /// Write an image to an SD card or USB stick, and read it back
    Flash(flash::Options),
    /// Install the programs that run and test need
    Setup,
    /// The shipping base of the image: check its tree, write its defconfigs, build with it
    #[command(subcommand)]
    Buildroot(buildroot::BuildrootTask),
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", error::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<ExitCode, XtaskError> {
    match task {
        Task::Ci => Ok(check::all()),
        Task::CheckArrows => Ok(check::only_arrows()),
        Task::Test(options) => test::perform(&options),
        Task::Run(options) => run::perform(&options),
        Task::Bench(options) => bench::perform(&options),
        Task::Fuzz(options) => fuzz::perform(&options),
        Task::Image(options) => image::perform(&options),
        Task::ServiceImage(options) => service_image::perform(&options),
        Task::Store(options) => store::perform(&options),
        Task::Bundle(options) => bundle::perform(&options),
        Task::Flash(options) => flash::perform(&options),
        Task::Buildroot(task) => buildroot::perform(&task),
        Task::Setup => setup::ensure(setup::Need::Test).map(|()| ExitCode::SUCCESS),
    }
}
