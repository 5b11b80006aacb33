//! Devices.

use cell_control::ask;
use cell_control::change::{Change, Receipt};
use cell_control::query::{Peer, Peers};
use cell_control::view::PeerView;
use cell_gate::{Reply, Visit};
use cell_model::name::PeerName;
use cell_model::problem::Problem;

use super::exits::connections;
use super::review::after_change;
use super::{done, draft, frame, named, ok, range};
use crate::done::Done;
use crate::forms;
use crate::forms::peer_exit::{Ways, with_choices};
use crate::frame::Frame;
use crate::navigation::peer_path;
use crate::pages;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let range = range(&visit);
    let first = range.cursor.is_none();
    let peers = ask(visit.control.as_ref(), &visit.caller, Peers { range }).await?;
    let connections = connections(&visit).await?;
    Ok(ok(pages::peers::render(
        &frame,
        &peers,
        first,
        &connections,
    )))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let ways = Ways::of(&connections(&visit).await?);
    let choices = ways.choices();
    let fields = with_choices(forms::peer::NEW, &choices);
    let draft = forms::peer::proposal(&fields);
    Ok(ok(pages::peer_new::render(&frame, &draft)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let ways = Ways::of(&connections(&visit).await?);
    let choices = ways.choices();
    let fields = with_choices(forms::peer::NEW, &choices);
    let mut draft = draft(&visit, &fields)?;
    let Some(form) = forms::peer::parse_new(&mut draft, &frame.clock) else {
        return Ok(draft.reply(pages::peer_new::render(&frame, &draft)));
    };
    let submitted = visit.control.submit(&visit.caller, Change::AddPeer(form));
    match submitted.await {
        Ok(receipt) => show_file(&frame, receipt),
        Err(problem) => {
            draft.refuse(problem)?;
            Ok(draft.reply(pages::peer_new::render(&frame, &draft)))
        }
    }
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peer = peer(&visit).await?;
    let connections = connections(&visit).await?;
    let ways = Ways::of(&connections);
    let choices = ways.choices();
    let fields = with_choices(forms::peer::ACCESS, &choices);
    let draft = forms::peer::of(&fields, &peer, &frame.clock);
    let page = pages::peer::render(&frame, &peer, &connections, &draft);
    Ok(ok(page))
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peer = peer(&visit).await?;
    let connections = connections(&visit).await?;
    let ways = Ways::of(&connections);
    let choices = ways.choices();
    let fields = with_choices(forms::peer::ACCESS, &choices);
    let mut draft = draft(&visit, &fields)?;
    if let Some(update) = forms::peer::parse_access(&mut draft, &frame.clock) {
        let name = peer.name.clone();
        let change = Change::ChangePeer { name, update };
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => {
                let path = peer_path(peer.name.as_str());
                return Ok(after_change(&receipt, &path, Done::Saved));
            }
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let page = pages::peer::render(&frame, &peer, &connections, &draft);
    Ok(draft.reply(page))
}

pub(crate) async fn file(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let name: PeerName = named(&visit, "name")?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::FetchPeerFile { name })
        .await?;
    show_file(&frame, receipt)
}

pub(crate) async fn ask_rekey(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peer = peer(&visit).await?;
    Ok(ok(pages::peer_key::render(
        &frame,
        &peer,
        &peer_path(peer.name.as_str()),
    )))
}

pub(crate) async fn rekey(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let name: PeerName = named(&visit, "name")?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::RekeyPeer { name })
        .await?;
    show_file(&frame, receipt)
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let peer = peer(&visit).await?;
    Ok(ok(pages::peer_remove::render(
        &frame,
        &peer,
        &peer_path(peer.name.as_str()),
    )))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name: PeerName = named(&visit, "name")?;
    visit
        .control
        .submit(&visit.caller, Change::RemovePeer { name })
        .await?;
    Ok(done("/peers", Done::Removed))
}

async fn peer(visit: &Visit) -> Result<PeerView, Problem> {
    let name = named(visit, "name")?;
    ask(visit.control.as_ref(), &visit.caller, Peer { name }).await
}

/// The file, on a page that no cache keeps: the box forgets the private key with this answer.
fn show_file(frame: &Frame, receipt: Receipt) -> Result<Reply, Problem> {
    let receipt = receipt.peer.ok_or_else(Problem::internal)?;
    let path = peer_path(receipt.peer.name.as_str());
    let page = pages::peer_file::render(frame, &receipt, &path, "/peers");
    Ok(ok(page))
}
