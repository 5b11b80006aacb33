//! Who answers behind the proxy, and who says whose a request is. One request a connection.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cell_testkit::wait_for;
use rustix::net::Shutdown;

/// Who is silent for longer is dropped.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two pieces of an answer.
const PIECE: Duration = Duration::from_millis(100);

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Method, path and version.
    pub(crate) line: String,
    /// Headers by their names in lower case; of several, all.
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    /// Bytes of the body.
    pub(crate) body: usize,
}

impl Asked {
    /// The one value of a header; `None` when there is none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers.get(name)?;
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        values.first().map(String::as_str)
    }
}

/// Where somebody listens.
pub(crate) trait Listening: Send + 'static {
    /// A connection.
    type Stream: Read + Write + Send + 'static;

    /// Waits for the next one, which must not be silent for long.
    fn next(&self) -> io::Result<Self::Stream>;

    /// Another handle, that ends the waiting.
    fn handle(&self) -> OwnedFd;
}

impl Listening for TcpListener {
    type Stream = TcpStream;

    fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn handle(&self) -> OwnedFd {
        self.try_clone().unwrap().into()
    }
}

impl Listening for UnixListener {
    type Stream = UnixStream;

    fn next(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    fn handle(&self) -> OwnedFd {
        self.try_clone().unwrap().into()
    }
}

/// A program behind the proxy. It notes what it is asked, and answers with its name; `/pieces/N` with so many pieces, one
/// after the other; `/held` with one piece, and another once it may; `/talk` with whatever it is told from then on.
pub(crate) struct Service {
    listener: OwnedFd,
    noted: Arc<Noted>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Noted {
    asked: Mutex<Vec<Asked>>,
    received: AtomicUsize,
    released: AtomicBool,
    stopping: AtomicBool,
}

impl Service {
    pub(crate) fn start(accepting: impl Listening, name: &'static str) -> Self {
        let (listener, noted) = (accepting.handle(), Arc::<Noted>::default());
        let notes = Arc::clone(&noted);
        let thread = std::thread::spawn(move || {
            while let Ok(stream) = accepting.next() {
                if notes.stopping.load(Ordering::Acquire) {
                    break;
                }
                let notes = Arc::clone(&notes);
                // One bad client is its own problem.
                std::thread::spawn(move || answer(stream, name, &notes));
            }
        });
        Self {
            listener,
            noted,
            thread: Some(thread),
        }
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.noted.asked.lock().unwrap())
    }

    /// Bytes of bodies that have come so far.
    pub(crate) fn received(&self) -> usize {
        self.noted.received.load(Ordering::Acquire)
    }

    /// Lets it go on with what it holds back.
    pub(crate) fn release(&self) {
        self.noted.released.store(true, Ordering::Release);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.noted.stopping.store(true, Ordering::Release);
        // Wakes the thread in accept(2), which then fails with EINVAL.
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(stream: impl Read + Write, name: &str, noted: &Noted) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut asked = read_head(&mut stream)?;
    asked.body = read_body(&mut stream, &asked, &noted.received)?;
    let path = asked.line.split(' ').nth(1).unwrap_or("/").to_owned();
    noted.asked.lock().unwrap().push(asked);
    let begin = "Server: Some/1.0\r\nStrict-Transport-Security: max-age=1";
    if let Some(pieces) = path.strip_prefix("/pieces/") {
        let out = stream.get_mut();
        write!(
            out,
            "HTTP/1.1 200 OK\r\n{begin}\r\nConnection: close\r\n\r\n"
        )?;
        for number in 0..pieces.parse().unwrap_or(0) {
            writeln!(out, "{number}")?;
            out.flush()?;
            std::thread::sleep(PIECE);
        }
        return Ok(());
    }
    if path == "/held" {
        let out = stream.get_mut();
        write!(
            out,
            "HTTP/1.1 200 OK\r\n{begin}\r\nConnection: close\r\n\r\nfirst\n"
        )?;
        out.flush()?;
        let released = || noted.released.load(Ordering::Acquire).then_some(());
        if wait_for(PATIENCE, released).is_some() {
            writeln!(out, "second")?;
        }
        return out.flush();
    }
    if path == "/talk" {
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().flush()?;
        let mut line = String::new();
        while stream.read_line(&mut line)? > 0 {
            stream.get_mut().write_all(line.as_bytes())?;
            stream.get_mut().flush()?;
            line.clear();
        }
        return Ok(());
    }
    let out = stream.get_mut();
    let length = name.len();
    write!(
        out,
        "HTTP/1.1 200 OK\r\n{begin}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{name}"
    )?;
    out.flush()
}

fn read_head(stream: &mut impl BufRead) -> io::Result<Asked> {
    let mut asked = Asked::default();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => return Ok(asked),
            line if asked.line.is_empty() => line.clone_into(&mut asked.line),
            line => {
                let (name, value) = line.split_once(": ").unwrap_or((line, ""));
                let values = asked.headers.entry(name.to_ascii_lowercase());
                values.or_default().push(value.to_owned());
            }
        }
    }
}

/// Reads a body to its end; how much there was.
fn read_body(
    stream: &mut impl BufRead,
    asked: &Asked,
    received: &AtomicUsize,
) -> io::Result<usize> {
    let mut whole = 0;
    if let Some(length) = asked.header("content-length") {
        return take(stream, length.parse().unwrap_or(0), received);
    }
    while asked.header("transfer-encoding").is_some() {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        whole += take(stream, length, received)?;
        stream.read_line(&mut line)?;
        if length == 0 {
            break;
        }
    }
    Ok(whole)
}

fn take(stream: &mut impl BufRead, length: usize, received: &AtomicUsize) -> io::Result<usize> {
    let mut piece = [0; 16 * 1024];
    let mut left = length;
    while left > 0 {
        let most = left.min(piece.len());
        let read = stream.read(&mut piece[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.fetch_add(read, Ordering::AcqRel);
        left -= read;
    }
    Ok(length)
}

/// The box, when it is asked whose a request is.
pub(crate) struct Accounts {
    listener: UnixListener,
    said: Arc<Said>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Said {
    answer: Mutex<String>,
    asked: Mutex<Vec<Asked>>,
    left_over: AtomicBool,
    stopping: AtomicBool,
}

impl Accounts {
    /// Says that everything is of `anna`, until it is told otherwise.
    pub(crate) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (accepting, said) = (listener.try_clone().unwrap(), Arc::<Said>::default());
        let saying = Arc::clone(&said);
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                if saying.stopping.load(Ordering::Acquire) {
                    break;
                }
                let _ = saying.answer(stream);
            }
        });
        let accounts = Self {
            listener,
            said,
            thread: Some(thread),
        };
        accounts.say("200 OK", "X-Account: anna\r\n");
        accounts
    }

    /// What it answers from now on: a status, and headers that each end with a line.
    pub(crate) fn say(&self, status: &str, headers: &str) {
        let body = if status.starts_with('2') { "" } else { "no\n" };
        let length = body.len();
        *self.said.answer.lock().unwrap() = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.said.asked.lock().unwrap())
    }

    /// Whether anything came after the head of a request.
    pub(crate) fn got_a_body(&self) -> bool {
        self.said.left_over.load(Ordering::Acquire)
    }
}

impl Said {
    fn answer(&self, stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = BufReader::new(stream);
        let asked = read_head(&mut stream)?;
        self.asked.lock().unwrap().push(asked);
        let answer = self.answer.lock().unwrap().clone();
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().shutdown(std::net::Shutdown::Write)?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest)?;
        self.left_over.fetch_or(!rest.is_empty(), Ordering::AcqRel);
        Ok(())
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        self.said.stopping.store(true, Ordering::Release);
        // Wakes the thread in accept(2), which then fails with EINVAL.
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
