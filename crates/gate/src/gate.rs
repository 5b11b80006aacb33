//! The order in which a request is judged. It is the same for every path, so that what is refused later tells
//! nothing to whom was refused earlier.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell_control::action::REAUTHENTICATION_REQUIRED;
use cell_control::caller::{Caller, Credential};
use cell_control::query::{CsrfToken, RecentProof};
use cell_control::{Control, ask};
use cell_model::account::Identity;
use cell_model::problem::Problem;
use http::header::{ALLOW, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use tokio::sync::{mpsc, watch};

use crate::form::{Form, encode};
use crate::protect::{self, Send as SendBody};
use crate::reading::Reading;
use crate::refusal::{
    bad_query, not_found, setup_complete, setup_required, wrong_method, wrong_role, wrong_scope,
};
use crate::reply::Reply;
use crate::route::{Access, Body, Faces, Route};
use crate::stream::BodyStream;
use crate::table::{Match, Table};
use crate::upload::{self, Upload};
use crate::visit::Visit;
use crate::{bearer, cookie, host, origin};

/// Judges requests and hands on what passes.
pub struct Gate {
    control: Arc<dyn Control>,
    faces: Faces,
    api: Table,
    pages: Table,
    hosts: watch::Receiver<BTreeSet<String>>,
}

/// Two routes that cannot both be: the same method and path, or paths that overlap.
#[derive(Debug, thiserror::Error)]
#[error("route {0} collides with another")]
pub struct RouteCollision(pub(crate) String);

/// Who refuses: with a problem document, or with a page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Face {
    Api,
    Page,
}

/// What a request is for.
struct Aim {
    face: Face,
    access: Access,
    found: Match,
}

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
            api: Table::new(faces.api)?,
            pages: Table::new(faces.pages)?,
            hosts,
        })
    }

    /// Answers one request of a connection that came from `peer` and was opened at `connected_at`
    /// (on the clock of [`cell_control::caller::now_since_boot`]).
    pub async fn answer<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
        connected_at: Duration,
    ) -> Response<Full<Bytes>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let (parts, body) = request.into_parts();
        let mut upload = Upload::new(body, &parts.headers);
        let aim = self.aim(&parts);
        let caller = Caller {
            credential: credential(aim.face, &parts.headers),
            address: Some(peer.ip().to_canonical()),
            connected_at,
        };
        let mut identity = None;
        let judged = self
            .judge(&parts, &aim, caller, &mut identity, &mut upload)
            .await;
        if let (Face::Page, Match::Route(route, _), Err(problem)) = (aim.face, &aim.found, &judged)
            && route.body == Body::Upload
            && problem.code == REAUTHENTICATION_REQUIRED
        {
            // Browsers show no answer before they have sent everything, and this one leads on.
            upload.discard(route.limit).await;
        }
        let reply = judged
            .unwrap_or_else(|problem| self.refusal(&parts, &aim, &problem, identity.as_ref()));
        upload.drain().await;
        tracing::debug!(
            method = %parts.method,
            path = parts.uri.path(),
            status = reply.status.as_u16(),
            address = %peer.ip(),
            "answered"
        );
        let send = if parts.method == Method::HEAD {
            SendBody::Headers
        } else {
            SendBody::All
        };
        protect::response(reply, send)
    }

    /// Finds the route without saying so yet.
    fn aim(&self, parts: &Parts) -> Aim {
        let path = parts.uri.path();
        let found = self.api.find(&parts.method, path);
        let api = path == "/api" || path.starts_with("/api/") || !matches!(found, Match::Nothing);
        // Nobody is led to a page where there are none.
        let api = api || self.faces.pages.is_empty();
        let (face, found) = if api {
            (Face::Api, found)
        } else {
            (Face::Page, self.pages.find(&parts.method, path))
        };
        let access = match &found {
            Match::Route(route, _) => route.access,
            Match::Method { access, .. } => *access,
            Match::Nothing if path.starts_with("/api/setup/") => Access::Setup,
            Match::Nothing => Access::SignedIn,
        };
        Aim {
            face,
            access,
            found,
        }
    }

    /// Every check, in its order, and then the handler.
    async fn judge<B>(
        &self,
        parts: &Parts,
        aim: &Aim,
        caller: Caller,
        identity: &mut Option<Identity>,
        upload: &mut Upload<B>,
    ) -> Result<Reply, Problem>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let authority = host::check(parts, &self.hosts.borrow())?;
        *identity = self.admit(aim.access, &caller).await?;
        if let (true, Some(somebody)) = (aim.access.needs_identity(), &*identity)
            && !aim.access.admits(somebody.role)
        {
            return Err(wrong_role());
        }
        if let (Match::Route(route, _), Some(somebody)) = (&aim.found, &*identity)
            && !somebody.has_scope(route.scope)
        {
            return Err(wrong_scope(route.scope));
        }
        if let Match::Route(route, _) = &aim.found
            && route.dangerous
        {
            ask(self.control.as_ref(), &caller, RecentProof).await?;
        }
        let csrf_token = self
            .check_csrf(parts, aim, &caller, &authority, upload)
            .await?;
        let (route, params) = match &aim.found {
            Match::Route(route, params) => (route, params.clone()),
            Match::Method { .. } => return Err(wrong_method()),
            Match::Nothing => return Err(not_found()),
        };
        let body = if route.body.is_handed_over() {
            upload.check_length(route.limit)?;
            Bytes::new()
        } else {
            upload.read(route.limit).await?
        };
        upload::check_type(route.body, &parts.headers, &body, upload.declared())?;
        let query =
            Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok_or_else(bad_query)?;
        let only_headers = parts.method == Method::HEAD;
        let (pieces, stream) = mpsc::channel(2);
        let visit = Visit {
            control: match only_headers {
                true => Arc::new(Reading(Arc::clone(&self.control))),
                false => Arc::clone(&self.control),
            },
            only_headers,
            caller,
            identity: identity.clone(),
            csrf_token,
            params,
            query,
            body,
            stream: route.body.is_handed_over().then(|| BodyStream::new(stream)),
            headers: parts.headers.clone(),
            path: parts.uri.path().to_owned(),
            authority,
        };
        let mut answering = (route.handler)(visit);
        if route.body.is_handed_over() {
            // It may answer before it has seen everything, and often after.
            tokio::select! {
                answer = &mut answering => return answer,
                () = upload.pass_on(route.limit, pieces) => {}
            }
        }
        answering.await
    }

    /// 428, 410, 401 and 503: whether the box is at the stage the route is for, and who is there.
    async fn admit(&self, access: Access, caller: &Caller) -> Result<Option<Identity>, Problem> {
        if access == Access::Open {
            return Ok(None);
        }
        let identified = self.control.identify(caller).await;
        match (access, identified) {
            (Access::Setup, Err(problem)) if problem.status == 428 => Ok(None),
            // Whether setup is done cannot be told.
            (Access::Setup, Err(problem))
                if problem.code == "unavailable" || problem.status == 500 =>
            {
                Err(problem)
            }
            (Access::Setup, _) => Err(setup_complete()),
            (_, Err(problem)) if problem.status == 428 => Err(setup_required()),
            (Access::SignIn, Err(problem)) if problem.status == 401 => Ok(None),
            (_, identified) => identified.map(Some),
        }
    }

    /// 403: both layers. Returns the session's token where a page may need it for its forms.
    async fn check_csrf<B>(
        &self,
        parts: &Parts,
        aim: &Aim,
        caller: &Caller,
        authority: &str,
        upload: &mut Upload<B>,
    ) -> Result<Option<String>, Problem>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let changes = origin::changes(&parts.method);
        if changes {
            origin::check(&parts.headers, authority)?;
        }
        let wanted = changes || aim.face == Face::Page;
        // No browser sends a token by itself.
        let by_token = matches!(caller.credential, Credential::Token(_));
        if !aim.access.needs_identity() || !wanted || by_token {
            return Ok(None);
        }
        let token = ask(self.control.as_ref(), caller, CsrfToken).await?;
        if changes {
            let sent = sent_token(parts, aim, upload).await?;
            if !sent.is_some_and(|sent| origin::token_matches(&token, &sent)) {
                return Err(origin::refused());
            }
        }
        Ok(Some(token))
    }

    /// A problem as the face of the path tells it. Browsers are led to the page that helps.
    fn refusal(
        &self,
        parts: &Parts,
        aim: &Aim,
        problem: &Problem,
        identity: Option<&Identity>,
    ) -> Reply {
        let path = parts.uri.path();
        let reading = matches!(parts.method, Method::GET | Method::HEAD);
        // A form that was interrupted is on a page, which need not have the same address.
        let whole = parts.uri.path_and_query().filter(|_| reading);
        let next = encode(whole.map_or(path, |whole| whole.as_str()));
        let reply = match (aim.face, problem.status) {
            (Face::Api, _) => Reply::problem(problem),
            (Face::Page, 428) => Reply::see_other("/setup"),
            (Face::Page, 401) if reading && aim.access.needs_identity() => {
                Reply::see_other(&format!("/sign-in?next={next}"))
            }
            (Face::Page, 403) if problem.code == REAUTHENTICATION_REQUIRED => {
                let word = if reading { "next" } else { "form" };
                Reply::see_other(&format!("/reauthenticate?{word}={next}"))
            }
            (Face::Page, _) => {
                (self.faces.page_error)(problem, identity, path).retry_after(problem)
            }
        };
        match &aim.found {
            Match::Method { allow, .. } if problem.status == 405 => {
                let allow = HeaderValue::from_str(allow).unwrap_or(HeaderValue::from_static(""));
                reply.with_header(ALLOW, allow)
            }
            _ => reply,
        }
    }
}

/// What the caller shows. A token is for programs, and pages know none.
fn credential(face: Face, headers: &HeaderMap) -> Credential {
    let token = (face == Face::Api).then(|| bearer::credential(headers));
    token
        .flatten()
        .unwrap_or_else(|| cookie::credential(headers))
}

/// The token a request carries: a header, or in pages a field of the form. 413 when the form is too large to look.
async fn sent_token<B>(
    parts: &Parts,
    aim: &Aim,
    upload: &mut Upload<B>,
) -> Result<Option<String>, Problem>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    let mut lines = parts.headers.get_all(origin::TOKEN_HEADER).iter();
    if let Some(line) = lines.next() {
        let only = lines.next().is_none();
        return Ok(line.to_str().ok().filter(|_| only).map(str::to_owned));
    }
    if let Match::Route(route, _) = &aim.found
        && route.body == Body::Upload
    {
        upload.check_length(route.limit)?;
        return upload.begin_form(&parts.headers, origin::TOKEN_FIELD).await;
    }
    if aim.face == Face::Api
        || !upload::has_type(&parts.headers, "application/x-www-form-urlencoded")
    {
        return Ok(None);
    }
    let limit = match &aim.found {
        Match::Route(route, _) => route.limit,
        _ => Route::LIMIT,
    };
    let form = Form::parse(&upload.read(limit).await?);
    Ok(form.and_then(|form| form.get(origin::TOKEN_FIELD).map(str::to_owned)))
}

#[cfg(test)]
mod tests;
