//! What can be checked of the Buildroot tree without building it, from the least to the most that must be there:
//! nothing but our files; a checkout of Buildroot; the source of the kernel.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::board::{self, Board};
use super::error::{BuildrootError, output, read};
use super::fragment;
use super::make::{Make, clean};

/// The package that is ours.
const PACKAGE: &str = "celld";
const LICENCES: &str = "Apache-2.0 or MIT";

/// What is wrong with our own files.
pub(super) fn tree(root: &Path) -> Result<Vec<String>, BuildrootError> {
    let mut findings = Vec::new();
    for board in board::all(root)? {
        findings.extend(board.stale(root));
        findings.extend(board.kernel(root)?.1);
    }
    fragment::load(&busybox_fragment(root))?;
    Ok(findings)
}

/// What kconfig drops of the boards' options.
pub(super) fn options(root: &Path, checkout: &Path) -> Result<Vec<String>, BuildrootError> {
    let mut findings = Vec::new();
    for board in board::all(root)? {
        let out = temporary_folder()?;
        let make = Make {
            checkout,
            root,
            out: out.path(),
        };
        let dropped = make.configure(&board)?;
        findings.extend(
            dropped
                .into_iter()
                .map(|line| format!("{}: {line}", board.name)),
        );
    }
    Ok(findings)
}

/// What Buildroot's own check of packages says; it ends with a failure when it has something to say.
pub(super) fn packages(root: &Path, checkout: &Path) -> Result<Vec<String>, BuildrootError> {
    let mut check = clean(Command::new("/usr/bin/python3"));
    check
        .current_dir(checkout)
        .args(["utils/check-package", "--br2-external"])
        .args(files(&board::external(root))?)
        // Byte code would be written into the checkout.
        .env("PYTHONDONTWRITEBYTECODE", "1");
    output(&mut check).map(|_| Vec::new())
}

/// What is wrong with what Buildroot knows of our package and of what it will download.
pub(super) fn info(root: &Path, checkout: &Path) -> Result<Vec<String>, BuildrootError> {
    let mut findings = Vec::new();
    for board in board::all(root)? {
        let out = temporary_folder()?;
        let make = Make {
            checkout,
            root,
            out: out.path(),
        };
        make.configure(&board)?;
        let info = make.show_info()?;
        findings.extend(judge_package(&info, root));
        findings.extend(downloads_without_hash(&info));
        findings.extend(unknown_hashes(root, checkout)?);
    }
    Ok(findings)
}

fn judge_package(info: &Value, root: &Path) -> Vec<String> {
    let package = &info[PACKAGE];
    let mut findings = Vec::new();
    if package["version"] != env!("CARGO_PKG_VERSION") {
        findings.push(format!(
            "{PACKAGE} is {} for Buildroot and {} in the workspace",
            package["version"],
            env!("CARGO_PKG_VERSION")
        ));
    }
    if !package["licenses"]
        .as_str()
        .is_some_and(|text| text.starts_with(LICENCES))
    {
        findings.push(format!(
            "{PACKAGE} is not under {LICENCES} but {}",
            package["licenses"]
        ));
    }
    let files = package["license_files"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let missing = |file: &&Value| !file.as_str().is_some_and(|file| root.join(file).is_file());
    findings.extend(
        files
            .iter()
            .filter(missing)
            .map(|file| format!("no licence file {file}")),
    );
    if files.len() != 2 {
        findings.push(format!("{} licence files of {PACKAGE}, not 2", files.len()));
    }
    findings
}

fn downloads_without_hash(info: &Value) -> Vec<String> {
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let packages = info.as_object().into_iter().flatten();
    packages
        .filter(|(name, package)| {
            *name != PACKAGE && !is_empty(&package["downloads"]) && is_empty(&package["hashes"])
        })
        .map(|(name, _)| format!("{name} is downloaded without a hash"))
        .collect()
}

/// Hashes of the kernel that the checkout, whose commit is pinned, does not have as well.
fn unknown_hashes(root: &Path, checkout: &Path) -> Result<Vec<String>, BuildrootError> {
    let ours = read(&board::external(root).join("patches/linux/linux.hash"))?;
    let theirs: Vec<String> = files(&checkout.join("linux"))?
        .iter()
        .filter(|path| path.ends_with("linux.hash"))
        .map(|path| read(path))
        .collect::<Result<_, _>>()?;
    let is_known = |line: &str| {
        theirs
            .iter()
            .any(|text| text.lines().any(|their| their == line))
    };
    Ok(ours
        .lines()
        .filter(|line| line.starts_with("sha256") && !is_known(line))
        .map(|line| format!("Buildroot does not know this hash: {line}"))
        .collect())
}

/// Symbols of our fragment that this Buildroot's BusyBox does not have. Its configuration names every one.
pub(super) fn busybox(root: &Path, checkout: &Path) -> Result<Vec<String>, BuildrootError> {
    let asked = fragment::load(&busybox_fragment(root))?;
    let known = fragment::load(&checkout.join("package/busybox/busybox.config"))?;
    let is_known = |symbol: &str| known.iter().any(|known| known.symbol == symbol);
    Ok(asked
        .iter()
        .filter(|asked| !is_known(&asked.symbol))
        .map(|asked| format!("BusyBox has no {}", asked.symbol))
        .collect())
}

/// What the kernel's kconfig drops of the boards' kernel fragments; `source` is a kernel tree that was never configured.
pub(super) fn kernel(root: &Path, source: &Path) -> Result<Vec<String>, BuildrootError> {
    let mut findings = Vec::new();
    for board in board::all(root)? {
        let (asked, _) = board.kernel(root)?;
        let out = temporary_folder()?;
        let config = out.path().join(".config");
        let lines: Vec<_> = asked.iter().map(|asked| asked.line() + "\n").collect();
        super::error::write(&config, &lines.concat())?;
        let mut make = clean(Command::new("make"));
        make.current_dir(source)
            .arg(format!("O={}", out.path().display()))
            .arg(format!("ARCH={}", kernel_architecture(&board)))
            .args(["--silent", "olddefconfig"]);
        output(&mut make)?;
        let dropped = fragment::dropped(&asked, &read(&config)?);
        findings.extend(
            dropped
                .into_iter()
                .map(|line| format!("{}: {line}", board.name)),
        );
        findings.extend(other_series(&board, source)?);
    }
    Ok(findings)
}

/// The kernel's name for the board's processor.
fn kernel_architecture(board: &Board) -> &'static str {
    if board.value("BR2_aarch64") == Some("y") {
        "arm64"
    } else {
        "x86_64"
    }
}

/// A source of another series knows other options, so that its answer would mean nothing.
fn other_series(board: &Board, source: &Path) -> Result<Option<String>, BuildrootError> {
    let mut make = clean(Command::new("make"));
    let found = output(make.current_dir(source).args(["--silent", "kernelversion"]))?;
    let wanted = board
        .value("BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE")
        .unwrap_or_default();
    let series = |version: &str| {
        version
            .trim()
            .splitn(3, '.')
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    Ok((series(&found) != series(wanted)).then(|| {
        format!(
            "{} is Linux {}, and the board has {wanted}",
            source.display(),
            found.trim()
        )
    }))
}

fn busybox_fragment(root: &Path) -> PathBuf {
    board::external(root).join("busybox.fragment")
}

/// All files below `folder`, sorted; links to folders are not followed.
fn files(folder: &Path) -> Result<Vec<PathBuf>, BuildrootError> {
    let unreadable = |source| BuildrootError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path())?);
        } else if entry.path().is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn temporary_folder() -> Result<tempfile::TempDir, BuildrootError> {
    tempfile::tempdir().map_err(|source| BuildrootError::Write {
        path: std::env::temp_dir(),
        source,
    })
}

#[cfg(test)]
mod tests;
