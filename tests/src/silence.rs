//! How long a box leaves a name unanswered, asked from outside ten times a second.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cell_testkit::Namespace;
use cell_testkit::vm::PATIENCE;

use crate::DOMAIN;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody who asks until told to stop.
#[derive(Debug)]
pub struct Silence {
    stopping: Arc<AtomicBool>,
    asker: JoinHandle<Duration>,
}

impl Silence {
    /// Begins to ask `server` for the admin page's name.
    #[must_use]
    pub fn watch(from: &Namespace, server: SocketAddr) -> Self {
        let socket = from
            .run(|| UdpSocket::bind("127.0.0.1:0"))
            .unwrap()
            .unwrap();
        socket.set_read_timeout(Some(PAUSE)).unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopping);
        let asker = std::thread::spawn(move || {
            let question = question(&format!("admin.{DOMAIN}"));
            let (mut answered, mut longest) = (Instant::now(), Duration::ZERO);
            loop {
                let asked = Instant::now();
                // QEMU is away for a moment when the machine's power is cut.
                let _ = socket.send_to(&question, server);
                let has_answered = is_answered(&socket);
                if has_answered {
                    longest = longest.max(answered.elapsed());
                    answered = Instant::now();
                }
                if told.load(Ordering::Acquire) {
                    assert!(answered.elapsed() < PATIENCE, "no name is answered");
                    if has_answered {
                        return longest;
                    }
                }
                std::thread::sleep(PAUSE.saturating_sub(asked.elapsed()));
            }
        });
        Self { stopping, asker }
    }

    /// Ends with the next answer, and says how long the longest time between two answers was.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.stopping.store(true, Ordering::Release);
        self.asker.join().unwrap()
    }
}

/// A question for an IPv4 address (RFC 1035, section 4.1).
fn question(name: &str) -> Vec<u8> {
    let mut bytes = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        bytes.push(label.len().try_into().unwrap());
        bytes.extend(label.bytes());
    }
    bytes.extend(b"\0\0\x01\0\x01");
    bytes
}

/// Whether there is an answer: no error, and at least one record.
fn is_answered(socket: &UdpSocket) -> bool {
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap_or_default();
    length > 12 && answer[3] & 0xf == 0 && answer[6..8] != [0, 0]
}
