//! [`Control`] over a [`Channel`]: the calls as messages, the asking side, and the answering side.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cell_model::account::Identity;
use cell_model::problem::Problem;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use crate::Control;
use crate::action::{Action, IncomingBundle, Outcome};
use crate::caller::{Caller, Credential};
use crate::change::{Change, Preview, Receipt};
use crate::channel::{Channel, Handler};
use crate::query::{Answer, Query};
use crate::view::FirmwareView;

/// One call of the control protocol.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    caller: Caller,
    #[serde(flatten)]
    request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "call", content = "with", rename_all = "snake_case")]
enum Request {
    Identify,
    Snapshot(Query),
    Preview(Change),
    Submit(Change),
    Confirm,
    Revert,
    Act(Action),
    Changed(u64),
    Receive(IncomingBundle),
}

/// The core, seen from another process.
#[derive(Clone)]
pub struct Remote {
    channel: Channel,
}

impl Remote {
    /// Over a connection that is there.
    pub fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Connects to the core's local socket. Root only.
    pub async fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        Ok(Self::new(Channel::start(stream, Arc::new(Refuse))))
    }

    async fn call<R: DeserializeOwned>(
        &self,
        caller: &Caller,
        request: Request,
    ) -> Result<R, Problem> {
        self.call_with(caller, request, Vec::new()).await
    }

    async fn call_with<R: DeserializeOwned>(
        &self,
        caller: &Caller,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> Result<R, Problem> {
        let call = Call {
            caller: caller.clone(),
            request,
        };
        let reply: Result<Result<R, Problem>, _> = self.channel.call(&call, descriptors).await;
        reply.unwrap_or_else(|error| {
            tracing::warn!(%error, "the core did not answer");
            Err(Problem::unavailable())
        })
    }
}

#[async_trait]
impl Control for Remote {
    async fn identify(&self, caller: &Caller) -> Result<Identity, Problem> {
        self.call(caller, Request::Identify).await
    }

    async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem> {
        self.call(caller, Request::Snapshot(query)).await
    }

    async fn preview(&self, caller: &Caller, change: Change) -> Result<Preview, Problem> {
        self.call(caller, Request::Preview(change)).await
    }

    async fn submit(&self, caller: &Caller, change: Change) -> Result<Receipt, Problem> {
        self.call(caller, Request::Submit(change)).await
    }

    async fn confirm(&self, caller: &Caller) -> Result<Receipt, Problem> {
        self.call(caller, Request::Confirm).await
    }

    async fn revert(&self, caller: &Caller) -> Result<Receipt, Problem> {
        self.call(caller, Request::Revert).await
    }

    async fn act(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
        self.call(caller, Request::Act(action)).await
    }

    async fn changed(&self, caller: &Caller, seen: u64) -> Result<u64, Problem> {
        self.call(caller, Request::Changed(seen)).await
    }

    async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        let request = Request::Receive(bundle);
        self.call_with(caller, request, vec![stream]).await
    }
}

/// Who is at the other end of a connection, as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Root, on the local socket: may be [`Credential::Local`].
    Root,
    /// An unprivileged process of ours that passes on what strangers say: never `Local`.
    Stranger,
}

/// Answers control calls that come over a channel.
pub struct Responder {
    control: Arc<dyn Control>,
    trust: Trust,
}

impl Responder {
    /// Calls of a connection with this trust go to `control`.
    pub fn new(control: Arc<dyn Control>, trust: Trust) -> Self {
        Self { control, trust }
    }

    async fn answer(
        &self,
        body: &RawValue,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Box<RawValue>, serde_json::Error> {
        let call: Call = match serde_json::from_str(body.get()) {
            Ok(call) => call,
            Err(error) => return refusal(&error),
        };
        let mut caller = call.caller;
        match (self.trust, &caller.credential) {
            (Trust::Stranger, Credential::Local) => caller.credential = Credential::Nobody,
            (Trust::Root, _) => caller.address = None,
            _ => {}
        }
        let control = self.control.as_ref();
        match call.request {
            Request::Identify => reply(control.identify(&caller).await),
            Request::Snapshot(query) => reply(control.snapshot(&caller, query).await),
            Request::Preview(change) => reply(control.preview(&caller, change).await),
            Request::Submit(change) => reply(control.submit(&caller, change).await),
            Request::Confirm => reply(control.confirm(&caller).await),
            Request::Revert => reply(control.revert(&caller).await),
            Request::Act(action) => reply(control.act(&caller, action).await),
            Request::Changed(seen) => reply(control.changed(&caller, seen).await),
            Request::Receive(bundle) => match descriptors.into_iter().next() {
                Some(stream) => reply(control.receive(&caller, bundle, stream).await),
                None => refusal(&serde_json::Error::custom("the stream is missing")),
            },
        }
    }
}

#[async_trait]
impl Handler for Responder {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        self.answer(&body, descriptors)
            .await
            .unwrap_or_else(|error| {
                tracing::error!(%error, "an answer could not be encoded");
                RawValue::NULL.to_owned()
            })
    }
}

/// Answers nothing: for the side that only calls.
struct Refuse;

#[async_trait]
impl Handler for Refuse {
    async fn handle(&self, _: Box<RawValue>, _: Vec<OwnedFd>) -> Box<RawValue> {
        RawValue::NULL.to_owned()
    }
}

fn reply<R: Serialize>(result: Result<R, Problem>) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(&result)
}

fn refusal(error: &serde_json::Error) -> Result<Box<RawValue>, serde_json::Error> {
    reply::<()>(Err(Problem::new(
        400,
        "bad_call",
        "The call could not be read",
        error.to_string(),
    )))
}
