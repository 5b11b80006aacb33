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

/// The archive, as a machine of one architecture sees it.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
    architecture: String,
    others: Vec<String>,
    suite: String,
}

impl Archive {
    /// Keeps lists and packages below `cache`; `architecture` in Debian's words.
    pub fn new(cache: &Path, architecture: &str) -> Self {
        Self {
            folder: cache.join(architecture),
            architecture: architecture.to_owned(),
            others: Vec::new(),
            suite: SUITE.to_owned(),
        }
    }

    /// Takes packages of another suite, such as `sid`, which is a moving one: keeps lists and packages apart.
    #[must_use]
    pub fn of_suite(mut self, suite: &str) -> Self {
        if suite != SUITE {
            self.folder = self
                .folder
                .with_file_name(format!("{}-{suite}", self.architecture));
            self.suite = suite.to_owned();
        }
        self
    }

    /// Knows packages of this architecture too, asked for as `name:architecture`.
    #[must_use]
    pub fn with(mut self, other: &str) -> Self {
        self.others.push(other.to_owned());
        self
    }

    /// In Debian's words.
    pub fn architecture(&self) -> &str {
        &self.architecture
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
        let mut chosen: Vec<Locked> = run(&mut plan)?.lines().filter_map(installs).collect();
        let packages = self.packages();
        files::make_folder(&packages)?;
        let mut download = self.apt("apt-get")?;
        download
            .current_dir(&packages)
            .arg("download")
            .args(chosen.iter().map(Locked::request));
        run(&mut download)?;
        for package in &mut chosen {
            package.sha256 = digest::of_file(&packages.join(package.file_name()))?;
        }
        chosen.sort();
        Ok(Lock { packages: chosen })
    }

    /// The newest versions of these packages, fetched, without what they depend on.
    ///
    /// # Errors
    /// What apt says.
    pub fn newest_alone(&self, names: &[String]) -> Result<Lock, OsError> {
        self.update()?;
        let mut ask = self.apt("apt-get")?;
        ask.args(["download", "--print-uris"]).args(names);
        let files = run(&mut ask)?;
        let packages = self.packages();
        files::make_folder(&packages)?;
        run(self
            .apt("apt-get")?
            .current_dir(&packages)
            .arg("download")
            .args(names))?;
        let mut chosen = Vec::new();
        for mut package in files.lines().filter_map(offered) {
            package.sha256 = digest::of_file(&packages.join(package.file_name()))?;
            chosen.push(package);
        }
        chosen.sort();
        Ok(Lock { packages: chosen })
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
        let mut sources = vec![source("debian", &self.suite)];
        if self.suite == SUITE {
            sources.push(source("debian", &format!("{SUITE}-updates")));
            sources.push(source("debian-security", &format!("{SUITE}-security")));
        }
        files::write(
            &self.folder.join("etc/sources.list"),
            sources.concat(),
            0o644,
        )?;
        files::write(&self.folder.join("state/status"), "", 0o644)?;
        let mut settings = settings(&self.folder, &self.architecture, &self.others);
        if self.suite != SUITE {
            // The list of a moving suite is good for a week; a mirror may be behind. Which packages are meant is
            // written down, and that they are those is checked.
            settings.push_str("Acquire::Check-Valid-Until \"false\";\n");
        }
        files::write(&self.settings(), settings, 0o644)
    }

    fn apt(&self, program: &str) -> Result<Command, OsError> {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.settings())
            .env("DEBIAN_FRONTEND", "noninteractive");
        Ok(command)
    }
}

fn settings(folder: &Path, architecture: &str, others: &[String]) -> String {
    let folder = folder.display();
    let others: String = others
        .iter()
        .map(|other| format!(r#""{other}"; "#))
        .collect();
    format!(
        r#"APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; {others}}};
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

/// The package of a line like `Inst libc6:arm64 (2.41-12 Debian:13.1/stable [arm64])`, not fetched yet.
fn installs(line: &str) -> Option<Locked> {
    let rest = line.strip_prefix("Inst ")?;
    let (name, rest) = rest.split_once(' ')?;
    let (offer, _) = rest.strip_prefix('(')?.split_once("])")?;
    let (version, rest) = offer.split_once(' ')?;
    let (_, architecture) = rest.rsplit_once('[')?;
    Some(Locked {
        name: name.split(':').next().unwrap_or(name).to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        sha256: String::new(),
    })
}

/// The package of a line like `'http://…/nft_1%3a2-3_amd64.deb' nft_1%3a2-3_amd64.deb 1234 SHA256:…`, not fetched yet.
fn offered(line: &str) -> Option<Locked> {
    let file = line.split_whitespace().nth(1)?.strip_suffix(".deb")?;
    let mut words = file.split('_');
    let (name, version, architecture) = (words.next()?, words.next()?, words.next()?);
    Some(Locked {
        name: name.to_owned(),
        version: version.replace("%3a", ":"),
        architecture: architecture.to_owned(),
        sha256: String::new(),
    })
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
    fn lines_of_a_plan_name_package_version_and_architecture() {
        let requests = |line| installs(line).map(|package| package.request());
        assert_eq!(
            requests("Inst libc6 (2.41-12 Debian:13.1/stable [amd64])"),
            Some("libc6:amd64=2.41-12".to_owned())
        );
        assert_eq!(
            requests("Inst libgcc-s1:arm64 (14.2.0-19 Debian:13.8/stable [arm64]) []"),
            Some("libgcc-s1:arm64=14.2.0-19".to_owned())
        );
        assert_eq!(
            requests("Inst ovmf (2025.02-8 Debian:13.8/stable, Debian-Security:13/x [all])"),
            Some("ovmf=2025.02-8".to_owned())
        );
        assert_eq!(
            requests("Conf libc6 (2.41-12 Debian:13.1/stable [amd64])"),
            None
        );
    }

    #[test]
    fn offers_name_package_version_and_architecture() {
        let line =
            "'http://deb.debian.org/a/nft_1%253a2-3_amd64.deb' nft_1%3a2-3_amd64.deb 12 SHA512:ab";
        let request = offered(line).map(|package| package.request());
        assert_eq!(request, Some("nft:amd64=1:2-3".to_owned()));
        assert_eq!(offered("E: no such package"), None);
    }

    #[test]
    fn apt_is_told_to_leave_this_machine_alone() {
        let text = settings(Path::new("/cache/amd64"), "amd64", &["arm64".to_owned()]);
        assert!(text.contains(r#"Dir::State::status "/cache/amd64/state/status""#));
        assert!(text.contains(r#"Dir::Etc::sourceparts "/dev/null""#));
        assert!(text.contains(r#"APT::Architectures { "amd64"; "arm64"; };"#));
    }
}
