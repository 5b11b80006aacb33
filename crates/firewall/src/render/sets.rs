//! The sets devices live in: one pair, IPv4 and IPv6, for each thing a device may be or do.
//!
//! Services are sets of devices, not of device-service pairs: so a device can be patched without knowing where services
//! listen, and a set has at most as many elements as there are devices. Which way
//! out a device has is an element of a pair of sets of address and mark.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cell_model::config::{ExitSlot, ServiceToggle};
use cell_model::spec::{PeerAccess, WayOut};
use nftables::expr::{Elem, Expression, NamedExpression};
use nftables::schema::{
    Element, FlushObject, NfCmd, NfListObject, NfObject, Set, SetType, SetTypeValue,
};
use nftables::types::NfFamily;

use super::words::{Family, together};
use super::{TABLE, add, flush};

/// What membership in a pair of sets means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// The device is known at all.
    Peers,
    /// It may leave by the uplink and reach the home network.
    Internet,
    /// It leaves by a way of its own, and may reach the home network.
    Exits,
    /// It may talk to other members.
    PeerToPeer,
    /// It may use services of this kind.
    Service(ServiceToggle),
}

impl Group {
    /// All pairs of sets, in the order they are declared.
    pub(crate) const ALL: [Self; 8] = [
        Self::Peers,
        Self::Internet,
        Self::Exits,
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
            Self::Exits => "exits",
            Self::PeerToPeer => "p2p",
            Self::Service(toggle) => toggle.as_str(),
        };
        with_family(stem, family)
    }

    /// The set as a rule refers to it.
    pub(super) fn reference(self, family: Family) -> Expression<'static> {
        Expression::String(format!("@{}", self.set_name(family)).into())
    }
}

/// Which way each device has that has one of its own: sets of address and mark.
pub(crate) struct Ways;

impl Ways {
    /// The name of the set.
    pub(crate) fn set_name(family: Family) -> String {
        with_family("ways", family)
    }

    /// The set as a rule refers to it.
    pub(super) fn reference(family: Family) -> Expression<'static> {
        Expression::String(format!("@{}", Self::set_name(family)).into())
    }

    /// Whether a set of this name is one of these.
    pub(crate) fn is_set_name(name: &str) -> bool {
        Family::BOTH
            .into_iter()
            .any(|family| Self::set_name(family) == name)
    }
}

fn with_family(stem: &str, family: Family) -> String {
    match family {
        Family::V4 => format!("{stem}4"),
        Family::V6 => format!("{stem}6"),
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

/// What an address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A set of this group; the address tells which of the two.
    Set(Group),
    /// The set of ways, with this one.
    Way(ExitSlot),
}

/// An address in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    /// In which.
    pub(crate) place: Place,
    /// The address.
    pub(crate) address: IpAddr,
    /// On IPv4 members of [`Group::Peers`]: the device's IPv6 address, so that a device can be read back whole.
    pub(crate) partner: Option<Ipv6Addr>,
}

impl Member {
    fn key(&self) -> (Place, IpAddr) {
        (self.place, self.address)
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
    let groups = Group::ALL.into_iter().flat_map(families);
    let groups = groups.map(|(group, family)| {
        let address = SetTypeValue::Single(address_of(family));
        (group.set_name(family), address)
    });
    let ways = Family::BOTH.into_iter().map(|family| {
        let pair = vec![address_of(family), SetType::Mark];
        (
            Ways::set_name(family),
            SetTypeValue::Concatenated(pair.into()),
        )
    });
    groups.chain(ways).map(|(name, set_type)| {
        Box::new(Set {
            family: NfFamily::INet,
            table: TABLE.into(),
            name: name.into(),
            set_type,
            ..Set::default()
        })
    })
}

fn address_of(family: Family) -> SetType {
    match family {
        Family::V4 => SetType::Ipv4Addr,
        Family::V6 => SetType::Ipv6Addr,
    }
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
    let has = |group, address: Ipv4Addr| keys.contains(&(Place::Set(group), IpAddr::V4(address)));
    let ways = found.iter().filter_map(|member| match member.place {
        Place::Way(slot) => Some((member.address, slot)),
        Place::Set(_) => None,
    });
    let ways: BTreeMap<IpAddr, ExitSlot> = ways.collect();
    let mut peers = BTreeMap::new();
    for member in found {
        if let (Place::Set(Group::Peers), IpAddr::V4(address), Some(address6)) =
            (member.place, member.address, member.partner)
        {
            let way = ways.get(&member.address);
            let access = PeerAccess {
                address6,
                internet: match way {
                    Some(slot) => WayOut::Exit(*slot),
                    None if has(Group::Internet, address) => WayOut::Uplink,
                    None => WayOut::None,
                },
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
        for place in places(access) {
            members.insert(Member {
                place,
                address: IpAddr::V4(*address),
                partner: (place == Place::Set(Group::Peers)).then_some(access.address6),
            });
            members.insert(Member {
                place,
                address: IpAddr::V6(access.address6),
                partner: None,
            });
        }
    }
    members
}

fn places(access: &PeerAccess) -> impl Iterator<Item = Place> {
    let out = match access.internet {
        WayOut::None => vec![],
        WayOut::Uplink => vec![Place::Set(Group::Internet)],
        WayOut::Exit(slot) => vec![Place::Set(Group::Exits), Place::Way(slot)],
    };
    let social = access.peer_to_peer.then_some(Group::PeerToPeer);
    let services = access.services.iter().copied().map(Group::Service);
    let groups = [Group::Peers].into_iter().chain(social).chain(services);
    groups.map(Place::Set).chain(out)
}

/// One command for each set that has members.
fn elements(
    members: impl IntoIterator<Item = Member>,
    command: impl Fn(Element<'static>) -> NfCmd<'static>,
) -> Vec<NfObject<'static>> {
    let mut lists: BTreeMap<(Option<Group>, Family), Vec<Expression<'static>>> = BTreeMap::new();
    for member in members {
        let address = Expression::String(member.address.to_string().into());
        let (group, element) = match (member.place, member.partner) {
            (Place::Way(slot), _) => (None, together([address, Expression::Number(slot.mark())])),
            (Place::Set(group), None) => (Some(group), address),
            (Place::Set(group), Some(partner)) => {
                let element = Expression::Named(NamedExpression::Elem(Elem {
                    val: Box::new(address),
                    timeout: None,
                    expires: None,
                    comment: Some(partner.to_string().into()),
                    counter: None,
                }));
                (Some(group), element)
            }
        };
        let list = lists.entry((group, Family::of(member.address)));
        list.or_default().push(element);
    }
    lists
        .into_iter()
        .map(|((group, family), list)| {
            let name = match group {
                Some(group) => group.set_name(family),
                None => Ways::set_name(family),
            };
            NfObject::CmdObject(command(Element {
                family: NfFamily::INet,
                table: TABLE.into(),
                name: name.into(),
                elem: list.into(),
            }))
        })
        .collect()
}
