//! One plausible value for everything.

mod connections;
mod mail;
mod services;

use std::collections::{BTreeMap, BTreeSet};

use cell_model::account::{Identity, Role};
use cell_model::config::{
    CellConfig, DnsConfig, DomainConfig, DomainMode, NetworkConfig, ServiceToggle,
    ServicesSettings, UpdatesConfig, VpnConfig,
};
use cell_model::key::PublicKey;
use cell_model::mail::DkimState;
use cell_model::name::{CellName, Domain, InterfaceName, PeerName, TimeZoneName, Username};
use cell_model::problem::Problem;
use cell_model::scope::Area;
use cell_model::secret::Secret;
use cell_model::status::{ItemStatus, Part, State, WireGuardBackend};
use cell_model::{Date, Timestamp};

use crate::action::{LogLevel, Outcome};
use crate::api_token::{ApiTokenForm, ApiTokenView, NewApiToken};
use crate::app_password::{AppPasswordForm, AppPasswordView, NewAppPassword, ServiceSignIn};
use crate::change::{Change, OwnPeerChange, PeerReceipt};
use crate::connection::ConnectionView;
use crate::invite::{InviteForm, InviteView, InvitedView, NewInvite};
use crate::link::{
    InviteText, LinkInviteForm, LinkInviteView, LinkState, LinkView, NewLinkInvite, TheirTerms,
};
use crate::passkey::{OfferedPasskey, PasskeyChallenge, PasskeyView};
use crate::query::{Answer, Query};
use crate::second_factor::{NewRecoveryCodes, OfferedSecondFactor};
use crate::view::{
    AccountView, AuditVerifyView, AuditView, AvailableView, CellView, CheckView, ConfigView,
    DhcpView, DiffEntry, DiffView, FirmwareView, GroupView, LeaseView, LogLine, LogPage,
    NetworkView, Page, PartView, PeerView, RefreshView, RevisionView, RootCertificateView,
    SessionView, SessionsView, SetupView, SlotsView, StatusView, TrialView, UpdateState,
    UpdateView, VerbosityView, WireGuardPeerView, WireGuardView,
};

pub(super) use self::connections::connection;
use self::services::{kept_data, log_line, offer, service};

pub(super) const REVISION: u64 = 7;
/// The id of whatever has one.
const ID: &str = "0f0f";
/// The name of the box in passkeys.
const RELYING_PARTY: &str = "admin.home.cell";
const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

/// A text of ours as the value it is known to be.
fn known<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a sample that is valid")
}

pub(super) fn username(role: Role) -> Username {
    known(role.as_str())
}

pub(super) fn identity(role: Role) -> Identity {
    Identity::new(username(role), role)
}

pub(super) fn dkim_key_added() -> Outcome {
    Outcome::DkimKeyAdded(Box::new(mail::dkim_key(DkimState::Made)))
}

pub(super) fn mail_checked() -> Outcome {
    Outcome::MailChecked(Box::new(mail::findings()))
}

pub(super) fn signed_in() -> Outcome {
    Outcome::SignedIn {
        token: Secret::new(super::FakeControl::session(Role::Owner)),
        identity: identity(Role::Owner),
        must_change_password: false,
    }
}

pub(super) fn second_factor_offered() -> Outcome {
    let secret = super::FakeControl::TOTP_SECRET;
    let uri = format!("otpauth://totp/hut:owner?secret={secret}&issuer=hut");
    Outcome::SecondFactorOffered(Box::new(OfferedSecondFactor {
        secret: Secret::new(secret.to_owned()),
        uri: Secret::new(uri),
    }))
}

pub(super) fn recovery_codes() -> Outcome {
    let codes = ["0123A-BCDEF", "4567G-HJKMN"];
    let recovery_codes = codes.map(|code| Secret::new(code.to_owned())).into();
    Outcome::RecoveryCodes(Box::new(NewRecoveryCodes { recovery_codes }))
}

pub(super) fn app_password_added(form: AppPasswordForm) -> Outcome {
    let username = form.username.unwrap_or_else(|| username(Role::Owner));
    let app_password = AppPasswordView {
        device: form.device,
        services: form.services,
        last_used: None,
        ..app_password(username)
    };
    Outcome::AppPasswordAdded(Box::new(NewAppPassword {
        app_password,
        password: Secret::new(super::FakeControl::APP_PASSWORD.to_owned()),
    }))
}

/// Whoever knows the one app password is let in.
pub(super) fn admitted(check: &ServiceSignIn) -> Result<Outcome, Problem> {
    let wrong = || {
        Problem::new(
            401,
            "wrong_credentials",
            "The name or the password is wrong",
            "",
        )
    };
    let username = check.username.parse().map_err(|_| wrong())?;
    match check.password.expose() == super::FakeControl::APP_PASSWORD {
        true => Ok(Outcome::Admitted { username }),
        false => Err(wrong()),
    }
}

pub(super) fn firmware() -> FirmwareView {
    FirmwareView {
        version: "1.0.0".to_owned(),
        sequence: Some(1_790_000_000),
        board: Some("x86_64-uefi".to_owned()),
        not_updatable: None,
        slots: Some(SlotsView {
            running: "a".to_owned(),
            mode: "normal".to_owned(),
            primary: "a".to_owned(),
            other: Some("b".to_owned()),
            trial: Some("b".to_owned()),
            notice: None,
        }),
        last_trial: Some(TrialView {
            slot: "b".to_owned(),
            version: Some("1.0.9".to_owned()),
            passed: false,
            detail: "It was started three times and never got well.".to_owned(),
        }),
        update: UpdateView {
            state: UpdateState::Ready,
            version: Some("1.1.0".to_owned()),
            sequence: Some(1_794_000_000),
            notes: Some("The name server is faster.".to_owned()),
            ..UpdateView::default()
        },
        available: Some(AvailableView {
            version: "1.2.0".to_owned(),
            sequence: 1_795_000_000,
            notes: "Fewer faults.".to_owned(),
            size: 75_000_000,
        }),
        checked: Some(CheckView {
            at: NOW,
            problem: None,
        }),
    }
}

pub(super) fn answer(query: Query, role: Role) -> Answer {
    match query {
        Query::Status(_) => Answer::Status(status()),
        Query::Cell(_) => Answer::Cell(CellView {
            name: known("home"),
            timezone: known("Europe/Vienna"),
        }),
        Query::Setup(_) => Answer::Setup(SetupView {
            complete: false,
            cell_name: None,
            vpn_subnet: Some("10.31.7.0/24".to_owned()),
            vpn_subnet6: Some("fd31:7::/64".to_owned()),
            paused_s: None,
            local_name: Some("cell.local".to_owned()),
            clock: NOW,
        }),
        Query::RootCertificate(_) => Answer::RootCertificate(RootCertificateView {
            pem: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
            fingerprint: ["AB"; 32].join(":"),
        }),
        Query::Settings(_) => Answer::Settings(settings()),
        Query::Peers(_) => Answer::Peers(page(peer(known("anna-phone")))),
        Query::Peer(question) => Answer::Peer(peer(question.name)),
        Query::OwnPeers(_) => Answer::OwnPeers(page(PeerView {
            username: Some(username(role)),
            ..peer(known("anna-phone"))
        })),
        Query::OwnServices(_) => Answer::OwnServices(page(service().into())),
        Query::WireGuard(_) => Answer::WireGuard(wireguard()),
        Query::Network(_) => Answer::Network(network()),
        Query::Revisions(_) => Answer::Revisions(page(revision(REVISION))),
        Query::Revision(question) => Answer::Revision(revision(question.number)),
        Query::Diff(question) => Answer::Diff(DiffView {
            from: question.from,
            to: question.to,
            changes: vec![DiffEntry {
                path: "cell.timezone".to_owned(),
                before: Some("UTC".into()),
                after: Some("Europe/Vienna".into()),
            }],
        }),
        Query::Audit(_) => Answer::Audit(page(audit())),
        Query::AuditVerify(_) => Answer::AuditVerify(AuditVerifyView {
            ok: true,
            records: 12,
            broken_at: None,
        }),
        Query::Accounts(_) => Answer::Accounts(page(account(username(Role::Owner)))),
        Query::Account(question) => Answer::Account(account(question.username)),
        Query::Groups(_) => Answer::Groups(page(GroupView {
            name: known("family"),
            members: BTreeSet::from([username(Role::Owner), username(Role::Member)]),
            services: BTreeSet::from([known("files")]),
        })),
        Query::Mail(_) => Answer::Mail(Box::new(mail::settings())),
        Query::MailRecords(_) => Answer::MailRecords(mail::records()),
        Query::DkimKeys(_) => Answer::DkimKeys(page(mail::dkim_key(DkimState::Signing))),
        Query::MailFindings(_) => Answer::MailFindings(mail::findings()),
        Query::OwnMail(_) => Answer::OwnMail(mail::own(role)),
        Query::Person(_) => Answer::Person(mail::person()),
        Query::MailLookup(question) => Answer::MailLookup(mail::look_up(&question)),
        Query::Connections(_) => Answer::Connections(page(connection())),
        Query::Connection(query) => Answer::Connection(Box::new(ConnectionView {
            id: query.id,
            ..connection()
        })),
        Query::Links(_) => Answer::Links(page(link())),
        Query::Link(query) => Answer::Link(LinkView {
            name: query.name,
            ..link()
        }),
        Query::LinkInvites(_) => Answer::LinkInvites(page(link_invite(false))),
        Query::Invites(_) => Answer::Invites(page(invite(username(Role::Member), Role::Member))),
        Query::Invited(_) => Answer::Invited(InvitedView {
            cell_name: known("home"),
            username: known("ben"),
            role: Role::Member,
            access_until: None,
            invited_by: username(Role::Owner),
        }),
        Query::Passkeys(question) => {
            let username = question.username.unwrap_or_else(|| username(role));
            Answer::Passkeys(page(passkey(username)))
        }
        Query::ApiTokens(question) => {
            let username = question.username.unwrap_or_else(|| username(role));
            Answer::ApiTokens(page(api_token(username)))
        }
        Query::AppPasswords(question) => {
            let username = question.username.unwrap_or_else(|| username(role));
            Answer::AppPasswords(page(app_password(username)))
        }
        Query::Sessions(_) => Answer::Sessions(sessions(role)),
        Query::RecentProof(_) => Answer::RecentProof(()),
        Query::CsrfToken(_) => Answer::CsrfToken(super::FakeControl::CSRF_TOKEN.to_owned()),
        Query::PartDetail(question) => Answer::PartDetail(part(question.part)),
        Query::Services(_) => Answer::Services(Page {
            items: vec![service()],
            next: None,
        }),
        Query::Service(_) => Answer::Service(Box::new(service())),
        Query::ServiceLogs(_) => Answer::ServiceLogs(page(log_line())),
        Query::KeptData(_) => Answer::KeptData(page(kept_data())),
        Query::Offers(_) => Answer::Offers(Page {
            items: vec![offer()],
            next: None,
        }),
        Query::Sources(_) => Answer::Sources(page(services::source())),
        Query::Logs(question) => Answer::Logs(LogPage {
            next: None,
            items: vec![LogLine {
                time: NOW,
                level: LogLevel::Info,
                part: question.part,
                message: "the zone is in service".to_owned(),
            }],
        }),
        Query::TrialLog(_) => {
            Answer::TrialLog("not well: dns is not well: It answers to no name.\n".to_owned())
        }
        Query::Firmware(_) => Answer::Firmware(Box::new(firmware())),
        Query::VerbosityLevels(_) => Answer::VerbosityLevels(VerbosityView {
            default: LogLevel::Info,
            parts: vec![(Part::Dns, LogLevel::Debug)],
        }),
    }
}

/// The file comes with the private line only when the box has just made the key.
pub(super) fn peer_receipt(change: &Change) -> Option<PeerReceipt> {
    let (name, private) = match change {
        Change::AddPeer(form) => (&form.name, form.public_key.is_none()),
        Change::RekeyPeer { name } => (name, true),
        Change::FetchPeerFile { name } => (name, false),
        Change::OwnPeer(OwnPeerChange::Add(form)) => (&form.name, form.public_key.is_none()),
        Change::OwnPeer(OwnPeerChange::Rekey { name }) => (name, true),
        Change::OwnPeer(OwnPeerChange::FetchFile { name }) => (name, false),
        _ => return None,
    };
    let private_line = if private {
        "PrivateKey = c2FtcGxlLW9mLWEtcHJpdmF0ZS1rZXktb2YtMzItYiE=\n"
    } else {
        ""
    };
    Some(PeerReceipt {
        peer: peer(name.clone()),
        config: Some(Secret::new(format!(
            "[Interface]\n{private_line}Address = 10.31.7.2/32\n\n[Peer]\nEndpoint = 203.0.113.7:51820\n"
        ))),
        notes: vec!["It works only at home.".to_owned()],
    })
}

fn account(username: Username) -> AccountView {
    AccountView {
        username,
        role: Role::Owner,
        created_at: NOW,
        must_change_password: false,
        second_factor: false,
        access_until: None,
        access_over: false,
    }
}

fn invite(username: Username, role: Role) -> InviteView {
    InviteView {
        id: ID.to_owned(),
        username,
        role,
        access_until: None,
        invited_by: self::username(Role::Owner),
        created_at: NOW,
        expires_at: NOW,
    }
}

fn link() -> LinkView {
    LinkView {
        name: known("cabin"),
        domain: known("cabin.cell"),
        vpn_subnet: known("10.40.0.0/24"),
        vpn_subnet6: known("fd00:40::/64"),
        identity: known(&"ab".repeat(32)),
        endpoints: vec![known("cabin.example.org")],
        state: LinkState::Linked,
        code: None,
        detail: None,
        acceptance: None,
        paused: false,
        services: [ServiceToggle::Calendar].into(),
        offers_exit: false,
        told: true,
        theirs: Some(TheirTerms {
            services: [ServiceToggle::Files].into(),
            paused: false,
            offers_exit: true,
        }),
        held: None,
        last_handshake: Some(NOW),
        last_contact: Some(NOW),
        latency_ms: Some(24),
        received_bytes: 4_096,
        sent_bytes: 2_048,
        created_at: NOW,
    }
}

fn link_invite(auto_accept: bool) -> LinkInviteView {
    LinkInviteView {
        id: ID.to_owned(),
        created_by: username(Role::Owner),
        created_at: NOW,
        expires_at: NOW,
        auto_accept,
        used_by: None,
    }
}

/// An invite for another cell as it is made.
pub(super) fn cell_invited(form: &LinkInviteForm) -> Outcome {
    Outcome::CellInvited(Box::new(NewLinkInvite {
        invite: InviteText {
            cell: "ab".repeat(32),
            ..InviteText::default()
        },
        view: link_invite(form.auto_accept),
    }))
}

/// Another cell as it is linked.
pub(super) fn cell_linked() -> Outcome {
    Outcome::CellLinked(Box::new(link()))
}

/// An invite as it is made.
pub(super) fn invited(form: &InviteForm) -> Outcome {
    Outcome::Invited(Box::new(NewInvite {
        invite: InviteView {
            access_until: form.access_until,
            ..invite(form.username.clone(), form.role)
        },
        code: Secret::new(super::FakeControl::INVITE.to_owned()),
    }))
}

fn passkey(username: Username) -> PasskeyView {
    PasskeyView {
        id: ID.to_owned(),
        username,
        label: known("Anna's phone"),
        relying_party: RELYING_PARTY.to_owned(),
        usable: true,
        synced: true,
        created_at: NOW,
        last_used: None,
    }
}

pub(super) fn passkey_offered() -> Outcome {
    Outcome::PasskeyOffered(Box::new(OfferedPasskey {
        challenge: vec![7; 32].into(),
        relying_party: RELYING_PARTY.to_owned(),
        cell_name: "home".to_owned(),
        user_handle: vec![9; 32].into(),
        username: username(Role::Owner),
        algorithms: vec![-7],
        exclude: Vec::new(),
    }))
}

pub(super) fn passkey_added() -> Outcome {
    Outcome::PasskeyAdded(Box::new(passkey(username(Role::Owner))))
}

pub(super) fn passkey_challenged() -> Outcome {
    Outcome::PasskeyChallenged(PasskeyChallenge {
        challenge: vec![7; 32].into(),
        relying_party: RELYING_PARTY.to_owned(),
    })
}

fn api_token(username: Username) -> ApiTokenView {
    ApiTokenView {
        id: ID.to_owned(),
        username,
        label: known("backup"),
        scopes: BTreeSet::from([Area::Peers.read()]),
        created_at: NOW,
        expires_at: None,
        last_used: None,
    }
}

/// A token as it is made.
pub(super) fn api_token_added(form: ApiTokenForm) -> Outcome {
    Outcome::ApiTokenAdded(Box::new(NewApiToken {
        api_token: ApiTokenView {
            label: form.label,
            scopes: form.scopes,
            expires_at: form.expires_at,
            ..api_token(username(Role::Owner))
        },
        secret: Secret::new(super::FakeControl::API_TOKEN.to_owned()),
    }))
}

fn page<T>(item: T) -> Page<T> {
    Page {
        items: vec![item],
        next: None,
    }
}

fn status() -> StatusView {
    StatusView {
        revision: Some(REVISION),
        applied_revision: Some(REVISION),
        items: Part::ALL
            .iter()
            .map(|part| ItemStatus {
                id: part.as_str().to_owned(),
                state: State::Ok,
                since: NOW,
                detail: "As asked.".to_owned(),
            })
            .collect(),
        generation: 41,
        pending: None,
        version: "0.1.0".to_owned(),
        cell_name: Some("home".to_owned()),
        peers: 1,
        notices: Vec::new(),
    }
}

fn settings() -> ConfigView {
    ConfigView {
        revision: REVISION,
        cell: CellConfig {
            name: known::<CellName>("home"),
            timezone: known::<TimeZoneName>("Europe/Vienna"),
            endpoint: None,
        },
        domain: DomainConfig {
            mode: DomainMode::Lan,
            name: known::<Domain>("home.cell"),
        },
        network: NetworkConfig::default(),
        vpn: VpnConfig {
            subnet: known("10.31.7.0/24"),
            subnet6: known("fd31:7::/64"),
        },
        dns: DnsConfig {
            upstreams: Vec::new(),
            records: Vec::new(),
        },
        updates: UpdatesConfig::default(),
        services: ServicesSettings {
            network: known("172.20.0.0/16"),
            sources: BTreeMap::from([(known("friends"), services::source_config())]),
        },
    }
}

/// What came of asking a source.
pub(super) fn refreshed() -> Outcome {
    Outcome::Refreshed(RefreshView {
        items: vec![services::source()],
    })
}

fn peer(name: PeerName) -> PeerView {
    PeerView {
        label: name.label(),
        name,
        username: None,
        address: known("10.31.7.2"),
        address6: known("fd31:7::2"),
        public_key: PublicKey::from_bytes([7; 32]),
        preshared_key: false,
        full_tunnel: true,
        peer_to_peer: false,
        services: BTreeSet::from(ServiceToggle::ALL),
        exit_connection_id: None,
        failopen: None,
        open_now: false,

        created_at: NOW,
        expires_at: None,
        expired: false,
        reinstall_needed: false,
        latest_handshake: Some(NOW),
        endpoint: Some(known("198.51.100.9:40000")),
        received_bytes: 1_048_576,
        sent_bytes: 2_097_152,
    }
}

fn wireguard() -> WireGuardView {
    WireGuardView {
        backend: WireGuardBackend::Kernel,
        interface: "wg0".to_owned(),
        listen_port: 51820,
        public_key: Some(PublicKey::from_bytes([9; 32])),
        peers: vec![WireGuardPeerView {
            name: Some(known("anna-phone")),
            public_key: PublicKey::from_bytes([7; 32]),
            allowed_ips: vec![known("10.31.7.2/32")],
            endpoint: None,
            latest_handshake: None,
            received_bytes: 0,
            sent_bytes: 0,
        }],
    }
}

fn network() -> NetworkView {
    NetworkView {
        wan: known::<InterfaceName>("eth0"),
        lan: Some(known::<InterfaceName>("eth1")),
        interfaces: Vec::new(),
        gateway: Some(known("192.0.2.1")),
        resolvers: vec![known("192.0.2.53:53")],
        dhcp: vec![(
            known::<InterfaceName>("eth0"),
            DhcpView {
                lease: Some(LeaseView {
                    address: known("192.0.2.7/24"),
                    router: Some(known("192.0.2.1")),
                    resolvers: vec![known("192.0.2.53")],
                    server: Some(known("192.0.2.1")),
                    until: NOW,
                }),
                fallback: None,
                complaint: None,
            },
        )],
        admin: vec![known("192.168.1.1:8443")],
        dns: vec![known("192.168.1.1:53")],
        local_name: Some("home.local".to_owned()),
    }
}

fn revision(number: u64) -> RevisionView {
    RevisionView {
        number,
        time: NOW,
        actor: "owner".to_owned(),
        summary: "Added device anna-phone".to_owned(),
        changes: 1,
    }
}

fn audit() -> AuditView {
    AuditView {
        number: 12,
        time: NOW,
        actor: Some("owner".to_owned()),
        role: Some(Role::Owner),
        address: Some(known("192.168.1.20")),
        action: "peer.add".to_owned(),
        object: Some("anna-phone".to_owned()),
        outcome: "ok".to_owned(),
        detail: "=full tunnel, \"all\" services".to_owned(),
    }
}

fn app_password(username: Username) -> AppPasswordView {
    AppPasswordView {
        id: ID.to_owned(),
        username,
        device: known("Anna's phone"),
        services: None,
        created_at: NOW,
        last_used: Some(Date::constant(2026, 11, 18)),
    }
}

fn sessions(role: Role) -> SessionsView {
    SessionsView {
        identity: identity(role),
        must_change_password: false,
        second_factor: None,
        sessions: vec![SessionView {
            id: "0f".repeat(32),
            created_at: NOW,
            address: Some(known("192.168.1.20")),
            user_agent: "Firefox".to_owned(),
            current: true,
        }],
    }
}

fn part(part: Part) -> PartView {
    PartView {
        part,
        state: State::Ok,
        since: NOW,
        detail: "As asked.".to_owned(),
        facts: vec![("Port".to_owned(), "53".to_owned())],
        process_id: None,
        restarts: 0,
        dns: None,
    }
}
