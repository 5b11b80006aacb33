//! What a box fetches of a version that differs in one thing from the one it runs.
//!
//! All versions are made of the last commit as releases are, in a copy of the tree: one as it is, and for each kind of
//! change one that is a day younger. What would be fetched is found by the code of the box. The peer is the whole bundle.

mod tree;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_os::bundle::{self, Terms};
use cell_os::disk;
use cell_os::keyring::Keyring;
use cell_os::toolbox::Toolbox;
use cell_updates::boot_state::Slot;
use cell_updates::bundle::{Digest, Place, Sbom};
use cell_updates::install::{self, Index, Offer, PartitionFiles, Received, Staging};

use self::tree::Tree;
use super::BenchError;
use super::figure::{Aim, Figure};
use crate::bundle::KeyOptions;
use crate::error::XtaskError;
use crate::image;
use crate::setup::{self, Need};

/// Between the versions, in seconds: every time in the image is another.
const DAY: u64 = 86_400;

/// What one version has that the other has not.
struct Kind {
    name: &'static str,
    /// Part of the bundle that may be fetched.
    aim: f64,
    change: fn(&Tree) -> Result<(), XtaskError>,
}

/// The one that compiles comes last: the others have the programs of the version before.
const KINDS: &[Kind] = &[
    Kind {
        name: "update.settings",
        aim: 0.05,
        change: settings,
    },
    // Nearly all of what is the kernel's is another: no cut finds that out.
    Kind {
        name: "update.kernel",
        aim: 0.6,
        change: Tree::take_other_kernel,
    },
    Kind {
        name: "update.one_crate",
        aim: 0.15,
        change: one_crate,
    },
];

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    setup::ensure(Need::Image)?;
    let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
    let keys = KeyOptions::default().keyring()?;
    let toolbox = image::toolbox()?;
    let maker = Maker {
        folder: folder.path(),
        keys: &keys,
        toolbox: &toolbox,
    };
    let tree = Tree::of_last_commit()?;
    let epoch = image::sources(Vec::new()).epoch;
    let (disk, _) = maker.version(&tree, "before", epoch)?;
    let running = maker.slot(&disk)?;
    let mut figures = Vec::new();
    for kind in KINDS {
        tree.reset()?;
        (kind.change)(&tree)?;
        let (_, bundle) = maker.version(&tree, kind.name, epoch + DAY)?;
        let Received { total, fetched } = maker.fetch(&running, &bundle)?;
        let (fetched, total) = (fetched as f64, total as f64);
        let aim = Aim::AtMost(kind.aim);
        figures.push(Figure::relative(
            kind.name,
            "bytes",
            &[fetched],
            &[total],
            aim,
        ));
    }
    Ok(figures)
}

/// A line more in a file of settings, and in a script.
fn settings(tree: &Tree) -> Result<(), XtaskError> {
    for path in [
        "rootfs-overlay/etc/sysctl.conf",
        "rootfs-overlay/usr/libexec/cell/log",
    ] {
        tree.append(path, "# One line more.\n")?;
    }
    Ok(())
}

/// A line of log more in the name server, so that what the linker puts behind it moves.
fn one_crate(tree: &Tree) -> Result<(), XtaskError> {
    tree.replace(
        "crates/dns/src/server/mod.rs",
        "info!(%address, \"name server listens\");",
        "info!(%address, others = listening.len(), \"name server listens, and so do others\");",
    )
}

/// Makes versions, and holds one against another.
struct Maker<'a> {
    folder: &'a Path,
    keys: &'a Keyring,
    toolbox: &'a Toolbox,
}

/// The root of a slot, hash tree included, in bytes, and the files that stand for its partitions.
struct Running {
    root_size: u64,
    files: PathBuf,
}

impl Maker<'_> {
    /// A version of the tree as it is now: its disk and its bundle.
    fn version(
        &self,
        tree: &Tree,
        name: &str,
        epoch: u64,
    ) -> Result<(PathBuf, PathBuf), XtaskError> {
        let (sources, board) = tree.sources(epoch)?;
        let out = self.folder.join(name);
        let chain = self.keys.chain.clone();
        let (image, _) = image::put_together(&sources, &board, chain, &out)?;
        let bundle = image.disk.with_extension("bundle");
        let terms = Terms {
            release: image::release_of(&sources, &board),
            channel: ReleaseChannel::Testing,
            expires: Timestamp::now() + Duration::from_secs(DAY),
            notes: String::new(),
            sbom: Sbom {
                name: "none.spdx.json".to_owned(),
                digest: Digest::of(b""),
            },
        };
        bundle::make(&image.disk, terms, self.keys, self.toolbox, &bundle)?;
        Ok((image.disk, bundle))
    }

    /// Slot `a` of a disk as files.
    fn slot(&self, disk: &Path) -> Result<Running, XtaskError> {
        let root_size = image::root_size(disk, self.toolbox)?;
        let files = self.folder.join("running");
        fs::create_dir_all(&files).map_err(image::unwritten(&files))?;
        for (place, size) in [(Place::Boot, Place::Boot.room()), (Place::Root, root_size)] {
            let name = format!("{}-a", place.as_str());
            cut(disk, &name, size, &files.join(&name)).map_err(image::unwritten(&files))?;
        }
        Ok(Running { root_size, files })
    }

    /// What a box that runs one version fetches of the bundle of another.
    fn fetch(&self, running: &Running, bundle: &Path) -> Result<Received, XtaskError> {
        let files = running.files.clone();
        let partitions = PartitionFiles(move |slot, place: Place| {
            Ok(files.join(format!("{}-{slot}", place.as_str())))
        });
        let mut source = File::open(bundle).map_err(|source| XtaskError::Read {
            path: bundle.to_owned(),
            source,
        })?;
        let staging = Staging::new(self.folder.join("staging"));
        let received = Offer::read(&mut source, &self.keys.list).and_then(|offer| {
            let size = Some(running.root_size);
            let index = Index::of(&partitions, Slot::A, size, &mut |_| ())?;
            install::receive(&offer, &mut source, &staging, &index, &mut |_| ())
        });
        Ok(received.map_err(BenchError::from)?)
    }
}

fn cut(disk: &Path, partition: &str, size: u64, to: &Path) -> io::Result<()> {
    let mut from = File::open(disk)?;
    from.seek(SeekFrom::Start(disk::offset_of(partition)))?;
    io::copy(&mut from.take(size), &mut File::create(to)?).map(drop)
}
