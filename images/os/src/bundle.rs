//! The update bundle: what is on the disk image, for boxes that run an earlier version.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::Path;

use cell_model::config::ReleaseChannel;
use cell_signed::{Envelope, KeyList, SigningKey};
use cell_updates::bundle::{
    self, BLOCK, Content, Header, Manifest, PREFIX, Place, Release, Sbom, Verity,
};

use crate::assemble::verity_of;
use crate::disk;
use crate::error::{self, OsError};
use crate::fat::FatFiles;
use crate::keyring::Keyring;
use crate::toolbox::Toolbox;

/// What a bundle says besides what is in it.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Which version.
    pub release: Release,
    /// For whom.
    pub channel: ReleaseChannel,
    /// Not taken any more from then on.
    pub expires: cell_model::Timestamp,
    /// What has changed, for people.
    pub notes: String,
    /// The list of what is in it.
    pub sbom: Sbom,
}

/// Makes the bundle `to` of a disk image, signed by the keys that are here.
///
/// # Errors
/// An image that is none of ours; what cannot be read or written. A bundle from before stays as it was.
pub fn make(
    image: &Path,
    terms: Terms,
    keys: &Keyring,
    toolbox: &Toolbox,
    to: &Path,
) -> Result<Manifest, OsError> {
    let verity = verity(image, toolbox)?;
    let root = bundle::size_with_tree(verity.data_blocks);
    let boot = end_of_boot(image).map_err(error::read(image))?;
    let size = |place| match place {
        Place::Boot => boot,
        Place::Root => root,
    };
    let open = |place| open(image, place, size(place));
    let content = |place| Content::of(open(place)?);
    let manifest = Manifest {
        release: terms.release,
        channel: terms.channel,
        expires: terms.expires,
        notes: terms.notes,
        sbom: terms.sbom,
        boot: content(Place::Boot).map_err(error::read(image))?,
        root: content(Place::Root).map_err(error::read(image))?,
        verity,
    };
    let payload = serde_json::to_vec(&manifest).map_err(|source| OsError::Write {
        path: to.to_owned(),
        source: source.into(),
    })?;
    let header = Header {
        keys: keys.chain.clone(),
        manifest: Envelope::seal(Manifest::TYPE, payload, &keys.signers),
    };
    let new = to.with_extension("bundle.new");
    let written = File::create(&new)
        .and_then(|file| bundle::write(&header, &manifest, open, &mut BufWriter::new(file)))
        .and_then(|()| fs::rename(&new, to));
    written.map_err(error::write(to))?;
    Ok(manifest)
}

/// What the root on a disk image is checked against.
///
/// # Errors
/// An image that is none of ours.
pub fn verity(image: &Path, toolbox: &Toolbox) -> Result<Verity, OsError> {
    let fat = FatFiles {
        toolbox,
        image,
        at: disk::offset_of("boot-a"),
    };
    verity_of(&fat.read("slot.cfg")?)
}

/// Adds a signature to a bundle: keys need not be on one machine. Answers how many boxes will count.
///
/// # Errors
/// It is no bundle; the key is not one of its list.
pub fn add_signature(path: &Path, key: &SigningKey) -> Result<usize, OsError> {
    let wrong = |problem: String| OsError::Data {
        path: path.to_owned(),
        problem,
    };
    let mut from = BufReader::new(File::open(path).map_err(error::read(path))?);
    let mut prefix = [0; PREFIX];
    from.read_exact(&mut prefix).map_err(error::read(path))?;
    let length = Header::length(&prefix).map_err(|problem| wrong(problem.to_string()))?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).map_err(error::read(path))?;
    let mut header = Header::parse(&bytes).map_err(|problem| wrong(problem.to_string()))?;
    let list = KeyList::newest(&header.keys).map_err(|problem| wrong(problem.to_string()))?;
    if !list.keys.contains(&key.public()) {
        return Err(wrong(format!(
            "key {} is not in its key list",
            key.public().id()
        )));
    }
    header.manifest.add_signature(key);
    let bytes = header
        .to_bytes()
        .map_err(|problem| wrong(problem.to_string()))?;
    let new = path.with_extension("bundle.new");
    let written = File::create(&new).and_then(|file| {
        let mut to = BufWriter::new(file);
        io::Write::write_all(&mut to, &bytes)?;
        io::copy(&mut from, &mut to)?;
        io::Write::flush(&mut to)?;
        fs::rename(&new, path)
    });
    written.map_err(error::write(path))?;
    Ok(header.manifest.signatures().len())
}

fn open(image: &Path, place: Place, size: u64) -> io::Result<impl Read> {
    let mut file = File::open(image)?;
    let name = format!("{}-a", place.as_str());
    file.seek(SeekFrom::Start(disk::offset_of(&name)))?;
    Ok(BufReader::with_capacity(1 << 20, file).take(size))
}

/// Where the boot partition's files end: behind them is nothing, whole blocks of it.
fn end_of_boot(image: &Path) -> io::Result<u64> {
    let mut partition = open(image, Place::Boot, disk::size_of("boot-a"))?;
    let mut block = vec![0; usize::try_from(BLOCK).unwrap_or_default()];
    let (mut at, mut end) = (0, 0);
    while at < disk::size_of("boot-a") {
        partition.read_exact(&mut block)?;
        at += BLOCK;
        if block.iter().any(|byte| *byte != 0) {
            end = at;
        }
    }
    Ok(end)
}
