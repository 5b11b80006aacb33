//! What a handler answers.

use bytes::Bytes;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::cookie;

/// An answer, before the gate adds its own headers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers. The gate adds the protective ones, and `Cache-Control: no-store` unless it is here.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Ends the connection after this answer, so that the next request comes on a new one: a risky change can only
    /// be confirmed on a connection that was opened after it.
    pub closes_connection: bool,
}

impl Reply {
    /// A body of this content type.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            status,
            headers,
            body: body.into(),
            closes_connection: false,
        }
    }

    /// A value as JSON. Secrets do not serialise unless their type was made for it. 500 when it cannot be written.
    pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Self, Problem> {
        match serde_json::to_vec(value) {
            Ok(body) => Ok(Self::new(status, "application/json", body)),
            Err(error) => {
                tracing::error!(%error, "an answer could not be encoded");
                Err(Problem::internal())
            }
        }
    }

    /// A page.
    pub fn html(status: StatusCode, page: impl Into<String>) -> Self {
        Self::new(status, "text/html; charset=utf-8", page.into())
    }

    /// 200 to `HEAD` where making the body would have an effect. Says nothing of its length (RFC 9110 section 9.3.2).
    pub fn headers_only(content_type: &'static str) -> Self {
        Self::new(StatusCode::OK, content_type, Bytes::new())
    }

    /// 303: the answer is at another path of this box.
    pub fn see_other(path: &str) -> Self {
        let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
        Self::bare(StatusCode::SEE_OTHER).with_header(header::LOCATION, location)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::bare(StatusCode::NO_CONTENT)
    }

    /// 200, to be stored under a name. The name is one of ours or a validated one; quotes in it are dropped.
    pub fn attachment(name: &str, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let name: String = name
            .chars()
            .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\'))
            .collect();
        let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
            .unwrap_or(HeaderValue::from_static("attachment"));
        Self::new(StatusCode::OK, content_type, body)
            .with_header(header::CONTENT_DISPOSITION, disposition)
    }

    /// A static file whose path changes with its content.
    pub fn immutable(content_type: &'static str, body: &'static [u8]) -> Self {
        Self::new(StatusCode::OK, content_type, body).with_header(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        )
    }

    /// A problem document (RFC 9457).
    pub fn problem(problem: &Problem) -> Self {
        #[derive(Serialize)]
        struct Document<'a> {
            r#type: &'static str,
            #[serde(flatten)]
            problem: &'a Problem,
        }
        let document = Document {
            r#type: "about:blank",
            problem,
        };
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Numbers and strings only: nothing in it can fail to encode.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        Self::new(status, "application/problem+json", body).retry_after(problem)
    }

    /// Sets `Retry-After` when the problem has one.
    pub fn retry_after(self, problem: &Problem) -> Self {
        match problem.retry_after {
            Some(seconds) => self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds)),
            None => self,
        }
    }

    /// Adds or replaces a header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Hands the browser a session.
    pub fn with_session(self, token: &Secret<String>) -> Self {
        self.with_cookie(cookie::session(token))
    }

    /// Takes the session from the browser.
    pub fn without_session(self) -> Self {
        self.with_cookie(Some(cookie::no_session()))
    }

    /// Ends the connection after this answer.
    pub fn closing_connection(mut self) -> Self {
        self.closes_connection = true;
        self
    }

    fn with_cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        if let Some(cookie) = cookie {
            self.headers.append(header::SET_COOKIE, cookie);
        }
        self
    }

    fn bare(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            closes_connection: false,
        }
    }
}
