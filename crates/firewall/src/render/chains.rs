//! The rules, chain by chain.
//!
//! ```text
//! prerouting  antispoof       a source belongs to the side it came from; a device is known
//! prerouting  exits  ─► way      what a device sends out bears the mark of its way
//! prerouting  ports           ports of the box that a container answers
//! prerouting  lead            what a program of the box carries out
//! input       input  ─► home    what the home side may ask of the box
//!                    ├► device  what a device may ask of the box
//!                    ├► service  what a container may ask of the box
//!                    └► link     what another cell may ask of the box
//! forward     forward ─► device_forward  where a device may go
//!                    ├► link_forward    where another cell may go
//!                    └► service_forward  where a container may go
//! postrouting nat             what leaves by the uplink or a tunnel, or to another cell, bears the box's address
//! ```

use cell_model::spec::FirewallSpec;
use nftables::schema::{Chain, NfListObject, NfObject, Rule};
use nftables::stmt::Statement;
use nftables::types::{NfChainPolicy, NfChainType, NfFamily, NfHook};

use super::words::{accept, give_up, state};
use super::{TABLE, add, antispoof, exits, forward, input, nat, services};

/// `NF_IP_PRI_FILTER`, linux/netfilter_ipv4.h.
pub(super) const FILTER: i32 = 0;

/// Every chain of ours but the one that names the generation.
pub(super) fn render(spec: &FirewallSpec) -> Vec<NfObject<'static>> {
    let mut chains = Chains::default();
    antispoof::render(&mut chains, spec);
    services::lead(&mut chains, spec);
    exits::render(&mut chains, spec);
    input::render(&mut chains, spec);
    forward::render(&mut chains, spec);
    nat::render(&mut chains, spec);
    chains.objects
}

/// Chains and rules in the order nft shall add them.
#[derive(Default)]
pub(super) struct Chains {
    pub(super) objects: Vec<NfObject<'static>>,
}

impl Chains {
    /// A chain packets come to by themselves.
    pub(super) fn hook(
        &mut self,
        name: &'static str,
        kind: NfChainType,
        hook: NfHook,
        priority: i32,
        policy: NfChainPolicy,
    ) {
        self.objects.push(add(NfListObject::Chain(Chain {
            family: NfFamily::INet,
            table: TABLE.into(),
            name: name.into(),
            _type: Some(kind),
            hook: Some(hook),
            prio: Some(priority),
            policy: Some(policy),
            ..Chain::default()
        })));
    }

    /// A chain rules send packets to. Must come before the rule that does.
    pub(super) fn chain(&mut self, name: &'static str) {
        self.objects.push(add(NfListObject::Chain(Chain {
            family: NfFamily::INet,
            table: TABLE.into(),
            name: name.into(),
            ..Chain::default()
        })));
    }

    pub(super) fn rule(
        &mut self,
        chain: &'static str,
        statements: impl Into<Vec<Statement<'static>>>,
    ) {
        self.objects.push(add(NfListObject::Rule(Rule {
            family: NfFamily::INet,
            table: TABLE.into(),
            chain: chain.into(),
            expr: statements.into().into(),
            ..Rule::default()
        })));
    }

    /// What no rule let through goes no further. The chain's policy says the same, but when a generation takes the place
    /// of another the kernel puts rules in force first and policies a moment later, after the old chains are gone
    /// (`nf_tables_commit`, net/netfilter/nf_tables_api.c): what passed in that moment would stay established.
    pub(super) fn end(&mut self, chain: &'static str) {
        self.rule(chain, [give_up()]);
    }

    /// Connection tracking's shortcut.
    pub(super) fn established(&mut self, chain: &'static str) {
        self.rule(chain, [state(&["invalid"]), give_up()]);
        self.rule(chain, [state(&["established", "related"]), accept()]);
    }
}
