//! Who the box is. Fields are named as the core names them, so its errors find them.

use cell_control::change::{Change, SettingsUpdate};
use cell_control::view::ConfigView;
use cell_model::config::{CellConfig, DomainConfig, VpnConfig};

use super::field::Field;
use super::{Draft, REVIEWED, REVISION, revision};

/// Fields of the settings.
pub(crate) const FIELDS: &[Field] = &[
    Field::text("cell.name", "Name of the cell").hint("Letters, digits and inner hyphens. Found at home as <name>.local."),
    Field::text("domain.name", "Domain").hint("Names of devices and services end in this, and the admin page is there, without a port. Changing it means new certificates and new addresses for everybody."),
    Field::text("vpn.subnet", "VPN network").hint("A private network such as 10.31.7.0/24. Every device needs its file anew when this changes."),
    Field::text("cell.endpoint", "Endpoint")
        .hint("Where devices find the box from outside: home.example.org or 203.0.113.7:51820. Empty: they find it only at home, unless the uplink has a public address.")
        .optional(),
    Field::time_zone("cell.timezone", "Time zone").hint("Such as Europe/Vienna."),
    REVISION,
    REVIEWED,
];

/// The form as the settings are now.
pub(crate) fn of(config: &ConfigView) -> Draft<'static> {
    let endpoint = config.cell.endpoint.as_ref().map(ToString::to_string);
    Draft::new(
        FIELDS,
        [
            ("cell.name", config.cell.name.to_string()),
            ("domain.name", config.domain.name.to_string()),
            ("vpn.subnet", config.vpn.subnet.to_string()),
            ("cell.endpoint", endpoint.unwrap_or_default()),
            ("cell.timezone", config.cell.timezone.to_string()),
            (REVISION.name, config.revision.to_string()),
        ],
    )
}

/// Reads the settings. What the form does not show stays as `config` has it.
pub(crate) fn parse(draft: &mut Draft, config: ConfigView) -> Option<Change> {
    let revision = revision(draft);
    let name = draft.require("cell.name");
    let domain = draft.require("domain.name");
    let subnet = draft.require_with("vpn.subnet", |text| {
        cell_model::subnet::parse_vpn_subnet(text).map_err(|error| error.to_string())
    });
    let endpoint = draft.maybe("cell.endpoint");
    let timezone = draft.require("cell.timezone");
    let update = SettingsUpdate {
        revision: Some(revision?),
        cell: Some(CellConfig {
            name: name?,
            timezone: timezone?,
            endpoint: endpoint?,
        }),
        domain: Some(DomainConfig {
            name: domain?,
            ..config.domain
        }),
        vpn: Some(VpnConfig {
            subnet: subnet?,
            ..config.vpn
        }),
        network: None,
        dns: None,
        updates: None,
        services: None,
    };
    draft.accept(Some(Change::Settings(Box::new(update))))
}
