//! Validated names. Each is parsed once, at the edge, and is valid from then on.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not the name it should be. The text is fit to be shown beside the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// More characters than the limit.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// A character outside the alphabet; the alphabet in words.
    #[error("may only contain {0}")]
    Alphabet(&'static str),
    /// The alphabet is kept, the form is not; the form in words.
    #[error("{0}")]
    Form(&'static str),
}

/// Implements parsing, display and serde for a validated text, and its JSON schema.
macro_rules! name {
    ($type:ident, $max:expr, $pattern:expr, $doc:expr, $check:expr) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            /// The most characters it may have.
            pub const MAX: usize = $max;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if text.is_empty() {
                    return Err(NameError::Empty);
                }
                if text.chars().count() > Self::MAX {
                    return Err(NameError::TooLong(Self::MAX));
                }
                let check: fn(&str) -> Result<String, NameError> = $check;
                check(text).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "minLength": 1, "maxLength": $max, "pattern": $pattern, "description": $doc
                })
            }
        }
    };
}

name!(
    CellName,
    63,
    "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$",
    "The name of the box: a DNS label, so letters, digits and inner hyphens.",
    |text| label(text).map(|()| text.to_owned())
);

name!(
    DnsLabel,
    63,
    "^[a-z0-9_-]+$",
    "One label of a DNS name, lower case.",
    |text| {
        let lower = text.to_ascii_lowercase();
        if lower
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            Ok(lower)
        } else {
            Err(NameError::Alphabet("letters, digits, '-' and '_'"))
        }
    }
);

name!(
    Domain,
    253,
    "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
    "A domain name: labels of letters, digits and inner hyphens, joined by dots.",
    domain
);

name!(
    RecordOwner,
    253,
    "^[a-z0-9_-]+(\\.[a-z0-9_-]+)*$",
    "The name a DNS record is found under, whole and lower case: unlike a domain it may have '_' (RFC 8552).",
    |text| {
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        for part in lower.split('.') {
            part.parse::<DnsLabel>().map_err(|error| match error {
                NameError::Empty => NameError::Form("must not have an empty label"),
                NameError::TooLong(_) => {
                    NameError::Form("must have labels of at most 63 characters")
                }
                other => other,
            })?;
        }
        Ok(lower)
    }
);

name!(
    PeerName,
    64,
    "^[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*$",
    "The name of a device: letters, digits, '_', '-' and '.', at least one letter or digit.",
    |text| {
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        {
            return Err(NameError::Alphabet("letters, digits, '_', '-' and '.'"));
        }
        if !text.bytes().any(|b| b.is_ascii_alphanumeric()) {
            return Err(NameError::Form("must have at least one letter or digit"));
        }
        Ok(text.to_owned())
    }
);

name!(
    Username,
    64,
    "^[A-Za-z0-9][A-Za-z0-9._@-]*$",
    "The name an account signs in with; upper and lower case are the same.",
    |text| {
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.@".contains(&b))
        {
            return Err(NameError::Alphabet(
                "letters, digits, '_', '-', '.' and '@'",
            ));
        }
        if !text.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(NameError::Form("must start with a letter or digit"));
        }
        Ok(text.to_ascii_lowercase())
    }
);

name!(
    DeviceLabel,
    64,
    "^[A-Za-z0-9][A-Za-z0-9 ._'-]*$",
    "What a person calls a device that uses services: letters, digits, spaces, '_', '-', '.' and apostrophes.",
    |text| {
        let text = text.trim_end_matches(' ');
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" _-.'".contains(&b))
        {
            return Err(NameError::Alphabet(
                "letters, digits, spaces, '_', '-', '.' and apostrophes",
            ));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(NameError::Form("must start with a letter or digit"));
        }
        Ok(text.to_owned())
    }
);

name!(
    InterfaceName,
    15,
    "^[A-Za-z0-9._-]+$",
    "The name of a network interface as the kernel takes it.",
    |text| {
        if text == "." || text == ".." {
            return Err(NameError::Form("is not a name"));
        }
        if text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        {
            Ok(text.to_owned())
        } else {
            Err(NameError::Alphabet("letters, digits, '_', '-' and '.'"))
        }
    }
);

name!(
    TimeZoneName,
    64,
    "^[A-Za-z0-9+_/-]+$",
    "A time zone of the IANA database, such as Europe/Vienna.",
    |text| {
        let known = jiff::tz::TimeZoneDatabase::bundled()
            .get(text)
            .map_err(|_| NameError::Form("is not a known time zone, such as Europe/Vienna"))?;
        Ok(known.iana_name().unwrap_or(text).to_owned())
    }
);

name!(
    ServiceId,
    31,
    "^[a-z][a-z0-9-]*$",
    "What a service is called everywhere but on screens: a lower-case letter, then letters, digits and inner hyphens.",
    lower_label
);

name!(
    SourceName,
    31,
    "^[a-z][a-z0-9-]*$",
    "What the owner calls a source of services: a lower-case letter, then letters, digits and inner hyphens.",
    lower_label
);

name!(
    GroupName,
    31,
    "^[a-z][a-z0-9-]*$",
    "What a group of people is called: a lower-case letter, then letters, digits and inner hyphens.",
    lower_label
);

name!(
    ConnectionName,
    63,
    "^[A-Za-z0-9 ._-]*[A-Za-z0-9][A-Za-z0-9 ._-]*$",
    "What a way out to the internet is called: letters, digits, spaces, '_', '-' and '.', at least one letter or digit.",
    |text| {
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" _-.".contains(&b))
        {
            return Err(NameError::Alphabet(
                "letters, digits, spaces, '_', '-' and '.'",
            ));
        }
        if !text.bytes().any(|b| b.is_ascii_alphanumeric()) {
            return Err(NameError::Form("must have at least one letter or digit"));
        }
        Ok(text.trim().to_owned())
    }
);

name!(
    LocalPart,
    64,
    "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?$",
    "What stands before the @ of an address of the box: letters, digits, '_', '-' and single dots; upper and lower case are the same.",
    |text| {
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        {
            return Err(NameError::Alphabet("letters, digits, '_', '-' and '.'"));
        }
        if !text.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(NameError::Form("must start with a letter or digit"));
        }
        if text.ends_with('.') || text.contains("..") {
            return Err(NameError::Form(
                "must have dots between other characters only",
            ));
        }
        Ok(text.to_ascii_lowercase())
    }
);

name!(
    PartName,
    31,
    "^[a-z][a-z0-9-]*$",
    "The name of a container or volume within its service: a lower-case letter, then letters, digits and inner hyphens.",
    lower_label
);

name!(
    SettingKey,
    31,
    "^[a-z][a-z0-9_]*$",
    "The name of a setting of a service: a lower-case letter, then letters, digits and '_'.",
    |text| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !text.bytes().all(plain) {
            return Err(NameError::Alphabet("lower-case letters, digits and '_'"));
        }
        if !text.as_bytes()[0].is_ascii_lowercase() {
            return Err(NameError::Form("must start with a letter"));
        }
        Ok(text.to_owned())
    }
);

impl ServiceId {
    /// Whose the container of the reverse proxy is: the box's own.
    pub fn proxy() -> Self {
        Self("proxy".to_owned())
    }

    /// The mail service.
    pub fn mail() -> Self {
        Self("mail".to_owned())
    }

    /// Whether no service of a catalogue may be called so.
    pub fn is_reserved(&self) -> bool {
        *self == Self::proxy()
    }
}

impl LocalPart {
    /// That of somebody's own address; `None` when their name cannot stand before an `@`.
    pub fn of(username: &Username) -> Option<Self> {
        username.as_str().parse().ok()
    }

    /// Whose address it is, when somebody has it as their name.
    pub fn username(&self) -> Username {
        Username(self.0.clone())
    }
}

impl PeerName {
    /// The DNS label of the peer: lower case, `_` and `.` as `-`, cut to 63.
    pub fn label(&self) -> DnsLabel {
        let mut text = self.0.to_ascii_lowercase().replace(['_', '.'], "-");
        text.truncate(DnsLabel::MAX);
        DnsLabel(text)
    }
}

impl Username {
    /// How the names of those end who act at the console, without an account.
    pub const LOCAL_SUFFIX: &str = "@console";

    /// Whether no account may have the name.
    pub fn is_kept_for_the_console(&self) -> bool {
        self.0.ends_with(Self::LOCAL_SUFFIX)
    }
}

impl CellName {
    /// What a box is called until its owner names it; also the host name in the image.
    pub fn before_setup() -> Self {
        Self("cell".to_owned())
    }

    /// Whether `/cells/<name>` or `/api/cells/<name>` is something else, so that no cell can be linked that is called so.
    pub fn is_a_page(&self) -> bool {
        ["invite", "invites", "new", "take-back"].contains(&self.0.as_str())
    }

    /// The label the box is found by (`<label>.local`).
    pub fn label(&self) -> DnsLabel {
        DnsLabel(self.0.to_ascii_lowercase())
    }
}

impl DnsLabel {
    /// Labels of the cell's domain that no peer or service may take.
    pub const RESERVED: [&str; 9] = [
        "api", "webui", "admin", "www", "ns1", "ns2", "git", "registry", "install",
    ];

    /// The label of the admin page.
    pub fn admin() -> Self {
        Self("admin".to_owned())
    }

    /// The label and those to fall back on where others at home have it: `home`, `home-2` to `home-9`, each cut to 63.
    pub fn alternatives(&self) -> impl Iterator<Item = Self> {
        let numbered = (2..=9).map(|number| {
            let suffix = format!("-{number}");
            let mut text = self.0.clone();
            text.truncate(Self::MAX - suffix.len());
            Self(text + &suffix)
        });
        std::iter::once(self.clone()).chain(numbered)
    }

    /// The label as a name of multicast DNS, without a dot at its end (RFC 6762).
    pub fn local_name(&self) -> String {
        format!("{self}.local")
    }

    /// Whether the box keeps this label for itself.
    pub fn is_reserved(&self) -> bool {
        Self::RESERVED.contains(&self.as_str())
    }
}

impl From<&Domain> for RecordOwner {
    fn from(domain: &Domain) -> Self {
        Self(domain.0.clone())
    }
}

impl Domain {
    /// A name below this one, such as `_25._tcp` or `mail`.
    ///
    /// # Errors
    /// When it is no name, or too long with the domain behind it.
    pub fn owner(&self, below: &str) -> Result<RecordOwner, NameError> {
        format!("{below}.{self}").parse()
    }

    /// Whether nobody has it on the internet: it has one label, or ends in what people use at home and in tests, and was
    /// never given to anybody (`internal`: ICANN board resolution 2024.07.29.06; `test`: RFC 6761).
    pub fn is_for_home(&self) -> bool {
        const ENDS: [&str; 6] = ["cell", "home", "internal", "lan", "localdomain", "test"];
        let end = self.as_str().rsplit_once('.');
        end.is_none_or(|(_, end)| ENDS.contains(&end))
    }

    /// A host below this one, such as `mail`.
    ///
    /// # Errors
    /// When it is no host name, or too long with the domain behind it.
    pub fn host(&self, label: &str) -> Result<Self, NameError> {
        format!("{label}.{self}").parse()
    }
}

/// A strict host name label, either case (RFC 1123 section 2.1).
fn label(text: &str) -> Result<(), NameError> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(NameError::Alphabet("letters, digits and '-'"));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(NameError::Form("must start and end with a letter or digit"));
    }
    Ok(())
}

fn lower_label(text: &str) -> Result<String, NameError> {
    if !text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return Err(NameError::Alphabet("lower-case letters, digits and '-'"));
    }
    if !text.as_bytes()[0].is_ascii_lowercase() || text.ends_with('-') {
        return Err(NameError::Form(
            "must start with a letter and end with a letter or digit",
        ));
    }
    Ok(text.to_owned())
}

fn domain(text: &str) -> Result<String, NameError> {
    let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    for part in lower.split('.') {
        if part.is_empty() {
            return Err(NameError::Form("must not have an empty label"));
        }
        if part.len() > 63 {
            return Err(NameError::Form("must have labels of at most 63 characters"));
        }
        label(part).map_err(|error| match error {
            NameError::Alphabet(_) => NameError::Alphabet("letters, digits, '-' and '.'"),
            other => other,
        })?;
    }
    let top = lower.rsplit('.').next().unwrap_or_default();
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NameError::Form(
            "must not end in a number: it would read as an address",
        ));
    }
    // RFC 6761, RFC 6762, RFC 7686: names with a meaning of their own.
    if ["localhost", "local", "onion", "arpa", "invalid"].contains(&top) {
        return Err(NameError::Form(
            "must not end in a name with a special meaning (local, localhost, onion, arpa, invalid)",
        ));
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_for_home_is_told_from_one_of_the_internet() {
        for (domain, expected) in [
            ("hut.cell", true),
            ("a.house.lan", true),
            ("hut", true),
            ("example.org", false),
            ("cell.example.org", false),
        ] {
            let domain: Domain = domain.parse().unwrap();
            assert_eq!(domain.is_for_home(), expected, "{domain}");
        }
    }

    #[test]
    fn domain_is_lower_cased_and_loses_its_final_dot() {
        assert_eq!(
            "Home.Cell.".parse::<Domain>().unwrap().as_str(),
            "home.cell"
        );
    }

    #[test]
    fn domain_refuses_what_is_no_host_name() {
        for bad in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a_b.c",
            "ä.cell",
            "10.0.0.1",
            "printer.local",
            "a b",
            "a\0b",
        ] {
            assert!(bad.parse::<Domain>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(64).parse::<Domain>().is_err());
        assert!(["a"; 128].join(".").parse::<Domain>().is_err());
    }

    #[test]
    fn owner_of_a_record_may_have_underscores_and_is_whole() {
        let domain: Domain = "home.cell".parse().unwrap();
        let owner = domain.owner("_25._tcp.Mail").unwrap();
        assert_eq!(owner.as_str(), "_25._tcp.mail.home.cell");
        assert_eq!(RecordOwner::from(&domain).as_str(), "home.cell");
        assert_eq!(domain.host("mail").unwrap().as_str(), "mail.home.cell");
        assert!(domain.host("_mail").is_err());
        for bad in ["", "a..b", "ä", "a b", &"a".repeat(64), &"a.".repeat(130)] {
            assert!(domain.owner(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn peer_name_keeps_its_case_and_gives_a_label() {
        let name: PeerName = "Anna_Phone.2".parse().unwrap();
        assert_eq!(name.as_str(), "Anna_Phone.2");
        assert_eq!(name.label().as_str(), "anna-phone-2");
        let long: PeerName = "x".repeat(64).parse().unwrap();
        assert_eq!(long.label().as_str().len(), 63);
    }

    #[test]
    fn name_that_others_have_gives_eight_more_of_the_same_length() {
        let name: CellName = "Home".parse().unwrap();
        let labels: Vec<DnsLabel> = name.label().alternatives().collect();
        assert_eq!(labels.len(), 9);
        assert_eq!((labels[0].as_str(), labels[8].as_str()), ("home", "home-9"));
        assert_eq!(labels[1].local_name(), "home-2.local");
        let long: DnsLabel = "x".repeat(63).parse().unwrap();
        assert!(long.alternatives().all(|label| label.as_str().len() == 63));
    }

    #[test]
    fn peer_name_refuses_look_alikes_and_bare_punctuation() {
        // The first letter is CYRILLIC SMALL LETTER A.
        for bad in ["", "..", "-", "\u{430}nna", "a/b", "a b", "a\n", "a\0"] {
            assert!(bad.parse::<PeerName>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "x".repeat(65).parse::<PeerName>(),
            Err(NameError::TooLong(64))
        );
    }

    #[test]
    fn device_is_called_as_people_speak() {
        for good in ["phone", "Anna's phone", "DAVx5 2.0"] {
            assert_eq!(good.parse::<DeviceLabel>().unwrap().as_str(), good);
        }
        assert_eq!(
            "tablet  ".parse::<DeviceLabel>().unwrap().as_str(),
            "tablet"
        );
        for bad in ["", " ", " phone", "'", "<b>", "a\tb", "\u{430}nna"] {
            assert!(bad.parse::<DeviceLabel>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn time_zone_must_be_known() {
        assert_eq!(
            "Europe/Vienna".parse::<TimeZoneName>().unwrap().as_str(),
            "Europe/Vienna"
        );
        assert_eq!("UTC".parse::<TimeZoneName>().unwrap().as_str(), "UTC");
        assert!("Mars/Olympus".parse::<TimeZoneName>().is_err());
        assert!("../etc/passwd".parse::<TimeZoneName>().is_err());
    }

    #[test]
    fn key_of_a_setting_is_a_plain_word() {
        assert!("max_upload".parse::<SettingKey>().is_ok());
        for bad in ["", "_a", "1a", "A", "a-b", "a b", &"a".repeat(32)] {
            assert!(bad.parse::<SettingKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn interface_name_fits_the_kernel() {
        assert!("wg0".parse::<InterfaceName>().is_ok());
        assert!("a-name-too-long-".parse::<InterfaceName>().is_err());
        assert!("a/b".parse::<InterfaceName>().is_err());
    }
}
