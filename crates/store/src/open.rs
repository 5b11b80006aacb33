//! Opening: lock, schema, migration, and putting a newly made store in place.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::database::Database;
use crate::migrations::{self, SCHEMA};
use crate::store::Store;
use crate::{StoreError, files};

pub(crate) fn open(
    dir: &Path,
    spare: Option<&Path>,
    history_limit: u64,
) -> Result<Store, StoreError> {
    let lock = take(dir)?;
    let store = dir.join(files::STORE);
    if !exists(&store)? {
        // Built aside, so that a store that is not whole can only be damage.
        let next = dir.join(files::NEXT);
        Database::open(&next)?.close()?;
        files::write_schema(&next, SCHEMA)?;
        place(dir, None)?;
    }
    Store::new(dir, spare, lock, history_limit)
}

/// Opens the database of a state directory, migrated if need be.
pub(crate) fn database(dir: &Path) -> Result<Database, StoreError> {
    let store = dir.join(files::STORE);
    match files::read_schema(&store)? {
        None => return Err(StoreError::BadSchema(store)),
        Some(found) if found < SCHEMA => migrate(dir, found)?,
        Some(_) => {}
    }
    Database::open(&store)
}

/// Opens a copy of the database, made anew under `spare`: opening writes, and there is no room for that beside the
/// original. A migration happens in the copy only.
pub(crate) fn stand_in(dir: &Path, spare: &Path) -> Result<Database, StoreError> {
    let store = dir.join(files::STORE);
    let Some(found) = files::read_schema(&store)? else {
        return Err(StoreError::BadSchema(store));
    };
    dismiss(spare)?;
    files::make_dir(spare)?;
    copy(&store, spare).map_err(StoreError::file("copy to", spare))?;
    let database = Database::open(spare)?;
    migrations::run(&database, found)?;
    Ok(database)
}

/// Removes the copy made by [`stand_in`], if there is one.
pub(crate) fn dismiss(spare: &Path) -> Result<(), StoreError> {
    match exists(spare)? {
        true => remove(spare),
        false => Ok(()),
    }
}

/// Locks the directory and clears what an interrupted migration or restore left. Refuses a newer store untouched.
pub(crate) fn take(dir: &Path) -> Result<File, StoreError> {
    if !exists(dir)? {
        files::make_dir(dir)?;
    }
    let lock = files::lock(dir)?;
    let found = files::read_schema(&dir.join(files::STORE))?;
    refuse_newer(found)?;
    settle(dir, found)?;
    Ok(lock)
}

/// An error when the schema is one this version does not know.
pub(crate) fn refuse_newer(found: Option<u32>) -> Result<(), StoreError> {
    match found {
        Some(found) if found > SCHEMA => Err(StoreError::NewerSchema {
            found,
            known: SCHEMA,
        }),
        _ => Ok(()),
    }
}

/// A store beside the one in use is either unfinished (its schema number is written last), or finished and not yet put in
/// place, or the older one after they changed places. Only the last is worth keeping.
pub(crate) fn settle(dir: &Path, found: Option<u32>) -> Result<(), StoreError> {
    let next = dir.join(files::NEXT);
    if !exists(&next)? {
        return Ok(());
    }
    match (found, files::read_schema(&next).unwrap_or(None)) {
        (Some(found), Some(older)) if older < found => set_aside(dir, &previous(older)),
        _ => remove(&next),
    }
}

/// Migrates a copy and lets it change places with the store, so that a crash leaves one of the two whole. The older one
/// stays as `store.v<N>` for the firmware that knows it.
fn migrate(dir: &Path, found: u32) -> Result<(), StoreError> {
    let store = dir.join(files::STORE);
    let next = dir.join(files::NEXT);
    let size = size(&store).map_err(StoreError::file("measure", &store))?;
    files::require_room(dir, size.saturating_mul(2))?;
    copy(&store, &next).map_err(StoreError::file("copy", &store))?;
    let database = Database::open(&next)?;
    migrations::run(&database, found)?;
    database.close()?;
    files::write_schema(&next, SCHEMA)?;
    place(dir, Some(&previous(found)))?;
    tracing::info!(from = found, to = SCHEMA, "store migrated");
    Ok(())
}

fn previous(schema: u32) -> String {
    format!("{}.v{schema}", files::STORE)
}

/// Makes `store.next` the store. A store that was there is kept under the name `aside`, or removed.
pub(crate) fn place(dir: &Path, aside: Option<&str>) -> Result<(), StoreError> {
    let store = dir.join(files::STORE);
    let next = dir.join(files::NEXT);
    if !exists(&store)? {
        return files::publish(&next, &store);
    }
    renameat_with(CWD, &next, CWD, &store, RenameFlags::EXCHANGE)
        .map_err(|e| StoreError::file("put in place", &next)(e.into()))?;
    files::sync_parent(&store)?;
    match aside {
        Some(name) => set_aside(dir, name),
        None => remove(&next),
    }
}

fn set_aside(dir: &Path, name: &str) -> Result<(), StoreError> {
    let kept = dir.join(name);
    if exists(&kept)? {
        remove(&kept)?;
    }
    files::publish(&dir.join(files::NEXT), &kept)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_dir_all(path).map_err(StoreError::file("remove", path))
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists()
        .map_err(StoreError::file("look for", path))
}

fn size(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

/// Copies a store directory, but for its schema number, and makes the copy durable.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if !files::is_schema(&entry.file_name()) {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    files::keep_private(to)?;
    files::sync_dir(to)
}
