//! The process that answers names, from both sides: those of DNS, and the box's own on the home side's wire.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::channel::{ChannelError, Handler};
use cell_dns::{DnsServer, Listen};
use cell_mdns::{MdnsServer, Via};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use super::{Keeper, NotRunning, until_closed};
use crate::logging::RoleLog;

/// Which of the two is meant.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Dns(cell_dns::Command),
    Mdns(cell_mdns::Command),
}

/// The core's side of the name server.
pub(crate) struct DnsLink(pub(crate) Arc<Keeper>);

#[async_trait]
impl cell_dns::ServerLink for DnsLink {
    async fn call(
        &self,
        command: cell_dns::Command,
        sockets: Vec<Listen>,
    ) -> Result<cell_dns::Reply, cell_dns::LinkError> {
        let descriptors = sockets
            .into_iter()
            .flat_map(|socket| [OwnedFd::from(socket.udp), OwnedFd::from(socket.tcp)]);
        let order = Order::Dns(command);
        let answered = self.0.call(&order, descriptors.collect()).await;
        answered.map_err(|error| match error {
            NotRunning::Absent | NotRunning::Channel(ChannelError::Closed) => {
                cell_dns::LinkError::Closed
            }
            NotRunning::Channel(ChannelError::Decode(error)) => {
                cell_dns::LinkError::Unreadable(Box::new(error))
            }
            NotRunning::Channel(error) => cell_dns::LinkError::Io(io::Error::other(error)),
        })
    }
}

/// The core's side of being found by name.
pub(crate) struct MdnsLink(pub(crate) Arc<Keeper>);

#[async_trait]
impl cell_mdns::ServerLink for MdnsLink {
    async fn call(
        &self,
        command: cell_mdns::Command,
        sockets: Vec<cell_mdns::Socket>,
    ) -> Result<cell_mdns::Reply, cell_mdns::LinkError> {
        let descriptors = sockets.into_iter().map(|socket| OwnedFd::from(socket.udp));
        let order = Order::Mdns(command);
        let answered = self.0.call(&order, descriptors.collect()).await;
        answered.map_err(|error| match error {
            NotRunning::Absent | NotRunning::Channel(ChannelError::Closed) => {
                cell_mdns::LinkError::Closed
            }
            NotRunning::Channel(ChannelError::Decode(error)) => {
                cell_mdns::LinkError::Unreadable(Box::new(error))
            }
            NotRunning::Channel(error) => cell_mdns::LinkError::Io(io::Error::other(error)),
        })
    }
}

/// The process's side: serves until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    let servers = Arc::new(Servers {
        dns: DnsServer::new(),
        mdns: MdnsServer::new(),
    });
    let orders = Arc::clone(&servers) as Arc<dyn Handler>;
    until_closed(stream, log, orders, |_| std::future::pending()).await;
    // Whoever remembers the name hears that it leads nowhere now.
    servers.mdns.stop().await;
}

struct Servers {
    dns: DnsServer,
    mdns: MdnsServer,
}

#[async_trait]
impl Handler for Servers {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        let reply = match serde_json::from_str(body.get()) {
            Ok(Order::Dns(command)) => {
                let sockets = pair(&command, descriptors);
                let reply = cell_dns::link::serve(&self.dns, command, sockets).await;
                serde_json::value::to_raw_value(&reply)
            }
            Ok(Order::Mdns(command)) => {
                let sockets = one_each(&command, descriptors);
                let reply = cell_mdns::link::serve(&self.mdns, command, sockets).await;
                serde_json::value::to_raw_value(&reply)
            }
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                return RawValue::NULL.to_owned();
            }
        };
        reply.unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// Descriptors come as UDP and TCP of each address in turn.
fn pair(command: &cell_dns::Command, descriptors: Vec<OwnedFd>) -> Vec<Listen> {
    let addresses: &[SocketAddr] = match command {
        cell_dns::Command::Listen(addresses) => addresses,
        cell_dns::Command::Apply(_) | cell_dns::Command::Status => &[],
    };
    let mut descriptors = descriptors.into_iter();
    let sockets = addresses.iter().map_while(|&address| {
        Some(Listen {
            address,
            udp: UdpSocket::from(descriptors.next()?),
            tcp: TcpListener::from(descriptors.next()?),
        })
    });
    sockets.collect()
}

/// Descriptors come one for each protocol.
fn one_each(command: &cell_mdns::Command, descriptors: Vec<OwnedFd>) -> Vec<cell_mdns::Socket> {
    let vias: &[Via] = match command {
        cell_mdns::Command::Answer(_, vias) => vias,
        cell_mdns::Command::Stop | cell_mdns::Command::Status => &[],
    };
    let sockets = vias.iter().zip(descriptors);
    sockets
        .map(|(&via, descriptor)| cell_mdns::Socket {
            via,
            udp: UdpSocket::from(descriptor),
        })
        .collect()
}
