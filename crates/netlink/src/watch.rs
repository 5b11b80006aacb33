use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;
use neli::err::SocketError;
use neli::socket::asynchronous::NlSocketHandle;
use neli::types::Buffer;
use neli::utils::Groups;
use rustix::io::Errno;

use crate::error::system_error;
use crate::{Netlink, NetlinkError};

/// Multicast groups of links, addresses and routes (`RTNLGRP_*`, include/uapi/linux/rtnetlink.h): LINK, IPV4_IFADDR,
/// IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE.
const GROUPS: [u32; 5] = [1, 5, 7, 9, 11];

/// How many datagrams are folded into one [`Change`]: under a flood the reader still hears of it.
const DATAGRAMS_PER_CHANGE: usize = 64;

/// What changed since the last call; no details, they may be stale when read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Interfaces.
    pub links: bool,
    /// Addresses.
    pub addresses: bool,
    /// Routes.
    pub routes: bool,
    /// The reader was too slow and the kernel threw messages away: anything may have changed.
    pub lost: bool,
}

/// Changes of links, addresses and routes, from the moment of [`Netlink::watch`] on.
///
/// The kernel's socket buffer is the queue: it is bounded, and when it overflows the next change says so.
pub struct Watch {
    socket: NlSocketHandle,
}

impl Netlink {
    /// Starts to listen for changes.
    pub fn watch(&self) -> Result<Watch, NetlinkError> {
        let groups = Groups::new_groups(&GROUPS);
        let socket = NlSocketHandle::connect(NlFamily::Route, None, groups).map_err(|source| {
            NetlinkError::Open {
                attempt: "watch for changes".to_owned(),
                source,
            }
        })?;
        Ok(Watch { socket })
    }
}

impl Watch {
    /// Waits for a change, and takes those that are already there with it. May be cancelled.
    pub async fn next(&mut self) -> Result<Change, NetlinkError> {
        let mut change = Change::default();
        while change == Change::default() {
            change.merge(self.receive().await?);
        }
        for _ in 1..DATAGRAMS_PER_CHANGE {
            let more = tokio::select! {
                biased;
                more = self.receive() => more?,
                () = std::future::ready(()) => break,
            };
            change.merge(more);
        }
        Ok(change)
    }

    async fn receive(&self) -> Result<Change, NetlinkError> {
        let mut change = Change::default();
        let messages = match self.socket.recv::<u16, Buffer>().await {
            Ok((messages, _)) => messages,
            Err(source) if is_overrun(&source) => return Ok(Change::lost()),
            Err(source) => {
                return Err(NetlinkError::Receive {
                    attempt: "watch for changes".to_owned(),
                    source,
                });
            }
        };
        for message in messages {
            change.merge(match message {
                Ok(message) => Change::of(Rtm::from(*message.nl_type())),
                // Something happened, whatever it was.
                Err(_) => Change::lost(),
            });
        }
        Ok(change)
    }
}

impl Change {
    fn lost() -> Self {
        Self {
            links: true,
            addresses: true,
            routes: true,
            lost: true,
        }
    }

    fn of(kind: Rtm) -> Self {
        Self {
            links: matches!(kind, Rtm::Newlink | Rtm::Dellink),
            addresses: matches!(kind, Rtm::Newaddr | Rtm::Deladdr),
            routes: matches!(kind, Rtm::Newroute | Rtm::Delroute),
            lost: false,
        }
    }

    fn merge(&mut self, other: Self) {
        self.links |= other.links;
        self.addresses |= other.addresses;
        self.routes |= other.routes;
        self.lost |= other.lost;
    }
}

fn is_overrun(error: &SocketError) -> bool {
    system_error(error).and_then(Errno::from_io_error) == Some(Errno::NOBUFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_change_holds_both() {
        let mut change = Change::of(Rtm::Newlink);
        change.merge(Change::of(Rtm::Delroute));
        assert!(change.links && change.routes);
        assert!(!change.addresses && !change.lost);
    }

    #[test]
    fn overrun_means_anything_may_have_changed() {
        let change = Change::lost();
        assert!(change.links && change.addresses && change.routes && change.lost);
    }

    #[test]
    fn message_of_another_kind_is_no_change() {
        assert_eq!(Change::of(Rtm::Newneigh), Change::default());
    }
}
