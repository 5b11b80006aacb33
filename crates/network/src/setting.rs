//! Settings of the kernel under `/proc/sys/net`. Reading and writing them takes no longer than a system call, so it is
//! done in place.

use std::fs;
use std::io;
use std::path::PathBuf;

use cell_model::name::InterfaceName;

use crate::NetworkError;

/// A setting of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting<'a> {
    /// `net.ipv4.ip_forward`
    ForwardIpv4,
    /// `net.ipv6.conf.all.forwarding`
    ForwardIpv6,
    /// `net.ipv6.conf.<interface>.accept_ra`
    Advertisements(&'a InterfaceName),
    /// `net.ipv4.conf.<interface>.promote_secondaries`
    PromoteAddresses(&'a InterfaceName),
}

impl Setting<'_> {
    fn path(self) -> PathBuf {
        let below = match self {
            Self::ForwardIpv4 => "ipv4/ip_forward".to_owned(),
            Self::ForwardIpv6 => "ipv6/conf/all/forwarding".to_owned(),
            Self::Advertisements(interface) => format!("ipv6/conf/{interface}/accept_ra"),
            Self::PromoteAddresses(interface) => {
                format!("ipv4/conf/{interface}/promote_secondaries")
            }
        };
        PathBuf::from("/proc/sys/net").join(below)
    }

    /// Its value; none when the kernel or the interface does not have it.
    pub(crate) fn read(self) -> Result<Option<String>, NetworkError> {
        let path = self.path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(NetworkError::ReadSetting { path, source }),
        }
    }

    /// Writes it when it has another value: a write of forwarding resets other settings, even when nothing changes.
    pub(crate) fn write(self, value: &str) -> Result<(), NetworkError> {
        if self.read()?.as_deref() == Some(value) {
            return Ok(());
        }
        let path = self.path();
        fs::write(&path, value).map_err(|source| NetworkError::WriteSetting { path, source })
    }
}
