//! Numbers of the kernel's interface: include/uapi/linux/wireguard.h.

/// Name of the generic netlink family.
pub(crate) const FAMILY: &str = "wireguard";
/// Its version.
pub(super) const VERSION: u8 = 1;

/// Read a device (`WG_CMD_GET_DEVICE`).
pub(super) const GET_DEVICE: u8 = 0;
/// Change a device (`WG_CMD_SET_DEVICE`).
pub(super) const SET_DEVICE: u8 = 1;

/// Attributes of a device (`enum wgdevice_attribute`).
pub(super) mod device {
    pub(in super::super) const IFNAME: u16 = 2;
    pub(in super::super) const PRIVATE_KEY: u16 = 3;
    pub(in super::super) const PUBLIC_KEY: u16 = 4;
    pub(in super::super) const LISTEN_PORT: u16 = 6;
    pub(in super::super) const PEERS: u16 = 8;
}

/// Attributes of a peer (`enum wgpeer_attribute`).
pub(super) mod peer {
    pub(in super::super) const PUBLIC_KEY: u16 = 1;
    pub(in super::super) const PRESHARED_KEY: u16 = 2;
    pub(in super::super) const FLAGS: u16 = 3;
    pub(in super::super) const ENDPOINT: u16 = 4;
    pub(in super::super) const KEEPALIVE: u16 = 5;
    pub(in super::super) const LAST_HANDSHAKE: u16 = 6;
    pub(in super::super) const RX_BYTES: u16 = 7;
    pub(in super::super) const TX_BYTES: u16 = 8;
    pub(in super::super) const ALLOWEDIPS: u16 = 9;

    /// Forget the peer (`WGPEER_F_REMOVE_ME`).
    pub(in super::super) const REMOVE_ME: u32 = 1;
    /// Forget its networks before taking the new ones (`WGPEER_F_REPLACE_ALLOWEDIPS`).
    pub(in super::super) const REPLACE_ALLOWEDIPS: u32 = 2;
}

/// Attributes of an allowed network (`enum wgallowedip_attribute`).
pub(super) mod allowed {
    pub(in super::super) const FAMILY: u16 = 1;
    pub(in super::super) const ADDRESS: u16 = 2;
    pub(in super::super) const PREFIX: u16 = 3;
}

/// `AF_INET`, as the kernel numbers address families on Linux.
pub(super) const AF_INET: u16 = 2;
/// `AF_INET6`.
pub(super) const AF_INET6: u16 = 10;
