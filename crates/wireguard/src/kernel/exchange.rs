//! Requests to the kernel's module and their answers.

use cell_model::name::InterfaceName;
use neli::consts::nl::{NlmF, Nlmsg};
use neli::consts::socket::NlFamily;
use neli::err::{RouterError, SocketError};
use neli::genl::{Genlmsghdr, GenlmsghdrBuilder};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::router::synchronous::NlRouter;
use neli::socket::asynchronous::NlSocketHandle;
use neli::types::{Buffer, GenlBuffer};
use neli::utils::Groups;
use rustix::io::Errno;

use super::device::Device;
use super::patch::attribute;
use super::uapi::{FAMILY, GET_DEVICE, SET_DEVICE, VERSION, device};

/// How often a dump that changed under way is read again before giving up.
const DUMP_ATTEMPTS: usize = 5;

/// Each socket carries one request, so any number will do.
const SEQUENCE: u32 = 1;

/// The kernel's module could not be told or asked.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The module is not there.
    #[error("the kernel has no WireGuard")]
    NoModule,
    /// No socket was to be had.
    #[error("cannot open a netlink socket")]
    Open(#[source] SocketError),
    /// The request did not get out.
    #[error("cannot {attempt}: the request was not sent")]
    Send {
        /// What was tried.
        attempt: &'static str,
        /// Why not.
        source: SocketError,
    },
    /// The answer did not come in, or could not be read.
    #[error("cannot {attempt}: no legible answer")]
    Receive {
        /// What was tried.
        attempt: &'static str,
        /// Why not.
        source: SocketError,
    },
    /// The kernel said no.
    #[error("the kernel refused to {attempt}")]
    Refused {
        /// What was tried.
        attempt: &'static str,
        /// The kernel's code.
        #[source]
        errno: Errno,
    },
    /// The peers changed each time they were read.
    #[error("the peers kept changing while they were read")]
    Unsteady,
}

/// The number the kernel gave the family. Asking for it makes the kernel load the module.
pub(super) fn family() -> Result<u16, KernelError> {
    let (router, _) = NlRouter::connect(NlFamily::Generic, None, Groups::empty())
        .map_err(|_| KernelError::NoModule)?;
    router
        .resolve_genl_family(FAMILY)
        .map_err(|_: RouterError<_, _>| KernelError::NoModule)
}

/// Changes a device.
pub(super) async fn set(
    family: u16,
    attributes: GenlBuffer<u16, Buffer>,
) -> Result<(), KernelError> {
    let attempt = "change the WireGuard interface";
    let socket = ask(attempt, family, NlmF::ACK, SET_DEVICE, attributes).await?;
    answers(attempt, &socket, |_| ()).await.map(drop)
}

/// Reads a device; `None` when there is no interface of this name.
pub(super) async fn get(
    family: u16,
    interface: &InterfaceName,
) -> Result<Option<Device>, KernelError> {
    let attempt = "read the WireGuard interface";
    for _ in 0..DUMP_ATTEMPTS {
        let name = [attribute(device::IFNAME, interface.as_str())];
        let name = name.into_iter().collect();
        let mut device = Device::default();
        let asked = ask(attempt, family, NlmF::DUMP, GET_DEVICE, name).await;
        let read = match asked {
            Ok(socket) => answers(attempt, &socket, |part| device.read(part.attrs())).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(Picture::Whole) => return Ok(Some(device)),
            Ok(Picture::Torn) => {}
            Err(KernelError::Refused {
                errno: Errno::NODEV,
                ..
            }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Err(KernelError::Unsteady)
}

async fn ask(
    attempt: &'static str,
    family: u16,
    flags: NlmF,
    command: u8,
    attributes: GenlBuffer<u16, Buffer>,
) -> Result<NlSocketHandle, KernelError> {
    let socket = NlSocketHandle::connect(NlFamily::Generic, None, Groups::empty())
        .map_err(KernelError::Open)?;
    let message = GenlmsghdrBuilder::default()
        .cmd(command)
        .version(VERSION)
        .attrs(attributes)
        .build()
        .expect("every required field is set");
    let request = NlmsghdrBuilder::default()
        .nl_type(family)
        .nl_flags(flags | NlmF::REQUEST)
        .nl_seq(SEQUENCE)
        .nl_payload(NlPayload::Payload(message))
        .build()
        .expect("every required field is set");
    socket
        .send(&request)
        .await
        .map_err(|source| KernelError::Send { attempt, source })?;
    Ok(socket)
}

/// Whether a dump is one picture, or changed while it was read (`NLM_F_DUMP_INTR`).
enum Picture {
    Whole,
    Torn,
}

/// Reads until the acknowledgement, the end of the dump or a refusal.
async fn answers(
    attempt: &'static str,
    socket: &NlSocketHandle,
    mut each: impl FnMut(&Genlmsghdr<u8, u16>),
) -> Result<Picture, KernelError> {
    let refused = |code: i32| KernelError::Refused {
        attempt,
        errno: Errno::from_raw_os_error(code.saturating_neg()),
    };
    let illegible = |source| KernelError::Receive { attempt, source };
    let mut picture = Picture::Whole;
    loop {
        let received = socket.recv::<u16, Genlmsghdr<u8, u16>>().await;
        let (messages, _) = received.map_err(illegible)?;
        for message in messages {
            let message = message.map_err(illegible)?;
            if message.nl_flags().contains(NlmF::DUMP_INTR) {
                picture = Picture::Torn;
            }
            match message.nl_payload() {
                NlPayload::Payload(part) => each(part),
                NlPayload::Err(refusal) => return Err(refused(*refusal.error())),
                NlPayload::DumpExtAck(end) if *end.error() < 0 => {
                    return Err(refused(*end.error()));
                }
                NlPayload::Ack(_) | NlPayload::DumpExtAck(_) => return Ok(picture),
                NlPayload::Empty if *message.nl_type() == u16::from(Nlmsg::Done) => {
                    return Ok(picture);
                }
                NlPayload::Empty => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The family that knows the families: every kernel has it, and it answers by the same rules.
    const CONTROLLER: u16 = 0x10;
    const GET_FAMILY: u8 = 3;
    const FAMILY_NAME: u16 = 2;

    async fn families(name: Option<&str>, flags: NlmF) -> Result<Vec<String>, KernelError> {
        let attempt = "list families";
        let name = name.map(|name| attribute(FAMILY_NAME, name));
        let attributes = name.into_iter().collect();
        let socket = ask(attempt, CONTROLLER, flags, GET_FAMILY, attributes).await?;
        let mut names = Vec::new();
        answers(attempt, &socket, |part| {
            let handle = part.attrs().get_attr_handle();
            names.extend(handle.get_attr_payload_as_with_len::<String>(FAMILY_NAME));
        })
        .await?;
        Ok(names)
    }

    #[tokio::test]
    async fn answer_ends_with_its_acknowledgement() {
        let found = families(Some("nlctrl"), NlmF::ACK).await.unwrap();
        assert_eq!(found, ["nlctrl"]);
    }

    #[tokio::test]
    async fn dump_ends_by_itself() {
        let found = families(None, NlmF::DUMP).await.unwrap();
        assert!(found.iter().any(|name| name == "nlctrl"), "{found:?}");
    }

    #[tokio::test]
    async fn refusal_carries_the_code_of_the_kernel() {
        let refusal = families(Some("no-such-family"), NlmF::ACK).await;
        assert!(matches!(
            refusal,
            Err(KernelError::Refused {
                errno: Errno::NOENT,
                ..
            })
        ));
    }
}
