//! A test in a process and a mount namespace of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "CELL_TEST_OWN_MOUNTS";

/// Runs the body of the test of this name (its path in the binary) in a process of its own, which mounts what it
/// likes: its mounts go with it, however it ends. The body gets an empty folder in memory.
///
/// # Panics
/// When the test fails there, or without root.
#[expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "part of a test: its result is the process's"
)]
pub fn in_own_mounts(test: &str, body: impl FnOnce(&Path)) {
    if let Some(folder) = env::var_os(FOLDER) {
        body(&PathBuf::from(folder));
        return;
    }
    let program = env::current_exe().unwrap_or_else(|error| panic!("no path of the test: {error}"));
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg(format!(
            "mount -t tmpfs -o mode=0700 cell-test \"${FOLDER}\" && exec \"$@\""
        ))
        .arg("sh")
        .arg(program)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap_or_else(|error| panic!("unshare is needed: {error}"));
    let said = String::from_utf8_lossy(&done.stdout);
    print!("{said}");
    assert!(
        done.status.success() && said.contains("test result: ok. 1 passed"),
        "{test} (needs root for mounts): {said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
