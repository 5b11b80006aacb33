//! Questions to the core, each with the answer that belongs to it.

use cell_model::mail::DkimKey;
use cell_model::name::{CellName, PeerName, ServiceId, Username};
use cell_model::secret::{Secret, exposed};
use cell_model::status::Part;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api_token::ApiTokenView;
use crate::app_password::AppPasswordView;
use crate::connection::ConnectionView;
use crate::invite::{InviteView, InvitedView};
use crate::link::{LinkInviteView, LinkView};
use crate::mail::{
    MailFindingsView, MailRecordsView, MailTable, MailView, OwnMailView, PersonView,
};
use crate::passkey::PasskeyView;
use crate::view::{
    AccountView, AuditPage, AuditVerifyView, CellView, ConfigView, DiffView, FirmwareView,
    GroupView, KeptDataView, LogPage, NetworkView, OfferView, OwnServiceView, Page, PartView,
    PeerView, RevisionView, RootCertificateView, ServiceLogLine, ServiceView, SessionsView,
    SetupView, SourceView, StatusView, VerbosityView, WireGuardView,
};

/// A question and the answer that belongs to it.
pub trait Question: Into<Query> {
    /// What is answered.
    type Answer;
    /// Takes the answer out, if it is the right one.
    fn pick(answer: Answer) -> Option<Self::Answer>;
}

/// Makes [`Query`] and [`Answer`] out of one list, so that they cannot drift apart.
macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident -> $answer:ty;)*) => {
        /// A question.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Query { $($(#[$doc])* $name($name),)* }

        /// An answer.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Answer { $($(#[$doc])* $name($answer),)* }

        $(
            impl From<$name> for Query {
                fn from(question: $name) -> Self { Self::$name(question) }
            }

            impl Question for $name {
                type Answer = $answer;
                fn pick(answer: Answer) -> Option<$answer> {
                    match answer { Answer::$name(answer) => Some(answer), _ => None }
                }
            }
        )*
    };
}

questions! {
    /// How everything is.
    Status -> StatusView;
    /// Which box this is, for everybody who uses it.
    Cell -> CellView;
    /// Where setup stands and what the wizard proposes. Needs no sign-in.
    Setup -> SetupView;
    /// What devices must trust to open the box's pages. Needs no sign-in; 428 before setup.
    RootCertificate -> RootCertificateView;
    /// The config without its peers.
    Settings -> ConfigView;
    /// Devices.
    Peers -> Page<PeerView>;
    /// One device.
    Peer -> PeerView;
    /// The caller's own devices; on one page, since a person has few.
    OwnPeers -> Page<PeerView>;
    /// Services that the caller may use; on one page, since a box has few.
    OwnServices -> Page<OwnServiceView>;
    /// The VPN interface.
    WireGuard -> WireGuardView;
    /// Interfaces and addresses.
    Network -> NetworkView;
    /// Revisions, newest first.
    Revisions -> Page<RevisionView>;
    /// One revision.
    Revision -> RevisionView;
    /// What differs between two revisions.
    Diff -> DiffView;
    /// Audit records, newest first.
    Audit -> AuditPage;
    /// Whether the audit's chain holds.
    AuditVerify -> AuditVerifyView;
    /// Accounts.
    Accounts -> Page<AccountView>;
    /// One of them.
    Account -> AccountView;
    /// Groups of people; on one page, since there are few.
    Groups -> Page<GroupView>;
    /// Mail as it is set.
    Mail -> Box<MailView>;
    /// The records that mail wants in public DNS; 404 without the mail service.
    MailRecords -> MailRecordsView;
    /// Keys that mail is signed with, by selector; on one page, since there are few.
    DkimKeys -> Page<DkimKey>;
    /// What was found when mail was looked at last; 404 without the mail service.
    MailFindings -> MailFindingsView;
    /// The caller's own addresses; 404 when they have none.
    OwnMail -> OwnMailView;
    /// Whoever a service may do something for; 404 when there is nobody of that name who may use it. Needs no sign-in:
    /// it is asked for each message.
    Person -> PersonView;
    /// What a table of the mail service says about a key; `None`: nothing. Needs no sign-in, as above.
    MailLookup -> Option<String>;
    /// Ways out beside the uplink; on one page, since there are few.
    Connections -> Page<ConnectionView>;
    /// One of them.
    Connection -> Box<ConnectionView>;
    /// Other cells, linked or on the way there; on one page, since there are few.
    Links -> Page<LinkView>;
    /// One of them.
    Link -> LinkView;
    /// Invites for other cells that count, the oldest first; on one page.
    LinkInvites -> Page<LinkInviteView>;
    /// Invites that count, the oldest first; on one page, since there are few.
    Invites -> Page<InviteView>;
    /// What a code invites to. Needs no sign-in; 401 when it is wrong or over.
    Invited -> InvitedView;
    /// Passkeys of one account, the oldest first; on one page, since an account has few.
    Passkeys -> Page<PasskeyView>;
    /// Tokens of one account, the oldest first; on one page, since an account has few.
    ApiTokens -> Page<ApiTokenView>;
    /// App passwords, the oldest first; on one page, since an account has few.
    AppPasswords -> Page<AppPasswordView>;
    /// The caller's own account and sessions.
    Sessions -> SessionsView;
    /// The token forms of the caller's session carry.
    CsrfToken -> String;
    /// Whether the caller's password was proven a short time ago; 403 when it was not.
    RecentProof -> ();
    /// A built-in part.
    PartDetail -> PartView;
    /// Services that are installed.
    Services -> Page<ServiceView>;
    /// One of them.
    Service -> Box<ServiceView>;
    /// What its containers said last, the newest at the end.
    ServiceLogs -> Page<ServiceLogLine>;
    /// What services have kept that were removed; on one page, since a box has few.
    KeptData -> Page<KeptDataView>;
    /// Services that can be installed.
    Offers -> Page<OfferView>;
    /// Sources of services, and what is known of them; nobody is asked. On one page, since there are few.
    Sources -> Page<SourceView>;
    /// Lines of the log, newest last.
    Logs -> LogPage;
    /// How much each part says.
    VerbosityLevels -> VerbosityView;
    /// Which version runs, and what becomes of the next one.
    Firmware -> Box<FirmwareView>;
    /// What the last version on trial said until it passed or was left; 404 when there was none.
    TrialLog -> String;
}

/// Where in a list to start and how much to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// At most so many: 1 to 1,000.
    pub limit: usize,
    /// What the previous page answered as `next`.
    pub cursor: Option<String>,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            limit: Self::DEFAULT_LIMIT,
            cursor: None,
        }
    }
}

impl Range {
    /// How much is answered when nothing is said.
    pub const DEFAULT_LIMIT: usize = 100;
    /// The most that is answered at once.
    pub const MAX_LIMIT: usize = 1_000;
}

/// See [`Query::Status`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status;

/// See [`Query::Cell`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell;

/// See [`Query::Setup`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup;

/// See [`Query::RootCertificate`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootCertificate;

/// See [`Query::Settings`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// As of this revision; now when not said.
    pub revision: Option<u64>,
}

/// See [`Query::Peers`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Peers {
    /// Which of them.
    pub range: Range,
}

/// See [`Query::Peer`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Peer {
    /// Which.
    pub name: PeerName,
}

/// See [`Query::OwnPeers`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OwnPeers;

/// See [`Query::OwnServices`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OwnServices;

/// See [`Query::WireGuard`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WireGuard;

/// See [`Query::Network`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Network;

/// See [`Query::Revisions`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revisions {
    /// Which of them.
    pub range: Range,
}

/// See [`Query::Revision`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revision {
    /// Which.
    pub number: u64,
}

/// See [`Query::Diff`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Diff {
    /// The older side.
    pub from: u64,
    /// The newer side.
    pub to: u64,
}

/// See [`Query::Audit`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Audit {
    /// Which of them.
    pub range: Range,
    /// Only what this account did.
    pub actor: Option<Username>,
    /// Only acts that start with this word.
    pub action: Option<String>,
    /// Only what was done to what has this name.
    pub object: Option<String>,
}

/// See [`Query::AuditVerify`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditVerify;

/// See [`Query::Accounts`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accounts {
    /// Which of them.
    pub range: Range,
}

/// See [`Query::Account`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// Which.
    pub username: Username,
}

/// See [`Query::Groups`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Groups;

/// See [`Query::Mail`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mail;

/// See [`Query::MailRecords`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailRecords;

/// See [`Query::DkimKeys`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DkimKeys;

/// See [`Query::MailFindings`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailFindings;

/// See [`Query::OwnMail`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OwnMail;

/// See [`Query::Person`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Person {
    /// The service that asks.
    pub service: ServiceId,
    /// The account, with or without the cell's domain.
    pub name: String,
}

/// See [`Query::MailLookup`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailLookup {
    /// The service that asks.
    pub service: ServiceId,
    /// The table.
    pub table: MailTable,
    /// What is looked for.
    pub key: String,
}

/// See [`Query::Connections`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Connections;

/// See [`Query::Connection`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Connection {
    /// Which.
    pub id: Uuid,
}

/// See [`Query::Links`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Links;

/// See [`Query::Link`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Link {
    /// Which.
    pub name: CellName,
}

/// See [`Query::LinkInvites`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinkInvites;

/// See [`Query::Invites`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invites;

/// See [`Query::Invited`]. Serialises with the code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invited {
    /// As typed.
    #[serde(serialize_with = "exposed")]
    pub code: Secret<String>,
}

/// See [`Query::Passkeys`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Passkeys {
    /// Whose; the caller's own when not said. Owners may ask for others'.
    pub username: Option<Username>,
}

/// See [`Query::ApiTokens`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiTokens {
    /// Whose; the caller's own when not said. Owners may ask for others'.
    pub username: Option<Username>,
}

/// See [`Query::AppPasswords`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppPasswords {
    /// Whose; the caller's own when not said, and everybody's for root, who has none. Admins may ask for others'.
    pub username: Option<Username>,
}

/// See [`Query::Sessions`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sessions;

/// See [`Query::CsrfToken`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CsrfToken;

/// See [`Query::RecentProof`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecentProof;

/// See [`Query::PartDetail`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartDetail {
    /// Which.
    pub part: Part,
}

/// See [`Query::Services`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Services {
    /// Which of them.
    pub range: Range,
}

/// See [`Query::Service`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// Which.
    pub id: ServiceId,
}

/// See [`Query::ServiceLogs`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceLogs {
    /// Of which service.
    pub id: ServiceId,
    /// At most so many lines: 1 to 1,000.
    pub limit: usize,
}

/// See [`Query::KeptData`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptData;

/// See [`Query::Offers`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Offers {
    /// Which of them.
    pub range: Range,
}

/// See [`Query::Sources`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sources;

/// See [`Query::Logs`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Logs {
    /// At most so many lines: 1 to 1,000.
    pub limit: usize,
    /// Only of this part.
    pub part: Option<Part>,
    /// Only this important or more.
    pub level: Option<crate::action::LogLevel>,
    /// Only lines that contain this text, either case.
    pub text: Option<String>,
}

/// See [`Query::Firmware`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Firmware;

/// See [`Query::TrialLog`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrialLog;

/// See [`Query::VerbosityLevels`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerbosityLevels;
