//! Tunnels that lead out: an interface each, with rules of which packets go by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cell_model::config::ExitSlot;
use cell_model::name::InterfaceName;
use cell_model::spec::{TunnelsSpec, WireGuardSpec};
use cell_model::step::WireGuardStep;
use cell_netlink::{Netlink, NetlinkError, Packets, Rule};
use tokio::sync::Mutex;

use crate::kernel::LINK_KIND;
use crate::{Mismatch, WireGuard, WireGuardError, verify};

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
    known: Mutex<BTreeMap<InterfaceName, Known>>,
}

/// A tunnel that there is.
struct Known {
    tunnel: Arc<dyn WireGuard>,
    /// As it was asked for last; `None`: it was not yet.
    spec: Option<Arc<WireGuardSpec>>,
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

    /// One after the other, so that what goes makes room for what comes. No packet is led by a tunnel that is not as asked.
    async fn settle(
        &self,
        known: &mut BTreeMap<InterfaceName, Known>,
        spec: &TunnelsSpec,
    ) -> Result<(), WireGuardError> {
        let stays = |interface: &InterfaceName| {
            let known = known.get(interface).and_then(|known| known.spec.as_ref());
            let wanted = spec.0.get(interface);
            matches!((known, wanted), (Some(known), Some(wanted)) if is_same(known, wanted))
        };
        let mut led: BTreeSet<InterfaceName> =
            spec.0.keys().filter(|name| stays(name)).cloned().collect();
        remove_rules(spec, &led).await?;
        let mut first = Ok(());
        let is_gone = |interface: &&InterfaceName| !spec.0.contains_key(interface);
        let gone: Vec<InterfaceName> = known.keys().filter(is_gone).cloned().collect();
        for interface in gone {
            if let Some(Known { tunnel, .. }) = known.get(&interface) {
                let removed = tunnel.apply(&WireGuardStep::Remove).await;
                // One that is still there is taken away next time.
                if removed.is_ok() {
                    known.remove(&interface);
                }
                first = first.and(removed.map_err(|error| error.of(&interface)));
            }
        }
        first = first.and(remove_strays(spec).await.map_err(Into::into));
        for (interface, wanted) in &spec.0 {
            let made = self.ensure(known, interface, wanted).await;
            match made {
                Ok(()) => {
                    hear_answers(interface);
                    led.insert(interface.clone());
                }
                Err(error) => {
                    led.remove(interface);
                    first = first.and(Err(error.of(interface)));
                }
            }
        }
        first.and(settle_rules(spec, &led).await.map_err(Into::into))
    }

    /// Makes a tunnel be as asked: anew where another end or another address is asked for, so that nothing of what went by the
    /// one before goes on by this one.
    async fn ensure(
        &self,
        known: &mut BTreeMap<InterfaceName, Known>,
        interface: &InterfaceName,
        wanted: &Arc<WireGuardSpec>,
    ) -> Result<(), WireGuardError> {
        if !known.contains_key(interface) {
            let tunnel = (self.make)(interface.clone())?;
            known.insert(interface.clone(), Known { tunnel, spec: None });
        }
        let Some(Known { tunnel, spec }) = known.get_mut(interface) else {
            return Ok(());
        };
        let is_same = match &spec {
            Some(before) => is_same(before, wanted),
            // An earlier process may have left it.
            None => match tunnel.observe().await? {
                Some(left) => verify::interface(wanted, &left).is_ok(),
                None => true,
            },
        };
        if !is_same {
            *spec = None;
            tunnel.apply(&WireGuardStep::Remove).await?;
        }
        let step = WireGuardStep::Ensure(Arc::clone(wanted));
        tunnel.apply(&step).await?;
        *spec = Some(Arc::clone(wanted));
        Ok(())
    }
}

/// Whether both lead to the same place by the same address.
fn is_same(one: &WireGuardSpec, other: &WireGuardSpec) -> bool {
    one.private_key == other.private_key
        && one.addresses == other.addresses
        && one.exit == other.exit
        && one.peers.keys().eq(other.peers.keys())
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
            let known = known.get(interface);
            let Known { tunnel, .. } =
                known.ok_or_else(|| WireGuardError::from(Mismatch::Missing).of(interface))?;
            let step = WireGuardStep::Ensure(Arc::clone(wanted));
            let verified = tunnel.verify(&step).await;
            verified.map_err(|error| error.of(interface))?;
        }
        let mut present = Netlink::new().own_rules().await?;
        let mut wanted = rules(spec, &spec.0.keys().cloned().collect());
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

/// Takes rules away that lead where they shall not any more.
async fn remove_rules(
    spec: &TunnelsSpec,
    led: &BTreeSet<InterfaceName>,
) -> Result<(), NetlinkError> {
    let netlink = Netlink::new();
    let wanted = rules(spec, led);
    for rule in netlink.own_rules().await? {
        if !wanted.contains(&rule) {
            netlink.remove_own_rule(&rule).await?;
        }
    }
    Ok(())
}

async fn settle_rules(
    spec: &TunnelsSpec,
    led: &BTreeSet<InterfaceName>,
) -> Result<(), NetlinkError> {
    remove_rules(spec, led).await?;
    let netlink = Netlink::new();
    let present = netlink.own_rules().await?;
    for rule in rules(spec, led) {
        if !present.contains(&rule) {
            netlink.add_own_rule(&rule).await?;
        }
    }
    Ok(())
}

/// Packets that bear the mark of a way, and those of programs that name its interface, find their routes in its table, and
/// else none. `led`: tunnels that they are led to by now.
fn rules(spec: &TunnelsSpec, led: &BTreeSet<InterfaceName>) -> Vec<Rule> {
    let tunnels = spec.0.values();
    let exits = tunnels.filter_map(|tunnel| Some((tunnel, tunnel.exit?)));
    exits
        .flat_map(|(tunnel, slot)| of_one(tunnel, slot, led.contains(&tunnel.interface)))
        .collect()
}

fn of_one(tunnel: &WireGuardSpec, slot: ExitSlot, is_led: bool) -> Vec<Rule> {
    let marked = Packets::Marked {
        mark: slot.mark(),
        mask: ExitSlot::MASK,
    };
    let naming = Packets::Naming(tunnel.interface.clone());
    let mut rules = Vec::new();
    // Also for a family that it does not carry: what bears the mark must not find another way.
    for ipv6 in [false, true] {
        let mut addresses = tunnel.addresses.iter().map(|address| address.addr());
        let is_carried = addresses.any(|address| address.is_ipv6() == ipv6);
        if ipv6 && !has_ipv6() {
            continue;
        }
        let rule = |packets: &Packets, table: Option<u32>, after: u32| Rule {
            ipv6,
            // Two for each way, all ahead of the main table.
            priority: 2 * slot.table() + after,
            packets: packets.clone(),
            table,
        };
        rules.push(rule(&marked, None, 1));
        if is_carried && is_led {
            let table = Some(slot.table());
            rules.extend([rule(&marked, table, 0), rule(&naming, table, 0)]);
        }
    }
    rules
}

/// Whether the kernel knows IPv6 (`ipv6.disable`, kernel parameters).
fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}
