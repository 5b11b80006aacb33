//! The real daemon in a world of network namespaces, its admin page on this machine's loopback.
//!
//! Ctrl-C, SIGTERM, the terminal's end and a panic all take everything down; what a killed run left is removed by the
//! next one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::time::Instant;

use cell_testkit::celld::PATIENCE;
use cell_testkit::{Celld, CelldOptions, Layout, World, WorldOptions};

use super::{Options, TICK, admin_url};
use crate::cargo::{self, Profile};
use crate::error::XtaskError;
use crate::forward::Forward;
use crate::setup::{self, Need};
use crate::signals::StopRequest;

pub(super) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    if !rustix::process::geteuid().is_root() {
        return Err(XtaskError::NotRoot { command: "run" });
    }
    setup::ensure(Need::Run)?;
    let profile = if options.dev {
        Profile::Dev
    } else {
        Profile::Release
    };
    let binary = cargo::build_celld(profile)?;
    let stop = StopRequest::listen()?;

    println!("building the world");
    let layout = if options.one_armed {
        Layout::OneArmed
    } else {
        Layout::Router
    };
    let world = World::build(WorldOptions {
        layout,
        ipv6: options.ipv6,
    })?;
    println!("starting the daemon");
    let start = CelldOptions {
        binary: Some(binary),
        ..CelldOptions::default()
    };
    let mut celld = Celld::spawn(&world, start)?;
    if !wait_healthy(&mut celld, &stop)? {
        return Ok(ExitCode::SUCCESS);
    }
    let listen = |source| XtaskError::Listen {
        address: options.listen,
        source,
    };
    let forward = Forward::start(options.listen, &world.laptop, celld.admin()).map_err(listen)?;
    introduce(&world, &celld, forward.address().map_err(listen)?);

    let ended = follow(&mut celld, &stop)?;
    if ended {
        return Err(XtaskError::DaemonEnded);
    }
    println!("\nstopping");
    celld.terminate()?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until the daemon answers (true) or someone asks to stop (false).
fn wait_healthy(celld: &mut Celld, stop: &StopRequest) -> Result<bool, XtaskError> {
    let start = Instant::now();
    while !celld.is_healthy()? {
        if stop.is_made() {
            return Ok(false);
        }
        if !celld.is_running()? || start.elapsed() > PATIENCE {
            println!("{}", celld.log_end());
            return Err(XtaskError::DaemonEnded);
        }
        std::thread::sleep(TICK);
    }
    Ok(true)
}

/// Says where everything is.
fn introduce(world: &World, celld: &Celld, published: SocketAddr) {
    println!("\nadmin page       {}", admin_url(published));
    match celld.setup_code() {
        Ok(code) => println!("setup code       {code}"),
        Err(error) => println!("setup code       none: {error}"),
    }
    println!(
        "CA fingerprint   {}",
        fingerprint(celld).unwrap_or_else(|| "unknown".to_owned())
    );
    println!("CA certificate   {}", celld.ca_pem().display());
    println!("control socket   {}", celld.control_socket().display());
    for (label, namespace) in [
        ("cell", &world.cell),
        ("laptop", &world.laptop),
        ("phone", &world.phone),
        ("internet", &world.internet),
    ] {
        println!("{label:<16} ip netns exec {} bash", namespace.name());
    }
    println!("\nCtrl-C stops the daemon and removes all of this. Its log:\n");
}

/// The SHA-256 fingerprint as browsers show it.
fn fingerprint(celld: &Celld) -> Option<String> {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(celld.ca_pem());
    let output = openssl.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim()
        .split_once('=')
        .map(|(_, digits)| digits.to_owned())
}

/// Shows the log until someone asks to stop (false) or the daemon ends (true).
fn follow(celld: &mut Celld, stop: &StopRequest) -> Result<bool, XtaskError> {
    let path = celld.log_path();
    let read = |source| XtaskError::Read {
        path: path.clone(),
        source,
    };
    let mut log = File::open(&path).map_err(read)?;
    loop {
        // Asked before reading, so that the last lines of an ended daemon are shown.
        let ended = !celld.is_running()?;
        let mut new = Vec::new();
        log.read_to_end(&mut new).map_err(read)?;
        // A closed terminal is a wish to stop, which arrives as a signal.
        let _ = io::stdout()
            .write_all(&new)
            .and_then(|()| io::stdout().flush());
        if ended || stop.is_made() {
            return Ok(ended && !stop.is_made());
        }
        std::thread::sleep(TICK);
    }
}
