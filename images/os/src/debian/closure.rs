//! Which libraries a program needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, elf};

use crate::error::{self, OsError};

/// Where libraries of either architecture are.
const FOLDERS: &[&str] = &[
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib",
];

/// What an ELF file asks for.
#[derive(Debug, Default)]
struct Needs {
    /// Names of libraries.
    libraries: Vec<String>,
    /// Folders where it looks for them first: `DT_RUNPATH`, as far as it is absolute.
    folders: Vec<PathBuf>,
    /// The path of the dynamic linker.
    interpreter: Option<String>,
}

/// What a file asks for; nothing for any that is not ELF.
fn needs(data: &[u8]) -> Option<Needs> {
    let file = ElfFile64::<Endianness>::parse(data).ok()?;
    let (header, endian) = (file.elf_header(), file.endian());
    let sections = header.sections(endian, data).ok()?;
    let mut needs = Needs::default();
    if let Ok(Some((entries, strings))) = sections.dynamic(endian, data) {
        let strings = sections.strings(endian, data, strings).ok()?;
        for entry in entries {
            let Ok(offset) = u32::try_from(entry.d_val.get(endian)) else {
                continue;
            };
            let tag = u32::try_from(entry.d_tag.get(endian));
            if let Ok(tag @ (elf::DT_NEEDED | elf::DT_RUNPATH)) = tag
                && let Ok(text) = strings.get(offset)
            {
                let text = String::from_utf8_lossy(text);
                match tag {
                    elf::DT_NEEDED => needs.libraries.push(text.into_owned()),
                    _ => needs.folders.extend(folders(&text)),
                }
            }
        }
    }
    needs.interpreter = header
        .program_headers(endian, data)
        .ok()?
        .iter()
        .find_map(|segment| segment.interpreter(endian, data).ok().flatten())
        .map(|path| String::from_utf8_lossy(path).into_owned());
    Some(needs)
}

/// The folders of a `DT_RUNPATH`, below the tree.
fn folders(runpath: &str) -> impl Iterator<Item = PathBuf> {
    let parts = runpath.split(':');
    parts.filter_map(|part| part.strip_prefix('/').map(PathBuf::from))
}

/// Every library that `files` (relative to `tree`) need, directly or by way of another, with the dynamic linker.
///
/// # Errors
/// A library that is nowhere in the tree.
pub(super) fn libraries(
    tree: &Path,
    files: impl IntoIterator<Item = PathBuf>,
) -> Result<BTreeSet<PathBuf>, OsError> {
    let mut found = BTreeSet::new();
    let mut open: Vec<PathBuf> = files.into_iter().collect();
    while let Some(file) = open.pop() {
        let path = tree.join(&file);
        if !path.is_file() {
            continue;
        }
        let data = fs::read(&path).map_err(error::read(&path))?;
        let Some(needs) = needs(&data) else {
            continue;
        };
        for name in needs.libraries.iter().chain(needs.interpreter.as_ref()) {
            let library = locate(tree, &needs.folders, name).ok_or_else(|| OsError::Absent {
                path: name.clone(),
                asked: file.display().to_string(),
            })?;
            for part in chain_of_links(tree, library) {
                if found.insert(part.clone()) {
                    open.push(part);
                }
            }
        }
    }
    Ok(found)
}

fn locate(tree: &Path, folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    if let Some(absolute) = name.strip_prefix('/') {
        // `/lib64/ld-linux…`: packages put it below `/usr`, the root links the one to the other.
        let below = Path::new("usr").join(absolute);
        return tree.join(&below).exists().then_some(below);
    }
    folders
        .iter()
        .map(PathBuf::as_path)
        .chain(FOLDERS.iter().map(Path::new))
        .map(|folder| folder.join(name))
        .find(|path| tree.join(path).exists())
}

/// A path and every link on the way to the file it stands for.
pub(super) fn chain_of_links(tree: &Path, path: PathBuf) -> Vec<PathBuf> {
    let mut chain = vec![path];
    // Linux gives up after 40 links, too.
    for _ in 0..40 {
        let here = &chain[chain.len() - 1];
        let Ok(target) = fs::read_link(tree.join(here)) else {
            break;
        };
        let next = match target.strip_prefix("/") {
            Ok(absolute) => absolute.to_owned(),
            Err(_) => joined(here.parent().unwrap_or(Path::new("")), &target),
        };
        chain.push(next);
    }
    chain
}

/// `base/target` with `..` taken away by name.
fn joined(base: &Path, target: &Path) -> PathBuf {
    let mut path = base.to_owned();
    for part in target.components() {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            std::path::Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn this_very_program_needs_libc_and_a_linker() {
        let data = fs::read(std::env::current_exe().unwrap()).unwrap();
        let this = needs(&data).unwrap();
        assert!(this.libraries.contains(&"libc.so.6".to_owned()), "{this:?}");
        assert!(this.interpreter.unwrap().contains("ld-linux"));
        assert!(needs(b"#!/bin/sh\n").is_none());
    }

    #[test]
    fn folder_that_a_program_names_goes_before() {
        let tree = tempfile::tempdir().unwrap();
        for path in ["usr/lib/mail/libown.so", "usr/lib/libown.so"] {
            crate::files::write(&tree.path().join(path), "", 0o644).unwrap();
        }
        let named: Vec<PathBuf> = folders("/usr/lib/mail:$ORIGIN/..").collect();
        assert_eq!(named, [Path::new("usr/lib/mail")]);
        let found = |folders| locate(tree.path(), folders, "libown.so").unwrap();
        assert_eq!(found(&named), Path::new("usr/lib/mail/libown.so"));
        assert_eq!(found(&[]), Path::new("usr/lib/libown.so"));
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let tree = tempfile::tempdir().unwrap();
        let lib = tree.path().join("usr/lib/x");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("liba.so.1.2"), "").unwrap();
        symlink("liba.so.1.2", lib.join("liba.so.1")).unwrap();
        symlink("/usr/lib/x/liba.so.1", tree.path().join("usr/lib/liba.so")).unwrap();
        symlink("../lib/x/liba.so.1", tree.path().join("usr/lib/x/up")).unwrap();
        let names = |path: &str| -> Vec<String> {
            chain_of_links(tree.path(), PathBuf::from(path))
                .iter()
                .map(|part| part.display().to_string())
                .collect()
        };
        assert_eq!(
            names("usr/lib/liba.so"),
            [
                "usr/lib/liba.so",
                "usr/lib/x/liba.so.1",
                "usr/lib/x/liba.so.1.2"
            ]
        );
        assert_eq!(names("usr/lib/x/up")[1], "usr/lib/lib/x/liba.so.1");
    }

    #[test]
    fn a_library_that_is_nowhere_is_named() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("usr/bin")).unwrap();
        fs::copy(
            std::env::current_exe().unwrap(),
            tree.path().join("usr/bin/x"),
        )
        .unwrap();
        let error = libraries(tree.path(), [PathBuf::from("usr/bin/x")]).unwrap_err();
        assert!(error.to_string().contains("usr/bin/x asks for"), "{error}");
    }
}
