//! Changes of the config: what a person asks for, what it would do, what came of it.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::Timestamp;
use cell_model::config::{
    CellConfig, DnsConfig, DomainConfig, DomainMode, MailTarget, NetworkConfig, ServiceToggle,
    ServicesSettings, SettingValue, UpdatesConfig, VpnConfig,
};
use cell_model::endpoint::Endpoint;
use cell_model::key::PublicKey;
use cell_model::name::{
    CellName, Domain, GroupName, LocalPart, PeerName, ServiceId, SettingKey, TimeZoneName, Username,
};
use cell_model::secret::{Secret, exposed, exposed_option};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connection::ConnectionForm;
use crate::link::LinkUpdate;
use crate::mail::MailUpdate;
use crate::view::PeerView;

/// One change. Serialises with its secrets: between processes of the box only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The first config and the owner's account. Needs the setup code and no sign-in.
    SetUp(Box<SetupForm>),
    /// Settings, section by section.
    Settings(Box<SettingsUpdate>),
    /// A new device.
    AddPeer(PeerForm),
    /// Other access for a device.
    ChangePeer {
        /// Which.
        name: PeerName,
        /// What changes.
        update: PeerUpdate,
    },
    /// A new key pair for a device, made by the box.
    RekeyPeer {
        /// Which.
        name: PeerName,
    },
    /// The device has its current file: takes "reinstall needed" away and hands the file out.
    FetchPeerFile {
        /// Which.
        name: PeerName,
    },
    /// A device goes.
    RemovePeer {
        /// Which.
        name: PeerName,
    },
    /// One of the caller's own devices. 404 when it is not theirs.
    OwnPeer(OwnPeerChange),
    /// A group, as it shall be: new, or with other members.
    PutGroup {
        /// Its name.
        name: GroupName,
        /// Who is in it.
        members: BTreeSet<Username>,
    },
    /// A group goes. 409 while a service is for it.
    RemoveGroup {
        /// Which.
        name: GroupName,
    },
    /// Other settings of mail.
    Mail(Box<MailUpdate>),
    /// A further address, as it shall be: new, or for others.
    PutMailAlias {
        /// What stands before the `@`.
        name: LocalPart,
        /// Who gets what is sent there.
        targets: BTreeSet<MailTarget>,
    },
    /// A further address goes. 409 while another is for it.
    RemoveMailAlias {
        /// Which.
        name: LocalPart,
    },
    /// What another cell may use here, and whether anything passes.
    ChangeLink {
        /// Which.
        name: CellName,
        /// What changes.
        update: LinkUpdate,
    },
    /// Another cell goes.
    RemoveLink {
        /// Which.
        name: CellName,
    },
    /// A new way out beside the uplink.
    AddConnection(Box<ConnectionForm>),
    /// A way out, as it shall be.
    PutConnection {
        /// Which.
        id: Uuid,
        /// What it shall be.
        form: Box<ConnectionForm>,
    },
    /// A way out goes. 409 while somebody has it.
    RemoveConnection {
        /// Which.
        id: Uuid,
    },
    /// A service is installed, and those that it needs.
    InstallService(ServiceForm),
    /// The newest version that the box has of it, on trial until it is known to be well.
    UpdateService {
        /// Which.
        id: ServiceId,
    },
    /// Other answers for a service, or whether it runs.
    ChangeService {
        /// Which.
        id: ServiceId,
        /// What changes.
        update: ServiceUpdate,
    },
    /// A service goes.
    RemoveService {
        /// Which.
        id: ServiceId,
        /// Whether what it has kept goes too.
        delete_data: bool,
    },
    /// The config as it was at an earlier revision.
    RestoreRevision {
        /// Which.
        number: u64,
    },
}

/// Answers of the setup wizard.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupForm {
    /// The code shown on console and screen.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 1, max = 32), extend("writeOnly" = true))]
    pub setup_code: Secret<String>,
    /// The name of the box.
    pub cell_name: CellName,
    /// How names and certificates are obtained.
    pub domain_mode: DomainMode,
    /// The cell's domain.
    pub domain: Domain,
    /// IPv4 network of the VPN: RFC 1918 with a prefix length.
    #[serde(deserialize_with = "vpn_subnet")]
    #[schemars(with = "String")]
    pub vpn_subnet: Ipv4Net,
    /// The owner's account.
    pub admin_username: Username,
    /// Its password: 10 to 1,024 bytes.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 10, max = 1024), extend("writeOnly" = true))]
    pub admin_password: Secret<String>,
    /// The time zone pages show times in.
    pub timezone: TimeZoneName,
    /// Where devices outside find the box.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
}

/// Sections to replace; a section that is not named stays. The answer of `GET /api/config` is a valid one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsUpdate {
    /// The revision the change was made from; refused when there is a newer one.
    #[serde(default)]
    pub revision: Option<u64>,
    /// Who the box is.
    #[serde(default)]
    pub cell: Option<CellConfig>,
    /// Its domain.
    #[serde(default)]
    pub domain: Option<DomainConfig>,
    /// Addresses of its interfaces.
    #[serde(default)]
    pub network: Option<NetworkConfig>,
    /// The VPN's own addresses.
    #[serde(default)]
    pub vpn: Option<VpnConfig>,
    /// What it answers and whom it asks.
    #[serde(default)]
    pub dns: Option<DnsConfig>,
    /// New versions of the system.
    #[serde(default)]
    pub updates: Option<UpdatesConfig>,
    /// What is the same for all services.
    #[serde(default)]
    pub services: Option<ServicesSettings>,
}

/// A new device.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerForm {
    /// Its name.
    pub name: PeerName,
    /// Whose it is; the household's when not said.
    #[serde(default)]
    pub username: Option<Username>,
    /// All of its traffic goes through the tunnel.
    #[serde(default = "yes")]
    pub full_tunnel: bool,
    /// Its key, when it made its own.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
    /// Kinds of service it may use; all of them when not said.
    #[serde(default)]
    pub services: Option<BTreeSet<ServiceToggle>>,
    /// It may talk to other devices that may.
    #[serde(default)]
    pub peer_to_peer: bool,
    /// A further key both ends share.
    #[serde(default)]
    pub preshared_key: bool,
    /// Its way out; the uplink when not said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub exit_connection_id: Option<Uuid>,
    /// When it loses access by itself.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
}

/// What people may do about devices of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnPeerChange {
    /// A new one. 409 when they have too many.
    Add(OwnPeerForm),
    /// A new key pair, made by the box.
    Rekey {
        /// For which.
        name: PeerName,
    },
    /// Its current file.
    FetchFile {
        /// Of which.
        name: PeerName,
    },
    /// It goes.
    Remove {
        /// Which.
        name: PeerName,
    },
}

/// A new device of whoever asks. What it may do beyond that is for those who run the box to say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPeerForm {
    /// Its name.
    pub name: PeerName,
    /// All of its traffic goes through the tunnel.
    #[serde(default = "yes")]
    pub full_tunnel: bool,
    /// Its key, when it made its own.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
}

/// Other access for a device; what is not named stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerUpdate {
    /// Whose it is; `null`: the household's.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub username: Option<Option<Username>>,
    /// All of its traffic goes through the tunnel.
    #[serde(default)]
    pub full_tunnel: Option<bool>,
    /// It may talk to other devices that may.
    #[serde(default)]
    pub peer_to_peer: Option<bool>,
    /// Kinds of service it may use.
    #[serde(default)]
    pub services: Option<BTreeSet<ServiceToggle>>,
    /// Another key, made on the device.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
    /// Its way out; `null` is the uplink.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub exit_connection_id: Option<Option<Uuid>>,
    /// Whether it leaves by the uplink while its way out leads nowhere; `null`: as usual, which is that it does not.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<bool>")]
    pub failopen: Option<Option<bool>>,
    /// When it loses access by itself; `null` takes the date away.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Option<Timestamp>>,
}

/// A service to install.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceForm {
    /// Which.
    pub id: ServiceId,
    /// Answers to its questions; all else is as its manifest says.
    pub answers: BTreeMap<SettingKey, SettingValue>,
}

/// Other answers for a service; what is not named stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceUpdate {
    /// Whether it runs.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Whether the internet reaches its hosts.
    #[serde(default)]
    pub published: Option<bool>,
    /// Groups whose people may use it; `null`: everybody.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<BTreeSet<GroupName>>")]
    pub groups: Option<Option<BTreeSet<GroupName>>>,
    /// Answers; `null` for what the manifest says.
    #[serde(default)]
    pub answers: BTreeMap<SettingKey, Option<SettingValue>>,
}

/// What a change would do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// In words, in the order it would happen.
    pub steps: Vec<String>,
    /// Things to know before.
    pub warnings: Vec<String>,
    /// Whether it can cut the person off, and so returns by itself unless confirmed.
    pub needs_confirmation: bool,
    /// Whether everything is like this already, so that there is nothing to make.
    #[serde(default)]
    pub changes_nothing: bool,
}

/// What came of a change.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The revision that holds it.
    pub revision: u64,
    /// Set when the change returns by itself unless confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Pending>,
    /// The way out that was added or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub connection: Option<Uuid>,
    /// The device, and its file, when one was made or fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub peer: Option<PeerReceipt>,
}

/// A risky change that waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    /// The revision that waits.
    pub revision: u64,
    /// Who must confirm it.
    pub username: Username,
    /// Seconds until it returns by itself.
    pub seconds_left: u32,
}

/// A device and its file. Serialises with the key: between processes of the box only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerReceipt {
    /// The device.
    pub peer: PeerView,
    /// The file for its WireGuard app; with the private line only when the box has just made the key.
    #[serde(serialize_with = "exposed_option")]
    pub config: Option<Secret<String>>,
    /// What to know about the file ("works only at home").
    pub notes: Vec<String>,
}

fn yes() -> bool {
    true
}

/// Tells `null` (take it away) from a field that is not there (leave it).
pub(crate) fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

fn vpn_subnet<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Ipv4Net, D::Error> {
    let text = String::deserialize(deserializer)?;
    cell_model::subnet::parse_vpn_subnet(&text).map_err(serde::de::Error::custom)
}
