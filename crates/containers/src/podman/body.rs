//! What is sent to podman.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes of a file that are held at once.
const PIECE: usize = 64 * 1024;

/// The body of a request.
pub(super) enum RequestBody {
    /// In one piece; empty once it was taken.
    Whole(Bytes),
    /// A file or a pipe, read as it is sent: images are larger than memory.
    File {
        file: File,
        piece: Box<[u8]>,
        /// `None` for a pipe.
        length: Option<u64>,
    },
}

impl RequestBody {
    pub(super) fn none() -> Self {
        Self::Whole(Bytes::new())
    }

    pub(super) fn json(value: &Value) -> Self {
        Self::Whole(Bytes::from(value.to_string()))
    }

    pub(super) fn file(file: std::fs::File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Self::File {
            file: File::from_std(file),
            piece: vec![0; PIECE].into_boxed_slice(),
            length,
        })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::File { file, piece, .. } => {
                let mut buffer = ReadBuf::new(piece);
                let read = ready!(Pin::new(file).poll_read(context, &mut buffer));
                Poll::Ready(match read {
                    Ok(()) if buffer.filled().is_empty() => None,
                    Ok(()) => Some(Ok(Frame::data(Bytes::copy_from_slice(buffer.filled())))),
                    Err(error) => Some(Err(error)),
                })
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File { length, .. } => length.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}
