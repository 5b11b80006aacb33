//! One's own devices and services (PIC's `/api/peer`).

use cell_control::change::{Change, OwnPeerChange, OwnPeerForm, Receipt};
use cell_control::view::PeerView;
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use http::StatusCode;

use super::peers::{Key, file_reply, name};
use crate::answer::{PeerAnswer, changed, ok, part_of};
use crate::body;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let own = ask(visit.control.as_ref(), &visit.caller, query::OwnPeers).await?;
    part_of(&visit, own.items, |peer| peer.name.to_string())
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let peer = own(&visit).await?;
    ok(&PeerAnswer { peer })
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form: OwnPeerForm = body::read(&visit)?;
    let key = match form.public_key {
        Some(_) => Key::Outside,
        None => Key::Inside,
    };
    let receipt = submit(&visit, OwnPeerChange::Add(form)).await?;
    file_reply(StatusCode::CREATED, receipt, key)
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let receipt = submit(&visit, OwnPeerChange::Remove { name }).await?;
    changed(receipt, Ok(Reply::no_content()))
}

pub(crate) async fn file(visit: Visit) -> Result<Reply, Problem> {
    if visit.only_headers {
        // The file counts as fetched by whoever gets it.
        own(&visit).await?;
        return Ok(Reply::headers_only("application/json"));
    }
    let name = name(&visit)?;
    let receipt = submit(&visit, OwnPeerChange::FetchFile { name }).await?;
    file_reply(StatusCode::OK, receipt, Key::Outside)
}

pub(crate) async fn rekey(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let receipt = submit(&visit, OwnPeerChange::Rekey { name }).await?;
    file_reply(StatusCode::OK, receipt, Key::Inside)
}

pub(crate) async fn services(visit: Visit) -> Result<Reply, Problem> {
    let own = ask(visit.control.as_ref(), &visit.caller, query::OwnServices).await?;
    part_of(&visit, own.items, |service| service.id.to_string())
}

async fn submit(visit: &Visit, change: OwnPeerChange) -> Result<Receipt, Problem> {
    let change = Change::OwnPeer(change);
    visit.control.submit(&visit.caller, change).await
}

async fn own(visit: &Visit) -> Result<PeerView, Problem> {
    let name = name(visit)?;
    let own = ask(visit.control.as_ref(), &visit.caller, query::OwnPeers).await?;
    let peer = own.items.into_iter().find(|peer| peer.name == name);
    peer.ok_or_else(|| Problem::not_found(format!("device {name} of yours")))
}
