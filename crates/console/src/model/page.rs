//! The pages, and how they hang together.

use cell_model::config::AddressingConfig;
use cell_model::name::Username;
use cell_model::secret::Secret;
use ipnet::Ipv4Net;

use crate::effect::Side;

/// What the person looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// The menu everything starts from.
    Main,
    /// How everything is, in full.
    Status,
    /// Interfaces and addresses.
    Network,
    /// Which interface a side is.
    Interface(Side),
    /// Where the addresses of a side come from.
    Addressing(Side),
    /// A fixed address.
    Address(Side),
    /// The next hop that goes with it.
    Gateway(Ipv4Net),
    /// Whether to use these addresses.
    ApplyAddressing(Side, AddressingConfig),
    /// Whether to keep what was changed.
    Keep(u32),
    /// Whose password to set.
    Owner,
    /// The name of an owner where there is none.
    NewOwner,
    /// A new password.
    Password(Account),
    /// The same once more.
    PasswordAgain(Account, Secret<String>),
    /// Whether to boot the other slot.
    OtherSlot,
    /// Where the logs go.
    Logs,
    /// The logs.
    LogText(Vec<String>),
    /// Who may sign in over SSH.
    Ssh,
    /// A public key.
    SshKey,
    /// Whether to switch SSH off.
    SshOff,
    /// Whether to erase everything.
    FactoryReset,
    /// Whose password opens the shell.
    Shell,
    /// That password.
    ShellPassword(Username),
    /// Restart or power off.
    Power,
    /// Whether to restart.
    Restart,
    /// Whether to switch off.
    PowerOff,
    /// What came of something.
    Outcome(Outcome, Box<Page>),
}

/// The account a password is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// One that is there.
    Existing(Username),
    /// One to be made.
    New(Username),
}

impl Account {
    /// Its name.
    pub fn name(&self) -> &Username {
        match self {
            Self::Existing(name) | Self::New(name) => name,
        }
    }
}

/// How something went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Well; what to know about it.
    Done(Vec<String>),
    /// Not at all: what happened, what to do.
    Refused(String, String),
}

impl Page {
    /// Where Esc leads.
    pub fn parent(&self) -> Self {
        match self {
            Self::Interface(_) | Self::Addressing(_) | Self::Keep(_) => Self::Network,
            Self::Address(side) | Self::ApplyAddressing(side, _) => Self::Addressing(*side),
            Self::Gateway(_) => Self::Address(Side::Wan),
            Self::Password(_) => Self::Owner,
            Self::PasswordAgain(account, _) => Self::Password(account.clone()),
            Self::LogText(_) => Self::Logs,
            Self::SshKey | Self::SshOff => Self::Ssh,
            Self::Restart | Self::PowerOff => Self::Power,
            Self::Outcome(_, after) => after.as_ref().clone(),
            Self::Main
            | Self::Status
            | Self::Network
            | Self::Owner
            | Self::NewOwner
            | Self::OtherSlot
            | Self::Logs
            | Self::Ssh
            | Self::FactoryReset
            | Self::Shell
            | Self::ShellPassword(_)
            | Self::Power => Self::Main,
        }
    }

    /// Where an act begun on this page ends, once its outcome was read.
    pub(crate) fn home(&self) -> Self {
        match self {
            Self::Network
            | Self::Interface(_)
            | Self::Addressing(_)
            | Self::Address(_)
            | Self::Gateway(_)
            | Self::ApplyAddressing(..)
            | Self::Keep(_) => Self::Network,
            Self::Ssh | Self::SshKey | Self::SshOff => Self::Ssh,
            _ => Self::Main,
        }
    }

    /// Whether the page shows what is stored, and needs it read before.
    pub(crate) fn needs_stored(&self) -> bool {
        matches!(
            self,
            Self::Network | Self::Owner | Self::FactoryReset | Self::Shell
        )
    }
}
