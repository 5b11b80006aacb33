use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use cell_model::facts::{DhcpFacts, NetworkFacts};
use cell_model::name::InterfaceName;
use cell_model::spec::NetworkSpec;
use cell_model::step::NetworkStep;
use cell_netlink::{Netlink, Watch};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at, sleep};
use tracing::warn;

use crate::dhcp::{Clients, DhcpOptions};
use crate::{Network, NetworkError, NetworkPlan, apply, observe, plan};

/// How often the list of resolvers is compared. DHCP clients write it after the addresses, and the kernel tells nobody.
const RESOLVER_INTERVAL: Duration = Duration::from_secs(5);

/// How long to wait before listening anew after the socket failed.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// The network of the kernel, in the namespace of the threads that call.
#[derive(Debug)]
pub struct KernelNetwork {
    netlink: Netlink,
    uplink: InterfaceName,
    resolv_conf: PathBuf,
    clients: Clients,
}

impl KernelNetwork {
    /// `uplink` goes on listening to router advertisements when the box forwards; `resolv_conf` is the list of name
    /// servers the uplink was given (resolv.conf(5)), which may be absent, where no lease names them.
    pub fn new(uplink: InterfaceName, resolv_conf: impl Into<PathBuf>, dhcp: DhcpOptions) -> Self {
        let netlink = Netlink::new();
        Self {
            netlink,
            uplink,
            resolv_conf: resolv_conf.into(),
            clients: Clients::new(netlink, dhcp),
        }
    }

    /// Ends the DHCP clients, for the daemon to end. Addresses stay, and leases are kept for the next daemon.
    pub async fn pause(&self) {
        self.clients.pause().await;
    }
}

#[async_trait]
impl Network for KernelNetwork {
    async fn observe(&self) -> Result<NetworkFacts, NetworkError> {
        let dhcp = self.clients.facts();
        observe::facts(self.netlink, &self.uplink, dhcp, &self.resolv_conf).await
    }

    async fn apply(&self, step: &NetworkStep) -> Result<(), NetworkError> {
        let plan = self.verify(&step.spec).await?;
        apply::apply(self.netlink, &self.clients, &plan).await
    }

    async fn verify(&self, spec: &NetworkSpec) -> Result<NetworkPlan, NetworkError> {
        let state = observe::state(self.netlink, &self.uplink, self.clients.specs()).await?;
        Ok(plan::plan(&state, spec))
    }

    fn watch(&self) -> Result<mpsc::Receiver<()>, NetworkError> {
        let watch = self
            .netlink
            .watch()
            .map_err(|source| NetworkError::Watch { source })?;
        // One place: a value nobody took yet already says that something changed.
        let (sender, receiver) = mpsc::channel(1);
        let sources = Sources {
            netlink: self.netlink,
            watch,
            resolv_conf: self.resolv_conf.clone(),
            dhcp: self.clients.watch(),
        };
        tokio::spawn(tell(sources, sender));
        Ok(receiver)
    }
}

/// What changes are heard of from.
struct Sources {
    netlink: Netlink,
    watch: Watch,
    resolv_conf: PathBuf,
    dhcp: watch::Receiver<BTreeMap<InterfaceName, DhcpFacts>>,
}

/// Passes changes on until nobody listens any more.
async fn tell(sources: Sources, sender: mpsc::Sender<()>) {
    let Sources {
        netlink,
        mut watch,
        resolv_conf,
        mut dhcp,
    } = sources;
    let mut resolvers = read(&resolv_conf);
    let mut look = interval_at(Instant::now() + RESOLVER_INTERVAL, RESOLVER_INTERVAL);
    loop {
        tokio::select! {
            () = sender.closed() => return,
            _ = look.tick() => {
                let found = read(&resolv_conf);
                if found == resolvers {
                    continue;
                }
                resolvers = found;
            }
            Ok(()) = dhcp.changed() => {}
            change = watch.next() => {
                if let Err(error) = change {
                    warn!(%error, "the watch on the network failed; listening anew");
                    sleep(WATCH_PAUSE).await;
                    if let Ok(anew) = netlink.watch() {
                        watch = anew;
                    }
                }
            }
        }
        let _ = sender.try_send(());
    }
}

/// An unreadable list is as good as none here: [`Network::observe`] says what is wrong with it.
fn read(resolv_conf: &Path) -> Option<String> {
    observe::resolver_text(resolv_conf).ok()
}
