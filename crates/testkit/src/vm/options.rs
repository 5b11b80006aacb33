//! What a machine is made of, and QEMU's words for it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cell_model::Timestamp;
use cell_os::board::Board;
use cell_os::toolbox::Toolbox;

use super::MachineError;
use crate::namespace::Namespace;

/// QEMU out of the toolbox.
#[derive(Debug, Clone)]
pub struct Emulator {
    toolbox: Toolbox,
}

/// The processor of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// A PC.
    X86_64,
    /// A 64-bit ARM server board.
    Aarch64,
}

impl Processor {
    /// The one that a board's programs are built for.
    ///
    /// # Errors
    /// [`MachineError::Processor`] when QEMU's words for it are not known here.
    pub fn of(board: &Board) -> Result<Self, MachineError> {
        match board.meta.rust_target.split('-').next() {
            Some("x86_64") => Ok(Self::X86_64),
            Some("aarch64") => Ok(Self::Aarch64),
            _ => Err(MachineError::Processor {
                target: board.meta.rust_target.clone(),
            }),
        }
    }
}

/// Firmware of a machine.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// Its program.
    pub code: PathBuf,
    /// Its empty settings: each machine gets a copy of its own, since they remember disks.
    pub variables: PathBuf,
}

/// A port of the outside that leads to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Where the outside knocks.
    pub outside: SocketAddr,
    /// The port in the machine.
    pub inside: u16,
}

/// A network interface of a machine, in the order the machine sees them.
#[derive(Debug, Clone)]
pub enum Nic {
    /// QEMU is router, DHCP server and name server: the machine sees what QEMU's namespace sees, and is seen by forwards.
    User(Vec<Forward>),
    /// An interface of the namespace QEMU runs in.
    Tap(String),
    /// A cable to another machine; the one that listens is started first.
    Cable {
        /// The socket that both know.
        path: PathBuf,
        /// Whether this end waits for the other.
        listens: bool,
        /// Last byte of the interface's address: the ends must differ.
        number: u8,
    },
}

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct MachineOptions {
    /// Its processor.
    pub processor: Processor,
    /// The disk image it begins with.
    pub disk: PathBuf,
    /// What it writes to: made if it is not there, and kept. Without it, a file that goes with the machine.
    pub overlay: Option<PathBuf>,
    /// Bytes of its disk.
    pub disk_size: u64,
    /// MiB of its memory.
    pub memory: u32,
    /// Its interfaces.
    pub nics: Vec<Nic>,
    /// A second disk: a raw file, seen as a USB stick.
    pub stick: Option<PathBuf>,
    /// One more disk beside the first: a raw image that keeps nothing of what the machine writes to it.
    pub twin: Option<PathBuf>,
    /// By how much its clock is ahead of the host's when it is switched on.
    pub ahead: Duration,
    /// Where QEMU runs; without it on the machine itself.
    pub namespace: Option<Namespace>,
}

impl MachineOptions {
    /// A PC with this disk image and one interface.
    pub fn new(disk: impl Into<PathBuf>, nic: Nic) -> Self {
        Self {
            processor: Processor::X86_64,
            disk: disk.into(),
            overlay: None,
            disk_size: 4 << 30,
            memory: 1024,
            nics: vec![nic],
            stick: None,
            twin: None,
            ahead: Duration::ZERO,
            namespace: None,
        }
    }

    pub(super) fn arguments(
        &self,
        firmware: &Firmware,
        variables: &Path,
        disk: &Path,
        serial: &Path,
        log: &Path,
    ) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        let mut add = |text: String| words.extend(text.split_whitespace().map(OsString::from));
        match self.processor {
            // The fastest to emulate: newer ones make the kernel test instructions for seconds.
            Processor::X86_64 => add(format!("-machine q35 {}", accelerator())),
            Processor::Aarch64 => {
                add("-machine virt,gic-version=3 -cpu cortex-a72 -accel tcg".to_owned())
            }
        }
        add(format!(
            "-smp 1 -m {} -display none -monitor none -nodefaults",
            self.memory
        ));
        add("-device virtio-rng-pci -device i6300esb -action watchdog=reset".to_owned());
        let pflash =
            |path: &Path, more: &str| format!("if=pflash,format=raw,file={}{more}", path.display());
        for drive in [
            pflash(&firmware.code, ",readonly=on"),
            pflash(variables, ""),
            format!("if=virtio,format=qcow2,file={}", disk.display()),
        ] {
            add(format!("-drive {drive}"));
        }
        if !self.ahead.is_zero() {
            let clock = Timestamp::now() + self.ahead;
            add(format!("-rtc base={}", clock.strftime("%Y-%m-%dT%H:%M:%S")));
        }
        if let Some(twin) = &self.twin {
            add(format!(
                "-drive if=virtio,format=raw,snapshot=on,file={}",
                twin.display()
            ));
        }
        if let Some(stick) = &self.stick {
            add("-device qemu-xhci -device usb-storage,drive=stick".to_owned());
            add(format!(
                "-drive if=none,id=stick,format=raw,file={}",
                stick.display()
            ));
        }
        add(format!(
            "-chardev socket,id=serial,path={},server=on,wait=off,logfile={} -serial chardev:serial",
            serial.display(),
            log.display()
        ));
        for (number, nic) in self.nics.iter().enumerate() {
            // No ROM: firmware does not try the network.
            let (backend, last_byte) = nic.backend(number);
            add(format!("-netdev {backend},id=net{number}"));
            add(format!(
                "-device virtio-net-pci,netdev=net{number},romfile=,mac=52:54:00:00:{number:02x}:{last_byte:02x}"
            ));
        }
        words
    }
}

impl Nic {
    fn backend(&self, number: usize) -> (String, u8) {
        match self {
            Self::User(forwards) => {
                let forwards: String = forwards.iter().map(Forward::word).collect();
                (format!("user{forwards}"), 1)
            }
            Self::Tap(name) => (format!("tap,ifname={name},script=no,downscript=no"), 1),
            Self::Cable {
                path,
                listens,
                number: last_byte,
            } => {
                let server = if *listens { "on" } else { "off" };
                let path = path.display();
                let _ = number;
                (
                    format!("stream,server={server},addr.type=unix,addr.path={path}"),
                    *last_byte,
                )
            }
        }
    }
}

impl Forward {
    fn word(&self) -> String {
        let Self {
            protocol,
            outside,
            inside,
        } = self;
        format!(",hostfwd={protocol}:{outside}-:{inside}")
    }
}

/// Hardware help where the processor has it; emulation of an old processor elsewhere.
fn accelerator() -> &'static str {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let able = flags
        .lines()
        .find(|line| line.starts_with("flags"))
        .is_some_and(|line| {
            line.split_whitespace()
                .any(|flag| flag == "vmx" || flag == "svm")
        });
    // A device node alone means little inside a virtual machine.
    if able && Path::new("/dev/kvm").exists() {
        "-accel kvm -cpu host"
    } else {
        "-accel tcg -cpu Nehalem"
    }
}

impl Emulator {
    /// The QEMU of this toolbox.
    #[must_use]
    pub fn new(toolbox: Toolbox) -> Self {
        Self { toolbox }
    }

    /// Overwrites `length` bytes of a machine's disk from byte `at` on; the machine must be off.
    ///
    /// # Errors
    /// What QEMU's tool says.
    pub fn overwrite(&self, disk: &Path, at: u64, length: u64) -> Result<(), MachineError> {
        let mut write = self.program("qemu-io")?;
        write
            .args([
                "-f",
                "qcow2",
                "-c",
                &format!("write -q -P 0x55 {at} {length}"),
            ])
            .arg(disk);
        super::run(&mut write)
    }

    /// Writes the content of a file to a machine's disk from byte `at` on; the machine must be off.
    ///
    /// # Errors
    /// What QEMU's tool says.
    pub fn write(&self, disk: &Path, at: u64, content: &Path) -> Result<(), MachineError> {
        let length = std::fs::metadata(content).map(|metadata| metadata.len());
        let length = length.map_err(|source| MachineError::File {
            path: content.to_owned(),
            source,
        })?;
        let mut write = self.program("qemu-io")?;
        write.args(["-f", "qcow2", "-c"]);
        write.arg(format!("write -q -s {} {at} {length}", content.display()));
        super::run(write.arg(disk))
    }

    /// Reads `length` bytes of a machine's disk from byte `at` on, both in whole MiB; the machine must be off.
    ///
    /// # Errors
    /// What QEMU's tool says.
    pub fn read(&self, disk: &Path, at: u64, length: u64) -> Result<Vec<u8>, MachineError> {
        let folder = tempfile::tempdir().map_err(MachineError::Folder)?;
        let file = folder.path().join("read");
        let mut read = self.program("qemu-img")?;
        read.args(["dd", "-f", "qcow2", "-O", "raw", "bs=1M"])
            .arg(format!("skip={}", at >> 20))
            // Counts what is skipped too.
            .arg(format!("count={}", (at + length) >> 20))
            .arg(format!("if={}", disk.display()))
            .arg(format!("of={}", file.display()));
        super::run(&mut read)?;
        std::fs::read(&file).map_err(|source| MachineError::File { path: file, source })
    }

    /// Makes a machine's disk larger by so many bytes; the machine must be off.
    ///
    /// # Errors
    /// What QEMU's tool says.
    pub fn enlarge(&self, disk: &Path, by: u64) -> Result<(), MachineError> {
        let mut resize = self.program("qemu-img")?;
        resize.args(["resize", "-q", "-f", "qcow2"]);
        super::run(resize.arg(disk).arg(format!("+{by}")))
    }

    /// Makes a raw image of what a machine's disk holds, which other machines can begin with; the machine must be off.
    ///
    /// # Errors
    /// What QEMU's tool says.
    pub fn flatten(&self, disk: &Path, to: &Path) -> Result<(), MachineError> {
        let mut convert = self.program("qemu-img")?;
        convert.args(["convert", "-q", "-f", "qcow2", "-O", "raw"]);
        super::run(convert.arg(disk).arg(to))
    }

    /// The toolbox it comes from.
    #[must_use]
    pub fn toolbox(&self) -> &Toolbox {
        &self.toolbox
    }

    pub(super) fn program(&self, name: &str) -> Result<Command, MachineError> {
        Ok(self.toolbox.command(name)?)
    }

    pub(super) fn firmware(&self, processor: Processor) -> Firmware {
        let (code, variables) = match processor {
            Processor::X86_64 => ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
            Processor::Aarch64 => ("AAVMF/AAVMF_CODE.no-secboot.fd", "AAVMF/AAVMF_VARS.fd"),
        };
        let path = |name: &str| self.toolbox.path("usr/share").join(name);
        Firmware {
            code: path(code),
            variables: path(variables),
        }
    }

    pub(super) fn command(&self, options: &MachineOptions) -> Result<Command, MachineError> {
        let name = match options.processor {
            Processor::X86_64 => "qemu-system-x86_64",
            Processor::Aarch64 => "qemu-system-aarch64",
        };
        let plain = self.program(name)?;
        let mut command = match &options.namespace {
            None => plain,
            Some(namespace) => {
                let mut inside = namespace.command("env");
                inside.arg(plain.get_program()).args(plain.get_args());
                inside
            }
        };
        command
            .env(
                "QEMU_MODULE_DIR",
                self.toolbox.path("usr/lib/x86_64-linux-gnu/qemu"),
            )
            .arg("-L")
            .arg(self.toolbox.path("usr/share/qemu"));
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_and_cables_are_told_to_qemu() {
        let forward = Forward {
            protocol: "udp",
            outside: "127.0.0.1:5000".parse().unwrap(),
            inside: 51820,
        };
        let (text, _) = Nic::User(vec![forward]).backend(0);
        assert_eq!(text, "user,hostfwd=udp:127.0.0.1:5000-:51820");
        let cable = Nic::Cable {
            path: "/tmp/wire".into(),
            listens: true,
            number: 2,
        };
        assert_eq!(
            cable.backend(1).0,
            "stream,server=on,addr.type=unix,addr.path=/tmp/wire"
        );
    }

    #[test]
    fn clock_is_the_hosts_unless_it_is_to_be_ahead() {
        let path = Path::new("/file");
        let firmware = Firmware {
            code: path.into(),
            variables: path.into(),
        };
        let mut options = MachineOptions::new(path, Nic::User(Vec::new()));
        let clock = |options: &MachineOptions| {
            let words = options.arguments(&firmware, path, path, path, path);
            let at = words.iter().position(|word| word == "-rtc")?;
            Some(words[at + 1].to_string_lossy().into_owned())
        };
        assert_eq!(clock(&options), None);
        options.ahead = Duration::from_secs(24 * 60 * 60);
        let tomorrow = Timestamp::now() + options.ahead;
        let day = tomorrow.strftime("base=%Y-%m-%dT").to_string();
        let said = clock(&options).unwrap();
        assert!(
            said.starts_with(&day) && said.len() == "base=2026-01-01T00:00:00".len(),
            "{said}"
        );
    }
}
