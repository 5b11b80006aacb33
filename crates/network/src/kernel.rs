use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use cell_model::facts::NetworkFacts;
use cell_model::name::InterfaceName;
use cell_model::spec::NetworkSpec;
use cell_model::step::NetworkStep;
use cell_netlink::{Netlink, Watch};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep};
use tracing::warn;

use crate::{Network, NetworkError, NetworkPlan, apply, observe, plan};

/// How often the list of resolvers is compared. DHCP clients write it after the addresses, and the kernel tells nobody.
const RESOLVER_INTERVAL: Duration = Duration::from_secs(5);

/// How long to wait before listening anew after the socket failed.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// The network of the kernel, in the namespace of the threads that call.
#[derive(Debug, Clone)]
pub struct KernelNetwork {
    netlink: Netlink,
    uplink: InterfaceName,
    resolv_conf: PathBuf,
}

impl KernelNetwork {
    /// `uplink` goes on listening to router advertisements when the box forwards; `resolv_conf` is the list of name
    /// servers the uplink was given (resolv.conf(5)), which may be absent.
    pub fn new(uplink: InterfaceName, resolv_conf: impl Into<PathBuf>) -> Self {
        Self {
            netlink: Netlink::new(),
            uplink,
            resolv_conf: resolv_conf.into(),
        }
    }
}

#[async_trait]
impl Network for KernelNetwork {
    async fn observe(&self) -> Result<NetworkFacts, NetworkError> {
        observe::facts(self.netlink, &self.resolv_conf).await
    }

    async fn apply(&self, step: &NetworkStep) -> Result<(), NetworkError> {
        let plan = self.verify(&step.spec).await?;
        apply::apply(self.netlink, &plan).await
    }

    async fn verify(&self, spec: &NetworkSpec) -> Result<NetworkPlan, NetworkError> {
        let state = observe::state(self.netlink, &self.uplink).await?;
        Ok(plan::plan(&state, spec))
    }

    fn watch(&self) -> Result<mpsc::Receiver<()>, NetworkError> {
        let watch = self
            .netlink
            .watch()
            .map_err(|source| NetworkError::Watch { source })?;
        // One place: a value nobody took yet already says that something changed.
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(tell(self.netlink, watch, self.resolv_conf.clone(), sender));
        Ok(receiver)
    }
}

/// Passes changes on until nobody listens any more.
async fn tell(netlink: Netlink, mut watch: Watch, resolv_conf: PathBuf, sender: mpsc::Sender<()>) {
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
