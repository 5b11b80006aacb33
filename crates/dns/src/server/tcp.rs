//! DNS over TCP (RFC 7766): one question after the other on each connection, and never more connections than there is
//! room for. hickory's own listener knows no such limit.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_proto::ProtoError;
use hickory_proto::op::MessageType;
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tracing::debug;

use super::front::Front;

/// How long a connection may be idle, or take for one message (RFC 7766 section 6.2.3: a few seconds).
const IDLE: Duration = Duration::from_secs(5);
/// Connections of one source. RFC 7766 section 6.2.2 wants clients to have one; more are many clients behind one address.
const MAX_OF_ONE: usize = 16;
/// Connections in all. The process has 1,024 descriptors, of which questions that are passed on may take 800.
const MAX: usize = 96;
/// Pause after a connection could not be accepted, usually for want of descriptors.
const REST: Duration = Duration::from_millis(100);
/// Bytes of a message's header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// Connections that are open, on all addresses together, the oldest first.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<Mutex<Vec<Place>>>);

struct Place {
    source: IpAddr,
    connection: AbortHandle,
}

impl Room {
    /// Makes place for a connection of this source. Whoever has too many loses the oldest: a newer question is more
    /// likely to be waited for.
    fn make_place(&self, source: IpAddr) {
        let mut places = self.places();
        places.retain(|place| !place.connection.is_finished());
        let mut counts = HashMap::new();
        for place in places.iter() {
            *counts.entry(place.source).or_insert(0_usize) += 1;
        }
        let count = |place: &Place| counts.get(&place.source).copied().unwrap_or(0);
        let oldest = if counts.get(&source).is_some_and(|own| *own >= MAX_OF_ONE) {
            places.iter().position(|place| place.source == source)
        } else if places.len() >= MAX {
            let most = counts.values().copied().max().unwrap_or(0);
            places.iter().position(|place| count(place) == most)
        } else {
            None
        };
        if let Some(oldest) = oldest {
            places.remove(oldest).connection.abort();
        }
    }

    fn take(&self, source: IpAddr, connection: AbortHandle) {
        self.places().push(Place { source, connection });
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Vec<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a listener until dropped.
pub(super) async fn serve(listener: TcpListener, front: Front, room: Room) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, source) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let address = source.ip().to_canonical();
        room.make_place(address);
        let front = front.clone();
        let connection = connections.spawn(async move {
            // How it ended is the client's affair.
            let _ = converse(stream, source, &front).await;
        });
        room.take(address, connection);
    }
}

/// Answers one question after the other until the client is done, silent, or says something that is no question.
async fn converse(mut stream: TcpStream, source: SocketAddr, front: &Front) -> io::Result<()> {
    loop {
        let message = timeout(IDLE, read(&mut stream)).await??;
        let Some(answer) = answer(message, source, front).await else {
            return Ok(());
        };
        timeout(IDLE, stream.write_all(&framed(&answer)?)).await??;
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// The message behind its length, to be sent in one piece (RFC 7766 section 8).
fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes(), message].concat())
}

/// What is sent back; `None` when it was no question.
async fn answer(message: Vec<u8>, source: SocketAddr, front: &Front) -> Option<Vec<u8>> {
    let header: [u8; HEADER] = message.get(..HEADER)?.try_into().ok()?;
    let is_answer = header[2] & 0x80 != 0;
    if is_answer {
        return None;
    }
    let Ok(request) = Request::from_bytes(message, source, Protocol::Tcp) else {
        return Some(unreadable(header));
    };
    debug_assert_eq!(request.metadata.message_type, MessageType::Query);
    let caught = Caught::default();
    front
        .handle_request::<_, TokioTime>(&request, caught.clone())
        .await;
    caught.take()
}

/// FORMERR to a question of which only the header can be read (RFC 1035 section 4.1.1).
fn unreadable(mut header: [u8; HEADER]) -> Vec<u8> {
    // It is an answer; opcode and RD stay as they were.
    header[2] = 0x80 | (header[2] & 0x79);
    header[3] = 1;
    header[4..].fill(0);
    header.into()
}

/// Takes the answer where it would be sent.
#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Option<Vec<u8>>>>);

impl Caught {
    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl ResponseHandler for Caught {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let (info, bytes) = encode(response)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        Ok(info)
    }
}

fn encode<'a>(
    response: MessageResponse<
        '_,
        'a,
        impl Iterator<Item = &'a Record> + Send + 'a,
        impl Iterator<Item = &'a Record> + Send + 'a,
        impl Iterator<Item = &'a Record> + Send + 'a,
        impl Iterator<Item = &'a Record> + Send + 'a,
    >,
) -> Result<(ResponseInfo, Vec<u8>), ProtoError> {
    let mut bytes = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(u16::MAX);
    let info = response.destructive_emit(&mut encoder)?;
    Ok((info, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_question_is_answered_with_its_id_and_nothing_else() {
        // RD, and counts of what does not follow.
        let header = [0x12, 0x34, 0x01, 0x20, 0, 1, 0, 9, 0, 0, 0, 1];
        let expected = [0x12, 0x34, 0x81, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(unreadable(header), expected);
    }

    #[tokio::test]
    async fn whoever_has_most_makes_place_when_all_places_are_taken() {
        let room = Room::default();
        let mut connections = JoinSet::new();
        let mut enter = |source: IpAddr| {
            room.make_place(source);
            let connection = connections.spawn(std::future::pending::<()>());
            room.take(source, connection);
        };
        let address = |host: u8| IpAddr::from([192, 168, 1, host]);
        let count = |source: IpAddr| {
            let places = room.places();
            places.iter().filter(|place| place.source == source).count()
        };
        for _ in 0..3 * MAX_OF_ONE {
            enter(address(1));
        }
        assert_eq!(count(address(1)), MAX_OF_ONE);
        for host in 2..=250 {
            enter(address(host));
        }
        assert_eq!(room.places().len(), MAX);
        // The newest are there, and nobody has many while others have one.
        assert_eq!(count(address(250)), 1);
        assert!(count(address(1)) <= 1);
    }
}
