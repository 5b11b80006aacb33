//! The sockets, opened where there is a right to: of one interface, in the group, sharing the port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use cell_model::name::InterfaceName;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Type};

use crate::responder::{GROUP4, GROUP6, PORT, Via};

/// RFC 6762 section 11: what bears it crossed no router.
const HOPS: u32 = 255;

/// The kernel's number of an interface.
pub(crate) fn index_of(interface: &InterfaceName) -> io::Result<u32> {
    let any = socket2::Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    Ok(rustix::net::netdevice::name_to_index(
        &any,
        interface.as_str(),
    )?)
}

/// Opens a socket that hears what arrives on the interface for the port, and nothing else. Others who share the port,
/// as every responder does, hear the group's messages too.
pub(crate) fn open(interface: &InterfaceName, index: u32, via: Via) -> io::Result<UdpSocket> {
    let domain = match via {
        Via::V4 => Domain::IPV4,
        Via::V6 => Domain::IPV6,
    };
    let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(interface.as_str().as_bytes()))?;
    socket.set_reuse_address(true)?;
    match via {
        Via::V4 => {
            socket.join_multicast_v4_n(&GROUP4, &InterfaceIndexOrAddress::Index(index))?;
            socket.set_multicast_loop_v4(false)?;
            socket.set_multicast_ttl_v4(HOPS)?;
            socket.set_ttl_v4(HOPS)?;
        }
        Via::V6 => {
            socket.set_only_v6(true)?;
            socket.join_multicast_v6(&GROUP6, index)?;
            socket.set_multicast_if_v6(index)?;
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_hops_v6(HOPS)?;
            socket.set_unicast_hops_v6(HOPS)?;
        }
    }
    // Of every address, since messages for the group come to none of ours; of this interface all the same.
    let any: SocketAddr = match via {
        Via::V4 => (Ipv4Addr::UNSPECIFIED, PORT).into(),
        Via::V6 => (Ipv6Addr::UNSPECIFIED, PORT).into(),
    };
    socket.bind(&any.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
