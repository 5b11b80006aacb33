//! Calls of cargo: always in the workspace's root, with output outside the tree.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use cell_os::debian::Compiler;
use serde_json::Value;

use crate::error::XtaskError;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    // Cargo says where the manifest is now; the path of the build is for a binary started by hand.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(manifest)
        .components()
        .as_path()
        .ancestors()
        .nth(2)
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// The folder that outlives runs: build output, packages of the tests.
pub(crate) fn cache_dir() -> PathBuf {
    let home = || {
        std::env::var_os("HOME")
            .map_or_else(std::env::temp_dir, PathBuf::from)
            .join(".cache")
    };
    std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(home, PathBuf::from)
        .join("personal-internet-cell")
}

/// Where everything is built.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache_dir().join("target"), PathBuf::from)
}

/// A cargo command in the workspace's root.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    for name in std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| describes_this_crate(name))
    {
        // Build scripts (ring's) watch these: left in place, every other call would build them anew.
        command.env_remove(name);
    }
    command
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target_dir())
        .env("PATH", search_path());
    command
}

/// Runs to the end with the terminal's input and output.
pub(crate) fn finish(command: &mut Command) -> Result<ExitStatus, XtaskError> {
    command.status().map_err(|source| XtaskError::Start {
        program: shown(command),
        source,
    })
}

/// Runs to the end; another end than success is an error.
pub(crate) fn succeed(command: &mut Command) -> Result<(), XtaskError> {
    let status = finish(command)?;
    if status.success() {
        return Ok(());
    }
    Err(XtaskError::Ended {
        program: shown(command),
        status,
    })
}

/// What `cargo metadata` says, with more `arguments`.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value, XtaskError> {
    let mut command = cargo();
    command
        .args(["metadata", "--format-version", "1", "--quiet"])
        .args(arguments);
    let output = command.output().map_err(|source| XtaskError::Start {
        program: shown(&command),
        source,
    })?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(XtaskError::Ended {
            program: shown(&command),
            status: output.status,
        });
    }
    serde_json::from_slice(&output.stdout).map_err(XtaskError::Metadata)
}

/// How the daemon is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Dev,
    /// What boxes run.
    Release,
}

/// Builds the daemon and says where it is.
pub(crate) fn build_celld(profile: Profile) -> Result<PathBuf, XtaskError> {
    build_program("cell-firmware", "celld", profile)
}

/// Builds a program of ours, with this machine's compiler, and says where it is.
pub(crate) fn build_program(
    package: &str,
    program: &str,
    profile: Profile,
) -> Result<PathBuf, XtaskError> {
    let mut built = build_programs(&[(package, program)], profile, None)?;
    Ok(built.remove(0))
}

/// Builds programs of ours, by package and name, with this machine's compiler or for another processor, and says where
/// they are. All at once: what they share is built once.
pub(crate) fn build_programs(
    programs: &[(&str, &str)],
    profile: Profile,
    compiler: Option<&Compiler>,
) -> Result<Vec<PathBuf>, XtaskError> {
    build_programs_of(&root(), programs, profile, compiler)
}

/// The same of another workspace than this one.
pub(crate) fn build_programs_of(
    workspace: &Path,
    programs: &[(&str, &str)],
    profile: Profile,
    compiler: Option<&Compiler>,
) -> Result<Vec<PathBuf>, XtaskError> {
    let mut build = cargo();
    build.current_dir(workspace).arg("build");
    for (package, program) in programs {
        build.args(["--package", package, "--bin", program]);
    }
    if profile == Profile::Release {
        build.arg("--release");
    }
    let mut folder = target_dir();
    if let Some(compiler) = compiler {
        build
            .args(["--target", compiler.target()])
            .envs(compiler.environment());
        folder.push(compiler.target());
    }
    succeed(&mut build)?;
    folder.push(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    });
    Ok(programs
        .iter()
        .map(|(_, program)| folder.join(program))
        .collect())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let words: Vec<_> = std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

/// `PATH` with the folders of system programs, which `su` leaves out.
pub(crate) fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

/// Whether cargo set the variable for this crate rather than a person for all.
fn describes_this_crate(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ]
    .iter()
    .any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_the_workspace() {
        assert!(root().join("Cargo.toml").is_file());
        assert!(root().join("crates/xtask").is_dir());
    }

    #[test]
    fn cargo_builds_outside_the_tree_unless_told() {
        let command = cargo();
        let set = command
            .get_envs()
            .find(|(name, _)| *name == "CARGO_TARGET_DIR")
            .unwrap()
            .1
            .unwrap();
        assert_eq!(PathBuf::from(set), target_dir());
    }

    #[test]
    fn only_what_describes_this_crate_is_removed() {
        assert!(describes_this_crate(OsStr::new("CARGO_PKG_NAME")));
        for kept in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_NET_OFFLINE",
            "PATH",
        ] {
            assert!(!describes_this_crate(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn a_command_is_shown_without_its_folder() {
        assert_eq!(
            shown(Command::new("/usr/bin/cargo").args(["doc", "--quiet"])),
            "cargo doc --quiet"
        );
    }
}
