//! Mail: what its service asks about people and addresses, and what people see of it.

pub(crate) mod book;
pub(crate) mod check;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cell_auth::Account;
use cell_control::change::Change;
use cell_control::mail::{
    MailAliasView, MailProtocol, MailRecordView, MailRecordsView, MailSecurity, MailServerView,
    MailTable, MailView, OwnMailView, PersonView,
};
use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::config::{Config, DeliveryConfig, MailTarget};
use cell_model::endpoint::Host;
use cell_model::mail::{MailRecord, port};
use cell_model::name::{LocalPart, ServiceId, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_plan::mail::{HOST, MailNames, PUBLIC_TTL, records, zone_text};
use cell_store::Batch;

use self::book::{Book, Holds, KEPT_NAMES};
use crate::people::People;
use crate::set_up::internal;
use crate::{Core, keys};

/// Where they find it there (RFC 8314 section 3; STARTTLS for devices that know nothing newer).
const SERVERS: [(MailProtocol, u16, MailSecurity); 3] = [
    (MailProtocol::Imap, port::IMAPS, MailSecurity::Tls),
    (MailProtocol::Smtp, port::SUBMISSIONS, MailSecurity::Tls),
    (MailProtocol::Smtp, port::SUBMISSION, MailSecurity::StartTls),
];

/// People, as a service sees them.
struct Members<'a> {
    people: &'a People,
    config: &'a Config,
    service: &'a ServiceId,
    now: Timestamp,
}

impl Members<'_> {
    fn may_use(&self, account: &Account) -> bool {
        self.config.may_use(&account.username, self.service)
            && !self.people.access_is_over(account, self.now)
    }

    fn has_mailbox(&self, account: &Account) -> bool {
        LocalPart::of(&account.username).is_some() && self.may_use(account)
    }
}

impl book::People for Members<'_> {
    fn holds(&self, username: &Username) -> Holds {
        match self.people.accounts.get(username) {
            None => Holds::NoAccount,
            Some(account) if self.has_mailbox(account) => Holds::Mailbox,
            Some(_) => Holds::Nothing,
        }
    }

    /// Owners; admins when no owner has a mailbox.
    fn who_run_the_box(&self) -> Vec<Username> {
        let with = |role| {
            let accounts = self.people.accounts.values();
            accounts
                .filter(|account| account.role == role && self.has_mailbox(account))
                .map(|account| account.username.clone())
                .collect::<Vec<_>>()
        };
        let owners = with(Role::Owner);
        match owners.is_empty() {
            true => with(Role::Admin),
            false => owners,
        }
    }
}

impl Core {
    /// Asked for each message, so it waits for nothing: no disk, and no lock but that of people.
    pub(crate) fn mail_lookup(
        &self,
        service: &ServiceId,
        table: MailTable,
        key: &str,
    ) -> Result<Option<String>, Problem> {
        let config = self.config()?;
        self.with_book(&config, service, |book| Ok(book.look_up(table, key)))
    }

    /// As above.
    pub(crate) fn person(&self, service: &ServiceId, name: &str) -> Result<PersonView, Problem> {
        let config = self.config()?;
        let people = self.people();
        let username = people.named(name, &config);
        let members = Members {
            people: &people,
            config: &config,
            service,
            now: (self.clock)(),
        };
        let account = username.and_then(|username| people.accounts.get(&username));
        let account = account.filter(|account| members.may_use(account));
        let account = account.ok_or_else(|| Problem::not_found("such person"))?;
        Ok(PersonView {
            username: account.username.clone(),
            quota_mib: config.mail.quota_of(&account.username),
        })
    }

    /// Keeps the password of the relay, or destroys it.
    pub(crate) fn put_relay_password(
        &self,
        batch: &mut Batch,
        password: Option<&Secret<String>>,
    ) -> Result<(), Problem> {
        match password {
            Some(password) => {
                let sealed = self
                    .sealer
                    .seal(keys::RELAY_PASSWORD, password.expose().as_bytes())
                    .map_err(|error| internal(&error))?;
                batch.set_secret(keys::RELAY_PASSWORD, sealed);
            }
            None => {
                batch.remove_secret(keys::RELAY_PASSWORD);
            }
        }
        Ok(())
    }

    /// Refuses names of nobody, and an alias that is somebody's name or will be. Those who gave an address of the box by
    /// its domain meant a name.
    pub(crate) fn check_mail_names(&self, config: &Config, change: &Change) -> Result<(), Problem> {
        let people = self.people();
        let is_there = |username: &Username| people.accounts.contains_key(username);
        match change {
            Change::Mail(update) => {
                let catch_all = update.catch_all.iter().flatten();
                for username in catch_all {
                    if !is_there(username) || LocalPart::of(username).is_none() {
                        return Err(Problem::field(
                            "catch_all",
                            "must be somebody with a mailbox",
                        ));
                    }
                }
                let quotas = update.quotas.iter();
                let mut quotas = quotas.filter(|(_, quota)| quota.is_some());
                match quotas.find(|(username, _)| !is_there(username)) {
                    Some((username, _)) => Err(Problem::field(
                        format!("quotas.{username}"),
                        "must be of somebody who has an account",
                    )),
                    None => Ok(()),
                }
            }
            Change::PutMailAlias { name, targets } => {
                let username = name.username();
                if is_there(&username) || people.is_invited(&username, (self.clock)()) {
                    return Err(Problem::field(
                        "name",
                        "must not be the name of somebody: it is their own address",
                    ));
                }
                let unknown =
                    targets
                        .iter()
                        .find_map(|target| match target.within(&config.domain.name) {
                            MailTarget::Name(other) => {
                                let known = is_there(&other.username())
                                    || other == *name
                                    || config.mail.aliases.contains_key(&other);
                                (!known).then_some(other)
                            }
                            MailTarget::Address(_) => None,
                        });
                match unknown {
                    Some(unknown) => Err(Problem::field(
                        "targets",
                        format!("must be accounts, aliases or addresses; there is no {unknown}"),
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Refuses the name of somebody new that is an alias: its mail would go to them alone from then on.
    pub(crate) fn refuse_alias(&self, username: &Username) -> Result<(), Problem> {
        let desired = self.desired.borrow();
        let config = desired.config.as_ref();
        let name = LocalPart::of(username);
        let is_alias = config
            .zip(name)
            .is_some_and(|(config, name)| config.mail.aliases.contains_key(&name));
        match is_alias {
            true => Err(Problem::field(
                "username",
                "is a mail alias of the box: choose another, or remove the alias first",
            )),
            false => Ok(()),
        }
    }

    /// Takes out of a config of back `then` who has gone since, and what has become somebody's name.
    pub(crate) fn without_strangers_in_mail(
        &self,
        now: &Config,
        earlier: &mut Config,
        then: Timestamp,
    ) {
        let people = self.people();
        let was_there = |username: &Username| {
            let account = people.accounts.get(username);
            account.is_some_and(|account| account.created_at <= then)
        };
        let is_there = |username: &Username| people.accounts.contains_key(username);
        let mail = &mut earlier.mail;
        mail.catch_all.take_if(|username| {
            !was_there(username) && now.mail.catch_all.as_ref() != Some(username)
        });
        mail.quotas.retain(|username, _| {
            was_there(username) || is_there(username) && now.mail.quotas.contains_key(username)
        });
        mail.aliases.retain(|name, _| {
            let username = name.username();
            !is_there(&username) && !people.is_invited(&username, (self.clock)())
        });
        let aliases: BTreeSet<LocalPart> = mail.aliases.keys().cloned().collect();
        mail.retain_names(|alias, name| {
            let username = name.username();
            let present = now.mail.aliases.get(alias);
            let is_named = || {
                let target = MailTarget::Name(name.clone());
                present.is_some_and(|targets| targets.contains(&target))
            };
            aliases.contains(name) || was_there(&username) || is_there(&username) && is_named()
        });
    }

    pub(crate) fn mail(&self) -> Result<MailView, Problem> {
        let desired = self.desired.borrow().clone();
        let config = self.config()?;
        let mail = &config.mail;
        let aliases = mail.aliases.iter().map(|(name, targets)| MailAliasView {
            name: name.clone(),
            address: format!("{name}@{}", config.domain.name),
            targets: targets.clone(),
        });
        let people = self.people();
        let kept = KEPT_NAMES.iter().filter_map(|name| name.parse().ok());
        let kept = kept.filter(|name: &LocalPart| {
            !mail.aliases.contains_key(name) && !people.accounts.contains_key(&name.username())
        });
        Ok(MailView {
            domain: config.domain.name.clone(),
            installed: config.services.installed.contains_key(&ServiceId::mail()),
            aliases: aliases.collect(),
            kept_names: kept.collect(),
            catch_all: mail.catch_all.clone(),
            quota_mib: mail.quota_mib,
            quotas: mail.quotas.clone(),
            delivery: mail.delivery.clone(),
            relay_password_set: desired.keys.relay_password.is_some(),
        })
    }

    /// What mail wants in public DNS.
    pub(crate) fn mail_records(&self) -> Result<MailRecordsView, Problem> {
        self.mail_domain()?;
        let (config, keys) = (self.config()?, Arc::clone(&self.desired.borrow().keys));
        let address = public_address(&config);
        let names = MailNames::of(&config, &keys, address).ok_or_else(no_mail)?;
        let records = records(&names);
        Ok(MailRecordsView {
            zone: zone_text(names.domain, &records),
            records: records.into_iter().map(record_view).collect(),
        })
    }

    pub(crate) fn own_mail(&self, identity: &Identity) -> Result<OwnMailView, Problem> {
        let config = self.config()?;
        let service = ServiceId::mail();
        if !config.services.installed.contains_key(&service) {
            return Err(no_mail());
        }
        let username = &identity.username;
        self.with_book(&config, &service, |book| {
            if book::People::holds(book.people, username) != Holds::Mailbox {
                return Err(no_mail());
            }
            let aliases = book.shared_with(username).into_iter();
            let domain = &config.domain.name;
            Ok(OwnMailView {
                address: book.address_of(username),
                aliases: aliases.map(|name| format!("{name}@{domain}")).collect(),
                catches_all: config.mail.catch_all.as_ref() == Some(username),
                quota_mib: config.mail.quota_of(username),
                can_send: config.mail.delivery != DeliveryConfig::ReceiveOnly,
                username: username.clone(),
                servers: SERVERS
                    .into_iter()
                    .map(|(protocol, port, security)| MailServerView {
                        protocol,
                        host: format!("{HOST}.{domain}"),
                        port,
                        security,
                    })
                    .collect(),
            })
        })
    }

    fn with_book<T>(
        &self,
        config: &Config,
        service: &ServiceId,
        ask: impl FnOnce(&Book<'_, Members<'_>>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let people = self.people();
        let members = Members {
            people: &people,
            config,
            service,
            now: (self.clock)(),
        };
        ask(&Book {
            mail: &config.mail,
            domain: &config.domain.name,
            people: &members,
        })
    }
}

impl People {
    /// Whether somebody is invited under this name.
    fn is_invited(&self, username: &Username, now: Timestamp) -> bool {
        let mut invites = self.invites.values();
        invites.any(|invite| invite.username == *username && !invite.is_over(now))
    }

    /// Whom somebody means who signs in to a service: by name, or by the address they have here. `None`: that is no name.
    pub(crate) fn named(&self, typed: &str, config: &Config) -> Option<Username> {
        let whole: Option<Username> = typed.parse().ok();
        let known = |username: &Username| self.accounts.contains_key(username);
        if let Some(whole) = whole.as_ref().filter(|whole| known(whole)) {
            return Some(whole.clone());
        }
        let own = typed
            .rsplit_once('@')
            .filter(|(_, domain)| domain.eq_ignore_ascii_case(config.domain.name.as_str()));
        match own {
            Some((name, _)) => name.parse().ok(),
            None => whole,
        }
    }
}

/// Where others reach the box, as far as the owner has said.
fn public_address(config: &Config) -> Option<Ipv4Addr> {
    match config.cell.endpoint.as_ref()?.host {
        Host::Address(IpAddr::V4(address)) => Some(address),
        Host::Address(IpAddr::V6(_)) | Host::Name(_) => None,
    }
}

fn record_view(record: MailRecord) -> MailRecordView {
    let data = &record.record.data;
    MailRecordView {
        name: record.record.owner.to_string(),
        kind: data.type_name().to_owned(),
        value: data.value(),
        ttl_s: PUBLIC_TTL,
        purpose: record.purpose,
        description: record.purpose.words().to_owned(),
        needed: record.needed,
    }
}

fn no_mail() -> Problem {
    Problem::new(
        404,
        "no_mail",
        "You have no mail here",
        "The mail service is not installed, or not for you, or your name cannot be an address. Ask whoever runs the box.",
    )
}
