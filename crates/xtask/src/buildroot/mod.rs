//! Buildroot, the shipping base of the image: `cargo xtask buildroot check | defconfigs`, and [`image`] for
//! `cargo xtask image --base buildroot`.
//!
//! Promises: Buildroot is the pinned version, fetched by commit or named by `BUILDROOT_DIR`, and nothing is written into
//! it; an option that is asked for and not in force is an error, of Buildroot's configuration before the build and of the
//! kernel's after it.
//!
//! Must never: hold what a fragment can say. Boards and packages are data in `board/` and `buildroot/`.
//!
//! Start reading at [`build::image`]; [`check`] is what can be said without building.

mod board;
mod build;
mod check;
mod checkout;
mod error;
mod fragment;
#[cfg(test)]
mod hooks;
mod make;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cargo;
use crate::check::{Outcome, shown};
use crate::error::XtaskError;
use crate::setup;

pub(crate) use build::{Parts, image};
pub(crate) use error::BuildrootError;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum BuildrootTask {
    /// Check the tree as far as can be without building; BUILDROOT_DIR and LINUX_DIR name sources to check against
    Check,
    /// Write the defconfigs anew from their fragments
    Defconfigs,
}

/// Performs one of the tasks.
pub(crate) fn perform(task: &BuildrootTask) -> Result<ExitCode, XtaskError> {
    match task {
        BuildrootTask::Check => check_all(),
        BuildrootTask::Defconfigs => write_defconfigs(&cargo::root()).map(|()| ExitCode::SUCCESS),
    }
}

/// The part of the check that needs our files only, for `cargo xtask ci`.
pub(crate) fn check_tree() -> Outcome {
    outcome(check::tree(&cargo::root()))
}

fn check_all() -> Result<ExitCode, XtaskError> {
    setup::ensure_buildroot()?;
    let root = cargo::root();
    let pin = checkout::pin(&root)?;
    let checkout = checkout::named(&pin)?;
    let kernel = kernel_source();
    let with_checkout =
        |judge: fn(&Path, &Path) -> Result<Vec<String>, BuildrootError>| match &checkout {
            Some(checkout) => outcome(judge(&root, checkout)),
            None => Outcome::Skipped(format!(
                "{} is not set; it names a checkout of Buildroot {}",
                checkout::VARIABLE,
                pin.version
            )),
        };
    let passed = [
        shown("tree", check_tree),
        shown("options", || with_checkout(check::options)),
        shown("packages", || with_checkout(check::packages)),
        shown("info", || with_checkout(check::info)),
        shown("busybox", || with_checkout(check::busybox)),
        shown("kernel", || match &kernel {
            Some(kernel) => outcome(check::kernel(&root, kernel)),
            None => {
                Outcome::Skipped("LINUX_DIR is not set; it names the kernel's source".to_owned())
            }
        }),
    ];
    Ok(if passed.contains(&false) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn outcome(findings: Result<Vec<String>, BuildrootError>) -> Outcome {
    match findings {
        Ok(findings) => Outcome::from_findings(&findings, String::new()),
        Err(error) => error.into(),
    }
}

fn kernel_source() -> Option<PathBuf> {
    std::env::var_os("LINUX_DIR")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

fn write_defconfigs(root: &Path) -> Result<(), XtaskError> {
    for board in board::all(root)? {
        error::write(&board.defconfig_path(root), &board.defconfig())?;
        println!("wrote {}", board.defconfig_path(root).display());
    }
    Ok(())
}
