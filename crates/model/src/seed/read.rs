//! From TOML to a seed. Goes on after a finding, so that one look tells everything.

use ipnet::Ipv4Net;
use toml::de::{DeTable, DeValue};

use super::{Seed, SeedInterfaces};
use crate::config::{AddressingConfig, AddressingError};
use crate::ssh_key::{MAX_SSH_KEYS, SshKey};
use crate::toml_text::{Field, Reader, Section, TomlError, field};

const HOSTNAME: Field = field("hostname", "\"home\"");
pub(super) const CELL_NAME: Field = field("cell_name", "\"home\"");
const WAN: Field = field("wan", "\"eth0\"");
const LAN: Field = field("lan", "\"eth1\"");
const WAN_ADDRESSING: Field = field(
    "wan_addressing",
    "\"dhcp\" or { address = \"192.168.1.5/24\", gateway = \"192.168.1.1\" }",
);
const LAN_ADDRESSING: Field = field("lan_addressing", "{ address = \"192.168.77.1/24\" }");
const ADDRESS: Field = field("address", "\"192.168.1.5/24\"");
const GATEWAY: Field = field("gateway", "\"192.168.1.1\"");
const AUTHORIZED_KEYS: Field = field("authorized_keys", "[\"ssh-ed25519 AAAA… anna@laptop\"]");

/// How a hash is made, with the parameters the box itself uses.
pub(super) const MAKE_HASH: &str = "make a hash of it and put that as admin_password_hash, for example with \
    argon2 \"$(openssl rand -base64 12)\" -id -t 2 -k 19456 -p 1 -e";

/// The seed, or everything that is wrong with it.
pub(super) fn seed(text: &str, table: &DeTable<'_>) -> Result<Seed, TomlError> {
    let mut reader = Reader::new(text).with_hint(hint);
    let seed = reader.seed(&Section::root(table));
    reader.finish(seed)
}

/// What people put into a seed that is not to be there.
fn hint(table: &str, key: &str) -> Option<String> {
    Some(match (table, key) {
        ("setup.answers", "admin_password" | "password") => {
            format!("a plain password must not stand in a file; {MAKE_HASH}")
        }
        ("setup.answers", "setup_code") => {
            "with answers nobody enters a setup code; remove it".to_owned()
        }
        ("", "wifi" | "ssid" | "passphrase") => {
            "Wi-Fi is not supported by this version; remove it and connect the box by cable"
                .to_owned()
        }
        _ => return None,
    })
}

impl Reader<'_> {
    fn seed(&mut self, root: &Section<'_>) -> Option<Seed> {
        self.only(root, &["hostname", "cell_name", "network", "ssh", "setup"]);
        let cell_name = match (root.find("hostname"), root.find("cell_name")) {
            (Some(_), Some((key, _))) => {
                self.report(
                    key.span().start,
                    "hostname and cell_name are the same; say one of them",
                );
                None
            }
            (Some(_), None) => self.value(root, HOSTNAME),
            _ => self.value(root, CELL_NAME),
        };
        let network = self.section(root, "network", "network");
        let ssh = self.section(root, "ssh", "ssh");
        let setup = self.section(root, "setup", "setup");
        let named = root.has("hostname") || root.has("cell_name");
        let mut seed = Seed {
            cell_name,
            interfaces: None,
            wan_addressing: None,
            lan_addressing: None,
            ssh_keys: Vec::new(),
            setup: None,
        };
        if let Some(network) = network {
            self.network(&network, &mut seed);
        }
        if let Some(ssh) = ssh {
            seed.ssh_keys = self.ssh(&ssh);
        }
        if let Some(setup) = setup {
            seed.setup = self.setup(&setup, &seed, named);
        }
        if root.table.is_empty() {
            self.report(0, "the file says nothing; remove it or say something");
        }
        Some(seed)
    }

    fn network(&mut self, section: &Section<'_>, seed: &mut Seed) {
        self.only(section, &["wan", "lan", "wan_addressing", "lan_addressing"]);
        let wan = self.value(section, WAN);
        let lan = self.value(section, LAN);
        if let Some((key, value)) = section.find("lan") {
            if !section.has("wan") {
                self.report(
                    key.span().start,
                    "network.lan needs network.wan beside it; for example: wan = \"eth0\"",
                );
            } else if lan.is_some() && lan == wan {
                self.report(
                    value.span().start,
                    "network.lan must be another interface than network.wan; leave it out on a box with one",
                );
            }
        }
        match (section.find("lan"), section.find("lan_addressing")) {
            // Left out, nobody at home could reach the box: no address is there to be adopted.
            (Some((key, _)), None) => self.report(
                key.span().start,
                "network.lan needs network.lan_addressing beside it; for example: lan_addressing = { address = \"192.168.77.1/24\" }",
            ),
            (None, Some((key, _))) if wan.is_some() => self.report(
                key.span().start,
                "network.lan_addressing needs network.lan beside it; for example: lan = \"eth1\"",
            ),
            _ => {}
        }
        seed.interfaces = wan.map(|wan| SeedInterfaces { wan, lan });
        seed.wan_addressing = self.addressing(section, WAN_ADDRESSING, "network.wan_addressing");
        seed.lan_addressing = self.addressing(section, LAN_ADDRESSING, "network.lan_addressing");
        let net = |addressing: &Option<AddressingConfig>| match addressing {
            Some(AddressingConfig::Static { address, .. }) => Some(*address),
            _ => None,
        };
        if let (Some(wan), Some(lan)) = (net(&seed.wan_addressing), net(&seed.lan_addressing))
            && overlap(wan, lan)
            && let Some((key, _)) = section.find("lan_addressing")
        {
            self.report(
                key.span().start,
                "network.lan_addressing must be in another network than network.wan_addressing",
            );
        }
    }

    fn addressing(
        &mut self,
        section: &Section<'_>,
        field: Field,
        path: &'static str,
    ) -> Option<AddressingConfig> {
        let (_, value) = section.find(field.key)?;
        match value.get_ref() {
            DeValue::String(word) if word == "dhcp" => return Some(AddressingConfig::Dhcp),
            DeValue::Table(_) => {}
            _ => {
                self.wrong(
                    section,
                    field,
                    value.span().start,
                    "must be the word dhcp or an address with its network",
                );
                return None;
            }
        }
        let inner = self.section(section, field.key, path)?;
        self.only(&inner, &["address", "gateway"]);
        let address: Option<Ipv4Net> = self.require(&inner, ADDRESS).and_then(|(text, at)| {
            // Without a prefix length it would be read as a single address.
            let parsed = text.contains('/').then(|| text.parse().ok()).flatten();
            if parsed.is_none() {
                let message = "must be an IPv4 address with the length of its network's prefix";
                self.wrong_text(&inner, ADDRESS, at, text, message);
            }
            parsed
        });
        let gateway = match inner.find("gateway") {
            Some(_) => {
                let (text, at) = self.text(&inner, GATEWAY)?;
                if field.key == LAN_ADDRESSING.key {
                    self.report(
                        at,
                        "network.lan_addressing.gateway must not be said: only the uplink has a gateway",
                    );
                    return None;
                }
                let Ok(gateway) = text.parse() else {
                    self.wrong_text(&inner, GATEWAY, at, text, "must be an IPv4 address");
                    return None;
                };
                Some(gateway)
            }
            None => None,
        };
        let addressing = AddressingConfig::Static {
            address: address?,
            gateway,
        };
        if let Err(error) = addressing.check() {
            let wrong = match error {
                AddressingError::Address => ADDRESS,
                AddressingError::Gateway => GATEWAY,
            };
            let at = inner
                .find(wrong.key)
                .map_or(inner.at, |(_, value)| value.span().start);
            self.wrong(&inner, wrong, at, error);
            return None;
        }
        Some(addressing)
    }

    fn ssh(&mut self, section: &Section<'_>) -> Vec<SshKey> {
        self.only(section, &["authorized_keys"]);
        match section.find(AUTHORIZED_KEYS.key) {
            None => self.missing(section, AUTHORIZED_KEYS),
            Some((_, value))
                if value
                    .get_ref()
                    .as_array()
                    .is_some_and(|keys| keys.is_empty()) =>
            {
                let message = "must have a key; leave [ssh] out to leave SSH off";
                self.wrong(section, AUTHORIZED_KEYS, value.span().start, message);
            }
            Some(_) => {}
        }
        self.values(section, AUTHORIZED_KEYS, MAX_SSH_KEYS)
    }
}

pub(super) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.trunc()) || other.contains(&one.trunc())
}
