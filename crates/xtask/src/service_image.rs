//! `cargo xtask service-image`: images of services, in the folder in which they come with the box.
//!
//! What tests need is made once and kept until a recipe changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cell_os::service::Services;
use clap::ValueEnum;

use crate::cargo;
use crate::error::XtaskError;
use crate::image::unwritten;

/// What is beside a package folder: everything it was made from.
const STAMP: &str = "made-from";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which: a folder of `images/services/`
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All there are
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// For which processor, in Debian's words
    #[arg(long, value_enum, default_value_t = Architecture::OF_THIS_MACHINE)]
    arch: Architecture,
    /// Where the folder goes; what was made there before is replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make it a second time elsewhere, and compare every byte
    #[arg(long)]
    twice: bool,
    /// Take the newest packages, and write down which these are
    #[arg(long)]
    update_lock: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    const OF_THIS_MACHINE: Self = match cfg!(target_arch = "aarch64") {
        true => Self::Arm64,
        false => Self::Amd64,
    };

    fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    let services = services(options.arch.as_str());
    let ids = match options.all {
        true => services.ids()?,
        false => options.ids.clone(),
    };
    if options.update_lock {
        println!("taking the newest packages");
        services.refresh(&ids)?;
    }
    let out = match &options.out {
        Some(out) => out.clone(),
        None => folder(options.arch.as_str()),
    };
    forget(&out)?;
    services.make(&ids, &out, step)?;
    if options.twice {
        let elsewhere = tempfile::tempdir().map_err(unwritten(&out))?;
        let second = elsewhere.path().join("packages");
        services.make(&ids, &second, step)?;
        compare(&out, &second)?;
    }
    println!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Holds what was made against what was made of the same once more.
fn compare(first: &Path, second: &Path) -> Result<(), XtaskError> {
    let [first, second] = [
        cell_os::digest_below(first)?,
        cell_os::digest_below(second)?,
    ];
    if first != second {
        return Err(XtaskError::NotReproduced { first, second });
    }
    println!("made twice, the same both times");
    Ok(())
}

/// The folder with all services for a processor, made if it is not there or something that goes into it has changed.
pub(crate) fn current(architecture: &str) -> Result<PathBuf, XtaskError> {
    let services = services(architecture);
    let out = folder(architecture);
    let stamp = stamp(&out);
    let tree = cargo::root().join("images/os/src");
    let inputs = services.inputs()? + &cell_os::digest_below(&tree)?;
    if out.exists() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == inputs) {
        return Ok(out);
    }
    println!("making the images of services; this takes a minute the first time");
    forget(&out)?;
    services.make(&services.ids()?, &out, step)?;
    fs::write(&stamp, inputs).map_err(unwritten(&stamp))?;
    Ok(out)
}

/// The same, for this machine.
pub(crate) fn for_this_machine() -> Result<PathBuf, XtaskError> {
    current(Architecture::OF_THIS_MACHINE.as_str())
}

/// A folder with all packages of an image for this machine, unpacked. `image` is its folder below `images/services`.
pub(crate) fn packages(image: &str) -> Result<PathBuf, XtaskError> {
    let services = services(Architecture::OF_THIS_MACHINE.as_str());
    Ok(services.packages(image, step)?)
}

/// This machine's program of the reverse proxy, as it is in its image.
pub(crate) fn caddy() -> Result<PathBuf, XtaskError> {
    Ok(packages("proxy")?.join("usr/bin/caddy"))
}

/// From here on nobody knows what the folder was made from, also when this is interrupted.
fn forget(out: &Path) -> Result<(), XtaskError> {
    let stamp = stamp(out);
    cell_durable::remove(&stamp).map_err(unwritten(&stamp))
}

fn stamp(out: &Path) -> PathBuf {
    out.with_extension(STAMP)
}

fn folder(architecture: &str) -> PathBuf {
    cargo::cache_dir().join("services").join(architecture)
}

fn services(architecture: &str) -> Services {
    let cache = cargo::cache_dir().join("debian");
    Services::new(&cargo::root(), &cache, architecture)
}

fn step(text: &str) {
    println!("  {text}");
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

    #[test]
    fn services_are_named_or_all() {
        let parse = |arguments: &[&str]| {
            Line::try_parse_from([&["service-image"], arguments].concat()).map(|line| line.options)
        };
        assert_eq!(parse(&["calendar"]).unwrap().ids, ["calendar"]);
        assert!(parse(&["--all"]).unwrap().ids.is_empty());
        assert!(parse(&[]).is_err());
        assert!(parse(&["--all", "calendar"]).is_err());
    }

    #[test]
    fn other_bytes_are_told() {
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for folder in [&first, &second] {
            fs::write(folder.path().join("images.json"), "{}").unwrap();
        }
        compare(first.path(), second.path()).unwrap();
        fs::write(second.path().join("images.json"), "{ }").unwrap();
        assert!(compare(first.path(), second.path()).is_err());
    }
}
