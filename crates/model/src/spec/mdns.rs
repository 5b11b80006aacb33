//! The answers to those at home who look for the box by name, complete.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::name::{DnsLabel, InterfaceName};

/// Multicast DNS (RFC 6762) on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MdnsSpec {
    /// Where it answers, and nowhere else.
    pub interface: InterfaceName,
    /// The box is `<label>.local`, or the next of its [alternatives](DnsLabel::alternatives) that nobody else has.
    pub label: DnsLabel,
    /// The box's addresses there with their networks: the addresses are told, sources in the networks are answered.
    pub addresses: BTreeSet<IpNet>,
    /// The port of the admin page where it listens on one of the addresses, for those who browse for services.
    pub admin_port: Option<u16>,
}

impl MdnsSpec {
    /// Whether it has addresses of the family of this one.
    pub fn has_family_of(&self, address: IpAddr) -> bool {
        self.addresses
            .iter()
            .any(|network| network.addr().is_ipv4() == address.is_ipv4())
    }
}
