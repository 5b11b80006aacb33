//! The process that serves pages and REST, from both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use cell_control::Control;
use cell_control::channel::{Channel, Handler};
use cell_control::remote::Remote;
use cell_gate::{Faces, Gate};
use cell_model::name::{CellName, ServiceId};
use cell_model::secret::{Secret, exposed};
use cell_model::spec::{PairingSpec, WebSpec};
use cell_reconcile::{AdminListener, ListenerError};
use cell_vault::{CellVault, Vault};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, watch};

use super::{Keeper, until_closed};
use crate::logging::RoleLog;

/// What the core says to the process: serve exactly this. Sockets come along, in the order of the addresses.
#[derive(Serialize, Deserialize)]
struct Serve {
    listen: Vec<SocketAddr>,
    hosts: BTreeSet<String>,
    chain_der: Vec<Vec<u8>>,
    #[serde(serialize_with = "exposed")]
    key_der: Secret<Vec<u8>>,
    /// Services that ask who somebody is; two sockets each, after those of the addresses.
    services: Vec<AskingService>,
    /// Set where there is a reverse proxy; its two sockets come last.
    proxy: Option<Asked>,
    /// Set while other cells may come; its sockets are before all others.
    pairing: Option<PairingSpec>,
}

/// How a service is answered that asks who somebody is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AskingService {
    id: ServiceId,
    asked: Asked,
}

/// Where a service asks, and nobody else.
pub(crate) struct PeopleSockets {
    /// Whose a name and a password are.
    pub(crate) accounts: UnixListener,
    /// Where mail goes.
    pub(crate) tables: UnixListener,
}

/// How whoever asks is answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    /// The name clients show.
    cell: CellName,
    /// Another number, other sockets.
    sockets: u64,
}

/// Where the reverse proxy alone gets to.
pub(crate) struct ProxySockets {
    /// It asks here whose a request to a service is.
    pub(crate) accounts: UnixListener,
    /// The admin page, to pass requests on to.
    pub(crate) page: UnixListener,
}

/// What it answers: why not, in a sentence.
type Served = Result<(), String>;

/// The core's side: binds the sockets and keeps them, so that a restarted process finds who came meanwhile.
pub(crate) struct ProcessListener {
    keeper: Arc<Keeper>,
    vault: Arc<CellVault>,
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    spec: Option<WebSpec>,
    sockets: BTreeMap<SocketAddr, TcpListener>,
    /// Where other cells come.
    pairing: BTreeMap<SocketAddr, TcpListener>,
    /// Where the reverse proxy gets to.
    proxy: Option<(Asked, ProxySockets)>,
    /// Where services get to.
    services: BTreeMap<ServiceId, (Asked, PeopleSockets)>,
    /// How often there were other sockets.
    asked: u64,
}

impl Wanted {
    fn ask(&mut self, cell: CellName) -> Asked {
        self.asked += 1;
        Asked {
            cell,
            sockets: self.asked,
        }
    }
}

impl ProcessListener {
    /// Nothing is served yet.
    pub(crate) fn new(keeper: Arc<Keeper>, vault: Arc<CellVault>) -> Self {
        Self {
            keeper,
            vault,
            wanted: Mutex::default(),
        }
    }

    /// Tells a process that was restarted all that is wanted of it.
    pub(crate) async fn replay(&self) -> Result<(), ListenerError> {
        let wanted = self.wanted.lock().await;
        self.hand_over(&wanted).await
    }

    /// Whether somebody answers the reverse proxy, in the name of this cell.
    pub(crate) async fn answers_proxy(&self, cell: &CellName) -> bool {
        let wanted = self.wanted.lock().await;
        let proxy = wanted.proxy.as_ref();
        proxy.is_some_and(|(asked, _)| asked.cell == *cell)
    }

    /// From now on, the reverse proxy is answered here; `None`: nowhere.
    pub(crate) async fn answer_proxy(
        &self,
        sockets: Option<(CellName, ProxySockets)>,
    ) -> Result<(), ListenerError> {
        let mut wanted = self.wanted.lock().await;
        if sockets.is_none() && wanted.proxy.is_none() {
            return Ok(());
        }
        wanted.proxy = sockets.map(|(cell, sockets)| (wanted.ask(cell), sockets));
        self.hand_over(&wanted).await
    }

    /// The services that are answered.
    pub(crate) async fn answered_services(&self) -> Vec<ServiceId> {
        self.wanted.lock().await.services.keys().cloned().collect()
    }

    /// Whether somebody answers a service, in the name of this cell.
    pub(crate) async fn answers_service(&self, id: &ServiceId, cell: &CellName) -> bool {
        let wanted = self.wanted.lock().await;
        let service = wanted.services.get(id);
        service.is_some_and(|(asked, _)| asked.cell == *cell)
    }

    /// From now on, a service is answered here; `None`: nowhere.
    pub(crate) async fn answer_service(
        &self,
        id: &ServiceId,
        sockets: Option<(CellName, PeopleSockets)>,
    ) -> Result<(), ListenerError> {
        let mut wanted = self.wanted.lock().await;
        match sockets {
            Some((cell, sockets)) => {
                let asked = wanted.ask(cell);
                wanted.services.insert(id.clone(), (asked, sockets));
            }
            None => drop(wanted.services.remove(id)),
        }
        self.hand_over(&wanted).await
    }

    async fn hand_over(&self, wanted: &Wanted) -> Result<(), ListenerError> {
        let Some(spec) = &wanted.spec else {
            return Ok(());
        };
        let process = |error: &dyn std::fmt::Display| ListenerError::Process(error.to_string());
        let leaf = self
            .vault
            .credentials()
            .await
            .ok_or_else(|| process(&"there is no certificate yet"))?;
        let serve = Serve {
            listen: wanted.sockets.keys().copied().collect(),
            hosts: spec.hosts.clone(),
            chain_der: leaf.chain_der.clone(),
            key_der: leaf.key_der.clone(),
            services: wanted
                .services
                .iter()
                .map(|(id, (asked, _))| AskingService {
                    id: id.clone(),
                    asked: asked.clone(),
                })
                .collect(),
            proxy: wanted.proxy.as_ref().map(|(asked, _)| asked.clone()),
            pairing: spec.pairing.as_ref().map(|pairing| PairingSpec {
                listen: wanted.pairing.keys().copied().collect(),
                ..pairing.clone()
            }),
        };
        let listening = wanted.pairing.values().chain(wanted.sockets.values());
        let listening = listening.map(|socket| socket.try_clone().map(OwnedFd::from));
        let proxy = wanted.proxy.iter();
        let proxy = proxy.flat_map(|(_, sockets)| [&sockets.accounts, &sockets.page]);
        let services = wanted.services.values();
        let services = services.flat_map(|(_, sockets)| [&sockets.accounts, &sockets.tables]);
        let local = services.chain(proxy);
        let local = local.map(|socket| socket.try_clone().map(OwnedFd::from));
        let sockets: Result<Vec<OwnedFd>, _> = listening.chain(local).collect();
        let sockets = sockets.map_err(|error| process(&error))?;
        let served: Served = self
            .keeper
            .call(&serve, sockets)
            .await
            .map_err(|error| process(&error))?;
        served.map_err(|error| process(&error))
    }
}

#[async_trait]
impl AdminListener for ProcessListener {
    async fn apply(&self, spec: &WebSpec) -> Result<(), ListenerError> {
        let mut wanted = self.wanted.lock().await;
        let mut failed = Vec::new();
        bind(&mut wanted.sockets, &spec.listen, &mut failed);
        let pairing = spec.pairing.as_ref().map(|pairing| &pairing.listen);
        let none = BTreeSet::new();
        bind(&mut wanted.pairing, pairing.unwrap_or(&none), &mut failed);
        wanted.spec = Some(spec.clone());
        self.hand_over(&wanted).await?;
        if failed.is_empty() {
            Ok(())
        } else {
            Err(ListenerError::Bind(failed.join(", ")))
        }
    }
}

/// Has sockets for exactly these addresses, but for those that fail.
fn bind(
    sockets: &mut BTreeMap<SocketAddr, TcpListener>,
    listen: &BTreeSet<SocketAddr>,
    failed: &mut Vec<String>,
) {
    sockets.retain(|address, _| listen.contains(address));
    for &address in listen {
        if sockets.contains_key(&address) {
            continue;
        }
        match TcpListener::bind(address) {
            Ok(socket) => drop(sockets.insert(address, socket)),
            Err(error) => failed.push(format!("{address} ({error})")),
        }
    }
}

/// The process's side: serves until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) -> Result<(), Box<dyn Error>> {
    let server = Arc::new(Server::default());
    let handler = Arc::clone(&server);
    let (built, failure) = tokio::sync::oneshot::channel();
    let running = until_closed(stream, log, handler, |channel| async move {
        match server.build(channel) {
            Ok(()) => std::future::pending().await,
            Err(error) => {
                let _ = built.send(error.to_string());
            }
        }
    });
    tokio::select! {
        () = running => Ok(()),
        Ok(error) = failure => Err(error.into()),
    }
}

#[derive(Default)]
struct Server {
    gate: OnceLock<Arc<Gate>>,
    /// For other cells, who find nothing else behind it.
    pairing_gate: OnceLock<Arc<Gate>>,
    control: OnceLock<Arc<dyn Control>>,
    hosts: watch::Sender<BTreeSet<String>>,
    serving: Mutex<Serving>,
}

#[derive(Default)]
struct Serving {
    tls: Option<watch::Sender<Arc<rustls::ServerConfig>>>,
    listeners: BTreeMap<SocketAddr, watch::Sender<bool>>,
    proxy: Option<(Asked, watch::Sender<bool>)>,
    services: BTreeMap<ServiceId, (Asked, watch::Sender<bool>)>,
    /// What other cells are shown, and where they are listened to.
    pairing: Option<(PairingSpec, watch::Sender<bool>)>,
}

impl Server {
    /// The gate, before the core that answers over the channel.
    fn build(&self, channel: Channel) -> Result<(), cell_gate::gate::RouteCollision> {
        let faces = Faces {
            api: cell_api::routes(),
            pages: cell_webui::routes(),
            page_error: cell_webui::error_page,
        };
        let control: Arc<dyn Control> = Arc::new(Remote::new(channel));
        let gate = Gate::new(Arc::clone(&control), faces, self.hosts.subscribe())?;
        let faces = Faces {
            api: cell_api::pairing_routes(),
            pages: &[],
            page_error: cell_webui::error_page,
        };
        let pairing = Gate::new(Arc::clone(&control), faces, self.hosts.subscribe())?;
        let _ = self.pairing_gate.set(Arc::new(pairing));
        let _ = self.gate.set(Arc::new(gate));
        let _ = self.control.set(control);
        Ok(())
    }

    async fn apply(&self, serve: Serve, mut sockets: Vec<OwnedFd>) -> Served {
        let proxy = match serve.proxy {
            Some(asked) => {
                let (page, accounts) = (sockets.pop(), sockets.pop());
                page.zip(accounts).map(|(page, accounts)| {
                    let sockets = ProxySockets {
                        accounts: accounts.into(),
                        page: page.into(),
                    };
                    (asked, sockets)
                })
            }
            None => None,
        };
        let mut services = Vec::new();
        // From the end, as they came.
        for service in serve.services.into_iter().rev() {
            if let (Some(tables), Some(accounts)) = (sockets.pop(), sockets.pop()) {
                let sockets = PeopleSockets {
                    accounts: accounts.into(),
                    tables: tables.into(),
                };
                services.push((service, sockets));
            }
        }
        let listening = serve
            .pairing
            .as_ref()
            .map_or(0, |pairing| pairing.listen.len());
        if serve.listen.len() + listening == sockets.len() {
            let sockets = sockets.drain(..listening).collect();
            self.listen_to_cells(serve.pairing, sockets).await?;
        }
        if serve.listen.len() != sockets.len() {
            return Err("sockets and addresses do not match".to_owned());
        }
        let gate = self.gate.get().ok_or("it is starting")?;
        let tls = cell_gate::tls_config(serve.chain_der, &serve.key_der)
            .map_err(|error| error.to_string())?;
        self.hosts.send_replace(serve.hosts);
        let mut serving = self.serving.lock().await;
        let tls = match &serving.tls {
            Some(sender) => {
                sender.send_replace(tls);
                sender.subscribe()
            }
            None => {
                let (sender, receiver) = watch::channel(tls);
                serving.tls = Some(sender);
                receiver
            }
        };
        // Dropping the sender ends the listener; a listener that broke is made anew.
        serving
            .listeners
            .retain(|address, stop| serve.listen.contains(address) && !stop.is_closed());
        for (address, socket) in serve.listen.into_iter().zip(sockets) {
            if serving.listeners.contains_key(&address) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let (tls, gate) = (tls.clone(), Arc::clone(gate));
            tokio::spawn(async move {
                if let Err(error) =
                    cell_gate::serve(TcpListener::from(socket), tls, gate, stopped).await
                {
                    tracing::error!(%address, %error, "a listener broke");
                }
            });
            serving.listeners.insert(address, stop);
        }
        self.answer_proxy(&mut serving, proxy);
        self.answer_services(&mut serving, services);
        Ok(())
    }

    /// Listens to other cells on these sockets, and on no others from then on.
    async fn listen_to_cells(&self, wanted: Option<PairingSpec>, sockets: Vec<OwnedFd>) -> Served {
        let mut serving = self.serving.lock().await;
        let Some((wanted, gate)) = wanted.zip(self.pairing_gate.get()) else {
            serving.pairing = None;
            return Ok(());
        };
        let same = |(present, stop): &(PairingSpec, watch::Sender<bool>)| {
            *present == wanted && !stop.is_closed()
        };
        if serving.pairing.as_ref().is_some_and(same) {
            return Ok(());
        }
        let tls = cell_gate::tls_config(wanted.chain_der.clone(), &wanted.key_der)
            .map_err(|error| error.to_string())?;
        let (stop, stopped) = watch::channel(false);
        for socket in sockets {
            let (_, tls) = watch::channel(Arc::clone(&tls));
            let (gate, stopped) = (Arc::clone(gate), stopped.clone());
            tokio::spawn(async move {
                let served = cell_gate::serve(TcpListener::from(socket), tls, gate, stopped);
                if let Err(error) = served.await {
                    tracing::error!(%error, "a listener for other cells broke");
                }
            });
        }
        serving.pairing = Some((wanted, stop));
        Ok(())
    }

    /// Answers services on these sockets, and on no others from then on.
    fn answer_services(&self, serving: &mut Serving, wanted: Vec<(AskingService, PeopleSockets)>) {
        let Some(control) = self.control.get() else {
            return;
        };
        serving.services.retain(|id, (present, stop)| {
            let mut wanted = wanted.iter();
            let is_same = wanted.any(|(service, _)| service.id == *id && service.asked == *present);
            is_same && !stop.is_closed()
        });
        for (AskingService { id, asked }, sockets) in wanted {
            if serving.services.contains_key(&id) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            serving.services.insert(id.clone(), (asked.clone(), stop));
            let control = Arc::clone(control);
            tokio::spawn(async move {
                let people = cell_gate::accounts::serve_people(
                    sockets.accounts,
                    Arc::clone(&control),
                    id.clone(),
                    &asked.cell,
                    stopped.clone(),
                );
                let tables =
                    cell_gate::tables::serve_tables(sockets.tables, control, id.clone(), stopped);
                if let Err(error) = tokio::try_join!(people, tables) {
                    tracing::error!(service = %id, %error, "a socket of a service broke");
                }
            });
        }
    }

    /// Answers the proxy on these sockets, and on no others from then on.
    fn answer_proxy(&self, serving: &mut Serving, wanted: Option<(Asked, ProxySockets)>) {
        let parts = self.control.get().zip(self.gate.get());
        let Some(((asked, sockets), (control, gate))) = wanted.zip(parts) else {
            serving.proxy = None;
            return;
        };
        let same =
            |(present, stop): &(Asked, watch::Sender<bool>)| *present == asked && !stop.is_closed();
        if serving.proxy.as_ref().is_some_and(same) {
            return;
        }
        let (stop, stopped) = watch::channel(false);
        serving.proxy = Some((asked.clone(), stop));
        let (control, gate) = (Arc::clone(control), Arc::clone(gate));
        tokio::spawn(async move {
            let page = cell_gate::front::serve(sockets.page, gate, stopped.clone());
            let accounts =
                cell_gate::accounts::serve(sockets.accounts, control, &asked.cell, stopped);
            // When one breaks, the other ends with it, and both are made anew.
            if let Err(error) = tokio::try_join!(page, accounts) {
                tracing::error!(%error, "a socket of the proxy broke");
            }
        });
    }
}

#[async_trait]
impl Handler for Server {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        let served: Served = match serde_json::from_str(body.get()) {
            Ok(serve) => self.apply(serve, descriptors).await,
            Err(error) => Err(error.to_string()),
        };
        serde_json::value::to_raw_value(&served).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}
