//! The VPN interface, in the kernel or in userspace, and tunnels of providers that lead out.
//!
//! Promises: one trait, [`WireGuard`], whichever carries the packets, and one for all tunnels, [`Tunnels`]; a step is applied by difference, so sessions of
//! peers a step does not name go on; what was applied can be read back.
//! A peer may only send from its allowed addresses.
//!
//! Must never: choose addresses, keys or peers (they come in the spec), write a key into a log or an error,
//! or run the userspace data plane with rights of its own: [`userspace::run`] needs two descriptors and nothing else.
//!
//! Start reading at [`WireGuard`], then [`userspace::Engine`] or [`kernel::Kernel`].

mod addresses;
pub mod client;
pub mod error;
pub mod fake;
pub mod kernel;
pub mod provider;
mod tunnels;
pub mod userspace;
mod verify;

use async_trait::async_trait;
use cell_model::status::{WireGuardBackend, WireGuardStatus};
use cell_model::step::WireGuardStep;

pub use error::WireGuardError;
pub use kernel::probe;
pub use tunnels::{SystemTunnels, Tunnels};
pub use verify::Mismatch;

/// Directives a log filter must hold in any process that runs the userspace data plane: boringtun writes a line without a
/// name for every handshake that is not answered, every five seconds for each cell that is away.
pub const LOG_FILTER: &str = "boringtun::noise::timers=off";

/// One VPN interface.
#[async_trait]
pub trait WireGuard: Send + Sync {
    /// Who carries the packets.
    fn backend(&self) -> WireGuardBackend;

    /// The interface as it is now; `None` when it does not exist.
    async fn observe(&self) -> Result<Option<WireGuardStatus>, WireGuardError>;

    /// Carries one step out. Applying the same step twice changes nothing the second time.
    async fn apply(&self, step: &WireGuardStep) -> Result<(), WireGuardError>;

    /// Reads back what the step named and compares; fails with [`WireGuardError::Mismatch`].
    async fn verify(&self, step: &WireGuardStep) -> Result<(), WireGuardError>;
}
