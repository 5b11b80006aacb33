//! The appliance image in a virtual machine: QEMU, started in a namespace or on the machine itself.
//!
//! The image stays as it is: what the machine writes goes into a file beside it. Promises: a dropped machine is gone,
//! with its file unless that is to be kept; every wait has a limit. Start at [`Machine::start`].

mod error;
mod frozen;
mod monitor;
mod options;
mod serial;
mod stick;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub use error::MachineError;
pub use frozen::Frozen;
pub use options::{Emulator, Firmware, Forward, MachineOptions, Nic, Processor};
pub use serial::Serial;
pub use stick::Stick;

use crate::wait_for;

/// How long power-on to an answer may take under emulation on a busy machine before something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Files of a machine, in its folder.
const VARIABLES: &str = "variables.fd";
const MONITOR: &str = "monitor";

/// A running machine.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    serial: Serial,
    folder: TempDir,
    disk: PathBuf,
}

impl Machine {
    /// Switches a machine on. Its disk is `options.disk` as long as nothing was written.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn start(emulator: &Emulator, options: &MachineOptions) -> Result<Self, MachineError> {
        Self::begin(emulator, options, None)
    }

    /// From power-on, or from where another one was.
    fn begin(
        emulator: &Emulator,
        options: &MachineOptions,
        from: Option<&Frozen>,
    ) -> Result<Self, MachineError> {
        let folder = tempfile::tempdir().map_err(MachineError::Folder)?;
        let disk = match &options.overlay {
            Some(path) => path.clone(),
            None => folder.path().join("disk.qcow2"),
        };
        if !disk.exists() {
            make_overlay(emulator, &options.disk, &disk, options.disk_size)?;
        }
        let firmware = emulator.firmware(options.processor);
        let variables = folder.path().join(VARIABLES);
        let first = from.map_or_else(|| firmware.variables.clone(), Frozen::variables);
        fs::copy(&first, &variables).map_err(|source| MachineError::File {
            path: first,
            source,
        })?;
        let serial = folder.path().join("serial");
        let log = folder.path().join("serial.log");
        let mut qemu = emulator.command(options)?;
        qemu.args(options.arguments(&firmware, &variables, &disk, &serial, &log))
            .arg("-qmp")
            .arg(format!(
                "unix:{},server=on,wait=off",
                folder.path().join(MONITOR).display()
            ));
        if let Some(frozen) = from {
            qemu.arg("-incoming")
                .arg(format!("file:{}", frozen.memory().display()));
        }
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(
            fs::File::create(folder.path().join("qemu.log")).map_err(MachineError::Folder)?,
        );
        let mut child = qemu.spawn().map_err(|source| MachineError::Start {
            program: "qemu",
            source,
        })?;
        let connected = wait_for(Duration::from_secs(30), || {
            let ended = child.try_wait().ok().flatten();
            ended
                .map(Err)
                .or_else(|| Serial::find(&serial, &log).map(Ok))
        });
        match connected {
            Some(Ok(serial)) => Ok(Self {
                child,
                serial,
                folder,
                disk,
            }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                let message =
                    fs::read_to_string(folder.path().join("qemu.log")).unwrap_or_default();
                Err(MachineError::Refused { message })
            }
        }
    }

    /// The first serial port.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The file that holds what the machine wrote to its disk.
    #[must_use]
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// Seconds of processor time the machine has used: steadier than time on a busy host.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or_default()
        };
        // Fields 14 and 15 of proc_pid_stat(5), in ticks; the second is the command, cut off here.
        (ticks(11) + ticks(12)) / rustix::param::clock_ticks_per_second() as f64
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// That its process cannot be asked.
    pub fn is_running(&mut self) -> Result<bool, MachineError> {
        self.child
            .try_wait()
            .map(|status| status.is_none())
            .map_err(MachineError::Wait)
    }

    /// Waits until it has switched itself off or `limit` has passed (false).
    ///
    /// # Errors
    /// That its process cannot be asked.
    pub fn wait_off(&mut self, limit: Duration) -> Result<bool, MachineError> {
        Ok(wait_for(limit, || {
            matches!(self.is_running(), Ok(false)).then_some(())
        })
        .is_some())
    }

    /// Cuts the power.
    ///
    /// # Errors
    /// That its process cannot be ended.
    pub fn cut_power(&mut self) -> Result<(), MachineError> {
        let _ = self.child.kill();
        self.child.wait().map(drop).map_err(MachineError::Wait)
    }

    fn monitor_socket(&self) -> PathBuf {
        self.folder.path().join(MONITOR)
    }

    fn variables(&self) -> PathBuf {
        self.folder.path().join(VARIABLES)
    }

    /// Where this machine keeps its sockets and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.cut_power();
        if std::thread::panicking() {
            eprint_end("serial port", &self.serial.text());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a failing test shows what the machine said"
)]
fn eprint_end(what: &str, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("--- end of the {what} ---");
    for line in &lines[lines.len().saturating_sub(80)..] {
        eprintln!("{line}");
    }
}

/// A disk that begins as `image` and takes all writes.
fn make_overlay(
    emulator: &Emulator,
    image: &Path,
    to: &Path,
    size: u64,
) -> Result<(), MachineError> {
    let image = image.canonicalize().map_err(|source| MachineError::File {
        path: image.to_owned(),
        source,
    })?;
    let mut create = emulator.program("qemu-img")?;
    create
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .arg(image)
        .arg(to)
        .arg(size.to_string());
    run(&mut create)
}

fn run(command: &mut Command) -> Result<(), MachineError> {
    let output = command.output().map_err(|source| MachineError::Start {
        program: "qemu-img",
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(MachineError::Refused {
        message: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A free port on the loopback address, for a forward on the machine itself.
///
/// # Errors
/// That there is none.
pub fn free_port() -> io::Result<u16> {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    Ok(std::net::TcpListener::bind(any)?.local_addr()?.port())
}
