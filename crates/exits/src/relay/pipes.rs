//! Pipes that bytes are moved through from one socket to the other, without being copied to this process.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::pipe::{PipeFlags, pipe_with};

/// Empty pipes that are kept for the next who needs one: making one takes longer than moving what fits into it.
const KEPT: usize = 64;

/// A pipe that may have bytes in it.
pub(super) struct Pipe {
    pub(super) exit: OwnedFd,
    pub(super) entrance: OwnedFd,
}

/// Empty pipes. A flow has one only while bytes of it are on the way, so that one that rests takes up two sockets alone.
#[derive(Default)]
pub(super) struct Pipes(Mutex<Vec<Pipe>>);

impl Pipes {
    pub(super) fn take(&self) -> io::Result<Pipe> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(pipe) = kept {
            return Ok(pipe);
        }
        let (exit, entrance) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Pipe { exit, entrance })
    }

    /// Takes back a pipe that is empty. One with bytes of a flow in it must be dropped.
    pub(super) fn give(&self, pipe: Pipe) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(pipe);
        }
    }
}
