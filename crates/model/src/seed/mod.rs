//! `seed/cell.toml`: what a box is to know before its first start. `docs/admin/seed.md` describes it for people.
//!
//! Promises: reads every text without a panic; takes a seed whole or says everything that is wrong with it, each with
//! line and column; a message never repeats a value, which may be a secret.
//! Must never: leave out what it does not know. A setting that is misspelt or cannot be met is an error.
//! Start reading at [`Seed::parse`].

mod read;
mod setup;
#[cfg(test)]
mod tests;

use ipnet::Ipv4Net;

use crate::config::{AddressingConfig, DomainMode};
use crate::endpoint::Endpoint;
use crate::name::{CellName, Domain, InterfaceName, TimeZoneName, Username};
use crate::password_hash::PhcHash;
use crate::secret::Secret;
use crate::ssh_key::SshKey;
use crate::toml_text::{self, TomlError};

/// The most bytes of a seed: far above what anybody would say, far below what would cost memory.
pub const MAX_BYTES: usize = 64 * 1024;

/// What a seed says. What it does not say stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The name of the box: setup proposes it.
    pub cell_name: Option<CellName>,
    /// Which interfaces are the uplink and the home side.
    pub interfaces: Option<SeedInterfaces>,
    /// Where the uplink's addresses come from until setup, which takes it over.
    pub wan_addressing: Option<AddressingConfig>,
    /// The same of the home side.
    pub lan_addressing: Option<AddressingConfig>,
    /// Who may sign in over SSH; empty when SSH is to stay as it is.
    pub ssh_keys: Vec<SshKey>,
    /// How setup is to go.
    pub setup: Option<SeedSetup>,
}

/// Which interface is which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedInterfaces {
    /// The uplink.
    pub wan: InterfaceName,
    /// The home side; `None` makes the box one-armed.
    pub lan: Option<InterfaceName>,
}

/// How setup is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedSetup {
    /// A person completes it, with this code: 8 upper-case characters of Crockford's base 32.
    Code(Secret<String>),
    /// It is done with these answers.
    Answers(Box<SeedAnswers>),
}

/// The answers of the setup wizard, with the password as a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedAnswers {
    /// The name of the box.
    pub cell_name: CellName,
    /// How names and certificates are obtained.
    pub domain_mode: DomainMode,
    /// The cell's domain.
    pub domain: Domain,
    /// IPv4 network of the VPN.
    pub vpn_subnet: Ipv4Net,
    /// The owner's account.
    pub admin_username: Username,
    /// What its password is checked against.
    pub admin_password_hash: PhcHash,
    /// The time zone pages show times in.
    pub timezone: TimeZoneName,
    /// Where devices outside find the box.
    pub endpoint: Option<Endpoint>,
}

impl Seed {
    /// Reads a seed.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text; a text that is no TOML has one finding.
    pub fn parse(bytes: &[u8]) -> Result<Self, TomlError> {
        let text = toml_text::decode(bytes, MAX_BYTES)?;
        let table = toml_text::parse(text)?;
        read::seed(text, table.get_ref())
    }
}
