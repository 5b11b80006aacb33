//! What every answer carries, so that a browser holds back whatever a page of ours should never do.

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderName, HeaderValue};
use http_body_util::Full;

use crate::reply::Reply;

const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not no-referrer: with it browsers send `Origin: null` with forms, which the gate refuses.
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    // A pin on TLS would lock people out of a box whose certificate they have not trusted yet, so no HSTS here.
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// The connection is to end after this answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClosesConnection;

/// Whether the body goes with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Send {
    /// All of it.
    All,
    /// `HEAD`: headers only, the length of what was not sent among them.
    Headers,
}

/// The answer as it is sent.
pub(crate) fn response(reply: Reply, send: Send) -> Response<Full<Bytes>> {
    let length = reply.body.len();
    let body = match send {
        Send::All => reply.body,
        Send::Headers => Bytes::new(),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // No body at all: its length is not known, or there is none.
    if send == Send::Headers && length > 0 {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if reply.closes_connection {
        response.extensions_mut().insert(ClosesConnection);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn answers_are_not_stored_unless_they_never_change() {
        let cache = |reply| response(reply, Send::All).headers()[header::CACHE_CONTROL].clone();
        assert_eq!(cache(Reply::html(StatusCode::OK, "")), "no-store");
        assert_eq!(
            cache(Reply::immutable("text/css", b"")),
            "public, max-age=31536000, immutable"
        );
    }

    #[test]
    fn pages_run_and_load_nothing_of_others() {
        let response = response(Reply::html(StatusCode::OK, ""), Send::All);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
        assert_eq!(
            response.headers()[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff"
        );
        assert!(
            !response
                .headers()
                .contains_key(header::STRICT_TRANSPORT_SECURITY)
        );
    }

    #[tokio::test]
    async fn head_tells_the_length_and_sends_nothing() {
        use http_body_util::BodyExt;
        let response = response(Reply::html(StatusCode::OK, "12345"), Send::Headers);
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "5");
        assert!(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
    }
}
