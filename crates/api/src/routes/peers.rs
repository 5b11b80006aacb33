//! Devices.

use cell_control::change::{Change, PeerForm, PeerUpdate, Receipt};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit, qr};
use cell_model::name::PeerName;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use http::StatusCode;

use crate::answer::{PeerAnswer, PeerFileAnswer, changed, ok};
use crate::{body, parameter, path};

/// Whether a file holds a private key, so that an app can use it as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// It does.
    Inside,
    /// It does not.
    Outside,
}

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let range = parameter::range(&visit.query)?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Peers { range },
    )
    .await?)
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let peer = ask(visit.control.as_ref(), &visit.caller, query::Peer { name }).await?;
    ok(&PeerAnswer { peer })
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form: PeerForm = body::read(&visit)?;
    let key = match form.public_key {
        Some(_) => Key::Outside,
        None => Key::Inside,
    };
    let receipt = visit
        .control
        .submit(&visit.caller, Change::AddPeer(form))
        .await?;
    file_reply(StatusCode::CREATED, receipt, key)
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let update: PeerUpdate = body::read(&visit)?;
    let change = Change::ChangePeer {
        name: name.clone(),
        update,
    };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    let peer = ask(visit.control.as_ref(), &visit.caller, query::Peer { name }).await?;
    changed(receipt, ok(&PeerAnswer { peer }))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::RemovePeer { name })
        .await?;
    changed(receipt, Ok(Reply::no_content()))
}

pub(crate) async fn file(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    if visit.only_headers {
        // The file counts as fetched by whoever gets it.
        ask(visit.control.as_ref(), &visit.caller, query::Peer { name }).await?;
        return Ok(Reply::headers_only("application/json"));
    }
    let receipt = visit
        .control
        .submit(&visit.caller, Change::FetchPeerFile { name })
        .await?;
    file_reply(StatusCode::OK, receipt, Key::Outside)
}

pub(crate) async fn rekey(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::RekeyPeer { name })
        .await?;
    file_reply(StatusCode::OK, receipt, Key::Inside)
}

pub(crate) async fn clear_reinstall(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::FetchPeerFile { name })
        .await?;
    let peer = receipt.peer.ok_or_else(Problem::internal)?.peer;
    ok(&PeerAnswer { peer })
}

pub(crate) async fn wireguard(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, query::WireGuard).await?)
}

pub(super) fn name(visit: &Visit) -> Result<PeerName, Problem> {
    path::name(visit, "name", "device")
}

/// The device and its file. The file is answered even when the change waits for its confirmation: it is never shown
/// again.
pub(super) fn file_reply(status: StatusCode, receipt: Receipt, key: Key) -> Result<Reply, Problem> {
    let made = receipt.peer.ok_or_else(Problem::internal)?;
    let code = made
        .config
        .as_ref()
        .filter(|_| key == Key::Inside)
        .map(|config| {
            let label = format!("WireGuard settings of {}", made.peer.name);
            qr::svg(config.expose(), &label).map(Secret::new)
        });
    let waits = receipt.confirm.is_some();
    let answer = PeerFileAnswer {
        peer: made.peer,
        config: made.config,
        // Every file of ours fits; one that did not could still be copied.
        qr_svg: code.and_then(Result::ok),
        notes: made.notes,
        confirm: receipt.confirm,
    };
    let reply = Reply::json(status, &answer)?;
    Ok(if waits {
        reply.closing_connection()
    } else {
        reply
    })
}
