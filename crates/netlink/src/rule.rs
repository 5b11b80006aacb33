use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cell_model::name::InterfaceName;
use neli::consts::nl::NlmF;
use neli::consts::rtnl::{FrAct, Frattr, RtAddrFamily, Rta, Rtm, Rtn};
use neli::rtnl::{Rtattr, Rtmsg};
use neli::types::Buffer;
use rustix::io::Errno;

use crate::attribute::{as_number, as_text, attribute, bytes, family};
use crate::error::settled;
use crate::route::{OWN, builder, filter};
use crate::{Netlink, NetlinkError, socket};

/// A rule of which packets look for their routes where (`man 8 ip-rule`), of one family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Whether it is for IPv6, and not for IPv4.
    pub ipv6: bool,
    /// Rules are gone through from low to high. The main table has 32766.
    pub priority: u32,
    /// Which packets.
    pub packets: Packets,
    /// Where they look; `None`: they go nowhere.
    pub table: Option<u32>,
}

/// Packets that a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packets {
    /// Those with this mark, as far as the mask goes.
    Marked {
        /// The mark.
        mark: u32,
        /// The bits of it that count.
        mask: u32,
    },
    /// Those of programs that have named the interface (`SO_BINDTODEVICE`, `man 7 socket`).
    Naming(InterfaceName),
}

impl Netlink {
    /// Rules that [`Netlink::add_own_rule`] has added.
    pub async fn own_rules(&self) -> Result<Vec<Rule>, NetlinkError> {
        let mut rules = Vec::new();
        for family in [RtAddrFamily::Inet, RtAddrFamily::Inet6] {
            let parts = match socket::list("list rules", Rtm::Getrule, filter(family)).await {
                // The kernel is without IPv6.
                Err(error)
                    if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::AFNOSUPPORT)) =>
                {
                    continue;
                }
                other => other?,
            };
            rules.extend(parts.iter().filter_map(read));
        }
        Ok(rules)
    }

    /// Adds a rule that is found again among [`Netlink::own_rules`].
    pub async fn add_own_rule(&self, rule: &Rule) -> Result<(), NetlinkError> {
        let attempt = format!("add rule {}", rule.priority);
        let flags = NlmF::CREATE | NlmF::EXCL;
        let result = socket::change(&attempt, Rtm::Newrule, flags, message(rule)).await;
        settled(result, &[Errno::EXIST])
    }

    /// Removes a rule if it is one of [`Netlink::own_rules`].
    pub async fn remove_own_rule(&self, rule: &Rule) -> Result<(), NetlinkError> {
        let attempt = format!("remove rule {}", rule.priority);
        let result = socket::change(&attempt, Rtm::Delrule, NlmF::empty(), message(rule)).await;
        settled(result, &[Errno::NOENT])
    }
}

/// The number of an attribute of rules, as one of routes.
fn kind(of_rules: Frattr) -> Rta {
    Rta::from(u16::from(of_rules))
}

fn message(rule: &Rule) -> Rtmsg {
    let any: IpAddr = match rule.ipv6 {
        false => Ipv4Addr::UNSPECIFIED.into(),
        true => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut attributes: Vec<Rtattr<Rta, Buffer>> = vec![
        attribute(kind(Frattr::Priority), rule.priority),
        attribute(kind(Frattr::Protocol), u8::from(OWN)),
    ];
    match &rule.packets {
        Packets::Marked { mark, mask } => attributes.extend([
            attribute(kind(Frattr::Fwmark), *mark),
            attribute(kind(Frattr::Fwmask), *mask),
        ]),
        Packets::Naming(interface) => {
            attributes.push(attribute(kind(Frattr::Oifname), interface.as_str()));
        }
    }
    attributes.extend(
        rule.table
            .map(|table| attribute(kind(Frattr::Table), table)),
    );
    let action = match rule.table {
        Some(_) => FrAct::FrActToTbl,
        None => FrAct::FrActUnreachable,
    };
    // The header of a rule (`fib_rule_hdr`, linux/fib_rules.h) is that of a route, with the action for the type.
    builder(family(any))
        .rtm_type(Rtn::from(u8::from(action)))
        .rtattrs(attributes.into_iter().collect())
        .build()
        .expect("every required field is set")
}

/// `None`: it is none of ours.
fn read(message: &Rtmsg) -> Option<Rule> {
    let attributes = message.rtattrs();
    if bytes(attributes, kind(Frattr::Protocol))? != [u8::from(OWN)] {
        return None;
    }
    let packets = match as_text(attributes, kind(Frattr::Oifname)) {
        Some(interface) => Packets::Naming(interface.parse().ok()?),
        None => Packets::Marked {
            mark: as_number(attributes, kind(Frattr::Fwmark))?,
            mask: as_number(attributes, kind(Frattr::Fwmask))?,
        },
    };
    let leads_on = u8::from(*message.rtm_type()) == u8::from(FrAct::FrActToTbl);
    Some(Rule {
        ipv6: *message.rtm_family() == RtAddrFamily::Inet6,
        priority: as_number(attributes, kind(Frattr::Priority))?,
        packets,
        table: as_number(attributes, kind(Frattr::Table)).filter(|_| leads_on),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_is_read_as_it_was_written() {
        let marked = Packets::Marked {
            mark: 0x1010,
            mask: 0x1ff0,
        };
        let naming = Packets::Naming("wgext_1".parse().unwrap());
        for (packets, table) in [
            (marked.clone(), Some(1001)),
            (marked, None),
            (naming, Some(1001)),
        ] {
            for ipv6 in [false, true] {
                let rule = Rule {
                    ipv6,
                    priority: 1001,
                    packets: packets.clone(),
                    table,
                };
                assert_eq!(read(&message(&rule)), Some(rule));
            }
        }
    }
}
