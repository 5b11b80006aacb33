//! Mail as others see it: records for public DNS ([`records`]) and the keys messages are signed with ([`dkim`]).
//!
//! Pure. What is here follows from the domain and a few answers of the owner's; whether public DNS has it, the checks
//! find out.

pub mod dkim;
mod zone_text;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cell_catalogue::Manifest;
use cell_model::config::{Config, DeliveryConfig, ServiceConfig};
use cell_model::mail::{DkimKey, DkimState, MailPurpose, MailRecord, port};
use cell_model::name::{DnsLabel, Domain, NameError, RecordOwner, ServiceId};
use cell_model::spec::{MailSpec, RelaySpec, ZoneData, ZoneRecord};

use crate::resolve::Keys;

pub use zone_text::{PUBLIC_TTL, zone_text};

/// What the records follow from.
#[derive(Debug, Clone)]
pub struct MailNames<'a> {
    /// What is behind the `@`.
    pub domain: &'a Domain,
    /// The server's name, which it also greets with.
    pub host: Domain,
    /// The address others reach it at, where that is known.
    pub public_address: Option<Ipv4Addr>,
    /// How mail leaves.
    pub delivery: &'a DeliveryConfig,
    /// Keys, signing or not.
    pub dkim: Vec<&'a DkimKey>,
    /// Whether programs reach the documents with their settings.
    pub settings: bool,
    /// SHA-256 of the server's SubjectPublicKeyInfo; `None` while it changes with every certificate.
    pub key_hash: Option<[u8; 32]>,
}

/// The label of the server in the cell's domain.
pub const HOST: &str = "mail";
/// The label of the settings that Thunderbird and others look for.
const AUTOCONFIG: &str = "autoconfig";
/// The label of those that Outlook looks for.
const AUTODISCOVER: &str = "autodiscover";

impl<'a> MailNames<'a> {
    /// As config and keys say; `None` without the service. The public address is not config.
    pub fn of(
        config: &'a Config,
        keys: &'a Keys,
        public_address: Option<Ipv4Addr>,
    ) -> Option<Self> {
        let service = ServiceId::mail();
        let domain = &config.domain.name;
        let installed = config.services.installed.get(&service)?;
        let host = domain.host(HOST).ok()?;
        let of_domain = keys.dkim.iter().filter(|key| key.domain == *domain);
        Some(Self {
            domain,
            host,
            public_address,
            delivery: &config.mail.delivery,
            dkim: of_domain.collect(),
            settings: installed.published && installed.enabled && has_settings(installed),
            key_hash: keys.certificate_hashes.get(&service).copied(),
        })
    }
}

/// Whether there are documents for programs: services of before have none.
fn has_settings(service: &ServiceConfig) -> bool {
    let manifest = Manifest::parse(service.manifest.as_bytes());
    manifest.is_ok_and(|manifest| {
        let mut hosts = manifest.hosts().into_iter();
        hosts.any(|host| host.as_str() == AUTODISCOVER)
    })
}

/// What the service of mail is handed.
pub(crate) fn handed(config: &Config, keys: &Keys) -> MailSpec {
    let relay = config.mail.relay().map(|relay| {
        let username = relay.username.as_ref();
        let login = username.zip(keys.relay_password.as_ref());
        RelaySpec {
            host: relay.host.to_string(),
            port: relay.port,
            login: login
                .map(|(username, password)| (username.as_str().to_owned(), password.clone())),
        }
    });
    let present = |selector: &DnsLabel| {
        let mut keys = keys.dkim.iter();
        keys.any(|key| key.selector == *selector && key.domain == config.domain.name)
    };
    let private = keys.dkim_private.iter();
    let private = private.filter(|(selector, _)| present(selector));
    let signing = dkim::signing(&keys.dkim, &config.domain.name);
    MailSpec {
        relay,
        dkim: private
            .map(|(selector, key)| (selector.to_string(), key.clone()))
            .collect(),
        signing: signing.map(|key| (key.domain.clone(), key.selector.to_string())),
    }
}

/// The records, those of greatest weight first. A name that would be too long is left out, and so is what is not known:
/// without a public address there is none of the server and no name of it.
pub fn records(names: &MailNames<'_>) -> Vec<MailRecord> {
    let mut records = Records {
        domain: names.domain,
        host: &names.host,
        list: Vec::new(),
    };
    receiving(names, &mut records);
    sending(names, &mut records);
    encryption(names, &mut records);
    programs(&mut records);
    if names.settings {
        settings(&mut records);
    }
    records.list
}

/// Those of the records that the box's own name server answers; `hosts` are the labels of services that it knows. It says
/// their addresses itself, those of the house, and the name of a public address is for others to say.
pub fn at_home(mut names: MailNames<'_>, hosts: &BTreeSet<DnsLabel>) -> Vec<ZoneRecord> {
    names.settings = hosts.iter().any(|host| host.as_str() == AUTODISCOVER);
    let is_own =
        |record: &ZoneRecord| matches!(record.data, ZoneData::A { .. } | ZoneData::Cname { .. });
    let mut answered = records(&names);
    answered.retain(|record| record.purpose != MailPurpose::Reverse && !is_own(&record.record));
    answered.into_iter().map(|record| record.record).collect()
}

/// The name under which the PTR record of an address is found (RFC 1035 section 3.5).
///
/// # Errors
/// None that an address can cause.
pub fn reverse_owner(address: Ipv4Addr) -> Result<RecordOwner, NameError> {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa").parse()
}

struct Records<'a> {
    domain: &'a Domain,
    host: &'a Domain,
    list: Vec<MailRecord>,
}

#[derive(Clone, Copy)]
enum Weight {
    Needed,
    Better,
}

impl Records<'_> {
    fn add(
        &mut self,
        weight: Weight,
        purpose: MailPurpose,
        owner: Result<RecordOwner, NameError>,
        data: ZoneData,
    ) {
        self.list.extend(owner.ok().map(|owner| MailRecord {
            record: ZoneRecord { owner, data },
            purpose,
            needed: matches!(weight, Weight::Needed),
        }));
    }

    fn apex(&self) -> Result<RecordOwner, NameError> {
        Ok(self.domain.into())
    }

    fn below(&self, name: &str) -> Result<RecordOwner, NameError> {
        self.domain.owner(name)
    }
}

fn receiving(names: &MailNames<'_>, records: &mut Records<'_>) {
    let mx = ZoneData::Mx {
        preference: 10,
        exchange: records.host.clone(),
    };
    records.add(Weight::Needed, MailPurpose::Receive, records.apex(), mx);
    let Some(address) = names.public_address else {
        return;
    };
    let host = Ok(records.host.into());
    let data = ZoneData::A { address };
    records.add(Weight::Needed, MailPurpose::Host, host, data);
    let weight = match names.delivery {
        DeliveryConfig::Direct => Weight::Needed,
        DeliveryConfig::Relay(_) | DeliveryConfig::ReceiveOnly => Weight::Better,
    };
    let name = ZoneData::Ptr {
        target: records.host.clone(),
    };
    let owner = reverse_owner(address);
    records.add(weight, MailPurpose::Reverse, owner, name);
}

fn sending(names: &MailNames<'_>, records: &mut Records<'_>) {
    let sends = *names.delivery != DeliveryConfig::ReceiveOnly;
    let weight = if sends {
        Weight::Needed
    } else {
        Weight::Better
    };
    let spf = txt(spf(names.delivery).to_owned());
    records.add(weight, MailPurpose::Spf, records.apex(), spf);
    if *names.delivery == DeliveryConfig::Direct {
        // RFC 7208 section 2.3: returned messages have no sender but the name the server greets with.
        let host = Ok(records.host.into());
        let only_itself = txt("v=spf1 a -all".to_owned());
        records.add(Weight::Better, MailPurpose::SpfHost, host, only_itself);
    }
    let mut keys = names.dkim.iter();
    let signs = keys.any(|key| key.state == DkimState::Signing);
    for key in &names.dkim {
        let owner = records.below(&format!("{}._domainkey", key.selector));
        let (weight, purpose) = match key.state {
            DkimState::Revoked => (Weight::Better, MailPurpose::DkimRevoked),
            // Nothing is signed with it yet, and another one signs.
            DkimState::Made | DkimState::Published if signs => (Weight::Better, MailPurpose::Dkim),
            DkimState::Made | DkimState::Published | DkimState::Signing | DkimState::Retiring => {
                (weight, MailPurpose::Dkim)
            }
        };
        records.add(weight, purpose, owner, txt(dkim::record_text(key)));
    }
    let dmarc = txt(dmarc(names));
    let owner = records.below("_dmarc");
    records.add(weight, MailPurpose::Dmarc, owner, dmarc);
}

/// RFC 7208 section 5.
fn spf(delivery: &DeliveryConfig) -> &'static str {
    match delivery {
        DeliveryConfig::Direct => "v=spf1 mx -all",
        // Where the provider sends from is not known: others are not told to turn it away.
        DeliveryConfig::Relay(_) => "v=spf1 mx ?all",
        DeliveryConfig::ReceiveOnly => "v=spf1 -all",
    }
}

/// RFC 7489 section 6.3. A provider may send and sign under a name below ours, so names need not be equal then.
fn dmarc(names: &MailNames<'_>) -> String {
    let (policy, alignment) = match names.delivery {
        DeliveryConfig::Direct => ("quarantine", "; adkim=s; aspf=s"),
        DeliveryConfig::Relay(_) => ("quarantine", ""),
        DeliveryConfig::ReceiveOnly => ("reject", ""),
    };
    let domain = names.domain;
    format!("v=DMARC1; p={policy}; rua=mailto:postmaster@{domain}{alignment}")
}

fn encryption(names: &MailNames<'_>, records: &mut Records<'_>) {
    let reports = format!("v=TLSRPTv1; rua=mailto:postmaster@{}", names.domain);
    let owner = records.below("_smtp._tls");
    records.add(Weight::Better, MailPurpose::TlsReports, owner, txt(reports));
    if let Some(hash) = names.key_hash {
        let owner = records.host.owner(&format!("_{}._tcp", port::SMTP));
        // RFC 7672 section 3.1.1: DANE-EE(3) SPKI(1) SHA2-256(1).
        let tlsa = ZoneData::Tlsa {
            usage: 3,
            selector: 1,
            matching: 1,
            data: hash.to_vec(),
        };
        records.add(Weight::Better, MailPurpose::Tlsa, owner, tlsa);
    }
}

fn programs(records: &mut Records<'_>) {
    for (service, port) in [
        ("imaps", port::IMAPS),
        ("submissions", port::SUBMISSIONS),
        ("submission", port::SUBMISSION),
    ] {
        let owner = records.below(&format!("_{service}._tcp"));
        let data = srv(1, port, Some(records.host.clone()));
        records.add(Weight::Better, MailPurpose::Programs, owner, data);
    }
    // RFC 6186 section 3.4: a service that is not there has the root as its host.
    for service in ["imap", "pop3", "pop3s"] {
        let owner = records.below(&format!("_{service}._tcp"));
        let data = srv(0, 0, None);
        records.add(Weight::Better, MailPurpose::NoPrograms, owner, data);
    }
}

fn settings(records: &mut Records<'_>) {
    for label in [AUTOCONFIG, AUTODISCOVER] {
        let owner = records.below(label);
        let data = alias(records.host);
        records.add(Weight::Better, MailPurpose::Settings, owner, data);
    }
    // Outlook asks for this one where the domain itself does not answer (MS-OXDISCO section 3.1.5).
    let owner = records.below("_autodiscover._tcp");
    if let Ok(host) = records.domain.host(AUTODISCOVER) {
        let data = srv(1, 443, Some(host));
        records.add(Weight::Better, MailPurpose::Settings, owner, data);
    }
}

fn txt(text: String) -> ZoneData {
    ZoneData::Txt { text }
}

fn alias(host: &Domain) -> ZoneData {
    ZoneData::Cname {
        target: host.clone(),
    }
}

fn srv(weight: u16, port: u16, target: Option<Domain>) -> ZoneData {
    ZoneData::Srv {
        priority: 0,
        weight,
        port,
        target,
    }
}

#[cfg(test)]
mod tests;
