//! WireGuard in the kernel, spoken to over generic netlink (uapi/linux/wireguard.h).

use cell_model::status::WireGuardBackend;
use neli::consts::socket::NlFamily;
use neli::router::synchronous::NlRouter;
use neli::utils::Groups;

/// The kernel's module could not be told or asked.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {}

/// Who can carry the packets on this system. The kernel loads its module when asked for it.
pub fn probe() -> WireGuardBackend {
    let known = NlRouter::connect(NlFamily::Generic, None, Groups::empty())
        .is_ok_and(|(router, _)| router.resolve_genl_family("wireguard").is_ok());
    if known {
        WireGuardBackend::Kernel
    } else {
        WireGuardBackend::Userspace
    }
}
