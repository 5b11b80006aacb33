//! What the client runs when something happens: it hands the news to the daemon and changes nothing.

use std::os::fd::AsFd;
use std::process::ExitCode;

use super::event::Message;

/// The name the client calls the hook by: its standard input is the program. So the hook needs no place in the file
/// system that the client's user can reach, and is the daemon's own program even after that was replaced on disk.
pub const PATH: &str = "/proc/self/fd/0";

/// Variables of udhcpc that are handed over (`networking/udhcp/dhcpc.c`, `fill_envp`).
const VARIABLES: [&str; 6] = ["ip", "subnet", "router", "dns", "serverid", "lease"];

/// Whether this process was started as the hook.
pub fn is_called() -> bool {
    std::env::args_os().next().is_some_and(|name| name == PATH)
}

/// Sends the news as one datagram to standard output, which is the daemon's socket.
pub fn run() -> ExitCode {
    let Some(event) = std::env::args().nth(1) else {
        return ExitCode::FAILURE;
    };
    let values = VARIABLES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let message = Message {
        event,
        values: values.collect(),
    };
    let sent = serde_json::to_vec(&message).is_ok_and(|bytes| {
        let socket = std::io::stdout();
        rustix::net::send(socket.as_fd(), &bytes, rustix::net::SendFlags::NOSIGNAL).is_ok()
    });
    if sent {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
