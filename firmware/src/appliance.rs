//! The image that the daemon runs from: its version, its keys, its disk.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use cell_core::{Appliance, OpenStick};
use cell_fetch::FetchLink;
use cell_signed::KeyList;
use cell_updates::boot_state::{
    Folder, GrubBootState, MountedSelect, Running, checked_bytes, partition_device, select_device,
};
use cell_updates::bundle::{BLOCK, KEYS, Place, RELEASE, size_with_tree};
use cell_updates::install::{PartitionFiles, SlotPartitions, Staging};

use crate::slot::{COMMAND_LINE, MOUNT_POINT};

/// Where what was fetched waits.
const STAGING: &str = "/data/firmware";
/// Held by whoever writes the slot that does not run.
pub(crate) const SLOT_LOCK: &str = "/run/lock/slot";
/// What the last version on trial said; written by `rootfs-overlay/usr/libexec/cell/trial-log`.
const TRIAL_LOG: &str = "/state/last-trial.log";
/// In the runtime directory, once a trial has passed.
pub(crate) const COMMITTED: &str = "committed";

/// The appliance this is, if it is one: an image of ours that our loader has started.
pub(crate) fn of_this_machine(
    runtime_dir: &Path,
    fetch: Arc<dyn FetchLink>,
    stick: OpenStick,
) -> Option<Appliance> {
    let running = Running::read(Path::new(COMMAND_LINE)).ok()?;
    let select = select_device()?;
    let root = Path::new("/");
    let release = read_json(&root.join(RELEASE)).map_err(complain).ok()?;
    let keys = read_keys(&root.join(KEYS)).map_err(complain).ok();
    Some(Appliance {
        release,
        keys,
        running,
        boot: Arc::new(GrubBootState::new(MountedSelect::new(select, MOUNT_POINT))),
        partitions: Arc::new(partitions()),
        root_size: root_size(),
        staging: Staging::new(STAGING),
        committed: runtime_dir.join(COMMITTED),
        trial_log: TRIAL_LOG.into(),
        slot_lock: SLOT_LOCK.into(),
        seen: Mutex::default(),
        fetch,
        stick,
        restart: Box::new(|| match Command::new("reboot").status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other("reboot did not take the request")),
        }),
    })
}

/// Both slots' partitions of this machine's disk.
pub(crate) fn partitions() -> impl SlotPartitions {
    PartitionFiles(|slot, place: Place| {
        let name = format!("{}-{slot}", place.as_str());
        partition_device(&name).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

/// Bytes of the running root with its hash tree.
pub(crate) fn root_size() -> Option<u64> {
    checked_bytes().map(|bytes| size_with_tree(bytes / BLOCK))
}

/// A made-up one for tests, with files in the place of partitions: `boot-a`, `boot-b`, `root-a`, `root-b`, the loader's
/// files in `select/cell`, `cmdline`, `release.json` and `keys.json`, and `last-trial.log` if there is one. A restart is a file `restart`
/// there.
pub(crate) fn in_folder(
    folder: &Path,
    runtime_dir: &Path,
    fetch: Arc<dyn FetchLink>,
    stick: OpenStick,
) -> Result<Appliance, Box<dyn Error>> {
    let command_line = folder.join("cmdline");
    let files = Folder::new(folder.join("select"));
    let (slots, restart) = (folder.to_owned(), folder.join("restart"));
    Ok(Appliance {
        release: read_json(&folder.join("release.json"))?,
        keys: Some(read_keys(&folder.join("keys.json"))?),
        running: Running::read(&command_line)?,
        boot: Arc::new(GrubBootState::with_command_line(files, &command_line)),
        partitions: Arc::new(PartitionFiles(move |slot, place: Place| {
            Ok(slots.join(format!("{}-{slot}", place.as_str())))
        })),
        root_size: None,
        staging: Staging::new(folder.join("staging")),
        committed: runtime_dir.join(COMMITTED),
        trial_log: folder.join("last-trial.log"),
        slot_lock: folder.join("slot.lock"),
        seen: Mutex::default(),
        fetch,
        stick,
        restart: Box::new(move || fs::write(&restart, "")),
    })
}

fn read_keys(path: &Path) -> Result<KeyList, Box<dyn Error>> {
    let chain: Vec<cell_signed::Envelope> = read_json(path)?;
    Ok(KeyList::newest(&chain)?)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Box<dyn Error>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn complain(error: Box<dyn Error>) -> Box<dyn Error> {
    tracing::warn!(%error, "the image does not say what it is or whose updates it takes");
    error
}
