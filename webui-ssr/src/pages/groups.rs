//! Groups of people.

use cell_control::view::GroupView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::group_path;
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::empty;

/// The page.
pub(crate) fn render(frame: &Frame, groups: &[GroupView]) -> Markup {
    let add = link("/groups/new", "Add a group", Look::Main);
    let rows: Vec<Vec<Markup>> = groups.iter().map(row).collect();
    let content = html! {
        p.lead { "People who may use the same services. A service that is for no group is for everybody." }
        @if rows.is_empty() {
            (empty("There is no group.", &html! { div.buttons { (add) } }))
        } @else {
            div.buttons { (add) }
            (table("Groups", &["Name", "Who is in it", "Services for it"], &rows))
        }
    };
    page(frame, &content)
}

fn row(group: &GroupView) -> Vec<Markup> {
    let members: Vec<&str> = group.members.iter().map(|name| name.as_str()).collect();
    let services: Vec<&str> = group.services.iter().map(|id| id.as_str()).collect();
    let or_none = |names: Vec<&str>| match names.is_empty() {
        true => "Nobody".to_owned(),
        false => names.join(", "),
    };
    vec![
        html! { a href=(group_path(&group.name)) { (group.name) } },
        html! { (or_none(members)) },
        html! { (services.join(", ")) },
    ]
}
