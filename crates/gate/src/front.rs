//! The admin page behind our own reverse proxy: the same gate, on a Unix socket.
//!
//! The socket is the proxy's alone, so that what it says of a client is believed: where it is (`X-Forwarded-For`), and
//! since when its connection may have been open (`X-Forwarded-Since`, microseconds since boot). On every other listener
//! these headers count for nothing, and of this one's requests they are taken away before anything else reads them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::gate::Gate;
use crate::serve::{MAX_CONNECTIONS, SHUTDOWN_TIME, Seats};
use crate::socket::{self, Limits};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_SINCE: HeaderName = HeaderName::from_static("x-forwarded-since");
/// The proxy has all of a head before it comes here: what it takes from a client, and what it adds.
const LIMITS: Limits = Limits {
    connections: MAX_CONNECTIONS,
    head_time: Duration::from_secs(10),
    head_bytes: 64 * 1024,
    head_lines: 120,
    end_time: SHUTDOWN_TIME,
};
/// Seconds after which somebody may try again who has too many requests open.
const AGAIN: HeaderValue = HeaderValue::from_static("5");

/// Where a request comes from, as the proxy says.
#[derive(Debug, PartialEq, Eq)]
struct Client {
    address: IpAddr,
    /// Its connection was opened after that, on the clock of [`cell_control::caller::now_since_boot`].
    opened_after: Duration,
}

impl Client {
    /// Takes what the proxy says out of the headers. `None` when it is not there once, and whole.
    fn take(headers: &mut HeaderMap) -> Option<Self> {
        let address = only(headers, &FORWARDED_FOR).and_then(|text| text.parse().ok());
        let since = only(headers, &FORWARDED_SINCE).and_then(|text| text.parse().ok());
        let (address, since): (IpAddr, u64) = address.zip(since)?;
        Some(Self {
            address: address.to_canonical(),
            opened_after: Duration::from_micros(since),
        })
    }
}

/// Takes the header away; its value, when there is one alone.
fn only(headers: &mut HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none());
    let value = value.and_then(|value| value.to_str().ok().map(str::to_owned));
    headers.remove(name);
    value
}

/// Answers on the socket until `stop` says `true` or its sender is gone; open requests then have a few seconds to end.
pub async fn serve(
    listener: UnixListener,
    gate: Arc<Gate>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let desk = Desk {
        gate,
        seats: Seats::default(),
    };
    socket::serve(listener, LIMITS, desk, stop).await
}

struct Desk {
    gate: Arc<Gate>,
    /// Requests that are open, by where their clients are: nobody takes the places of all.
    seats: Seats,
}

impl socket::Desk for Desk {
    type Body = Full<Bytes>;

    async fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(client) = Client::take(request.headers_mut()) else {
            tracing::warn!("the proxy does not say where a request comes from");
            return refusal(StatusCode::BAD_REQUEST);
        };
        let Some(_seat) = self.seats.take(client.address) else {
            tracing::debug!(address = %client.address, "too many requests at a time");
            let mut refusal = refusal(StatusCode::SERVICE_UNAVAILABLE);
            refusal.headers_mut().insert(RETRY_AFTER, AGAIN);
            return refusal;
        };
        // Which port the client has is nobody's business here.
        let peer = SocketAddr::new(client.address, 0);
        self.gate.answer(request, peer, client.opened_after).await
    }
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
