//! What goes on in a household all the while, at a pace that does not wait for answers: names are asked for, a flow
//! stays open.
//!
//! Messages are made and read by hand (RFC 1035), so that a test of our DNS shares no code with it.

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cell_testkit::Namespace;

use crate::probe::connect;

/// What is not answered by then is lost: programs ask again (resolv.conf(5)), or give up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How often something was sent.
    pub sent: usize,
    /// How long each right answer took.
    pub answers: Vec<Duration>,
    /// From the first to the last that was sent.
    pub lasted: Duration,
}

impl Tally {
    /// What had no right answer in time.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.sent - self.answers.len()
    }

    /// How many were sent in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.sent as f64 / self.lasted.as_secs_f64()
    }

    /// The longest time that an answer took.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        self.answers.iter().max().copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut answers = self.answers.clone();
        answers.sort_unstable();
        let median = answers.get(answers.len() / 2).copied();
        write!(
            f,
            "{} sent in {:.1?}, {:.1} a second, {} lost, answered in {:.1?} mostly, {:.1?} at worst",
            self.sent,
            self.lasted,
            self.rate(),
            self.lost(),
            median.unwrap_or_default(),
            self.slowest(),
        )
    }
}

/// A name, and the one right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Without final dot.
    pub name: String,
    /// Its IPv4 address; none: there is no such name.
    pub address: Option<Ipv4Addr>,
}

impl Question {
    fn message(&self, id: u16) -> Vec<u8> {
        let mut message = id.to_be_bytes().to_vec();
        // Recursion desired; one question.
        message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in self.name.split('.') {
            message.push(label.len().try_into().unwrap());
            message.extend(label.as_bytes());
        }
        // The root; type A, class IN.
        message.extend([0, 0, 1, 0, 1]);
        message
    }

    /// Whether these bytes answer this message of it.
    fn is_answered(&self, message: &[u8], reply: &[u8]) -> bool {
        let (Some(flags), Some(body)) = (reply.get(2..4), reply.get(12..)) else {
            return false;
        };
        let is_reply = flags[0] & 0x80 != 0 && body.starts_with(&message[12..]);
        let holds = |address: Ipv4Addr| {
            let data = [&[0, 4][..], &address.octets()].concat();
            body.windows(data.len()).any(|bytes| bytes == data)
        };
        is_reply
            && match (self.address, flags[1] & 0x0f) {
                (Some(address), 0) => holds(address),
                (None, 3) => true,
                _ => false,
            }
    }
}

/// Asks `server` the next question every `pace` until told to stop, and waits for the last answers.
#[must_use]
pub fn ask_names(
    from: &Namespace,
    server: SocketAddr,
    pace: Duration,
    stop: &AtomicBool,
    mut questions: impl FnMut(usize) -> Question,
) -> Tally {
    let socket = from.run(|| UdpSocket::bind(("0.0.0.0", 0))).unwrap();
    let socket = socket.unwrap();
    socket.connect(server).unwrap();
    let mut tally = Tally::default();
    let mut open = HashMap::new();
    let mut buffer = [0; 1500];
    let begun = Instant::now();
    let mut next = begun;
    loop {
        let now = Instant::now();
        let is_over = stop.load(Ordering::Relaxed);
        if !is_over && now >= next {
            let id = u16::try_from(tally.sent).unwrap();
            let question = questions(tally.sent);
            let message = question.message(id);
            socket.send(&message).unwrap();
            open.insert(id, (question, message, now));
            (tally.sent, tally.lasted) = (tally.sent + 1, begun.elapsed());
            // Late is caught up with: the pace is that of the clock.
            next += pace;
            continue;
        }
        if is_over && (open.is_empty() || now > next + PATIENCE) {
            return tally;
        }
        let pause = next.saturating_duration_since(now).max(pace / 10);
        socket.set_read_timeout(Some(pause)).unwrap();
        let Ok(length @ 2..) = socket.recv(&mut buffer) else {
            continue;
        };
        let id = u16::from_be_bytes([buffer[0], buffer[1]]);
        if let Some((question, message, sent)) = open.remove(&id)
            && question.is_answered(&message, &buffer[..length])
            && sent.elapsed() < PATIENCE
        {
            tally.answers.push(sent.elapsed());
        }
    }
}

/// Opens a flow to [`serve_echo`](crate::probe::serve_echo), and sends a byte over it every `pace` until told to stop or
/// one does not come back.
#[must_use]
pub fn hold_flow(from: &Namespace, to: SocketAddr, pace: Duration, stop: &AtomicBool) -> Tally {
    let mut flow = connect(from, to, PATIENCE).expect("the flow opens");
    flow.set_nodelay(true).unwrap();
    flow.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tally = Tally::default();
    let begun = Instant::now();
    let mut next = begun;
    while !stop.load(Ordering::Relaxed) && tally.lost() == 0 {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += pace;
        let sent = Instant::now();
        (tally.sent, tally.lasted) = (tally.sent + 1, begun.elapsed());
        if flow.write_all(b"?").is_ok() && flow.read_exact(&mut [0]).is_ok() {
            tally.answers.push(sent.elapsed());
        }
    }
    tally
}
