//! Why the VPN interface is not as asked.

use cell_model::name::InterfaceName;
use cell_netlink::NetlinkError;

use crate::kernel::KernelError;
use crate::userspace::UserspaceError;
use crate::verify::Mismatch;

/// A step could not be carried out, or the interface could not be seen.
#[derive(Debug, thiserror::Error)]
pub enum WireGuardError {
    /// The step is for another interface than this one.
    #[error("asked to change {asked}, but this is {this}")]
    OtherInterface {
        /// Whose name is in the step.
        asked: InterfaceName,
        /// What this is responsible for.
        this: InterfaceName,
    },
    /// The interface itself could not be seen or changed.
    #[error(transparent)]
    Interface(#[from] NetlinkError),
    /// The kernel's module refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The userspace data plane could not be set up or told.
    #[error(transparent)]
    Userspace(#[from] UserspaceError),
    /// What was read back is not what was applied.
    #[error("the VPN interface is not as asked")]
    Mismatch(#[from] Mismatch),
    /// It is about one of several interfaces.
    #[error("{interface}")]
    Tunnel {
        /// Which.
        interface: InterfaceName,
        /// What.
        source: Box<Self>,
    },
    /// A fake was told to fail.
    #[error("failed on request")]
    Fake,
}

impl WireGuardError {
    /// The same, of one of several interfaces.
    pub(crate) fn of(self, interface: &InterfaceName) -> Self {
        Self::Tunnel {
            interface: interface.clone(),
            source: Box::new(self),
        }
    }
}
