//! The root file system of the Debian base as a folder: skeleton, chosen files, modules, overlay, our programs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::debian::{Kernel, pick};
use crate::error::{self, OsError};
use crate::files;
use crate::toolbox::Toolbox;

/// Links of a merged `/usr`.
pub(crate) const MERGED: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
];
/// Where the kernel's and the box's own file systems are mounted, and what programs expect to be there.
const FOLDERS: &[&str] = &[
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "var",
    "state",
    "data",
    "root",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib64",
];

/// What the root is made of.
pub(crate) struct Recipe<'a> {
    /// Folder with `files`, `modules` and `applets` (lists).
    pub(crate) lists: &'a Path,
    /// The board's folder, with more `modules`.
    pub(crate) board: &'a Path,
    /// Unpacked packages.
    pub(crate) tree: &'a Path,
    /// Their kernel.
    pub(crate) kernel: &'a Kernel,
    /// What mirrors the target: static files.
    pub(crate) overlay: &'a Path,
    /// Our programs, for `usr/bin`.
    pub(crate) programs: &'a [PathBuf],
    /// The product's version.
    pub(crate) version: &'a str,
}

impl Recipe<'_> {
    /// Makes it in the empty folder `root`.
    pub(crate) fn make(
        &self,
        root: &Path,
        scratch: &Path,
        toolbox: &Toolbox,
    ) -> Result<(), OsError> {
        files::empty_folder(root)?;
        for folder in FOLDERS {
            files::make_folder(&root.join(folder))?;
        }
        for (name, target) in MERGED {
            files::link(target, &root.join(name))?;
        }
        let list = |name: &str| files::read_text(&self.lists.join(name));
        pick(self.tree, &list("files")?, "images/os/debian/files", root)?;
        self.applets(&list("applets")?, root)?;
        self.kernel.install(
            &[self.lists.join("modules"), self.board.join("modules")],
            root,
            toolbox,
            &scratch.join("root-modules"),
        )?;
        let (bundle, _) = authorities(self.tree)?;
        files::write(&root.join(CERTIFICATES), bundle, 0o644)?;
        files::copy_below(self.overlay, root)?;
        for program in self.programs {
            let name = program.file_name().unwrap_or_default();
            files::copy(program, &root.join("usr/bin").join(name))?;
        }
        files::write(
            &root.join("usr/lib/os-release"),
            os_release(self.version),
            0o644,
        )?;
        files::link("../usr/lib/os-release", &root.join("etc/os-release"))
    }

    /// The names that BusyBox answers to; a program of its own goes before.
    fn applets(&self, list: &str, root: &Path) -> Result<(), OsError> {
        let busybox = root.join("usr/bin/busybox");
        let program = fs::read(&busybox).map_err(error::read(&busybox))?;
        for line in list.lines() {
            let words = line.split('#').next().unwrap_or_default();
            for name in words.split_whitespace() {
                if !has_applet(&program, name) {
                    return Err(OsError::Absent {
                        path: format!("applet {name} of BusyBox"),
                        asked: "images/os/debian/applets".to_owned(),
                    });
                }
                let (bin, sbin) = (
                    root.join("usr/bin").join(name),
                    root.join("usr/sbin").join(name),
                );
                if bin.symlink_metadata().is_err() && sbin.symlink_metadata().is_err() {
                    files::link("busybox", &bin)?;
                }
            }
        }
        // The kernel calls these by their paths.
        for name in ["init", "modprobe"] {
            files::link("../bin/busybox", &root.join("usr/sbin").join(name))?;
        }
        Ok(())
    }
}

/// Whether a BusyBox program has this applet: their names stand in it one after the other, each ended by a zero. It may
/// be of another architecture, and so cannot be asked.
fn has_applet(program: &[u8], name: &str) -> bool {
    let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
    program.windows(wanted.len()).any(|window| window == wanted)
}

/// Where programs look for the authorities that they trust.
pub(crate) const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The authorities that a program trusts, in one text: what the script of the package `ca-certificates` would have made;
/// and the files of `tree` that they are.
pub(crate) fn authorities(tree: &Path) -> Result<(Vec<u8>, Vec<PathBuf>), OsError> {
    let folder = Path::new("usr/share/ca-certificates/mozilla");
    let mut bundle = Vec::new();
    let mut sources = Vec::new();
    for name in files::below(&tree.join(folder))? {
        let source = folder.join(name);
        let path = tree.join(&source);
        bundle.extend(fs::read(&path).map_err(error::read(&path))?);
        bundle.push(b'\n');
        sources.push(source);
    }
    Ok((bundle, sources))
}

/// `os-release` (5): what the image is.
pub(crate) fn os_release(version: &str) -> String {
    format!(
        "NAME=\"Personal Internet Cell\"\nID=cell\nVERSION_ID={version}\n\
         PRETTY_NAME=\"Personal Internet Cell {version}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applets_are_found_by_their_whole_names() {
        let program = b"\x7fELF..\0mkdir\0renice\0sh\0..";
        assert!(has_applet(program, "renice") && has_applet(program, "sh"));
        assert!(!has_applet(program, "nice") && !has_applet(program, "mk"));
    }
}
