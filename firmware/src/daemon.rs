//! Start and shutdown order of the daemon.

use std::error::Error;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cell_containers::{Podman, PodmanOptions};
use cell_control::Control;
use cell_control::remote::{Responder, Trust};
use cell_core::{Core, LogBuffer, Processes, Settings, System};
use cell_dns::ProcessDns;
use cell_exits::ProcessExits;
use cell_fetch::FetchLink;
use cell_firewall::Nft;
use cell_mdns::ProcessMdns;
use cell_model::Timestamp;
use cell_model::status::{Part, WireGuardBackend};
use cell_network::{DhcpOptions, KernelNetwork};
use cell_packages::Library;
use cell_plan::resolve::vpn_interface;
use cell_reconcile::{Nudge, Parts};
use cell_wireguard::kernel::Kernel;
use cell_wireguard::userspace::Userspace;
use cell_wireguard::{SystemTunnels, WireGuard};
use tokio::signal::unix::{SignalKind, signal};

use crate::control_socket::ControlSocket;
use crate::options::{RunOptions, SERVICE_LOGS};
use crate::roles::cells::CellsProcess;
use crate::roles::dns::{DnsLink, MdnsLink};
use crate::roles::fetch::FetchProcess;
use crate::roles::handing::Hands;
use crate::roles::mail_check::MailCheckProcess;
use crate::roles::proxy::CaddyHost;
use crate::roles::relay::{RelayLink, allow_descriptors};
use crate::roles::web::ProcessListener;
use crate::roles::wireguard::WireGuardLink;
use crate::roles::{Keeper, NoCalls, OnDemand, Role};
use crate::sticks::{self, WithSticks};
use crate::{appliance, logging, ready};

/// What is known of sources of services, below the state directory.
const SOURCES: &str = "sources";

/// What is handed to services, below podman's `/run`.
const HANDED: &str = "cell-handed";

/// Looks a state directory over.
pub(crate) fn check(state_dir: &Path) -> Result<(), Box<dyn Error>> {
    let found = cell_core::check(state_dir)?;
    logging::pass_on(&format!("{}: {found}", state_dir.display()));
    Ok(())
}

/// Runs until told to stop.
pub(crate) fn run(options: RunOptions) -> Result<(), Box<dyn Error>> {
    if !rustix::process::geteuid().is_root() {
        return Err(
            "it changes addresses, routes and the packet filter, and so must be started as root"
                .into(),
        );
    }
    let logs = logging::core(Timestamp::now);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&options.state_dir)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&options.runtime_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One for the network, one for a caller who waits for the disk: more only cost memory.
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(daemon(options, logs));
    // Nothing is left to wait for: what was acknowledged is on disk.
    runtime.shutdown_background();
    outcome
}

async fn daemon(options: RunOptions, logs: Arc<LogBuffer>) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let settings = Settings {
        options: options.start.clone(),
        state_dir: options.state_dir.clone(),
        runtime_dir: options.runtime_dir.clone(),
    };
    // Takes the lock on the state directory, so it comes before anything of another run could be touched.
    let core = Core::open(settings, Arc::clone(&logs), Timestamp::now)?;
    ready::clear(&options.runtime_dir)?;
    let stick = match &options.slots {
        Some(folder) => sticks::in_folder(folder.join("stick")),
        None => sticks::of_this_machine(),
    };
    let servers = FetchProcess::new(Arc::clone(&logs));
    let fetch: Arc<dyn FetchLink> = Arc::new(WithSticks::new(servers, Arc::clone(&stick)));
    let appliance = match &options.slots {
        Some(folder) => Some(appliance::in_folder(
            folder,
            &options.runtime_dir,
            Arc::clone(&fetch),
            stick,
        )?),
        None => appliance::of_this_machine(&options.runtime_dir, Arc::clone(&fetch), stick),
    };
    if let Some(appliance) = appliance {
        core.set_appliance(appliance);
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), wan = %options.start.wan, "celld starts");
    if let Some(taken) = options
        .start
        .in_place_of_proxy()
        .filter(|_| options.start.containers)
    {
        tracing::warn!(
            taken,
            "services that are reached by name need ports 80 and 443, and have none"
        );
    }

    let control: Arc<dyn Control> = Arc::clone(&core) as Arc<dyn Control>;
    let stranger = || Arc::new(Responder::new(Arc::clone(&control), Trust::Stranger));
    let nobody = || Arc::new(NoCalls);
    let dns_keeper = Keeper::new(Role::Dns, Part::Dns, nobody(), Arc::clone(&logs));
    let web_keeper = Keeper::new(Role::Web, Part::Web, stranger(), Arc::clone(&logs));
    allow_descriptors();
    let relay_keeper = Keeper::new(Role::Relay, Part::Exits, nobody(), Arc::clone(&logs));
    let mut keepers = vec![Arc::clone(&dns_keeper), Arc::clone(&web_keeper)];

    let dns = Arc::new(ProcessDns::new(DnsLink(Arc::clone(&dns_keeper))));
    let mdns = Arc::new(ProcessMdns::new(MdnsLink(Arc::clone(&dns_keeper))));
    let exits = Arc::new(ProcessExits::new(RelayLink(OnDemand::new(Arc::clone(
        &relay_keeper,
    )))));
    let listener = Arc::new(ProcessListener::new(Arc::clone(&web_keeper), core.vault()));
    let mut userspace = None;
    let wireguard: Arc<dyn WireGuard> = match cell_wireguard::probe() {
        WireGuardBackend::Kernel => Arc::new(Kernel::new(vpn_interface())?),
        WireGuardBackend::Userspace => {
            let keeper = Keeper::new(
                Role::Wireguard,
                Part::Wireguard,
                nobody(),
                Arc::clone(&logs),
            );
            let interface = Arc::new(Userspace::new(
                vpn_interface(),
                WireGuardLink {
                    process: Arc::new(OnDemand::kept(Arc::clone(&keeper))),
                    interface: vpn_interface(),
                },
            ));
            userspace = Some((Arc::clone(&keeper), Arc::clone(&interface)));
            keepers.push(keeper);
            interface
        }
    };
    // Whoever runs a tunnel's other end is a stranger, and has nothing to do with the VPN.
    let tunnel_keeper = Keeper::new(Role::Tunnels, Part::Exits, nobody(), Arc::clone(&logs));
    let tunnels = tunnels(&tunnel_keeper);
    let network = Arc::new(KernelNetwork::new(
        options.start.wan.clone(),
        "/etc/resolv.conf",
        DhcpOptions {
            folder: options.runtime_dir.join("dhcp"),
            hook: "/proc/self/exe".into(),
        },
    ));
    let parts = Parts {
        firewall: Arc::new(Nft::new()),
        network: Arc::clone(&network) as Arc<dyn cell_network::Network>,
        wireguard,
        tunnels: Arc::new(tunnels),
        vault: core.vault(),
        dns: Arc::clone(&dns) as Arc<dyn cell_dns::Dns>,
        exits: Arc::clone(&exits) as Arc<dyn cell_exits::Exits>,
        listener: Arc::clone(&listener) as Arc<dyn cell_reconcile::AdminListener>,
        mdns: Arc::clone(&mdns) as Arc<dyn cell_mdns::Mdns>,
        containers: Arc::new(Podman::new(PodmanOptions {
            socket: options.podman.clone(),
            logs: SERVICE_LOGS.into(),
            logs_here: options.service_logs.clone(),
            volumes: options.volumes.clone(),
            handed: Path::new(SERVICE_LOGS).join(HANDED),
            wanted: options.podman.parent().map(|folder| folder.join("wanted")),
        })),
        library: Arc::new(library(&options.packages).remembering(options.state_dir.join(SOURCES))),
        fetch,
        incoming: options.incoming.clone(),
        handing: Arc::new(Hands::new(
            options.service_logs.join(HANDED),
            core.vault(),
            Arc::clone(&listener),
        )),
        proxy: Arc::new(CaddyHost::new(
            &options.volumes,
            core.vault(),
            Arc::clone(&listener),
        )),
    };
    let reconciler = cell_reconcile::start(
        core.options().clone(),
        parts.clone(),
        core.desired(),
        Timestamp::now,
    );

    // A process that took the place of another is told what the other knew; should that fail, the part is brought up
    // from the start.
    let nudge = reconciler.nudge.clone();
    dns_keeper.on_restart(move || {
        let (dns, mdns, nudge) = (Arc::clone(&dns), Arc::clone(&mdns), nudge.clone());
        async move {
            report(Part::Dns, dns.replay().await, &nudge).await;
            report(Part::Mdns, mdns.replay().await, &nudge).await;
        }
    });
    let nudge = reconciler.nudge.clone();
    web_keeper.on_restart(move || {
        let (listener, nudge) = (Arc::clone(&listener), nudge.clone());
        async move { report(Part::Web, listener.replay().await, &nudge).await }
    });
    let nudge = reconciler.nudge.clone();
    relay_keeper.on_restart(move || {
        let (exits, nudge) = (Arc::clone(&exits), nudge.clone());
        async move { report(Part::Exits, exits.replay().await, &nudge).await }
    });
    let nudge = reconciler.nudge.clone();
    tunnel_keeper.on_restart(move || {
        let nudge = nudge.clone();
        // Making them again gives the new process their descriptors.
        async move {
            let _ = nudge.send(Nudge::Restart(Part::Exits)).await;
        }
    });
    if let Some((keeper, interface)) = userspace {
        let nudge = reconciler.nudge.clone();
        keeper.on_restart(move || {
            let (interface, nudge) = (Arc::clone(&interface), nudge.clone());
            async move { report(Part::Wireguard, interface.replay().await, &nudge).await }
        });
    }
    let running: Vec<_> = keepers
        .iter()
        .map(|keeper| tokio::spawn(Arc::clone(keeper).run()))
        .collect();
    // They run once there is something to carry.
    keepers.extend([relay_keeper, tunnel_keeper]);

    let ready = tokio::spawn(ready::follow(
        options.runtime_dir.clone(),
        reconciler.published.clone(),
    ));
    core.attach(System {
        parts,
        published: reconciler.published.clone(),
        services: reconciler.services.clone(),
        next: reconciler.next.clone(),
        exits: reconciler.exits.clone(),
        nudge: reconciler.nudge.clone(),
        processes: Arc::new(RoleProcesses(keepers.clone())),
        mail_check: Arc::new(MailCheckProcess::new(Arc::clone(&logs))),
        calls: Arc::new(CellsProcess::new(logs)),
    });
    let socket = ControlSocket::bind(&options.runtime_dir)?;

    tokio::select! {
        () = socket.serve(Arc::clone(&control)) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }

    // Nobody comes in any more, then nothing is changed any more, then the processes end; rules and kernel
    // tunnels stay.
    tracing::info!("celld stops");
    drop(socket);
    web_keeper.stop().await;
    ready.abort();
    ready::clear(&options.runtime_dir)?;
    reconciler.stop().await;
    network.pause().await;
    let stopping: Vec<_> = keepers
        .iter()
        .map(|keeper| {
            let keeper = Arc::clone(keeper);
            tokio::spawn(async move { keeper.stop().await })
        })
        .collect();
    for stopped in stopping {
        let _ = stopped.await;
    }
    for task in running {
        let _ = task.await;
    }
    Ok(())
}

/// Tunnels that lead out, carried by the kernel or by one process for all of them.
fn tunnels(keeper: &Arc<Keeper>) -> SystemTunnels {
    let process = Arc::new(OnDemand::new(Arc::clone(keeper)));
    SystemTunnels::new(move |interface| match cell_wireguard::probe() {
        WireGuardBackend::Kernel => Ok(Arc::new(Kernel::new(interface)?)),
        WireGuardBackend::Userspace => {
            let link = WireGuardLink {
                process: Arc::clone(&process),
                interface: interface.clone(),
            };
            Ok(Arc::new(Userspace::new(interface, link)))
        }
    })
}

/// What services can be installed from. A box goes on without.
fn library(folder: &Path) -> Library {
    Library::open(folder).unwrap_or_else(|error| {
        let error: &dyn Error = &error;
        tracing::error!(error, folder = %folder.display(), "no service can be installed");
        Library::default()
    })
}

async fn report<E: Error>(
    part: Part,
    replayed: Result<(), E>,
    nudge: &tokio::sync::mpsc::Sender<Nudge>,
) {
    if let Err(error) = replayed {
        tracing::warn!(part = part.as_str(), %error, "its new process did not take over");
        let _ = nudge.send(Nudge::Restart(part)).await;
    }
}

/// The processes of the roles, for the core.
struct RoleProcesses(Vec<Arc<Keeper>>);

#[async_trait]
impl Processes for RoleProcesses {
    fn process(&self, part: Part) -> Option<(u32, u32)> {
        self.0
            .iter()
            .find(|keeper| keeper.part() == part)
            .filter(|keeper| keeper.has_started())
            .map(|keeper| keeper.process())
    }

    async fn restart(&self, part: Part) {
        for keeper in self.0.iter().filter(|keeper| keeper.part() == part) {
            keeper.kill();
        }
    }

    async fn set_verbosity(&self) {
        for keeper in &self.0 {
            keeper.set_verbosity().await;
        }
    }
}
