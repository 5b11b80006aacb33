//! The name server's process, from both sides.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::channel::{ChannelError, Handler};
use cell_dns::link::serve as carry_out;
use cell_dns::{Command, DnsServer, LinkError, Listen, Reply, ServerLink};
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use super::{Keeper, NotRunning, until_closed};
use crate::logging::RoleLog;

/// The core's side.
pub(crate) struct DnsLink(pub(crate) Arc<Keeper>);

#[async_trait]
impl ServerLink for DnsLink {
    async fn call(&self, command: Command, sockets: Vec<Listen>) -> Result<Reply, LinkError> {
        let descriptors = sockets
            .into_iter()
            .flat_map(|socket| [OwnedFd::from(socket.udp), OwnedFd::from(socket.tcp)]);
        self.0
            .call(&command, descriptors.collect())
            .await
            .map_err(|error| match error {
                NotRunning::Absent | NotRunning::Channel(ChannelError::Closed) => LinkError::Closed,
                NotRunning::Channel(ChannelError::Decode(error)) => {
                    LinkError::Unreadable(Box::new(error))
                }
                NotRunning::Channel(error) => LinkError::Io(io::Error::other(error)),
            })
    }
}

/// The process's side: serves until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Arc::new(Server(DnsServer::new())), |_| {
        std::future::pending()
    })
    .await;
}

struct Server(DnsServer);

#[async_trait]
impl Handler for Server {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        let reply = match serde_json::from_str(body.get()) {
            Ok(command) => {
                let sockets = pair(&command, descriptors);
                carry_out(&self.0, command, sockets).await
            }
            Err(error) => Reply::Failed(error.to_string()),
        };
        serde_json::value::to_raw_value(&reply).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// Descriptors come as UDP and TCP of each address in turn.
fn pair(command: &Command, descriptors: Vec<OwnedFd>) -> Vec<Listen> {
    let addresses: &[SocketAddr] = match command {
        Command::Listen(addresses) => addresses,
        Command::Apply(_) | Command::Status => &[],
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
