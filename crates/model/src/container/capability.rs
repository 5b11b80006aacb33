//! Powers of the kernel that a container may be given (capabilities(7)).

use std::fmt;
use std::str::FromStr;

/// What a service may ask for. Whatever is not here is not given to any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Give files to others.
    Chown,
    /// Pass over the permissions of files.
    DacOverride,
    /// Send signals to processes of others.
    Kill,
    /// Change addresses, routes and rules of its own network namespace.
    NetAdmin,
    /// Listen below port 1024.
    NetBindService,
    /// Send packets of its own making.
    NetRaw,
    /// Become another group.
    Setgid,
    /// Become another user.
    Setuid,
    /// Raise its own priority.
    SysNice,
}

/// Why a text is no capability that a service gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// The kernel knows it; it reaches beyond the container.
    #[error("is refused: it gives power over the machine, not over the service")]
    Refused,
    /// Nobody knows it.
    #[error("is not a capability that services get, such as NET_BIND_SERVICE")]
    Unknown,
}

impl Capability {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Chown,
        Self::DacOverride,
        Self::Kill,
        Self::NetAdmin,
        Self::NetBindService,
        Self::NetRaw,
        Self::Setgid,
        Self::Setuid,
        Self::SysNice,
    ];

    /// As manifests and podman have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chown => "CHOWN",
            Self::DacOverride => "DAC_OVERRIDE",
            Self::Kill => "KILL",
            Self::NetAdmin => "NET_ADMIN",
            Self::NetBindService => "NET_BIND_SERVICE",
            Self::NetRaw => "NET_RAW",
            Self::Setgid => "SETGID",
            Self::Setuid => "SETUID",
            Self::SysNice => "SYS_NICE",
        }
    }
}

/// All others of Linux 6.12 (`include/uapi/linux/capability.h`), and the word for all of them.
const REFUSED: [&str; 33] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_BROADCAST",
    "PERFMON",
    "SETFCAP",
    "SETPCAP",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let found = Self::ALL.into_iter().find(|known| known.name() == text);
        found.ok_or_else(|| {
            // Written as the kernel or as another case has it, it is the same power.
            let upper = text.to_ascii_uppercase();
            let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
            match REFUSED.contains(&name) {
                true => CapabilityError::Refused,
                false => CapabilityError::Unknown,
            }
        })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_read_as_it_is_written() {
        for capability in Capability::ALL {
            assert_eq!(capability.name().parse(), Ok(capability));
            assert!(!REFUSED.contains(&capability.name()), "{capability}");
        }
        // CAP_LAST_CAP of Linux 6.12 is 40; "ALL" is none.
        assert_eq!(Capability::ALL.len() + REFUSED.len() - 1, 41);
    }

    #[test]
    fn power_over_the_machine_is_told_from_a_wrong_word() {
        for text in ["ALL", "SYS_ADMIN", "CAP_SYS_MODULE", "sys_ptrace", "all"] {
            let refused = text.parse::<Capability>();
            assert_eq!(refused, Err(CapabilityError::Refused), "{text}");
        }
        for text in ["", "CHOWN ", "chown", "CAP_CHOWN", "EVERYTHING"] {
            let unknown = text.parse::<Capability>();
            assert_eq!(unknown, Err(CapabilityError::Unknown), "{text}");
        }
    }
}
