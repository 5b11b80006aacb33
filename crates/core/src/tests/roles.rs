//! Who may do what. Every question, change and act has its row; a new one does not compile without.

use std::sync::Arc;

use cell_control::action::{
    AccountForm, AccountUpdate, Action, BundleSource, FirmwareFetch, LogLevel, PasswordChange,
    PasswordReset, Verbosity,
};
use cell_control::api_token::ApiTokenForm;
use cell_control::app_password::{AppPasswordForm, ServiceSignIn};
use cell_control::caller::Caller;
use cell_control::change::{Change, OwnPeerChange, PeerUpdate, ServiceForm, ServiceUpdate};
use cell_control::connection::{ConnectionBody, ConnectionForm};
use cell_control::invite::{AcceptedInvite, InviteForm};
use cell_control::link::{LinkCode, LinkInviteForm, LinkUpdate};
use cell_control::mail::{MailCheckForm, MailTable};
use cell_control::passkey::{PasskeyForm, UsedPasskey};
use cell_control::query::*;
use cell_model::account::Role;
use cell_model::name::ServiceId;
use cell_model::problem::Problem;
use cell_model::scope::Area;
use cell_model::secret::Secret;
use cell_model::status::Part;
use serde_json::Value;
use uuid::Uuid;

use super::home::{Home, peer, stranger};

const ROLES: [Role; 4] = [Role::Member, Role::Helper, Role::Admin, Role::Owner];

fn way_out() -> ConnectionForm {
    let body: ConnectionBody = serde_json::from_value(serde_json::json!({
        "type": "proxy", "name": "Work", "config": { "scheme": "http", "host": "192.0.2.7", "port": 3128 },
    }))
    .unwrap();
    body.form().unwrap()
}

/// The role a question needs, and an example of the next kind of question.
fn query_row(query: &Query) -> (Option<Role>, Option<Query>) {
    let range = Range::default;
    let peer = || "phone".parse().unwrap();
    match query {
        Query::Status(_) => (Some(Role::Helper), Some(Cell.into())),
        Query::Cell(_) => (Some(Role::Member), Some(Setup.into())),
        Query::Setup(_) => (None, Some(RootCertificate.into())),
        Query::RootCertificate(_) => (None, Some(Settings { revision: None }.into())),
        Query::Settings(_) => (Some(Role::Helper), Some(Peers { range: range() }.into())),
        Query::Peers(_) => (Some(Role::Helper), Some(Peer { name: peer() }.into())),
        Query::Peer(_) => (Some(Role::Helper), Some(OwnPeers.into())),
        Query::OwnPeers(_) => (Some(Role::Member), Some(OwnServices.into())),
        Query::OwnServices(_) => (Some(Role::Member), Some(WireGuard.into())),
        Query::WireGuard(_) => (Some(Role::Helper), Some(Network.into())),
        Query::Network(_) => (
            Some(Role::Helper),
            Some(Revisions { range: range() }.into()),
        ),
        Query::Revisions(_) => (Some(Role::Helper), Some(Revision { number: 1 }.into())),
        Query::Revision(_) => (Some(Role::Helper), Some(Diff { from: 0, to: 1 }.into())),
        Query::Diff(_) => {
            let audit = Audit {
                range: range(),
                actor: None,
                action: None,
                object: None,
            };
            (Some(Role::Helper), Some(audit.into()))
        }
        Query::Audit(_) => (Some(Role::Helper), Some(AuditVerify.into())),
        Query::AuditVerify(_) => (Some(Role::Helper), Some(Accounts { range: range() }.into())),
        Query::Accounts(_) => {
            let username = "some-member".parse().unwrap();
            (Some(Role::Admin), Some(Account { username }.into()))
        }
        Query::Account(_) => (Some(Role::Admin), Some(Groups.into())),
        Query::Groups(_) => (Some(Role::Admin), Some(Mail.into())),
        Query::Mail(_) => (Some(Role::Helper), Some(MailRecords.into())),
        Query::MailRecords(_) => (Some(Role::Helper), Some(DkimKeys.into())),
        Query::DkimKeys(_) => (Some(Role::Helper), Some(MailFindings.into())),
        Query::MailFindings(_) => (Some(Role::Helper), Some(OwnMail.into())),
        Query::OwnMail(_) => {
            let (service, name) = (ServiceId::mail(), "anna".to_owned());
            (Some(Role::Member), Some(Person { service, name }.into()))
        }
        Query::Person(_) => {
            let (table, key) = (MailTable::Mailbox, "x@hut.cell".to_owned());
            let service = ServiceId::mail();
            let lookup = MailLookup {
                service,
                table,
                key,
            };
            (None, Some(lookup.into()))
        }
        Query::MailLookup(_) => (None, Some(Links.into())),
        Query::Links(_) => {
            let name = "nowhere".parse().unwrap();
            (Some(Role::Helper), Some(Link { name }.into()))
        }
        Query::Link(_) => (Some(Role::Helper), Some(LinkInvites.into())),
        Query::LinkInvites(_) => (Some(Role::Helper), Some(Connections.into())),
        Query::Connections(_) => {
            let id = Uuid::nil();
            (Some(Role::Helper), Some(Connection { id }.into()))
        }
        Query::Connection(_) => (Some(Role::Helper), Some(Invites.into())),
        Query::Invites(_) => {
            let code = secret();
            (Some(Role::Admin), Some(Invited { code }.into()))
        }
        Query::Invited(_) => (None, Some(Passkeys { username: None }.into())),
        Query::Passkeys(_) => (
            Some(Role::Member),
            Some(ApiTokens { username: None }.into()),
        ),
        Query::ApiTokens(_) => (
            Some(Role::Member),
            Some(AppPasswords { username: None }.into()),
        ),
        Query::AppPasswords(_) => (Some(Role::Member), Some(Sessions.into())),
        Query::Sessions(_) => (Some(Role::Member), Some(CsrfToken.into())),
        Query::CsrfToken(_) => (Some(Role::Member), Some(RecentProof.into())),
        Query::RecentProof(_) => (
            Some(Role::Member),
            Some(PartDetail { part: Part::Dns }.into()),
        ),
        Query::PartDetail(_) => {
            let logs = Logs {
                limit: 10,
                part: None,
                level: None,
                text: None,
            };
            (Some(Role::Helper), Some(logs.into()))
        }
        Query::Logs(_) => (Some(Role::Helper), Some(VerbosityLevels.into())),
        Query::VerbosityLevels(_) => (Some(Role::Helper), Some(Firmware.into())),
        Query::Firmware(_) => (Some(Role::Helper), Some(TrialLog.into())),
        Query::TrialLog(_) => (Some(Role::Admin), Some(Services { range: range() }.into())),
        Query::Services(_) => {
            let id = "files".parse().unwrap();
            (Some(Role::Helper), Some(Service { id }.into()))
        }
        Query::Service(_) => {
            let logs = ServiceLogs {
                id: "files".parse().unwrap(),
                limit: 10,
            };
            (Some(Role::Helper), Some(logs.into()))
        }
        Query::ServiceLogs(_) => (Some(Role::Helper), Some(KeptData.into())),
        Query::KeptData(_) => (Some(Role::Helper), Some(Offers { range: range() }.into())),
        Query::Offers(_) => (Some(Role::Helper), Some(Sources.into())),
        Query::Sources(_) => (Some(Role::Helper), None),
    }
}

/// As [`query_row`]; the setup is the one change nobody needs to be signed in for.
fn change_row(change: &Change) -> (Option<Role>, Option<Change>) {
    let name = "phone".parse().unwrap();
    match change {
        Change::SetUp(_) => (None, Some(Change::Settings(Box::default()))),
        Change::Settings(_) => (Some(Role::Admin), Some(Change::AddPeer(peer("phone")))),
        Change::AddPeer(_) => {
            let update = PeerUpdate::default();
            (Some(Role::Admin), Some(Change::ChangePeer { name, update }))
        }
        Change::ChangePeer { .. } => (Some(Role::Admin), Some(Change::RekeyPeer { name })),
        Change::RekeyPeer { .. } => (Some(Role::Admin), Some(Change::FetchPeerFile { name })),
        Change::FetchPeerFile { .. } => (
            Some(Role::Admin),
            Some(Change::RestoreRevision { number: 1 }),
        ),
        Change::RestoreRevision { .. } => (Some(Role::Admin), Some(Change::RemovePeer { name })),
        Change::RemovePeer { .. } => {
            let own = OwnPeerChange::Rekey { name };
            (Some(Role::Admin), Some(Change::OwnPeer(own)))
        }
        Change::OwnPeer(_) => {
            let form = ServiceForm {
                id: "files".parse().unwrap(),
                answers: Default::default(),
            };
            (Some(Role::Member), Some(Change::InstallService(form)))
        }
        Change::PutGroup { .. } => {
            let name = "family".parse().unwrap();
            (Some(Role::Admin), Some(Change::RemoveGroup { name }))
        }
        Change::RemoveGroup { .. } => (Some(Role::Admin), Some(Change::Mail(Box::default()))),
        Change::Mail(_) => {
            let name = "info".parse().unwrap();
            let targets = Default::default();
            let change = Change::PutMailAlias { name, targets };
            (Some(Role::Admin), Some(change))
        }
        Change::PutMailAlias { .. } => {
            let name = "info".parse().unwrap();
            (Some(Role::Admin), Some(Change::RemoveMailAlias { name }))
        }
        Change::RemoveMailAlias { .. } => {
            let (name, update) = ("cabin".parse().unwrap(), LinkUpdate::default());
            (Some(Role::Admin), Some(Change::ChangeLink { name, update }))
        }
        Change::ChangeLink { name, .. } => {
            let name = name.clone();
            (Some(Role::Admin), Some(Change::RemoveLink { name }))
        }
        Change::RemoveLink { .. } => (
            Some(Role::Admin),
            Some(Change::AddConnection(Box::new(way_out()))),
        ),
        Change::AddConnection(form) => {
            let (id, form) = (Uuid::nil(), form.clone());
            (Some(Role::Admin), Some(Change::PutConnection { id, form }))
        }
        Change::PutConnection { id, .. } => (
            Some(Role::Admin),
            Some(Change::RemoveConnection { id: *id }),
        ),
        Change::RemoveConnection { .. } => (Some(Role::Admin), None),
        Change::InstallService(_) => {
            let id = "files".parse().unwrap();
            (Some(Role::Admin), Some(Change::UpdateService { id }))
        }
        Change::UpdateService { .. } => {
            let update = ServiceUpdate::default();
            let id = "files".parse().unwrap();
            (
                Some(Role::Admin),
                Some(Change::ChangeService { id, update }),
            )
        }
        Change::ChangeService { .. } => {
            let change = Change::RemoveService {
                id: "files".parse().unwrap(),
                delete_data: true,
            };
            (Some(Role::Admin), Some(change))
        }
        Change::RemoveService { .. } => {
            let name = "family".parse().unwrap();
            let members = Default::default();
            (Some(Role::Admin), Some(Change::PutGroup { name, members }))
        }
    }
}

fn secret() -> Secret<String> {
    Secret::new("another good phrase".to_owned())
}

fn used_passkey() -> UsedPasskey {
    UsedPasskey {
        credential_id: vec![1].into(),
        client_data: vec![1].into(),
        authenticator_data: vec![1].into(),
        signature: vec![1].into(),
        user_handle: vec![1].into(),
    }
}

/// As [`query_row`].
fn action_row(action: &Action) -> (Option<Role>, Option<Action>) {
    let member = Some(Role::Member);
    let part = Part::Dns;
    match action {
        Action::SignIn { .. } => {
            let next = Action::SignInWithCode {
                ticket: secret(),
                code: secret(),
                user_agent: String::new(),
            };
            (None, Some(next))
        }
        Action::SignInWithCode { .. } => {
            let setup_code = secret();
            (None, Some(Action::CheckSetupCode { setup_code }))
        }
        Action::CheckSetupCode { .. } => {
            let password = secret();
            (None, Some(Action::Reauthenticate { password }))
        }
        Action::Reauthenticate { .. } => (member, Some(Action::OfferSecondFactor)),
        Action::OfferSecondFactor => {
            let code = secret();
            (member, Some(Action::AddSecondFactor { code }))
        }
        Action::AddSecondFactor { .. } => (member, Some(Action::RenewRecoveryCodes)),
        Action::RenewRecoveryCodes => (member, Some(Action::RemoveSecondFactor)),
        Action::RemoveSecondFactor => (member, Some(Action::OfferPasskey)),
        Action::OfferPasskey => {
            let form = PasskeyForm {
                label: "phone".parse().unwrap(),
                credential_id: vec![1].into(),
                client_data: vec![1].into(),
                authenticator_data: vec![1].into(),
                public_key: vec![1].into(),
            };
            (member, Some(Action::AddPasskey(Box::new(form))))
        }
        Action::AddPasskey(_) => {
            let id = String::new();
            (member, Some(Action::RemovePasskey { id }))
        }
        Action::RemovePasskey { .. } => (member, Some(Action::ChallengePasskey)),
        Action::ChallengePasskey => {
            let used = Box::new(used_passkey());
            let user_agent = String::new();
            (None, Some(Action::SignInWithPasskey { used, user_agent }))
        }
        Action::SignInWithPasskey { .. } => {
            let used = Box::new(used_passkey());
            (None, Some(Action::ReauthenticateWithPasskey(used)))
        }
        Action::ReauthenticateWithPasskey(_) => (member, Some(Action::SignOut)),
        Action::SignOut => (member, Some(Action::RevokeSession { id: String::new() })),
        Action::RevokeSession { .. } => {
            let change = PasswordChange {
                current_password: secret(),
                new_password: secret(),
            };
            (member, Some(Action::ChangePassword(change)))
        }
        Action::ChangePassword(_) => {
            let reset = PasswordReset {
                username: "nobody".parse().unwrap(),
                new_password: secret(),
            };
            (member, Some(Action::ResetPassword(reset)))
        }
        Action::ResetPassword(_) => {
            let form = AccountForm {
                username: "ben".parse().unwrap(),
                password: secret(),
                role: Role::Member,
                access_until: None,
            };
            (Some(Role::Admin), Some(Action::AddAccount(form)))
        }
        Action::AddAccount(_) => {
            let username = "nobody".parse().unwrap();
            let update = AccountUpdate::default();
            let change = Action::ChangeAccount { username, update };
            (Some(Role::Owner), Some(change))
        }
        Action::ChangeAccount { .. } => {
            let form = InviteForm {
                username: "carla".parse().unwrap(),
                role: Role::Member,
                access_until: None,
                expires_in_s: None,
            };
            (Some(Role::Owner), Some(Action::Invite(form)))
        }
        Action::Invite(_) => {
            let id = String::new();
            (Some(Role::Admin), Some(Action::RevokeInvite { id }))
        }
        Action::RevokeInvite { .. } => (
            Some(Role::Admin),
            Some(Action::InviteCell(LinkInviteForm::default())),
        ),
        Action::InviteCell(_) => {
            let id = String::new();
            (Some(Role::Admin), Some(Action::RevokeCellInvite { id }))
        }
        Action::RevokeCellInvite { .. } => {
            (Some(Role::Admin), Some(Action::LinkCell(Box::default())))
        }
        Action::LinkCell(_) => {
            let (name, code) = ("nowhere".parse().unwrap(), LinkCode { code: secret() });
            (Some(Role::Admin), Some(Action::ConfirmLink { name, code }))
        }
        Action::ConfirmLink { name, .. } => {
            let name = name.clone();
            (Some(Role::Admin), Some(Action::DropLink { name }))
        }
        Action::DropLink { name } => {
            let name = name.clone();
            (Some(Role::Admin), Some(Action::AcceptLink { name }))
        }
        Action::AcceptLink { .. } => {
            let message = Value::Null;
            (Some(Role::Admin), Some(Action::Pair { message }))
        }
        Action::Pair { .. } => {
            let accepted = AcceptedInvite {
                code: secret(),
                password: secret(),
            };
            let accept = Action::AcceptInvite {
                accepted,
                user_agent: String::new(),
            };
            (None, Some(accept))
        }
        Action::AcceptInvite { .. } => {
            let form = ApiTokenForm {
                label: "backup".parse().unwrap(),
                scopes: [Area::Peers.read()].into(),
                expires_at: None,
            };
            (None, Some(Action::AddApiToken(form)))
        }
        Action::AddApiToken(_) => {
            let id = String::new();
            (member, Some(Action::RemoveApiToken { id }))
        }
        Action::RemoveApiToken { .. } => {
            let username = "nobody".parse().unwrap();
            (member, Some(Action::RemoveAccount { username }))
        }
        Action::RemoveAccount { .. } => {
            let form = AppPasswordForm {
                username: None,
                device: "phone".parse().unwrap(),
                services: None,
            };
            (Some(Role::Owner), Some(Action::AddAppPassword(form)))
        }
        Action::AddAppPassword(_) => {
            let id = String::new();
            (member, Some(Action::RemoveAppPassword { id }))
        }
        Action::RemoveAppPassword { .. } => {
            let sign_in = ServiceSignIn {
                service: "dav".parse().unwrap(),
                username: "nobody".to_owned(),
                password: secret(),
            };
            (member, Some(Action::CheckAppPassword(sign_in)))
        }
        Action::CheckAppPassword(_) => (None, Some(Action::TestPart { part })),
        Action::TestPart { .. } => (Some(Role::Helper), Some(Action::RestartPart { part })),
        Action::RestartPart { .. } => {
            let id = "files".parse().unwrap();
            (Some(Role::Admin), Some(Action::RestartService { id }))
        }
        Action::RestartService { .. } => {
            let verbosity = Verbosity {
                part: None,
                level: LogLevel::Info,
            };
            (Some(Role::Admin), Some(Action::SetVerbosity(verbosity)))
        }
        Action::SetVerbosity(_) => (Some(Role::Admin), Some(Action::RefreshStore)),
        Action::RefreshStore => (Some(Role::Admin), Some(Action::AddDkimKey)),
        Action::AddDkimKey => {
            let selector = "c202611".parse().unwrap();
            (
                Some(Role::Admin),
                Some(Action::SignWithDkimKey { selector }),
            )
        }
        Action::SignWithDkimKey { .. } => {
            let form = MailCheckForm::default();
            (Some(Role::Admin), Some(Action::CheckMail(form)))
        }
        Action::CheckMail(_) => (Some(Role::Helper), Some(Action::CheckFirmware)),
        Action::CheckFirmware => {
            let fetch = FirmwareFetch {
                from: BundleSource::Stick,
                allow_older: false,
                allow_expired: false,
            };
            (Some(Role::Admin), Some(Action::FetchFirmware(fetch)))
        }
        Action::FetchFirmware(_) => (Some(Role::Admin), Some(Action::DropFirmware)),
        Action::DropFirmware => (Some(Role::Admin), Some(Action::TryOtherSlot)),
        Action::TryOtherSlot => (Some(Role::Admin), Some(Action::Restart)),
        Action::Restart => (Some(Role::Admin), None),
    }
}

/// Asks as everybody and checks that exactly those are let in who should be.
async fn judge<T>(
    home: &Home,
    what: &str,
    least: Option<Role>,
    ask: impl AsyncFn(Caller) -> Result<T, Problem>,
) {
    let code = |result: Result<T, Problem>| {
        result
            .err()
            .map_or_else(|| "ok".to_owned(), |problem| problem.code.into_owned())
    };
    let stranger = code(ask(stranger()).await);
    assert_eq!(
        stranger == "sign_in_required",
        least.is_some(),
        "{what}: {stranger}"
    );
    for role in ROLES {
        let caller = home.somebody(role);
        let answer = code(ask(caller).await);
        let admitted = least.is_none_or(|least| role >= least);
        assert_eq!(answer != "wrong_role", admitted, "{what} as {role:?}");
        assert_ne!(answer, "sign_in_required", "{what} as {role:?}");
    }
}

#[tokio::test]
async fn questions_are_answered_to_those_who_may_ask() {
    let home = Home::set_up().await;
    let mut next = Some(Query::from(Status));
    while let Some(query) = next {
        let (least, following) = query_row(&query);
        judge(&home, &format!("{query:?}"), least, async |caller| {
            home.core.snapshot(&caller, query.clone()).await
        })
        .await;
        next = following;
    }
}

#[tokio::test]
async fn changes_are_for_those_who_run_the_box() {
    let home = Home::new();
    let form = home.setup_form();
    home.submit(form.clone()).await.unwrap();
    let mut next = Some(form);
    while let Some(change) = next {
        let (least, following) = change_row(&change);
        judge(&home, &format!("{change:?}"), least, async |caller| {
            home.core.submit(&caller, change.clone()).await
        })
        .await;
        let previews = least.unwrap_or(Role::Admin);
        judge(
            &home,
            &format!("preview of {change:?}"),
            Some(previews),
            async |caller| home.core.preview(&caller, &change).await,
        )
        .await;
        next = following;
    }
    for what in ["confirm", "revert"] {
        judge(&home, what, Some(Role::Admin), async |caller| match what {
            "confirm" => home.core.confirm(&caller).await,
            _ => home.core.revert(&caller).await,
        })
        .await;
    }
    judge(&home, "changed", Some(Role::Helper), async |caller| {
        home.core.changed(&caller, 0).await
    })
    .await;
}

#[tokio::test]
async fn acts_are_for_those_who_may_do_them() {
    let home = Home::set_up().await;
    let mut next = Some(Action::SignIn {
        username: "nobody".to_owned(),
        password: secret(),
        code: None,
        user_agent: String::new(),
    });
    while let Some(action) = next {
        let (least, following) = action_row(&action);
        judge(&home, &format!("{action:?}"), least, async |caller| {
            home.core.act(&caller, action.clone()).await
        })
        .await;
        next = following;
    }
    let restarted = Arc::clone(&home.restarted);
    assert_eq!(restarted.0.lock().unwrap().as_slice(), [Part::Dns; 2]);
}

#[tokio::test]
async fn refused_change_changes_nothing_and_leaves_a_record() {
    let home = Home::set_up().await;
    let helper = home.somebody(Role::Helper);
    let change = Change::AddPeer(peer("phone"));
    assert!(home.core.submit(&helper, change).await.is_err());
    assert_eq!(home.revision(), 1);
    let last = home.audit().pop().unwrap();
    assert_eq!(last.action, "peer.add");
    assert_eq!(last.object.as_deref(), Some("phone"));
    assert_eq!(last.outcome, cell_audit::Outcome::Refused);
    assert_eq!(last.detail, "wrong_role");
    assert_eq!(last.role, Some(Role::Helper));
}
