//! The order in which a request is judged.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell_control::Control;
use http::{Request, Response};
use http_body_util::Full;
use tokio::sync::watch;

use crate::route::Faces;

/// Judges requests and hands on what passes.
pub struct Gate {
    control: Arc<dyn Control>,
    faces: Faces,
    hosts: watch::Receiver<BTreeSet<String>>,
}

/// Two routes that cannot both be: the same method and path, or paths that overlap.
#[derive(Debug, thiserror::Error)]
#[error("route {0} collides with another")]
pub struct RouteCollision(String);

impl Gate {
    /// A gate before the core. `hosts` are the box's own names, lower case, without a trailing dot.
    pub fn new(
        control: Arc<dyn Control>,
        faces: Faces,
        hosts: watch::Receiver<BTreeSet<String>>,
    ) -> Result<Self, RouteCollision> {
        Ok(Self {
            control,
            faces,
            hosts,
        })
    }

    /// Answers one request of a connection that came from `peer` and was opened at `connected_at`
    /// (on the clock of [`cell_control::caller::now_since_boot`]).
    pub async fn answer<B>(
        &self,
        _request: Request<B>,
        _peer: SocketAddr,
        _connected_at: Duration,
    ) -> Response<Full<Bytes>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display,
    {
        let _ = (&self.control, &self.faces, &self.hosts);
        Response::default()
    }
}
