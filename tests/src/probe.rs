//! What a host sees of another: names, pages, pings, flows. Every probe gives up by itself.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use cell_testkit::Namespace;
use serde_json::Value;

/// How long one packet may take there and back; the slowest machine is much faster.
const PATIENCE: &str = "5";
/// How long a probe that is meant to fail waits.
const IMPATIENCE: &str = "2";

/// What `dig` prints with these arguments.
#[must_use]
pub fn dig(from: &Namespace, arguments: &[&str]) -> String {
    let mut dig = from.command("dig");
    dig.args(["+tries=2", "+time=5"]).args(arguments);
    output(&mut dig)
}

/// `dig +short`, without the line's end.
#[must_use]
pub fn lookup(from: &Namespace, arguments: &[&str]) -> String {
    dig(from, &[&["+short"], arguments].concat())
        .trim_end()
        .to_owned()
}

/// Whether `server` gives any answer, even a refusal.
#[must_use]
pub fn answers_dns(from: &Namespace, server: IpAddr, arguments: &[&str]) -> bool {
    let mut dig = from.command("dig");
    dig.arg(format!("@{server}"))
        .args(["+tries=1", &format!("+time={IMPATIENCE}")])
        .args(arguments);
    output(&mut dig).contains("status:")
}

/// Whether a ping is answered.
#[must_use]
pub fn pings(from: &Namespace, to: IpAddr) -> bool {
    let mut ping = from.command("ping");
    ping.args(["-n", "-c", "1", "-W", PATIENCE, &to.to_string()]);
    succeeds(&mut ping)
}

/// Whether none of three pings in two seconds is answered.
#[must_use]
pub fn is_silent(from: &Namespace, to: IpAddr) -> bool {
    let mut ping = from.command("ping");
    ping.args([
        "-n",
        "-c",
        "3",
        "-i",
        "0.3",
        "-w",
        IMPATIENCE,
        &to.to_string(),
    ]);
    let seen = output(&mut ping);
    seen.contains(" 0 received") || seen.contains("unreachable")
}

/// The JSON that the outside web server answers; none when it cannot be reached.
#[must_use]
pub fn fetch(from: &Namespace, url: &str) -> Option<Value> {
    let mut curl = from.command("curl");
    curl.args(["-sS", "--noproxy", "*", "--max-time", PATIENCE, url]);
    serde_json::from_str(&output(&mut curl)).ok()
}

/// Whether a TCP connection can be opened.
#[must_use]
pub fn connects(from: &Namespace, to: SocketAddr) -> bool {
    connect(from, to, Duration::from_secs(2)).is_some()
}

/// A TCP connection; none when it cannot be opened in time.
#[must_use]
pub fn connect(from: &Namespace, to: SocketAddr, limit: Duration) -> Option<TcpStream> {
    from.run(|| TcpStream::connect_timeout(&to, limit).ok())
        .unwrap()
}

/// A server in `namespace` that sends everything back, to one client after the other, until the test ends.
pub fn serve_echo(namespace: &Namespace, address: SocketAddr) {
    let listener = namespace.run(|| TcpListener::bind(address)).unwrap();
    let listener = listener.unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut buffer = [0; 64];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
        }
    });
}

/// Whether a byte sent on a flow to [`serve_echo`] comes back within `limit`.
pub fn echoes(flow: &mut TcpStream, limit: Duration) -> bool {
    flow.set_read_timeout(Some(limit)).unwrap();
    flow.write_all(b"?").is_ok() && flow.read_exact(&mut [0]).is_ok()
}

/// What a program prints on standard output, whatever its exit status.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeds(command: &mut Command) -> bool {
    command.output().unwrap().status.success()
}
