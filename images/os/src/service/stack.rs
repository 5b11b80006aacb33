//! A recipe's packages: locked, fetched, unpacked, and which file is of which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::recipe::Placed;
use super::wheel::Wheel;
use crate::debian::{Archive, Lock, Locked, SUITE, unpack};
use crate::error::{self, OsError};
use crate::{digest, files};

/// Written above the packages of a lock file.
const HEADER: &str =
    "# Packages of the layer, to the byte. Written by `cargo xtask service-image --update-lock`.\n";

/// Where packages come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// What outlives builds.
    pub(super) cache: PathBuf,
    /// In Debian's words.
    pub(super) architecture: String,
}

/// The layers that stand on each other, with their packages.
#[derive(Debug, Clone, Default)]
pub(super) struct Stack {
    locks: Vec<Lock>,
    packages: Vec<(Locked, PathBuf)>,
    wheels: Vec<(Wheel, PathBuf)>,
}

impl Source {
    fn archive(&self, suite: &str) -> Archive {
        Archive::new(&self.cache, &self.architecture).of_suite(suite)
    }

    /// Puts a layer on those below: its packages are those of its lock file, or, once the archive has newer ones only,
    /// the newest.
    pub(super) fn put_on(
        &self,
        stack: &mut Stack,
        below: &[Placed],
        layer: &Placed,
        mut progress: impl FnMut(&str),
    ) -> Result<(), OsError> {
        let archive = self.archive(&layer.recipe.suite);
        let mut lock = Lock::read(&layer.lock_file(&self.architecture))?;
        let packages = match archive.fetch(&lock) {
            Err(gone @ OsError::Gone { .. }) => {
                progress(&format!("{gone}; taking the newest for now"));
                lock = self.newest(&stack.locks, below, layer)?;
                archive.fetch(&lock)?
            }
            outcome => outcome?,
        };
        let locked = lock.packages.iter().cloned().zip(packages);
        stack.packages.extend(locked);
        for wheel in &layer.recipe.wheels {
            let file = wheel.fetch(&self.cache.join("wheels"))?;
            stack.wheels.push((wheel.clone(), file));
        }
        stack.locks.push(lock);
        Ok(())
    }

    /// Writes a layer's lock file anew. `locks` are those of the layers below.
    pub(super) fn refresh(
        &self,
        locks: &[Lock],
        below: &[Placed],
        layer: &Placed,
    ) -> Result<Lock, OsError> {
        let lock = self.newest(locks, below, layer)?;
        let path = layer.lock_file(&self.architecture);
        files::write(&path, format!("{HEADER}{lock}"), 0o644)?;
        Ok(lock)
    }

    /// A layer's own packages: what the layers below do not have.
    fn newest(&self, locks: &[Lock], below: &[Placed], layer: &Placed) -> Result<Lock, OsError> {
        let recipe = &layer.recipe;
        if recipe.packages.is_empty() {
            return Ok(Lock::default());
        }
        let archive = self.archive(&recipe.suite);
        if recipe.suite != SUITE {
            return archive.newest_alone(&recipe.packages);
        }
        // Chosen with those below, so that they go together.
        let all: Vec<String> = below
            .iter()
            .filter(|below| below.recipe.suite == SUITE)
            .flat_map(|below| &below.recipe.packages)
            .chain(&recipe.packages)
            .cloned()
            .collect();
        let mut lock = archive.newest(&all)?;
        let theirs: BTreeSet<&str> = locks
            .iter()
            .flat_map(|lock| &lock.packages)
            .map(|package| package.name.as_str())
            .collect();
        lock.packages
            .retain(|package| !theirs.contains(package.name.as_str()));
        Ok(lock)
    }

    /// The folder with everything of a stack unpacked.
    pub(super) fn unpacked(&self, stack: &Stack) -> Result<PathBuf, OsError> {
        let mut contents: String = stack.locks.iter().map(Lock::to_string).collect();
        for (wheel, _) in &stack.wheels {
            let Locked { name, sha256, .. } = wheel.locked();
            contents.push_str(&format!("{name} {sha256}\n"));
        }
        let name = format!(
            "{}-{}",
            self.architecture,
            &digest::of_text(&contents)[..16]
        );
        let folder = self.cache.join("trees").join(name);
        let packages: Vec<PathBuf> = stack
            .packages
            .iter()
            .map(|(_, path)| path.clone())
            .collect();
        unpack(&packages, &folder, |tree| {
            let mut wheels = stack.wheels.iter();
            wheels.try_for_each(|(_, file)| Wheel::unpack(file, tree))
        })?;
        Ok(folder)
    }
}

impl Stack {
    /// All wheels.
    pub(super) fn wheels(&self) -> impl Iterator<Item = Locked> {
        self.wheels.iter().map(|(wheel, _)| wheel.locked())
    }

    /// The packages that these files, named as in the tree, come from.
    pub(super) fn owners(&self, chosen: &BTreeSet<PathBuf>) -> Result<Vec<Locked>, OsError> {
        let mut owners = Vec::new();
        for (package, file) in &self.packages {
            if contents(file)?.iter().any(|path| chosen.contains(path)) {
                owners.push(package.clone());
            }
        }
        Ok(owners)
    }
}

/// The licence of each package: where it goes, and the file in the tree that it is.
pub(super) fn licences(
    owners: &[Locked],
    tree: &Path,
) -> Result<BTreeMap<PathBuf, PathBuf>, OsError> {
    let mut licences = BTreeMap::new();
    for package in owners {
        let place = Path::new("usr/share/doc")
            .join(&package.name)
            .join("copyright");
        // Packages of one source share theirs by links.
        let file = tree.join(&place);
        let file = file.canonicalize().map_err(error::read(&file))?;
        licences.insert(place, file);
    }
    Ok(licences)
}

/// The files and links of a package.
fn contents(package: &Path) -> Result<Vec<PathBuf>, OsError> {
    let mut child = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| OsError::Start {
            program: "dpkg-deb".to_owned(),
            source,
        })?;
    let mut paths = Vec::new();
    let mut read = || {
        let Some(output) = child.stdout.take() else {
            return Ok(());
        };
        for entry in tar::Archive::new(output).entries()? {
            let entry = entry?;
            if !entry.header().entry_type().is_dir() {
                let path = entry.path()?;
                paths.push(path.strip_prefix(".").unwrap_or(&path).to_owned());
            }
        }
        Ok(())
    };
    let read = read();
    // Its output is closed by now, so that it ends.
    child.wait().map_err(error::read(package))?;
    read.map_err(error::read(package))?;
    Ok(paths)
}
