//! What a host sees of another: names, pages, pings, flows. Every probe gives up by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
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

/// Sends one datagram from an address of `from`.
pub fn send_udp(from: &Namespace, source: SocketAddr, to: SocketAddr, bytes: &[u8]) {
    let sent = from.run(|| UdpSocket::bind(source)?.send_to(bytes, to));
    sent.unwrap().unwrap();
}

/// What `tcpdump` sees on an interface during `work` and for a second after it, a line for each packet.
pub fn capture(at: &Namespace, interface: &str, filter: &str, work: impl FnOnce()) -> String {
    let mut tcpdump = at.command("tcpdump");
    tcpdump.args([
        "-n",
        "-l",
        "-U",
        "--immediate-mode",
        "-i",
        interface,
        filter,
    ]);
    let mut child = tcpdump
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says so on standard error when it has begun.
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(errors.any(|line| line.unwrap().contains("listening on")));
    work();
    std::thread::sleep(Duration::from_secs(1));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What `nft` prints, counters of packets left out.
#[must_use]
pub fn nft(namespace: &Namespace, arguments: &[&str]) -> String {
    let mut nft = namespace.command("nft");
    output(nft.arg("--stateless").args(arguments))
}

/// What a program prints on standard output, whatever its exit status. One that is not there ends the test.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    // What `ip netns exec` says.
    assert!(!errors.starts_with("exec of"), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeds(command: &mut Command) -> bool {
    command.output().unwrap().status.success()
}
