//! Programs that speak on the wire without the daemon's power: a user of their own, and of a superuser's rights only
//! raw sockets and low ports.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use cell_model::name::InterfaceName;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, capabilities, configure_capability_in_ambient_set,
    set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use super::hook;
use super::lease::Grant;

/// User and group of the client, beside those of the daemon's own roles.
const USER: u32 = 60804;

/// Raw sockets for asking without an address (packet(7)), a low port for renewing.
const RIGHTS: [CapabilitySet; 2] = [CapabilitySet::NET_RAW, CapabilitySet::NET_BIND_SERVICE];

/// A client at work.
pub(super) struct ClientProcess {
    pub(super) child: Child,
    /// What its hook sends.
    pub(super) news: UnixDatagram,
}

/// Starts a client. It asks for what it had, if it had something.
pub(super) fn start_client(
    interface: &InterfaceName,
    hook: &Path,
    had: Option<&Grant>,
) -> io::Result<ClientProcess> {
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = busybox("udhcpc");
    command
        .args(["-f", "-i", interface.as_str(), "-s", hook::PATH])
        // Three questions 3 s apart, then a pause of 5 s, for ever: a router that starts later is found soon.
        .args(["-t", "3", "-T", "3", "-A", "5"])
        // Answers to everybody: one to an address the box does not have yet is lost on some links.
        .arg("-B")
        .args(["-o", "-O", "subnet", "-O", "router", "-O", "dns"])
        .stdin(Stdio::from(std::fs::File::open(hook)?))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::piped());
    if let Some(had) = had {
        command.args(["-r", &had.address.to_string()]);
    }
    Ok(ClientProcess {
        child: spawn(command)?,
        news: UnixDatagram::from_std(ours)?,
    })
}

/// A program of BusyBox, which the image has anyway.
pub(super) fn busybox(program: &str) -> Command {
    let mut command = Command::new("busybox");
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    command
        .arg(program)
        .env_clear()
        .env("PATH", path)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .uid(USER)
        .gid(USER)
        // A Ctrl-C at the terminal is for the daemon.
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Starts a program with [`RIGHTS`] alone.
///
/// Rights belong to a thread, and a process inherits those of the thread that makes it: so one that ends with this
/// call takes them on.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    let runtime = Handle::current();
    let spawner = std::thread::Builder::new()
        .name("dhcp-spawn".to_owned())
        .spawn(move || {
            let _context = runtime.enter();
            give_up_power()?;
            command.spawn()
        })?;
    spawner
        .join()
        .map_err(|_| io::Error::other("the thread that starts it ended early"))?
}

fn give_up_power() -> io::Result<()> {
    // A BusyBox that is installed for its owner's rights must not bring them back.
    set_no_new_privs(true)?;
    // Changing the user would take the rights away before the program starts.
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    let mut sets = capabilities(None)?;
    sets.inheritable = RIGHTS.into_iter().collect();
    set_capabilities(None, sets)?;
    for right in RIGHTS {
        configure_capability_in_ambient_set(right, true)?;
    }
    Ok(())
}
