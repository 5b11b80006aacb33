//! The answering itself. Runs without any right in a process of its own: sockets are handed in, and none is opened.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cell_model::spec::MdnsSpec;
use cell_model::status::MdnsStatus;
use tokio::net::UdpSocket;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::link::Socket;
use crate::responder::{Outgoing, Responder, Target, Via};

/// The largest message, IP and UDP headers aside (RFC 6762 section 17).
const LARGEST: usize = 9_000;

/// A message that the wire does not take by then is lost, which is ordinary: nobody is to wait for it to stop.
const SENT_WITHIN: Duration = Duration::from_millis(100);

/// Answers until it is dropped or stopped.
pub struct MdnsServer {
    running: Mutex<Option<Running>>,
    status: watch::Sender<MdnsStatus>,
}

struct Running {
    orders: mpsc::Sender<Order>,
    task: tokio::task::JoinHandle<()>,
}

/// From now on, this; told when it is so.
struct Order {
    spec: MdnsSpec,
    sockets: Sockets,
    taken_over: oneshot::Sender<()>,
}

impl Default for MdnsServer {
    fn default() -> Self {
        Self::new()
    }
}

impl MdnsServer {
    /// A server that answers nobody until it is told otherwise.
    pub fn new() -> Self {
        Self {
            running: Mutex::default(),
            status: watch::Sender::new(MdnsStatus::Idle),
        }
    }

    /// Answers as the spec says, on exactly these sockets. Needs a tokio runtime.
    ///
    /// # Errors
    /// When a socket cannot be taken over; what was so before stays.
    pub async fn answer(&self, spec: MdnsSpec, sockets: Vec<Socket>) -> io::Result<()> {
        let sockets = Sockets::new(sockets)?;
        let mut running = self.running.lock().await;
        let (taken_over, done) = oneshot::channel();
        let order = Order {
            spec,
            sockets,
            taken_over,
        };
        let order = match &*running {
            Some(running) => running.orders.send(order).await.map_err(|error| error.0),
            None => Err(order),
        };
        if let Err(order) = order {
            let (orders, receiver) = mpsc::channel(1);
            let task = tokio::spawn(run(order, receiver, self.status.clone()));
            *running = Some(Running { orders, task });
        }
        done.await
            .map_err(|_| io::Error::other("it ended meanwhile"))
    }

    /// Takes back what was said and answers no more.
    pub async fn stop(&self) {
        if let Some(Running { orders, task }) = self.running.lock().await.take() {
            drop(orders);
            let _ = task.await;
        }
        self.status.send_replace(MdnsStatus::Idle);
    }

    /// How it is.
    pub fn status(&self) -> MdnsStatus {
        self.status.borrow().clone()
    }
}

/// Answers until nobody can give orders any more.
async fn run(first: Order, mut orders: mpsc::Receiver<Order>, status: watch::Sender<MdnsStatus>) {
    let seed = RandomState::new().build_hasher().finish();
    let mut responder = Responder::new(first.spec, seed, Instant::now());
    let mut sockets = first.sockets;
    report(&status, responder.status());
    let _ = first.taken_over.send(());
    let mut buffer = vec![0; LARGEST];
    loop {
        for message in responder.due(Instant::now()) {
            sockets.send(&message).await;
        }
        report(&status, responder.status());
        let wait = responder.deadline().map(tokio::time::Instant::from_std);
        tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else {
                    break;
                };
                // What is taken back is said where it was said.
                for message in responder.update(order.spec, Instant::now()) {
                    sockets.send(&message).await;
                }
                sockets = order.sockets;
                report(&status, responder.status());
                let _ = order.taken_over.send(());
            }
            (length, source) = sockets.receive(&mut buffer) => {
                responder.receive(&buffer[..length], source, Instant::now());
            }
            () = until(wait) => {}
        }
    }
    for message in responder.farewell() {
        sockets.send(&message).await;
    }
}

fn report(status: &watch::Sender<MdnsStatus>, now: MdnsStatus) {
    let changed = status.send_if_modified(|status| {
        let changed = *status != now;
        status.clone_from(&now);
        changed
    });
    match now {
        _ if !changed => {}
        MdnsStatus::Answering { label } => tracing::info!(name = label.local_name(), "found as"),
        MdnsStatus::Taken => tracing::warn!("other devices have the name and all its alternatives"),
        MdnsStatus::Probing | MdnsStatus::Idle => tracing::debug!("looks for a name that is free"),
    }
}

async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// One socket for each protocol there is.
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Sockets {
    fn new(sockets: Vec<Socket>) -> io::Result<Self> {
        let mut all = Self { v4: None, v6: None };
        for socket in sockets {
            socket.udp.set_nonblocking(true)?;
            *all.of_mut(socket.via) = Some(UdpSocket::from_std(socket.udp)?);
        }
        Ok(all)
    }

    fn of_mut(&mut self, via: Via) -> &mut Option<UdpSocket> {
        match via {
            Via::V4 => &mut self.v4,
            Via::V6 => &mut self.v6,
        }
    }

    async fn send(&self, message: &Outgoing) {
        let (via, address) = match message.to {
            Target::Group(via) => (via, via.group()),
            Target::One(address) => (Via::of(address.ip()), address),
        };
        let socket = match via {
            Via::V4 => &self.v4,
            Via::V6 => &self.v6,
        };
        let Some(socket) = socket else {
            return;
        };
        let sent = socket.send_to(&message.bytes, address);
        let sent = tokio::time::timeout(SENT_WITHIN, sent).await;
        if let Err(error) = sent.unwrap_or_else(|late| Err(late.into())) {
            // No route yet, or no address of this protocol: who asks again is answered then.
            tracing::debug!(%via, %error, "nothing was sent");
        }
    }

    async fn receive(&self, buffer: &mut [u8]) -> (usize, SocketAddr) {
        loop {
            let via = tokio::select! {
                () = readable(self.v4.as_ref()) => &self.v4,
                () = readable(self.v6.as_ref()) => &self.v6,
            };
            if let Some(socket) = via
                && let Ok(received) = socket.try_recv_from(buffer)
            {
                return received;
            }
        }
    }
}

async fn readable(socket: Option<&UdpSocket>) {
    match socket {
        // An error is reported, and taken off the socket, by the attempt to read.
        Some(socket) => drop(socket.readable().await),
        None => std::future::pending().await,
    }
}
