//! What the image costs: its size, the memory of an idle box, and how long it takes to be there.
//!
//! The peer of `image.power_on` is the same disk, loader and kernel with a first file system whose first program is
//! BusyBox and only says that it is there: what no system on that kernel can do without. Both are counted in seconds of
//! processor time, all of QEMU, which is steadier than time on a busy machine; `image.power_on_elapsed` is the same in
//! seconds that a person waits, pauses included.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cell_os::downloads::Form;
use cell_os::fat::FatFiles;
use cell_os::toolbox::Toolbox;
use cell_testkit::vm::{Emulator, Forward, Machine, MachineOptions, Nic, PATIENCE, free_port};

use super::BenchError;
use super::figure::{Aim, Figure};
use crate::error::XtaskError;
use crate::image;
use crate::setup::{self, Need};

const RUNS: usize = 3;
const MEGABYTE: f64 = 1_000_000.0;
/// What the peer says.
const BARE: &str = "bare init is up";
/// After this, what the start needed is written and freed.
const SETTLE: Duration = Duration::from_secs(30);

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    setup::ensure(Need::Image)?;
    let disk = image::current(image::DEFAULT_BOARD)?;
    let toolbox = image::toolbox()?;
    let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
    let packed = Form::Packed.make(&disk, "packed", folder.path(), &toolbox)?;
    let root = image::root_size(&disk, &toolbox)?;

    let emulator = Emulator::new(toolbox);
    let bare = bare_disk(&disk, folder.path(), &emulator)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_wait, mut their_wait) = (Vec::new(), Vec::new());
    let mut memory = Vec::new();
    for run in 0..RUNS {
        // In turn, so that what slows the machine down slows both.
        let start = Instant::now();
        theirs.push(until_said(&emulator, &bare)?);
        their_wait.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let mut machine = Booted::start(&emulator, &disk)?;
        ours.push(machine.until_answer()?);
        our_wait.push(start.elapsed().as_secs_f64());
        if run == 0 {
            memory = machine.memory_used()?;
        }
    }
    Ok(vec![
        Figure::absolute(
            "image.root_slot",
            "MB",
            &[root as f64 / MEGABYTE],
            Aim::AtMost(80.0),
        ),
        Figure::absolute(
            "image.download",
            "MB",
            &[size(&packed)? / MEGABYTE],
            Aim::AtMost(110.0),
        ),
        Figure::absolute("image.idle_memory", "MB", &memory, Aim::AtMost(128.0)),
        Figure::relative("image.power_on", "s", &ours, &theirs, Aim::AtMost(1.5)),
        Figure::relative(
            "image.power_on_elapsed",
            "s",
            &our_wait,
            &their_wait,
            Aim::AtMost(1.5),
        ),
    ])
}

fn size(path: &Path) -> Result<f64, XtaskError> {
    let metadata = fs::metadata(path).map_err(|source| XtaskError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(metadata.len() as f64)
}

/// Seconds of processor time until the peer is there.
fn until_said(emulator: &Emulator, disk: &Path) -> Result<f64, XtaskError> {
    let machine = Machine::start(emulator, &MachineOptions::new(disk, Nic::User(Vec::new())))?;
    machine.serial().wait_drawn_after(0, BARE, PATIENCE)?;
    Ok(machine.cpu_seconds())
}

/// A copy of the disk whose first file system goes no further. What comes later in it takes the place of what came
/// before (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
fn bare_disk(disk: &Path, folder: &Path, emulator: &Emulator) -> Result<PathBuf, XtaskError> {
    let toolbox = emulator.toolbox();
    let copy = folder.join("bare.img");
    fs::copy(disk, &copy).map_err(BenchError::Folder)?;
    let boot = FatFiles {
        toolbox,
        image: &copy,
        at: cell_os::disk::offset_of("boot-a"),
    };
    let initrd = folder.join("initrd");
    boot.get("initrd", &initrd)?;
    let script = format!(
        "#!/bin/busybox sh\n/bin/busybox mount -t devtmpfs dev /dev\necho '<3>{BARE}' >/dev/kmsg\nexec /bin/busybox sleep 100000\n"
    );
    append(&initrd, &script, folder, toolbox).map_err(BenchError::Folder)?;
    boot.put(&initrd, "initrd")?;
    Ok(copy)
}

/// Adds an archive with one program, `init`, to a first file system.
fn append(initrd: &Path, init: &str, folder: &Path, toolbox: &Toolbox) -> io::Result<()> {
    let content = folder.join("content");
    let archive = folder.join("init.cpio");
    fs::create_dir_all(&content)?;
    fs::write(content.join("init"), init)?;
    fs::set_permissions(content.join("init"), fs::Permissions::from_mode(0o755))?;
    let mut cpio = toolbox.command("cpio").map_err(io::Error::other)?;
    let mut child = cpio
        .args(["--create", "--format=newc", "--owner=+0:+0", "--quiet"])
        .current_dir(&content)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&archive)?)
        .spawn()?;
    if let Some(mut names) = child.stdin.take() {
        names.write_all(b"init\n")?;
    }
    if !child.wait()?.success() {
        return Err(io::Error::other("cpio failed"));
    }
    let mut whole = fs::read(initrd)?;
    // Archives begin at multiples of four.
    whole.resize(whole.len().next_multiple_of(4), 0);
    whole.extend(fs::read(&archive)?);
    fs::write(initrd, whole)
}

/// The image at work.
struct Booted {
    machine: Machine,
    admin: SocketAddr,
}

impl Booted {
    fn start(emulator: &Emulator, disk: &Path) -> Result<Self, XtaskError> {
        let port = free_port().map_err(BenchError::Folder)?;
        let admin = SocketAddr::from(([127, 0, 0, 1], port));
        let forward = Forward {
            protocol: "tcp",
            outside: admin,
            inside: 8443,
        };
        let options = MachineOptions::new(disk, Nic::User(vec![forward]));
        Ok(Self {
            machine: Machine::start(emulator, &options)?,
            admin,
        })
    }

    /// Seconds of processor time until the admin page answers.
    fn until_answer(&mut self) -> Result<f64, XtaskError> {
        let start = Instant::now();
        while !answers(self.admin) {
            if start.elapsed() > PATIENCE || !self.machine.is_running()? {
                return Err(XtaskError::NoAnswer);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(self.machine.cpu_seconds())
    }

    /// Bytes that are not available to programs, in MB, as the box's own shell says.
    fn memory_used(&self) -> Result<Vec<f64>, XtaskError> {
        std::thread::sleep(SETTLE);
        let serial = self.machine.serial();
        let code = serial.wait("Setup code: ", PATIENCE)?;
        serial.sees("8  Open a shell", PATIENCE)?;
        serial.send("8")?;
        serial.sees("the setup code opens the shell", PATIENCE)?;
        serial.send(&format!("{code}\r"))?;
        serial.sees("# ", PATIENCE)?;
        // In two pieces, so that what is typed is not taken for what is answered.
        let mark = serial.mark();
        serial.send(
            "awk '/^MemTotal/{t=$2}/^MemAvailable/{a=$2}END{print \"KiB-\" \"used=\" t-a}' /proc/meminfo\r",
        )?;
        let kib = serial.wait_after(mark, "KiB-used=", PATIENCE)?;
        let kib: f64 = kib.parse().map_err(|_| BenchError::NoFigure(kib))?;
        Ok(vec![kib * 1024.0 / MEGABYTE])
    }
}

fn answers(admin: SocketAddr) -> bool {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--max-time", "5"])
        .arg(format!("https://{admin}/health"));
    curl.output()
        .is_ok_and(|output| output.stdout.starts_with(b"{"))
}
