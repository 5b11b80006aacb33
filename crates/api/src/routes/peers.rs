//! Devices.

use cell_control::change::{Change, PeerForm, PeerUpdate, Receipt};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit, qr};
use cell_model::name::PeerName;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use http::StatusCode;

use crate::answer::{PeerAnswer, PeerFileAnswer, ok};
use crate::{body, parameter, path};

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
    let private_line = form.public_key.is_none();
    let receipt = visit
        .control
        .submit(&visit.caller, Change::AddPeer(form))
        .await?;
    Reply::json(StatusCode::CREATED, &file_answer(receipt, private_line)?)
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let update: PeerUpdate = body::read(&visit)?;
    let change = Change::ChangePeer {
        name: name.clone(),
        update,
    };
    visit.control.submit(&visit.caller, change).await?;
    let peer = ask(visit.control.as_ref(), &visit.caller, query::Peer { name }).await?;
    ok(&PeerAnswer { peer })
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    visit
        .control
        .submit(&visit.caller, Change::RemovePeer { name })
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn file(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::FetchPeerFile { name })
        .await?;
    ok(&file_answer(receipt, false)?)
}

pub(crate) async fn rekey(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::RekeyPeer { name })
        .await?;
    ok(&file_answer(receipt, true)?)
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

fn name(visit: &Visit) -> Result<PeerName, Problem> {
    path::name(visit, "name", "device")
}

fn file_answer(receipt: Receipt, private_line: bool) -> Result<PeerFileAnswer, Problem> {
    let made = receipt.peer.ok_or_else(Problem::internal)?;
    let code = made.config.as_ref().filter(|_| private_line).map(|config| {
        let label = format!("WireGuard settings of {}", made.peer.name);
        qr::svg(config.expose(), &label).map(Secret::new)
    });
    // Every file of ours fits; one that did not could still be copied.
    let qr_svg = code.and_then(Result::ok);
    Ok(PeerFileAnswer {
        peer: made.peer,
        config: made.config,
        qr_svg,
        notes: made.notes,
    })
}
