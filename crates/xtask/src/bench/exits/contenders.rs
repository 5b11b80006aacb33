//! Programs that carry a device's connections on.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::channel::{Channel, Handler};
use cell_model::config::ProxyScheme;
use cell_model::endpoint::Host;
use cell_model::spec::{ExitRelaySpec, ExitsSpec, ProxyWaySpec, WaySpec};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::super::error::BenchError;
use super::super::process;
use super::lab::{HOME, Lab, OUT_THERE, PROXY_PORT, Running, start};
use crate::error::XtaskError;

/// The role's user (`firmware::roles`).
const USER: &str = "60808";
const RELAY_PORT: u16 = 9100;
const REDSOCKS_PORT: u16 = 12345;
const SSHUTTLE_PORT: u16 = 12300;
const SSH_PORT: u16 = 2222;

/// One that runs until dropped, and the address out there that is reached by it.
pub(super) struct Contender {
    target: Ipv4Addr,
    program: Running,
    /// What it has to have beside.
    _beside: Vec<Box<dyn Send>>,
}

impl Contender {
    pub(super) fn target(&self) -> Ipv4Addr {
        self.target
    }

    /// What it and what it has started have used.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let first = self.program.0.id().cast_signed();
        process::cpu_seconds(&process::descendants(first))
    }

    /// Ours: the role of the daemon, with the rights that it has at a box.
    pub(super) fn relay(lab: &Lab, binary: &Path) -> Result<Self, XtaskError> {
        let target = lab.target(1)?;
        // Whoever has no rights does not see the caller's folders.
        let copy = lab.folder.path().join("celld");
        fs::copy(binary, &copy).map_err(BenchError::Folder)?;
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(lab.folder.path(), everybody).map_err(BenchError::Folder)?;
        let (ours, theirs) = UnixStream::pair().map_err(BenchError::Lab)?;
        ours.set_nonblocking(true).map_err(BenchError::Lab)?;
        let mut command = lab.home.command("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups"])
            .arg(copy)
            .args(["role", "relay", "--log-level", "error"])
            .stdin(OwnedFd::from(theirs));
        let program = start(&mut command, "setpriv")?;
        let listen = SocketAddr::from((HOME, RELAY_PORT));
        let names = SocketAddr::from((Ipv4Addr::LOCALHOST, RELAY_PORT));
        let doors = lab.home.run(|| -> io::Result<Vec<OwnedFd>> {
            let doors = [listen, names].into_iter();
            doors
                .map(|door| Ok(TcpListener::bind(door)?.into()))
                .collect()
        })?;
        let relay = ExitRelaySpec {
            listen: Some(listen),
            names,
            resolvers: Vec::new(),
            way: WaySpec::Proxy(ProxyWaySpec {
                scheme: ProxyScheme::Socks5,
                host: Host::Address(OUT_THERE.into()),
                port: PROXY_PORT,
                login: None,
            }),
        };
        let spec = ExitsSpec {
            relays: [(Uuid::nil(), Arc::new(relay))].into(),
            ..ExitsSpec::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(BenchError::Runtime)?;
        let channel = tell(&runtime, ours, &spec, doors.map_err(BenchError::Lab)?)?;
        lab.lead(target, RELAY_PORT)?;
        lab.wait_for_echo(target, "celld role relay")?;
        Ok(Self {
            target,
            program,
            _beside: vec![Box::new(channel), Box::new(runtime)],
        })
    }

    pub(super) fn redsocks(lab: &Lab) -> Result<Self, XtaskError> {
        let target = lab.target(2)?;
        let file = lab.folder.path().join("redsocks.conf");
        let text = format!(
            "base {{ log_debug = off; log_info = off; log = stderr; daemon = off; redirector = iptables;\n\
             redsocks_conn_max = 4096; rlimit_nofile = 16384; }}\n\
             redsocks {{ local_ip = {HOME}; local_port = {REDSOCKS_PORT}; ip = {OUT_THERE}; port = {PROXY_PORT};\n\
             type = socks5; }}\n"
        );
        fs::write(&file, text).map_err(BenchError::Folder)?;
        let mut command = lab.home.command("redsocks");
        let program = start(command.arg("-c").arg(file), "redsocks")?;
        lab.lead(target, REDSOCKS_PORT)?;
        lab.wait_for_echo(target, "redsocks")?;
        Ok(Self {
            target,
            program,
            _beside: Vec::new(),
        })
    }

    pub(super) fn sshuttle(lab: &Lab) -> Result<Self, XtaskError> {
        let target = lab.target(3)?;
        let at = |name: &str| lab.folder.path().join(name).display().to_string();
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]);
            let ended = keygen.status().map_err(BenchError::Lab)?;
            if !ended.success() {
                return Err(BenchError::NoProgram {
                    program: "ssh-keygen",
                }
                .into());
            }
        }
        fs::copy(at("client.pub"), at("authorized")).map_err(BenchError::Folder)?;
        // Where it is started by no init system, nobody has made it.
        fs::create_dir_all("/run/sshd").map_err(BenchError::Folder)?;
        let mut sshd = lab.internet.command("/usr/sbin/sshd");
        sshd.args(["-D", "-f", "/dev/null", "-p", &SSH_PORT.to_string()]);
        for option in [
            format!("ListenAddress={OUT_THERE}"),
            format!("HostKey={}", at("host")),
            format!("AuthorizedKeysFile={}", at("authorized")),
            "PermitRootLogin=yes".to_owned(),
            "StrictModes=no".to_owned(),
            "UsePAM=no".to_owned(),
            "PidFile=none".to_owned(),
        ] {
            sshd.args(["-o", &option]);
        }
        let sshd = start(&mut sshd, "sshd")?;
        lab.wait_for_listener(SocketAddr::from((OUT_THERE, SSH_PORT)), "sshd")?;
        let ssh = format!(
            "ssh -i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            at("client")
        );
        let mut command = lab.home.command("sshuttle");
        // It has rules of its own.
        command.args(["--method", "nft", "-l", &format!("{HOME}:{SSHUTTLE_PORT}")]);
        command.args(["-e", &ssh, "-r", &format!("root@{OUT_THERE}:{SSH_PORT}")]);
        command.arg(format!("{target}/32"));
        let program = start(&mut command, "sshuttle")?;
        lab.wait_for_echo(target, "sshuttle")?;
        Ok(Self {
            target,
            program,
            _beside: vec![Box::new(sshd)],
        })
    }
}

/// The role has nothing to ask.
struct NoCalls;

#[async_trait]
impl Handler for NoCalls {
    async fn handle(&self, _: Box<RawValue>, _: Vec<OwnedFd>) -> Box<RawValue> {
        RawValue::NULL.to_owned()
    }
}

/// Tells the role what to carry, as the core does. It ends with the channel.
fn tell(
    runtime: &Runtime,
    stream: UnixStream,
    spec: &ExitsSpec,
    doors: Vec<OwnedFd>,
) -> Result<Channel, BenchError> {
    runtime.block_on(async {
        let stream = tokio::net::UnixStream::from_std(stream).map_err(BenchError::Lab)?;
        let channel = Channel::start(stream, Arc::new(NoCalls));
        let order = json!({ "order": { "replace": spec } });
        let told: Result<Value, _> = channel.call(&order, doors).await;
        match told {
            Ok(reply) if reply == json!("done") => Ok(channel),
            Ok(reply) => Err(BenchError::Lab(io::Error::other(reply.to_string()))),
            Err(error) => Err(BenchError::Lab(io::Error::other(error))),
        }
    })
}
