//! What the console does to the cell itself: through the daemon where it runs, on the store where it does not.

mod daemon;
mod offline;

use std::path::Path;

use cell_model::config::AddressingConfig;
use cell_model::name::Username;
use cell_model::secret::Secret;

pub use daemon::{DaemonCell, Seen};
pub use offline::OfflineCell;

use crate::effect::Side;
use crate::refusal::Refusal;
use crate::situation::Stored;

/// The cell, as far as the console changes it. Every call is a few seconds at most.
pub trait Cell {
    /// What is stored.
    ///
    /// # Errors
    /// When it cannot be read. As for all of these: what was refused changed nothing.
    fn stored(&mut self) -> Result<Stored, Refusal>;

    /// Gives an account another password, to be replaced at its next sign-in, and ends its sessions and app
    /// passwords.
    ///
    /// # Errors
    /// When the password breaks the rules or nothing could be written.
    fn set_password(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal>;

    /// Makes an owner.
    ///
    /// # Errors
    /// As [`Self::set_password`], and when the name is taken.
    fn add_owner(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal>;

    /// Sets the addresses of a side.
    ///
    /// # Errors
    /// When they cannot work.
    fn set_addressing(
        &mut self,
        side: Side,
        addressing: AddressingConfig,
    ) -> Result<Applied, Refusal>;

    /// Keeps the risky change that waits.
    ///
    /// # Errors
    /// When none waits.
    fn keep(&mut self) -> Result<(), Refusal>;

    /// Takes the risky change back.
    ///
    /// # Errors
    /// When none waits.
    fn take_back(&mut self) -> Result<(), Refusal>;

    /// Has the version on a USB stick written beside the running one, and answers which it is.
    ///
    /// # Errors
    /// When there is none for this box, or nobody runs who could do it.
    fn install_from_stick(&mut self) -> Result<String, Refusal>;

    /// Whether this is an owner and their password. Tries are counted.
    ///
    /// # Errors
    /// When it is not, or was tried too often.
    fn check_owner(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal>;

    /// Whether this is the setup code. Tries are counted where the daemon runs.
    ///
    /// # Errors
    /// When it is not.
    fn check_setup_code(&mut self, code: Secret<String>) -> Result<(), Refusal>;

    /// Lines of the daemon's log, oldest first; none without it.
    fn logs(&mut self) -> Vec<String>;
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is in force.
    Now,
    /// It is in force and returns by itself in so many seconds unless kept.
    Waits(u32),
    /// It is stored and will be in force when the daemon starts.
    AtStart {
        /// A change that waited for a confirmation counts as confirmed now.
        settled: bool,
    },
}

/// The daemon where it listens, the store where nobody does.
///
/// # Errors
/// When the store cannot be opened, or there is none.
pub fn reach(runtime_dir: &Path, state_dir: &Path) -> Result<Box<dyn Cell>, Refusal> {
    match DaemonCell::reach(&runtime_dir.join("control.sock"))? {
        Some(daemon) => Ok(Box::new(daemon)),
        None => Ok(Box::new(OfflineCell::open(
            state_dir,
            &runtime_dir.join("setup-code"),
        )?)),
    }
}
