//! A device, a box without a daemon, and what is out there.
//!
//! ```text
//! device 10.9.0.2 ── 10.9.0.1 home 203.0.113.2 ── 203.0.113.1 internet: 198.51.100.1 and more, one for each program
//! ```

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cell_testkit::{Namespace, wait_for};
use tempfile::TempDir;

use super::super::error::BenchError;
use crate::error::XtaskError;

/// The box, as devices see it.
pub(super) const HOME: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// Where proxy and SSH server are.
pub(super) const OUT_THERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(super) const PROXY_PORT: u16 = 1080;
/// Sends as many bytes as it is asked for.
const SENDS: u16 = 7001;
/// Says what it hears.
const ECHOES: u16 = 7002;
/// Nothing is waited for any longer.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// One try to connect, before a program is seen to work.
const TRY: Duration = Duration::from_secs(1);
const PIECE: usize = 256 << 10;
const WORD: [u8; 8] = *b"anybody?";

/// A program that runs until dropped.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) struct Lab {
    pub(super) device: Namespace,
    pub(super) home: Namespace,
    pub(super) internet: Namespace,
    pub(super) folder: TempDir,
    _proxy: Running,
}

impl Lab {
    pub(super) fn new() -> Result<Self, XtaskError> {
        let device = Namespace::create("device")?;
        let home = Namespace::create("home")?;
        let internet = Namespace::create("internet")?;
        home.ip(&format!(
            "link add vpn type veth peer name vpn netns {}
             link add wan type veth peer name wan netns {}
             addr add {HOME}/24 dev vpn
             addr add 203.0.113.2/24 dev wan
             link set vpn up
             link set wan up",
            device.name(),
            internet.name()
        ))?;
        device.ip(&format!(
            "addr add 10.9.0.2/24 dev vpn
             link set vpn up
             route add default via {HOME}"
        ))?;
        internet.ip(&format!(
            "addr add {OUT_THERE}/24 dev wan
             link set wan up"
        ))?;
        home.ip(&format!("route add default via {OUT_THERE}"))?;
        // Whoever listens on an address of the box has to be led there from another.
        home.set_sysctl("net.ipv4.ip_forward", "1")?;
        let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
        let mut proxy = internet.command("microsocks");
        proxy.args(["-i", &OUT_THERE.to_string(), "-p", &PROXY_PORT.to_string()]);
        let proxy = start(&mut proxy, "microsocks")?;
        let lab = Self {
            device,
            home,
            internet,
            folder,
            _proxy: proxy,
        };
        lab.wait_for_listener(SocketAddr::from((OUT_THERE, PROXY_PORT)), "microsocks")?;
        Ok(lab)
    }

    /// An address out there, with servers, for one program.
    pub(super) fn target(&self, number: u8) -> Result<Ipv4Addr, XtaskError> {
        let target = Ipv4Addr::new(198, 51, 100, number);
        self.internet.ip(&format!("addr add {target}/32 dev lo"))?;
        for (port, serve) in [
            (SENDS, send as fn(TcpStream) -> io::Result<()>),
            (ECHOES, echo),
        ] {
            let listener = self.internet.run(|| TcpListener::bind((target, port)))?;
            let listener = listener.map_err(BenchError::Lab)?;
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    std::thread::spawn(move || drop(serve(stream)));
                }
            });
        }
        Ok(target)
    }

    /// Has the box lead connections to a target to this port of its own.
    pub(super) fn lead(&self, target: Ipv4Addr, port: u16) -> Result<(), XtaskError> {
        for rule in [
            "add table ip bench".to_owned(),
            "add chain ip bench lead { type nat hook prerouting priority dstnat ; }".to_owned(),
            format!(
                "add rule ip bench lead ip daddr {target} meta l4proto tcp dnat to {HOME}:{port}"
            ),
        ] {
            let mut nft = self.home.command("nft");
            let ended = nft
                .args(rule.split(' '))
                .status()
                .map_err(BenchError::Nft)?;
            if !ended.success() {
                return Err(BenchError::Lab(io::Error::other(rule)).into());
            }
        }
        Ok(())
    }

    /// Waits until somebody listens there, as seen from the box.
    pub(super) fn wait_for_listener(
        &self,
        address: SocketAddr,
        program: &'static str,
    ) -> Result<(), XtaskError> {
        let connects = || self.home.run(|| TcpStream::connect(address).ok()).ok()?;
        match wait_for(LIMIT, connects) {
            Some(_) => Ok(()),
            None => Err(BenchError::NoProgram { program }.into()),
        }
    }

    /// Waits until a device's connection gets there, and back.
    pub(super) fn wait_for_echo(
        &self,
        target: Ipv4Addr,
        program: &'static str,
    ) -> Result<(), XtaskError> {
        // Before it leads there, nobody answers.
        let answers = || {
            let address = SocketAddr::from((target, ECHOES));
            let connected = || TcpStream::connect_timeout(&address, TRY).is_ok();
            let is_led = self.device.run(connected).unwrap_or(false);
            is_led.then(|| self.open_many(target, 1).ok()).flatten()
        };
        match wait_for(LIMIT, answers) {
            Some(_) => Ok(()),
            None => Err(BenchError::NoProgram { program }.into()),
        }
    }

    /// The time that it takes a device to have so many bytes.
    pub(super) fn download(&self, target: Ipv4Addr, bytes: u64) -> Result<Duration, XtaskError> {
        let download = || {
            let start = Instant::now();
            let mut stream = connect(SocketAddr::from((target, SENDS)))?;
            stream.write_all(&bytes.to_be_bytes())?;
            let mut buffer = vec![0; PIECE];
            let mut left = bytes;
            while left > 0 {
                match stream.read(&mut buffer)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => left = left.saturating_sub(read as u64),
                }
            }
            Ok(start.elapsed())
        };
        Ok(self.device.run(download)?.map_err(BenchError::Lab)?)
    }

    /// The time until so many connections are open at once and each was heard back.
    pub(super) fn open_many(&self, target: Ipv4Addr, count: usize) -> Result<Duration, XtaskError> {
        let open = || {
            let start = Instant::now();
            let address = SocketAddr::from((target, ECHOES));
            let streams = (0..count).map(|_| connect(address));
            let mut streams = streams.collect::<io::Result<Vec<_>>>()?;
            for stream in &mut streams {
                stream.write_all(&WORD)?;
            }
            let mut heard = [0; WORD.len()];
            for stream in &mut streams {
                stream.read_exact(&mut heard)?;
            }
            Ok(start.elapsed())
        };
        Ok(self.device.run(open)?.map_err(BenchError::Lab)?)
    }
}

/// Starts a program, which is quiet.
pub(super) fn start(command: &mut Command, program: &'static str) -> Result<Running, BenchError> {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn();
    let child = child.map_err(|source| BenchError::Start { program, source })?;
    Ok(Running(child))
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn send(mut stream: TcpStream) -> io::Result<()> {
    let mut asked = [0; 8];
    stream.read_exact(&mut asked)?;
    let piece = vec![0; PIECE];
    let mut left = u64::from_be_bytes(asked);
    while left > 0 {
        let length = piece
            .len()
            .min(usize::try_from(left).unwrap_or(piece.len()));
        stream.write_all(&piece[..length])?;
        left -= length as u64;
    }
    // Whoever asked leaves first.
    stream.read(&mut asked).map(drop)
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut reader = stream.try_clone()?;
    io::copy(&mut reader, &mut stream).map(drop)
}
