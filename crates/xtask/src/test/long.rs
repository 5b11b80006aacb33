//! The slow tests: one process each, two at a time, and none again that has passed with the very same programs.
//!
//! So a set that was interrupted goes on where it stopped, and a set of an hour is not begun anew because its last test
//! failed. What passed is remembered outside the tree, by the SHA-256 of the test's program, the daemon, and what the
//! image was made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::cargo;
use crate::error::XtaskError;

/// As many as machines have processors at least.
const AT_ONCE: usize = 2;

/// What a test is run with.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Said beside its name; empty where there is only one setting.
    pub(super) label: String,
    pub(super) environment: Vec<(&'static str, PathBuf)>,
    /// Files whose content decides whether a result still counts.
    pub(super) programs: Vec<PathBuf>,
    pub(super) choice: Choice,
}

/// Which tests a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Slow ones.
    Slow,
    /// Those in a virtual machine that every board must pass, and the quick ones there: nobody else runs these for it.
    OtherBoard,
}

/// The beginning of the names of test programs that start virtual machines.
const MACHINES: &str = "vm_";
/// The beginning of the names of slow tests that every board must pass.
const EVERY_BOARD: &str = "vm_long";

/// A test program, as cargo built it.
#[derive(Debug, Clone)]
pub(super) struct Binary {
    executable: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
}

/// One slow test.
#[derive(Debug, Clone)]
struct Test {
    name: String,
    binary: Binary,
    setting: Setting,
    /// The name, and SHA-256 over all that it runs.
    key: String,
}

/// What came of a set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) passed: usize,
    pub(super) failed: Vec<String>,
    /// Passed at an earlier time, with the same programs.
    pub(super) known: usize,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for name in &self.failed {
            writeln!(f, "    {name}")?;
        }
        let result = if self.failed.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        write!(
            f,
            "slow tests: {result}. {} passed; {} failed; {} passed before with the same programs",
            self.passed,
            self.failed.len(),
            self.known
        )
    }
}

/// Whether there is a test of this set that every board must pass: otherwise no image is made for them.
pub(super) fn concerns_other_boards(set: &str, binaries: &[Binary]) -> Result<bool, XtaskError> {
    for binary in binaries {
        if !binary.tests(set, Choice::OtherBoard)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs the slow tests whose name holds `set`, with each of the settings that they are for; what passed before with the
/// same programs only when asked to.
pub(super) fn run(
    set: &str,
    settings: &[Setting],
    binaries: &[Binary],
    again: bool,
) -> Result<Summary, XtaskError> {
    let mut tests = Vec::new();
    let mut digests = Digests::default();
    for binary in binaries {
        for setting in settings {
            for name in binary.tests(set, setting.choice)? {
                let mut hash = Sha256::new();
                for program in std::iter::once(&binary.executable).chain(&setting.programs) {
                    hash.update(digests.of(program)?);
                }
                let digest = HEXLOWER.encode(&hash.finalize());
                tests.push(Test {
                    key: format!("{digest} {name} {}", setting.label),
                    name,
                    binary: binary.clone(),
                    setting: setting.clone(),
                });
            }
        }
    }
    if tests.is_empty() {
        return Err(XtaskError::NoTest {
            set: set.to_owned(),
        });
    }
    perform(tests, &Ledger(cargo::cache_dir().join("passed")), again)
}

fn perform(tests: Vec<Test>, ledger: &Ledger, again: bool) -> Result<Summary, XtaskError> {
    let known = match again {
        true => BTreeSet::new(),
        false => ledger.read(),
    };
    let (before, mut open): (Vec<_>, Vec<_>) = tests
        .into_iter()
        .partition(|test| known.contains(&test.key));
    for test in &before {
        println!("passed before  {}", test.shown());
    }
    open.reverse();
    let open = Mutex::new(open);
    let summary = Mutex::new(Summary {
        known: before.len(),
        ..Summary::default()
    });
    std::thread::scope(|scope| {
        let work = || -> Result<(), XtaskError> {
            loop {
                let next = open.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(test) = next else { return Ok(()) };
                println!("begun          {}", test.shown());
                let (passed, took) = test.run()?;
                let word = if passed { "passed" } else { "FAILED" };
                println!("{word:<8}{:>5} s  {}", took.as_secs(), test.shown());
                let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                if passed {
                    ledger.add(&test.key)?;
                    summary.passed += 1;
                } else {
                    summary.failed.push(test.shown());
                }
            }
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| match worker.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })?;
    Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Test {
    fn shown(&self) -> String {
        format!("{} {}", self.name, self.setting.label)
            .trim_end()
            .to_owned()
    }

    /// Whether it passed, and how long it took. What it printed is shown when it failed.
    fn run(&self) -> Result<(bool, Duration), XtaskError> {
        let start = Instant::now();
        let mut command = Command::new(&self.binary.executable);
        command
            .args(["--exact", &self.name, "--include-ignored", "--nocapture"])
            .current_dir(&self.binary.folder)
            .env("CARGO_MANIFEST_DIR", &self.binary.folder)
            .env("PATH", cargo::search_path())
            .envs(self.setting.environment.iter().cloned())
            .stdin(Stdio::null());
        let output = command.output().map_err(|source| XtaskError::Start {
            program: self.binary.executable.display().to_string(),
            source,
        })?;
        let passed = output.status.success();
        if !passed {
            let text = [output.stdout, output.stderr].concat();
            println!("{}", String::from_utf8_lossy(&text));
        }
        Ok((passed, start.elapsed()))
    }
}

/// Every test program of the workspace, built.
pub(super) fn binaries() -> Result<Vec<Binary>, XtaskError> {
    let mut build = cargo::cargo();
    build
        .args(["test", "--workspace", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let output = build.output().map_err(|source| XtaskError::Start {
        program: cargo::shown(&build),
        source,
    })?;
    if !output.status.success() {
        return Err(XtaskError::Ended {
            program: cargo::shown(&build),
            status: output.status,
        });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(binary).collect())
}

/// The test program that a line of cargo's report speaks of.
fn binary(line: &str) -> Option<Binary> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    Some(Binary {
        executable: message["executable"].as_str()?.into(),
        folder: manifest.parent()?.to_owned(),
    })
}

impl Binary {
    /// Those of its tests that are chosen and whose name holds `set`.
    fn tests(&self, set: &str, choice: Choice) -> Result<Vec<String>, XtaskError> {
        match choice {
            Choice::Slow => self.list(&["--ignored", set]),
            Choice::OtherBoard if !self.starts_machines() => Ok(Vec::new()),
            Choice::OtherBoard => {
                let mut names = self.list(&["--include-ignored"])?;
                let slow = self.list(&["--ignored"])?;
                // Quick ones belong to the whole set, not to a part of it.
                let is_whole = EVERY_BOARD.contains(set);
                names.retain(|name| match slow.contains(name) {
                    true => name.starts_with(EVERY_BOARD) && name.contains(set),
                    false => is_whole,
                });
                Ok(names)
            }
        }
    }

    fn starts_machines(&self) -> bool {
        let name = self.executable.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(MACHINES)
    }

    fn list(&self, chosen: &[&str]) -> Result<Vec<String>, XtaskError> {
        let mut list = Command::new(&self.executable);
        list.args(["--list", "--format", "terse"])
            .args(chosen)
            .current_dir(&self.folder);
        let output = list.output().map_err(|source| XtaskError::Start {
            program: self.executable.display().to_string(),
            source,
        })?;
        if !output.status.success() {
            return Err(XtaskError::Ended {
                program: self.executable.display().to_string(),
                status: output.status,
            });
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }
}

/// Digests of programs; each is read once.
#[derive(Debug, Default)]
struct Digests(BTreeMap<PathBuf, String>);

impl Digests {
    fn of(&mut self, path: &Path) -> Result<&str, XtaskError> {
        if !self.0.contains_key(path) {
            self.0.insert(path.to_owned(), cell_os::digest_of(path)?);
        }
        Ok(self.0.get(path).map_or("", String::as_str))
    }
}

/// What has passed, one key a line.
#[derive(Debug)]
struct Ledger(PathBuf);

impl Ledger {
    fn read(&self) -> BTreeSet<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn add(&self, key: &str) -> Result<(), XtaskError> {
        let failed = |source| {
            XtaskError::Image(cell_os::OsError::Write {
                path: self.0.clone(),
                source,
            })
        };
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0)
            .map_err(failed)?;
        writeln!(file, "{key}").map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that takes the arguments of a test program; it counts its runs, and ends as the file `fails` says.
    fn program(folder: &Path) -> Binary {
        let executable = folder.join("tests");
        fs::write(
            &executable,
            "#!/bin/sh\necho \"$2 $LABEL\" >>runs\n[ ! -e fails ]\n",
        )
        .unwrap();
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).unwrap();
        Binary {
            executable,
            folder: folder.to_owned(),
        }
    }

    fn test(folder: &Path, key: &str) -> Test {
        Test {
            name: "long_walk".to_owned(),
            binary: program(folder),
            setting: Setting {
                label: "uphill".to_owned(),
                environment: vec![("LABEL", "uphill".into())],
                programs: Vec::new(),
                choice: Choice::Slow,
            },
            key: key.to_owned(),
        }
    }

    #[test]
    fn what_passed_is_not_run_again_until_its_programs_change() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let ledger = Ledger(folder.join("passed"));
        let summary = |key| perform(vec![test(folder, key)], &ledger, false).unwrap();
        let runs = || fs::read_to_string(folder.join("runs")).unwrap();

        fs::write(folder.join("fails"), "").unwrap();
        let failed = summary("1 long_walk");
        assert_eq!(failed.failed, ["long_walk uphill"]);
        assert!(
            failed
                .to_string()
                .contains("FAILED. 0 passed; 1 failed; 0 passed before")
        );

        fs::remove_file(folder.join("fails")).unwrap();
        assert_eq!(summary("1 long_walk").passed, 1);
        assert_eq!(runs(), "long_walk uphill\n".repeat(2));
        let known = summary("1 long_walk");
        assert_eq!((known.known, known.passed), (1, 0));
        assert_eq!(
            runs(),
            "long_walk uphill\n".repeat(2),
            "it is not run again"
        );
        assert_eq!(summary("2 long_walk").passed, 1, "another program");
        let again = perform(vec![test(folder, "2 long_walk")], &ledger, true).unwrap();
        assert_eq!((again.known, again.passed), (0, 1));
    }

    #[test]
    fn another_board_is_tried_with_all_that_every_board_must_pass() {
        let folder = tempfile::tempdir().unwrap();
        let mut binary = program(folder.path());
        fs::write(
            &binary.executable,
            "#!/bin/sh\necho 'vm_long_reset: test'\necho 'vm_power_cut: test'\n\
             case $* in *--include-ignored*) echo 'boots: test';; esac\n",
        )
        .unwrap();
        let chosen = |binary: &Binary, set| binary.tests(set, Choice::OtherBoard).unwrap();
        assert!(chosen(&binary, "").is_empty(), "no machines in it");
        let executable = folder.path().join("vm_boot-0123");
        fs::rename(&binary.executable, &executable).unwrap();
        binary.executable = executable;
        for whole in ["", "vm_long"] {
            assert_eq!(chosen(&binary, whole), ["vm_long_reset", "boots"]);
        }
        assert_eq!(chosen(&binary, "long_reset"), ["vm_long_reset"]);
        assert!(chosen(&binary, "vm_power").is_empty());

        // Images for other boards are made only where such a test may need them.
        let binaries = [binary];
        for set in ["", "vm_", "vm_long", "vm_long_reset", "reset"] {
            assert!(concerns_other_boards(set, &binaries).unwrap(), "{set}");
        }
        for set in ["vm_power", "long_two_hundred_kills"] {
            assert!(!concerns_other_boards(set, &binaries).unwrap(), "{set}");
        }
    }

    #[test]
    fn programs_are_found_in_cargos_report() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/Cargo.toml","profile":{"test":true},"executable":"/t/vm"}"#;
        let found = binary(line).unwrap();
        assert_eq!(found.executable, Path::new("/t/vm"));
        assert_eq!(found.folder, Path::new("/w/tests"));
        assert!(binary(&line.replace("true", "false")).is_none());
        assert!(binary("   Compiling").is_none());
    }
}
