use cell_model::name::InterfaceName;
use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Iff, Ifla, IflaInfo, RtAddrFamily, Rtm};
use neli::rtnl::{Ifinfomsg, IfinfomsgBuilder, Rtattr};
use neli::types::{Buffer, RtBuffer};
use rustix::io::Errno;

use crate::attribute::{as_number, as_text, attribute, bytes, text};
use crate::error::settled;
use crate::{Netlink, NetlinkError, socket};

/// A network interface, as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: InterfaceName,
    /// The kernel's number for it; never used twice while the system runs.
    pub index: u32,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// A carrier is there (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// How often it came or went since the link was made (`IFLA_CARRIER_CHANGES`).
    pub carrier_changes: u32,
    /// What made it, such as `wireguard`, `bridge` or `tun`; none for hardware and loopback.
    pub kind: Option<String>,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Its hardware address, where it is one of Ethernet.
    pub mac: Option<[u8; 6]>,
}

impl Netlink {
    /// All interfaces whose names an [`InterfaceName`] can hold.
    pub async fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        let parts = socket::list("list interfaces", Rtm::Getlink, message(0, [])).await?;
        Ok(parts.iter().filter_map(read).collect())
    }

    /// One interface.
    ///
    /// # Errors
    /// [`NetlinkError::NoInterface`] when there is none of that name.
    pub async fn link(&self, name: &InterfaceName) -> Result<Link, NetlinkError> {
        let attempt = format!("show interface {name}");
        let request = message(0, [named(name)]);
        match socket::get(&attempt, Rtm::Getlink, request).await {
            Ok(found) => found.as_ref().and_then(read),
            Err(error) if error.errno() == Some(Errno::NODEV) => None,
            Err(error) => return Err(error),
        }
        .ok_or_else(|| NetlinkError::NoInterface(name.clone()))
    }

    /// Makes an interface of a kind that needs no parameters, such as `wireguard` or `bridge`. It starts out down.
    ///
    /// # Errors
    /// [`NetlinkError::OtherKind`] when the name is taken; one that [`NetlinkError::is_unsupported`] when the kernel
    /// does not know the kind.
    pub async fn add_link(&self, name: &InterfaceName, kind: &str) -> Result<(), NetlinkError> {
        let attempt = format!("create interface {name} of kind {kind}");
        let info: RtBuffer<IflaInfo, Buffer> =
            [attribute(IflaInfo::Kind, kind)].into_iter().collect();
        let request = message(0, [named(name), attribute(Ifla::Linkinfo, info)]);
        let flags = NlmF::CREATE | NlmF::EXCL;
        match socket::change(&attempt, Rtm::Newlink, flags, request).await {
            Err(error) if error.errno() == Some(Errno::EXIST) => {
                let found = self.link(name).await?.kind;
                if found.as_deref() == Some(kind) {
                    return Ok(());
                }
                Err(NetlinkError::OtherKind {
                    name: name.clone(),
                    wanted: kind.to_owned(),
                    found,
                })
            }
            other => other,
        }
    }

    /// Takes an interface away, with its addresses and routes.
    pub async fn remove_link(&self, name: &InterfaceName) -> Result<(), NetlinkError> {
        let attempt = format!("remove interface {name}");
        let request = message(0, [named(name)]);
        let result = socket::change(&attempt, Rtm::Dellink, NlmF::empty(), request).await;
        settled(result, &[Errno::NODEV])
    }

    /// Sets an interface administratively up.
    pub async fn set_up(&self, name: &InterfaceName) -> Result<(), NetlinkError> {
        let attempt = format!("set interface {name} up");
        let index = self.link(name).await?.index;
        let request = builder(index)
            .up()
            .build()
            .expect("every required field is set");
        socket::change(&attempt, Rtm::Newlink, NlmF::empty(), request).await
    }

    /// Sets the largest packet of an interface, in bytes.
    pub async fn set_mtu(&self, name: &InterfaceName, mtu: u32) -> Result<(), NetlinkError> {
        let attempt = format!("set the MTU of {name} to {mtu}");
        let index = self.link(name).await?.index;
        let request = message(index, [attribute(Ifla::Mtu, mtu)]);
        socket::change(&attempt, Rtm::Newlink, NlmF::empty(), request).await
    }
}

/// Writes the name an interface is found by.
fn named(name: &InterfaceName) -> Rtattr<Ifla, Buffer> {
    attribute(Ifla::Ifname, name.as_str())
}

fn builder(index: u32) -> IfinfomsgBuilder {
    IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_index(index.cast_signed())
}

fn message(index: u32, attributes: impl IntoIterator<Item = Rtattr<Ifla, Buffer>>) -> Ifinfomsg {
    builder(index)
        .rtattrs(attributes.into_iter().collect())
        .build()
        .expect("every required field is set")
}

/// `None`: the kernel allows names that we do not.
fn read(message: &Ifinfomsg) -> Option<Link> {
    let attributes = message.rtattrs();
    let handle = attributes.get_attr_handle();
    let info = handle.get_nested_attributes::<IflaInfo>(Ifla::Linkinfo);
    let kind = info.ok().and_then(|info| {
        let kind = info.get_attribute(IflaInfo::Kind)?;
        text(kind.rta_payload().as_ref()).map(str::to_owned)
    });
    Some(Link {
        name: as_text(attributes, Ifla::Ifname)?.parse().ok()?,
        index: message.ifi_index().cast_unsigned(),
        up: message.ifi_flags().contains(Iff::UP),
        carrier: message.ifi_flags().contains(Iff::LOWERUP),
        carrier_changes: as_number(attributes, Ifla::CarrierChanges).unwrap_or_default(),
        kind,
        mtu: as_number(attributes, Ifla::Mtu).unwrap_or_default(),
        mac: bytes(attributes, Ifla::Address).and_then(|bytes| bytes.try_into().ok()),
    })
}
