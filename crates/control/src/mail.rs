//! Mail: what is set, what is shown, and what the mail service asks for each message.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use cell_model::Timestamp;
use cell_model::config::{DeliveryConfig, MailTarget};
use cell_model::mail::{MailFinding, MailPurpose};
use cell_model::name::{Domain, LocalPart, Username};
use cell_model::secret::{Secret, exposed_option};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::present;

/// A table that the mail service looks things up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTable {
    /// By address: whose mailbox it is.
    Mailbox,
    /// By address: the addresses that get what is sent there in its place.
    Alias,
    /// By address: the accounts that may write under it.
    Sender,
    /// By account: whether it may use mail.
    Login,
    /// By address: how mail for it leaves the box, when not as usual.
    Transport,
    /// By `[host]:port`: how far the other end must show who it is, when more than usual.
    TlsPolicy,
}

impl MailTable {
    /// Every table.
    pub const ALL: [Self; 6] = [
        Self::Mailbox,
        Self::Alias,
        Self::Sender,
        Self::Login,
        Self::Transport,
        Self::TlsPolicy,
    ];

    /// Its name in questions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Alias => "alias",
            Self::Sender => "sender",
            Self::Login => "login",
            Self::Transport => "transport",
            Self::TlsPolicy => "tls_policy",
        }
    }
}

/// There is no such table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such table")]
pub struct MailTableError;

impl FromStr for MailTable {
    type Err = MailTableError;

    fn from_str(text: &str) -> Result<Self, MailTableError> {
        let mut all = Self::ALL.into_iter();
        all.find(|table| table.as_str() == text)
            .ok_or(MailTableError)
    }
}

impl fmt::Display for MailTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody a service may do something for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonView {
    /// Their account.
    pub username: Username,
    /// What they may keep of their mail, in MiB.
    pub quota_mib: u32,
}

/// Other settings of mail; what is not named stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailUpdate {
    /// Who gets what nobody has the address of; `null`: it is refused.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<Username>")]
    pub catch_all: Option<Option<Username>>,
    /// What a person may keep, in MiB.
    #[serde(default)]
    pub quota_mib: Option<u32>,
    /// What some may keep, in MiB; `null`: as everybody.
    #[serde(default)]
    pub quotas: BTreeMap<Username, Option<u32>>,
    /// How mail leaves the box.
    #[serde(default)]
    pub delivery: Option<DeliveryConfig>,
    /// The password of the box at the provider that brings mail on. It is kept sealed and never shown; when none is
    /// given, the one that is there stays for as long as host and user name do.
    #[serde(default, serialize_with = "exposed_option")]
    #[schemars(with = "Option<String>", length(max = 255), extend("writeOnly" = true))]
    pub relay_password: Option<Secret<String>>,
}

/// Mail as it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailView {
    /// What stands after the `@`.
    pub domain: Domain,
    /// Whether the mail service is installed.
    pub installed: bool,
    /// Further addresses.
    pub aliases: Vec<MailAliasView>,
    /// Names whose mail whoever runs the box gets, as long as they are nobody's and no alias.
    pub kept_names: Vec<LocalPart>,
    /// Who gets what nobody has the address of; `null`: it is refused.
    pub catch_all: Option<Username>,
    /// What a person may keep, in MiB.
    pub quota_mib: u32,
    /// People who may keep another amount, in MiB.
    pub quotas: BTreeMap<Username, u32>,
    /// How mail leaves the box.
    pub delivery: DeliveryConfig,
    /// Whether the box has a password for the provider that brings mail on.
    pub relay_password_set: bool,
}

/// A further address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailAliasView {
    /// What stands before the `@`.
    pub name: LocalPart,
    /// The whole address.
    pub address: String,
    /// Who gets what is sent there.
    pub targets: BTreeSet<MailTarget>,
}

/// What mail wants in public DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailRecordsView {
    /// The records, those of greatest weight first.
    pub records: Vec<MailRecordView>,
    /// All of them as lines of a zone file (RFC 1035 section 5).
    pub zone: String,
}

/// A record that mail wants in public DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailRecordView {
    /// Its whole name, without the final dot.
    pub name: String,
    /// Its type: `MX`, `TXT` ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Its value as a zone file has it: names with the final dot, text quoted.
    pub value: String,
    /// How long others may remember it, in seconds.
    pub ttl_s: u32,
    /// What it is for.
    pub purpose: MailPurpose,
    /// The same in words.
    pub description: String,
    /// Whether mail fails without it, here or at those it is sent to; otherwise it is only better with it.
    pub needed: bool,
}

/// What a look at mail is to include.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailCheckForm {
    /// A domain whose mail servers are greeted, to see whether the box can reach others; those of some large providers
    /// when not said. They are sent no message.
    #[serde(default)]
    pub greet: Option<Domain>,
}

/// What was found when mail was looked at last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailFindingsView {
    /// When that was; `null`: not since the box started.
    #[schemars(with = "Option<String>")]
    pub checked_at: Option<Timestamp>,
    /// What was found, in the order in which things are best mended.
    pub findings: Vec<MailFinding>,
}

/// Somebody's own mail: what they tell others, and what they type into a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnMailView {
    /// Their address.
    pub address: String,
    /// Addresses whose mail they get, too, and may write under.
    pub aliases: Vec<String>,
    /// Whether they get what nobody has the address of.
    pub catches_all: bool,
    /// What they may keep, in MiB.
    pub quota_mib: u32,
    /// Whether they can send: not when the box only receives.
    pub can_send: bool,
    /// What devices sign in with: this name, and an app password.
    pub username: Username,
    /// Where they find it.
    pub servers: Vec<MailServerView>,
}

/// Where a device finds mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailServerView {
    /// What for.
    pub protocol: MailProtocol,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is kept private.
    pub security: MailSecurity,
}

/// What a device does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailProtocol {
    /// Reads.
    Imap,
    /// Sends.
    Smtp,
}

/// How a connection is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// TLS from the first byte on.
    Tls,
    /// Begins in the clear, and asks for TLS.
    StartTls,
}
