//! Whether a way leads out: a name server out there is asked by it, as people's programs would.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::way::{Reached, Way, WayError};

/// How long a name server may take to be reached, and then to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the longest answer that is read.
const MOST: usize = 4096;

/// Why a way does not lead out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// Nobody is there to be asked.
    #[error("no name server is known that could be asked by this way")]
    Nobody,
    /// The way ends before.
    #[error(transparent)]
    Way(WayError),
    /// It leads there, and nothing comes back.
    #[error("the name server {0} is reached and does not answer")]
    Silent(SocketAddr),
}

/// Asks one after the other, until one answers: which, and how long that took, connection included.
pub(super) async fn probe(
    way: &Way,
    resolvers: impl Iterator<Item = SocketAddr>,
) -> Result<(SocketAddr, Duration), ProbeError> {
    let mut last = ProbeError::Nobody;
    for resolver in resolvers {
        let start = Instant::now();
        match way.reach(resolver, PATIENCE).await {
            Ok(reached) => match timeout(PATIENCE, ask(reached)).await {
                Ok(Some(())) => return Ok((resolver, start.elapsed())),
                Ok(None) | Err(_) => last = ProbeError::Silent(resolver),
            },
            // Nothing is reached by a way that is not there.
            Err(error) if error.is_of_the_way() => return Err(ProbeError::Way(error)),
            Err(error) => last = ProbeError::Way(error),
        }
    }
    Err(last)
}

/// Asks for the servers of the root, which each resolver knows, over TCP (RFC 1035 section 4.2.2).
async fn ask(Reached { mut stream, early }: Reached) -> Option<()> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::root(), RecordType::NS));
    let id = question.metadata.id;
    let bytes = question.to_vec().ok()?;
    let length = u16::try_from(bytes.len()).ok()?;
    stream
        .write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat())
        .await
        .ok()?;
    // Nobody answers before it is asked.
    if !early.is_empty() {
        return None;
    }
    let length = usize::from(read_length(&mut stream).await?);
    let mut answer = vec![0; length.min(MOST)];
    stream.read_exact(&mut answer).await.ok()?;
    let answered = Message::from_vec(&answer).ok()?;
    (answered.metadata.id == id).then_some(())
}

async fn read_length(stream: &mut TcpStream) -> Option<u16> {
    stream.read_u16().await.ok()
}
