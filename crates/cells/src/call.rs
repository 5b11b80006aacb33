//! One message to a cell elsewhere, and its answer. Runs in a process without power: what comes is a stranger's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cell_lookup::Resolver;
use cell_model::endpoint::{Endpoint, Host};
use cell_model::name::Domain;
use cell_model::problem::Problem;
use cell_model::signer::SignerKey;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::tls;
use crate::{Answer, Message};

/// Where an inviter takes messages.
pub const PAIRING: &str = "/api/cells/peer-sync/pairing";
/// Where a linked cell is told what has changed.
pub const SYNC: &str = "/api/cells/peer-sync/sync";
/// How long all of a call, or of a lookup, may take.
pub const LONGEST: Duration = Duration::from_secs(20);
/// How long one address may take to be connected, and a name to be found.
const CONNECT: Duration = Duration::from_secs(4);
/// Bytes of the longest answer.
const MOST_BYTES: usize = 64 * 1024;
/// Characters of what others say that are passed on.
const MOST_WORDS: usize = 500;

/// What is to be said to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Where the cell may be, the best first.
    pub endpoints: Vec<Endpoint>,
    /// The port where an endpoint names none.
    pub port: u16,
    /// Whom names are asked of.
    pub name_servers: Vec<SocketAddr>,
    /// Which address of this box to call from; `None`: the system chooses.
    pub source: Option<IpAddr>,
    /// Whose certificate is believed.
    pub identity: SignerKey,
    /// What is said.
    pub message: Message,
}

/// Which names are to be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Those names.
    pub names: BTreeSet<Domain>,
    /// Whom they are asked of.
    pub name_servers: Vec<SocketAddr>,
}

/// Addresses of each name that was looked up; a name that has none now is not among them.
pub type Found = BTreeMap<Domain, Vec<IpAddr>>;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The cell's answer.
    Answered {
        /// What it says.
        answer: Answer,
        /// How long the way there and back takes, as far as a connection that is made tells.
        latency: Duration,
        /// Where it was reached.
        place: SocketAddr,
    },
    /// It refuses.
    Refused(Problem),
    /// Nobody with that identity was reached. Why, for a person.
    Unreached(String),
}

/// The process was not reached, or went away.
#[derive(Debug, thiserror::Error)]
#[error("the process that calls other cells {0}")]
pub struct LinkError(pub String);

/// The way to the process that calls.
#[async_trait]
pub trait CallLink: Send + Sync {
    /// Has a cell called, and waits for its answer.
    ///
    /// # Errors
    /// See [`LinkError`]. That a cell is not reached is a [`Reply`].
    async fn call(&self, command: Command) -> Result<Reply, LinkError>;

    /// Has names looked up, and waits for what is found.
    ///
    /// # Errors
    /// See [`LinkError`].
    async fn look_up(&self, lookup: Lookup) -> Result<Found, LinkError>;
}

/// Says the message at the first endpoint where the cell is. Ends within [`LONGEST`].
pub async fn call(command: Command) -> Reply {
    let late = || Reply::Unreached("it did not answer in time".to_owned());
    let called = timeout(LONGEST, try_endpoints(&command)).await;
    called.unwrap_or_else(|_| late())
}

/// Looks names up, all at the same time: ends within [`LONGEST`].
pub async fn look_up(lookup: Lookup) -> Found {
    let Some(resolver) = Resolver::new(&lookup.name_servers) else {
        return Found::new();
    };
    let mut asked = JoinSet::new();
    for name in lookup.names {
        let resolver = resolver.clone();
        asked.spawn(async move { (resolver.addresses_of(&name, CONNECT).await, name) });
    }
    let mut found = Found::new();
    while let Some(answered) = asked.join_next().await {
        if let Ok((addresses, name)) = answered
            && !addresses.is_empty()
        {
            found.insert(name, addresses);
        }
    }
    found
}

async fn try_endpoints(command: &Command) -> Reply {
    let mut reasons = Vec::new();
    for endpoint in &command.endpoints {
        let port = endpoint.port.unwrap_or(command.port);
        for address in addresses(&endpoint.host, port, command).await {
            match converse(address, command).await {
                Ok(reply) => return reply,
                Err(reason) => reasons.push(format!("{address}: {reason}")),
            }
        }
    }
    match reasons.is_empty() {
        true => Reply::Unreached("none of its endpoints has an address".to_owned()),
        false => Reply::Unreached(shorten(&reasons.join("; "))),
    }
}

async fn addresses(host: &Host, port: u16, command: &Command) -> Vec<SocketAddr> {
    let name = match host {
        Host::Address(address) => return vec![SocketAddr::new(*address, port)],
        Host::Name(name) => name,
    };
    let Some(resolver) = Resolver::new(&command.name_servers) else {
        return Vec::new();
    };
    let found = resolver.addresses_of(name, CONNECT).await.into_iter();
    found
        .map(|address| SocketAddr::new(address, port))
        .collect()
}

async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

async fn converse(address: SocketAddr, command: &Command) -> Result<Reply, String> {
    let late = |_| "no answer".to_owned();
    let begun = Instant::now();
    let stream = timeout(CONNECT, connect(address, command.source)).await;
    let stream = stream.map_err(late)?.map_err(|error| error.to_string())?;
    let latency = begun.elapsed();
    let config = tls::client_config(&command.identity).map_err(|error| error.to_string())?;
    let connecting = TlsConnector::from(config).connect(tls::server_name(), stream);
    let stream = timeout(CONNECT, connecting).await.map_err(late)?;
    let stream = stream.map_err(|_| "another cell, or none, answers there".to_owned())?;
    let garbage = |_| "what it says is no HTTP".to_owned();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(garbage)?;
    // Ends with its sender.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to another cell ended");
        }
    });
    let body = serde_json::to_vec(&command.message).map_err(|error| error.to_string())?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(path(&command.message))
        // The endpoint's name is none that the box there knows itself by.
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|_| "it hung up".to_owned())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST_BYTES)
        .collect()
        .await;
    let body = body.map_err(|_| "its answer is too long, or breaks off".to_owned())?;
    Ok(reply(status, &body.to_bytes(), latency, address))
}

fn path(message: &Message) -> &'static str {
    match message {
        Message::Join(_) | Message::Reveal { .. } | Message::Ask(_) => PAIRING,
        Message::Sync(_) => SYNC,
    }
}

fn reply(status: StatusCode, body: &[u8], latency: Duration, place: SocketAddr) -> Reply {
    let unreadable = || Reply::Unreached(format!("its answer ({status}) cannot be read"));
    if status.is_success() {
        let answer = serde_json::from_slice(body);
        return answer.map_or_else(
            |_| unreadable(),
            |answer| Reply::Answered {
                answer,
                latency,
                place,
            },
        );
    }
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if problem.status == status.as_u16() => Reply::Refused(brief(problem)),
        _ => unreadable(),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(MOST_WORDS).collect()
}

/// Others' words, no longer than a person reads.
fn brief(mut problem: Problem) -> Problem {
    problem.title = shorten(&problem.title).into();
    problem.detail = shorten(&problem.detail);
    problem
}

#[cfg(test)]
mod tests;
