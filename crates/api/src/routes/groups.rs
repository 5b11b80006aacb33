//! Groups of people.

use std::collections::BTreeSet;

use cell_control::change::Change;
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::name::{GroupName, Username};
use cell_model::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{GroupAnswer, changed, ok, part_of};
use crate::{body, path};

/// Who is in a group.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupForm {
    /// Names of accounts.
    members: BTreeSet<Username>,
}

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let groups = ask(visit.control.as_ref(), &visit.caller, query::Groups).await?;
    part_of(&visit, groups.items, |group| group.name.to_string())
}

pub(crate) async fn put(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let GroupForm { members } = body::read(&visit)?;
    let change = Change::PutGroup {
        name: name.clone(),
        members,
    };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    let groups = ask(visit.control.as_ref(), &visit.caller, query::Groups).await?;
    let group = groups.items.into_iter().find(|group| group.name == name);
    let group = group.ok_or_else(|| Problem::not_found(format!("group {name}")))?;
    changed(receipt, ok(&GroupAnswer { group }))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let change = Change::RemoveGroup { name };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    changed(receipt, Ok(Reply::no_content()))
}

fn name(visit: &Visit) -> Result<GroupName, Problem> {
    path::name(visit, "group", "group")
}
