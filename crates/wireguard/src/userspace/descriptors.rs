//! The two descriptors the data plane works on. Making them needs rights; using them does not.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use cell_model::name::InterfaceName;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netdevice, socket_with, sockopt};
use tun_rs::{DeviceBuilder, Layer};

/// Bytes of datagrams that may wait: a few milliseconds of a gigabit line, so that a busy processor loses none.
const SOCKET_BUFFER: usize = 4 << 20;

/// What the data plane is handed.
#[derive(Debug)]
pub struct Descriptors {
    /// The TUN interface: non-blocking, bare IP packets.
    pub tun: OwnedFd,
    /// The UDP socket: non-blocking, bound.
    pub socket: UdpSocket,
}

impl Descriptors {
    /// Second descriptors of the same interface and socket.
    pub fn duplicate(&self) -> io::Result<Self> {
        Ok(Self {
            tun: self.tun.try_clone()?,
            socket: self.socket.try_clone()?,
        })
    }
}

/// The TUN interface could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// Another process or an earlier run left an interface of this name. It is not ours to use:
    /// whoever holds it would read our packets.
    #[error("an interface named {0} already exists")]
    Exists(InterfaceName),
    /// The kernel could not be asked about interfaces.
    #[error("cannot look for the interface")]
    Look(#[source] io::Error),
    /// The MTU is larger than any packet.
    #[error("an MTU of {0} is too large")]
    Mtu(u32),
    /// The kernel refused; the TUN driver may be missing.
    #[error("cannot make the TUN interface {name}")]
    Make {
        /// Its name.
        name: InterfaceName,
        /// Why.
        source: io::Error,
    },
    /// The descriptor could not be prepared.
    #[error("cannot prepare the TUN descriptor")]
    Prepare(#[source] io::Error),
}

/// Makes a TUN interface that is down and has no address; it lives as long as the descriptor and its duplicates.
pub fn open_tun(name: &InterfaceName, mtu: u32) -> Result<OwnedFd, TunError> {
    if exists(name).map_err(TunError::Look)? {
        return Err(TunError::Exists(name.clone()));
    }
    let narrow = u16::try_from(mtu).map_err(|_| TunError::Mtu(mtu))?;
    let device = DeviceBuilder::new()
        .name(name.as_str())
        .layer(Layer::L3)
        .mtu(narrow)
        .enable(false)
        .with(|options| {
            options.packet_information(false);
        })
        .build_sync()
        .map_err(|source| TunError::Make {
            name: name.clone(),
            source,
        })?;
    device.set_nonblocking(true).map_err(TunError::Prepare)?;
    device
        .as_fd()
        .try_clone_to_owned()
        .map_err(TunError::Prepare)
}

fn exists(name: &InterfaceName) -> io::Result<bool> {
    let any = socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    match netdevice::name_to_index(&any, name.as_str()) {
        Ok(_) => Ok(true),
        Err(Errno::NODEV) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Binds the port for IPv6 and IPv4 together, or for IPv4 alone when the kernel has no IPv6.
pub fn bind_udp(port: u16) -> io::Result<UdpSocket> {
    match bind_family(AddressFamily::INET6, port) {
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => bind_family(AddressFamily::INET, port),
        bound => bound,
    }
    .map(UdpSocket::from)
    .map_err(io::Error::from)
}

fn bind_family(family: AddressFamily, port: u16) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    // The forced form goes past the system's limit but needs the right to administer the network.
    if sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER).is_err() {
        sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER)?;
    }
    sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER)?;
    if family == AddressFamily::INET6 {
        sockopt::set_ipv6_v6only(&socket, false)?;
        bind(
            &socket,
            &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0),
        )?;
    } else {
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_socket_hears_both_families() {
        let socket = bind_udp(0).unwrap();
        let port = socket.local_addr().unwrap().port();
        socket.set_nonblocking(false).unwrap();
        let mut buffer = [0; 16];
        for local in ["127.0.0.1", "::1"] {
            let Ok(sender) = UdpSocket::bind((local, 0)) else {
                continue;
            };
            sender.send_to(b"hello", (local, port)).unwrap();
            let (length, source) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"hello");
            assert_eq!(source.ip().to_canonical().to_string(), local);
        }
    }

    #[test]
    fn taken_port_is_an_error() {
        let first = bind_udp(0).unwrap();
        let port = first.local_addr().unwrap().port();
        assert_eq!(bind_udp(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn existing_interface_is_not_taken_over() {
        let loopback: InterfaceName = "lo".parse().unwrap();
        assert!(matches!(
            open_tun(&loopback, 1420),
            Err(TunError::Exists(name)) if name == loopback
        ));
    }
}
