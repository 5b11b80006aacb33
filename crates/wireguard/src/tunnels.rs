//! Tunnels that lead out: an interface each, with rules of which packets go by it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use cell_model::config::ExitSlot;
use cell_model::name::InterfaceName;
use cell_model::spec::{TunnelsSpec, WireGuardSpec};
use cell_model::step::WireGuardStep;
use cell_netlink::{Netlink, NetlinkError, Packets, Rule};
use tokio::sync::Mutex;

use crate::kernel::LINK_KIND;
use crate::{Mismatch, WireGuard, WireGuardError};

/// Tunnels that lead out, as the rest of the daemon sees them.
#[async_trait]
pub trait Tunnels: Send + Sync {
    /// Has exactly these tunnels. Sessions of one that stays go on. One that cannot be made does not keep the others from
    /// their turn.
    ///
    /// # Errors
    /// The first that occurred.
    async fn apply(&self, spec: &TunnelsSpec) -> Result<(), WireGuardError>;

    /// Reads back what there is.
    ///
    /// # Errors
    /// [`WireGuardError::Mismatch`] with what differs.
    async fn verify(&self, spec: &TunnelsSpec) -> Result<(), WireGuardError>;
}

/// Makes the one that is responsible for an interface.
type Make = dyn Fn(InterfaceName) -> Result<Arc<dyn WireGuard>, WireGuardError> + Send + Sync;

/// Tunnels of this system.
pub struct SystemTunnels {
    make: Box<Make>,
    /// Held while they are changed.
    known: Mutex<BTreeMap<InterfaceName, Arc<dyn WireGuard>>>,
}

impl SystemTunnels {
    /// None yet. `make` gives who carries the packets of one.
    pub fn new(
        make: impl Fn(InterfaceName) -> Result<Arc<dyn WireGuard>, WireGuardError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            make: Box::new(make),
            known: Mutex::default(),
        }
    }

    /// One after the other, so that what goes makes room for what comes.
    async fn settle(
        &self,
        known: &mut BTreeMap<InterfaceName, Arc<dyn WireGuard>>,
        spec: &TunnelsSpec,
    ) -> Result<(), WireGuardError> {
        let mut first = Ok(());
        let is_gone = |interface: &&InterfaceName| !spec.0.contains_key(interface);
        let gone: Vec<InterfaceName> = known.keys().filter(is_gone).cloned().collect();
        for interface in gone {
            if let Some(tunnel) = known.get(&interface) {
                let removed = tunnel.apply(&WireGuardStep::Remove).await;
                // One that is still there is taken away next time.
                if removed.is_ok() {
                    known.remove(&interface);
                }
                first = first.and(removed);
            }
        }
        first = first.and(remove_strays(spec).await.map_err(Into::into));
        for (interface, wanted) in &spec.0 {
            let tunnel = match known.get(interface) {
                Some(tunnel) => Ok(Arc::clone(tunnel)),
                None => (self.make)(interface.clone()),
            };
            let made = match tunnel {
                Ok(tunnel) => {
                    known.insert(interface.clone(), Arc::clone(&tunnel));
                    let step = WireGuardStep::Ensure(Arc::clone(wanted));
                    tunnel.apply(&step).await
                }
                Err(error) => Err(error),
            };
            if made.is_ok() {
                hear_answers(interface);
            }
            first = first.and(made);
        }
        first.and(settle_rules(spec).await.map_err(Into::into))
    }
}

#[async_trait]
impl Tunnels for SystemTunnels {
    async fn apply(&self, spec: &TunnelsSpec) -> Result<(), WireGuardError> {
        let mut known = self.known.lock().await;
        self.settle(&mut known, spec).await
    }

    async fn verify(&self, spec: &TunnelsSpec) -> Result<(), WireGuardError> {
        let known = self.known.lock().await;
        for (interface, wanted) in &spec.0 {
            let tunnel = known.get(interface).ok_or(Mismatch::Missing)?;
            let step = WireGuardStep::Ensure(Arc::clone(wanted));
            tunnel.verify(&step).await?;
        }
        let mut present = Netlink::new().own_rules().await?;
        let mut wanted = rules(spec);
        present.sort();
        wanted.sort();
        match present == wanted {
            true => Ok(()),
            false => Err(Mismatch::Rules.into()),
        }
    }
}

/// Takes tunnels of the kernel away that an earlier process has left and nobody asks for any more.
async fn remove_strays(spec: &TunnelsSpec) -> Result<(), NetlinkError> {
    let netlink = Netlink::new();
    for link in netlink.links().await? {
        let is_tunnel = link.name.as_str().starts_with(ExitSlot::INTERFACES)
            && link.kind.as_deref() == Some(LINK_KIND);
        if is_tunnel && !spec.0.contains_key(&link.name) {
            netlink.remove_link(&link.name).await?;
        }
    }
    Ok(())
}

/// Answers come from where the main table leads elsewhere to: with `rp_filter` (linux, ip-sysctl) in its strict form, which a
/// distribution may have set, the kernel would drop them. The packet filter has rules of its own for whence packets come.
fn hear_answers(interface: &InterfaceName) {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter");
    if let Err(error) = fs::write(&path, "2") {
        tracing::warn!(%error, path, "answers by this tunnel may be dropped");
    }
}

async fn settle_rules(spec: &TunnelsSpec) -> Result<(), NetlinkError> {
    let netlink = Netlink::new();
    let (present, wanted) = (netlink.own_rules().await?, rules(spec));
    for rule in present.iter().filter(|rule| !wanted.contains(rule)) {
        netlink.remove_own_rule(rule).await?;
    }
    for rule in wanted.iter().filter(|rule| !present.contains(rule)) {
        netlink.add_own_rule(rule).await?;
    }
    Ok(())
}

/// Packets that bear the mark of a way, and those of programs that name its interface, find their routes in its table, and
/// else none.
fn rules(spec: &TunnelsSpec) -> Vec<Rule> {
    let tunnels = spec.0.values();
    let exits = tunnels.filter_map(|tunnel| Some((tunnel, tunnel.exit?)));
    exits
        .flat_map(|(tunnel, slot)| of_one(tunnel, slot))
        .collect()
}

fn of_one(tunnel: &WireGuardSpec, slot: ExitSlot) -> impl Iterator<Item = Rule> {
    let table = slot.table();
    let marked = Packets::Marked {
        mark: slot.mark(),
        mask: ExitSlot::MASK,
    };
    let naming = Packets::Naming(tunnel.interface.clone());
    let families = tunnel
        .addresses
        .iter()
        .map(|address| address.addr().is_ipv6());
    let has_ipv6 = families.clone().any(|ipv6| ipv6);
    // Also for a family that it does not carry: what bears the mark must not find another way.
    [false, true].into_iter().flat_map(move |ipv6| {
        let rule = |packets: &Packets, table: Option<u32>, after: u32| Rule {
            ipv6,
            // Two for each way, all ahead of the main table.
            priority: 2 * slot.table() + after,
            packets: packets.clone(),
            table,
        };
        let mut rules = vec![rule(&marked, None, 1)];
        if !ipv6 || has_ipv6 {
            rules.extend([rule(&marked, Some(table), 0), rule(&naming, Some(table), 0)]);
        }
        rules
    })
}
