use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use cell_model::name::InterfaceName;
use cell_netlink::NetlinkError;

use crate::Change;

/// Why the network could not be read or made as asked.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Links, addresses or routes could not be listed.
    #[error("cannot read the state of the network")]
    Observe {
        /// The kernel's reason.
        source: NetlinkError,
    },
    /// The list of name servers is there, but could not be read.
    #[error("cannot read name servers from {path}")]
    Resolvers {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A setting of the kernel could not be read.
    #[error("cannot read {path}")]
    ReadSetting {
        /// Its file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A setting of the kernel could not be written.
    #[error("cannot write {path}")]
    WriteSetting {
        /// Its file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A change of links, addresses or routes did not come about.
    #[error("cannot {change}")]
    Change {
        /// The change.
        change: Box<Change>,
        /// The kernel's reason.
        source: NetlinkError,
    },
    /// The spec names interfaces the box does not have.
    #[error("interface {} does not exist", join(.0))]
    Missing(BTreeSet<InterfaceName>),
    /// Changes cannot be listened for.
    #[error("cannot watch the network")]
    Watch {
        /// The kernel's reason.
        source: NetlinkError,
    },
}

fn join(names: &BTreeSet<InterfaceName>) -> String {
    let names: Vec<&str> = names.iter().map(InterfaceName::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_interfaces_are_named() {
        let names = ["eth7", "eth8"].map(|text| text.parse().unwrap());
        assert_eq!(
            NetworkError::Missing(names.into()).to_string(),
            "interface eth7, eth8 does not exist"
        );
    }
}
