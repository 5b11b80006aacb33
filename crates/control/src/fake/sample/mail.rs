//! Mail.

use std::collections::BTreeMap;

use cell_model::account::Role;
use cell_model::config::{DeliveryConfig, MailConfig, RelayConfig};
use cell_model::mail::{DkimKey, DkimState, FindingState, MailFinding, MailPurpose};

use super::{NOW, known, username};
use crate::mail::{
    MailAliasView, MailFindingsView, MailProtocol, MailRecordView, MailRecordsView, MailSecurity,
    MailServerView, MailTable, MailView, OwnMailView, PersonView,
};
use crate::query::MailLookup;

pub(super) fn settings() -> MailView {
    MailView {
        domain: known("home.cell"),
        installed: true,
        aliases: vec![MailAliasView {
            name: known("info"),
            address: "info@home.cell".to_owned(),
            targets: [known("member"), known("friend@example.org")].into(),
        }],
        kept_names: vec![known("abuse"), known("postmaster")],
        catch_all: Some(username(Role::Owner)),
        quota_mib: MailConfig::USUAL_QUOTA_MIB,
        quotas: BTreeMap::from([(username(Role::Member), 4_096)]),
        delivery: DeliveryConfig::Relay(RelayConfig {
            host: known("smtp.example.net"),
            port: 587,
            username: Some(known("home@example.net")),
        }),
        relay_password_set: true,
    }
}

pub(super) fn records() -> MailRecordsView {
    MailRecordsView {
        records: vec![MailRecordView {
            name: "home.cell".to_owned(),
            kind: "MX".to_owned(),
            value: "10 mail.home.cell.".to_owned(),
            ttl_s: 3_600,
            purpose: MailPurpose::Receive,
            description: MailPurpose::Receive.words().to_owned(),
            needed: true,
        }],
        zone: "; Mail of home.cell\nhome.cell. 3600 IN MX 10 mail.home.cell.\n".to_owned(),
    }
}

pub(super) fn dkim_key(state: DkimState) -> DkimKey {
    DkimKey {
        selector: known("c202611"),
        domain: known("home.cell"),
        state,
        since: NOW,
        public: "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A".to_owned(),
    }
}

pub(super) fn findings() -> MailFindingsView {
    let finding = |id: &str, state, seen: &str, action: &str| MailFinding {
        id: id.to_owned(),
        state,
        seen: seen.to_owned(),
        action: action.to_owned(),
    };
    MailFindingsView {
        checked_at: Some(NOW),
        findings: vec![
            finding(
                "mx",
                FindingState::Ok,
                "Public DNS has the MX record of home.cell as it should be.",
                "",
            ),
            finding(
                "dkim:c202611",
                FindingState::Failed,
                "Public DNS does not have the TXT record of c202611._domainkey.home.cell.",
                "Copy the record to wherever the DNS of the domain is kept.",
            ),
            finding(
                "port_25_in",
                FindingState::Unknown,
                "Whether others get through cannot be seen from here.",
                "Write to yourself from a mail account elsewhere.",
            ),
        ],
    }
}

pub(super) fn own(role: Role) -> OwnMailView {
    let server = |protocol, port, security| MailServerView {
        protocol,
        host: "mail.home.cell".to_owned(),
        port,
        security,
    };
    OwnMailView {
        address: format!("{}@home.cell", username(role)),
        aliases: vec!["info@home.cell".to_owned()],
        catches_all: role == Role::Owner,
        quota_mib: MailConfig::USUAL_QUOTA_MIB,
        can_send: true,
        username: username(role),
        servers: vec![
            server(MailProtocol::Imap, 993, MailSecurity::Tls),
            server(MailProtocol::Smtp, 465, MailSecurity::Tls),
            server(MailProtocol::Smtp, 587, MailSecurity::StartTls),
        ],
    }
}

pub(super) fn person() -> PersonView {
    PersonView {
        username: username(Role::Member),
        quota_mib: MailConfig::USUAL_QUOTA_MIB,
    }
}

/// The member's address is known, and no other.
pub(super) fn look_up(question: &MailLookup) -> Option<String> {
    let known = question.key.eq_ignore_ascii_case("member@home.cell");
    match question.table {
        MailTable::Mailbox | MailTable::Sender if known => Some(username(Role::Member).to_string()),
        _ => None,
    }
}
