//! A layer: files, links and folders, written as a tar file that depends on nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{self, OsError};
use crate::files;
use crate::root::MERGED;

/// What the lowest layer has: where the kernel's file systems and the box's files are put, and where programs are found.
const SKELETON: &[&str] = &[
    "dev",
    "etc",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/sbin",
    "var",
];

/// What a layer has, by its place.
#[derive(Debug, Default)]
pub(super) struct Layer(BTreeMap<PathBuf, Entry>);

#[derive(Debug)]
enum Entry {
    /// A file with these bytes; root's, and for everybody to read.
    File(PathBuf),
    /// The same, of this text.
    Text(Vec<u8>),
    /// A link to there.
    Link(PathBuf),
    /// A folder of this user's, and of the group of the same number.
    Folder(u32),
}

impl Layer {
    /// The folders and links that everything else stands in.
    pub(super) fn put_skeleton(&mut self) {
        for folder in SKELETON {
            self.put_folder(Path::new(folder), 0);
        }
        for (name, target) in MERGED {
            let link = Entry::Link(target.into());
            self.0.insert(name.into(), link);
        }
    }

    /// A file or link as it is at `from`; what was there is replaced.
    pub(super) fn put(&mut self, place: &Path, from: &Path) -> Result<(), OsError> {
        let entry = match fs::read_link(from) {
            Ok(target) => Entry::Link(target),
            Err(_) => Entry::File(from.to_owned()),
        };
        self.put_parents(place);
        self.0.insert(place.to_owned(), entry);
        Ok(())
    }

    /// A file of this text; what was there is replaced.
    pub(super) fn put_text(&mut self, place: &Path, text: Vec<u8>) {
        self.put_parents(place);
        self.0.insert(place.to_owned(), Entry::Text(text));
    }

    /// All files and links below `folder`.
    pub(super) fn put_below(&mut self, folder: &Path) -> Result<(), OsError> {
        if !folder.exists() {
            return Ok(());
        }
        files::below(folder)?
            .iter()
            .try_for_each(|path| self.put(path, &folder.join(path)))
    }

    /// An empty folder of this user's.
    pub(super) fn put_folder(&mut self, place: &Path, owner: u32) {
        self.put_parents(place);
        self.0.insert(place.to_owned(), Entry::Folder(owner));
    }

    fn put_parents(&mut self, place: &Path) {
        let parents = place.ancestors().skip(1);
        for parent in parents.filter(|parent| !parent.as_os_str().is_empty()) {
            let entry = self.0.entry(parent.to_owned());
            entry.or_insert(Entry::Folder(0));
        }
    }

    /// The places of its files and links.
    pub(super) fn places(&self) -> BTreeSet<PathBuf> {
        let entries = self.0.iter();
        entries
            .filter(|(_, entry)| !matches!(entry, Entry::Folder(_)))
            .map(|(place, _)| place.clone())
            .collect()
    }

    /// Writes it: in the order of places, of no time, with no names of users.
    pub(super) fn write(&self, to: impl Write) -> Result<(), OsError> {
        let mut archive = tar::Builder::new(to);
        for (place, entry) in &self.0 {
            append(&mut archive, place, entry).map_err(error::write(place))?;
        }
        archive.finish().map_err(error::write("a layer"))
    }
}

fn append<W: Write>(archive: &mut tar::Builder<W>, place: &Path, entry: &Entry) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match entry {
        Entry::File(from) => {
            let file = File::open(from)?;
            let metadata = file.metadata()?;
            // Whoever may run it is all that is left of its rights: no one becomes root here.
            let is_program = metadata.permissions().mode() & 0o111 != 0;
            header.set_mode(if is_program { 0o755 } else { 0o644 });
            header.set_size(metadata.len());
            archive.append_data(&mut header, place, file)
        }
        Entry::Text(text) => {
            header.set_mode(0o644);
            header.set_size(text.len() as u64);
            archive.append_data(&mut header, place, text.as_slice())
        }
        Entry::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            archive.append_link(&mut header, place, target)
        }
        Entry::Folder(owner) => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_uid((*owner).into());
            header.set_gid((*owner).into());
            archive.append_data(&mut header, place, io::empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(layer: &Layer) -> Vec<u8> {
        let mut bytes = Vec::new();
        layer.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn layer_depends_on_nothing_but_content_and_whether_it_is_run() {
        let long = format!("usr/{}/run", "long/".repeat(40));
        let make = |mode, name: &str| {
            let folder = tempfile::tempdir().unwrap();
            files::write(&folder.path().join(name), "x", mode).unwrap();
            let mut layer = Layer::default();
            layer.put_skeleton();
            layer
                .put(Path::new(&long), &folder.path().join(name))
                .unwrap();
            layer.put_folder(Path::new("data"), 1_000);
            written(&layer)
        };
        assert_eq!(make(0o4755, "a"), make(0o700, "b"));
        assert_ne!(make(0o755, "a"), make(0o644, "a"));
    }

    #[test]
    fn folders_stand_before_what_is_in_them_and_belong_to_whom_they_are_for() {
        let folder = tempfile::tempdir().unwrap();
        files::write(&folder.path().join("etc/a/b"), "x", 0o644).unwrap();
        files::link("b", &folder.path().join("etc/a/c")).unwrap();
        let mut layer = Layer::default();
        layer.put_folder(Path::new("var/lib/service"), 1_000);
        layer.put_below(folder.path()).unwrap();
        layer.put_below(&folder.path().join("absent")).unwrap();
        layer.put_text(Path::new("etc/d"), b"text".to_vec());
        let bytes = written(&layer);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let seen: Vec<(String, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                (path, entry.header().uid().unwrap())
            })
            .collect();
        let expected = [
            ("etc", 0),
            ("etc/a", 0),
            ("etc/a/b", 0),
            ("etc/a/c", 0),
            ("etc/d", 0),
            ("var", 0),
            ("var/lib", 0),
            ("var/lib/service", 1_000),
        ];
        assert_eq!(seen, expected.map(|(path, owner)| (path.to_owned(), owner)));
        let places: Vec<PathBuf> = layer.places().into_iter().collect();
        assert_eq!(places, ["etc/a/b", "etc/a/c", "etc/d"].map(PathBuf::from));
    }
}
