//! Addresses of the interfaces. Fields are named as the core names them, so its errors find them.

use std::net::Ipv4Addr;

use cell_control::change::{Change, SettingsUpdate};
use cell_control::view::ConfigView;
use cell_model::config::{AddressingConfig, InterfaceConfig, NetworkConfig};
use ipnet::Ipv4Net;

use super::field::{Choice, Field};
use super::{Draft, REVIEWED, REVISION, revision};

const MODES: &[Choice] = &[
    ("adopt", "Keep what is there: somebody else looks after it"),
    ("dhcp", "Ask for an address by DHCP, as most routers expect"),
    ("static", "Use exactly this address"),
];

const WAN_MODE: &str = "network.wan.addressing.mode";
const WAN_ADDRESS: &str = "network.wan.addressing.address";
const WAN_GATEWAY: &str = "network.wan.addressing.gateway";
const LAN_MODE: &str = "network.lan.addressing.mode";
const LAN_ADDRESS: &str = "network.lan.addressing.address";

/// Fields of the addresses: the uplink's three, then the home side's two.
pub(crate) const FIELDS: &[Field] = &[
    Field::one(WAN_MODE, "Uplink (WAN)", MODES),
    Field::text(WAN_ADDRESS, "Uplink address")
        .hint("With the length of the prefix: 192.0.2.10/24.")
        .optional(),
    Field::text(WAN_GATEWAY, "Gateway")
        .hint("The router everything else goes through: 192.0.2.1.")
        .optional(),
    Field::one(LAN_MODE, "Home side (LAN)", MODES),
    Field::text(LAN_ADDRESS, "Home address")
        .hint("With the length of the prefix: 192.168.77.1/24.")
        .optional(),
    REVISION,
    REVIEWED,
];

/// The form as the addresses are now.
pub(crate) fn of(config: &ConfigView) -> Draft<'static> {
    let (wan_mode, wan_address, gateway) = typed(&config.network.wan.addressing);
    let (lan_mode, lan_address, _) = typed(&config.network.lan.addressing);
    Draft::new(
        FIELDS,
        [
            (WAN_MODE, wan_mode),
            (WAN_ADDRESS, wan_address),
            (WAN_GATEWAY, gateway),
            (LAN_MODE, lan_mode),
            (LAN_ADDRESS, lan_address),
            (REVISION.name, config.revision.to_string()),
        ],
    )
}

/// Reads the addresses.
pub(crate) fn parse(draft: &mut Draft) -> Option<Change> {
    let revision = revision(draft);
    let gateway = draft.maybe_with(WAN_GATEWAY, |text| {
        text.parse::<Ipv4Addr>()
            .map_err(|_| "must be an IPv4 address, such as 192.0.2.1".to_owned())
    });
    let wan = addressing(draft, WAN_MODE, WAN_ADDRESS, gateway.flatten());
    let lan = addressing(draft, LAN_MODE, LAN_ADDRESS, None);
    let update = SettingsUpdate {
        revision: Some(revision?),
        network: Some(NetworkConfig {
            wan: InterfaceConfig { addressing: wan? },
            lan: InterfaceConfig { addressing: lan? },
        }),
        ..SettingsUpdate::default()
    };
    draft.accept(Some(Change::Settings(Box::new(update))))
}

fn addressing(
    draft: &mut Draft,
    mode: &str,
    address: &str,
    gateway: Option<Ipv4Addr>,
) -> Option<AddressingConfig> {
    match draft.typed(mode) {
        "adopt" => Some(AddressingConfig::Adopt),
        "dhcp" => Some(AddressingConfig::Dhcp),
        "static" => {
            let address = draft.require_with(address, |text| {
                text.parse::<Ipv4Net>().map_err(|_| {
                    "must be an address with the length of its prefix, such as 192.168.77.1/24"
                        .to_owned()
                })
            })?;
            Some(AddressingConfig::Static { address, gateway })
        }
        _ => {
            draft.note(mode, "must be one of those shown");
            None
        }
    }
}

fn typed(addressing: &AddressingConfig) -> (String, String, String) {
    match addressing {
        AddressingConfig::Adopt => ("adopt".to_owned(), String::new(), String::new()),
        AddressingConfig::Dhcp => ("dhcp".to_owned(), String::new(), String::new()),
        AddressingConfig::Static { address, gateway } => (
            "static".to_owned(),
            address.to_string(),
            gateway
                .map(|gateway| gateway.to_string())
                .unwrap_or_default(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    fn read(wan: &str, address: &str, gateway: &str) -> (Draft<'static>, Option<Change>) {
        let body = format!(
            "{WAN_MODE}={wan}&{WAN_ADDRESS}={address}&{WAN_GATEWAY}={gateway}&{LAN_MODE}=adopt&revision=1"
        );
        let mut draft = Draft::read(FIELDS, &Form::parse(body.as_bytes()).unwrap());
        let change = parse(&mut draft);
        (draft, change)
    }

    #[test]
    fn static_address_is_read_with_its_gateway() {
        let (_, change) = read("static", "192.0.2.10/24", "192.0.2.1");
        let Some(Change::Settings(update)) = change else {
            panic!("it is complete");
        };
        let AddressingConfig::Static { address, gateway } = update.network.unwrap().wan.addressing
        else {
            panic!("it is static");
        };
        assert_eq!(
            (address.to_string().as_str(), gateway.is_some()),
            ("192.0.2.10/24", true)
        );
    }

    #[test]
    fn dhcp_needs_no_address_and_ignores_one_left_in_the_form() {
        let (_, change) = read("dhcp", "192.0.2.10/24", "192.0.2.1");
        let Some(Change::Settings(update)) = change else {
            panic!("it is complete");
        };
        assert_eq!(
            update.network.unwrap().wan.addressing,
            AddressingConfig::Dhcp
        );
    }

    #[test]
    fn wrong_address_is_named_as_the_core_would() {
        for (wan, address, gateway, wrong) in [
            ("static", "", "", WAN_ADDRESS),
            ("static", "192.0.2.10", "", WAN_ADDRESS),
            ("static", "192.0.2.10/24", "router", WAN_GATEWAY),
            ("dance", "", "", WAN_MODE),
        ] {
            let (draft, change) = read(wan, address, gateway);
            assert!(
                change.is_none() && draft.error(wrong).is_some(),
                "{wan} {address}"
            );
        }
    }
}
