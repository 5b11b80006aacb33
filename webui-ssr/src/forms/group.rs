//! Groups of people, and the services that are for them.

use std::collections::BTreeSet;

use cell_control::change::{Change, ServiceUpdate};
use cell_control::view::{GroupView, ServiceView};
use cell_model::name::{GroupName, ServiceId};

use super::field::Field;
use super::{Draft, lines, names};

const MEMBERS: Field = Field::lines("members", "Who is in it")
    .hint("Names of accounts, one a line.")
    .optional();

/// Fields of a new group.
pub(crate) const NEW: &[Field] = &[
    Field::text("name", "Name").hint("Small letters, digits and hyphens, such as family."),
    MEMBERS,
];

/// Fields of a group that is there.
pub(crate) const CHANGE: &[Field] = &[MEMBERS];

/// Fields of who may use a service.
pub(crate) const USERS: &[Field] = &[Field::lines("groups", "For these groups")
    .hint("Names of groups, one a line. Empty: everybody who has an account.")
    .optional()];

/// The form as the group is now.
pub(crate) fn of(group: &GroupView) -> Draft<'static> {
    Draft::new(CHANGE, [(MEMBERS.name, lines(&group.members))])
}

/// The form as the service is now.
pub(crate) fn users_of(service: &ServiceView) -> Draft<'static> {
    let groups = service.groups.as_ref().map(lines).unwrap_or_default();
    Draft::new(USERS, [("groups", groups)])
}

/// Reads a new group.
pub(crate) fn parse_new(draft: &mut Draft) -> Option<Change> {
    let name = draft.require("name");
    let members = names(draft, MEMBERS.name);
    let change = Change::PutGroup {
        name: name?,
        members: members?,
    };
    draft.accept(Some(change))
}

/// Reads who is in a group.
pub(crate) fn parse_change(draft: &mut Draft, name: GroupName) -> Option<Change> {
    let members = names(draft, MEMBERS.name)?;
    draft.accept(Some(Change::PutGroup { name, members }))
}

/// Reads who may use a service.
pub(crate) fn parse_users(draft: &mut Draft, id: ServiceId) -> Option<Change> {
    let groups: BTreeSet<GroupName> = names(draft, "groups")?;
    let update = ServiceUpdate {
        groups: Some(Some(groups).filter(|groups| !groups.is_empty())),
        ..ServiceUpdate::default()
    };
    draft.accept(Some(Change::ChangeService { id, update }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    #[test]
    fn names_are_read_line_by_line() {
        let form = Form::parse(b"name=family&members=anna%0D%0A%0D%0A+ben").unwrap();
        let mut draft = Draft::read(NEW, &form);
        let Some(Change::PutGroup { members, .. }) = parse_new(&mut draft) else {
            panic!("it is complete");
        };
        assert_eq!(lines(&members), "anna\nben");
        let form = Form::parse(b"groups=").unwrap();
        let mut draft = Draft::read(USERS, &form);
        let Some(Change::ChangeService { update, .. }) =
            parse_users(&mut draft, "files".parse().unwrap())
        else {
            panic!("it is complete");
        };
        assert_eq!(update.groups, Some(None));
    }
}
