//! Names, keys and findings of mail: what the box tells people to put into public DNS, and what it found there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::name::{DnsLabel, Domain};
use crate::spec::ZoneRecord;

/// Ports of the server (RFC 6409, RFC 8314).
pub mod port {
    /// Between servers.
    pub const SMTP: u16 = 25;
    /// From mail programs, encrypted from the first byte.
    pub const SUBMISSIONS: u16 = 465;
    /// From mail programs, encrypted after STARTTLS.
    pub const SUBMISSION: u16 = 587;
    /// Mailboxes, encrypted from the first byte.
    pub const IMAPS: u16 = 993;
}

/// A record that mail wants in public DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRecord {
    /// The record.
    #[serde(flatten)]
    pub record: ZoneRecord,
    /// What it is for.
    pub purpose: MailPurpose,
    /// Whether mail fails without it, here or at those it is sent to; otherwise it is only better with it.
    pub needed: bool,
}

/// What a record is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MailPurpose {
    /// Leads mail for the domain to the server: MX.
    Receive,
    /// The server's address.
    Host,
    /// The address's name, which whoever has the address network sets: PTR.
    Reverse,
    /// Who may send for the domain (RFC 7208).
    Spf,
    /// The same for the server's own name, which returned messages come from.
    SpfHost,
    /// A key that messages are signed with (RFC 6376).
    Dkim,
    /// A key that nothing is signed with any more.
    DkimRevoked,
    /// What others do with forged mail (RFC 7489).
    Dmarc,
    /// Where reports about failed encryption go (RFC 8460).
    TlsReports,
    /// The server's key, for those who check it by DNSSEC (RFC 7672).
    Tlsa,
    /// Where mail programs find the server (RFC 6186, RFC 8314).
    Programs,
    /// That unencrypted ways do not exist here.
    NoPrograms,
    /// Where mail programs find their settings.
    Settings,
}

impl MailPurpose {
    /// In words, for a person who is to put the record somewhere.
    pub fn words(self) -> &'static str {
        match self {
            Self::Receive => "Mail for the domain comes to this box",
            Self::Host => "The address of the mail server",
            Self::Reverse => {
                "The name of the address; whoever provides the internet connection sets it"
            }
            Self::Spf => "Who may send mail of the domain",
            Self::SpfHost => "Who may send mail in the name of the server itself",
            Self::Dkim => "The key that messages are signed with",
            Self::DkimRevoked => "A former key, which is no longer valid",
            Self::Dmarc => "What others shall do with forged mail of the domain",
            Self::TlsReports => "Where others report failed encryption",
            Self::Tlsa => "The key of the server; of use where the domain has DNSSEC",
            Self::Programs => "Mail programs find the server by themselves",
            Self::NoPrograms => "Mail programs do not try without encryption",
            Self::Settings => "Mail programs find their settings by themselves",
        }
    }
}

/// A key that outgoing messages are signed with, without its private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DkimKey {
    /// The label its record is found under, before `_domainkey`.
    pub selector: DnsLabel,
    /// Whose mail is signed with it.
    pub domain: Domain,
    /// How far it is.
    pub state: DkimState,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Its public half as its record has it: SubjectPublicKeyInfo, base64 (RFC 6376 section 3.6.1).
    pub public: String,
}

/// How far a key is in its life. A key that is gone is not there any more.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DkimState {
    /// It exists; its record is to be put into DNS.
    Made,
    /// Its record was seen in public DNS. Others may still remember that there was none.
    Published,
    /// Messages are signed with it.
    Signing,
    /// Another one signs; messages under way still need its record.
    Retiring,
    /// Its record is to say that it is not valid any more.
    Revoked,
}

impl DkimState {
    /// Whether its private half is still of use: whoever only checks signatures needs none.
    pub fn has_private(self) -> bool {
        matches!(self, Self::Made | Self::Published | Self::Signing)
    }
}

/// What public DNS says about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DkimSeen {
    /// What it should.
    Right,
    /// Something else, or nothing.
    Wrong,
}

/// What a look at one thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailFinding {
    /// What was looked at; stable: `mx`, `dkim:c202611`, `port_25_out` ….
    pub id: String,
    /// How it is.
    pub state: FindingState,
    /// What was seen, in words.
    pub seen: String,
    /// What a person should do; empty when there is nothing to do.
    pub action: String,
}

/// How something is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// As it should be.
    Ok,
    /// It works and could be better.
    Warning,
    /// Mail does not work because of it.
    Failed,
    /// It could not be found out.
    Unknown,
}
