//! Groups of people, and who may use a service.

use cell_control::ask;
use cell_control::change::Change;
use cell_control::query::Groups;
use cell_control::view::GroupView;
use cell_gate::{Reply, Visit};
use cell_model::name::GroupName;
use cell_model::problem::Problem;

use super::review::after_change;
use super::services::service;
use super::{draft, frame, named, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::navigation::service_path;
use crate::pages;

const PAGE: &str = "/groups";

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let groups = all(&visit).await?;
    Ok(ok(pages::groups::render(&frame, &groups)))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::group::NEW, []);
    Ok(ok(pages::group_new::render(&frame, &draft)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::group::NEW)?;
    if let Some(change) = forms::group::parse_new(&mut draft) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => return Ok(after_change(&receipt, PAGE, Done::Added)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::group_new::render(&frame, &draft)))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let group = group(&visit).await?;
    let draft = forms::group::of(&group);
    Ok(ok(pages::group::render(&frame, &group, &draft)))
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let group = group(&visit).await?;
    let mut draft = draft(&visit, forms::group::CHANGE)?;
    if let Some(change) = forms::group::parse_change(&mut draft, group.name.clone()) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => return Ok(after_change(&receipt, PAGE, Done::Saved)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::group::render(&frame, &group, &draft)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name = named(&visit, "group")?;
    let change = Change::RemoveGroup { name };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, PAGE, Done::Removed))
}

pub(crate) async fn ask_users(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    let draft = forms::group::users_of(&service);
    Ok(ok(pages::service_people::render(&frame, &service, &draft)))
}

pub(crate) async fn set_users(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    let mut draft = draft(&visit, forms::group::USERS)?;
    if let Some(change) = forms::group::parse_users(&mut draft, service.id.clone()) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => {
                let path = service_path(&service.id);
                return Ok(after_change(&receipt, &path, Done::Saved));
            }
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::service_people::render(&frame, &service, &draft)))
}

async fn group(visit: &Visit) -> Result<GroupView, Problem> {
    let name: GroupName = named(visit, "group")?;
    let groups = all(visit).await?;
    let group = groups.into_iter().find(|group| group.name == name);
    group.ok_or_else(|| Problem::not_found(format!("group {name}")))
}

async fn all(visit: &Visit) -> Result<Vec<GroupView>, Problem> {
    let groups = ask(visit.control.as_ref(), &visit.caller, Groups).await?;
    Ok(groups.items)
}
