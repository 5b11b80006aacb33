//! What is shown to a person or answered to a program. No secrets in here.

mod firmware;
mod services;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::config::{
    CellConfig, DnsConfig, DomainConfig, NetworkConfig, ServiceToggle, ServicesSettings,
    UpdatesConfig, VpnConfig,
};
use cell_model::facts::InterfaceFacts;
use cell_model::key::PublicKey;
use cell_model::name::{
    CellName, DnsLabel, GroupName, InterfaceName, PeerName, ServiceId, TimeZoneName, Username,
};
use cell_model::status::{DnsStatus, ItemStatus, Part, State, WireGuardBackend};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::firmware::{
    AvailableView, CheckView, FirmwareView, SlotsView, TrialView, UpdateState, UpdateView,
};
pub use self::services::{
    FailedUpdateView, GuideView, KeptDataView, MailboxesView, OfferView, OwnServiceView,
    RefreshState, RefreshView, ServiceContainerView, ServiceLogLine, ServiceUpdateView,
    ServiceUsageView, ServiceView, ServiceVolumeView, SettingKindView, SettingView, SourceView,
    WellKnownView,
};
use crate::action::LogLevel;
use crate::change::Pending;
use crate::second_factor::SecondFactorView;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to ask with for the rest; `null` at the end.
    pub next: Option<String>,
}

/// How everything is: desired and actual.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// The newest revision; `null` before setup.
    pub revision: Option<u64>,
    /// The revision the system was last brought to; `null` before the first.
    pub applied_revision: Option<u64>,
    /// Part by part.
    pub items: Vec<ItemStatus>,
    /// Rises with every change of this view.
    pub generation: u64,
    /// A risky change that waits for its confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Version of the daemon.
    pub version: String,
    /// The box's own name; `null` before setup.
    pub cell_name: Option<String>,
    /// How many devices there are.
    pub peers: usize,
    /// What to know: "secrets are not protected from whoever holds the disk", a wrong clock.
    pub notices: Vec<String>,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupView {
    /// Its name.
    pub name: GroupName,
    /// Who is in it.
    pub members: BTreeSet<Username>,
    /// Services that are for it.
    pub services: BTreeSet<ServiceId>,
}

/// Which box this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellView {
    /// What it is called.
    pub name: CellName,
    /// Where it is, for times that people read and type.
    pub timezone: TimeZoneName,
}

/// Where setup stands and what the wizard proposes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetupView {
    /// Setup is done: everything else here is empty.
    pub complete: bool,
    /// What a seed file calls the box.
    #[serde(default)]
    pub cell_name: Option<CellName>,
    /// A free /24 in 10/8, random.
    pub vpn_subnet: Option<String>,
    /// The ULA /64 that goes with it.
    pub vpn_subnet6: Option<String>,
    /// Seconds until a code is accepted again.
    pub paused_s: Option<u32>,
    /// The name the box is found by at home, such as `cell.local`; none while it is not known to be free.
    pub local_name: Option<String>,
    /// The clock, as the box has it.
    #[schemars(with = "String")]
    pub clock: Timestamp,
}

/// The certificate of the cell's own authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootCertificateView {
    /// The certificate (RFC 7468).
    pub pem: String,
    /// SHA-256 of its DER, as browsers and phones show it.
    pub fingerprint: String,
}

/// The config without its peers. Accepted back by `PUT /api/config`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConfigView {
    /// The revision this is.
    pub revision: u64,
    /// Who the box is.
    pub cell: CellConfig,
    /// Its domain.
    pub domain: DomainConfig,
    /// Addresses of its interfaces.
    pub network: NetworkConfig,
    /// The VPN's own addresses.
    pub vpn: VpnConfig,
    /// What it answers and whom it asks.
    pub dns: DnsConfig,
    /// New versions of the system.
    pub updates: UpdatesConfig,
    /// What is the same for all services.
    pub services: ServicesSettings,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerView {
    /// Its name.
    pub name: PeerName,
    /// Its label in the cell's domain.
    pub label: DnsLabel,
    /// Whose it is; `null`: the household's.
    pub username: Option<Username>,
    /// Its IPv4 address.
    #[schemars(with = "String")]
    pub address: Ipv4Addr,
    /// Its IPv6 address.
    #[schemars(with = "String")]
    pub address6: Ipv6Addr,
    /// Its key.
    pub public_key: PublicKey,
    /// Whether a pre-shared key is in use.
    pub preshared_key: bool,
    /// All of its traffic goes through the tunnel.
    pub full_tunnel: bool,
    /// It may talk to other devices that may.
    pub peer_to_peer: bool,
    /// Kinds of service it may use.
    pub services: BTreeSet<ServiceToggle>,
    /// Its way out; `null` is the uplink.
    #[schemars(with = "Option<String>")]
    pub exit_connection_id: Option<Uuid>,
    /// Whether it leaves by the uplink while its way out leads nowhere; `null`: as usual, which is that it does not.
    pub failopen: Option<bool>,
    /// It leaves by the uplink now, since its way out leads nowhere.
    pub open_now: bool,
    /// Since when it exists.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When it loses access by itself.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// Its time is over.
    pub expired: bool,
    /// Its file has changed since it was last fetched.
    pub reinstall_needed: bool,
    /// When it last shook hands; `null`: not since the interface came up.
    #[schemars(with = "Option<String>")]
    pub latest_handshake: Option<Timestamp>,
    /// Where it was last heard from.
    #[schemars(with = "Option<String>")]
    pub endpoint: Option<SocketAddr>,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes sent to it.
    pub sent_bytes: u64,
}

/// The VPN interface.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WireGuardView {
    /// Who carries the packets.
    pub backend: WireGuardBackend,
    /// Its name.
    pub interface: String,
    /// UDP port.
    pub listen_port: u16,
    /// Its key; `null` before setup.
    pub public_key: Option<PublicKey>,
    /// The peers it really has.
    pub peers: Vec<WireGuardPeerView>,
}

/// One peer of the interface, as it really is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WireGuardPeerView {
    /// The device; `null` when the interface has a peer nobody asked for.
    pub name: Option<PeerName>,
    /// Its key.
    pub public_key: PublicKey,
    /// Networks that are sent to it.
    #[schemars(with = "Vec<String>")]
    pub allowed_ips: Vec<ipnet::IpNet>,
    /// Where it was last heard from.
    #[schemars(with = "Option<String>")]
    pub endpoint: Option<SocketAddr>,
    /// When it last shook hands.
    #[schemars(with = "Option<String>")]
    pub latest_handshake: Option<Timestamp>,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes sent to it.
    pub sent_bytes: u64,
}

/// Interfaces and addresses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkView {
    /// The uplink.
    pub wan: InterfaceName,
    /// The home side; `None`: one-armed.
    pub lan: Option<InterfaceName>,
    /// What the kernel has.
    pub interfaces: Vec<(InterfaceName, InterfaceFacts)>,
    /// Next hop of the default route.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers the uplink was given.
    pub resolvers: Vec<SocketAddr>,
    /// What the DHCP clients know.
    pub dhcp: Vec<(InterfaceName, DhcpView)>,
    /// Where the admin page listens.
    pub admin: Vec<SocketAddr>,
    /// Where DNS listens.
    pub dns: Vec<SocketAddr>,
    /// The name the box is found by at home, such as `cell.local`.
    pub local_name: Option<String>,
}

/// What a DHCP client knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpView {
    /// What a server granted.
    pub lease: Option<LeaseView>,
    /// The link-local address in use because no server answers.
    pub fallback: Option<Ipv4Net>,
    /// What is wrong, in a sentence.
    pub complaint: Option<String>,
}

/// What a DHCP server granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// Address and prefix length.
    pub address: Ipv4Net,
    /// Where everything else goes.
    pub router: Option<Ipv4Addr>,
    /// Name servers, in order.
    pub resolvers: Vec<Ipv4Addr>,
    /// Who granted it.
    pub server: Option<Ipv4Addr>,
    /// When it ends, unless it is renewed.
    pub until: Timestamp,
}

/// One revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevisionView {
    /// Its number.
    pub number: u64,
    /// When.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// Who.
    pub actor: String,
    /// What, in a sentence.
    pub summary: String,
    /// How many documents it changed.
    pub changes: usize,
}

/// What differs between two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffView {
    /// The older side.
    pub from: u64,
    /// The newer side.
    pub to: u64,
    /// Value by value.
    pub changes: Vec<DiffEntry>,
}

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffEntry {
    /// Where in the config, joined by dots.
    pub path: String,
    /// As it was; `null`: not there.
    pub before: Option<serde_json::Value>,
    /// As it is; `null`: not there.
    pub after: Option<serde_json::Value>,
}

/// One audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditView {
    /// Its number.
    pub number: u64,
    /// When.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// Who; `null`: nobody who was signed in.
    pub actor: Option<String>,
    /// As what.
    pub role: Option<Role>,
    /// From where; `null`: the box itself.
    #[schemars(with = "Option<String>")]
    pub address: Option<IpAddr>,
    /// What, as a stable word.
    pub action: String,
    /// To what.
    pub object: Option<String>,
    /// `ok`, `refused` or `failed`.
    pub outcome: String,
    /// More, in words.
    pub detail: String,
}

/// A page of audit records.
pub type AuditPage = Page<AuditView>;

/// Whether the audit's chain holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditVerifyView {
    /// It does.
    pub ok: bool,
    /// How many records were checked.
    pub records: u64,
    /// The first record that does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<u64>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountView {
    /// Its name.
    pub username: Username,
    /// What it may do.
    pub role: Role,
    /// Since when it exists.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// The password was set by somebody else and should be changed.
    pub must_change_password: bool,
    /// Whether a code is asked for beside the password.
    pub second_factor: bool,
    /// When its access ends by itself; `null`: never.
    #[schemars(with = "Option<String>")]
    pub access_until: Option<Timestamp>,
    /// Whether that time has come.
    pub access_over: bool,
}

/// The caller's own account and sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionsView {
    /// Who.
    pub identity: Identity,
    /// The password was set by somebody else and should be changed.
    pub must_change_password: bool,
    /// The second factor; `null`: none.
    pub second_factor: Option<SecondFactorView>,
    /// Sessions of this account.
    pub sessions: Vec<SessionView>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    /// To revoke it by.
    pub id: String,
    /// Since when.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// From where it was opened.
    #[schemars(with = "Option<String>")]
    pub address: Option<IpAddr>,
    /// What the browser called itself.
    pub user_agent: String,
    /// It is the caller's own.
    pub current: bool,
}

/// A built-in part.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PartView {
    /// Which.
    pub part: Part,
    /// How it is.
    pub state: State,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What, in a sentence.
    pub detail: String,
    /// What it says of itself, as name and value.
    pub facts: Vec<(String, String)>,
    /// The process that carries it, when it has one of its own.
    pub process_id: Option<u32>,
    /// How often that process was started anew.
    pub restarts: u32,
    /// Counters of the name server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub dns: Option<DnsStatus>,
}

/// Lines of the log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// Oldest first.
    pub items: Vec<LogLine>,
    /// Always `null`: what is older is no longer kept.
    pub next: Option<String>,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// How important.
    pub level: LogLevel,
    /// Which part; `null`: the daemon itself.
    pub part: Option<Part>,
    /// What.
    pub message: String,
}

/// How much each part says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerbosityView {
    /// The level where nothing else is said.
    pub default: LogLevel,
    /// Parts that have a level of their own.
    pub parts: Vec<(Part, LogLevel)>,
}
