//! Doing what the model asks for, off the thread that draws.

use cell_model::Timestamp;
use cell_model::facts::StartOptions;

use crate::cell::{self, Applied, Cell, DaemonCell, Seen};
use crate::effect::{Effect, Proof, Reply};
use crate::machine::{self, Machine};
use crate::options::{Boot, Mode, Options};
use crate::refusal::Refusal;
use crate::situation::{Daemon, Interface, Situation, Stored};

/// Who does what is asked for.
pub struct Performer {
    options: Options,
    boot: Boot,
    machine: Machine,
    /// What was last read from the store, for boxes whose daemon says nothing.
    stored: Option<Stored>,
}

impl Performer {
    /// On this machine.
    pub fn new(options: Options, boot: Boot, machine: Machine) -> Self {
        Self {
            options,
            boot,
            machine,
            stored: None,
        }
    }

    /// Does it. Takes seconds at most, and answers in every case.
    pub fn perform(&mut self, effect: Effect) -> Reply {
        self.attempt(effect).unwrap_or_else(Reply::from)
    }

    fn attempt(&mut self, effect: Effect) -> Result<Reply, Refusal> {
        Ok(match effect {
            Effect::Look => Reply::Seen(Box::new(self.look())),
            Effect::Load => Reply::Loaded(self.load()?),
            Effect::SetPassword(owner, password) => {
                self.cell()?.set_password(&owner, password)?;
                done([
                    format!("{owner} has a new password."),
                    "Every session of the account has ended. It must be changed at the next sign-in.".to_owned(),
                ])
            }
            Effect::AddOwner(owner, password) => {
                self.cell()?.add_owner(&owner, password)?;
                done([
                    format!("{owner} is an owner now."),
                    "The password must be changed at the next sign-in.".to_owned(),
                ])
            }
            Effect::SetInterface(side, interface) => {
                let mut conf = self.machine.start_conf()?;
                let text = match &interface {
                    Some(interface) => format!("{} is {interface}.", side.as_str()),
                    None => format!("The box has no {} of its own.", side.as_str()),
                };
                conf.set(side, interface);
                self.machine.set_start_conf(&conf)?;
                done([
                    text,
                    "That counts from the next start: restart the box when you are done."
                        .to_owned(),
                ])
            }
            Effect::SetAddressing(side, addressing) => {
                let applied = self.cell()?.set_addressing(side, addressing)?;
                let stored = format!("The addresses of {} are stored.", side.as_str());
                match applied {
                    Applied::Waits(seconds) => Reply::Waiting(seconds),
                    Applied::Now => done([stored, "They are in force.".to_owned()]),
                    Applied::AtStart { settled } => {
                        let mut lines = vec![
                            stored,
                            "They will be in force when the daemon starts: restart the box."
                                .to_owned(),
                        ];
                        if settled {
                            lines.push(
                                "An earlier change that waited to be kept counts as kept."
                                    .to_owned(),
                            );
                        }
                        Reply::Done(lines)
                    }
                }
            }
            Effect::Keep => {
                self.cell()?.keep()?;
                done(["The change stays.".to_owned()])
            }
            Effect::TakeBack => {
                self.cell()?.take_back()?;
                done(["The change was taken back.".to_owned()])
            }
            Effect::BootOther => {
                self.machine.slots.boot_other()?;
                self.machine.power.restart()?;
                done(["The box restarts into its other system.".to_owned()])
            }
            Effect::InstallFromStick => {
                let version = self.cell()?.install_from_stick()?;
                done([
                    format!("Version {version} is being written beside the running one."),
                    "Leave the stick in and the box on for some minutes, then restart it: the version is tried then.".to_owned(),
                ])
            }
            Effect::ExportLogs => {
                let lines = self.logs();
                let name = self.machine.usb.write_logs(&lines, Timestamp::now())?;
                done([
                    format!("{} lines were written to {name}.", lines.len()),
                    "You can pull the stick out now.".to_owned(),
                ])
            }
            Effect::ReadLogs => Reply::Logs(self.logs()),
            Effect::AddKey(line) => {
                let key = self.machine.ssh().add(&line)?;
                done([
                    format!("SSH is on for {key}."),
                    "Sign in as root from the home network or the VPN.".to_owned(),
                ])
            }
            Effect::DisableSsh => {
                self.machine.ssh().clear()?;
                done(["SSH is off.".to_owned()])
            }
            Effect::FactoryReset => {
                self.machine.mark_factory_reset()?;
                self.machine.power.restart()?;
                done(["The box restarts and erases everything.".to_owned()])
            }
            Effect::OpenShell(proof) => {
                let mut cell = self.cell()?;
                match proof {
                    Proof::Owner(owner, password) => cell.check_owner(&owner, password)?,
                    Proof::SetupCode(code) => cell.check_setup_code(code)?,
                }
                Reply::ShellGranted
            }
            Effect::Restart => {
                self.machine.power.restart()?;
                done(["The box restarts.".to_owned()])
            }
            Effect::PowerOff => {
                self.machine.power.power_off()?;
                done(["The box switches off.".to_owned()])
            }
        })
    }

    fn cell(&self) -> Result<Box<dyn Cell>, Refusal> {
        cell::reach(&self.options.runtime_dir, &self.options.state_dir)
    }

    /// A box that was never started has nothing stored, and its network can be set all the same.
    fn load(&mut self) -> Result<Stored, Refusal> {
        let never_started = !self.options.state_dir.join("store").is_dir();
        let socket = self.options.runtime_dir.join("control.sock");
        let stored = if never_started && !socket.exists() {
            Stored::default()
        } else {
            self.cell()?.stored()?
        };
        self.stored = Some(stored.clone());
        Ok(stored)
    }

    fn logs(&self) -> Vec<String> {
        let mut lines = vec!["== celld".to_owned()];
        match DaemonCell::reach(&self.options.runtime_dir.join("control.sock")) {
            Ok(Some(mut daemon)) => {
                let said = daemon.logs();
                lines.extend(said.iter().map(|line| cell_audit::redact(line)));
            }
            Ok(None) => lines.push("(it does not run)".to_owned()),
            Err(refusal) => lines.push(format!("({})", refusal.what)),
        }
        lines.extend(self.machine.logs());
        lines
    }

    fn look(&self) -> Situation {
        let socket = self.options.runtime_dir.join("control.sock");
        let (daemon, seen) =
            match DaemonCell::reach(&socket).map(|cell| cell.map(|cell| cell.look())) {
                Ok(None) => (Daemon::Stopped, None),
                Ok(Some(Ok(seen))) => (Daemon::Running, Some(seen)),
                Ok(Some(Err(_))) | Err(_) => (Daemon::Silent, None),
            };
        let start = self.machine.start_conf().unwrap_or_default();
        let interfaces = interfaces();
        let status = seen.as_ref().and_then(|seen| seen.status.clone());
        let set_up = match (&seen, &self.stored) {
            (Some(seen), _) => Some(seen.set_up),
            (None, Some(stored)) => Some(stored.cell_name.is_some()),
            (None, None) => None,
        };
        let cell_name = status
            .as_ref()
            .and_then(|status| status.cell_name.clone())
            .or_else(|| {
                self.stored
                    .as_ref()
                    .and_then(|stored| stored.cell_name.clone())
            });
        let mut notices = self.machine.notices();
        notices.extend(status.iter().flat_map(|status| status.notices.clone()));
        Situation {
            admin: match &seen {
                Some(seen) => by_name(seen, admin(seen, &interfaces, &start)),
                None => Vec::new(),
            },
            daemon,
            set_up,
            cell_name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slot: self.boot.slot.clone(),
            mode: match self.machine.gave_up() {
                true => Mode::Recovery,
                false => self.options.mode.unwrap_or(self.boot.mode),
            },
            interfaces,
            fingerprint: self.machine.fingerprint(),
            setup_code: match set_up {
                Some(true) => None,
                _ => self.machine.setup_code(),
            },
            items: status
                .as_ref()
                .map(|status| status.items.clone())
                .unwrap_or_default(),
            pending: status.and_then(|status| status.pending),
            notices,
            start,
            ssh_keys: self.machine.ssh().list(),
        }
    }
}

fn done<const N: usize>(lines: [String; N]) -> Reply {
    Reply::Done(lines.into())
}

fn interfaces() -> Vec<Interface> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let found = runtime.map(|runtime| runtime.block_on(machine::interfaces()));
    // A kernel that does not answer shows as a box without interfaces; there is nothing a person could do.
    found.ok().and_then(Result::ok).unwrap_or_default()
}

/// The same with the box's name behind the first, for computers that find it by that.
fn by_name(seen: &Seen, mut urls: Vec<String>) -> Vec<String> {
    if let (Some(name), Some((_, port))) = (
        &seen.local_name,
        urls.first().and_then(|url| url.rsplit_once(':')),
    ) {
        urls.insert(1, format!("https://{name}:{port}"));
    }
    urls
}

/// Where the admin page is. Before setup nobody may ask the daemon, so it is where it listens by default.
fn admin(seen: &Seen, interfaces: &[Interface], start: &machine::StartConf) -> Vec<String> {
    if let Some(network) = &seen.network {
        let mut listening = network.admin.clone();
        listening.retain(|address| !address.ip().is_loopback());
        // First what a computer at home reaches without the VPN.
        listening.sort_by_key(|address| {
            let home = network.lan.as_ref().unwrap_or(&network.wan);
            let at_home = network.interfaces.iter().any(|(name, facts)| {
                name == home && facts.addresses.iter().any(|net| net.addr() == address.ip())
            });
            (!at_home, address.is_ipv6(), *address)
        });
        return listening
            .iter()
            .map(|address| format!("https://{address}"))
            .collect();
    }
    let home = start.lan.as_ref().or(start.wan.as_ref());
    interfaces
        .iter()
        .filter(|interface| interface.is_port && home.is_none_or(|home| *home == interface.name))
        .flat_map(|interface| &interface.addresses)
        .filter(|network| network.addr().is_ipv4())
        .map(|network| format!("https://{}:{}", network.addr(), StartOptions::ADMIN_PORT))
        .collect()
}
