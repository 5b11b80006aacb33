//! What foreign bytes must never do to the parsers of firmware: one [`Target`] a parser.
//!
//! # What it is for
//! libFuzzer makes inputs, keeps those that reach a branch no other did, and changes them further. A target runs a
//! parser on an input and panics when a promise does not hold: not only when the parser itself does.
//!
//! # What it promises
//! - The same input does the same on every machine: keys, versions and times are fixed.
//! - Targets need neither libFuzzer nor a special compiler; the ordinary tests run each on its seeds.
//!
//! # What it must never do
//! - Repeat the code under test: where a target says what is right, it says so in another way.
//!
//! # Where to start reading
//! [`TARGETS`], then `docs/operations/fuzzing.md`. One more target is a module and a row in the table.

mod boot_state;
mod bundle;
mod disk;
mod envelope;
mod input;
mod key_list;
mod manifest;
mod plan;
mod promise;
mod signers;
mod version;

/// The variable that names the target in the program that libFuzzer drives.
pub const CHOICE: &str = "CELL_FUZZ_TARGET";

/// One parser and what is promised of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What an input is.
    pub input: &'static str,
    /// Bytes of the longest input that is worth trying.
    pub longest: usize,
    /// Runs the parser on an input; panics when a promise does not hold.
    pub run: fn(&[u8]),
    /// Inputs to begin with, good and bad ones.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    bundle::TARGET,
    manifest::TARGET,
    plan::TARGET,
    envelope::TARGET,
    key_list::TARGET,
    boot_state::TARGET,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes that libFuzzer would make too; enough to see that a target still stands.
    const CHANGES: usize = 20;

    #[test]
    fn seeds_and_what_is_near_them_keep_every_promise() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            let mut random = fastrand::Rng::with_seed(7);
            (target.run)(&[]);
            for seed in &seeds {
                assert!(seed.len() <= target.longest, "{}", target.name);
                (target.run)(seed);
                for _ in 0..CHANGES {
                    (target.run)(&changed(seed, &mut random));
                }
            }
        }
    }

    #[test]
    fn seeds_are_few_and_the_same_every_time() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty() && seeds.len() < 30, "{}", target.name);
            assert_eq!(seeds, (target.seeds)(), "{}", target.name);
        }
    }

    fn changed(seed: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..4) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes[at] = random.u8(..),
            2 => bytes.truncate(at),
            _ => drop(bytes.remove(at)),
        }
        bytes
    }
}
