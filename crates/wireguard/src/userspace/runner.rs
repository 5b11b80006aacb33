//! Moves packets between the descriptors and the engine. Everything here may run without rights.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use cell_model::Timestamp;
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::command::{Command, Reply};
use super::descriptors::Descriptors;
use super::engine::{Engine, LARGEST_PACKET, Outlet};

/// A command and where its answer goes.
pub type Request = (Command, oneshot::Sender<Reply>);

/// How often sessions are looked after. What boringtun's timers are made for.
const TICK: Duration = Duration::from_millis(250);

/// Packets read in a row before the other side gets its turn: enough to spread the cost of a wake-up,
/// few enough that neither direction starves.
const BATCH: usize = 64;

/// The data plane cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The socket could not be given to the event loop.
    #[error("cannot use the UDP socket")]
    Socket(#[source] io::Error),
    /// The TUN descriptor could not be given to the event loop.
    #[error("cannot use the TUN descriptor")]
    Tun(#[source] io::Error),
    /// The interface is gone.
    #[error("cannot read from the TUN interface")]
    TunRead(#[source] io::Error),
}

/// Carries packets and commands until the other end of `commands` is closed.
///
/// The descriptors must be non-blocking; the TUN interface must have no packet information header.
pub async fn run(
    mut engine: Engine,
    descriptors: Descriptors,
    mut commands: mpsc::Receiver<Request>,
) -> Result<(), RunError> {
    let socket = UdpSocket::from_std(descriptors.socket).map_err(RunError::Socket)?;
    let mut wire = Wire {
        dual_stack: socket.local_addr().map_err(RunError::Socket)?.is_ipv6(),
        tun: register(descriptors.tun).map_err(RunError::Tun)?,
        socket,
    };
    let mut buffer = vec![0; LARGEST_PACKET];
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = commands.recv() => match request {
                Some((command, answer)) => {
                    // Whoever asked may have given up; what was asked for is done all the same.
                    let _ = answer.send(engine.command(command));
                }
                None => return Ok(()),
            },
            ready = wire.socket.readable() => {
                ready.map_err(RunError::Socket)?;
                wire.drain_socket(&mut engine, &mut buffer);
            }
            ready = wire.tun.readable() => {
                ready.map_err(RunError::Tun)?.retain_ready();
                wire.drain_tun(&mut engine, &mut buffer)?;
            }
            _ = ticks.tick() => engine.tick(Instant::now(), Timestamp::now(), &mut wire),
        }
    }
}

#[expect(
    deprecated,
    reason = "its replacement is unsafe to call, which is forbidden here; an OwnedFd keeps one descriptor open, \
              which is all that call would have us promise"
)]
fn register(tun: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(tun)
}

/// Both descriptors.
struct Wire {
    tun: AsyncFd<OwnedFd>,
    socket: UdpSocket,
    dual_stack: bool,
}

impl Wire {
    fn drain_socket(&mut self, engine: &mut Engine, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            match self.socket.try_recv_from(buffer) {
                Ok((length, source)) => {
                    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                    engine.from_network(&buffer[..length], source, self);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP answer to an earlier datagram, such as "port unreachable".
                Err(error) => tracing::debug!(%error, "udp receive"),
            }
        }
    }

    fn drain_tun(&mut self, engine: &mut Engine, buffer: &mut [u8]) -> Result<(), RunError> {
        for _ in 0..BATCH {
            let read = self.tun.try_io(tokio::io::Interest::READABLE, |tun| {
                rustix::io::read(tun, &mut *buffer).map_err(io::Error::from)
            });
            match read {
                Ok(length) => engine.from_tunnel(&buffer[..length], self),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(RunError::TunRead(error)),
            }
        }
        Ok(())
    }
}

impl Outlet for Wire {
    fn to_network(&mut self, destination: SocketAddr, datagram: &[u8]) {
        let destination = match destination.ip() {
            IpAddr::V4(address) if self.dual_stack => {
                SocketAddr::new(address.to_ipv6_mapped().into(), destination.port())
            }
            _ => destination,
        };
        // A full queue or a missing route loses a datagram, as any network may.
        if let Err(error) = self.socket.try_send_to(datagram, destination) {
            tracing::debug!(%error, "udp send");
        }
    }

    fn to_tunnel(&mut self, packet: &[u8]) {
        match rustix::io::write(self.tun.get_ref(), packet) {
            Ok(_) | Err(Errno::AGAIN) => {}
            // The interface is down, or the packet is none the kernel takes.
            Err(error) => tracing::debug!(%error, "tun write"),
        }
    }
}
