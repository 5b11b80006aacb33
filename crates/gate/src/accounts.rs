//! What our reverse proxy asks before each request to a service: whether whoever sends it may use the service. So no
//! service sees a password, and what is removed here is refused there from the next request on.
//!
//! `GET /check?service=<id>`, with the client's own `Authorization` (Basic, RFC 7617), and where the client is as the last
//! address of `X-Forwarded-For`. The answers have no body:
//!
//! - 200, and `X-Account` with the account's name;
//! - 401 and the challenge: name and app password are missing or wrong;
//! - 403: the app password is for other services;
//! - 429 and `Retry-After`: too many wrong ones came from there;
//! - 400: it cannot be read; 503: the core does not answer. Nobody is let in then.
//!
//! The socket is the proxy's alone: whoever can connect to it can say where a request comes from.
//!
//! A service whose clients do not come through the proxy, such as mail, gets a socket of its own ([`serve_people`]). There
//! `/check` is about that service whatever the question says, and there is one more:
//!
//! `GET /person?name=<name>`, with or without the cell's domain: 200, `X-Account`, and `X-Quota-Mib` with what they may
//! keep; 404 when nobody of that name may use the service; 400 and 503 as above.

mod question;

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell_control::Control;
use cell_control::action::{Action, Outcome};
use cell_control::ask;
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_control::query::Person;
use cell_model::name::{CellName, ServiceId};
use cell_model::problem::Problem;
use http::header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use tokio::sync::watch;

use question::Question;

use crate::socket::{self, Limits};

/// The account a request is from, for the service.
const ACCOUNT: HeaderName = HeaderName::from_static("x-account");
/// What its person may keep, in MiB.
const QUOTA: HeaderName = HeaderName::from_static("x-quota-mib");
/// The proxy has one connection for each request that is being asked about.
const LIMITS: Limits = Limits {
    connections: 128,
    head_time: Duration::from_secs(30),
    head_bytes: 32 * 1024,
    head_lines: 100,
    end_time: ANSWER_TIME,
};
/// How long the core may take. It answers from memory.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How long a guesser waits when the core does not say.
const PAUSE_S: u32 = 60;

type Answer = Response<Empty<Bytes>>;

/// Answers on the socket until `stop` says `true` or its sender is gone; requests that are open then get their answer.
/// `realm` is what clients show when they ask for a password.
pub async fn serve(
    listener: UnixListener,
    control: Arc<dyn Control>,
    realm: &CellName,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let desk = Desk::new(control, realm, None)?;
    socket::serve(listener, LIMITS, desk, stop).await
}

/// As [`serve`], for one service alone: whose sign-ins it asks about, and who there is.
pub async fn serve_people(
    listener: UnixListener,
    control: Arc<dyn Control>,
    service: ServiceId,
    realm: &CellName,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let desk = Desk::new(control, realm, Some(service))?;
    socket::serve(listener, LIMITS, desk, stop).await
}

/// Where the proxy asks, or a service.
struct Desk {
    control: Arc<dyn Control>,
    challenge: HeaderValue,
    /// The one service that asks here.
    only: Option<ServiceId>,
}

impl socket::Desk for Desk {
    type Body = Empty<Bytes>;

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.judge(&request).await
    }
}

impl Desk {
    fn new(
        control: Arc<dyn Control>,
        realm: &CellName,
        only: Option<ServiceId>,
    ) -> io::Result<Self> {
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        Ok(Self {
            control,
            challenge: HeaderValue::from_str(&challenge).map_err(io::Error::other)?,
            only,
        })
    }

    async fn judge<B>(&self, request: &Request<B>) -> Answer {
        let asks_for_person = match request.uri().path() {
            "/check" => None,
            "/person" if self.only.is_some() => self.only.as_ref(),
            _ => return plain(StatusCode::NOT_FOUND),
        };
        if request.method() != Method::GET {
            return with(
                StatusCode::METHOD_NOT_ALLOWED,
                ALLOW,
                HeaderValue::from_static("GET"),
            );
        }
        if let Some(service) = asks_for_person {
            return self
                .person(service, request.uri().query().unwrap_or_default())
                .await;
        }
        let question = match Question::read(request, self.only.as_ref()) {
            Ok(Some(question)) => question,
            Ok(None) => return self.challenged(),
            Err(error) => {
                tracing::debug!(%error, "a question for an account cannot be read");
                return plain(StatusCode::BAD_REQUEST);
            }
        };
        let check = Action::CheckAppPassword(question.sign_in);
        let asked = self.control.act(&question.caller, check);
        match tokio::time::timeout(ANSWER_TIME, asked).await {
            Ok(Ok(Outcome::Admitted { username })) => {
                match HeaderValue::from_str(username.as_str()) {
                    Ok(username) => with(StatusCode::OK, ACCOUNT, username),
                    Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
                }
            }
            Ok(Err(problem)) => self.refused(&problem),
            Ok(Ok(_)) | Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    async fn person(&self, service: &ServiceId, query: &str) -> Answer {
        let name = match question::person(query) {
            Ok(name) => name,
            Err(error) => {
                tracing::debug!(%error, "a question for a person cannot be read");
                return plain(StatusCode::BAD_REQUEST);
            }
        };
        let caller = Caller {
            credential: Credential::Nobody,
            address: None,
            connected_at: now_since_boot(),
        };
        let service = service.clone();
        let asked = ask(self.control.as_ref(), &caller, Person { service, name });
        match tokio::time::timeout(ANSWER_TIME, asked).await {
            Ok(Ok(person)) => match HeaderValue::from_str(person.username.as_str()) {
                Ok(username) => {
                    let mut answer = with(StatusCode::OK, ACCOUNT, username);
                    let quota = HeaderValue::from(person.quota_mib);
                    answer.headers_mut().insert(QUOTA, quota);
                    answer
                }
                Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
            },
            Ok(Err(problem)) if problem.status == 404 => plain(StatusCode::NOT_FOUND),
            Ok(Err(_)) | Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    fn refused(&self, problem: &Problem) -> Answer {
        match problem.status {
            401 => self.challenged(),
            403 => plain(StatusCode::FORBIDDEN),
            429 => {
                let seconds = problem.retry_after.unwrap_or(PAUSE_S);
                let seconds = HeaderValue::from(seconds);
                with(StatusCode::TOO_MANY_REQUESTS, RETRY_AFTER, seconds)
            }
            // Before setup, without accounts, or without its core, the box lets nobody in.
            _ => plain(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    fn challenged(&self) -> Answer {
        with(
            StatusCode::UNAUTHORIZED,
            WWW_AUTHENTICATE,
            self.challenge.clone(),
        )
    }
}

fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn with(status: StatusCode, name: HeaderName, value: HeaderValue) -> Answer {
    let mut answer = plain(status);
    answer.headers_mut().insert(name, value);
    answer
}

#[cfg(test)]
mod tests;
