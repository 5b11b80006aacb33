//! What the model asks for, and what came of it.

use cell_model::config::AddressingConfig;
use cell_model::name::{InterfaceName, Username};
use cell_model::secret::Secret;

use crate::refusal::Refusal;
use crate::situation::{Situation, Stored};

/// One of the box's two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The uplink.
    Wan,
    /// The home side.
    Lan,
}

impl Side {
    /// The word shown, and the name in start.conf.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wan => "WAN",
            Self::Lan => "LAN",
        }
    }
}

/// What opens a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// An owner's password.
    Owner(Username, Secret<String>),
    /// Before setup: the code on the screen.
    SetupCode(Secret<String>),
}

/// Something to be done outside the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look how everything is.
    Look,
    /// Read what is stored, for a page that needs it.
    Load,
    /// Give an owner another password.
    SetPassword(Username, Secret<String>),
    /// Make an owner where there is none.
    AddOwner(Username, Secret<String>),
    /// Choose the interface of a side; `None`: the side has none.
    SetInterface(Side, Option<InterfaceName>),
    /// Set the addresses of a side.
    SetAddressing(Side, AddressingConfig),
    /// Keep the risky change that waits.
    Keep,
    /// Take the risky change back.
    TakeBack,
    /// Boot the other slot, once.
    BootOther,
    /// Have the version on a USB stick written into the other slot.
    InstallFromStick,
    /// Write the logs to a USB stick.
    ExportLogs,
    /// Read the logs.
    ReadLogs,
    /// Let a key in over SSH.
    AddKey(String),
    /// Let nobody in over SSH.
    DisableSsh,
    /// Erase everything at the next boot, and boot.
    FactoryReset,
    /// Open a shell.
    OpenShell(Proof),
    /// Boot anew.
    Restart,
    /// Switch off.
    PowerOff,
}

impl Effect {
    /// Whether it changes what [`Effect::Look`] sees.
    pub fn is_seen(&self) -> bool {
        matches!(
            self,
            Self::SetInterface(..)
                | Self::SetAddressing(..)
                | Self::Keep
                | Self::TakeBack
                | Self::AddKey(_)
                | Self::DisableSsh
        )
    }
}

/// What came of an [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// How everything is.
    Seen(Box<Situation>),
    /// What is stored.
    Loaded(Stored),
    /// It was done; what to know about it, line by line.
    Done(Vec<String>),
    /// It was done and returns by itself in so many seconds unless kept.
    Waiting(u32),
    /// The logs, oldest line first.
    Logs(Vec<String>),
    /// The shell may be opened; whoever owns the terminal does so.
    ShellGranted,
    /// It was not done.
    Refused(Refusal),
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
