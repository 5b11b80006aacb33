//! Ways out beside the uplink.

use cell_control::ask;
use cell_control::change::Change;
use cell_control::connection::{ConnectionType, ConnectionView};
use cell_control::query::{Connection, Connections, Peers, Range};
use cell_gate::{Reply, Visit};
use cell_model::name::PeerName;
use cell_model::problem::Problem;

use super::review::after_change;
use super::{ALL, draft, frame, named, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::frame::Frame;
use crate::navigation::exit_path;
use crate::pages;

const PAGE: &str = "/exits";

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let connections = connections(&visit).await?;
    Ok(ok(pages::exits::render(&frame, &connections)))
}

pub(crate) async fn new_proxy(visit: Visit) -> Result<Reply, Problem> {
    new(&visit, ConnectionType::Proxy).await
}

pub(crate) async fn add_proxy(visit: Visit) -> Result<Reply, Problem> {
    let draft = draft(&visit, forms::exit::NEW_PROXY)?;
    add(&visit, ConnectionType::Proxy, draft).await
}

pub(crate) async fn new_tunnel(visit: Visit) -> Result<Reply, Problem> {
    new(&visit, ConnectionType::WireguardExt).await
}

pub(crate) async fn add_tunnel(visit: Visit) -> Result<Reply, Problem> {
    let draft = draft(&visit, forms::exit::NEW_TUNNEL)?;
    add(&visit, ConnectionType::WireguardExt, draft).await
}

async fn new(visit: &Visit, kind: ConnectionType) -> Result<Reply, Problem> {
    let frame = frame(visit).await;
    let draft = forms::exit::proposal(kind);
    Ok(ok(pages::exit_new::render(&frame, kind, &draft)))
}

async fn add(
    visit: &Visit,
    kind: ConnectionType,
    mut draft: Draft<'static>,
) -> Result<Reply, Problem> {
    let frame = frame(visit).await;
    if let Some(change) = forms::exit::parse_new(&mut draft, kind) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => {
                let id = receipt.connection.ok_or_else(Problem::internal)?;
                return Ok(after_change(&receipt, &exit_path(id), Done::Added));
            }
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::exit_new::render(&frame, kind, &draft)))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let (frame, connection) = both(&visit).await?;
    let open = open(&visit, &connection).await?;
    let draft = forms::exit::of(&connection);
    let page = pages::exit::render(&frame, &connection, &open, &draft);
    Ok(ok(page))
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let (frame, connection) = both(&visit).await?;
    let mut draft = draft(&visit, forms::exit::fields(&connection.way))?;
    if let Some(change) = forms::exit::parse_change(&mut draft, &connection) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => {
                let path = exit_path(connection.id);
                return Ok(after_change(&receipt, &path, Done::Saved));
            }
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let open = open(&visit, &connection).await?;
    let page = pages::exit::render(&frame, &connection, &open, &draft);
    Ok(draft.reply(page))
}

pub(crate) async fn switch_on(visit: Visit) -> Result<Reply, Problem> {
    switch(&visit, true).await
}

pub(crate) async fn switch_off(visit: Visit) -> Result<Reply, Problem> {
    switch(&visit, false).await
}

async fn switch(visit: &Visit, enabled: bool) -> Result<Reply, Problem> {
    let connection = connection(visit).await?;
    let change = forms::exit::switched(&connection, enabled);
    let receipt = visit.control.submit(&visit.caller, change).await?;
    let path = exit_path(connection.id);
    Ok(after_change(&receipt, &path, Done::Saved))
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let (frame, connection) = both(&visit).await?;
    let draft = Draft::new(&[], []);
    let page = pages::exit_remove::render(&frame, &connection, &draft);
    Ok(ok(page))
}

/// A device may have been given it since the question was asked: then the page says so.
pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = named(&visit, "connection")?;
    let change = Change::RemoveConnection { id };
    let problem = match visit.control.submit(&visit.caller, change).await {
        Ok(receipt) => return Ok(after_change(&receipt, PAGE, Done::Removed)),
        Err(problem) => problem,
    };
    let mut draft = Draft::new(&[], []);
    draft.refuse(problem)?;
    let (frame, connection) = both(&visit).await?;
    let page = pages::exit_remove::render(&frame, &connection, &draft);
    Ok(draft.reply(page))
}

/// All ways out, by name.
pub(super) async fn connections(visit: &Visit) -> Result<Vec<ConnectionView>, Problem> {
    let all = ask(visit.control.as_ref(), &visit.caller, Connections).await?;
    Ok(all.items)
}

/// The way out of the path, and what is around its page.
async fn both(visit: &Visit) -> Result<(Frame, ConnectionView), Problem> {
    let connection = connection(visit).await?;
    let frame = Frame {
        connection: Some(connection.name.to_string()),
        ..frame(visit).await
    };
    Ok((frame, connection))
}

async fn connection(visit: &Visit) -> Result<ConnectionView, Problem> {
    let id = named(visit, "connection")?;
    let found = ask(visit.control.as_ref(), &visit.caller, Connection { id }).await?;
    Ok(*found)
}

/// The devices that have this way and leave by the uplink now, since it leads nowhere.
async fn open(visit: &Visit, connection: &ConnectionView) -> Result<Vec<PeerName>, Problem> {
    let mut open = Vec::new();
    let mut cursor = None;
    while !connection.peers.is_empty() {
        let range = Range {
            cursor: cursor.clone(),
            ..ALL
        };
        let page = ask(visit.control.as_ref(), &visit.caller, Peers { range }).await?;
        let here = page.items.into_iter();
        let here = here.filter(|peer| peer.exit_connection_id == Some(connection.id));
        open.extend(here.filter(|peer| peer.open_now).map(|peer| peer.name));
        if page.next.is_none() || page.next == cursor {
            break;
        }
        cursor = page.next;
    }
    Ok(open)
}
