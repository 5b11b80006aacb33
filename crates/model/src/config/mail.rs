//! Mail, as asked for: who gets what, how much of it is kept, and how it leaves the box.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mail::port;
use crate::name::{Domain, LocalPart, NameError, Username};

/// Who gets what is sent to the cell's domain. Everybody who may use the service has their own name as an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// Further addresses, by what stands before the `@`, and who gets what is sent there.
    #[serde(default)]
    pub aliases: BTreeMap<LocalPart, BTreeSet<MailTarget>>,
    /// Who gets what nobody has the address of; `None`: it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_all: Option<Username>,
    /// What a person may keep, in MiB.
    #[serde(default = "usual_quota")]
    pub quota_mib: u32,
    /// People who may keep another amount, in MiB.
    #[serde(default)]
    pub quotas: BTreeMap<Username, u32>,
    /// How mail leaves the box.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// How mail leaves the box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "mode",
    content = "relay",
    rename_all = "snake_case",
    deny_unknown_fields
)]
pub enum DeliveryConfig {
    /// The box brings it to the servers of those it is for.
    #[default]
    Direct,
    /// A provider takes all of it and brings it on.
    Relay(RelayConfig),
    /// None does: people get mail and send none.
    ReceiveOnly,
}

/// The provider that brings mail on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// Its host, by name: that is what its certificate is for.
    pub host: Domain,
    /// Its port: 465 with TLS from the first byte on, any other with STARTTLS.
    #[serde(default = "submission_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Who the box is there; `null`: it does not sign in. The password is not config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<LoginName>,
}

/// Who gets what is sent to an alias. As text, one with an `@` is an address elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailTarget {
    /// Somebody who has an account, or another alias.
    Name(LocalPart),
    /// An address.
    Address(MailAddress),
}

impl MailConfig {
    /// Aliases that a box has at most.
    pub const MAX_ALIASES: usize = 256;
    /// Who an alias names at most, and how many get what is sent to it when those are aliases too. All of it is one
    /// answer to the mail service, which takes 100 kB.
    pub const MAX_TARGETS: usize = 64;
    /// The least that somebody may keep: one large message and room for more.
    pub const MIN_QUOTA_MIB: u32 = 64;
    /// The most: 4 TiB.
    pub const MAX_QUOTA_MIB: u32 = 4 * 1024 * 1024;
    /// What somebody may keep when nothing was said.
    pub const USUAL_QUOTA_MIB: u32 = 2_048;

    /// What somebody may keep, in MiB.
    pub fn quota_of(&self, username: &Username) -> u32 {
        self.quotas.get(username).copied().unwrap_or(self.quota_mib)
    }

    /// The provider that brings mail on.
    pub fn relay(&self) -> Option<&RelayConfig> {
        match &self.delivery {
            DeliveryConfig::Relay(relay) => Some(relay),
            DeliveryConfig::Direct | DeliveryConfig::ReceiveOnly => None,
        }
    }

    /// Takes names out of aliases, and what has nobody left then; what led to that, too.
    pub fn retain_names(&mut self, keep: impl Fn(&LocalPart, &LocalPart) -> bool) {
        for (alias, targets) in &mut self.aliases {
            targets.retain(|target| match target {
                MailTarget::Name(name) => keep(alias, name),
                MailTarget::Address(_) => true,
            });
        }
        loop {
            let empty = |targets: &BTreeSet<MailTarget>| targets.is_empty();
            let gone: BTreeSet<LocalPart> = self
                .aliases
                .iter()
                .filter(|(_, targets)| empty(targets))
                .map(|(alias, _)| alias.clone())
                .collect();
            if gone.is_empty() {
                return;
            }
            self.aliases.retain(|alias, _| !gone.contains(alias));
            for targets in self.aliases.values_mut() {
                targets.retain(|target| match target {
                    MailTarget::Name(name) => !gone.contains(name),
                    MailTarget::Address(_) => true,
                });
            }
        }
    }

    /// Takes somebody out of all of it.
    pub fn remove_person(&mut self, username: &Username) {
        self.quotas.remove(username);
        self.catch_all.take_if(|caught_by| caught_by == username);
        if let Some(gone) = LocalPart::of(username) {
            self.retain_names(|_, name| *name != gone);
        }
    }

    /// Where an alias leads to in the end: names that are no aliases, or somebody's all the same, and addresses outside
    /// `domain`. Each once, however often and in what circles it is named.
    pub fn ends_of(
        &self,
        alias: &LocalPart,
        domain: &Domain,
        is_somebodys: impl Fn(&LocalPart) -> bool,
    ) -> BTreeSet<MailTarget> {
        let (mut ends, mut seen) = (BTreeSet::new(), BTreeSet::from([alias.clone()]));
        let mut open = vec![alias.clone()];
        while let Some(alias) = open.pop() {
            for target in self.aliases.get(&alias).into_iter().flatten() {
                match target.within(domain) {
                    MailTarget::Name(name)
                        if self.aliases.contains_key(&name) && !is_somebodys(&name) =>
                    {
                        if seen.insert(name.clone()) {
                            open.push(name);
                        }
                    }
                    end => drop(ends.insert(end)),
                }
            }
        }
        ends
    }

    /// Whether what is sent to an alias comes back to it.
    pub fn is_circle(&self, alias: &LocalPart, domain: &Domain) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![alias.clone()]);
        while let Some(at) = open.pop() {
            for target in self.aliases.get(&at).into_iter().flatten() {
                if let MailTarget::Name(name) = target.within(domain) {
                    if name == *alias {
                        return true;
                    }
                    if seen.insert(name.clone()) {
                        open.push(name);
                    }
                }
            }
        }
        false
    }
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            aliases: BTreeMap::new(),
            catch_all: None,
            quota_mib: Self::USUAL_QUOTA_MIB,
            quotas: BTreeMap::new(),
            delivery: DeliveryConfig::Direct,
        }
    }
}

impl RelayConfig {
    /// Whether the same password is for both. Another port of a host is the same host.
    pub fn has_login_of(&self, other: &Self) -> bool {
        self.username.is_some() && self.host == other.host && self.username == other.username
    }
}

fn usual_quota() -> u32 {
    MailConfig::USUAL_QUOTA_MIB
}

fn submission_port() -> u16 {
    port::SUBMISSION
}

/// An address of somebody elsewhere: plain characters before the `@`, and a domain after it, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailAddress {
    text: String,
    at: usize,
}

impl MailAddress {
    /// The most characters an address may have (RFC 5321 section 4.5.3.1.3, without the brackets).
    pub const MAX: usize = 254;

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after it.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }
}

impl MailTarget {
    /// The same, with an address of the cell's own domain as the name it stands for.
    pub fn within(&self, domain: &Domain) -> Self {
        let own = match self {
            Self::Address(address) if address.domain() == domain.as_str() => {
                let local = address.local_part();
                local.split_once('+').map_or(local, |(name, _)| name)
            }
            other => return other.clone(),
        };
        own.parse().map_or_else(|_| self.clone(), Self::Name)
    }
}

impl FromStr for MailAddress {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const FORM: NameError = NameError::Form("must be an address, such as somebody@example.org");
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().count() > Self::MAX {
            return Err(NameError::TooLong(Self::MAX));
        }
        let (local, domain) = text.rsplit_once('@').ok_or(FORM)?;
        if local.is_empty() || local.len() > LocalPart::MAX {
            return Err(FORM);
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+=&'~".contains(&b);
        if !local.bytes().all(plain) {
            return Err(NameError::Alphabet(
                "letters, digits and the characters . _ - + = & ' ~ before the @",
            ));
        }
        let starts_well = local.as_bytes()[0].is_ascii_alphanumeric() || local.starts_with('_');
        if !starts_well || local.ends_with('.') || local.contains("..") {
            return Err(FORM);
        }
        let domain: Domain = domain.parse()?;
        if !domain.as_str().contains('.') {
            return Err(FORM);
        }
        Ok(Self {
            text: format!("{local}@{domain}"),
            at: local.len(),
        })
    }
}

impl FromStr for MailTarget {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.contains('@') {
            true => text.parse().map(Self::Address),
            false => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for MailTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Serialize for MailTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MailTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for MailTarget {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MailTarget".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": MailAddress::MAX,
            "description": "Who gets it: the name of an account, another alias, or an address elsewhere."
        })
    }
}

/// Who the box is at a provider, of mail or of a way out: printable ASCII without spaces and colons, which neither the mail
/// service's table of logins nor HTTP could tell from their own (RFC 7617 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoginName(String);

impl LoginName {
    /// The most characters it may have.
    pub const MAX: usize = 255;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LoginName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().count() > Self::MAX {
            return Err(NameError::TooLong(Self::MAX));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(NameError::Alphabet(
                "letters, digits and signs, no spaces and no ':'",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LoginName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for LoginName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoginName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": Self::MAX, "pattern": "^[!-9;-~]+$",
            "description": "Who the box is at a provider that brings mail on."
        })
    }
}

/// Whether a text can be the password of the box at a provider: what a line of the mail service's table of logins holds.
pub fn is_login_password(text: &str) -> bool {
    let fits = !text.is_empty() && text.len() <= 255;
    fits && text.trim() == text && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> LocalPart {
        text.parse().unwrap()
    }

    fn mail(aliases: &[(&str, &[&str])]) -> MailConfig {
        let aliases = aliases.iter().map(|(alias, targets)| {
            let targets = targets.iter().map(|target| target.parse().unwrap());
            (name(alias), targets.collect())
        });
        MailConfig {
            aliases: aliases.collect(),
            ..MailConfig::default()
        }
    }

    #[test]
    fn mail_is_written_as_it_is_read() {
        let json = serde_json::json!({
            "aliases": { "info": ["anna", "Somebody.Else+x@Example.ORG"] },
            "catch_all": "ben", "quota_mib": 4096, "quotas": { "ben": 64 },
            "delivery": { "mode": "relay", "relay": { "host": "smtp.example.net", "username": "hut@example.net" } },
        });
        let read: MailConfig = serde_json::from_value(json).unwrap();
        assert_eq!(read.relay().unwrap().port, 587);
        let targets: Vec<String> = read.aliases[&name("info")]
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(targets, ["anna", "Somebody.Else+x@example.org"]);
        assert_eq!(read.quota_of(&"ben".parse().unwrap()), 64);
        assert_eq!(read.quota_of(&"anna".parse().unwrap()), 4096);
        let again = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<MailConfig>(again).unwrap(), read);
        let none: MailConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(none, MailConfig::default());
    }

    #[test]
    fn what_is_misspelt_is_no_mail() {
        for bad in [
            r#"{"alias":{}}"#,
            r#"{"aliases":{"a b":[]}}"#,
            r#"{"aliases":{"info":["a b"]}}"#,
            r#"{"delivery":{"mode":"pigeon"}}"#,
            r#"{"delivery":{"mode":"relay"}}"#,
            r#"{"delivery":{"mode":"relay","relay":{"host":"10.0.0.1"}}}"#,
            r#"{"delivery":{"mode":"relay","relay":{"host":"a.example","password":"x"}}}"#,
            r#"{"delivery":{"mode":"relay","relay":{"host":"a.example","username":"a:b"}}}"#,
        ] {
            assert!(serde_json::from_str::<MailConfig>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_plain_ones() {
        for good in ["a@b.example", "a.b+c@b.example", "_x'y@b.example"] {
            assert!(good.parse::<MailAddress>().is_ok(), "{good}");
        }
        let long = format!("{}@b.example", "a".repeat(65));
        for bad in [
            "",
            "a",
            "@b.example",
            "a@",
            "a@b",
            "a@@b.example",
            "a b@b.example",
            "\"a\"@b.example",
            ".a@b.example",
            "a.@b.example",
            "a..b@b.example",
            "-a@b.example",
            "a%b@b.example",
            "a!b@b.example",
            "a,b@b.example",
            "ä@b.example",
            "a@[10.0.0.1]",
            "a@b.example\n",
            &long,
        ] {
            assert!(bad.parse::<MailAddress>().is_err(), "{bad}");
        }
        let address: MailAddress = "Anna@B.Example.".parse().unwrap();
        assert_eq!(
            (address.local_part(), address.domain()),
            ("Anna", "b.example")
        );
    }

    #[test]
    fn aliases_are_followed_to_their_ends() {
        let mail = mail(&[
            ("info", &["shop", "anna", "x@example.org"]),
            ("shop", &["Ben+shop@Hut.Example", "anna"]),
            ("round", &["trip", "carla"]),
            ("trip", &["round@hut.example"]),
        ]);
        let domain: Domain = "hut.example".parse().unwrap();
        let ends = |alias: &str| -> Vec<String> {
            let ends = mail.ends_of(&name(alias), &domain, |_| false);
            ends.iter().map(ToString::to_string).collect()
        };
        assert_eq!(ends("info"), ["anna", "ben", "x@example.org"]);
        assert_eq!(ends("trip"), ["carla"]);
        assert!(ends("nobody").is_empty());
        let circles =
            ["info", "shop", "round", "trip"].map(|alias| mail.is_circle(&name(alias), &domain));
        assert_eq!(circles, [false, false, true, true]);
    }

    #[test]
    fn whoever_goes_takes_along_what_was_for_them_alone() {
        let mut mail = mail(&[
            ("info", &["shop", "anna"]),
            ("shop", &["ben"]),
            ("deep", &["shop"]),
            ("out", &["ben", "x@example.org"]),
        ]);
        let ben: Username = "ben".parse().unwrap();
        mail.catch_all = Some(ben.clone());
        mail.quotas = [(ben.clone(), 100), ("anna".parse().unwrap(), 200)].into();
        mail.remove_person(&ben);
        let left: Vec<String> = mail
            .aliases
            .iter()
            .map(|(alias, targets)| {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                format!("{alias}: {}", targets.join(", "))
            })
            .collect();
        assert_eq!(left, ["info: anna", "out: x@example.org"]);
        assert_eq!((mail.catch_all, mail.quotas.len()), (None, 1));
    }

    #[test]
    fn password_of_a_relay_fits_on_a_line() {
        for good in ["x", "p:a ss", "pä\u{df}"] {
            assert!(is_login_password(good), "{good}");
        }
        for bad in ["", " x", "x ", "a\nb", "a\0b", &"x".repeat(256)] {
            assert!(!is_login_password(bad), "{bad:?}");
        }
    }
}
