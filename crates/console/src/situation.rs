//! What is so: everything the console shows without being asked to do anything.

use cell_control::change::Pending;
use cell_model::config::NetworkConfig;
use cell_model::name::{InterfaceName, Username};
use cell_model::status::ItemStatus;
use ipnet::IpNet;

use crate::machine::StartConf;
use crate::options::Mode;

/// How everything is, as last looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Situation {
    /// How the daemon is.
    pub daemon: Daemon,
    /// Whether the box has an owner; `None`: nobody could say.
    pub set_up: Option<bool>,
    /// The box's name.
    pub cell_name: Option<String>,
    /// Version of the system.
    pub version: String,
    /// The slot it was booted from.
    pub slot: Option<String>,
    /// How it was booted.
    pub mode: Mode,
    /// Interfaces but for loopback, by name.
    pub interfaces: Vec<Interface>,
    /// Where the admin page is.
    pub admin: Vec<String>,
    /// SHA-256 of the certificate to trust, as browsers show it.
    pub fingerprint: Option<String>,
    /// The code that opens the setup, until it is done. Meant to be seen, so no secret.
    pub setup_code: Option<String>,
    /// Part by part; empty where the daemon does not say.
    pub items: Vec<ItemStatus>,
    /// What else to know, one sentence each.
    pub notices: Vec<String>,
    /// A risky change that waits.
    pub pending: Option<Pending>,
    /// Which interfaces the daemon is started with.
    pub start: StartConf,
    /// Keys that may sign in over SSH, each as one line for people; empty: SSH is off.
    pub ssh_keys: Vec<String>,
}

/// How the daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Daemon {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It answers.
    Running,
    /// Its socket is there, but nothing comes back.
    Silent,
    /// There is nobody at its socket.
    Stopped,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: InterfaceName,
    /// A cable is in, or the like.
    pub carrier: bool,
    /// A cable or a radio ends there; it is not made by software on top of others.
    pub is_port: bool,
    /// Its addresses, link-local IPv6 left out.
    pub addresses: Vec<IpNet>,
}

/// What is stored and needed to ask a question: read when a page needs it, not all the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The box's name; `None` before setup.
    pub cell_name: Option<String>,
    /// Accounts with the role owner.
    pub owners: Vec<Username>,
    /// Addresses as asked for; `None` before setup.
    pub network: Option<NetworkConfig>,
}

impl Situation {
    /// The line with the setup code; programs that read the serial line look for it.
    pub fn setup_line(&self) -> Option<String> {
        self.setup_code
            .as_ref()
            .map(|code| format!("Setup code: {code}"))
    }
}
