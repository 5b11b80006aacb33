//! Debian's archive, through an apt folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::SUITE;
use super::lock::{Lock, Locked};
use crate::error::OsError;
use crate::toolbox::run;
use crate::{digest, files};

/// The public keys of Debian's archive; the package of that name is on every Debian machine.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The archive, for packages of one architecture.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
    architecture: String,
}

impl Archive {
    /// Keeps lists and packages in `folder`; `architecture` in Debian's words.
    pub fn new(folder: impl Into<PathBuf>, architecture: &str) -> Self {
        Self {
            folder: folder.into(),
            architecture: architecture.to_owned(),
        }
    }

    /// The packages' files for a lock, fetched if they are not here yet, each checked against its SHA-256.
    ///
    /// # Errors
    /// [`OsError::Gone`] when the archive has newer versions only; [`OsError::Digest`] when one is another.
    pub fn fetch(&self, lock: &Lock) -> Result<Vec<PathBuf>, OsError> {
        let packages = self.packages();
        let missing: Vec<&Locked> = lock
            .packages
            .iter()
            .filter(|package| !packages.join(package.file_name()).exists())
            .collect();
        if !missing.is_empty() {
            self.update()?;
            files::make_folder(&packages)?;
            let mut download = self.apt("apt-get")?;
            download
                .current_dir(&packages)
                .arg("download")
                .args(missing.iter().map(|package| package.request()));
            run(&mut download).map_err(|error| gone(error, &missing, &packages))?;
        }
        lock.packages
            .iter()
            .map(|package| {
                let path = packages.join(package.file_name());
                let found = digest::of_file(&path)?;
                if found == package.sha256 {
                    return Ok(path);
                }
                Err(OsError::Digest {
                    path,
                    expected: package.sha256.clone(),
                    found,
                })
            })
            .collect()
    }

    /// The newest versions of these packages and of all they depend on, fetched.
    ///
    /// # Errors
    /// What apt says.
    pub fn newest(&self, names: &[String]) -> Result<Lock, OsError> {
        self.update()?;
        let mut plan = self.apt("apt-get")?;
        plan.args(["install", "--yes", "--simulate"]).args(names);
        let chosen: Vec<(String, String)> = run(&mut plan)?.lines().filter_map(installs).collect();
        let packages = self.packages();
        files::make_folder(&packages)?;
        let mut download = self.apt("apt-get")?;
        download.current_dir(&packages).arg("download").args(
            chosen
                .iter()
                .map(|(name, version)| format!("{name}={version}")),
        );
        run(&mut download)?;
        let mut lock = Lock::default();
        for (name, version) in chosen {
            lock.packages.push(self.found(name, version)?);
        }
        lock.packages.sort();
        Ok(lock)
    }

    /// A package that was just fetched, with its digest.
    fn found(&self, name: String, version: String) -> Result<Locked, OsError> {
        let package = |architecture: &str| Locked {
            name: name.clone(),
            version: version.clone(),
            architecture: architecture.to_owned(),
            sha256: String::new(),
        };
        let own = package(&self.architecture);
        let mut found = if self.packages().join(own.file_name()).exists() {
            own
        } else {
            package("all")
        };
        found.sha256 = digest::of_file(&self.packages().join(found.file_name()))?;
        Ok(found)
    }

    fn packages(&self) -> PathBuf {
        self.folder.join("packages")
    }

    fn update(&self) -> Result<(), OsError> {
        self.write_settings()?;
        run(self.apt("apt-get")?.args(["update", "--quiet"])).map(drop)
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("apt.conf")
    }

    fn write_settings(&self) -> Result<(), OsError> {
        for folder in ["state/lists/partial", "cache/archives/partial", "etc"] {
            files::make_folder(&self.folder.join(folder))?;
        }
        let source = |site: &str, suite: &str| {
            format!("deb [signed-by={KEYRING}] http://deb.debian.org/{site} {suite} main\n")
        };
        let sources = [
            source("debian", SUITE),
            source("debian", &format!("{SUITE}-updates")),
            source("debian-security", &format!("{SUITE}-security")),
        ];
        files::write(
            &self.folder.join("etc/sources.list"),
            sources.concat(),
            0o644,
        )?;
        files::write(&self.folder.join("state/status"), "", 0o644)?;
        files::write(
            &self.settings(),
            settings(&self.folder, &self.architecture),
            0o644,
        )
    }

    fn apt(&self, program: &str) -> Result<Command, OsError> {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.settings())
            .env("DEBIAN_FRONTEND", "noninteractive");
        Ok(command)
    }
}

fn settings(folder: &Path, architecture: &str) -> String {
    let folder = folder.display();
    format!(
        r#"APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Dir "{folder}/";
Dir::Etc "{folder}/etc/";
Dir::Etc::sourcelist "{folder}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::State "{folder}/state/";
Dir::State::status "{folder}/state/status";
Dir::Cache "{folder}/cache/";
"#
    )
}

/// Name and version from a line like `Inst nftables (1.1.3-1 Debian:13/stable [amd64])`.
fn installs(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("Inst ")?;
    let (name, rest) = rest.split_once(' ')?;
    let version = rest.strip_prefix('(')?.split_whitespace().next()?;
    Some((name.to_owned(), version.to_owned()))
}

/// Tells "the archive moved on" from other failures, by whether it left any package unfetched.
fn gone(error: OsError, asked: &[&Locked], packages: &Path) -> OsError {
    let OsError::Ended { message, .. } = &error else {
        return error;
    };
    if !message.contains("was not found") {
        return error;
    }
    let absent: Vec<String> = asked
        .iter()
        .filter(|package| !packages.join(package.file_name()).exists())
        .map(|package| package.request())
        .collect();
    OsError::Gone {
        packages: absent.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_plan_name_package_and_version() {
        assert_eq!(
            installs("Inst libc6 (2.41-12 Debian:13.1/stable [amd64])"),
            Some(("libc6".to_owned(), "2.41-12".to_owned()))
        );
        assert_eq!(
            installs("Conf libc6 (2.41-12 Debian:13.1/stable [amd64])"),
            None
        );
    }

    #[test]
    fn apt_is_told_to_leave_this_machine_alone() {
        let text = settings(Path::new("/cache/amd64"), "amd64");
        assert!(text.contains(r#"Dir::State::status "/cache/amd64/state/status""#));
        assert!(text.contains(r#"Dir::Etc::sourceparts "/dev/null""#));
    }
}
