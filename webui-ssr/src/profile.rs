//! Configuration profiles: what iPhones, iPads and Macs are told about accounts in one file (Apple, "Profile-Specific
//! Payload Keys", payloads `com.apple.caldav.account`, `com.apple.carddav.account` and `com.apple.mail.managed`). No password
//! is in it: the device asks for one.

use cell_control::view::{MailboxesView, OwnServiceView, WellKnownView};
use cell_model::mail::port;
use cell_model::name::Username;
use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// What servers call such a file; devices go by it.
pub(crate) const CONTENT_TYPE: &str = "application/x-apple-aspen-config";

/// The version of profiles and of each of their payloads.
const VERSION: u32 = 1;
/// Where services answer.
const HTTPS: u16 = 443;

/// What a payload is for: its type, and what its keys begin with.
struct Kind {
    payload: &'static str,
    keys: &'static str,
}

impl Kind {
    /// What a device finds under this name; `None` when no payload is for it.
    fn of(found: &WellKnownView) -> Option<Self> {
        let (payload, keys) = match found.name.as_str() {
            "caldav" => ("com.apple.caldav.account", "CalDAV"),
            "carddav" => ("com.apple.carddav.account", "CardDAV"),
            _ => return None,
        };
        Some(Self { payload, keys })
    }
}

/// The profile of a person's accounts on a service; `None` where no payload is for it.
pub(crate) fn of(service: &OwnServiceView, username: &Username) -> Option<String> {
    let found = service.well_known.iter();
    let mut accounts: Vec<Markup> = found
        .filter_map(|found| Some(account(&Kind::of(found)?, service, found, username)))
        .collect();
    let mail = service.mail.iter();
    accounts.extend(mail.map(|server| mail_account(server, service, username)));
    let first = service.well_known.first();
    let mail_host = || Some(service.mail.as_ref()?.host.as_str());
    let host = first.map(|found| found.host.as_str()).or_else(mail_host)?;
    let identifier = format!("{host}.{}.{username}", service.id);
    let profile = html! {
        plist version="1.0" {
            dict {
                (text("PayloadType", "Configuration"))
                (number("PayloadVersion", VERSION))
                (text("PayloadIdentifier", &identifier))
                (text("PayloadUUID", &uuid(&identifier)))
                (text("PayloadDisplayName", &service.name))
                (text("PayloadDescription", &format!("{} of {username} at {host}", service.name)))
                key { "PayloadContent" }
                array { @for account in &accounts { (account) } }
            }
        }
    };
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
        \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n";
    (!accounts.is_empty()).then(|| format!("{head}{}\n", profile.into_string()))
}

fn account(
    kind: &Kind,
    service: &OwnServiceView,
    found: &WellKnownView,
    username: &Username,
) -> Markup {
    let Kind { payload, keys } = kind;
    let identifier = format!("{}.{}.{username}.{}", found.host, service.id, found.name);
    html! {
        dict {
            (text("PayloadType", payload))
            (number("PayloadVersion", VERSION))
            (text("PayloadIdentifier", &identifier))
            (text("PayloadUUID", &uuid(&identifier)))
            (text("PayloadDisplayName", &format!("{} ({keys})", service.name)))
            (text(&format!("{keys}AccountDescription"), &service.name))
            (text(&format!("{keys}HostName"), &found.host))
            (number(&format!("{keys}Port"), HTTPS))
            key { (keys) "UseSSL" }
            (PreEscaped("<true/>"))
            (text(&format!("{keys}Username"), username.as_str()))
        }
    }
}

/// What the person signs in with is their address: programs show it, and the server takes it.
fn mail_account(server: &MailboxesView, service: &OwnServiceView, username: &Username) -> Markup {
    let MailboxesView { domain, host } = server;
    let identifier = format!("{host}.{}.{username}.mail", service.id);
    let address = format!("{username}@{domain}");
    html! {
        dict {
            (text("PayloadType", "com.apple.mail.managed"))
            (number("PayloadVersion", VERSION))
            (text("PayloadIdentifier", &identifier))
            (text("PayloadUUID", &uuid(&identifier)))
            (text("PayloadDisplayName", &service.name))
            (text("EmailAccountDescription", &address))
            (text("EmailAccountType", "EmailTypeIMAP"))
            (text("EmailAddress", &address))
            @for (direction, port) in [("Incoming", port::IMAPS), ("Outgoing", port::SUBMISSIONS)] {
                (text(&format!("{direction}MailServerAuthentication"), "EmailAuthPassword"))
                (text(&format!("{direction}MailServerHostName"), host.as_str()))
                (number(&format!("{direction}MailServerPortNumber"), port))
                key { (direction) "MailServerUseSSL" }
                (PreEscaped("<true/>"))
                (text(&format!("{direction}MailServerUsername"), &address))
            }
            key { "OutgoingPasswordSameAsIncomingPassword" }
            (PreEscaped("<true/>"))
        }
    }
}

fn text(key: &str, value: &str) -> Markup {
    html! { key { (key) } string { (value) } }
}

fn number(key: &str, value: impl Into<u32>) -> Markup {
    let value: u32 = value.into();
    html! { key { (key) } integer { (value) } }
}

/// The same for the same account, so that a profile that is installed again replaces itself (RFC 9562, version 8).
fn uuid(of: &str) -> String {
    let digest = Sha256::digest(of);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
