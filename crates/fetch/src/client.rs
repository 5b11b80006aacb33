//! Asks for the parts one after the other, and passes their bytes on.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cell_model::url::{HttpsUrl, SourceUrl};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::answer::{self, Answer, Head, short};
use crate::connect::connect;
use crate::{Command, FetchError, Fetched, Reply};

/// Bytes of an answer's head.
const LONGEST_HEAD: usize = 64 << 10;

/// What is taken (OCI image specification, "media types").
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, */*;q=0.5";

/// Fetches the parts of `command` to `sink`. There are no sticks for whoever does.
///
/// # Errors
/// See [`FetchError`]; some bytes may have been written.
pub async fn serve(command: &Command, sink: UnixStream) -> Reply {
    serve_within(command, sink, Limits::default()).await
}

/// How slow a server may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long an answer may take to begin, and each piece of it.
    pub(crate) patience: Duration,
    /// Of that time, spent waiting, so many bytes must come: nobody holds an update up for a week.
    pub(crate) least: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(60),
            least: 64 << 10,
        }
    }
}

pub(crate) async fn serve_within(command: &Command, sink: UnixStream, limits: Limits) -> Reply {
    let SourceUrl::Https(url) = &command.url else {
        return Err(FetchError::NoStick);
    };
    let mut fetching = Fetching {
        command,
        url,
        sink,
        sender: None,
        open: None,
        known: None,
        pace: Pace {
            limits,
            waited: Duration::ZERO,
            bytes: 0,
        },
    };
    for part in &command.parts {
        match fetching.part(part).await? {
            Came::Part => {}
            Came::End => break,
        }
    }
    fetching.known.ok_or(FetchError::NoSize)
}

/// What came of a part.
enum Came {
    Part,
    /// The file ends before it, or in it.
    End,
}

struct Fetching<'a> {
    command: &'a Command,
    url: &'a HttpsUrl,
    sink: UnixStream,
    sender: Option<SendRequest<Empty<Bytes>>>,
    /// An answer that is being read.
    open: Option<Open>,
    /// What the first answer said of the file.
    known: Option<Fetched>,
    pace: Pace,
}

struct Open {
    body: Incoming,
    /// What came and was not used yet.
    piece: Bytes,
    /// Where that begins in the file.
    at: u64,
    /// Where the answer ends in the file.
    end: u64,
}

impl Open {
    /// Passes over bytes of the piece.
    fn advance(&mut self, bytes: u64) {
        let length = self.piece.len();
        let there = usize::try_from(bytes).map_or(length, |bytes| bytes.min(length));
        self.piece = self.piece.split_off(there);
        self.at += there as u64;
    }
}

impl Fetching<'_> {
    async fn part(&mut self, part: &Range<u64>) -> Result<Came, FetchError> {
        let mut at = part.start;
        while at < part.end {
            if self.known.as_ref().is_some_and(|known| known.size <= at) {
                return Ok(Came::End);
            }
            let open = self.open.take();
            let mut open = match open.filter(|open| open.at <= at && at < open.end) {
                Some(open) => open,
                None => match self.ask(at..part.end).await? {
                    Some(open) => open,
                    None => return Ok(Came::End),
                },
            };
            let end = open.end.min(part.end);
            while at < end {
                if open.piece.is_empty() {
                    open.piece = self.piece(&mut open.body).await?;
                }
                // A whole file has bytes before the part, and behind it.
                open.advance(at - open.at);
                let length = usize::try_from(end - at).unwrap_or(usize::MAX);
                let wanted = open.piece.slice(..open.piece.len().min(length));
                let written = self.sink.write_all(&wanted).await;
                written.map_err(|_| FetchError::Unwanted)?;
                at += wanted.len() as u64;
                open.advance(wanted.len() as u64);
            }
            self.close(open).await?;
        }
        Ok(Came::Part)
    }

    /// The next bytes of an answer.
    async fn piece(&mut self, body: &mut Incoming) -> Result<Bytes, FetchError> {
        loop {
            let frame = self.pace.wait(body.frame(), self.command).await?;
            let frame = frame.ok_or(FetchError::Cut)?.map_err(|_| FetchError::Cut)?;
            if let Ok(bytes) = frame.into_data() {
                self.pace.came(bytes.len(), self.command)?;
                return Ok(bytes);
            }
        }
    }

    /// An answer that was read to its end lets go of the connection; another is kept for the next part.
    async fn close(&mut self, mut open: Open) -> Result<(), FetchError> {
        if open.at < open.end {
            self.open = Some(open);
            return Ok(());
        }
        match self.pace.wait(open.body.frame(), self.command).await? {
            None => Ok(()),
            Some(Ok(frame)) if !frame.is_data() => Ok(()),
            Some(_) => Err(FetchError::WrongPart),
        }
    }

    /// Asks for a part. None: the file ends before it.
    async fn ask(&mut self, part: Range<u64>) -> Result<Option<Open>, FetchError> {
        let response = match self.send(&part).await {
            // A server may end a connection while nothing is asked on it; the question is asked again on a new one.
            Err(FetchError::Garbage(..)) if self.known.is_some() => {
                self.sender = None;
                self.send(&part).await?
            }
            other => other?,
        };
        let head = match answer::read(&response)? {
            Answer::Behind => {
                self.known.get_or_insert(Fetched { size: 0, tag: None });
                return Ok(None);
            }
            Answer::Bytes(head) => head,
        };
        self.check(&head, &part)?;
        Ok(Some(Open {
            body: response.into_body(),
            piece: Bytes::new(),
            at: head.start,
            end: head.end,
        }))
    }

    /// Refuses another part, and another file than before.
    fn check(&mut self, head: &Head, part: &Range<u64>) -> Result<(), FetchError> {
        let is_whole = head.start == 0 && head.end == head.size;
        if !is_whole && (head.start != part.start || head.end > part.end) {
            return Err(FetchError::WrongPart);
        }
        let known = self.known.get_or_insert_with(|| Fetched {
            size: head.size,
            tag: head.tag.clone(),
        });
        let other_tag =
            |tag: &Option<String>| tag.is_some() && head.tag.is_some() && *tag != head.tag;
        if known.size != head.size || other_tag(&known.tag) || other_tag(&self.command.same_as) {
            return Err(FetchError::Replaced);
        }
        Ok(())
    }

    async fn send(&mut self, part: &Range<u64>) -> Result<Response<Incoming>, FetchError> {
        let host = self.url.authority();
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = Request::get(self.url.path())
            .header(header::HOST, &host)
            .header(
                header::USER_AGENT,
                concat!("celld/", env!("CARGO_PKG_VERSION")),
            )
            // Registries give an image's manifest only to who knows its form; all else is given to everybody.
            .header(header::ACCEPT, ACCEPT)
            .header(
                header::RANGE,
                format!("bytes={}-{}", part.start, part.end - 1),
            );
        let garbage = |why: String| FetchError::Garbage(host.clone(), short(&why));
        let request = request
            .body(Empty::new())
            .map_err(|error| garbage(error.to_string()))?;
        let answered = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let answered = self.pace.wait(answered, self.command).await?;
        let response = answered.map_err(|error| garbage(error.to_string()))?;
        self.sender = Some(sender);
        Ok(response)
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, FetchError> {
        let stream = TokioIo::new(connect(self.url, self.command).await?);
        let handshake = http1::Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .handshake(stream);
        let host = self.url.authority();
        let (sender, connection) = handshake
            .await
            .map_err(|error| FetchError::Garbage(host, short(&error.to_string())))?;
        // Ends with its sender.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
        });
        Ok(sender)
    }
}

/// How fast it goes, of the time that is spent waiting for the server.
struct Pace {
    limits: Limits,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    async fn wait<T>(
        &mut self,
        what: impl Future<Output = T>,
        command: &Command,
    ) -> Result<T, FetchError> {
        let begun = Instant::now();
        let came = timeout(self.limits.patience, what).await;
        self.waited += begun.elapsed();
        came.map_err(|_| FetchError::Stalled(command.url.keeper()))
    }

    fn came(&mut self, bytes: usize, command: &Command) -> Result<(), FetchError> {
        self.bytes += bytes as u64;
        if self.waited < self.limits.patience {
            return Ok(());
        }
        if self.bytes < self.limits.least {
            return Err(FetchError::Stalled(command.url.keeper()));
        }
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        Ok(())
    }
}
