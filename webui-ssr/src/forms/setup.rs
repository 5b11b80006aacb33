//! The answers of the setup.

use cell_control::change::SetupForm;
use cell_control::view::SetupView;
use cell_model::config::DomainMode;
use cell_model::name::{CellName, Domain};

use super::Draft;
use super::field::Field;

/// Fields of the setup, in the order of the page.
pub(crate) const FIELDS: &[Field] = &[
    Field::text("setup_code", "Setup code").hint("Eight letters and digits, shown on the box's screen and console. It proves that you stand before the box."),
    Field::text("cell_name", "Name of the cell").hint("Letters, digits and inner hyphens, such as home."),
    Field::text("domain", "Domain")
        .hint("Names of devices and services end in this, and the admin page is there. Left empty: the cell's name with .cell at its end.")
        .optional(),
    Field::text("vpn_subnet", "VPN network").hint("A private network for your devices. The proposal is free where the box is now."),
    Field::text("endpoint", "Endpoint")
        .hint("Where devices find the box from outside: a name or an address. It can be set later.")
        .optional(),
    Field::time_zone("timezone", "Time zone").hint("Such as Europe/Vienna. Start typing to choose."),
    Field::username("admin_username", "Your name").hint("To sign in with."),
    Field::new_password("admin_password", "Password"),
];

/// The form with the box's proposals.
pub(crate) fn proposal(setup: &SetupView) -> Draft<'static> {
    Draft::new(
        FIELDS,
        [
            (
                "cell_name",
                setup
                    .cell_name
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            ),
            ("vpn_subnet", setup.vpn_subnet.clone().unwrap_or_default()),
            ("timezone", "UTC".to_owned()),
        ],
    )
}

/// Reads the answers.
pub(crate) fn parse(draft: &mut Draft) -> Option<SetupForm> {
    let setup_code = draft.secret("setup_code");
    let cell_name: Option<CellName> = draft.require("cell_name");
    let domain = draft.maybe::<Domain>("domain");
    let vpn_subnet = draft.require_with("vpn_subnet", |text| {
        cell_model::subnet::parse_vpn_subnet(text).map_err(|error| error.to_string())
    });
    let endpoint = draft.maybe("endpoint");
    let timezone = draft.require("timezone");
    let admin_username = draft.require("admin_username");
    let admin_password = draft.secret("admin_password");
    let form = || {
        let cell_name = cell_name?;
        let domain = match domain? {
            Some(domain) => domain,
            None => format!("{}.cell", cell_name.label()).parse().ok()?,
        };
        Some(SetupForm {
            setup_code: setup_code?,
            cell_name,
            domain_mode: DomainMode::Lan,
            domain,
            vpn_subnet: vpn_subnet?,
            admin_username: admin_username?,
            admin_password: admin_password?,
            timezone: timezone?,
            endpoint: endpoint?,
        })
    };
    draft.accept(form())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    const GOOD: [(&str, &str); 6] = [
        ("setup_code", "ABCD2345"),
        ("cell_name", "Home"),
        ("vpn_subnet", "10.31.7.0/24"),
        ("timezone", "Europe/Vienna"),
        ("admin_username", "anna"),
        ("admin_password", "correct horse"),
    ];

    fn read(replace: Option<(&str, &str)>) -> (Draft<'static>, Option<SetupForm>) {
        let kept = GOOD
            .into_iter()
            .filter(|(name, _)| replace.is_none_or(|(other, _)| other != *name));
        let body: Vec<String> = kept
            .chain(replace)
            .map(|(name, value)| format!("{name}={}", cell_gate::form::encode(value)))
            .collect();
        let mut draft = Draft::read(FIELDS, &Form::parse(body.join("&").as_bytes()).unwrap());
        let form = parse(&mut draft);
        (draft, form)
    }

    #[test]
    fn domain_is_made_from_the_name_when_none_is_typed() {
        assert_eq!(read(None).1.unwrap().domain.as_str(), "home.cell");
        let typed = read(Some(("domain", "anna.example"))).1.unwrap();
        assert_eq!(typed.domain.as_str(), "anna.example");
    }

    #[test]
    fn each_wrong_answer_is_named_and_kept() {
        let long = "x".repeat(256);
        for (field, value) in [
            ("setup_code", ""),
            ("cell_name", "my cell"),
            ("cell_name", "h\u{43e}me"),
            ("cell_name", "home\0"),
            ("cell_name", long.as_str()),
            ("domain", "printer.local"),
            ("vpn_subnet", "8.8.8.0/24"),
            ("vpn_subnet", "10.31.7.0"),
            ("endpoint", "http://home"),
            ("timezone", "Mars/Olympus"),
            ("admin_username", "an na"),
            ("admin_password", ""),
        ] {
            let (draft, form) = read(Some((field, value)));
            assert!(
                form.is_none() && draft.error(field).is_some(),
                "{field}={value:?}"
            );
            assert_eq!((draft.errors().len(), draft.typed(field)), (1, value));
        }
    }
}
