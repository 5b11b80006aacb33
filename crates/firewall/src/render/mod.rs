//! Turns specs into batches for nft. Pure.

mod antispoof;
mod chains;
mod exits;
mod forward;
mod input;
mod links;
mod nat;
mod services;
mod sets;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use cell_model::spec::{FirewallSpec, PeerAccess};
use nftables::schema::{Chain, FlushObject, NfCmd, NfListObject, NfObject, Nftables, Rule, Table};
use nftables::types::NfFamily;
use sha2::{Digest, Sha256};

use crate::Generation;
pub(crate) use sets::{Member, PeersFromSets, Place, Ways, peers_from_sets, read_set_name};

/// The one table that is ours.
pub(crate) const TABLE: &str = "cell";
/// Its family as nft writes it.
pub(crate) const TABLE_FAMILY: &str = "inet";
/// The chain whose only rule bears the generation as its comment. No packet ever enters it.
pub(crate) const GENERATION_CHAIN: &str = "generation";

/// Bytes of the digest kept: two different rule sets in the life of a box will not share 64 bits.
const FINGERPRINT_BYTES: usize = 8;

/// A whole generation as one batch that takes the place of what the table held.
///
/// The chains that packets come to stay where they are and only their rules change: the kernel lets a packet on its
/// way pass a chain that is being taken away (`accept_all`, net/netfilter/core.c), whatever its policy.
pub fn render_replace(spec: &FirewallSpec) -> Nftables<'static> {
    let mut before = vec![add(NfListObject::Table(table()))];
    // What is flushed must be there.
    before.extend(sets::declare());
    before.push(flush(FlushObject::Table(table())));
    before.extend(sets::clear());
    generation_after(before, spec)
}

/// As [`render_replace`], for a table that does not let itself be changed so: one of another version, or one that
/// somebody else has changed. A packet on its way may slip through meanwhile.
pub(crate) fn render_anew(spec: &FirewallSpec) -> Nftables<'static> {
    // Adding first makes the deletion succeed on a system that has no such table.
    let before = vec![
        add(NfListObject::Table(table())),
        NfObject::CmdObject(NfCmd::Delete(NfListObject::Table(table()))),
        add(NfListObject::Table(table())),
    ];
    generation_after(before, spec)
}

fn generation_after(before: Vec<NfObject<'static>>, spec: &FirewallSpec) -> Nftables<'static> {
    let chains = chains::render(spec);
    let generation = name_generation(spec, &chains);
    let mut objects = before;
    objects.extend(sets::declare());
    objects.extend(chains);
    objects.extend(label(&generation));
    objects.extend(sets::fill(&spec.peers));
    Nftables {
        objects: objects.into(),
    }
}

/// The elements that differ, as one batch. What `remove` and `add` share is left alone.
pub fn render_patch(
    remove: &BTreeMap<Ipv4Addr, PeerAccess>,
    add: &BTreeMap<Ipv4Addr, PeerAccess>,
) -> Nftables<'static> {
    Nftables {
        objects: sets::patch(remove, add).into(),
    }
}

/// A batch the kernel accepts if and only if [`render_patch`] of the same is in effect.
/// For `nft --check` alone: carried out, it would undo the patch.
pub(crate) fn render_patch_check(
    remove: &BTreeMap<Ipv4Addr, PeerAccess>,
    add: &BTreeMap<Ipv4Addr, PeerAccess>,
) -> Nftables<'static> {
    Nftables {
        objects: sets::patch_check(remove, add).into(),
    }
}

/// See [`Generation::of`].
pub(crate) fn generation(spec: &FirewallSpec) -> Generation {
    name_generation(spec, &chains::render(spec))
}

fn name_generation(spec: &FirewallSpec, chains: &[NfObject<'static>]) -> Generation {
    let mut digest = Sha256::new();
    let mut rules = 0;
    for object in chains {
        if matches!(
            object,
            NfObject::CmdObject(NfCmd::Add(NfListObject::Rule(_)))
        ) {
            rules += 1;
        }
        let text = serde_json::to_vec(object).expect("nftables' types have text keys only");
        digest.update(text);
        digest.update(b"\n");
    }
    let fingerprint = digest.finalize()[..FINGERPRINT_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Generation {
        phase: spec.phase,
        fingerprint,
        rules,
    }
}

/// The chain that tells which generation this is. A rule's comment, since the crate knows none for tables.
fn label(generation: &Generation) -> [NfObject<'static>; 2] {
    [
        add(NfListObject::Chain(Chain {
            family: NfFamily::INet,
            table: TABLE.into(),
            name: GENERATION_CHAIN.into(),
            ..Chain::default()
        })),
        add(NfListObject::Rule(Rule {
            family: NfFamily::INet,
            table: TABLE.into(),
            chain: GENERATION_CHAIN.into(),
            expr: vec![words::give_up()].into(),
            comment: Some(generation.to_string().into()),
            ..Rule::default()
        })),
    ]
}

fn table() -> Table<'static> {
    Table {
        family: NfFamily::INet,
        name: TABLE.into(),
        handle: None,
    }
}

fn flush(object: FlushObject<'static>) -> NfObject<'static> {
    NfObject::CmdObject(NfCmd::Flush(object))
}

fn add(object: NfListObject<'static>) -> NfObject<'static> {
    NfObject::CmdObject(NfCmd::Add(object))
}
