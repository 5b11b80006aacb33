//! Mail: addresses, how it leaves the box, and what it wants in public DNS.

use std::collections::BTreeSet;

use cell_control::action::{Action, Outcome};
use cell_control::change::{Change, Receipt};
use cell_control::mail::{MailAliasView, MailUpdate};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::config::MailTarget;
use cell_model::name::{DnsLabel, LocalPart};
use cell_model::problem::Problem;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{ChangeAnswer, MailAliasAnswer, changed, ok, part_of};
use crate::{body, path};

/// Who gets what is sent to an alias.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AliasForm {
    /// Names of accounts, other aliases, and addresses elsewhere.
    targets: BTreeSet<MailTarget>,
}

pub(crate) async fn own(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, query::OwnMail).await?)
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, query::Mail).await?)
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let update: MailUpdate = body::read(&visit)?;
    let receipt = submit(&visit, Change::Mail(Box::new(update))).await?;
    changed(receipt.clone(), ok(&ChangeAnswer::from(receipt)))
}

pub(crate) async fn aliases(visit: Visit) -> Result<Reply, Problem> {
    let aliases = all_aliases(&visit).await?;
    part_of(&visit, aliases, |alias| alias.name.to_string())
}

pub(crate) async fn put_alias(visit: Visit) -> Result<Reply, Problem> {
    let name = alias_name(&visit)?;
    let AliasForm { targets } = body::read(&visit)?;
    let change = Change::PutMailAlias {
        name: name.clone(),
        targets,
    };
    let receipt = submit(&visit, change).await?;
    let mut aliases = all_aliases(&visit).await?.into_iter();
    let alias = aliases.find(|alias| alias.name == name);
    let alias = alias.ok_or_else(|| Problem::not_found(format!("alias {name}")))?;
    changed(receipt, ok(&MailAliasAnswer { alias }))
}

pub(crate) async fn remove_alias(visit: Visit) -> Result<Reply, Problem> {
    let name = alias_name(&visit)?;
    let receipt = submit(&visit, Change::RemoveMailAlias { name }).await?;
    changed(receipt, Ok(Reply::no_content()))
}

pub(crate) async fn records(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, query::MailRecords).await?)
}

pub(crate) async fn zone(visit: Visit) -> Result<Reply, Problem> {
    let records = ask(visit.control.as_ref(), &visit.caller, query::MailRecords).await?;
    Ok(Reply::attachment(
        "mail.zone",
        "text/dns; charset=utf-8",
        records.zone,
    ))
}

pub(crate) async fn keys(visit: Visit) -> Result<Reply, Problem> {
    let keys = ask(visit.control.as_ref(), &visit.caller, query::DkimKeys).await?;
    part_of(&visit, keys.items, |key| key.selector.to_string())
}

pub(crate) async fn add_key(visit: Visit) -> Result<Reply, Problem> {
    let made = visit.control.act(&visit.caller, Action::AddDkimKey).await?;
    let Outcome::DkimKeyAdded(key) = made else {
        return Err(Problem::internal());
    };
    Reply::json(StatusCode::CREATED, &*key)
}

pub(crate) async fn sign(visit: Visit) -> Result<Reply, Problem> {
    let action = Action::SignWithDkimKey {
        selector: selector(&visit)?,
    };
    visit.control.act(&visit.caller, action).await?;
    Ok(Reply::no_content())
}

async fn all_aliases(visit: &Visit) -> Result<Vec<MailAliasView>, Problem> {
    let mail = ask(visit.control.as_ref(), &visit.caller, query::Mail).await?;
    Ok(mail.aliases)
}

fn alias_name(visit: &Visit) -> Result<LocalPart, Problem> {
    path::name(visit, "alias", "alias")
}

/// What a key is found under starts with a letter or a digit (RFC 6376 section 3.1), unlike other labels.
fn selector(visit: &Visit) -> Result<DnsLabel, Problem> {
    let label: DnsLabel = path::name(visit, "selector", "key")?;
    match label
        .as_str()
        .starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        true => Ok(label),
        false => Err(Problem::not_found("key of that name")),
    }
}

async fn submit(visit: &Visit, change: Change) -> Result<Receipt, Problem> {
    visit.control.submit(&visit.caller, change).await
}
