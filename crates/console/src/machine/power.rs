//! Restarting and switching off.

use std::process::{Command, Stdio};

use crate::refusal::Refusal;

/// Off and on.
pub trait Power: Send {
    /// Boots anew. Answers at once; init ends everything.
    ///
    /// # Errors
    /// When init cannot be told.
    fn restart(&mut self) -> Result<(), Refusal>;

    /// Switches off.
    ///
    /// # Errors
    /// As [`Self::restart`].
    fn power_off(&mut self) -> Result<(), Refusal>;
}

/// The system's own programs, which tell init: it ends services in order and unmounts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Programs;

impl Power for Programs {
    fn restart(&mut self) -> Result<(), Refusal> {
        tell_init("reboot")
    }

    fn power_off(&mut self) -> Result<(), Refusal> {
        tell_init("poweroff")
    }
}

fn tell_init(program: &str) -> Result<(), Refusal> {
    let status = Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let what = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("{program} ended with {status}."),
        Err(error) => format!("{program} cannot be started: {error}."),
    };
    Err(Refusal::new(
        what,
        "Take the power away for a few seconds; nothing that was acknowledged is lost.",
    ))
}
