//! Attributes of rtnetlink messages: how addresses and numbers are written and read.

use std::net::IpAddr;

use neli::consts::rtnl::{RtAddrFamily, RtaType};
use neli::rtnl::{Rtattr, RtattrBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::{Size, ToBytes};

/// Writes one attribute.
pub(crate) fn attribute<T: RtaType, P: Size + ToBytes>(kind: T, value: P) -> Rtattr<T, Buffer> {
    RtattrBuilder::default()
        .rta_type(kind)
        .rta_payload(value)
        .build()
        .expect("type and value are set, and memory takes any value")
}

/// Writes an address, in network order.
pub(crate) fn address<T: RtaType>(kind: T, address: IpAddr) -> Rtattr<T, Buffer> {
    match address {
        IpAddr::V4(v4) => attribute(kind, v4.octets().as_slice()),
        IpAddr::V6(v6) => attribute(kind, v6.octets().as_slice()),
    }
}

/// The address family of an address.
pub(crate) fn family(address: IpAddr) -> RtAddrFamily {
    match address {
        IpAddr::V4(_) => RtAddrFamily::Inet,
        IpAddr::V6(_) => RtAddrFamily::Inet6,
    }
}

/// The bytes of the first attribute of a kind.
pub(crate) fn bytes<T: RtaType>(attributes: &RtBuffer<T, Buffer>, kind: T) -> Option<&[u8]> {
    attributes
        .iter()
        .find(|found| *found.rta_type() == kind)
        .map(|found| found.rta_payload().as_ref())
}

/// The first attribute of a kind, as an address; its length decides between IPv4 and IPv6.
pub(crate) fn as_address<T: RtaType>(attributes: &RtBuffer<T, Buffer>, kind: T) -> Option<IpAddr> {
    let bytes = bytes(attributes, kind)?;
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// The first attribute of a kind, as a number.
pub(crate) fn as_number<T: RtaType>(attributes: &RtBuffer<T, Buffer>, kind: T) -> Option<u32> {
    let bytes = bytes(attributes, kind)?;
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

/// The first attribute of a kind, as a text without its final NUL.
pub(crate) fn as_text<T: RtaType>(attributes: &RtBuffer<T, Buffer>, kind: T) -> Option<&str> {
    text(bytes(attributes, kind)?)
}

/// A text without its final NUL.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use neli::consts::rtnl::Ifa;

    use super::*;

    fn written(value: IpAddr) -> RtBuffer<Ifa, Buffer> {
        [address(Ifa::Local, value)].into_iter().collect()
    }

    #[test]
    fn address_is_read_as_it_was_written() {
        for value in ["192.0.2.1", "2001:db8::1"] {
            let value: IpAddr = value.parse().unwrap();
            assert_eq!(as_address(&written(value), Ifa::Local), Some(value));
        }
    }

    #[test]
    fn attribute_of_another_kind_or_length_is_not_taken() {
        let attributes = written("2001:db8::1".parse().unwrap());
        assert_eq!(as_address(&attributes, Ifa::Address), None);
        assert_eq!(as_number(&attributes, Ifa::Local), None);
    }

    #[test]
    fn text_loses_its_final_nul_only() {
        assert_eq!(text(b"eth0\0"), Some("eth0"));
        assert_eq!(text(b"eth0"), Some("eth0"));
        assert_eq!(text(&[0xff, 0]), None);
    }
}
