//! Whose an address is. Pure: what the mail service asks for each message is answered from config and accounts alone.
//!
//! - Upper and lower case are the same, and whatever follows a `+` is for whoever gets the mail to read.
//! - An account's own address is nobody else's: an alias of that name counts for nothing, and when the account may not use
//!   mail any more, its mail is refused and not caught.
//! - An alias is followed to its end here, so that the mail service has nothing to follow.
//! - Names that others rely on (RFC 2142) reach whoever runs the box until somebody else has them.
//! - What is left is caught, or refused.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cell_control::mail::MailTable;
use cell_model::config::{DeliveryConfig, MailAddress, MailConfig, MailTarget};
use cell_model::mail::port;
use cell_model::name::{Domain, LocalPart, Username};

/// Names that reach whoever runs the box: those of RFC 2142 that concern a domain or its network, and those that a
/// certificate authority takes for the holder of the domain (CA/Browser Forum Baseline Requirements, section 3.2.2.4.4).
pub(crate) const KEPT_NAMES: [&str; 10] = [
    "abuse",
    "admin",
    "administrator",
    "hostmaster",
    "mailer-daemon",
    "noc",
    "postmaster",
    "root",
    "security",
    "webmaster",
];

/// What somebody has of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// There is no such account.
    NoAccount,
    /// They may not use mail, or not any more.
    Nothing,
    /// A mailbox.
    Mailbox,
}

/// What there is to know about people.
pub(crate) trait People {
    /// What somebody has of mail.
    fn holds(&self, username: &Username) -> Holds;

    /// Who runs the box and has a mailbox.
    fn who_run_the_box(&self) -> Vec<Username>;
}

/// The addresses of a box.
pub(crate) struct Book<'a, P> {
    pub(crate) mail: &'a MailConfig,
    pub(crate) domain: &'a Domain,
    pub(crate) people: &'a P,
}

/// Who gets what is sent to an address of the domain.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    /// Who has it as their own.
    Own(Username),
    /// Several, or others.
    Shared(BTreeSet<Recipient>),
    /// Who gets what nobody has the address of.
    Caught(Username),
    /// Nobody: it is refused.
    Nobody,
}

/// Somebody who gets mail in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recipient {
    Person(Username),
    Elsewhere(MailAddress),
}

impl<P: People> Book<'_, P> {
    /// What a table says about a key.
    pub(crate) fn look_up(&self, table: MailTable, key: &str) -> Option<String> {
        match table {
            MailTable::Mailbox => match self.whose(key) {
                Whose::Own(username) => Some(username.to_string()),
                _ => None,
            },
            MailTable::Alias => match self.whose(key) {
                Whose::Shared(recipients) => {
                    let all = recipients.iter().map(|recipient| match recipient {
                        Recipient::Person(username) => self.address_of(username),
                        Recipient::Elsewhere(address) => address.to_string(),
                    });
                    joined(all)
                }
                Whose::Caught(username) => Some(self.address_of(&username)),
                Whose::Own(_) | Whose::Nobody => None,
            },
            MailTable::Sender => match self.whose(key) {
                Whose::Own(username) | Whose::Caught(username) => Some(username.to_string()),
                Whose::Shared(recipients) => {
                    joined(recipients.iter().filter_map(|recipient| match recipient {
                        Recipient::Person(username) => Some(username.to_string()),
                        Recipient::Elsewhere(_) => None,
                    }))
                }
                Whose::Nobody => None,
            },
            MailTable::Login => {
                let username = key.parse().ok()?;
                let may = self.people.holds(&username) == Holds::Mailbox;
                may.then(|| "OK".to_owned())
            }
            MailTable::Transport => self.transport(key),
            MailTable::TlsPolicy => {
                let relay = self.mail.relay()?;
                let next_hop = next_hop(&relay.host, relay.port);
                // The password goes there: nothing less than a certificate for that name will do.
                next_hop
                    .eq_ignore_ascii_case(key)
                    .then(|| "secure".to_owned())
            }
        }
    }

    /// Somebody's own address.
    pub(crate) fn address_of(&self, username: &Username) -> String {
        format!("{username}@{}", self.domain)
    }

    /// Aliases, and names that reach whoever runs the box, whose mail somebody gets.
    pub(crate) fn shared_with(&self, username: &Username) -> Vec<LocalPart> {
        let kept = KEPT_NAMES.iter().filter_map(|name| name.parse().ok());
        let names: BTreeSet<LocalPart> = self.mail.aliases.keys().cloned().chain(kept).collect();
        let person = Recipient::Person(username.clone());
        let names = names.into_iter().filter(|name| {
            matches!(self.whose_name(name.as_str()), Whose::Shared(all) if all.contains(&person))
        });
        names.collect()
    }

    /// What an alias comes to in the end.
    pub(crate) fn recipients_of(&self, alias: &LocalPart) -> BTreeSet<Recipient> {
        let is_somebodys =
            |name: &LocalPart| self.people.holds(&name.username()) != Holds::NoAccount;
        let ends = self.mail.ends_of(alias, self.domain, is_somebodys);
        let ends = ends.into_iter();
        let recipients = ends.filter_map(|end| match end {
            MailTarget::Name(name) => {
                let username = name.username();
                let has_mailbox = self.people.holds(&username) == Holds::Mailbox;
                has_mailbox.then_some(Recipient::Person(username))
            }
            // One of the own domain that is not a name leads nowhere.
            MailTarget::Address(address) if address.domain() == self.domain.as_str() => None,
            MailTarget::Address(address) => Some(Recipient::Elsewhere(address)),
        });
        recipients.collect()
    }

    fn whose(&self, address: &str) -> Whose {
        match self.local_part(address) {
            Some(local) => {
                let name = local.split_once('+').map_or(&*local, |(name, _)| name);
                self.whose_name(name)
            }
            None => Whose::Nobody,
        }
    }

    /// In lower case.
    fn whose_name(&self, name: &str) -> Whose {
        let Ok(name) = name.parse::<LocalPart>() else {
            return self.caught();
        };
        let username = name.username();
        match self.people.holds(&username) {
            Holds::Mailbox => return Whose::Own(username),
            Holds::Nothing => return Whose::Nobody,
            Holds::NoAccount => {}
        }
        if self.mail.aliases.contains_key(&name) {
            return shared(self.recipients_of(&name));
        }
        if KEPT_NAMES.contains(&name.as_str()) {
            let all = self.people.who_run_the_box().into_iter();
            return shared(all.map(Recipient::Person).collect());
        }
        self.caught()
    }

    fn caught(&self) -> Whose {
        let username = self.mail.catch_all.as_ref();
        let username = username.filter(|username| self.people.holds(username) == Holds::Mailbox);
        username.map_or(Whose::Nobody, |username| Whose::Caught(username.clone()))
    }

    /// What stands before the `@` of an address of the domain, in lower case and without quotes; `None` when it is not of
    /// the domain, or one that nobody here can have.
    fn local_part(&self, address: &str) -> Option<String> {
        if address.len() > LONGEST {
            return None;
        }
        let (local, domain) = address.rsplit_once('@')?;
        if !domain.eq_ignore_ascii_case(self.domain.as_str()) {
            return None;
        }
        let local = unquoted(local)?;
        // What RFC 5322 section 3.2.3 has in an atom, without what has led mail on to elsewhere once: % and !.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+=&'~#$*/?^`{|}".contains(&b);
        let fits = !local.is_empty() && local.len() <= LocalPart::MAX && local.bytes().all(plain);
        fits.then(|| local.to_ascii_lowercase())
    }

    fn transport(&self, key: &str) -> Option<String> {
        // The question for what holds for everything else: how it is usual.
        if key.is_empty() || key == "*" {
            return None;
        }
        let domain = key.rsplit_once('@').map_or(key, |(_, domain)| domain);
        if domain.eq_ignore_ascii_case(self.domain.as_str()) {
            return None;
        }
        match &self.mail.delivery {
            DeliveryConfig::Direct => None,
            DeliveryConfig::Relay(relay) => {
                let service = match relay.port {
                    port::SUBMISSIONS => "smtps",
                    _ => "smtp",
                };
                Some(format!("{service}:{}", next_hop(&relay.host, relay.port)))
            }
            DeliveryConfig::ReceiveOnly => {
                Some("error:5.7.1 This box only receives mail".to_owned())
            }
        }
    }
}

/// The most bytes of an address that is looked at: twice the longest there is, for quotes.
const LONGEST: usize = 2 * MailAddress::MAX;

/// Where mail goes, as Postfix writes it: the host itself and not the mail servers of its domain.
pub(crate) fn next_hop(host: &Domain, port: u16) -> String {
    format!("[{host}]:{port}")
}

fn shared(recipients: BTreeSet<Recipient>) -> Whose {
    match recipients.is_empty() {
        true => Whose::Nobody,
        false => Whose::Shared(recipients),
    }
}

fn joined(all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// A quoted local part (RFC 5321 section 4.1.2) as what it stands for; `None` when its quotes are wrong.
fn unquoted(local: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = local.strip_prefix('"') else {
        return Some(Cow::Borrowed(local));
    };
    let quoted = quoted.strip_suffix('"')?;
    let mut plain = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(characters.next()?),
            '"' => return None,
            other => plain.push(other),
        }
    }
    Some(Cow::Owned(plain))
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
