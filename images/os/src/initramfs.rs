//! The first file system of a kernel that has its drivers as modules: finds the slot, checks it, hands over.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::debian::{Kernel, pick};
use crate::error::{self, OsError};
use crate::files;
use crate::toolbox::{Toolbox, run};

/// Time of its files, the same in every version: it is packed as one piece, so that another time in it would have every
/// box fetch all of it with every update.
const TIME: &str = "@0";

/// What goes into it, read from `images/os/initramfs`.
pub(crate) struct Recipe<'a> {
    /// Folder with `files` (an allow-list), `modules` (a list of modules) and `init` (the script).
    pub(crate) folder: &'a Path,
    /// The board's folder, with more modules in `initramfs.modules`.
    pub(crate) board: &'a Path,
    /// Unpacked packages.
    pub(crate) tree: &'a Path,
    /// Their kernel.
    pub(crate) kernel: &'a Kernel,
}

impl Recipe<'_> {
    /// Makes it as the new file `to`.
    pub(crate) fn make(&self, to: &Path, scratch: &Path, toolbox: &Toolbox) -> Result<(), OsError> {
        let root = scratch.join("initramfs");
        files::empty_folder(&root)?;
        for (name, target) in [
            ("bin", "usr/bin"),
            ("sbin", "usr/sbin"),
            ("lib", "usr/lib"),
            ("lib64", "usr/lib64"),
        ] {
            files::make_folder(&root.join(target))?;
            files::link(target, &root.join(name))?;
        }
        for folder in ["dev", "proc", "sys", "run", "root"] {
            files::make_folder(&root.join(folder))?;
        }
        let list = self.folder.join("files");
        pick(
            self.tree,
            &files::read_text(&list)?,
            "images/os/initramfs/files",
            &root,
        )?;
        self.kernel.install(
            &[
                self.folder.join("modules"),
                self.board.join("initramfs.modules"),
            ],
            &root,
            toolbox,
            &scratch.join("initramfs-modules"),
        )?;
        files::write(
            &root.join("init"),
            files::read_text(&self.folder.join("init"))?,
            0o755,
        )?;
        Self::pack(&root, to, toolbox)
    }

    fn pack(root: &Path, to: &Path, toolbox: &Toolbox) -> Result<(), OsError> {
        let archive = to.with_extension("cpio");
        run(Command::new("find").arg(root).args([
            "-exec",
            "touch",
            "--no-dereference",
            "--date",
            TIME,
            "{}",
            "+",
        ]))?;
        // Folders come before what is in them, names in the order of their bytes.
        let listed = run(Command::new("find")
            .args([".", "-mindepth", "1"])
            .current_dir(root))?;
        let mut names: Vec<&str> = listed.lines().collect();
        names.sort_unstable();
        let output = File::create(&archive).map_err(error::write(&archive))?;
        let mut cpio = toolbox.command("cpio")?;
        cpio.args([
            "--create",
            "--format=newc",
            "--owner=+0:+0",
            "--reproducible",
            "--quiet",
        ])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::inherit());
        let start = |source| OsError::Start {
            program: "cpio".to_owned(),
            source,
        };
        let mut child = cpio.spawn().map_err(start)?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all((names.join("\n") + "\n").as_bytes())
                .map_err(start)?;
        }
        let status = child.wait().map_err(start)?;
        if !status.success() {
            return Err(OsError::Ended {
                program: "cpio".to_owned(),
                status,
                message: "see above".to_owned(),
            });
        }
        run(toolbox
            .command("zstd")?
            .args(["--quiet", "--force", "-19", "--rm", "-o"])
            .arg(to)
            .arg(&archive))?;
        fs::metadata(to).map_err(error::read(to)).map(drop)
    }
}
