//! Other mail servers, which bring messages to a box.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cell_testkit::Namespace;
use cell_testkit::world::OUTSIDE_NAME;
use jiff::Zoned;
use jiff::fmt::rfc2822;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::super::error::BenchError;
use crate::error::XtaskError;

/// Servers, each with an address of its own: none brings more than one server may.
const SERVERS: usize = 40;
/// Messages that a server brings over one connection.
const MESSAGES: usize = 10;
/// Servers that bring some at the same time.
const AT_ONCE: usize = 8;
/// What all of them bring.
pub(super) const ALL: usize = SERVERS * MESSAGES;
/// The first server's address; the others' follow.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 101);
/// Lines of a message: about 4 KiB, as letters have.
const LINES: usize = 70;
/// Until a box that was just started takes mail.
const START: Duration = Duration::from_secs(300);
/// What one answer may take, and all deliveries together.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks into a mailbox.
const PAUSE: Duration = Duration::from_millis(5);

/// A box with mail.
pub(super) struct Post {
    pub(super) address: SocketAddr,
    /// The address of who gets everything.
    pub(super) receiver: String,
    /// The folder in which their new messages lie, each a file.
    pub(super) mailbox: PathBuf,
}

/// Servers somewhere.
pub(super) struct Senders<'a> {
    place: &'a Namespace,
}

impl<'a> Senders<'a> {
    /// Gives the servers their addresses.
    pub(super) fn new(place: &'a Namespace) -> Result<Self, XtaskError> {
        let lines: Vec<String> = (0..SERVERS)
            .map(|number| format!("addr add {}/24 dev eth0", address(number)))
            .collect();
        place.ip(&lines.join("\n"))?;
        Ok(Self { place })
    }

    /// Brings one message as soon as it is taken, and waits until it is delivered; no longer than the box `is_up`.
    pub(super) fn warm_up(&self, post: &Post, is_up: impl Fn() -> bool) -> Result<(), XtaskError> {
        let start = Instant::now();
        let mut outcome = Ok(());
        while start.elapsed() < START && is_up() {
            outcome = self.place.run(|| bring(post, 0, 1))?;
            if outcome.is_ok() {
                return Ok(post.wait(1)?);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        let ended = Err(io::Error::other("it ended before it took any"));
        Ok(outcome.and(ended).map_err(BenchError::Mail)?)
    }

    /// Brings all messages. Answers the seconds from the first connection to the last delivery.
    pub(super) fn bring_all(&self, post: &Post) -> Result<f64, XtaskError> {
        let before = post.count();
        let start = Instant::now();
        let next = AtomicUsize::new(0);
        let work = || loop {
            let server = next.fetch_add(1, Ordering::Relaxed);
            if server >= SERVERS {
                return Ok(());
            }
            bring(post, server, MESSAGES)?;
        };
        let brought = self.place.run(|| {
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
                workers.into_iter().try_for_each(|worker| {
                    let panicked = |_| Err(io::Error::other("a sender panicked"));
                    worker.join().unwrap_or_else(panicked)
                })
            })
        })?;
        brought.map_err(BenchError::Mail)?;
        post.wait(before + ALL)?;
        Ok(start.elapsed().as_secs_f64())
    }
}

impl Post {
    /// Messages there are; none before the first, which the mailbox is made for.
    fn count(&self) -> usize {
        fs::read_dir(&self.mailbox).map_or(0, Iterator::count)
    }

    fn wait(&self, wanted: usize) -> Result<(), BenchError> {
        let start = Instant::now();
        loop {
            let delivered = self.count();
            if delivered >= wanted {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(BenchError::Undelivered {
                    delivered,
                    wanted,
                    mailbox: self.mailbox.clone(),
                });
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn address(server: usize) -> Ipv4Addr {
    let number = u32::try_from(server).unwrap_or_default();
    Ipv4Addr::from_bits(FIRST.to_bits() + number)
}

/// Has a server bring some messages over one connection.
fn bring(post: &Post, server: usize, messages: usize) -> io::Result<()> {
    let mut dialogue = Dialogue::start(address(server), post.address)?;
    dialogue.say(&format!("EHLO server{server}.{OUTSIDE_NAME}"), 250)?;
    for number in 0..messages {
        dialogue.say(&format!("MAIL FROM:<friend@{OUTSIDE_NAME}>"), 250)?;
        dialogue.say(&format!("RCPT TO:<{}>", post.receiver), 250)?;
        dialogue.say("DATA", 354)?;
        dialogue.say(&message(post, server, number), 250)?;
    }
    dialogue.say("QUIT", 221)
}

/// A message with the dot at its end.
fn message(post: &Post, server: usize, number: usize) -> String {
    let lines = (0..LINES)
        .map(|line| format!("Line {line} of a letter, which has lines of about this length.\r\n"));
    let text: String = lines.collect();
    let now = rfc2822::to_string(&Zoned::now()).unwrap_or_default();
    format!(
        "From: A friend <friend@{OUTSIDE_NAME}>\r\nTo: <{}>\r\nSubject: Letter {server}.{number}\r\nDate: {now}\r\n\
         Message-ID: <{server}.{number}@{OUTSIDE_NAME}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{text}.",
        post.receiver
    )
}

/// SMTP as a client.
struct Dialogue {
    stream: BufReader<TcpStream>,
}

impl Dialogue {
    fn start(from: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddrV4::new(from, 0))?;
        connect(&socket, &to)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut dialogue = Self {
            stream: BufReader::new(stream),
        };
        dialogue.expect(220)?;
        Ok(dialogue)
    }

    fn say(&mut self, line: &str, code: u16) -> io::Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.expect(code)
    }

    /// Reads an answer to its last line.
    fn expect(&mut self, code: u16) -> io::Result<()> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            if line.get(3..4) == Some("-") {
                continue;
            }
            return match line.starts_with(&code.to_string()) {
                true => Ok(()),
                false => Err(io::Error::other(format!(
                    "{code} was to come, not {line:?}"
                ))),
            };
        }
    }
}
