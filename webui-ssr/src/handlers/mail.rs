//! Mail: addresses, room, how it leaves the box, and what it wants in public DNS.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::change::Change;
use cell_control::mail::{MailAliasView, MailFindingsView, MailView};
use cell_control::query::{DkimKeys, Mail, MailFindings, MailRecords};
use cell_gate::{Reply, Visit};
use cell_model::mail::DkimKey;
use cell_model::name::{DnsLabel, LocalPart};
use cell_model::problem::Problem;

use super::review::after_change;
use super::{done, draft, frame, named, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::pages;

const PAGE: &str = "/mail";
const CHECK: &str = "/mail/check";
const KEYS: &str = "/mail/keys";

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let keys = keys(&visit).await?;
    Ok(ok(pages::mail::render(&frame, &mail, &keys)))
}

pub(crate) async fn new_alias(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let draft = Draft::new(forms::mail::NEW_ALIAS, []);
    Ok(ok(pages::mail_alias_new::render(&frame, &mail, &draft)))
}

pub(crate) async fn add_alias(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let mut draft = draft(&visit, forms::mail::NEW_ALIAS)?;
    if let Some(change) = forms::mail::parse_new(&mut draft, &mail) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => return Ok(after_change(&receipt, PAGE, Done::Added)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::mail_alias_new::render(&frame, &mail, &draft)))
}

pub(crate) async fn show_alias(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let alias = alias(&visit).await?;
    let draft = forms::mail::of_alias(&alias);
    Ok(ok(pages::mail_alias::render(&frame, &alias, &draft)))
}

pub(crate) async fn change_alias(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let alias = alias(&visit).await?;
    let mut draft = draft(&visit, forms::mail::ALIAS)?;
    if let Some(change) = forms::mail::parse_alias(&mut draft, alias.name.clone()) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => return Ok(after_change(&receipt, PAGE, Done::Saved)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::mail_alias::render(&frame, &alias, &draft)))
}

pub(crate) async fn remove_alias(visit: Visit) -> Result<Reply, Problem> {
    let name = named(&visit, "alias")?;
    let change = Change::RemoveMailAlias { name };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, PAGE, Done::Removed))
}

pub(crate) async fn ask_rest(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let draft = forms::mail::of_rest(&mail);
    Ok(ok(pages::mail_rest::render(&frame, &mail, &draft)))
}

pub(crate) async fn set_rest(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let mut draft = draft(&visit, forms::mail::REST)?;
    let change = forms::mail::parse_rest(&mut draft);
    match set(&visit, &mut draft, change).await? {
        Some(reply) => Ok(reply),
        None => Ok(draft.reply(pages::mail_rest::render(&frame, &mail, &draft))),
    }
}

pub(crate) async fn ask_room(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::mail::of_room(&mail(&visit).await?);
    Ok(ok(pages::mail_room::render(&frame, &draft)))
}

pub(crate) async fn set_room(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let mut draft = draft(&visit, forms::mail::ROOM)?;
    let change = forms::mail::parse_room(&mut draft, &mail);
    match set(&visit, &mut draft, change).await? {
        Some(reply) => Ok(reply),
        None => Ok(draft.reply(pages::mail_room::render(&frame, &draft))),
    }
}

pub(crate) async fn ask_delivery(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::mail::of_delivery(&mail(&visit).await?);
    Ok(ok(pages::mail_delivery::render(&frame, &draft)))
}

pub(crate) async fn set_delivery(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::mail::DELIVERY)?;
    let change = forms::mail::parse_delivery(&mut draft);
    match set(&visit, &mut draft, change).await? {
        Some(reply) => Ok(reply),
        None => Ok(draft.reply(pages::mail_delivery::render(&frame, &draft))),
    }
}

/// Without the service there is none to show.
pub(crate) async fn records(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let records = match mail.installed {
        true => Some(ask(visit.control.as_ref(), &visit.caller, MailRecords).await?),
        false => None,
    };
    let page = pages::mail_records::render(&frame, &mail, records.as_ref());
    Ok(ok(page))
}

pub(crate) async fn show_check(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::mail::CHECK, []);
    let (mail, found) = (mail(&visit).await?, found(&visit).await?);
    let page = pages::mail_check::render(&frame, &mail, found.as_ref(), &draft);
    Ok(ok(page))
}

pub(crate) async fn check(visit: Visit) -> Result<Reply, Problem> {
    let mut draft = draft(&visit, forms::mail::CHECK)?;
    if let Some(action) = forms::mail::parse_check(&mut draft) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done(CHECK, Done::Looked)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let frame = frame(&visit).await;
    let (mail, found) = (mail(&visit).await?, found(&visit).await?);
    let page = pages::mail_check::render(&frame, &mail, found.as_ref(), &draft);
    Ok(draft.reply(page))
}

pub(crate) async fn list_keys(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mail = mail(&visit).await?;
    let keys = keys(&visit).await?;
    Ok(ok(pages::mail_keys::render(&frame, &mail, &keys)))
}

pub(crate) async fn add_key(visit: Visit) -> Result<Reply, Problem> {
    visit.control.act(&visit.caller, Action::AddDkimKey).await?;
    Ok(done(KEYS, Done::KeyMade))
}

pub(crate) async fn ask_sign(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let selector: DnsLabel = named(&visit, "selector")?;
    let mut keys = keys(&visit).await?.into_iter();
    let key = keys.find(|key| key.selector == selector);
    let key = key.ok_or_else(|| Problem::not_found(format!("key {selector}")))?;
    Ok(ok(pages::mail_key_sign::render(&frame, &key)))
}

pub(crate) async fn sign(visit: Visit) -> Result<Reply, Problem> {
    let selector = named(&visit, "selector")?;
    let action = Action::SignWithDkimKey { selector };
    visit.control.act(&visit.caller, action).await?;
    Ok(done(KEYS, Done::Saved))
}

/// Makes a change that was read; `None` when there is something to say on the form.
async fn set(
    visit: &Visit,
    draft: &mut Draft<'_>,
    change: Option<Change>,
) -> Result<Option<Reply>, Problem> {
    let Some(change) = change else {
        return Ok(None);
    };
    match visit.control.submit(&visit.caller, change).await {
        Ok(receipt) => Ok(Some(after_change(&receipt, PAGE, Done::Saved))),
        Err(problem) => {
            draft.refuse(forms::mail::own_fields(problem))?;
            Ok(None)
        }
    }
}

async fn alias(visit: &Visit) -> Result<MailAliasView, Problem> {
    let name: LocalPart = named(visit, "alias")?;
    let mut aliases = mail(visit).await?.aliases.into_iter();
    let alias = aliases.find(|alias| alias.name == name);
    alias.ok_or_else(|| Problem::not_found(format!("address {name}")))
}

/// What was found; `None` without the service.
async fn found(visit: &Visit) -> Result<Option<MailFindingsView>, Problem> {
    match mail(visit).await?.installed {
        true => {
            let found = ask(visit.control.as_ref(), &visit.caller, MailFindings).await?;
            Ok(Some(found))
        }
        false => Ok(None),
    }
}

async fn mail(visit: &Visit) -> Result<MailView, Problem> {
    Ok(*ask(visit.control.as_ref(), &visit.caller, Mail).await?)
}

/// Those of the present domain.
async fn keys(visit: &Visit) -> Result<Vec<DkimKey>, Problem> {
    let keys = ask(visit.control.as_ref(), &visit.caller, DkimKeys).await?;
    Ok(keys.items)
}
