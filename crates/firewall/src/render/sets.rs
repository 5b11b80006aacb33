//! The sets devices live in: one pair, IPv4 and IPv6, for each thing a device may be or do.
//!
//! Services are sets of devices, not of device-service pairs: so a device can be patched without knowing where services
//! listen, and a set has at most as many elements as there are devices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cell_model::config::ServiceToggle;
use cell_model::spec::PeerAccess;
use nftables::expr::{Elem, Expression, NamedExpression};
use nftables::schema::{
    Element, FlushObject, NfCmd, NfListObject, NfObject, Set, SetType, SetTypeValue,
};
use nftables::types::NfFamily;

use super::words::Family;
use super::{TABLE, add, flush};

/// What membership in a pair of sets means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// The device is known at all.
    Peers,
    /// It may leave by the uplink and reach the home network.
    Internet,
    /// It may talk to other members.
    PeerToPeer,
    /// It may use services of this kind.
    Service(ServiceToggle),
}

impl Group {
    /// All pairs of sets, in the order they are declared.
    pub(crate) const ALL: [Self; 7] = [
        Self::Peers,
        Self::Internet,
        Self::PeerToPeer,
        Self::Service(ServiceToggle::Calendar),
        Self::Service(ServiceToggle::Files),
        Self::Service(ServiceToggle::Mail),
        Self::Service(ServiceToggle::Webdav),
    ];

    /// The name of the set, such as `internet4`.
    pub(crate) fn set_name(self, family: Family) -> String {
        let stem = match self {
            Self::Peers => "peers",
            Self::Internet => "internet",
            Self::PeerToPeer => "p2p",
            Self::Service(toggle) => toggle.as_str(),
        };
        match family {
            Family::V4 => format!("{stem}4"),
            Family::V6 => format!("{stem}6"),
        }
    }

    /// The set as a rule refers to it.
    pub(super) fn reference(self, family: Family) -> Expression<'static> {
        Expression::String(format!("@{}", self.set_name(family)).into())
    }
}

/// The group and family of a set of this name, if it is one of ours.
pub(crate) fn read_set_name(name: &str) -> Option<(Group, Family)> {
    Group::ALL.into_iter().find_map(|group| {
        let family = Family::BOTH
            .into_iter()
            .find(|family| group.set_name(*family) == name)?;
        Some((group, family))
    })
}

/// An address in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    /// Which pair of sets; the address tells which of the two.
    pub(crate) group: Group,
    /// The address.
    pub(crate) address: IpAddr,
    /// On IPv4 members of [`Group::Peers`]: the device's IPv6 address, so that a device can be read back whole.
    pub(crate) partner: Option<Ipv6Addr>,
}

impl Member {
    fn key(&self) -> (Group, IpAddr) {
        (self.group, self.address)
    }
}

/// Devices as the sets tell of them.
pub(crate) struct PeersFromSets {
    /// By IPv4 address.
    pub(crate) peers: BTreeMap<Ipv4Addr, PeerAccess>,
    /// Whether these devices explain every member, and are explained by them.
    pub(crate) intact: bool,
}

/// The declarations of all sets.
pub(super) fn declare() -> Vec<NfObject<'static>> {
    sets().map(|set| add(NfListObject::Set(set))).collect()
}

/// Empties all sets.
pub(super) fn clear() -> Vec<NfObject<'static>> {
    sets().map(|set| flush(FlushObject::Set(set))).collect()
}

fn sets() -> impl Iterator<Item = Box<Set<'static>>> {
    let families = |group: Group| Family::BOTH.map(|family| (group, family));
    Group::ALL
        .into_iter()
        .flat_map(families)
        .map(|(group, family)| {
            Box::new(Set {
                family: NfFamily::INet,
                table: TABLE.into(),
                name: group.set_name(family).into(),
                set_type: SetTypeValue::Single(match family {
                    Family::V4 => SetType::Ipv4Addr,
                    Family::V6 => SetType::Ipv6Addr,
                }),
                ..Set::default()
            })
        })
}

/// Puts these devices into empty sets.
pub(super) fn fill(peers: &BTreeMap<Ipv4Addr, PeerAccess>) -> Vec<NfObject<'static>> {
    elements(members(peers), |list| {
        NfCmd::Add(NfListObject::Element(list))
    })
}

/// Takes out and puts in what differs.
pub(super) fn patch(
    remove: &BTreeMap<Ipv4Addr, PeerAccess>,
    add: &BTreeMap<Ipv4Addr, PeerAccess>,
) -> Vec<NfObject<'static>> {
    let (before, after) = (members(remove), members(add));
    let gone = before.difference(&after).copied();
    let come = after.difference(&before).copied();
    // Adding what is to be deleted makes the deletion succeed when somebody was faster.
    let mut objects = elements(gone.clone(), |list| NfCmd::Add(NfListObject::Element(list)));
    objects.extend(elements(gone, |list| {
        NfCmd::Delete(NfListObject::Element(list))
    }));
    objects.extend(elements(come, |list| {
        NfCmd::Add(NfListObject::Element(list))
    }));
    objects
}

/// Creates what must be absent and deletes what must be present: the kernel refuses if either is otherwise.
pub(super) fn patch_check(
    remove: &BTreeMap<Ipv4Addr, PeerAccess>,
    add: &BTreeMap<Ipv4Addr, PeerAccess>,
) -> Vec<NfObject<'static>> {
    let (before, after) = (members(remove), members(add));
    let present: BTreeSet<_> = after.iter().map(Member::key).collect();
    let absent = before
        .into_iter()
        .filter(|member| !present.contains(&member.key()));
    let mut objects = elements(absent, |list| NfCmd::Create(NfListObject::Element(list)));
    objects.extend(elements(after, |list| {
        NfCmd::Delete(NfListObject::Element(list))
    }));
    objects
}

/// The devices these members describe.
pub(crate) fn peers_from_sets(found: &BTreeSet<Member>) -> PeersFromSets {
    let keys: BTreeSet<_> = found.iter().map(Member::key).collect();
    let has = |group, address: Ipv4Addr| keys.contains(&(group, IpAddr::V4(address)));
    let mut peers = BTreeMap::new();
    for member in found {
        if let (Group::Peers, IpAddr::V4(address), Some(address6)) =
            (member.group, member.address, member.partner)
        {
            let access = PeerAccess {
                address6,
                internet: has(Group::Internet, address),
                peer_to_peer: has(Group::PeerToPeer, address),
                services: ServiceToggle::ALL
                    .into_iter()
                    .filter(|toggle| has(Group::Service(*toggle), address))
                    .collect(),
            };
            peers.insert(address, access);
        }
    }
    let intact = members(&peers) == *found;
    PeersFromSets { peers, intact }
}

/// Everything the sets hold for these devices.
fn members(peers: &BTreeMap<Ipv4Addr, PeerAccess>) -> BTreeSet<Member> {
    let mut members = BTreeSet::new();
    for (address, access) in peers {
        for group in groups(access) {
            members.insert(Member {
                group,
                address: IpAddr::V4(*address),
                partner: (group == Group::Peers).then_some(access.address6),
            });
            members.insert(Member {
                group,
                address: IpAddr::V6(access.address6),
                partner: None,
            });
        }
    }
    members
}

fn groups(access: &PeerAccess) -> impl Iterator<Item = Group> {
    let rights = [
        (access.internet, Group::Internet),
        (access.peer_to_peer, Group::PeerToPeer),
    ];
    let rights = rights.into_iter().filter(|(has, _)| *has);
    [Group::Peers]
        .into_iter()
        .chain(rights.map(|(_, group)| group))
        .chain(access.services.iter().copied().map(Group::Service))
}

/// One command for each set that has members.
fn elements(
    members: impl IntoIterator<Item = Member>,
    command: impl Fn(Element<'static>) -> NfCmd<'static>,
) -> Vec<NfObject<'static>> {
    let mut lists: BTreeMap<(Group, Family), Vec<Expression<'static>>> = BTreeMap::new();
    for member in members {
        let address = Expression::String(member.address.to_string().into());
        let element = match member.partner {
            None => address,
            Some(partner) => Expression::Named(NamedExpression::Elem(Elem {
                val: Box::new(address),
                timeout: None,
                expires: None,
                comment: Some(partner.to_string().into()),
                counter: None,
            })),
        };
        let set = (member.group, Family::of(member.address));
        lists.entry(set).or_default().push(element);
    }
    lists
        .into_iter()
        .map(|((group, family), list)| {
            NfObject::CmdObject(command(Element {
                family: NfFamily::INet,
                table: TABLE.into(),
                name: group.set_name(family).into(),
                elem: list.into(),
            }))
        })
        .collect()
}
