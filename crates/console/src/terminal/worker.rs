//! A thread that does what takes time, so that the terminal is always listened to.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::effect::{Effect, Reply};
use crate::perform::Performer;

/// The thread, seen from the terminal. It ends with the process.
pub(super) struct Worker {
    orders: Sender<Effect>,
    replies: Receiver<Reply>,
    bell: UnixStream,
}

impl Worker {
    pub(super) fn start(mut performer: Performer) -> io::Result<Self> {
        let (orders, queue) = channel::<Effect>();
        let (sender, replies) = channel();
        let (bell, mut ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        thread::Builder::new()
            .name("performer".to_owned())
            .spawn(move || {
                for effect in queue {
                    let seen = effect.is_seen();
                    let reply = performer.perform(effect);
                    // The page that comes next shows what has just been changed.
                    let look = seen.then(|| performer.perform(Effect::Look));
                    let sent = look
                        .into_iter()
                        .chain([reply])
                        .try_for_each(|reply| sender.send(reply));
                    if sent.is_err() || ring.write_all(&[1]).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            orders,
            replies,
            bell,
        })
    }

    /// Gives an order; they are carried out one after the other. `false`: the thread is gone.
    pub(super) fn order(&self, effect: Effect) -> bool {
        self.orders.send(effect).is_ok()
    }

    /// What has come back.
    pub(super) fn replies(&mut self) -> Vec<Reply> {
        let mut bytes = [0; 64];
        while matches!(self.bell.read(&mut bytes), Ok(length) if length > 0) {}
        self.replies.try_iter().collect()
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
