//! One's own devices.

use cell_control::ask;
use cell_control::change::{Change, OwnPeerChange, Receipt};
use cell_control::query::OwnPeers;
use cell_control::view::PeerView;
use cell_gate::{Reply, Visit};
use cell_model::name::PeerName;
use cell_model::problem::Problem;

use super::{done, draft, frame, named, ok};
use crate::done::Done;
use crate::forms;
use crate::frame::Frame;
use crate::navigation::own_peer_path;
use crate::pages;

const PAGE: &str = "/account/devices";

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peers = ask(visit.control.as_ref(), &visit.caller, OwnPeers).await?;
    Ok(ok(pages::own_devices::render(&frame, &peers.items)))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::peer::own_proposal();
    Ok(ok(pages::own_device_new::render(&frame, &draft)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::peer::OWN)?;
    if let Some(form) = forms::peer::parse_own(&mut draft) {
        match submit(&visit, OwnPeerChange::Add(form)).await {
            Ok(receipt) => return show_file(&frame, receipt),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::own_device_new::render(&frame, &draft)))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peer = peer(&visit).await?;
    Ok(ok(pages::own_device::render(&frame, &peer)))
}

pub(crate) async fn file(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let name = named(&visit, "name")?;
    let receipt = submit(&visit, OwnPeerChange::FetchFile { name }).await?;
    show_file(&frame, receipt)
}

pub(crate) async fn ask_rekey(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peer = peer(&visit).await?;
    let path = own_peer_path(peer.name.as_str());
    Ok(ok(pages::peer_key::render(&frame, &peer, &path)))
}

pub(crate) async fn rekey(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let name = named(&visit, "name")?;
    let receipt = submit(&visit, OwnPeerChange::Rekey { name }).await?;
    show_file(&frame, receipt)
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peer = peer(&visit).await?;
    let path = own_peer_path(peer.name.as_str());
    Ok(ok(pages::peer_remove::render(&frame, &peer, &path)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name = named(&visit, "name")?;
    submit(&visit, OwnPeerChange::Remove { name }).await?;
    Ok(done(PAGE, Done::Removed))
}

async fn submit(visit: &Visit, change: OwnPeerChange) -> Result<Receipt, Problem> {
    let change = Change::OwnPeer(change);
    visit.control.submit(&visit.caller, change).await
}

async fn peer(visit: &Visit) -> Result<PeerView, Problem> {
    let name: PeerName = named(visit, "name")?;
    let peers = ask(visit.control.as_ref(), &visit.caller, OwnPeers).await?;
    let peer = peers.items.into_iter().find(|peer| peer.name == name);
    peer.ok_or_else(|| Problem::not_found(format!("device {name} of yours")))
}

/// As for anybody's device: shown once, on a page that no cache keeps.
fn show_file(frame: &Frame, receipt: Receipt) -> Result<Reply, Problem> {
    let receipt = receipt.peer.ok_or_else(Problem::internal)?;
    let path = own_peer_path(receipt.peer.name.as_str());
    let page = pages::peer_file::render(frame, &receipt, &path, PAGE);
    Ok(ok(page))
}
