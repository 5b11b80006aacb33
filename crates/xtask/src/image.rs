//! `cargo xtask image`: the disk image of a board, with its list of contents and its checksum.
//!
//! What run and test need is made once and kept until something that goes into it changes.

mod downloads;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cell_os::OsError;
use cell_os::assemble::{Assembly, Image, assemble};
use cell_os::board::Board;
use cell_os::debian::{Lock, Sources};
use cell_os::sbom;
use cell_os::toolbox::Toolbox;
use cell_signed::Envelope;
use cell_updates::bundle::{Digest, Release, size_with_tree};
use clap::ValueEnum;

use crate::buildroot;
use crate::bundle::{self, KeyOptions};
use crate::cargo::{self, Profile};
use crate::error::XtaskError;
use crate::service_image;
use crate::setup;

/// The board of machines like this one.
pub(crate) const DEFAULT_BOARD: &str = "x86_64-uefi";
/// Our programs in the image: package and program.
pub(crate) const PROGRAMS: &[(&str, &str)] = &[
    ("cell-firmware", "celld"),
    ("cell-cellctl", "cellctl"),
    ("cell-console", "cell-console"),
];

/// What is beside an image: everything it was made from.
const STAMP: &str = "made-from";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// For which board: a folder of `board/`
    #[arg(long, value_name = "BOARD", default_value = DEFAULT_BOARD)]
    board: String,
    /// Where kernel and userland come from
    #[arg(long, value_enum, default_value_t = BaseKind::Debian)]
    base: BaseKind,
    /// Where the image goes
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also make what people download: packed and for virtual machines, with checksums and a signature
    #[arg(long)]
    downloads: bool,
    /// Make it a second time elsewhere, and compare every byte
    #[arg(long)]
    twice: bool,
    /// Take the newest packages, and write down which these are
    #[arg(long)]
    update_lock: bool,
    #[command(flatten)]
    keys: KeyOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BaseKind {
    /// Packages of Debian 13
    Debian,
    /// The shipping base, built from source; needs the internet
    Buildroot,
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    if options.base == BaseKind::Buildroot {
        for (given, option) in [
            (options.downloads, "--downloads"),
            (options.twice, "--twice"),
            (options.update_lock, "--update-lock"),
        ] {
            if given {
                return Err(XtaskError::DebianOnly { option });
            }
        }
        setup::ensure_buildroot()?;
        let assembler = cargo::build_program("cell-os", "cell-os", Profile::Release)?;
        let keys = options.keys.keyring()?;
        let architecture = board(&options.board)?.meta.debian_architecture;
        let parts = buildroot::Parts {
            cell_os: assembler,
            keys: keys.path,
            services: service_image::current(&architecture)?,
        };
        let mut folder = buildroot::image(&options.board, parts)?;
        if let Some(out) = &options.out {
            cargo::succeed(
                Command::new("cp")
                    .args(["--recursive", "--sparse=always", "--no-target-directory"])
                    .args([&folder, out]),
            )?;
            folder.clone_from(out);
        }
        println!("{}", folder.display());
        return Ok(ExitCode::SUCCESS);
    }
    let sources = sources(Vec::new());
    if options.update_lock {
        let board = board(&options.board)?;
        println!("taking the newest packages");
        sources.refresh(&board)?;
    }
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| image_dir(&options.board));
    let made = make(&options.board, &out, &options.keys)?;
    if options.twice {
        compare(&made, options, &out)?;
    }
    bundle::beside(&made, &options.board, &options.keys)?;
    if options.downloads {
        downloads::make(&made, &options.board, &out, &toolbox()?)?;
    }
    println!("{}", made.display());
    Ok(ExitCode::SUCCESS)
}

/// Puts the image together again, from the same programs and packages, and holds one against the other.
fn compare(first: &Path, options: &Options, out: &Path) -> Result<(), XtaskError> {
    let elsewhere = tempfile::tempdir_in(out).map_err(unwritten(out))?;
    let second = make(&options.board, elsewhere.path(), &options.keys)?;
    let [first, second] = [cell_os::digest_of(first)?, cell_os::digest_of(&second)?];
    if first != second {
        return Err(XtaskError::NotReproduced { first, second });
    }
    println!("made twice, the same both times: SHA-256 {first}");
    Ok(())
}

/// The image of a board, made if it is not there or something that goes into it has changed.
pub(crate) fn current(board: &str) -> Result<PathBuf, XtaskError> {
    make_with_keys(board, &KeyOptions::default())
}

/// The same, for boxes that take what these keys sign.
pub(crate) fn make_with_keys(board: &str, keys: &KeyOptions) -> Result<PathBuf, XtaskError> {
    make(board, &image_dir(board), keys)
}

/// Which version an image of this tree is.
pub(crate) fn release(board: &str) -> Release {
    Release {
        board: board.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sequence: epoch(),
        schema: cell_store::SCHEMA,
    }
}

/// Which version an image of these sources is.
pub(crate) fn release_of(sources: &Sources, board: &Board) -> Release {
    Release {
        sequence: sources.epoch,
        ..release(&board.name)
    }
}

/// The file that says what a board's current image was made from: another image, another content.
pub(crate) fn made_from(board: &str) -> PathBuf {
    image_dir(board).join(STAMP)
}

/// The programs that make and try images.
pub(crate) fn toolbox() -> Result<Toolbox, XtaskError> {
    Ok(sources(Vec::new()).toolbox(step)?)
}

/// The packages that this machine's image is made from, unpacked.
pub(crate) fn packages() -> Result<PathBuf, XtaskError> {
    for name in board_names()? {
        let board = board(&name)?;
        if board.is_for_this_machine() {
            return Ok(sources(Vec::new()).packages(&board, step)?.folder);
        }
    }
    Err(XtaskError::NoBoard)
}

fn image_dir(board: &str) -> PathBuf {
    cargo::cache_dir().join("image").join(board)
}

/// The board of this name.
pub(crate) fn board(name: &str) -> Result<Board, XtaskError> {
    Ok(Board::read(&boards(), name)?)
}

/// The boards there are.
pub(crate) fn board_names() -> Result<Vec<String>, XtaskError> {
    Ok(cell_os::board::names(&boards())?)
}

fn boards() -> PathBuf {
    cargo::root().join("board")
}

/// What the images of this tree are made of.
pub(crate) fn sources(programs: Vec<PathBuf>) -> Sources {
    Sources {
        tree: cargo::root(),
        cache: cargo::cache_dir().join("debian"),
        programs,
        services: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: epoch(),
    }
}

/// Time of everything in the image: as asked for, or the last commit's.
fn epoch() -> u64 {
    if let Some(asked) = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return asked;
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"])
        .current_dir(cargo::root());
    let output = git.output().ok();
    output
        .and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok())
        .unwrap_or_default()
}

fn make(name: &str, out: &Path, keys: &KeyOptions) -> Result<PathBuf, XtaskError> {
    let board = board(name)?;
    let keys = keys.keyring()?.chain;
    let sources = Sources {
        services: Some(service_image::current(&board.meta.debian_architecture)?),
        ..sources(programs(&board)?)
    };
    let disk = out.join(format!("cell-{name}.img"));
    let stamp = out.join(STAMP);
    let inputs = inputs(&sources, &board, &keys)?;
    if disk.exists() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == inputs) {
        return Ok(disk);
    }
    println!("making the image for {name}; this takes a few minutes the first time");
    fs::create_dir_all(out).map_err(unwritten(out))?;
    // What is there is of other inputs from here on, also when this is interrupted.
    cell_durable::remove(&stamp).map_err(unwritten(&stamp))?;
    let (image, lock) = put_together(&sources, &board, keys, out)?;
    write_contents(&sources, &board, &lock, out)?;
    write(&stamp, &inputs)?;
    println!(
        "  root {:.1} MB, SHA-256 {}",
        image.root_size as f64 / 1e6,
        image.root_digest
    );
    Ok(image.disk)
}

/// Makes the image of these sources, for boxes that take bundles of `keys`. Answers it and the packages in it.
pub(crate) fn put_together(
    sources: &Sources,
    board: &Board,
    keys: Vec<Envelope>,
    out: &Path,
) -> Result<(Image, Lock), XtaskError> {
    let toolbox = sources.toolbox(step)?;
    let scratch = out.join("scratch");
    step("fetching and unpacking packages");
    let packages = sources.packages(board, step)?;
    let base = sources.base(board, &packages, &toolbox, &scratch.join("base"), step)?;
    let assembly = Assembly {
        board: board.clone(),
        common: sources.tree.join("board/common"),
        toolbox,
        release: release_of(sources, board),
        keys,
        services: sources.services.clone(),
        scratch: scratch.join("assembly"),
        epoch: sources.epoch,
    };
    let image = assemble(&base, &assembly, out, step)?;
    let _ = fs::remove_dir_all(&scratch);
    Ok((image, packages.lock))
}

/// Our programs for a board.
fn programs(board: &Board) -> Result<Vec<PathBuf>, XtaskError> {
    if !board.is_for_this_machine() {
        println!("building the programs for {}", board.meta.rust_target);
    }
    let compiler = sources(Vec::new()).compiler(board, step)?;
    cargo::build_programs(PROGRAMS, Profile::Release, compiler.as_ref())
}

fn step(text: &str) {
    println!("  {text}");
}

/// Bytes of the root slot, hash tree included, as the disk's loader has them.
pub(crate) fn root_size(disk: &Path, toolbox: &Toolbox) -> Result<u64, XtaskError> {
    Ok(size_with_tree(
        cell_os::bundle::verity(disk, toolbox)?.data_blocks,
    ))
}

/// The list of what is in the image, beside it.
fn write_contents(
    sources: &Sources,
    board: &Board,
    lock: &Lock,
    out: &Path,
) -> Result<(), XtaskError> {
    write(
        &out.join(format!("cell-{}.lock", board.name)),
        &lock.to_string(),
    )?;
    let document = sbom::spdx(
        &board.name,
        &sources.version,
        &rfc3339(sources.epoch),
        lock,
        &crates(&board.meta.rust_target)?,
    );
    let path = out.join(format!("cell-{}.spdx.json", board.name));
    write(&path, &format!("{document:#}\n"))
}

/// The crates that our programs are built from for a processor, in Rust's words.
fn crates(target: &str) -> Result<Vec<sbom::Crate>, XtaskError> {
    let metadata = cargo::metadata(&["--filter-platform", target])?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let is_ours = |package: &&serde_json::Value| {
        let mut programs = PROGRAMS.iter();
        programs.any(|(name, _)| package["name"] == *name)
    };
    let roots = packages.iter().filter(is_ours);
    let roots = roots.filter_map(|package| text(&package["id"])).collect();
    let used = reached(&metadata["resolve"]["nodes"], roots);
    let mut crates: Vec<sbom::Crate> = packages
        .iter()
        .filter(|package| !package["source"].is_null())
        .filter(|package| text(&package["id"]).is_some_and(|id| used.contains(&id)))
        .filter_map(|package| {
            Some(sbom::Crate {
                name: text(&package["name"])?,
                version: text(&package["version"])?,
                license: text(&package["license"]),
            })
        })
        .collect();
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(crates)
}

/// What these packages are built from, themselves included: not what only tests or build scripts use.
fn reached(nodes: &serde_json::Value, mut open: Vec<String>) -> BTreeSet<String> {
    let nodes = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_built_in = |dependency: &&serde_json::Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        let node = nodes.iter().find(|node| node["id"] == *id);
        let dependencies = node.and_then(|node| node["deps"].as_array());
        if reached.insert(id) {
            let built_in = dependencies.into_iter().flatten().filter(is_built_in);
            open.extend(
                built_in.filter_map(|dependency| dependency["pkg"].as_str().map(str::to_owned)),
            );
        }
    }
    reached
}

/// Seconds since 1970 as RFC 3339 has them, by way of `date`.
fn rfc3339(seconds: u64) -> String {
    let mut date = Command::new("date");
    date.args(["--utc", "+%Y-%m-%dT%H:%M:%SZ", "--date"])
        .arg(format!("@{seconds}"));
    let output = date.output().ok();
    output
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Everything the image is made from, as one text: names and digests.
fn inputs(sources: &Sources, board: &Board, keys: &[Envelope]) -> Result<String, XtaskError> {
    let tree = &sources.tree;
    let mut text = format!("version {} epoch {}\n", sources.version, sources.epoch);
    for path in &sources.programs {
        text.push_str(&format!(
            "{} {}\n",
            path.display(),
            cell_os::digest_of(path)?
        ));
    }
    for folder in ["images/os", "rootfs-overlay", "board/common"] {
        text.push_str(&cell_os::digest_below(&tree.join(folder))?);
    }
    text.push_str(&cell_os::digest_below(&board.folder)?);
    if let Some(services) = &sources.services {
        text.push_str(&cell_os::digest_below(services)?);
    }
    let keys = serde_json::to_vec(keys).unwrap_or_default();
    text.push_str(&format!("keys {}\n", Digest::of(&keys)));
    Ok(text)
}

fn write(path: &Path, text: &str) -> Result<(), XtaskError> {
    fs::write(path, text).map_err(unwritten(path))
}

/// What comes of a file or folder that cannot be written.
pub(crate) fn unwritten(path: &Path) -> impl FnOnce(io::Error) -> XtaskError {
    let path = path.to_owned();
    |source| XtaskError::Image(OsError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_epoch() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_list_of_contents_names_what_we_build_on() {
        let crates = crates("aarch64-unknown-linux-gnu").unwrap();
        assert!(crates.iter().any(|part| part.name == "hickory-server"));
        for absent in ["cell-model", "fuser", "minisign", "proptest", "vt100"] {
            assert!(crates.iter().all(|part| part.name != absent), "{absent}");
        }
    }
}
