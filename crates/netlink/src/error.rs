use std::io;

use cell_model::name::InterfaceName;
use neli::err::SocketError;
use rustix::io::Errno;

/// Why the kernel could not be asked, or what it refused.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket was to be had.
    #[error("cannot open a netlink socket to {attempt}")]
    Open {
        /// What it was for.
        attempt: String,
        /// The system's reason.
        source: SocketError,
    },
    /// The request did not get out.
    #[error("cannot ask the kernel to {attempt}")]
    Send {
        /// What was asked.
        attempt: String,
        /// The system's reason.
        source: SocketError,
    },
    /// The answer did not come in, or could not be read.
    #[error("cannot read the kernel's answer to: {attempt}")]
    Receive {
        /// What was asked.
        attempt: String,
        /// What was wrong with it.
        source: SocketError,
    },
    /// The kernel said no.
    #[error("the kernel refused to {attempt}{}", detail.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// What was asked.
        attempt: String,
        /// The kernel's words (extended acknowledgement), where it has some.
        detail: Option<String>,
        /// The kernel's code.
        #[source]
        errno: Errno,
    },
    /// The listing changed while it was read, several times in a row.
    #[error("the kernel's answer kept changing while reading it: {attempt}")]
    Unsteady {
        /// What was asked.
        attempt: String,
    },
    /// There is no interface of that name.
    #[error("interface {0} does not exist")]
    NoInterface(InterfaceName),
    /// The name is taken by an interface of another kind.
    #[error("interface {name} exists, but is of kind {found:?} and not {wanted}")]
    OtherKind {
        /// The interface.
        name: InterfaceName,
        /// The kind asked for.
        wanted: String,
        /// Its kind; none for hardware.
        found: Option<String>,
    },
}

impl NetlinkError {
    /// The kernel's code, when it refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// Whether the kernel lacks the feature: a kind of link it was not built with.
    pub fn is_unsupported(&self) -> bool {
        self.errno() == Some(Errno::OPNOTSUPP)
    }
}

/// Takes a refusal that leaves things as they were asked to be for a success.
pub(crate) fn settled(
    result: Result<(), NetlinkError>,
    harmless: &[Errno],
) -> Result<(), NetlinkError> {
    match result {
        Err(error) if error.errno().is_some_and(|errno| harmless.contains(&errno)) => Ok(()),
        other => other,
    }
}

/// The system's error inside a socket error, if it is one.
pub(crate) fn system_error(error: &SocketError) -> Option<&io::Error> {
    match error {
        SocketError::Io(source) => Some(source),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: Errno) -> Result<(), NetlinkError> {
        Err(NetlinkError::Refused {
            attempt: "add address 10.0.0.1/24 to eth0".to_owned(),
            detail: Some("bad prefix".to_owned()),
            errno,
        })
    }

    #[test]
    fn refusal_names_the_attempt_and_the_kernels_words() {
        assert_eq!(
            refused(Errno::INVAL).unwrap_err().to_string(),
            "the kernel refused to add address 10.0.0.1/24 to eth0 (bad prefix)"
        );
    }

    #[test]
    fn only_the_listed_refusals_are_harmless() {
        assert!(settled(refused(Errno::EXIST), &[Errno::EXIST]).is_ok());
        let error = settled(refused(Errno::PERM), &[Errno::EXIST]).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::PERM));
        assert!(settled(Ok(()), &[]).is_ok());
    }
}
