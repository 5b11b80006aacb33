//! Messages between processes of the box over a Unix stream socket: calls and replies in both
//! directions, with descriptors beside them.
//!
//! A frame is a little-endian `u32` length, then that many bytes of JSON:
//! `{"id":…,"kind":"call"|"reply","descriptors":…,"body":…}`. Descriptors travel with the first byte
//! of their frame (unix(7), `SCM_RIGHTS`).

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

/// No message is larger: 10,000 peers with their keys are about 3 MB.
const MAX_FRAME: usize = 32 << 20;
/// No message carries more descriptors: two sockets for each of 100 ways out. The kernel takes 253 (SCM_MAX_FD, unix(7)).
const MAX_DESCRIPTORS: usize = 200;

/// Why a call over a channel failed.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other process went away.
    #[error("the other process is gone")]
    Closed,
    /// A message could not be written as JSON.
    #[error("a message could not be encoded")]
    Encode(#[source] serde_json::Error),
    /// The answer was not of the expected shape.
    #[error("an answer could not be decoded")]
    Decode(#[source] serde_json::Error),
    /// More bytes or descriptors than a message may have.
    #[error("a message was too large")]
    TooLarge,
}

/// Answers the calls of the other side.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one call. Descriptors that came with it are closed unless kept.
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue>;
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Call,
    Reply,
}

#[derive(Serialize, Deserialize)]
struct Frame {
    id: u64,
    kind: Kind,
    #[serde(default)]
    descriptors: usize,
    body: Box<RawValue>,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Box<RawValue>>>>>;

/// One end of a connection between two processes. Cheap to clone; the connection closes when the
/// last clone goes.
#[derive(Clone)]
pub struct Channel {
    outgoing: mpsc::Sender<(Vec<u8>, Vec<OwnedFd>)>,
    waiting: Waiting,
    next_id: Arc<AtomicU64>,
    closed: watch::Receiver<bool>,
}

impl Channel {
    /// Starts to read and write on the socket. Calls of the other side go to `handler`, each as a task of its own.
    pub fn start(stream: UnixStream, handler: Arc<dyn Handler>) -> Self {
        // Enough for every request in flight of a busy browser; beyond that callers wait.
        let (outgoing, queue) = mpsc::channel(64);
        let waiting = Waiting::default();
        let (closing, closed) = watch::channel(false);
        let stream = Arc::new(stream);
        let reader = read_frames(
            Arc::clone(&stream),
            handler,
            outgoing.downgrade(),
            Arc::clone(&waiting),
        );
        let mut stop = closed.clone();
        let write_end = Arc::clone(&stream);
        tokio::spawn(async move {
            tokio::select! {
                () = write_frames(&write_end, queue) => {}
                _ = stop.wait_for(|closed| *closed) => {}
            }
            // The reader must end too: its peer would otherwise wait for replies for ever.
            let _ = rustix::net::shutdown(write_end.as_fd(), rustix::net::Shutdown::Both);
        });
        let ended = Arc::clone(&waiting);
        tokio::spawn(async move {
            reader.await;
            let _ = closing.send(true);
            ended.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Self {
            outgoing,
            waiting,
            next_id: Arc::new(AtomicU64::new(1)),
            closed,
        }
    }

    /// Calls the other side and waits for its reply.
    pub async fn call<T: Serialize, R: DeserializeOwned>(
        &self,
        body: &T,
        descriptors: Vec<OwnedFd>,
    ) -> Result<R, ChannelError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = serde_json::value::to_raw_value(body).map_err(ChannelError::Encode)?;
        let frame = encode(id, Kind::Call, descriptors.len(), body)?;
        let (sender, receiver) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, sender);
        if *self.closed.borrow() || self.outgoing.send((frame, descriptors)).await.is_err() {
            self.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
            return Err(ChannelError::Closed);
        }
        let reply = receiver.await.map_err(|_| ChannelError::Closed)?;
        serde_json::from_str(reply.get()).map_err(ChannelError::Decode)
    }

    /// Returns when the other side is gone.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        let _ = closed.wait_for(|closed| *closed).await;
    }
}

fn encode(
    id: u64,
    kind: Kind,
    descriptors: usize,
    body: Box<RawValue>,
) -> Result<Vec<u8>, ChannelError> {
    let mut bytes = vec![0; 4];
    let frame = Frame {
        id,
        kind,
        descriptors,
        body,
    };
    serde_json::to_writer(&mut bytes, &frame).map_err(ChannelError::Encode)?;
    let length = bytes.len() - 4;
    if length > MAX_FRAME || descriptors > MAX_DESCRIPTORS {
        return Err(ChannelError::TooLarge);
    }
    let length = u32::try_from(length).map_err(|_| ChannelError::TooLarge)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

async fn write_frames(stream: &UnixStream, mut queue: mpsc::Receiver<(Vec<u8>, Vec<OwnedFd>)>) {
    while let Some((bytes, descriptors)) = queue.recv().await {
        if write_frame(stream, &bytes, &descriptors).await.is_err() {
            return;
        }
    }
}

async fn write_frame(stream: &UnixStream, bytes: &[u8], descriptors: &[OwnedFd]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        // Only the first piece carries the descriptors.
        let beside = if written == 0 { descriptors } else { &[] };
        written += stream
            .async_io(Interest::WRITABLE, || {
                send(stream.as_fd(), &bytes[written..], beside)
            })
            .await?;
    }
    Ok(())
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[OwnedFd]) -> io::Result<usize> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(io::Error::other("too many descriptors"));
    }
    Ok(sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}

/// Reads until the other side closes or breaks the protocol.
async fn read_frames(
    stream: Arc<UnixStream>,
    handler: Arc<dyn Handler>,
    outgoing: mpsc::WeakSender<(Vec<u8>, Vec<OwnedFd>)>,
    waiting: Waiting,
) {
    let mut buffer = Vec::new();
    let mut descriptors = VecDeque::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        while let Some(frame) = take_frame(&mut buffer) {
            let Ok(frame) = frame else { return };
            if frame.descriptors > descriptors.len() {
                return;
            }
            let beside: Vec<OwnedFd> = descriptors.drain(..frame.descriptors).collect();
            match frame.kind {
                Kind::Reply => {
                    let waiter = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .remove(&frame.id);
                    if let Some(waiter) = waiter {
                        let _ = waiter.send(frame.body);
                    }
                }
                Kind::Call => {
                    let Some(outgoing) = outgoing.upgrade() else {
                        return;
                    };
                    let handler = Arc::clone(&handler);
                    tokio::spawn(async move {
                        let body = handler.handle(frame.body, beside).await;
                        if let Ok(bytes) = encode(frame.id, Kind::Reply, 0, body) {
                            let _ = outgoing.send((bytes, Vec::new())).await;
                        }
                    });
                }
            }
        }
        let read = stream
            .async_io(Interest::READABLE, || {
                receive(stream.as_fd(), &mut chunk, &mut descriptors)
            })
            .await;
        match read {
            Ok(0) | Err(_) => return,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
        if descriptors.len() > MAX_DESCRIPTORS {
            return;
        }
    }
}

fn receive(
    socket: BorrowedFd<'_>,
    chunk: &mut [u8],
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(chunk)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for ancillary in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = ancillary {
            descriptors.extend(received);
        }
    }
    Ok(message.bytes)
}

/// The next whole frame of the buffer, taken out of it; `Err` when what is there can never be one.
fn take_frame(buffer: &mut Vec<u8>) -> Option<Result<Frame, ()>> {
    let header: [u8; 4] = buffer.get(..4)?.try_into().ok()?;
    let length = u32::from_le_bytes(header) as usize;
    if length > MAX_FRAME {
        return Some(Err(()));
    }
    let frame = serde_json::from_slice(buffer.get(4..4 + length)?).map_err(|_| ());
    buffer.drain(..4 + length);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    /// Answers with the text of the descriptor it was handed, or with the call itself.
    struct Reader;

    #[async_trait]
    impl Handler for Reader {
        async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
            let Some(descriptor) = descriptors.into_iter().next() else {
                return body;
            };
            let mut text = String::new();
            let mut file = std::fs::File::from(descriptor);
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            serde_json::value::to_raw_value(&text).unwrap()
        }
    }

    fn pair() -> (Channel, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        (
            Channel::start(one, Arc::new(Reader)),
            Channel::start(other, Arc::new(Reader)),
        )
    }

    #[tokio::test]
    async fn both_sides_call_at_once_and_get_their_own_replies() {
        let (one, other) = pair();
        let calls = (0..200_u32).map(|number| {
            let channel = if number % 2 == 0 {
                one.clone()
            } else {
                other.clone()
            };
            tokio::spawn(async move {
                let echoed: u32 = channel.call(&number, Vec::new()).await.unwrap();
                assert_eq!(echoed, number);
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    }

    #[tokio::test]
    async fn descriptor_arrives_with_its_own_message() {
        let (one, _other) = pair();
        let file = |text: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            vec![OwnedFd::from(file)]
        };
        let large = "x".repeat(500_000);
        let (first, second, third) = tokio::join!(
            one.call::<_, String>(&1, file("first")),
            one.call::<_, String>(&large, Vec::new()),
            one.call::<_, String>(&3, file("third")),
        );
        assert_eq!(first.unwrap(), "first");
        assert_eq!(second.unwrap(), large);
        assert_eq!(third.unwrap(), "third");
    }

    #[tokio::test]
    async fn call_ends_when_the_other_side_goes() {
        let (stream, silent) = UnixStream::pair().unwrap();
        let channel = Channel::start(stream, Arc::new(Reader));
        let waiting = tokio::spawn({
            let channel = channel.clone();
            async move { channel.call::<_, u32>(&1, Vec::new()).await }
        });
        tokio::task::yield_now().await;
        drop(silent);
        assert!(matches!(waiting.await.unwrap(), Err(ChannelError::Closed)));
        channel.closed().await;
        let late = channel.call::<_, u32>(&1, Vec::new()).await;
        assert!(matches!(late, Err(ChannelError::Closed)));
    }

    #[tokio::test]
    async fn garbage_closes_the_channel_and_nothing_else() {
        let (stream, mut broken) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let channel = Channel::start(UnixStream::from_std(stream).unwrap(), Arc::new(Reader));
        broken.write_all(&[0xff; 64]).unwrap();
        channel.closed().await;
    }
}
