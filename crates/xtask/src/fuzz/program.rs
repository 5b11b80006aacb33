//! Builds the program that libFuzzer drives, with this machine's stable compiler.

use std::path::PathBuf;
use std::process::Command;

use crate::cargo;
use crate::error::XtaskError;

/// What LLVM puts into every branch for libFuzzer: a counter and its place, and both sides of each comparison, so that
/// a number or word that is compared with can be found.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Builds it in a folder of its own: with these flags everything is another program, and the ordinary build stays.
pub(super) fn build() -> Result<PathBuf, XtaskError> {
    let host = host()?;
    let folder = cargo::target_dir().join("fuzz");
    let mut command = cargo::cargo();
    command
        .args(["build", "--profile", "fuzz"])
        .args(["--package", "cell-fuzz", "--bin", "cell-fuzz"])
        .args(["--features", "libfuzzer"])
        // Named, so that build scripts and macros, which no fuzzer starts, are built without the flags.
        .args(["--target", &host])
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", &folder);
    cargo::succeed(&mut command)?;
    Ok(folder.join(host).join("fuzz/cell-fuzz"))
}

/// This machine, as the compiler calls it.
fn host() -> Result<String, XtaskError> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(program);
    command.arg("-vV");
    let failed = |source| XtaskError::Start {
        program: "rustc -vV".to_owned(),
        source,
    };
    let output = command.output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))
}
