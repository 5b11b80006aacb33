//! `cargo xtask bundle`: the update bundle of a board, its signatures, and the keys for them.
//!
//! Without `--keys` the keys of this checkout are taken, made the first time, outside the tree. They are marked as a
//! developer's: an image for others (`--release`) refuses them, and a box that has release keys never takes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_os::bundle::{self, Terms};
use cell_os::keyring::{self, Keyring};
use cell_signed::Purpose;
use cell_updates::bundle::{Digest, Manifest, Release, Sbom};
use clap::{Args, Subcommand, ValueEnum};

use crate::cargo;
use crate::error::XtaskError;
use crate::image;

/// An automatic update that nobody offers any more is not taken for long.
const VALID_DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    make: Make,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Add the signature of one more key to a bundle
    Sign {
        /// The bundle
        bundle: PathBuf,
        /// The secret key: a file NAME.key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Make three keys for releases in a new folder; keep them apart afterwards
    NewKeys {
        /// The folder
        folder: PathBuf,
    },
    /// Make new keys instead of those in a folder, signed by the old ones
    ReplaceKeys {
        /// The folder
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Make {
    /// For which board: a folder of `board/`
    #[arg(long, value_name = "BOARD", default_value = image::DEFAULT_BOARD)]
    board: String,
    /// Who is offered it
    #[arg(long, value_enum, default_value_t = Channel::Testing)]
    channel: Channel,
    /// What has changed, as plain text
    #[arg(long, value_name = "FILE")]
    notes: Option<PathBuf>,
    /// For how long boxes take it
    #[arg(long, value_name = "DAYS", default_value_t = VALID_DAYS)]
    valid_days: u32,
    #[command(flatten)]
    keys: KeyOptions,
    /// Where the bundle goes
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Whose bundles an image takes, and who signs one.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct KeyOptions {
    /// The folder of the keys, with `keys.json`; this checkout's own otherwise
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// For others: refuses a developer's keys
    #[arg(long)]
    release: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Channel {
    /// Everybody
    Stable,
    /// Who wants to see faults first
    Testing,
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    match &options.task {
        None => {
            let made = image::make_with_keys(&options.make.board, &options.make.keys)?;
            let to = options.make.out.clone();
            let to = to.unwrap_or_else(|| made.with_extension("bundle"));
            make(&made, &options.make, &to)?;
            println!("{}", to.display());
        }
        Some(Task::Sign { bundle, key }) => {
            let signatures = bundle::add_signature(bundle, &keyring::signing_key(key)?)?;
            println!("{}: {signatures} signatures", bundle.display());
        }
        Some(Task::NewKeys { folder }) => {
            Keyring::create(folder, Purpose::Release)?;
            println!("{}: three keys, two of which sign", folder.display());
        }
        Some(Task::ReplaceKeys { folder }) => {
            let keys = Keyring::read(folder)?.replace(folder)?;
            println!("{}: key list {}", folder.display(), keys.list.version);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The bundle of an image just made, beside it, for whoever asked for the image.
pub(crate) fn beside(image: &Path, board: &str, keys: &KeyOptions) -> Result<(), XtaskError> {
    let options = Make {
        board: board.to_owned(),
        channel: Channel::Testing,
        notes: None,
        valid_days: VALID_DAYS,
        keys: keys.clone(),
        out: None,
    };
    make(image, &options, &image.with_extension("bundle"))
}

fn make(image: &Path, options: &Make, to: &Path) -> Result<(), XtaskError> {
    let keys = options.keys.keyring()?;
    let list = image.with_extension("spdx.json");
    let sbom = Sbom {
        name: list
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        digest: digest(&list)?,
    };
    let notes = options.notes.as_deref().map(read).transpose()?;
    let terms = Terms {
        release: image::release(&options.board),
        channel: match options.channel {
            Channel::Stable => ReleaseChannel::Stable,
            Channel::Testing => ReleaseChannel::Testing,
        },
        expires: Timestamp::now() + DAY * options.valid_days,
        notes: notes.unwrap_or_default(),
        sbom,
    };
    println!("  making the bundle {}", to.display());
    let manifest = bundle::make(image, terms, &keys, &image::toolbox()?, to)?;
    tell(&manifest, &keys);
    Ok(())
}

fn tell(manifest: &Manifest, keys: &Keyring) {
    let Release {
        version, sequence, ..
    } = &manifest.release;
    println!(
        "  version {version} ({sequence}), {:.1} MB in {} pieces, signed by {} of {} {} keys",
        manifest.chunk_bytes() as f64 / 1e6,
        manifest.boot.chunks.len() + manifest.root.chunks.len(),
        keys.signers.len(),
        keys.list.keys.len(),
        keys.list.purpose,
    );
}

impl KeyOptions {
    /// The keys that are meant.
    pub(crate) fn keyring(&self) -> Result<Keyring, XtaskError> {
        let keys = match &self.keys {
            Some(folder) => Keyring::read(folder)?,
            None => development(&cargo::cache_dir().join("keys"))?,
        };
        if self.release && keys.list.purpose != Purpose::Release {
            return Err(XtaskError::DevelopmentKeys);
        }
        Ok(keys)
    }
}

/// The folder of this checkout's own keys.
pub(crate) fn development_keys() -> Result<PathBuf, XtaskError> {
    let keys = KeyOptions::default().keyring()?;
    Ok(keys.path.parent().unwrap_or(&keys.path).to_owned())
}

/// The keys of this checkout; nobody else has a reason to trust them.
fn development(keys: &Path) -> Result<Keyring, XtaskError> {
    let checkout = cargo::root();
    let checkout = checkout.canonicalize().unwrap_or(checkout);
    let name = Digest::of(checkout.as_os_str().as_encoded_bytes()).to_string();
    let folder = keys.join(&name[..16]);
    if folder.join("keys.json").exists() {
        return Ok(Keyring::read(&folder)?);
    }
    println!("  making this checkout's own keys, {}", folder.display());
    Ok(Keyring::create(&folder, Purpose::Development)?)
}

fn digest(path: &Path) -> Result<Digest, XtaskError> {
    fs::read(path)
        .map(|bytes| Digest::of(&bytes))
        .map_err(|source| XtaskError::Read {
            path: path.to_owned(),
            source,
        })
}

fn read(path: &Path) -> Result<String, XtaskError> {
    fs::read_to_string(path).map_err(|source| XtaskError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn developers_keys_are_made_once_and_are_not_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let made = development(folder.path()).unwrap();
        assert_eq!(made.list.purpose, Purpose::Development);
        assert_eq!(development(folder.path()).unwrap().list, made.list);
        let [entry] = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let options = KeyOptions {
            keys: Some(entry),
            release: true,
        };
        let refused = options.keyring().unwrap_err();
        assert!(matches!(refused, XtaskError::DevelopmentKeys));
    }
}
