//! What answers a route: asks the core, passes what it says to a page. The core decides; nothing is kept here.

pub(crate) mod account;
pub(crate) mod api_tokens;
pub(crate) mod app_passwords;
pub(crate) mod audit;
pub(crate) mod cells;
pub(crate) mod dns;
pub(crate) mod exits;
pub(crate) mod groups;
pub(crate) mod invites;
pub(crate) mod mail;
pub(crate) mod network;
pub(crate) mod overview;
pub(crate) mod own_mail;
pub(crate) mod own_peers;
pub(crate) mod own_services;
pub(crate) mod parts;
pub(crate) mod passkeys;
pub(crate) mod peers;
pub(crate) mod people;
pub(crate) mod refusal;
mod review;
pub(crate) mod revisions;
pub(crate) mod second_factor;
pub(crate) mod service_data;
pub(crate) mod service_internet;
pub(crate) mod service_profile;
pub(crate) mod service_settings;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod sources;
pub(crate) mod system;

use std::str::FromStr;

use cell_control::ask;
use cell_control::query::{Cell, Range, Services, Settings};
use cell_control::view::ConfigView;
use cell_gate::{Reply, Visit};
use cell_model::account::Role;
use cell_model::problem::Problem;
use http::StatusCode;
use maud::Markup;

use crate::clock::Clock;
use crate::done::Done;
use crate::forms::{Draft, Field, REVISION};
use crate::frame::Frame;

/// All services there are: more than a box can have installed.
const ALL: Range = Range {
    limit: Range::MAX_LIMIT,
    cursor: None,
};

/// What is around the page for this visit: the box's name and time zone for whoever is signed in, what is installed for
/// those who may open its pages.
async fn frame(visit: &Visit) -> Frame {
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    // A page without them is better than none.
    let cell = match visit.identity {
        Some(_) => ask(control, caller, Cell).await.ok(),
        None => None,
    };
    let role = visit.identity.as_ref().map(|identity| identity.role);
    let services = match role {
        Some(role) if role > Role::Member => {
            let services = ask(control, caller, Services { range: ALL }).await;
            services.map(|page| page.items).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    Frame {
        cell_name: cell.as_ref().map(|cell| cell.name.to_string()),
        identity: visit.identity.clone(),
        csrf_token: visit.csrf_token.clone(),
        services,
        connection: None,
        path: visit.path.clone(),
        clock: Clock::now(cell.as_ref().map(|cell| &cell.timezone)),
        done: visit.query.get("done").and_then(Done::from_word),
    }
}

async fn settings(visit: &Visit) -> Result<ConfigView, Problem> {
    ask(
        visit.control.as_ref(),
        &visit.caller,
        Settings { revision: None },
    )
    .await
}

/// A page that has nothing to complain about.
fn ok(page: Markup) -> Reply {
    Reply::html(StatusCode::OK, page.into_string())
}

/// The form as sent.
fn draft<'a>(visit: &Visit, fields: &'a [Field<'a>]) -> Result<Draft<'a>, Problem> {
    Ok(Draft::read(fields, &visit.form()?))
}

/// Takes over why a change of the settings was refused. The form that comes back is about the settings as they are
/// now: with the revision it was filled in from, it could never be sent again.
async fn refuse(visit: &Visit, draft: &mut Draft<'_>, problem: Problem) -> Result<(), Problem> {
    draft.refuse(problem)?;
    draft.replace(REVISION.name, settings(visit).await?.revision.to_string());
    Ok(())
}

/// On to a page that says what was done.
fn done(path: &str, done: Done) -> Reply {
    Reply::see_other(&format!("{path}?done={}", done.word()))
}

/// The page of a list that was asked for.
fn range(visit: &Visit) -> Range {
    Range {
        cursor: visit.query.get("cursor").map(str::to_owned),
        ..Range::default()
    }
}

/// A name in the path. 404 when it cannot be one.
fn named<T: FromStr>(visit: &Visit, param: &str) -> Result<T, Problem> {
    let text = visit.param(param);
    text.parse()
        .map_err(|_| Problem::not_found("page at this address"))
}
