//! Reads nft's listing of our table.
//!
//! With types of our own: they name only what is looked at, so a newer nft may say more.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cell_model::config::ExitSlot;
use serde::Deserialize;

use crate::render::{
    GENERATION_CHAIN, Member, PeersFromSets, Place, TABLE, TABLE_FAMILY, Ways, peers_from_sets,
    read_set_name,
};
use crate::{FirewallError, FirewallStatus, Generation, LoadedRules};

/// Whether a listing of tables names ours.
pub(crate) fn has_table(listing: &[u8]) -> Result<bool, FirewallError> {
    Ok(read(listing)?
        .iter()
        .filter_map(|item| item.table.as_ref())
        .any(|table| table.family == TABLE_FAMILY && table.name == TABLE))
}

/// The generation a listing of our table bears, and whether it still has all its rules.
pub(crate) fn generation(listing: &[u8]) -> Result<Option<(Generation, bool)>, FirewallError> {
    Ok(find_generation(&read(listing)?))
}

/// What a listing of our table with all elements tells.
pub(crate) fn status(listing: &[u8]) -> Result<FirewallStatus, FirewallError> {
    let items = read(listing)?;
    let Some((generation, rules_intact)) = find_generation(&items) else {
        return Ok(FirewallStatus::Absent);
    };
    let mut members = BTreeSet::new();
    let mut unknown_way = false;
    for set in items.into_iter().filter_map(|item| item.set) {
        if let Some((group, _)) = read_set_name(&set.name) {
            for element in set.elem {
                let (address, comment) = element.parts();
                members.insert(Member {
                    place: Place::Set(group),
                    address: parse_address(&set.name, address)?,
                    partner: comment.and_then(|text| text.parse().ok()),
                });
            }
        } else if Ways::is_set_name(&set.name) {
            for element in set.elem {
                let Some((address, slot)) = element.way() else {
                    unknown_way = true;
                    continue;
                };
                members.insert(Member {
                    place: Place::Way(slot),
                    address: parse_address(&set.name, address)?,
                    partner: None,
                });
            }
        }
    }
    let PeersFromSets { peers, intact } = peers_from_sets(&members);
    Ok(FirewallStatus::Loaded(LoadedRules {
        generation,
        peers,
        intact: intact && rules_intact && !unknown_way,
    }))
}

fn read(listing: &[u8]) -> Result<Vec<Item>, FirewallError> {
    let listing: Listing = serde_json::from_slice(listing).map_err(FirewallError::Answer)?;
    Ok(listing.nftables)
}

fn find_generation(items: &[Item]) -> Option<(Generation, bool)> {
    let rules = || items.iter().filter_map(|item| item.rule.as_ref());
    let label = rules().find(|rule| rule.chain == GENERATION_CHAIN)?;
    let generation = Generation::parse(label.comment.as_deref()?)?;
    let count = rules()
        .filter(|rule| rule.chain != GENERATION_CHAIN)
        .count();
    let intact = count == generation.rules;
    Some((generation, intact))
}

fn parse_address(set: &str, element: &str) -> Result<IpAddr, FirewallError> {
    element.parse().map_err(|_| FirewallError::Element {
        set: set.to_owned(),
        element: element.to_owned(),
    })
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

/// One entry of the listing: an object with one key.
#[derive(Deserialize)]
struct Item {
    table: Option<ListedTable>,
    set: Option<ListedSet>,
    rule: Option<ListedRule>,
}

#[derive(Deserialize)]
struct ListedTable {
    family: String,
    name: String,
}

#[derive(Deserialize)]
struct ListedSet {
    name: String,
    #[serde(default)]
    elem: Vec<ListedElement>,
}

#[derive(Deserialize)]
struct ListedRule {
    chain: String,
    comment: Option<String>,
}

/// nft writes a bare address, or an object when there is more to say. An address with a mark is a pair.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListedElement {
    Bare(String),
    Wrapped { elem: ElementBody },
    Pair { concat: (String, u32) },
}

#[derive(Deserialize)]
struct ElementBody {
    val: String,
    comment: Option<String>,
}

impl ListedElement {
    fn parts(&self) -> (&str, Option<&str>) {
        match self {
            Self::Bare(address) => (address, None),
            Self::Wrapped { elem } => (&elem.val, elem.comment.as_deref()),
            Self::Pair { concat } => (&concat.0, None),
        }
    }

    /// An address with its way.
    fn way(&self) -> Option<(&str, ExitSlot)> {
        match self {
            Self::Pair {
                concat: (address, mark),
            } => Some((address, ExitSlot::of_mark(*mark)?)),
            Self::Bare(_) | Self::Wrapped { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use cell_model::spec::WayOut;

    use super::*;

    /// A listing with this content, as nft writes it.
    fn listing(items: &str) -> Vec<u8> {
        format!(r#"{{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}}, {items}]}}"#).into_bytes()
    }

    const LABEL: &str = r#"{"rule": {"family": "inet", "table": "cell", "chain": "generation",
        "handle": 5, "comment": "open 0123456789abcdef 1", "expr": [{"drop": null}]}}"#;
    const RULE: &str = r#"{"rule": {"family": "inet", "table": "cell", "chain": "input",
        "handle": 6, "expr": [{"accept": null}]}}"#;

    #[test]
    fn device_is_put_together_from_its_sets() {
        let sets = r#"
            {"set": {"name": "peers4", "elem": [{"elem": {"val": "10.9.8.2", "comment": "fd09::2"}}]}},
            {"set": {"name": "peers6", "elem": ["fd09::2"]}},
            {"set": {"name": "p2p4", "elem": ["10.9.8.2"]}},
            {"set": {"name": "p2p6", "elem": ["fd09::2"]}},
            {"set": {"name": "mail4"}}"#;
        let status = status(&listing(&format!("{LABEL}, {RULE}, {sets}"))).unwrap();
        let FirewallStatus::Loaded(rules) = status else {
            panic!("absent");
        };
        let (address, access) = rules.peers.first_key_value().unwrap();
        assert_eq!(address.to_string(), "10.9.8.2");
        assert_eq!(access.address6.to_string(), "fd09::2");
        assert!(access.peer_to_peer && access.services.is_empty());
        assert_eq!(access.internet, WayOut::None);
        assert!(rules.intact);
    }

    #[test]
    fn element_without_its_pairing_makes_the_rules_not_intact() {
        let sets = r#"{"set": {"name": "peers4", "elem": ["10.9.8.2"]}}"#;
        let status = status(&listing(&format!("{LABEL}, {RULE}, {sets}"))).unwrap();
        assert!(matches!(status, FirewallStatus::Loaded(rules) if !rules.intact));
    }

    #[test]
    fn table_without_our_label_counts_as_absent() {
        assert_eq!(status(&listing(RULE)).unwrap(), FirewallStatus::Absent);
    }

    #[test]
    fn element_that_is_no_address_is_told() {
        let sets = r#"{"set": {"name": "peers4", "elem": ["everyone"]}}"#;
        let answer = status(&listing(&format!("{LABEL}, {sets}")));
        assert!(
            matches!(answer, Err(FirewallError::Element { .. })),
            "{answer:?}"
        );
    }

    #[test]
    fn table_of_another_family_is_not_ours() {
        let tables = r#"{"table": {"family": "ip", "name": "cell", "handle": 1}}"#;
        assert!(!has_table(&listing(tables)).unwrap());
        let tables = r#"{"table": {"family": "inet", "name": "cell", "handle": 1}}"#;
        assert!(has_table(&listing(tables)).unwrap());
    }
}
