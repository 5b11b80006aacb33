//! Signals as bytes on sockets, so that one `poll` waits for everything.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::pipe;

/// One kind of signal that came.
#[derive(Debug)]
pub(super) struct Bell(UnixStream);

impl Bell {
    fn of(signals: &[i32]) -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        for signal in signals {
            pipe::register(*signal, writer.try_clone()?)?;
        }
        Ok(Self(reader))
    }

    /// Whether it rang since it was last asked.
    pub(super) fn rang(&mut self) -> bool {
        let mut rang = false;
        let mut bytes = [0; 64];
        while matches!(self.0.read(&mut bytes), Ok(length) if length > 0) {
            rang = true;
        }
        rang
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the console listens for.
#[derive(Debug)]
pub(super) struct Signals {
    /// Ctrl-C and its like: to the main menu. Stopping would leave the person without a menu.
    pub(super) interrupt: Bell,
    /// The terminal or the system goes.
    pub(super) end: Bell,
    /// The terminal has another size.
    pub(super) resize: Bell,
}

impl Signals {
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: Bell::of(&[SIGINT, SIGQUIT, SIGTSTP])?,
            end: Bell::of(&[SIGHUP, SIGTERM])?,
            resize: Bell::of(&[SIGWINCH])?,
        })
    }
}
