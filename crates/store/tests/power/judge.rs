//! What must be true of whatever a power cut leaves.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use cell_audit::AuditLog;
use cell_store::Store;
use serde::{Deserialize, Serialize};

use crate::script::{Script, THINGS};

/// What a program was told up to a moment.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Changes that were acknowledged. The next may be under way.
    pub(crate) kept: usize,
    /// Snapshots that were acknowledged.
    pub(crate) snapshots: u64,
}

/// How closely to look. What takes long is not looked at each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Usual,
    Close,
}

/// The store of a state directory and its audit.
pub(crate) struct Opened {
    pub(crate) store: Arc<Store>,
    pub(crate) audit: AuditLog,
}

impl Opened {
    pub(crate) fn at(dir: &Path) -> Result<Self, String> {
        let store = said(Store::open(dir), "the store does not open")?;
        let store = Arc::new(store);
        let audit = AuditLog::new(Arc::clone(&store));
        Ok(Self { store, audit })
    }

    /// Compares everything with what must be there, and answers how many changes are.
    pub(crate) fn compare(&self, script: &mut Script, known: Known) -> Result<usize, String> {
        let (records, _) = said(self.audit.verify(), "the audit does not hold")?;
        let changes = usize::try_from(records).unwrap();
        if !(known.kept..=known.kept + 1).contains(&changes) {
            return Err(format!("{changes} changes are there: {known:?}"));
        }
        self.compare_now(script, changes)?;
        self.compare_history(script, changes)?;
        Ok(changes)
    }

    fn compare_now(&self, script: &mut Script, changes: usize) -> Result<(), String> {
        let held = script.held(changes);
        let store = &self.store;
        let (revision, documents) = said(store.current(), "the config cannot be read")?;
        let mut secrets = BTreeMap::new();
        for name in said(store.secret_names(), "the secrets cannot be listed")? {
            let sealed = said(store.secret(&name), "a secret cannot be read")?;
            secrets.insert(name, sealed.unwrap_or_default());
        }
        let things = said(
            store.records::<String>(THINGS).scan(),
            "the records cannot be read",
        )?;
        let whole = [
            ("revision", revision == held.revision),
            ("config", same(&documents, &held.documents)),
            ("secrets", same(&secrets, &held.secrets)),
            (
                "records",
                things.into_iter().collect::<BTreeMap<_, _>>() == held.things,
            ),
        ];
        match whole.iter().find(|(_, is_whole)| !is_whole) {
            Some((what, _)) => Err(format!("after {changes} changes the {what} is another")),
            None => Ok(()),
        }
    }

    fn compare_history(&self, script: &mut Script, changes: usize) -> Result<(), String> {
        let latest = script.held(changes).revision;
        for number in 1..=latest {
            let revision = said(self.store.revision(number), "a revision cannot be read")?;
            if revision.summary.summary != script.summary_of(number) {
                return Err(format!("revision {number} has another summary"));
            }
        }
        // Undoing goes through all the later ones.
        for number in [0, latest / 2] {
            let documents = said(self.store.documents_at(number), "no way back")?;
            if !same(&documents, script.documents_at(number)) {
                return Err(format!("revision {number} is another"));
            }
        }
        Ok(())
    }
}

/// Opens what was left in a state directory, compares it, and goes on with it.
pub(crate) fn judge(
    dir: &Path,
    script: &mut Script,
    known: Known,
    look: Look,
) -> Result<(), String> {
    calm(|| {
        if look == Look::Close {
            look_closely(dir, known)?;
        }
        let opened = Opened::at(dir)?;
        let changes = opened.compare(script, known)?;
        let (batch, event) = script.next(changes);
        said(opened.audit.commit(batch, event), "no further change")?;
        drop(opened);
        let next = Known {
            kept: changes + 1,
            ..known
        };
        Opened::at(dir)?.compare(script, next)?;
        Ok(())
    })
}

/// The snapshots that were acknowledged are there and can be restored, and every page of the store is whole.
fn look_closely(dir: &Path, known: Known) -> Result<(), String> {
    let snapshots = said(Store::snapshots(dir), "the snapshots cannot be listed")?;
    if known.snapshots > 0 {
        let newest = snapshots.first().ok_or("the snapshots are gone")?;
        let number = number(newest);
        if number < known.snapshots {
            return Err(format!("snapshot {number} is the newest: {known:?}"));
        }
    }
    let restored = dir.with_extension("restored");
    for snapshot in snapshots {
        drop(said(
            Store::restore(&restored, &snapshot),
            "a snapshot cannot be restored",
        )?);
    }
    if dir.join("store").exists() {
        let report = said(
            Store::check(dir, &std::env::temp_dir()),
            "the store cannot be checked",
        )?;
        if let Some(fault) = report.faults.first() {
            return Err(format!("check: {fault}"));
        }
    }
    Ok(())
}

/// The number of a snapshot.
pub(crate) fn number(snapshot: &Path) -> u64 {
    let name = snapshot.file_stem().unwrap().to_string_lossy();
    let (_, number) = name.split_once('-').unwrap();
    number.parse().unwrap()
}

/// A panic is a fault like others; sled asserts what it believes of its files.
fn calm<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn said<T, E: std::error::Error>(result: Result<T, E>, what: &str) -> Result<T, String> {
    result.map_err(|error| {
        let source = error.source().map(|source| format!(": {source}"));
        format!("{what}: {error}{}", source.unwrap_or_default())
    })
}

fn same(found: &BTreeMap<String, Vec<u8>>, held: &BTreeMap<String, Arc<[u8]>>) -> bool {
    found.len() == held.len()
        && found
            .iter()
            .zip(held)
            .all(|(found, held)| found.0 == held.0 && found.1[..] == held.1[..])
}
