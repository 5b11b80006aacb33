//! Every operation, one row each. Routes, the OpenAPI description and generated tests come from here.

mod cells;
mod connectivity;
mod mail;

use cell_control::action::{
    AccountForm, AccountUpdate, FirmwareFetch, PasswordChange, PasswordReset, TestResult, Verbosity,
};
use cell_control::api_token::{ApiTokenForm, ApiTokenView, NewApiToken};
use cell_control::app_password::{AppPasswordForm, AppPasswordView, NewAppPassword};
use cell_control::change::{
    OwnPeerForm, PeerForm, PeerUpdate, Preview, ServiceUpdate, SettingsUpdate, SetupForm,
};
use cell_control::invite::{AcceptedInvite, InviteForm, InviteView};
use cell_control::passkey::{
    OfferedPasskey, PasskeyChallenge, PasskeyForm, PasskeyView, UsedPasskey,
};
use cell_control::second_factor::NewRecoveryCodes;
use cell_control::view::{
    AccountView, AuditPage, AuditVerifyView, ConfigView, DiffView, FirmwareView, GroupView,
    KeptDataView, LogPage, OfferView, OwnServiceView, Page, PartView, PeerView, RefreshView,
    RevisionView, ServiceLogLine, ServiceView, SessionView, SetupView, SourceView, StatusView,
    VerbosityView, WireGuardView,
};
use cell_gate::Access;
use cell_model::account::Role;

use crate::answer::{
    AccountAnswer, ChangeAnswer, CsrfAnswer, DashboardAnswer, GroupAnswer, HealthAnswer,
    IdentityAnswer, NewInviteAnswer, OfferedSecondFactorAnswer, PasskeyAnswer, PeerAnswer,
    PeerFileAnswer, SecondFactorAnswer, ServiceAnswer, SetupAnswer, StepAnswer, WizardAnswer,
};
use crate::openapi;
use crate::parameter::{CURSOR, LIMIT};
use crate::routes::auth::{CodeForm, LoginForm, ReauthenticationForm};
use crate::routes::groups::GroupForm;
use crate::routes::setup::StepForm;
use crate::routes::{
    api_tokens, app_passwords, audit, auth, config, firmware, groups, invites, own_peers, parts,
    passkeys, peers, services, setup,
};
use crate::row::{CHANGE, OWN, READ, Row, handler};

const SETUP: &str = r#"{"setup_code":"ABCD2345","cell_name":"home","domain_mode":"lan","domain":"home.cell",
    "vpn_subnet":"10.31.7.0/24","admin_username":"anna","admin_password":"a long and quiet river","timezone":"UTC"}"#;

const SETTINGS: &str = r#"{
    "cell":{"name":"home","timezone":"Europe/Vienna","endpoint":"home.example.org:51820"},
    "domain":{"mode":"lan","name":"home.cell"},
    "network":{"wan":{"addressing":{"mode":"adopt"}},
        "lan":{"addressing":{"mode":"static","address":"192.168.1.1/24","gateway":null}}},
    "vpn":{"subnet":"10.31.7.0/24","subnet6":"fd31:7::/64"},
    "dns":{"upstreams":[{"address":"192.0.2.53","port":53}],
        "records":[{"name":"printer","type":"A","value":"192.168.1.30"}]},
    "updates":{"mode":"automatic","channel":"stable","source":"https://updates.example.org/cell","authorities":null,
        "window":{"from":"03:00","until":"05:00"}},
    "services":{"network":"172.20.0.0/16","sources":{"friends":{"url":"https://store.example.org/cell","authorities":null,
        "keys":{"version":1,"purpose":"release","threshold":2,"keys":[
            "1f5a0c2b9d7e64830c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f40516273",
            "a0b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeeff"]}}}}}"#;

const USED_PASSKEY: &str = r#"{"credential_id":"AAAA","client_data":"AAAA","authenticator_data":"AAAA","signature":"AAAA","user_handle":"AAAA"}"#;

/// Bytes of the longest bundle: both partitions of a slot, all different, and a header.
const BUNDLE_LIMIT: usize = 700 << 20;

/// All of them.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> + Clone {
    ROWS.iter()
        .chain(mail::ROWS)
        .chain(cells::ROWS)
        .chain(connectivity::ROWS)
}

static ROWS: &[Row] = &[
    Row::get("/health", "health", handler!(setup::health))
        .is(Access::Open, "Whether the box is up.")
        .answers::<HealthAnswer>(),
    Row::get("/api/openapi.json", "openapi", handler!(openapi::show))
        .is(Access::SignedIn, "This description.")
        .answers_type("application/json"),
    // Setup.
    Row::get("/api/setup/status", "setupStatus", handler!(setup::status))
        .is(
            Access::Setup,
            "Where setup stands and what the wizard proposes.",
        )
        .answers::<SetupView>(),
    Row::get("/api/setup/step", "setupSteps", handler!(setup::wizard))
        .is(Access::Setup, "The steps of the wizard.")
        .answers::<WizardAnswer>(),
    Row::post("/api/setup/step", "checkSetupStep", handler!(setup::step))
        .is(
            Access::Setup,
            "Check the answers of one step; nothing is stored.",
        )
        .takes::<StepForm>(r#"{"step":"cell","cell_name":"home","domain":"home.cell"}"#)
        .answers::<StepAnswer>()
        .refuses(&[403, 429]),
    Row::post(
        "/api/setup/complete",
        "completeSetup",
        handler!(setup::complete),
    )
    .is(Access::Setup, "Set the box up.")
    .takes::<SetupForm>(SETUP)
    .answers::<SetupAnswer>()
    .refuses(&[403, 409, 429]),
    // People.
    Row::post("/api/auth/login", "login", handler!(auth::login))
        .is(
            Access::SignIn,
            "Open a session; its cookie comes with the answer.",
        )
        .takes::<LoginForm>(r#"{"username":"anna","password":"a long and quiet river"}"#)
        .answers::<IdentityAnswer>()
        .refuses(&[401, 429]),
    Row::post(
        "/api/auth/reauthenticate",
        "reauthenticate",
        handler!(auth::reauthenticate),
    )
    .is(
        Access::SignedIn,
        "Prove your password once more: what is marked x-dangerous needs that within 15 minutes.",
    )
    .takes::<ReauthenticationForm>(r#"{"password":"a long and quiet river"}"#)
    .refuses(&[403, 429]),
    Row::post("/api/auth/logout", "logout", handler!(auth::logout))
        .is(Access::SignedIn, "End this session."),
    Row::get(
        "/api/auth/csrf-token",
        "csrfToken",
        handler!(auth::csrf_token),
    )
    .is(
        Access::SignedIn,
        "The token every change must carry as X-CSRF-Token.",
    )
    .answers::<CsrfAnswer>(),
    Row::get("/api/auth/me", "me", handler!(auth::me))
        .is(Access::SignedIn, "Who is signed in.")
        .answers::<IdentityAnswer>(),
    Row::post(
        "/api/auth/change-password",
        "changePassword",
        handler!(auth::change_password),
    )
    .is(
        Access::SignedIn,
        "Change your own password; your other sessions end.",
    )
    .takes::<PasswordChange>(
        r#"{"current_password":"a long and quiet river","new_password":"a short and loud brook"}"#,
    )
    .refuses(&[403, 429]),
    Row::get(
        "/api/auth/second-factor",
        "secondFactor",
        handler!(auth::second_factor),
    )
    .is(Access::SignedIn, "Your second factor.")
    .answers::<SecondFactorAnswer>(),
    Row::post(
        "/api/auth/second-factor",
        "offerSecondFactor",
        handler!(auth::offer_second_factor),
    )
    .is(
        Access::SignedIn,
        "Have a secret made up for an app that makes codes (RFC 6238). Nothing is asked for until a code of it was sent.",
    )
    .dangerous()
    .creates::<OfferedSecondFactorAnswer>()
    .refuses(&[409]),
    Row::put(
        "/api/auth/second-factor",
        "addSecondFactor",
        handler!(auth::add_second_factor),
    )
    .is(
        Access::SignedIn,
        "Prove that the app has it: sign-ins need a code from then on, and your other sessions end. Recovery codes come once.",
    )
    .dangerous()
    .takes::<CodeForm>(r#"{"code":"123456"}"#)
    .answers::<NewRecoveryCodes>()
    .refuses(&[409]),
    Row::delete(
        "/api/auth/second-factor",
        "removeSecondFactor",
        handler!(auth::remove_second_factor),
    )
    .is(Access::SignedIn, "Ask for no code any more.")
    .dangerous()
    .refuses(&[404, 409]),
    Row::post(
        "/api/auth/second-factor/recovery-codes",
        "renewRecoveryCodes",
        handler!(auth::renew_recovery_codes),
    )
    .is(
        Access::SignedIn,
        "Make other recovery codes; those of before count no more.",
    )
    .dangerous()
    .answers::<NewRecoveryCodes>()
    .refuses(&[404, 409]),
    Row::get(
        "/api/auth/passkeys",
        "passkeys",
        handler!(passkeys::list, &[api_tokens::WHOSE, LIMIT, CURSOR]),
    )
    .is(Access::SignedIn, "Passkeys, the oldest first.")
    .answers::<Page<PasskeyView>>()
    .refuses(&[403, 404]),
    Row::post(
        "/api/auth/passkey-offer",
        "offerPasskey",
        handler!(passkeys::offer),
    )
    .is(
        Access::SignedIn,
        "What navigator.credentials.create needs (W3C Web Authentication); good for five minutes, once.",
    )
    .dangerous()
    .answers::<OfferedPasskey>()
    .refuses(&[404, 409]),
    Row::post("/api/auth/passkeys", "addPasskey", handler!(passkeys::add))
        .is(
            Access::SignedIn,
            "Add the passkey that was made: it signs you in from then on, too.",
        )
        .dangerous()
        .takes::<PasskeyForm>(
            r#"{"label":"phone","credential_id":"AAAA","client_data":"AAAA","authenticator_data":"AAAA","public_key":"AAAA"}"#,
        )
        .creates::<PasskeyAnswer>()
        .refuses(&[403, 404, 409]),
    Row::delete(
        "/api/auth/passkeys/{id}",
        "removePasskey",
        handler!(passkeys::remove),
    )
    .is(
        Access::SignedIn,
        "Remove a passkey: your own, or, as an owner, anybody's.",
    )
    .dangerous()
    .refuses(&[404, 409]),
    Row::post(
        "/api/auth/passkey-challenge",
        "challengePasskey",
        handler!(passkeys::challenge),
    )
    .is(
        Access::SignIn,
        "What navigator.credentials.get needs; good for five minutes, once.",
    )
    .answers::<PasskeyChallenge>(),
    Row::post(
        "/api/auth/passkey-login",
        "loginWithPasskey",
        handler!(passkeys::login),
    )
    .is(
        Access::SignIn,
        "Open a session with the passkey that was used; no password and no code is asked for.",
    )
    .takes::<UsedPasskey>(USED_PASSKEY)
    .answers::<IdentityAnswer>()
    .refuses(&[401, 403, 429]),
    Row::post(
        "/api/auth/passkey-reauthenticate",
        "reauthenticateWithPasskey",
        handler!(passkeys::reauthenticate),
    )
    .is(
        Access::SignedIn,
        "Prove by a passkey, instead of your password, that it is you: see POST /api/auth/reauthenticate.",
    )
    .takes::<UsedPasskey>(USED_PASSKEY)
    .refuses(&[403]),
    Row::post(
        "/api/auth/admin/reset-password",
        "resetPassword",
        handler!(auth::reset_password),
    )
    .is(
        CHANGE,
        "Set somebody else's password; their sessions, app passwords and second factor end.",
    )
    .dangerous()
    .takes::<PasswordReset>(r#"{"username":"anna","new_password":"a long and quiet river"}"#)
    .refuses(&[403, 404]),
    Row::get(
        "/api/auth/users",
        "users",
        handler!(auth::accounts, &[LIMIT, CURSOR]),
    )
    .is(CHANGE, "Accounts.")
    .answers::<Page<AccountView>>(),
    Row::post("/api/auth/users", "addUser", handler!(auth::add_account))
        .is(OWN, "Add an account.")
        .dangerous()
        .takes::<AccountForm>(
            r#"{"username":"ben","password":"a long and quiet river","role":"member"}"#,
        )
        .creates::<AccountAnswer>()
        .refuses(&[409]),
    Row::get(
        "/api/auth/users/{username}",
        "user",
        handler!(auth::account),
    )
    .is(CHANGE, "One account.")
    .answers::<AccountView>()
    .refuses(&[404]),
    Row::put(
        "/api/auth/users/{username}",
        "changeUser",
        handler!(auth::change_account),
    )
    .is(
        OWN,
        "Give an account another role, or another end of its access: it counts at once.",
    )
    .dangerous()
    .takes::<AccountUpdate>(r#"{"role":"helper","access_until":"2027-01-31T18:00:00Z"}"#)
    .refuses(&[404, 409]),
    Row::get(
        "/api/auth/invites",
        "invites",
        handler!(invites::list, &[LIMIT, CURSOR]),
    )
    .is(CHANGE, "Invites that count, the oldest first.")
    .answers::<Page<InviteView>>(),
    Row::post("/api/auth/invites", "addInvite", handler!(invites::add))
        .is(
            CHANGE,
            "Invite somebody to make their own account; the code comes once. Admins invite members, owners everybody.",
        )
        .dangerous()
        .takes::<InviteForm>(r#"{"username":"ben","role":"member"}"#)
        .creates::<NewInviteAnswer>()
        .refuses(&[403, 409]),
    Row::delete(
        "/api/auth/invites/{id}",
        "removeInvite",
        handler!(invites::remove),
    )
    .is(CHANGE, "Take an invite back.")
    .refuses(&[403, 404, 409]),
    Row::post(
        "/api/auth/accept-invite",
        "acceptInvite",
        handler!(invites::accept),
    )
    .is(
        Access::SignIn,
        "Make the account you were invited to, with a password of your own; its session's cookie comes with the answer.",
    )
    .takes::<AcceptedInvite>(
        r#"{"code":"11111-22222-33333-44444-555556","password":"a long and quiet river"}"#,
    )
    .creates::<IdentityAnswer>()
    .refuses(&[401, 409, 429]),
    Row::get(
        "/api/auth/tokens",
        "apiTokens",
        handler!(api_tokens::list, &[api_tokens::WHOSE, LIMIT, CURSOR]),
    )
    .is(Access::SignedIn, "Tokens, the oldest first.")
    .answers::<Page<ApiTokenView>>()
    .refuses(&[403, 404]),
    Row::post("/api/auth/tokens", "addApiToken", handler!(api_tokens::add))
        .is(
            Access::SignedIn,
            "Make a token for a program that acts on your behalf; it comes once. It is never good for what is dangerous.",
        )
        .dangerous()
        .takes::<ApiTokenForm>(r#"{"label":"backup","scopes":["peers:read","config:read"]}"#)
        .creates::<NewApiToken>()
        .refuses(&[404, 409]),
    Row::delete(
        "/api/auth/tokens/{id}",
        "removeApiToken",
        handler!(api_tokens::remove),
    )
    .is(
        Access::SignedIn,
        "Remove a token: your own, or, as an owner, anybody's. It opens nothing from then on.",
    )
    .refuses(&[404, 409]),
    Row::delete(
        "/api/auth/users/{username}",
        "removeUser",
        handler!(auth::remove_account),
    )
    .is(
        OWN,
        "Remove an account, with its devices, sessions, app passwords, tokens and invites.",
    )
    .dangerous()
    .refuses(&[404, 409]),
    Row::get(
        "/api/auth/sessions",
        "sessions",
        handler!(auth::sessions, &[LIMIT, CURSOR]),
    )
    .is(Access::SignedIn, "Your sessions.")
    .answers::<Page<SessionView>>(),
    Row::delete(
        "/api/auth/sessions/{id}",
        "revokeSession",
        handler!(auth::revoke_session),
    )
    .is(Access::SignedIn, "End one of your sessions.")
    .refuses(&[404]),
    Row::get(
        "/api/app-passwords",
        "appPasswords",
        handler!(
            app_passwords::list,
            &[app_passwords::USERNAME, LIMIT, CURSOR]
        ),
    )
    .is(
        Access::SignedIn,
        "App passwords, the oldest first.",
    )
    .answers::<Page<AppPasswordView>>()
    .refuses(&[403, 404]),
    Row::post(
        "/api/app-passwords",
        "addAppPassword",
        handler!(app_passwords::add),
    )
    .is(
        Access::SignedIn,
        "Make a password for a device that uses services; it comes once. For yourself, or as an admin for members.",
    )
    .dangerous()
    .takes::<AppPasswordForm>(r#"{"device":"phone"}"#)
    .creates::<NewAppPassword>()
    .refuses(&[404, 409]),
    Row::delete(
        "/api/app-passwords/{id}",
        "removeAppPassword",
        handler!(app_passwords::remove),
    )
    .is(
        Access::SignedIn,
        "Remove an app password; it opens nothing from then on.",
    )
    .refuses(&[404, 409]),
    Row::get(
        "/api/peer/dashboard",
        "dashboard",
        handler!(auth::dashboard),
    )
    .is(
        Access::Only(Role::Member),
        "A member's own devices and services.",
    )
    .answers::<DashboardAnswer>(),
    Row::get(
        "/api/peer/devices",
        "ownPeers",
        handler!(own_peers::list, &[LIMIT, CURSOR]),
    )
    .is(Access::SignedIn, "Your own devices.")
    .answers::<Page<PeerView>>(),
    Row::post(
        "/api/peer/devices",
        "addOwnPeer",
        handler!(own_peers::add),
    )
    .is(
        Access::SignedIn,
        "Add a device of your own; its file comes once.",
    )
    .dangerous()
    .takes::<OwnPeerForm>(r#"{"name":"my-phone"}"#)
    .creates::<PeerFileAnswer>()
    .refuses(&[404, 409]),
    Row::get(
        "/api/peer/devices/{name}",
        "ownPeer",
        handler!(own_peers::show),
    )
    .is(Access::SignedIn, "One device of your own.")
    .answers::<PeerAnswer>()
    .refuses(&[404]),
    Row::delete(
        "/api/peer/devices/{name}",
        "removeOwnPeer",
        handler!(own_peers::remove),
    )
    .is(
        Access::SignedIn,
        "Remove a device of your own; it is cut off at once.",
    )
    .may_wait()
    .refuses(&[404, 409]),
    Row::get(
        "/api/peer/devices/{name}/config",
        "ownPeerFile",
        handler!(own_peers::file),
    )
    .is(
        Access::SignedIn,
        "The file of your device without its private line; it counts as fetched, unless by HEAD.",
    )
    .answers::<PeerFileAnswer>()
    .refuses(&[404]),
    Row::post(
        "/api/peer/devices/{name}/rekey",
        "rekeyOwnPeer",
        handler!(own_peers::rekey),
    )
    .is(
        Access::SignedIn,
        "Make a new key for your device; its file comes once.",
    )
    .dangerous()
    .answers::<PeerFileAnswer>()
    .refuses(&[404]),
    Row::get(
        "/api/peer/services",
        "ownServices",
        handler!(own_peers::services, &[LIMIT, CURSOR]),
    )
    .is(
        Access::SignedIn,
        "Services that you may use, and how.",
    )
    .answers::<Page<OwnServiceView>>(),
    Row::get(
        "/api/groups",
        "groups",
        handler!(groups::list, &[LIMIT, CURSOR]),
    )
    .is(CHANGE, "Groups of people.")
    .answers::<Page<GroupView>>(),
    Row::put("/api/groups/{group}", "putGroup", handler!(groups::put))
        .is(CHANGE, "Make a group, or give it other members.")
        .takes::<GroupForm>(r#"{"members":["anna","ben"]}"#)
        .answers::<GroupAnswer>()
        .may_wait()
        .refuses(&[404, 409]),
    Row::delete(
        "/api/groups/{group}",
        "removeGroup",
        handler!(groups::remove),
    )
    .is(CHANGE, "Remove a group that no service is for.")
    .may_wait()
    .refuses(&[404, 409]),
    // Settings.
    Row::get("/api/status", "status", handler!(parts::status))
        .is(READ, "How everything is.")
        .answers::<StatusView>(),
    Row::get("/api/config", "config", handler!(config::show))
        .is(READ, "The settings.")
        .answers::<ConfigView>(),
    Row::put("/api/config", "changeConfig", handler!(config::replace))
        .is(CHANGE, "Replace sections of the settings.")
        .takes::<SettingsUpdate>(SETTINGS)
        .takes_much()
        .answers::<ChangeAnswer>()
        .may_wait()
        .refuses(&[409]),
    Row::post(
        "/api/config/preview",
        "previewConfig",
        handler!(config::preview),
    )
    .is(CHANGE, "What a change of the settings would do.")
    .takes::<SettingsUpdate>(SETTINGS)
    .takes_much()
    .answers::<Preview>()
    .refuses(&[409]),
    Row::post(
        "/api/config/confirm",
        "confirmConfig",
        handler!(config::confirm),
    )
    .is(
        CHANGE,
        "Keep a risky change; on a connection opened after it.",
    )
    .answers::<ChangeAnswer>()
    .refuses(&[409]),
    Row::post(
        "/api/config/revert",
        "revertConfig",
        handler!(config::revert),
    )
    .is(CHANGE, "Take a risky change back.")
    .answers::<ChangeAnswer>()
    .refuses(&[409]),
    Row::get(
        "/api/config/revisions",
        "revisions",
        handler!(config::revisions, &[LIMIT, CURSOR]),
    )
    .is(READ, "Revisions, newest first.")
    .answers::<Page<RevisionView>>(),
    Row::get(
        "/api/config/revisions/{number}",
        "revision",
        handler!(config::revision),
    )
    .is(READ, "One revision.")
    .answers::<RevisionView>()
    .refuses(&[404]),
    Row::get(
        "/api/config/revisions/{number}/diff",
        "diff",
        handler!(config::diff, &[config::AGAINST]),
    )
    .is(READ, "What a revision changed.")
    .answers::<DiffView>()
    .refuses(&[404]),
    Row::post(
        "/api/config/revisions/{number}/restore",
        "restoreRevision",
        handler!(config::restore),
    )
    .is(CHANGE, "Bring the config of an earlier revision back.")
    .answers::<ChangeAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    // Devices.
    Row::get(
        "/api/peers",
        "peers",
        handler!(peers::list, &[LIMIT, CURSOR]),
    )
    .is(READ, "Devices.")
    .answers::<Page<PeerView>>(),
    Row::post("/api/peers", "addPeer", handler!(peers::add))
        .is(CHANGE, "Add a device; its file comes once.")
        .takes::<PeerForm>(r#"{"name":"phone"}"#)
        .creates::<PeerFileAnswer>()
        .refuses(&[409, 422]),
    Row::get("/api/peers/{name}", "peer", handler!(peers::show))
        .is(READ, "One device.")
        .answers::<PeerAnswer>()
        .refuses(&[404]),
    Row::put("/api/peers/{name}", "changePeer", handler!(peers::change))
        .is(CHANGE, "Change what a device may do.")
        .takes::<PeerUpdate>(r#"{"full_tunnel":false}"#)
        .answers::<PeerAnswer>()
        .may_wait()
        .refuses(&[404, 409]),
    Row::delete("/api/peers/{name}", "removePeer", handler!(peers::remove))
        .is(CHANGE, "Remove a device; it is cut off at once.")
        .may_wait()
        .refuses(&[404, 409]),
    Row::get(
        "/api/peers/{name}/config",
        "peerFile",
        handler!(peers::file),
    )
    .is(
        CHANGE,
        "The device's file without its private line; it counts as fetched, unless by HEAD.",
    )
    .answers::<PeerFileAnswer>()
    .refuses(&[404]),
    Row::post(
        "/api/peers/{name}/rekey",
        "rekeyPeer",
        handler!(peers::rekey),
    )
    .is(CHANGE, "Make a new key for a device; its file comes once.")
    .answers::<PeerFileAnswer>()
    .refuses(&[404]),
    Row::post(
        "/api/peers/{name}/clear-reinstall",
        "clearReinstall",
        handler!(peers::clear_reinstall),
    )
    .is(CHANGE, "The device has its current file.")
    .answers::<PeerAnswer>()
    .refuses(&[404]),
    Row::get(
        "/api/wireguard/status",
        "wireguardStatus",
        handler!(peers::wireguard),
    )
    .is(READ, "The VPN interface as it really is.")
    .answers::<WireGuardView>(),
    // Parts.
    Row::get(
        "/api/parts",
        "parts",
        handler!(parts::list, &[LIMIT, CURSOR]),
    )
    .is(READ, "The built-in parts.")
    .answers::<Page<PartView>>(),
    Row::get("/api/parts/{part}", "part", handler!(parts::show))
        .is(READ, "One part.")
        .answers::<PartView>()
        .refuses(&[404]),
    Row::post("/api/parts/{part}/test", "testPart", handler!(parts::test))
        .is(READ, "Try what the part is there for.")
        .answers::<TestResult>()
        .refuses(&[404]),
    Row::post(
        "/api/parts/{part}/restart",
        "restartPart",
        handler!(parts::restart),
    )
    .is(CHANGE, "Start the part anew.")
    .refuses(&[404]),
    Row::get(
        "/api/parts/{part}/logs",
        "partLogs",
        handler!(parts::part_logs, &[LIMIT, parts::LINES, parts::LEVEL]),
    )
    .is(READ, "What the part said last.")
    .answers::<LogPage>()
    .refuses(&[404]),
    Row::get(
        "/api/services/active",
        "activeServices",
        handler!(services::active, &[LIMIT, CURSOR]),
    )
    .is(READ, "Installed services.")
    .answers::<Page<ServiceView>>(),
    Row::get(
        "/api/services/active/{service}",
        "service",
        handler!(services::show),
    )
    .is(READ, "One of them.")
    .answers::<ServiceAnswer>()
    .refuses(&[404]),
    Row::put(
        "/api/services/active/{service}",
        "changeService",
        handler!(services::change),
    )
    .is(CHANGE, "Set what the service asks for; stop or start it.")
    .takes::<ServiceUpdate>(r#"{"enabled":true,"published":false,"answers":{"keep_free_gib":5}}"#)
    .answers::<ServiceAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::post(
        "/api/services/active/{service}/restart",
        "restartService",
        handler!(services::restart),
    )
    .is(
        CHANGE,
        "Start its containers anew, also those that ended and wait for their time.",
    )
    .refuses(&[404, 409]),
    Row::get(
        "/api/services/active/{service}/logs",
        "serviceLogs",
        handler!(services::logs, &[LIMIT]),
    )
    .is(READ, "What its containers said last, at most 64 KiB of it.")
    .answers::<Page<ServiceLogLine>>()
    .refuses(&[404]),
    Row::get(
        "/api/services/kept",
        "keptData",
        handler!(services::kept, &[LIMIT, CURSOR]),
    )
    .is(READ, "What services have kept that were removed.")
    .answers::<Page<KeptDataView>>(),
    Row::get(
        "/api/store",
        "store",
        handler!(services::offers, &[LIMIT, CURSOR]),
    )
    .is(READ, "Services that can be installed.")
    .answers::<Page<OfferView>>(),
    Row::get(
        "/api/store/sources",
        "sources",
        handler!(services::sources, &[LIMIT, CURSOR]),
    )
    .is(
        READ,
        "Sources of services, and what is known of them. Nobody is asked.",
    )
    .answers::<Page<SourceView>>(),
    Row::post(
        "/api/store/refresh",
        "refreshStore",
        handler!(services::refresh),
    )
    .is(
        CHANGE,
        "Ask the sources of services what they offer. One that fails changes nothing of what is known of it.",
    )
    .answers::<RefreshView>()
    .refuses(&[409]),
    Row::post(
        "/api/store/{service}/install",
        "installService",
        handler!(services::install),
    )
    .is(
        CHANGE,
        "Install a service, and those that it needs. How far it is, /api/services/active tells.",
    )
    .takes::<services::InstallForm>(r#"{"answers":{"keep_free_gib":5}}"#)
    .creates::<ServiceAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::post(
        "/api/store/{service}/update",
        "updateService",
        handler!(services::update),
    )
    .is(
        CHANGE,
        "Update a service to what the store has. It works on a copy of its data and is reached by nobody until it is known \
         to be well; otherwise it becomes what it was.",
    )
    .answers::<ServiceAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::post(
        "/api/store/{service}/remove",
        "removeService",
        handler!(services::remove),
    )
    .is(
        CHANGE,
        "Remove a service; what it has kept stays unless it is to be deleted.",
    )
    .takes::<services::RemoveForm>(r#"{"delete_data":false}"#)
    .may_wait()
    .refuses(&[404, 409]),
    // The system.
    Row::get("/api/firmware", "firmware", handler!(firmware::show))
        .is(
            READ,
            "Which version runs, and what becomes of the next one.",
        )
        .answers::<FirmwareView>(),
    Row::post(
        "/api/firmware/bundle",
        "installFirmware",
        handler!(
            firmware::receive,
            &[firmware::ALLOW_OLDER, firmware::ALLOW_EXPIRED]
        ),
    )
    .is(
        CHANGE,
        "Write a version into the other slot; it is tried at the next start.",
    )
    .dangerous()
    .takes_stream(BUNDLE_LIMIT)
    .begins::<FirmwareView>()
    .refuses(&[409, 422]),
    Row::delete(
        "/api/firmware/bundle",
        "dropFirmware",
        handler!(firmware::drop_bundle),
    )
    .is(
        CHANGE,
        "Stop the version that is still being fetched, or drop the one that is to be tried or is on trial.",
    )
    .dangerous()
    .refuses(&[409]),
    Row::post(
        "/api/firmware/check",
        "checkFirmware",
        handler!(firmware::check),
    )
    .is(CHANGE, "Look whether the channel has a newer version.")
    .answers::<FirmwareView>()
    .refuses(&[408, 409, 422, 502]),
    Row::post(
        "/api/firmware/fetch",
        "fetchFirmware",
        handler!(firmware::fetch),
    )
    .is(
        CHANGE,
        "Get a version from the channel's server or a USB stick, and write it into the other slot; it is tried at the next start.",
    )
    .takes::<FirmwareFetch>(r#"{"from":"channel"}"#)
    .begins::<FirmwareView>()
    .dangerous()
    .refuses(&[408, 409, 422, 502]),
    Row::post(
        "/api/firmware/other",
        "tryOtherSlot",
        handler!(firmware::other),
    )
    .is(
        CHANGE,
        "Try the version in the other slot at the next start.",
    )
    .dangerous()
    .refuses(&[409]),
    Row::get(
        "/api/firmware/trial-log",
        "trialLog",
        handler!(firmware::trial_log),
    )
    .is(
        CHANGE,
        "What the last version on trial said until it passed or was left.",
    )
    .answers_type("text/plain")
    .refuses(&[404]),
    Row::post(
        "/api/firmware/restart",
        "restartBox",
        handler!(firmware::restart),
    )
    .is(
        CHANGE,
        "Restart the box, into the version that is to be tried if there is one.",
    )
    .refuses(&[409]),
    // Audit and logs.
    Row::get(
        "/api/audit",
        "audit",
        handler!(audit::list, &[LIMIT, CURSOR, audit::ACTOR, audit::ACTION, audit::OBJECT]),
    )
    .is(READ, "Who did what, newest first.")
    .answers::<AuditPage>(),
    Row::get(
        "/api/audit/export",
        "exportAudit",
        handler!(audit::export, &[CURSOR, audit::ACTOR, audit::ACTION, audit::OBJECT]),
    )
    .is(
        READ,
        "The same as CSV; a Link header leads to the rest of a long one.",
    )
    .answers_type("text/csv"),
    Row::get("/api/audit/verify", "verifyAudit", handler!(audit::verify))
        .is(READ, "Whether the audit's chain holds.")
        .answers::<AuditVerifyView>(),
    Row::get("/api/logs", "logs", handler!(parts::logs, parts::LOGS))
        .is(READ, "The last lines of the log.")
        .answers::<LogPage>(),
    Row::get(
        "/api/logs/search",
        "searchLogs",
        handler!(parts::search, parts::SEARCH),
    )
    .is(READ, "Lines of the log that contain a text.")
    .answers::<LogPage>(),
    Row::get(
        "/api/logs/verbosity",
        "verbosity",
        handler!(parts::verbosity),
    )
    .is(READ, "How much each part says.")
    .answers::<VerbosityView>(),
    Row::put(
        "/api/logs/verbosity",
        "setVerbosity",
        handler!(parts::set_verbosity),
    )
    .is(CHANGE, "How much a part says, until the next start.")
    .takes::<Verbosity>(r#"{"part":"dns","level":"debug"}"#)
    .answers::<VerbosityView>(),
];
