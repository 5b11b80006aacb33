//! The image in a virtual machine, its admin page and VPN on this machine's loopback.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use cell_testkit::vm::{Emulator, Forward, Machine, MachineOptions, Nic, PATIENCE, Processor};

use super::{Options, TICK, admin_url};
use crate::cargo;
use crate::error::XtaskError;
use crate::image;
use crate::setup::{self, Need};
use crate::signals::StopRequest;

/// Ports in the machine (DESIGN section 6).
const ADMIN_PORT: u16 = 8443;
const VPN_PORT: u16 = 51820;
/// What the console says on every serial port before the code.
const CODE: &str = "Setup code: ";

pub(super) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    setup::ensure(Need::Image)?;
    let processor = Processor::of(&image::board(&options.board)?)?;
    let mut disk = image::current(&options.board)?;
    if let Some(kept) = &options.disk {
        disk = base_of(kept, disk)?;
    }
    let emulator = Emulator::new(image::toolbox()?);
    let stop = StopRequest::listen()?;
    let forward = |protocol, outside, inside| Forward {
        protocol,
        outside,
        inside,
    };
    let machine_options = MachineOptions {
        processor,
        overlay: options.disk.clone(),
        ..MachineOptions::new(
            disk,
            Nic::User(vec![
                forward("tcp", options.listen, ADMIN_PORT),
                forward("udp", options.vpn, VPN_PORT),
            ]),
        )
    };
    println!("starting the machine; under emulation that takes about half a minute");
    let mut machine = Machine::start(&emulator, &machine_options)?;
    let log = machine.folder().join("serial.log");
    let mut shown = Shown::open(&log)?;
    let start = Instant::now();
    while fingerprint(options.listen).is_none() {
        shown.pass_on()?;
        if stop.is_made() {
            return Ok(ExitCode::SUCCESS);
        }
        if !machine.is_running()? || start.elapsed() > PATIENCE {
            return Err(XtaskError::NoAnswer);
        }
        std::thread::sleep(TICK);
    }
    introduce(options, &machine);
    while !stop.is_made() && machine.is_running()? {
        shown.pass_on()?;
        std::thread::sleep(TICK);
    }
    println!("\nswitching the machine off");
    Ok(ExitCode::SUCCESS)
}

/// What a kept disk holds its changes to: the image it began with, which is not replaced when another is made.
fn base_of(kept: &Path, image: PathBuf) -> Result<PathBuf, XtaskError> {
    // The kept disk would look for another path beside itself.
    let kept = std::path::absolute(kept).map_err(|source| XtaskError::Read {
        path: kept.to_owned(),
        source,
    })?;
    let mut base = kept.as_os_str().to_owned();
    base.push(".base");
    let base = PathBuf::from(base);
    if !kept.exists() {
        let _ = fs::remove_file(&base);
        // Another file system cannot hold the same file.
        if fs::hard_link(&image, &base).is_err() {
            let mut copy = Command::new("cp");
            copy.args(["--sparse=always", "--reflink=auto"])
                .args([&image, &base]);
            cargo::succeed(&mut copy)?;
        }
    }
    Ok(base)
}

/// Says where everything is.
fn introduce(options: &Options, machine: &Machine) {
    println!("\nadmin page       {}", admin_url(options.listen));
    match machine.serial().wait(CODE, PATIENCE) {
        Ok(code) => println!("setup code       {code}"),
        Err(_) => println!("setup code       none: this disk is set up already"),
    }
    println!(
        "fingerprint      {}",
        fingerprint(options.listen).unwrap_or_else(|| "unknown".to_owned())
    );
    println!("VPN              {} (UDP)", options.vpn);
    println!(
        "console          socat -,raw,echo=0 UNIX-CONNECT:{}",
        machine.serial().socket().display()
    );
    println!("\nCtrl-C switches the machine off. Its serial port:\n");
}

/// The SHA-256 fingerprint of the certificate that answers, as browsers show it.
fn fingerprint(address: SocketAddr) -> Option<String> {
    let mut connect = Command::new("openssl");
    connect.args(["s_client", "-connect", &address.to_string()]);
    let shown = connect
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let mut read = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // Without a certificate openssl ends at once.
    let _ = read.stdin.take()?.write_all(&shown.stdout);
    let output = read.wait_with_output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, digits) = text.trim().split_once('=')?;
    Some(digits.to_owned())
}

/// What the serial port said, passed on as it comes.
struct Shown(File);

impl Shown {
    fn open(path: &Path) -> Result<Self, XtaskError> {
        let open = File::open(path);
        Ok(Self(open.map_err(|source| XtaskError::Read {
            path: path.to_owned(),
            source,
        })?))
    }

    fn pass_on(&mut self) -> Result<(), XtaskError> {
        let mut new = Vec::new();
        self.0
            .read_to_end(&mut new)
            .map_err(|source| XtaskError::Read {
                path: "serial.log".into(),
                source,
            })?;
        // A closed terminal is a wish to stop, which arrives as a signal.
        let _ = io::stdout()
            .write_all(&new)
            .and_then(|()| io::stdout().flush());
        Ok(())
    }
}
