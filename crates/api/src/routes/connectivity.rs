//! Ways out to the internet beside the uplink, and who has them.

use cell_control::change::{Change, PeerUpdate, Receipt};
use cell_control::connection::{
    ConnectionBody, ConnectionForm, ConnectionType, ConnectionView, WayForm,
};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::name::PeerName;
use cell_model::problem::Problem;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::answer::{ConnectionAnswer, PeerAnswer, changed, ok, part_of};
use crate::{body, path};

/// A device's way out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitForm {
    /// Which; `null` is the uplink.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<String>")]
    exit_connection_id: Option<Uuid>,
}

/// Whether a device leaves by the uplink while its way out leads nowhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailopenForm {
    /// It does; `null`: as usual, which is that it does not.
    #[serde(deserialize_with = "said")]
    failopen: Option<bool>,
}

/// `null` is a word here, and nothing is none.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let all = ask(visit.control.as_ref(), &visit.caller, query::Connections).await?;
    part_of(&visit, all.items, |connection| connection.id.to_string())
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    ok(&ConnectionAnswer {
        connection: connection(&visit, id).await?,
    })
}

pub(crate) async fn health(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    ok(&connection(&visit, id).await?.status)
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form = form(&visit)?;
    let receipt = submit(&visit, Change::AddConnection(Box::new(form))).await?;
    let id = receipt.connection.ok_or_else(Problem::internal)?;
    let connection = connection(&visit, id).await?;
    let made = Reply::json(StatusCode::CREATED, &ConnectionAnswer { connection });
    changed(receipt, made)
}

pub(crate) async fn put(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    let form = Box::new(form(&visit)?);
    let receipt = submit(&visit, Change::PutConnection { id, form }).await?;
    let connection = connection(&visit, id).await?;
    changed(receipt, ok(&ConnectionAnswer { connection }))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    let receipt = submit(&visit, Change::RemoveConnection { id }).await?;
    changed(receipt, Ok(Reply::no_content()))
}

pub(crate) async fn exit(visit: Visit) -> Result<Reply, Problem> {
    let form: ExitForm = body::read(&visit)?;
    let update = PeerUpdate {
        exit_connection_id: Some(form.exit_connection_id),
        ..PeerUpdate::default()
    };
    change_peer(&visit, update).await
}

pub(crate) async fn failopen(visit: Visit) -> Result<Reply, Problem> {
    let form: FailopenForm = body::read(&visit)?;
    let update = PeerUpdate {
        failopen: Some(form.failopen),
        ..PeerUpdate::default()
    };
    change_peer(&visit, update).await
}

async fn change_peer(visit: &Visit, update: PeerUpdate) -> Result<Reply, Problem> {
    let name: PeerName = path::name(visit, "name", "device")?;
    let change = Change::ChangePeer {
        name: name.clone(),
        update,
    };
    let receipt = submit(visit, change).await?;
    let peer = ask(visit.control.as_ref(), &visit.caller, query::Peer { name }).await?;
    changed(receipt, ok(&PeerAnswer { peer }))
}

/// The body, whose `config` is what its `type` takes.
fn form(visit: &Visit) -> Result<ConnectionForm, Problem> {
    let mut whole: ConnectionBody = body::read(visit)?;
    let config = whole.config.take();
    let way = match whole.kind {
        ConnectionType::Proxy => WayForm::Proxy(body::config(config)?),
        ConnectionType::WireguardExt => WayForm::WireguardExt(body::config(config)?),
    };
    Ok(whole.with(way))
}

fn id(visit: &Visit) -> Result<Uuid, Problem> {
    path::name(visit, "connection", "connection")
}

async fn connection(visit: &Visit, id: Uuid) -> Result<ConnectionView, Problem> {
    let found = ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Connection { id },
    );
    found.await.map(|view| *view)
}

async fn submit(visit: &Visit, change: Change) -> Result<Receipt, Problem> {
    visit.control.submit(&visit.caller, change).await
}
