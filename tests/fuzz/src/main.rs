//! The program that libFuzzer drives, built by `cargo xtask fuzz`. The variable [`CHOICE`] names the target.
#![no_main]

use std::sync::LazyLock;

use cell_fuzz::{CHOICE, TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var(CHOICE).unwrap_or_default();
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("the variable names one of the targets")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
