//! Groups come, change and go.

use std::collections::BTreeSet;

use cell_model::config::{Config, GroupConfig};
use cell_model::name::{GroupName, ServiceId, Username};
use cell_model::problem::Problem;

use super::Edit;

pub(super) fn put(
    config: &Config,
    name: &GroupName,
    members: &BTreeSet<Username>,
) -> Result<Edit, Problem> {
    let is_new = !config.groups.contains_key(name);
    if is_new && config.groups.len() >= GroupConfig::MAX {
        return Err(Problem::conflict(
            "too_many",
            "There are too many groups",
            format!(
                "A box has at most {}. Remove one that nobody needs.",
                GroupConfig::MAX
            ),
        ));
    }
    let mut config = config.clone();
    let members = members.clone();
    config.groups.insert(name.clone(), GroupConfig { members });
    let verb = if is_new { "Added" } else { "Changed" };
    let summary = format!("{verb} the group {name}");
    Ok(Edit::new(config, "group.put", name.as_str(), summary))
}

pub(super) fn remove(config: &Config, name: &GroupName) -> Result<Edit, Problem> {
    if !config.groups.contains_key(name) {
        return Err(Problem::not_found(format!("group {name}")));
    }
    let services: Vec<String> = services_for(config, name)
        .map(ToString::to_string)
        .collect();
    if !services.is_empty() {
        return Err(Problem::conflict(
            "group_in_use",
            "The group is in use",
            format!(
                "It says who may use {}. Choose other groups there first.",
                services.join(", ")
            ),
        ));
    }
    let mut config = config.clone();
    config.groups.remove(name);
    let summary = format!("Removed the group {name}");
    Ok(Edit::new(config, "group.remove", name.as_str(), summary))
}

/// Services that are for a group.
pub(crate) fn services_for<'a>(
    config: &'a Config,
    name: &'a GroupName,
) -> impl Iterator<Item = &'a ServiceId> {
    let installed = config.services.installed.iter();
    installed.filter_map(move |(id, service)| {
        let groups = service.groups.as_ref()?;
        groups.contains(name).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::sample;

    #[test]
    fn groups_are_made_changed_and_removed() {
        let config = sample::with_peers(&[]);
        let name = "family".parse().unwrap();
        let members = ["anna", "ben"].map(|name| name.parse().unwrap()).into();
        let edit = put(&config, &name, &members).unwrap();
        assert_eq!(edit.summary, "Added the group family");
        assert_eq!(edit.config.groups[&name].members, members);
        let edit = put(&edit.config, &name, &BTreeSet::new()).unwrap();
        assert_eq!(edit.summary, "Changed the group family");
        let edit = remove(&edit.config, &name).unwrap();
        assert!(edit.config.groups.is_empty());
        assert_eq!(remove(&edit.config, &name).unwrap_err().status, 404);
    }

    #[test]
    fn groups_are_few() {
        let mut config = sample::with_peers(&[]);
        for number in 0..GroupConfig::MAX {
            let name = format!("group-{number}").parse().unwrap();
            config = put(&config, &name, &BTreeSet::new()).unwrap().config;
        }
        let more = put(&config, &"more".parse().unwrap(), &BTreeSet::new());
        assert_eq!(more.unwrap_err().code, "too_many");
        let known = "group-1".parse().unwrap();
        assert!(put(&config, &known, &BTreeSet::new()).is_ok());
    }
}
