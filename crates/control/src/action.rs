//! Acts that are no change of the config.

use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::mail::DkimKey;
use cell_model::name::{CellName, DnsLabel, ServiceId, Username};
use cell_model::secret::{Secret, exposed, exposed_option};
use cell_model::status::Part;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api_token::{ApiTokenForm, NewApiToken};
use crate::app_password::{AppPasswordForm, NewAppPassword, ServiceSignIn};
use crate::change::present;
use crate::invite::{AcceptedInvite, InviteForm, NewInvite};
use crate::link::{LinkCode, LinkForm, LinkInviteForm, LinkView, NewLinkInvite};
use crate::mail::{MailCheckForm, MailFindingsView};
use crate::passkey::{OfferedPasskey, PasskeyChallenge, PasskeyForm, PasskeyView, UsedPasskey};
use crate::second_factor::{NewRecoveryCodes, OfferedSecondFactor};
use crate::view::RefreshView;

/// Code of the refusal of a dangerous act to whom [`Action::Reauthenticate`] helps.
pub const REAUTHENTICATION_REQUIRED: &str = "reauthentication_required";

/// One act. Serialises with its secrets: between processes of the box only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Opens a session, or asks for a code where the account has a second factor. Needs no sign-in. 401 when wrong, 429 when
    /// too often.
    SignIn {
        /// The account.
        username: String,
        /// Its password.
        #[serde(serialize_with = "exposed")]
        password: Secret<String>,
        /// A code of its second factor, if it is at hand.
        #[serde(default, serialize_with = "exposed_option")]
        code: Option<Secret<String>>,
        /// What the browser calls itself, for the list of sessions.
        user_agent: String,
    },
    /// Opens the session that asked for a code. Needs no sign-in. 401 when wrong or too late, 429 when too often.
    SignInWithCode {
        /// What came with the question.
        #[serde(serialize_with = "exposed")]
        ticket: Secret<String>,
        /// The app's, or a recovery code.
        #[serde(serialize_with = "exposed")]
        code: Secret<String>,
        /// What the browser calls itself, for the list of sessions.
        user_agent: String,
    },
    /// Proves the password of the caller's session once more: what is dangerous needs that to be a short time ago.
    Reauthenticate {
        /// Their password.
        #[serde(serialize_with = "exposed")]
        password: Secret<String>,
    },
    /// Ends the caller's session.
    SignOut,
    /// Ends another session of the caller's.
    RevokeSession {
        /// As listed.
        id: String,
    },
    /// The caller's own password; ends the caller's other sessions.
    ChangePassword(PasswordChange),
    /// Makes up what an app needs for the caller's second factor; nothing is asked for until it is added. 409 when there is
    /// one.
    OfferSecondFactor,
    /// Has codes of that app asked for from now on; ends the caller's other sessions. 409 when nothing was offered.
    AddSecondFactor {
        /// What the app shows.
        #[serde(serialize_with = "exposed")]
        code: Secret<String>,
    },
    /// Other recovery codes for the caller's second factor. 404 when there is none.
    RenewRecoveryCodes,
    /// No code is asked for any more. 404 when there is none.
    RemoveSecondFactor,
    /// Makes up what a browser needs to have a passkey made for the caller. 409 when they have too many.
    OfferPasskey,
    /// The caller signs in with it from now on, too. 403 when it is not what was asked for.
    AddPasskey(Box<PasskeyForm>),
    /// A passkey opens nothing any more. One's own; anybody's for owners.
    RemovePasskey {
        /// As listed.
        id: String,
    },
    /// Makes up what a browser needs to have a passkey used. Needs no sign-in.
    ChallengePasskey,
    /// Opens a session for whoever's passkey it is. Needs no sign-in. 401 when it is nobody's, or not what was asked for.
    SignInWithPasskey {
        /// What the browser sent.
        used: Box<UsedPasskey>,
        /// What the browser calls itself, for the list of sessions.
        user_agent: String,
    },
    /// Proves by a passkey who the caller is once more, as [`Action::Reauthenticate`] does by their password. 403 when it is
    /// not theirs, or not what was asked for.
    ReauthenticateWithPasskey(Box<UsedPasskey>),
    /// Somebody else's password; ends their sessions, app passwords, tokens, passkeys and second factor. Admins for members, owners for all, root for all.
    ResetPassword(PasswordReset),
    /// A new account. Owners only.
    AddAccount(AccountForm),
    /// Another role for an account, or another end of its access. Owners only; the last owner stays one.
    ChangeAccount {
        /// Which.
        username: Username,
        /// What changes.
        update: AccountUpdate,
    },
    /// Has somebody make an account of their own, with a code that is shown this once. Admins for members, owners for all.
    /// 409 when the name is taken.
    Invite(InviteForm),
    /// An invite counts no more. For whom [`Action::Invite`] is.
    RevokeInvite {
        /// As listed.
        id: String,
    },
    /// Makes an invite for another cell, with a secret that is shown this once. 409 when there are too many.
    InviteCell(LinkInviteForm),
    /// An invite for another cell counts no more.
    RevokeCellInvite {
        /// As listed.
        id: String,
    },
    /// Links with the cell that has made an invite. 400 when it is none; 409 when both cannot be linked.
    LinkCell(Box<LinkForm>),
    /// Links with a cell that has used an invite of this one's, when the code is right. 403 when it is not.
    ConfirmLink {
        /// Which.
        name: CellName,
        /// What the other one shows.
        code: LinkCode,
    },
    /// Gives up a link that is not there yet.
    DropLink {
        /// Which.
        name: CellName,
    },
    /// Has a linked cell be what it wants to be from now on, though its domain is one of the internet's. 409 when nothing is
    /// held, or something else is in the way.
    AcceptLink {
        /// Which.
        name: CellName,
    },
    /// What another cell says that uses an invite. Needs no sign-in, but proofs in what it says: see `cell_cells::Message`.
    Pair {
        /// The message.
        message: Value,
    },
    /// Makes the account that somebody was invited to, and opens a session. Needs no sign-in, but the code: 401 when wrong or
    /// over.
    AcceptInvite {
        /// The code, and the password to be.
        accepted: AcceptedInvite,
        /// What the browser calls itself, for the list of sessions.
        user_agent: String,
    },
    /// An account goes, with its devices, sessions, app passwords, tokens, invites and second factor. Owners only; the last
    /// owner stays.
    RemoveAccount {
        /// Which.
        username: Username,
    },
    /// A password for one device, shown this once. For oneself; admins for members, owners and root for all. 409 when the
    /// account has too many.
    AddAppPassword(AppPasswordForm),
    /// An app password goes, and opens nothing from then on. One's own; anybody's for admins.
    RemoveAppPassword {
        /// As listed.
        id: String,
    },
    /// A token for programs, shown this once. For oneself. 409 when the account has too many.
    AddApiToken(ApiTokenForm),
    /// A token goes, and opens nothing from then on. One's own; anybody's for owners.
    RemoveApiToken {
        /// As listed.
        id: String,
    },
    /// Whether name and app password open a service. Needs no sign-in: it is one, asked for each request to a service.
    /// 401 when wrong, 403 when it is for other services, 429 when too often.
    CheckAppPassword(ServiceSignIn),
    /// Whether a setup code is right, and a step's answers are, without setting up.
    CheckSetupCode {
        /// As typed.
        #[serde(serialize_with = "exposed")]
        setup_code: Secret<String>,
    },
    /// Tries what a part is there for.
    TestPart {
        /// Which.
        part: Part,
    },
    /// Starts a part anew.
    RestartPart {
        /// Which.
        part: Part,
    },
    /// Starts the containers of a service anew, whatever they wait for. 404 when it is not installed, 409 when it does not
    /// run.
    RestartService {
        /// Which.
        id: ServiceId,
    },
    /// How much a part says in the log, until the next start.
    SetVerbosity(Verbosity),
    /// Asks the sources of services what they offer.
    RefreshStore,
    /// Makes a key that mail is signed with once its record is seen in public DNS. 404 without the mail service, 409 while
    /// another waits for that.
    AddDkimKey,
    /// Signs mail with a key from now on, whatever public DNS says. 404 when there is none, 409 when its time is over.
    SignWithDkimKey {
        /// As listed.
        selector: DnsLabel,
    },
    /// Looks at mail as others see it: public DNS, the ways in and out, block lists, certificates. Takes up to 40 s. 404
    /// without the mail service, 409 while another look is under way.
    CheckMail(MailCheckForm),
    /// Restarts the box: into the version that is to be tried, if there is one.
    Restart,
    /// Drops the version that is to be tried, or stops its trial: the one before it counts.
    DropFirmware,
    /// Has the other slot tried at the next start.
    TryOtherSlot,
    /// Looks whether the channel has a newer version.
    CheckFirmware,
    /// Fetches a version, and answers once it is known that it is for this box; then it goes on by itself.
    FetchFirmware(FirmwareFetch),
}

/// A version that nobody sends: the box gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirmwareFetch {
    /// From where.
    pub from: BundleSource,
    /// Take a version that is not newer than the running one.
    #[serde(default)]
    pub allow_older: bool,
    /// Take a version whose time is over.
    #[serde(default)]
    pub allow_expired: bool,
}

/// Where the box gets a version from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BundleSource {
    /// The server and channel of the settings.
    Channel,
    /// A USB stick: `cell-<board>.bundle` in its first folder.
    Stick,
}

/// A firmware bundle on its way, and what its sender knowingly allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IncomingBundle {
    /// A version that is not newer than the running one.
    pub allow_older: bool,
    /// One whose time is over.
    pub allow_expired: bool,
}

/// A new password for oneself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The present one.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub current_password: Secret<String>,
    /// The new one.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 10, max = 1024), extend("writeOnly" = true))]
    pub new_password: Secret<String>,
}

/// A new password for somebody else, to be changed at their next sign-in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// The account.
    pub username: Username,
    /// Its new password.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 10, max = 1024), extend("writeOnly" = true))]
    pub new_password: Secret<String>,
}

/// A new account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountForm {
    /// Its name.
    pub username: Username,
    /// Its first password.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 10, max = 1024), extend("writeOnly" = true))]
    pub password: Secret<String>,
    /// What it may do.
    pub role: Role,
    /// When its access ends by itself; never when not said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub access_until: Option<Timestamp>,
}

/// Another role or end of access for an account; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountUpdate {
    /// What it may do.
    #[serde(default)]
    pub role: Option<Role>,
    /// When its access ends by itself; `null` takes the date away.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub access_until: Option<Option<Timestamp>>,
}

/// How much the log says, by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verbosity {
    /// The part; all parts when not said.
    #[serde(default)]
    pub part: Option<Part>,
    /// The least important level that is kept.
    pub level: LogLevel,
}

/// How important a line of the log is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Somebody must act.
    Error,
    /// Degraded, will be tried again.
    Warn,
    /// State changed.
    Info,
    /// Why.
    Debug,
}

impl LogLevel {
    /// Every level, the most important first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// The word in requests and log filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }
}

/// What came of an act.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done; nothing to tell.
    Done,
    /// A session is open.
    SignedIn {
        /// For the cookie.
        #[serde(serialize_with = "exposed")]
        token: Secret<String>,
        /// Who.
        identity: Identity,
        /// The password was set by somebody else and should be changed.
        must_change_password: bool,
    },
    /// The password is right, and a code is needed.
    CodeRequired {
        /// For [`Action::SignInWithCode`]; good for five minutes.
        #[serde(serialize_with = "exposed")]
        ticket: Secret<String>,
    },
    /// What an app needs for a second factor.
    SecondFactorOffered(Box<OfferedSecondFactor>),
    /// What a browser needs to have a passkey made.
    PasskeyOffered(Box<OfferedPasskey>),
    /// A passkey was added.
    PasskeyAdded(Box<PasskeyView>),
    /// What a browser needs to have one used.
    PasskeyChallenged(PasskeyChallenge),
    /// Recovery codes were made.
    RecoveryCodes(Box<NewRecoveryCodes>),
    /// An app password was made.
    AppPasswordAdded(Box<NewAppPassword>),
    /// A token was made.
    ApiTokenAdded(Box<NewApiToken>),
    /// An invite was made.
    Invited(Box<NewInvite>),
    /// An invite for another cell was made.
    CellInvited(Box<NewLinkInvite>),
    /// How far another cell is.
    CellLinked(Box<LinkView>),
    /// What another cell is answered.
    Paired(Value),
    /// Name and app password are right.
    Admitted {
        /// Whose they are.
        username: Username,
    },
    /// How a test went.
    Tested(TestResult),
    /// A key that mail will be signed with was made.
    DkimKeyAdded(Box<DkimKey>),
    /// What was found when mail was looked at.
    MailChecked(Box<MailFindingsView>),
    /// What the sources of services answered.
    Refreshed(RefreshView),
}

/// How the test of a part went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestResult {
    /// Whether it does what it is there for.
    pub ok: bool,
    /// What was tried and seen, in sentences.
    pub detail: Vec<String>,
}
