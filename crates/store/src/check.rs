//! Looking a store over without changing it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::batch::is_one_line_of_json;
use crate::database::Database;
use crate::migrations::{self, SCHEMA};
use crate::store::{Open, Place, Store, read_history, text};
use crate::{StoreError, files, layout, open, revision};

/// What a store holds and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its schema as found.
    pub schema: u32,
    /// The newest revision.
    pub latest_revision: u64,
    /// The oldest that can be restored.
    pub oldest_revision: u64,
    /// The config, for the caller to validate.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// How many secrets.
    pub secrets: usize,
    /// How many records, by tree.
    pub records: BTreeMap<String, usize>,
    /// What is wrong, each a sentence for people; empty for a sound store.
    pub faults: Vec<String>,
}

impl Store {
    /// Reads all of a store: every page's checksum, every value's form, and whether the history leads to the config.
    ///
    /// sled writes when it opens, so this looks at a copy, made in a directory of its own below `scratch` and removed
    /// afterwards (an older schema is migrated there). The state directory is not written to.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Locked`] while the daemon runs, [`StoreError::NewerSchema`], or what kept
    /// it from being read at all.
    pub fn check(dir: &Path, scratch: &Path) -> Result<Report, StoreError> {
        let store = dir.join(files::STORE);
        if !store.is_dir() {
            return Err(StoreError::Missing(dir.to_owned()));
        }
        let _lock = files::lock_existing(dir)?;
        let found = files::read_schema(&store)?;
        open::refuse_newer(found)?;
        let schema = found.ok_or(StoreError::BadSchema(store.clone()))?;

        let copy = Scratch::new(scratch)?;
        open::copy(&store, &copy.0).map_err(StoreError::file("copy", &store))?;
        let database = Database::open(&copy.0)?;
        if schema < SCHEMA {
            migrations::run(&database, schema)?;
        }
        let history = read_history(&database)?;
        let open = Open {
            database,
            history,
            place: Place::Disk,
        };
        let report = inspect(&open, schema)?;
        open.database.close()?;
        Ok(report)
    }
}

/// A directory that goes away with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(below: &Path) -> Result<Self, StoreError> {
        let path = below.join(format!("cell-check-{}", std::process::id()));
        if path.exists() {
            // Left by a process of the same number that was killed.
            fs::remove_dir_all(&path).map_err(StoreError::file("remove", &path))?;
        }
        files::make_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "left-over of a check stays");
        }
    }
}

fn inspect(open: &Open, schema: u32) -> Result<Report, StoreError> {
    let mut faults = Vec::new();
    let documents = open.documents()?;
    for (key, json) in &documents {
        if !is_one_line_of_json(json) {
            faults.push(format!("document {key} is not JSON"));
        }
    }
    let mut records = BTreeMap::<String, usize>::new();
    for entry in open.database.scan(layout::RECORDS) {
        let (path, json) = entry?;
        let path = text(path)?;
        match layout::split_record(&path) {
            Some((tree, _)) => *records.entry(tree.to_owned()).or_default() += 1,
            None => faults.push(format!("record {path} has no tree")),
        }
        if !is_one_line_of_json(&json) {
            faults.push(format!("record {path} is not JSON"));
        }
    }
    let mut secrets = 0;
    for entry in open.database.scan(layout::SECRETS) {
        entry?;
        secrets += 1;
    }
    walk(open, documents.clone(), &mut faults)?;
    Ok(Report {
        schema,
        latest_revision: open.history.latest,
        oldest_revision: open.history.first.saturating_sub(1),
        documents,
        secrets,
        records,
        faults,
    })
}

/// Undoes revision by revision and compares each with what it left behind.
fn walk(
    open: &Open,
    mut documents: BTreeMap<String, Vec<u8>>,
    faults: &mut Vec<String>,
) -> Result<(), StoreError> {
    let mut bytes = 0;
    for number in (open.history.first..=open.history.latest).rev() {
        match open.database.get(&layout::header(number))? {
            Some(json) => bytes += revision::header(number, &json)?.bytes,
            None => faults.push(format!("revision {number} has no header")),
        }
        for change in revision::changes(&open.database, number)? {
            if documents.get(&change.key) != change.after.as_ref() {
                faults.push(format!(
                    "revision {number} left another {} than the one that followed",
                    change.key
                ));
            }
            match change.before {
                Some(json) => documents.insert(change.key, json),
                None => documents.remove(&change.key),
            };
        }
    }
    if open.history.first == 1 && !documents.is_empty() {
        faults.push("the history does not start with an empty config".to_owned());
    }
    if bytes != open.history.bytes {
        faults.push(format!(
            "the history has {bytes} bytes, {} are counted",
            open.history.bytes
        ));
    }
    Ok(())
}
