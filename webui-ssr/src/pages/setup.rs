//! The setup: one page, so that it works without a script and nothing is lost on the way.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::forms::field::Field;
use crate::frame::Frame;
use crate::parts::action::Look;
use crate::parts::form::{fields, summary};
use crate::parts::shell::form_page;

/// Sections of the page and the fields in each.
const SECTIONS: [(&str, &[&str]); 4] = [
    ("Prove that you are there", &["setup_code"]),
    ("The cell", &["cell_name", "domain", "timezone"]),
    ("Its network", &["vpn_subnet", "endpoint"]),
    ("You, its owner", &["admin_username", "admin_password"]),
];

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "A few answers and the cell runs: its own names, its own certificates, a VPN for your devices. All of it can be changed later." }
        (summary(draft))
        form.stack method="post" action="/setup" {
            @for (title, names) in SECTIONS {
                section.card {
                    h2 { (title) }
                    (fields(draft, &section(draft, names)))
                }
            }
            div.buttons { button class=(Look::Main.class()) { "Set up the cell" } }
        }
    };
    form_page(frame, draft, &content)
}

fn section<'a>(draft: &Draft<'a>, names: &[&str]) -> Vec<Field<'a>> {
    names
        .iter()
        .filter_map(|name| draft.field(name))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::setup::FIELDS;

    #[test]
    fn every_field_is_in_one_section() {
        let placed: Vec<&str> = SECTIONS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        for field in FIELDS {
            assert_eq!(
                placed.iter().filter(|name| **name == field.name).count(),
                1,
                "{}",
                field.name
            );
        }
        assert_eq!(placed.len(), FIELDS.len());
    }
}
