//! A compiler for another processor than this machine's: Debian's rustc, clang and lld in one tree with the other
//! processor's libraries, which Debian made to lie beside each other.
//!
//! Whatever Rust is installed here plays no part in it but its `cargo`. Scripts that build for this machine are linked
//! by this machine's `cc`.

use std::fs;
use std::path::{Path, PathBuf};

use super::tree::Tree;
use crate::error::{self, OsError};
use crate::files;
use crate::toolbox::{Toolbox, exec};

/// What cargo builds with.
#[derive(Debug, Clone)]
pub struct Compiler {
    target: String,
    rustc: PathBuf,
    cc: PathBuf,
}

impl Compiler {
    /// Writes the scripts that start the programs of `tree` below `folder`. `target` in Rust's words.
    ///
    /// # Errors
    /// A program that is not in the tree, or that nothing can be written.
    pub(super) fn prepare(tree: &Tree, target: &str, folder: &Path) -> Result<Self, OsError> {
        let toolbox = Toolbox::new(&tree.folder);
        let path = |name: &str| folder.join("bin").join(name);
        let argument = |name: &str, path: &Path| format!("{name}={}", path.display());
        let sysroot = argument("--sysroot", &tree.folder.join("usr"));
        let rustc = path("rustc");
        write(&rustc, &toolbox.script("rustc", &rustc, &[sysroot])?)?;
        let linker = path("ld.lld");
        write(&linker, &toolbox.script("ld.lld", &linker, &[])?)?;

        // To assemble, clang starts itself anew with arguments that bear none before them: it is a script of its own. Its
        // headers are looked for in `../lib` of that.
        let clang = path("clang");
        write(&clang, &toolbox.script("clang", &clang, &[])?)?;
        let binary = toolbox.path("usr/bin/clang");
        let binary = fs::canonicalize(&binary).map_err(error::read(&binary))?;
        let installed = binary.ancestors().nth(2).unwrap_or(&tree.folder);
        let (own, link) = (installed.join("lib"), folder.join("lib"));
        if fs::read_link(&link).ok() != Some(own.clone()) {
            files::link(&own.display().to_string(), &link)?;
        }
        let cc = path("cc");
        let words = [
            clang.display().to_string(),
            "-no-canonical-prefixes".to_owned(),
            format!("--target={target}"),
            argument("--sysroot", &tree.folder),
            argument("--ld-path", &linker),
            // The linker's path is of no use to a call that only compiles.
            "-Wno-unused-command-line-argument".to_owned(),
        ];
        write(&cc, &exec(&words))?;
        Ok(Self {
            target: target.to_owned(),
            rustc,
            cc,
        })
    }

    /// What is built for, in Rust's words.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The environment in which `cargo build --target TARGET` uses it; archives are made by this machine's `ar`, which
    /// knows no processors.
    pub fn environment(&self) -> Vec<(String, PathBuf)> {
        let plain = self.target.replace('-', "_");
        vec![
            ("RUSTC".to_owned(), self.rustc.clone()),
            (
                format!("CARGO_TARGET_{}_LINKER", plain.to_uppercase()),
                self.cc.clone(),
            ),
            (format!("CC_{plain}"), self.cc.clone()),
            (format!("AR_{plain}"), PathBuf::from("ar")),
        ]
    }
}

/// Writes a script, unless it is there already: a build that runs now may be reading it.
fn write(path: &Path, text: &str) -> Result<(), OsError> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    files::write(&new, text, 0o755)?;
    fs::rename(&new, path).map_err(error::write(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;

    use super::*;
    use crate::debian::Lock;
    use crate::toolbox::run;

    /// A tree whose dynamic linker is a shell that shows how it was called.
    fn tree(folder: &Path) -> Tree {
        for program in ["rustc", "clang", "ld.lld"] {
            files::write(&folder.join("usr/bin").join(program), "", 0o755).unwrap();
        }
        let linker = folder.join(crate::toolbox::LINKER);
        files::write(&linker, "#!/bin/sh\necho \"$@\"\n", 0o755).unwrap();
        Tree {
            folder: folder.to_owned(),
            lock: Lock::default(),
        }
    }

    /// What a script's program would be called with.
    fn said(script: &Path, arguments: &[&str]) -> String {
        run(Command::new(script).args(arguments)).unwrap()
    }

    #[test]
    fn cargo_is_told_of_scripts_that_start_the_trees_programs() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(&folder.path().join("a tree"));
        let scripts = folder.path().join("scripts");
        let compiler = Compiler::prepare(&tree, "aarch64-unknown-linux-gnu", &scripts).unwrap();
        let environment = compiler.environment();
        let value = |name: &str| {
            let (_, path) = environment.iter().find(|(key, _)| key == name).unwrap();
            path.clone()
        };
        let cc = value("CC_aarch64_unknown_linux_gnu");
        assert_eq!(value("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"), cc);
        let compiles = said(&cc, &["-c", "a b.c"]);
        assert!(
            compiles.contains("a tree/usr/bin/clang -no-canonical-prefixes"),
            "{compiles}"
        );
        assert!(
            compiles.contains("--target=aarch64-unknown-linux-gnu"),
            "{compiles}"
        );
        assert!(compiles.trim().ends_with("-c a b.c"), "{compiles}");
        let rust = said(&value("RUSTC"), &["-vV"]);
        assert!(rust.contains("a tree/usr/bin/rustc --sysroot="), "{rust}");
        assert!(rust.trim().ends_with("a tree/usr -vV"), "{rust}");
    }

    #[test]
    fn scripts_that_are_there_already_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        let made = |target: &str| {
            let compiler = Compiler::prepare(&tree, target, &folder.path().join("to")).unwrap();
            fs::metadata(compiler.cc).unwrap().ino()
        };
        let first = made("aarch64-unknown-linux-gnu");
        assert_eq!(made("aarch64-unknown-linux-gnu"), first);
        assert_ne!(made("riscv64gc-unknown-linux-gnu"), first);
    }
}
