//! From unpacked packages to the few files that the image has: an allow-list and the libraries it entails.
//!
//! A line of the list is a path below the tree; `*` at its end stands for all that begin so in that folder, `/` at its
//! end for everything below; `from -> to` puts a file elsewhere; `!` before a path leaves out what earlier lines named.
//! `#` starts a comment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::closure::{chain_of_links, libraries};
use crate::error::{self, OsError};
use crate::files;

/// Copies what `list` (of that name) asks for from `tree` into `root`, and the libraries it needs.
///
/// # Errors
/// A line that matches nothing, a library that is not there.
pub fn pick(tree: &Path, list: &str, name: &str, root: &Path) -> Result<(), OsError> {
    for (to, from) in choose(tree, lines(list), name)? {
        files::copy(&tree.join(from), &root.join(to))?;
    }
    Ok(())
}

/// What these lines ask for, and the libraries it needs: where each file goes, and which of `tree` it is.
///
/// # Errors
/// A line that matches nothing, a library that is not there.
pub(crate) fn choose<'a>(
    tree: &Path,
    lines: impl IntoIterator<Item = &'a str>,
    name: &str,
) -> Result<BTreeMap<PathBuf, PathBuf>, OsError> {
    let mut plain = BTreeSet::new();
    let mut elsewhere = BTreeMap::new();
    for line in lines {
        let (line, is_wanted) = match line.strip_prefix('!') {
            Some(line) => (line.trim(), false),
            None => (line, true),
        };
        let (from, to) = match line.split_once(" -> ") {
            Some((from, to)) => (from.trim(), Some(to.trim())),
            None => (line, None),
        };
        let matches = matching(tree, from)?;
        if matches.is_empty() {
            return Err(OsError::Absent {
                path: from.to_owned(),
                asked: name.to_owned(),
            });
        }
        match to {
            _ if !is_wanted => plain.retain(|path| !matches.contains(path)),
            Some(to) => drop(elsewhere.insert(to.into(), resolved(tree, &matches[0]))),
            None => plain.extend(matches),
        }
    }
    let libraries = libraries(tree, plain.iter().cloned())?;
    let mut chosen = elsewhere;
    chosen.extend(
        plain
            .into_iter()
            .chain(libraries)
            .map(|path| (path.clone(), path)),
    );
    Ok(chosen)
}

fn lines(list: &str) -> impl Iterator<Item = &str> {
    list.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

/// The files a pattern stands for, with every link on the way to them.
fn matching(tree: &Path, pattern: &str) -> Result<Vec<PathBuf>, OsError> {
    if let Some(folder) = pattern.strip_suffix('/') {
        let Ok(found) = files::below(&tree.join(folder)) else {
            return Ok(Vec::new());
        };
        return Ok(found
            .iter()
            .map(|path| Path::new(folder).join(path))
            .collect());
    }
    let Some(start) = pattern.strip_suffix('*') else {
        let path = PathBuf::from(pattern);
        if tree.join(&path).symlink_metadata().is_err() {
            return Ok(Vec::new());
        }
        return Ok(chain_of_links(tree, path));
    };
    let (folder, start) = start.rsplit_once('/').unwrap_or(("", start));
    let here = tree.join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(&here).map_err(error::read(&here))? {
        let name = entry.map_err(error::read(&here))?.file_name();
        let is_file = !here.join(&name).is_dir();
        if is_file && name.to_string_lossy().starts_with(start) {
            found.extend(chain_of_links(tree, Path::new(folder).join(name)));
        }
    }
    found.sort();
    Ok(found)
}

/// The file at the end of a chain of links.
fn resolved(tree: &Path, path: &Path) -> PathBuf {
    let mut chain = chain_of_links(tree, path.to_owned());
    chain.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for path in [
            "usr/bin/ip",
            "usr/bin/ipx",
            "usr/share/c/one",
            "usr/share/c/d/two",
            "usr/x",
        ] {
            files::write(&tree.path().join(path), path, 0o755).unwrap();
        }
        files::link("ip", &tree.path().join("usr/bin/address")).unwrap();
        tree
    }

    fn picked(list: &str) -> Result<Vec<String>, OsError> {
        let (tree, root) = (tree(), tempfile::tempdir().unwrap());
        pick(tree.path(), list, "the list", root.path())?;
        let found = files::below(root.path())?;
        Ok(found
            .iter()
            .map(|path| path.display().to_string())
            .collect())
    }

    #[test]
    fn lines_stand_for_files_beginnings_folders_and_other_places() {
        assert_eq!(picked("usr/bin/ip # one\n\n").unwrap(), ["usr/bin/ip"]);
        assert_eq!(
            picked("usr/bin/ip*").unwrap(),
            ["usr/bin/ip", "usr/bin/ipx"]
        );
        assert_eq!(
            picked("usr/share/c/").unwrap(),
            ["usr/share/c/d/two", "usr/share/c/one"]
        );
        assert_eq!(picked("usr/x -> etc/y").unwrap(), ["etc/y"]);
        assert_eq!(
            picked("usr/bin/address").unwrap(),
            ["usr/bin/address", "usr/bin/ip"]
        );
        assert_eq!(
            picked("usr/share/c/\n!usr/share/c/d/").unwrap(),
            ["usr/share/c/one"]
        );
    }

    #[test]
    fn line_that_matches_nothing_is_an_error() {
        for list in [
            "usr/bin/dog",
            "usr/share/dog/",
            "usr/bin/dog*",
            "!usr/bin/dog",
        ] {
            let error = picked(list).unwrap_err().to_string();
            assert!(error.contains("which the list asks for"), "{error}");
        }
    }
}
