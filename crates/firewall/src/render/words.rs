//! nft's expressions and statements under short names, so that the chains read like rules.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use cell_model::config::ExitSlot;
use cell_model::name::InterfaceName;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nftables::expr::{
    BinaryOperation, CT, Expression, Fib, FibFlag, FibResult, Meta, MetaKey, NamedExpression,
    Payload, PayloadField, Prefix, RT, RTKey, SetItem, TcpOption,
};
use nftables::stmt::{
    JumpTarget, Mangle, Match, NAT, NATFamily, Operator, Reject, RejectType, Statement,
};
use nftables::types::RejectCode;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }

    pub(super) fn source(self) -> Expression<'static> {
        field(self.header(), "saddr")
    }

    pub(super) fn destination(self) -> Expression<'static> {
        field(self.header(), "daddr")
    }

    /// `echo-request` of this family.
    pub(super) fn ping(self) -> Statement<'static> {
        let header = match self {
            Self::V4 => "icmp",
            Self::V6 => "icmpv6",
        };
        equals(field(header, "type"), text("echo-request"))
    }
}

/// The networks of one family as an anonymous set, or nothing when there are none.
/// Merged first: nft refuses overlapping networks in one set.
pub(super) fn networks<'n>(
    family: Family,
    networks: impl IntoIterator<Item = &'n IpNet>,
) -> Option<Expression<'static>> {
    let (mut nets4, mut nets6) = (Vec::new(), Vec::new());
    for network in networks {
        match network {
            IpNet::V4(net) => nets4.push(*net),
            IpNet::V6(net) => nets6.push(*net),
        }
    }
    let merged: Vec<IpNet> = match family {
        Family::V4 => Ipv4Net::aggregate(&nets4)
            .into_iter()
            .map(IpNet::V4)
            .collect(),
        Family::V6 => Ipv6Net::aggregate(&nets6)
            .into_iter()
            .map(IpNet::V6)
            .collect(),
    };
    (!merged.is_empty()).then(|| one_of(merged.into_iter().map(prefix)))
}

pub(super) fn prefix(network: IpNet) -> Expression<'static> {
    Expression::Named(NamedExpression::Prefix(Prefix {
        addr: Box::new(address(network.network())),
        len: u32::from(network.prefix_len()),
    }))
}

/// Every link has these: they say nothing about the side a packet came from (RFC 3927, RFC 4291).
pub(super) fn is_link_local(network: &IpNet) -> bool {
    match network {
        IpNet::V4(net) => net.network().is_link_local(),
        IpNet::V6(net) => net.network().is_unicast_link_local(),
    }
}

pub(super) fn address(address: IpAddr) -> Expression<'static> {
    Expression::String(address.to_string().into())
}

pub(super) fn text(text: &'static str) -> Expression<'static> {
    Expression::String(text.into())
}

pub(super) fn name(interface: &InterfaceName) -> Expression<'static> {
    Expression::String(interface.to_string().into())
}

pub(super) fn port(port: u16) -> Expression<'static> {
    Expression::Number(u32::from(port))
}

pub(super) fn ports(numbers: &BTreeSet<u16>) -> Expression<'static> {
    one_of(numbers.iter().map(|number| port(*number)))
}

pub(super) fn one_of(items: impl IntoIterator<Item = Expression<'static>>) -> Expression<'static> {
    Expression::Named(NamedExpression::Set(
        items.into_iter().map(SetItem::Element).collect(),
    ))
}

pub(super) fn together(
    parts: impl IntoIterator<Item = Expression<'static>>,
) -> Expression<'static> {
    Expression::Named(NamedExpression::Concat(parts.into_iter().collect()))
}

pub(super) fn field(header: &'static str, field: &'static str) -> Expression<'static> {
    Expression::Named(NamedExpression::Payload(Payload::PayloadField(
        PayloadField {
            protocol: header.into(),
            field: field.into(),
        },
    )))
}

pub(super) fn equals(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    compare(left, Operator::EQ, right)
}

pub(super) fn differs(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    compare(left, Operator::NEQ, right)
}

/// Arrives by this interface. By name, never by index: the interface need not exist yet.
pub(super) fn arrives(right: Expression<'static>) -> Statement<'static> {
    equals(meta(MetaKey::Iifname), right)
}

pub(super) fn arrives_not(right: Expression<'static>) -> Statement<'static> {
    differs(meta(MetaKey::Iifname), right)
}

pub(super) fn leaves(right: Expression<'static>) -> Statement<'static> {
    equals(meta(MetaKey::Oifname), right)
}

pub(super) fn leaves_not(right: Expression<'static>) -> Statement<'static> {
    differs(meta(MetaKey::Oifname), right)
}

pub(super) fn state(states: &[&'static str]) -> Statement<'static> {
    let key = Expression::Named(NamedExpression::CT(CT {
        key: "state".into(),
        family: None,
        dir: None,
    }));
    let states = states.iter().map(|state| text(state)).collect();
    compare(key, Operator::IN, Expression::List(states))
}

/// Was asked of the box, and led on: nobody names the inner address.
pub(super) fn was_led() -> Statement<'static> {
    let key = Expression::Named(NamedExpression::CT(CT {
        key: "status".into(),
        family: None,
        dir: None,
    }));
    compare(key, Operator::IN, text("dnat"))
}

/// Goes the way back: what it belongs to was opened from the other side.
pub(super) fn is_answer() -> Statement<'static> {
    let key = Expression::Named(NamedExpression::CT(CT {
        key: "direction".into(),
        family: None,
        dir: None,
    }));
    equals(key, text("reply"))
}

/// Opens a TCP connection.
pub(super) fn tcp_opening() -> Statement<'static> {
    compare(field("tcp", "flags"), Operator::IN, text("syn"))
}

/// Lowers the segment size to what fits the way ahead; the kernel never raises it.
pub(super) fn clamp_segment_size() -> Statement<'static> {
    Statement::Mangle(Mangle {
        key: Expression::Named(NamedExpression::TcpOption(TcpOption {
            name: "maxseg".into(),
            field: Some("size".into()),
        })),
        value: Expression::Named(NamedExpression::RT(RT {
            key: RTKey::MTU,
            family: None,
        })),
    })
}

pub(super) fn accept() -> Statement<'static> {
    Statement::Accept(None)
}

/// Drops the packet.
pub(super) fn give_up() -> Statement<'static> {
    Statement::Drop(None)
}

pub(super) fn masquerade() -> Statement<'static> {
    Statement::Masquerade(None)
}

/// Sends it on to another host, and its answers back from the first.
pub(super) fn lead_to(host: Ipv4Addr, to: u16) -> Statement<'static> {
    Statement::DNAT(Some(NAT {
        addr: Some(address(IpAddr::V4(host))),
        family: Some(NATFamily::IP),
        port: Some(port(to)),
        flags: None,
    }))
}

/// Sends it to another port of the same address.
pub(super) fn lead_to_port(to: u16) -> Statement<'static> {
    Statement::DNAT(Some(NAT {
        addr: None,
        family: None,
        port: Some(port(to)),
        flags: None,
    }))
}

/// It is for the box itself, whichever of its addresses.
pub(super) fn destination_is_local() -> Statement<'static> {
    equals(kind_of_destination(), text("local"))
}

/// It is for somebody else.
pub(super) fn destination_is_not_local() -> Statement<'static> {
    differs(kind_of_destination(), text("local"))
}

fn kind_of_destination() -> Expression<'static> {
    Expression::Named(NamedExpression::Fib(Fib {
        result: FibResult::Type,
        flags: HashSet::from([FibFlag::Daddr]),
    }))
}

/// Has the mark of this way; other bits of it are somebody else's.
pub(super) fn is_marked(slot: ExitSlot) -> Statement<'static> {
    equals(way(), Expression::Number(slot.mark()))
}

/// Has the mark of some way.
pub(super) fn is_marked_at_all() -> Statement<'static> {
    differs(way(), Expression::Number(0))
}

fn way() -> Expression<'static> {
    let mask = Expression::Number(ExitSlot::MASK);
    let masked = BinaryOperation::AND(meta(MetaKey::Mark), mask);
    Expression::BinaryOperation(Box::new(masked))
}

/// The whole mark.
pub(super) fn mark() -> Expression<'static> {
    meta(MetaKey::Mark)
}

/// Gives it this mark. Nobody marks packets before.
pub(super) fn set_mark(mark: u32) -> Statement<'static> {
    Statement::Mangle(Mangle {
        key: meta(MetaKey::Mark),
        value: Expression::Number(mark),
    })
}

/// Of TCP.
pub(super) fn is_tcp() -> Statement<'static> {
    equals(meta(MetaKey::L4proto), text("tcp"))
}

/// Drops the packet of TCP, and ends the connection for whoever sent it.
pub(super) fn reset() -> Statement<'static> {
    Statement::Reject(Some(Reject::new(Some(RejectType::TCPReset), None)))
}

/// Drops the packet, and tells who sent it that it must not pass.
pub(super) fn reject() -> Statement<'static> {
    let code = Some(RejectCode::AdminProhibited);
    Statement::Reject(Some(Reject::new(Some(RejectType::ICMPX), code)))
}

/// Of IPv4.
pub(super) fn is_ipv4() -> Statement<'static> {
    equals(meta(MetaKey::Nfproto), text("ipv4"))
}

/// Of IPv6.
pub(super) fn is_ipv6() -> Statement<'static> {
    equals(meta(MetaKey::Nfproto), text("ipv6"))
}

pub(super) fn jump(chain: &'static str) -> Statement<'static> {
    Statement::Jump(JumpTarget {
        target: chain.into(),
    })
}

fn meta(key: MetaKey) -> Expression<'static> {
    Expression::Named(NamedExpression::Meta(Meta { key }))
}

fn compare(
    left: Expression<'static>,
    op: Operator,
    right: Expression<'static>,
) -> Statement<'static> {
    Statement::Match(Match { left, right, op })
}
