//! A client for one question to one server: what the box asks itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one try may take. The server is on the same machine: a second means it is stuck or starved.
const TRY: Duration = Duration::from_secs(1);

/// A busy box may lose a datagram; three in a row mean something.
const TRIES: usize = 3;

/// The largest answer taken over UDP; longer ones are fetched over TCP.
const UDP_PAYLOAD: u16 = 1_232;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No socket, or the server's port is closed.
    #[error("cannot reach it")]
    Socket(#[source] io::Error),
    /// Nothing came back in time.
    #[error("no answer within {} tries of {} s", TRIES, TRY.as_secs())]
    Silent,
    /// The question cannot be written.
    #[error("the question cannot be written")]
    Question(#[source] hickory_proto::ProtoError),
    /// What came back is no DNS message.
    #[error("the answer cannot be read")]
    Answer(#[source] hickory_proto::serialize::binary::DecodeError),
}

/// Asks `address` over UDP, and over TCP when the answer was cut off.
///
/// # Errors
/// See [`AskError`]; an answer with an error code is an answer.
pub async fn ask(
    address: SocketAddr,
    name: &Name,
    record_type: RecordType,
) -> Result<Message, AskError> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_PAYLOAD);
    question.set_edns(edns);
    let bytes = question.to_vec().map_err(AskError::Question)?;

    let mut outcome = AskError::Silent;
    for _ in 0..TRIES {
        match timeout(TRY, over_udp(address, &question, &bytes)).await {
            Ok(Ok(answer)) if answer.metadata.truncation => {
                return timeout(TRY, over_tcp(address, &bytes))
                    .await
                    .unwrap_or(Err(AskError::Silent));
            }
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => outcome = error,
            Err(_) => outcome = AskError::Silent,
        }
    }
    Err(outcome)
}

async fn over_udp(
    address: SocketAddr,
    question: &Message,
    bytes: &[u8],
) -> Result<Message, AskError> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(AskError::Socket)?;
    // Connected, so that the kernel drops answers of others and reports a closed port.
    socket.connect(address).await.map_err(AskError::Socket)?;
    socket.send(bytes).await.map_err(AskError::Socket)?;
    let mut buffer = [0; UDP_PAYLOAD as usize];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(AskError::Socket)?;
        let answer = Message::from_vec(&buffer[..length]).map_err(AskError::Answer)?;
        if answer.metadata.id == question.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.queries == question.queries
        {
            return Ok(answer);
        }
    }
}

async fn over_tcp(address: SocketAddr, bytes: &[u8]) -> Result<Message, AskError> {
    let mut stream = TcpStream::connect(address)
        .await
        .map_err(AskError::Socket)?;
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let framed = [&length.to_be_bytes(), bytes].concat();
    stream.write_all(&framed).await.map_err(AskError::Socket)?;
    let length = stream.read_u16().await.map_err(AskError::Socket)?;
    let mut answer = vec![0; length.into()];
    stream
        .read_exact(&mut answer)
        .await
        .map_err(AskError::Socket)?;
    Message::from_vec(&answer).map_err(AskError::Answer)
}
