//! One request and its answer: the socket, sequence, acknowledgements, listings in many parts.

use neli::consts::nl::{NlmF, Nlmsg, NlmsgerrAttr};
use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;
use neli::err::SocketError;
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::socket::asynchronous::NlSocketHandle;
use neli::utils::Groups;
use neli::{FromBytesWithInput, Size, ToBytes};
use rustix::io::Errno;

use crate::NetlinkError;

/// How often a listing that changed under way is read again before giving up.
const LISTING_ATTEMPTS: usize = 5;

/// What a message of rtnetlink can do.
pub(crate) trait Message:
    Size + ToBytes + FromBytesWithInput<Input = usize> + Clone
{
}
impl<P: Size + ToBytes + FromBytesWithInput<Input = usize> + Clone> Message for P {}

/// A socket for one request.
struct Exchange<'a> {
    socket: NlSocketHandle,
    attempt: &'a str,
}

/// Asks for a change and waits for its acknowledgement.
pub(crate) async fn change<P: Message>(
    attempt: &str,
    kind: Rtm,
    flags: NlmF,
    message: P,
) -> Result<(), NetlinkError> {
    let exchange = Exchange::open(attempt)?;
    exchange.send(kind, flags | NlmF::ACK, message).await?;
    exchange.receive::<P>(|_| ()).await.map(drop)
}

/// Asks for the one object the message describes.
pub(crate) async fn get<P: Message>(
    attempt: &str,
    kind: Rtm,
    message: P,
) -> Result<Option<P>, NetlinkError> {
    let exchange = Exchange::open(attempt)?;
    exchange.send(kind, NlmF::ACK, message).await?;
    let mut found = None;
    exchange.receive(|part| found = Some(part)).await?;
    Ok(found)
}

/// Asks for all objects the message describes.
pub(crate) async fn list<P: Message>(
    attempt: &str,
    kind: Rtm,
    message: P,
) -> Result<Vec<P>, NetlinkError> {
    for _ in 0..LISTING_ATTEMPTS {
        let exchange = Exchange::open(attempt)?;
        exchange.send(kind, NlmF::DUMP, message.clone()).await?;
        let mut parts = Vec::new();
        let steadiness = exchange.receive(|part| parts.push(part)).await?;
        if steadiness == Steadiness::Steady {
            return Ok(parts);
        }
    }
    Err(NetlinkError::Unsteady {
        attempt: attempt.to_owned(),
    })
}

/// Whether a listing is one picture, or changed while it was read (`NLM_F_DUMP_INTR`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steadiness {
    Steady,
    Changed,
}

impl<'a> Exchange<'a> {
    /// Each socket carries one request, so any number will do.
    const SEQUENCE: u32 = 1;

    fn open(attempt: &'a str) -> Result<Self, NetlinkError> {
        let open = || -> Result<NlSocketHandle, SocketError> {
            let socket = NlSocketHandle::connect(NlFamily::Route, None, Groups::empty())?;
            socket.enable_ext_ack(true)?;
            // Without it the kernel ignores the filters of a listing.
            socket.enable_strict_checking(true)?;
            Ok(socket)
        };
        let socket = open().map_err(|source| NetlinkError::Open {
            attempt: attempt.to_owned(),
            source,
        })?;
        Ok(Self { socket, attempt })
    }

    async fn send<P: Message>(
        &self,
        kind: Rtm,
        flags: NlmF,
        message: P,
    ) -> Result<(), NetlinkError> {
        let request = NlmsghdrBuilder::default()
            .nl_type(kind)
            .nl_flags(flags | NlmF::REQUEST)
            .nl_seq(Self::SEQUENCE)
            .nl_payload(NlPayload::Payload(message))
            .build()
            .expect("every required field is set");
        self.socket
            .send(&request)
            .await
            .map_err(|source| NetlinkError::Send {
                attempt: self.attempt.to_owned(),
                source,
            })
    }

    /// Reads until the acknowledgement, the end of the listing or a refusal.
    async fn receive<P: Message>(
        &self,
        mut each: impl FnMut(P),
    ) -> Result<Steadiness, NetlinkError> {
        let unreadable = |source| NetlinkError::Receive {
            attempt: self.attempt.to_owned(),
            source,
        };
        let mut steadiness = Steadiness::Steady;
        loop {
            let (answers, _) = self.socket.recv::<Rtm, P>().await.map_err(unreadable)?;
            for answer in answers {
                let answer = answer.map_err(unreadable)?;
                if answer.nl_flags().contains(NlmF::DUMP_INTR) {
                    steadiness = Steadiness::Changed;
                }
                match self.read(answer)? {
                    Answer::Part(part) => each(part),
                    Answer::End => return Ok(steadiness),
                    Answer::Nothing => {}
                }
            }
        }
    }

    fn read<P: Message>(&self, answer: Nlmsghdr<Rtm, P>) -> Result<Answer<P>, NetlinkError> {
        let is_last = u16::from(*answer.nl_type()) == u16::from(Nlmsg::Done);
        // The payload can only be borrowed from the header, hence the clone of a part.
        match answer.nl_payload() {
            NlPayload::Payload(part) => Ok(Answer::Part(part.clone())),
            NlPayload::Ack(_) => Ok(Answer::End),
            NlPayload::Err(refusal) => {
                let words = refusal
                    .ext_ack()
                    .get_attr_handle()
                    .get_attr_payload_as_with_len::<String>(NlmsgerrAttr::Msg);
                Err(self.refused(*refusal.error(), words.ok()))
            }
            NlPayload::DumpExtAck(end) if *end.error() < 0 => Err(self.refused(*end.error(), None)),
            NlPayload::DumpExtAck(_) => Ok(Answer::End),
            NlPayload::Empty if is_last => Ok(Answer::End),
            NlPayload::Empty => Ok(Answer::Nothing),
        }
    }

    fn refused(&self, code: i32, detail: Option<String>) -> NetlinkError {
        NetlinkError::Refused {
            attempt: self.attempt.to_owned(),
            detail,
            errno: Errno::from_raw_os_error(code.saturating_neg()),
        }
    }
}

/// One message of an answer.
enum Answer<P> {
    Part(P),
    End,
    Nothing,
}
