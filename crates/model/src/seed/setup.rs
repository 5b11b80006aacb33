//! The part of a seed that is about setup: a code, or the answers.

use super::read::{CELL_NAME, MAKE_HASH, overlap};
use super::{Seed, SeedAnswers, SeedSetup};
use crate::config::{AddressingConfig, DomainMode};
use crate::name::Username;
use crate::secret::Secret;
use crate::subnet::parse_vpn_subnet;
use crate::toml_text::{Field, Reader, Section, field};

const CODE: Field = field("code", "\"H7K2M4PX\"");
const DOMAIN_MODE: Field = field("domain_mode", "\"lan\"");
const DOMAIN: Field = field("domain", "\"home.cell\"");
const VPN_SUBNET: Field = field("vpn_subnet", "\"10.31.7.0/24\"");
const ADMIN_USERNAME: Field = field("admin_username", "\"anna\"");
const ADMIN_PASSWORD_HASH: Field = field(
    "admin_password_hash",
    "\"$argon2id$v=19$m=19456,t=2,p=1$…$…\"",
);
const TIMEZONE: Field = field("timezone", "\"Europe/Vienna\"");
const ENDPOINT: Field = field("endpoint", "\"home.example.org\"");

impl Reader<'_> {
    /// `named` says that the box's name stands at the top of the text.
    pub(super) fn setup(
        &mut self,
        section: &Section<'_>,
        seed: &Seed,
        named: bool,
    ) -> Option<SeedSetup> {
        self.only(section, &["code", "answers"]);
        let code = section.find("code");
        let answers = self.section(section, "answers", "setup.answers");
        match (code, answers) {
            (Some((key, _)), Some(_)) => {
                self.report(
                    key.span().start,
                    "setup.code and setup.answers exclude each other: with answers nobody enters a code; say one of \
                     them",
                );
                None
            }
            (Some(_), None) => self.code(section).map(SeedSetup::Code),
            (None, Some(answers)) => self
                .answers(&answers, seed, named)
                .map(|answers| SeedSetup::Answers(Box::new(answers))),
            (None, None) => {
                if !section.has("answers") {
                    let message = "setup must have either code or answers; for example: code = ";
                    self.report(section.at, format!("{message}{}", CODE.example));
                }
                None
            }
        }
    }

    /// Exactly as the box shows it, so that nobody has to guess which character is meant.
    fn code(&mut self, section: &Section<'_>) -> Option<Secret<String>> {
        let (text, at) = self.text(section, CODE)?;
        let upper = Secret::new(text.to_ascii_uppercase());
        let taken = |byte: u8| {
            byte.is_ascii_digit() || byte.is_ascii_uppercase() && !b"ILOU".contains(&byte)
        };
        if upper.expose().len() != 8 || !upper.expose().bytes().all(taken) {
            let message = "must be 8 letters and digits, without I, L, O and U";
            self.wrong_text(section, CODE, at, text, message);
            return None;
        }
        if upper
            .expose()
            .bytes()
            .all(|byte| upper.expose().starts_with(char::from(byte)))
        {
            self.wrong(section, CODE, at, "must not be one character eight times");
            return None;
        }
        Some(upper)
    }

    fn answers(&mut self, section: &Section<'_>, seed: &Seed, named: bool) -> Option<SeedAnswers> {
        self.only(
            section,
            &[
                "cell_name",
                "domain_mode",
                "domain",
                "vpn_subnet",
                "admin_username",
                "admin_password_hash",
                "timezone",
                "endpoint",
            ],
        );
        let cell_name = match section.find(CELL_NAME.key) {
            None if named => seed.cell_name.clone(),
            Some((key, _)) if named => {
                let message = "the name is said at the top already; remove it here or there";
                self.report(key.span().start, message);
                None
            }
            _ => self.required(section, CELL_NAME),
        };
        let domain_mode = self.require(section, DOMAIN_MODE).and_then(|(text, at)| {
            if text == "lan" {
                return Some(DomainMode::Lan);
            }
            self.wrong_text(section, DOMAIN_MODE, at, text, "must be the word lan");
            None
        });
        let domain = self.required(section, DOMAIN);
        let vpn_subnet = self.require(section, VPN_SUBNET).and_then(|(text, at)| {
            let subnet = match parse_vpn_subnet(text) {
                Ok(subnet) => subnet,
                Err(error) => {
                    self.wrong_text(section, VPN_SUBNET, at, text, error);
                    return None;
                }
            };
            for (side, addressing) in [
                ("network.wan_addressing", &seed.wan_addressing),
                ("network.lan_addressing", &seed.lan_addressing),
            ] {
                if let Some(AddressingConfig::Static { address, .. }) = addressing
                    && overlap(*address, subnet)
                {
                    let message = format!("must be another network than that of {side}");
                    self.wrong(section, VPN_SUBNET, at, message);
                    return None;
                }
            }
            Some(subnet)
        });
        let admin_username = self
            .require(section, ADMIN_USERNAME)
            .and_then(|(text, at)| {
                let username = text.parse::<Username>().map_err(|error| error.to_string());
                let username = username.and_then(|name| match name.is_kept_for_the_console() {
                    true => Err("is kept for the console".to_owned()),
                    false => Ok(name),
                });
                username
                    .map_err(|error| self.wrong_text(section, ADMIN_USERNAME, at, text, error))
                    .ok()
            });
        let plain = ["admin_password", "password"]
            .into_iter()
            .any(|key| section.has(key));
        let admin_password_hash = match plain {
            // Said already, and better, than that the hash is missing.
            true => None,
            false => self
                .require(section, ADMIN_PASSWORD_HASH)
                .and_then(|(text, at)| {
                    let hash = text.parse();
                    hash.map_err(|error| {
                        self.wrong(
                            section,
                            ADMIN_PASSWORD_HASH,
                            at,
                            format!("{error}; {MAKE_HASH}"),
                        );
                    })
                    .ok()
                }),
        };
        let timezone = self.required(section, TIMEZONE);
        let endpoint = match section.has(ENDPOINT.key) {
            true => Some(self.value(section, ENDPOINT)?),
            false => None,
        };
        Some(SeedAnswers {
            cell_name: cell_name?,
            domain_mode: domain_mode?,
            domain: domain?,
            vpn_subnet: vpn_subnet?,
            admin_username: admin_username?,
            admin_password_hash: admin_password_hash?,
            timezone: timezone?,
            endpoint,
        })
    }
}
