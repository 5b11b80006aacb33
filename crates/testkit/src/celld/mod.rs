//! The real daemon in a world, started and ended as an init would.
//!
//! Builds nothing: the binary is the one named by `CELLD`, or `celld` beside the running test. State and runtime
//! directory are temporary; a test that fails prints the end of the daemon's log.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

mod error;
mod options;

pub use error::CelldError;
use options::find_binary;
pub use options::{CelldOptions, ContainerOptions};

use crate::client::Client;
use crate::namespace::Namespace;
use crate::wait_for;
use crate::world::World;

/// How long a start, a stop or an apply may take before a test gives up; generous, since machines differ.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The port of the admin page (DESIGN 6).
const ADMIN_PORT: u16 = 8443;
/// How much of the log a failing test prints.
const LOG_LINES: usize = 100;

/// A daemon; dropped, it is ended at once and its directories are removed.
#[derive(Debug)]
pub struct Celld {
    child: Option<Child>,
    binary: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    namespace: Namespace,
    admin: SocketAddr,
    state_dir: PathBuf,
    folder: TempDir,
}

impl Celld {
    /// Starts a daemon in the world's cell and waits until `/health` answers.
    ///
    /// # Errors
    /// [`CelldError`], with the end of its log where there is one.
    pub fn start(world: &World) -> Result<Self, CelldError> {
        Self::start_with(world, CelldOptions::default())
    }

    /// [`Celld::start`] with options.
    ///
    /// # Errors
    /// As [`Celld::start`].
    pub fn start_with(world: &World, options: CelldOptions) -> Result<Self, CelldError> {
        let mut celld = Self::spawn(world, options)?;
        celld.wait_healthy()?;
        Ok(celld)
    }

    /// Starts a daemon and waits for nothing, for starts that are meant to fail.
    ///
    /// # Errors
    /// [`CelldError`] when the process cannot be started at all.
    pub fn spawn(world: &World, options: CelldOptions) -> Result<Self, CelldError> {
        let binary = options.binary.map_or_else(find_binary, Ok)?;
        let folder = tempfile::Builder::new()
            .prefix("celld-")
            // The daemon's unprivileged roles pass through, as they do through /run.
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .map_err(|source| CelldError::File {
                path: std::env::temp_dir(),
                source,
            })?;
        let state_dir = options
            .state_dir
            .unwrap_or_else(|| folder.path().join("state"));
        let runtime_dir = folder.path().join("run");
        for path in [&state_dir, &runtime_dir] {
            std::fs::create_dir_all(path).map_err(|source| CelldError::File {
                path: path.clone(),
                source,
            })?;
        }

        let mut arguments = vec![
            "--state-dir".to_owned(),
            state_dir.display().to_string(),
            "--runtime-dir".to_owned(),
            runtime_dir.display().to_string(),
        ];
        arguments.extend(world.interface_options().iter().map(ToString::to_string));
        if let Some(admin) = options.admin {
            arguments.extend(["--admin".to_owned(), admin.to_string()]);
        }
        match options.containers {
            Some(containers) => arguments.extend([
                "--podman".to_owned(),
                containers.podman.display().to_string(),
                "--volumes".to_owned(),
                containers.volumes.display().to_string(),
                "--service-logs".to_owned(),
                containers.logs.display().to_string(),
                "--packages".to_owned(),
                containers.packages.display().to_string(),
                "--incoming".to_owned(),
                folder.path().join("incoming").display().to_string(),
            ]),
            // Containers come from the image, of which a namespace has nothing.
            None => arguments.push("--no-containers".to_owned()),
        }
        arguments.extend(options.arguments);

        let mut celld = Self {
            child: None,
            binary,
            arguments,
            environment: options.environment,
            namespace: world.cell.clone(),
            admin: options
                .admin
                .unwrap_or_else(|| (world.home_address(), ADMIN_PORT).into()),
            state_dir,
            folder,
        };
        celld.launch()?;
        Ok(celld)
    }

    /// The program.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The daemon's whole command line once more, for a start beside the one that runs.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = self.namespace.command(&self.binary);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The runtime directory.
    #[must_use]
    pub fn runtime_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// The certificate that a client must trust; it changes with setup.
    #[must_use]
    pub fn ca_pem(&self) -> PathBuf {
        self.runtime_dir().join("ca.pem")
    }

    /// The socket of the control protocol.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.runtime_dir().join("control.sock")
    }

    /// The daemon's log, over all restarts.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The address of the admin page.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process id of the core; none while it is stopped.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether the core runs.
    ///
    /// # Errors
    /// [`CelldError::Wait`].
    pub fn is_running(&mut self) -> Result<bool, CelldError> {
        let status = self
            .child
            .as_mut()
            .map(Child::try_wait)
            .transpose()
            .map_err(CelldError::Wait)?;
        Ok(matches!(status, Some(None)))
    }

    /// The setup code, until setup is done.
    ///
    /// # Errors
    /// [`CelldError::File`] when there is none.
    pub fn setup_code(&self) -> Result<String, CelldError> {
        let path = self.runtime_dir().join("setup-code");
        let code =
            std::fs::read_to_string(&path).map_err(|source| CelldError::File { path, source })?;
        Ok(code.trim().to_owned())
    }

    /// The revision that is in force; none before the first.
    #[must_use]
    pub fn applied_revision(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.runtime_dir().join("ready")).ok()?;
        text.trim().parse().ok()
    }

    /// A client in `namespace` that trusts the daemon's CA and knows its admin page by address.
    ///
    /// # Errors
    /// [`CelldError::Client`].
    pub fn client(&self, namespace: &Namespace) -> Result<Client, CelldError> {
        Ok(Client::new(
            namespace,
            format!("https://{}", self.admin),
            &self.ca_pem(),
        )?)
    }

    /// Whether `/health` answers 200, asked on the box itself.
    ///
    /// # Errors
    /// [`CelldError::Client`] when it cannot be asked; no answer is `false`.
    pub fn is_healthy(&self) -> Result<bool, CelldError> {
        let base = format!("https://{}", self.admin);
        let client = Client::trusting_anything(&self.namespace, base)?;
        Ok(client.get("/health").is_ok_and(|reply| reply.status == 200))
    }

    /// Waits until `/health` answers 200.
    ///
    /// # Errors
    /// [`CelldError::Ended`] or [`CelldError::TooLate`], with the log.
    pub fn wait_healthy(&mut self) -> Result<(), CelldError> {
        self.wait("answer of /health", |celld| match celld.is_healthy() {
            Ok(healthy) => healthy.then_some(Ok(())),
            Err(error) => Some(Err(error)),
        })?
    }

    /// Waits until `revision` or a later one is in force.
    ///
    /// # Errors
    /// [`CelldError::Ended`] or [`CelldError::TooLate`], with the log.
    pub fn wait_applied(&mut self, revision: u64) -> Result<u64, CelldError> {
        self.wait("applied revision", |celld| {
            celld
                .applied_revision()
                .filter(|applied| *applied >= revision)
        })
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// [`CelldError::TooLate`], with the log.
    pub fn wait_ended(&mut self) -> Result<ExitStatus, CelldError> {
        let Some(mut child) = self.child.take() else {
            return Ok(ExitStatus::default());
        };
        let ended = wait_for(PATIENCE, || child.try_wait().transpose());
        if ended.is_none() {
            self.child = Some(child);
        }
        ended
            .ok_or_else(|| CelldError::TooLate {
                awaited: "end of the daemon",
                log: self.log_end(),
            })?
            .map_err(CelldError::Wait)
    }

    /// Ends the core as a power cut would.
    ///
    /// # Errors
    /// [`CelldError::Wait`].
    pub fn kill9(&mut self) -> Result<(), CelldError> {
        if let Some(mut child) = self.child.take() {
            child
                .kill()
                .and_then(|()| child.wait())
                .map_err(CelldError::Wait)?;
        }
        Ok(())
    }

    /// Asks the daemon to stop in order and waits for its end.
    ///
    /// # Errors
    /// [`CelldError::TooLate`], with the log.
    pub fn terminate(&mut self) -> Result<ExitStatus, CelldError> {
        if let Some(child) = &self.child
            && let Some(pid) = Pid::from_raw(child.id().cast_signed())
        {
            rustix::process::kill_process(pid, Signal::TERM)
                .map_err(|error| CelldError::Wait(error.into()))?;
        }
        self.wait_ended()
    }

    /// Starts the stopped daemon again on the same directories and waits until `/health` answers; a running one is
    /// terminated first.
    ///
    /// # Errors
    /// [`CelldError`].
    pub fn restart(&mut self) -> Result<(), CelldError> {
        self.terminate()?;
        self.launch()?;
        self.wait_healthy()
    }

    /// The end of the daemon's log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log), LOG_LINES)
    }

    /// Starts the stopped daemon again on the same directories and waits for nothing.
    ///
    /// # Errors
    /// [`CelldError`] when the process cannot be started at all.
    pub fn launch(&mut self) -> Result<(), CelldError> {
        let log = self.open_log()?;
        let errors = log.try_clone().map_err(|source| CelldError::File {
            path: self.log_path(),
            source,
        })?;
        let child = self
            .command()
            .stdout(log)
            .stderr(errors)
            // Ctrl-C at the terminal is for the caller, who then stops the daemon in order.
            .process_group(0)
            .spawn()
            .map_err(|source| CelldError::Start {
                binary: self.binary.clone(),
                source,
            })?;
        self.child = Some(child);
        Ok(())
    }

    fn open_log(&self) -> Result<File, CelldError> {
        let path = self.log_path();
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        opened.map_err(|source| CelldError::File { path, source })
    }

    /// Waits for what `probe` answers, no longer than the process lives.
    fn wait<T>(
        &mut self,
        awaited: &'static str,
        mut probe: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, CelldError> {
        let outcome = wait_for(PATIENCE, || {
            let status = match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(status)) => status,
                Some(Err(error)) => return Some(Err(CelldError::Wait(error))),
                None => None,
            };
            match status {
                Some(status) => Some(Err(CelldError::Ended {
                    status,
                    log: self.log_end(),
                })),
                None => probe(self).map(Ok),
            }
        });
        outcome.unwrap_or_else(|| {
            Err(CelldError::TooLate {
                awaited,
                log: self.log_end(),
            })
        })
    }
}

impl Drop for Celld {
    fn drop(&mut self) {
        let _ = self.kill9();
        if std::thread::panicking() {
            show(&self.log_end());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a failing test shows what the daemon said"
)]
fn show(log: &str) {
    eprintln!("--- the daemon's log, its end ---\n{log}\n---");
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// A stand-in for the daemon: a script that gets the daemon's arguments.
    fn script(lines: &str) -> (TempDir, CelldOptions) {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("celld");
        std::fs::write(&binary, format!("#!/bin/sh\n{lines}\n")).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        (
            folder,
            CelldOptions {
                binary: Some(binary),
                ..CelldOptions::default()
            },
        )
    }

    #[test]
    fn the_daemon_gets_its_directories_and_interfaces() {
        let (_folder, options) = script("echo \"$@\"");
        let world = World::new().unwrap();
        let mut celld = Celld::spawn(&world, options).unwrap();
        assert!(celld.wait_ended().unwrap().success());
        let log = celld.log_end();
        let expected = format!(
            "--state-dir {} --runtime-dir {} --wan wan0 --lan lan0 --no-containers",
            celld.state_dir().display(),
            celld.runtime_dir().display()
        );
        assert_eq!(log, expected);
    }

    #[test]
    fn a_start_that_fails_shows_status_and_log() {
        let (_folder, options) = script("echo no such key >&2; exit 3");
        let world = World::new().unwrap();
        let error = Celld::start_with(&world, options).unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("no such key"), "{error}");
    }

    #[test]
    fn the_applied_revision_is_waited_for() {
        let (_folder, options) = script("echo 7 > \"$4/ready\"; exec sleep 600");
        let world = World::new().unwrap();
        let mut celld = Celld::spawn(&world, options).unwrap();
        assert_eq!(celld.wait_applied(5).unwrap(), 7);
    }

    #[test]
    fn terminate_and_kill_end_the_process() {
        let (_folder, options) = script("exec sleep 600");
        let world = World::new().unwrap();
        let mut celld = Celld::spawn(&world, options.clone()).unwrap();
        assert_eq!(celld.terminate().unwrap().signal(), Some(15));
        assert_eq!(celld.process_id(), None);
        let mut celld = Celld::spawn(&world, options).unwrap();
        let process = format!("/proc/{}", celld.process_id().unwrap());
        assert!(celld.is_running().unwrap());
        celld.kill9().unwrap();
        assert!(!celld.is_running().unwrap());
        assert!(!Path::new(&process).exists());
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("", 2), "");
    }
}
