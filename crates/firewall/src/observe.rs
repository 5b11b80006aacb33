//! Reads nft's listing of our table.
//!
//! With types of our own: they name only what is looked at, so a newer nft may say more.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;

use crate::render::{
    GENERATION_CHAIN, Member, PeersFromSets, TABLE, TABLE_FAMILY, peers_from_sets, read_set_name,
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
    for set in items.into_iter().filter_map(|item| item.set) {
        if let Some((group, _)) = read_set_name(&set.name) {
            for element in set.elem {
                let (address, comment) = element.parts();
                members.insert(Member {
                    group,
                    address: parse_address(&set.name, address)?,
                    partner: comment.and_then(|text| text.parse().ok()),
                });
            }
        }
    }
    let PeersFromSets { peers, intact } = peers_from_sets(&members);
    Ok(FirewallStatus::Loaded(LoadedRules {
        generation,
        peers,
        intact: intact && rules_intact,
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

/// nft writes a bare address, or an object when there is more to say.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListedElement {
    Bare(String),
    Wrapped { elem: ElementBody },
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
        }
    }
}
