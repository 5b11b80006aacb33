//! Reading a request's body within limits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cell_model::problem::Problem;
use futures_core::Stream;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use multer::{Field, Multipart};
use tokio::sync::mpsc;

use crate::route::Body;

/// How long a body may take: a minute carries a whole 1 MiB config over a poor radio link.
const READ_TIME: Duration = Duration::from_secs(60);
/// How long the next piece of a long body may take.
const PIECE_TIME: Duration = Duration::from_secs(60);
/// Bytes of the field before a file: a token.
const LONGEST_FIRST_FIELD: usize = 256;
/// What a form may send before its file begins: it is held in memory until then.
const BEFORE_FILE: u64 = 1 << 20;
/// What of a refused body is still taken, so that the sender is not cut off before it reads why.
const DRAIN_BYTES: u64 = 16 * 1024 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A body that is still on its way.
pub(crate) struct Upload<B> {
    body: Option<Pin<Box<B>>>,
    /// The body, once it was begun as a form with a file in it.
    form: Option<FormWithFile>,
    declared: Option<u64>,
    /// The sender waits for a go-ahead, which asking for the body would give.
    waits: bool,
    read: Bytes,
}

impl<B> Upload<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    pub(crate) fn new(body: B, headers: &HeaderMap) -> Self {
        Self {
            declared: headers
                .get(CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .or(body.size_hint().exact()),
            waits: headers.contains_key(EXPECT),
            body: Some(Box::pin(body)),
            form: None,
            read: Bytes::new(),
        }
    }

    /// All of it. 413 when it has more than `limit` bytes, 408 when it takes too long, 400 when it breaks off.
    pub(crate) async fn read(&mut self, limit: usize) -> Result<Bytes, Problem> {
        let cap = u64::try_from(limit).unwrap_or(u64::MAX);
        if self.declared.is_some_and(|length| length > cap) || self.read.len() > limit {
            return Err(too_large(limit));
        }
        if let Some(body) = &mut self.body {
            self.read = tokio::time::timeout(READ_TIME, collect(body, limit))
                .await
                .map_err(|_| too_slow())??;
            self.body = None;
        }
        Ok(self.read.clone())
    }

    /// Begins to read it as a form with a file: what the first field holds, if that is `name`. The file follows.
    pub(crate) async fn begin_form(
        &mut self,
        headers: &HeaderMap,
        name: &str,
    ) -> Result<Option<String>, Problem> {
        let kind = headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let Ok(boundary) = multer::parse_boundary(kind) else {
            return Ok(None);
        };
        let Some(body) = self.body.take() else {
            return Ok(None);
        };
        let before_file = Arc::new(AtomicU64::new(BEFORE_FILE));
        let body = Counted {
            body,
            left: Arc::clone(&before_file),
        };
        let mut form = Multipart::new(body, boundary);
        let first = async {
            let field = form.next_field().await?;
            let Some(mut field) = field.filter(|field| field.name() == Some(name)) else {
                return Ok(None);
            };
            let mut value = BytesMut::new();
            while let Some(piece) = field.chunk().await? {
                if value.len() + piece.len() > LONGEST_FIRST_FIELD {
                    return Ok(None);
                }
                value.extend_from_slice(&piece);
            }
            Ok(String::from_utf8(value.to_vec()).ok())
        };
        let first = tokio::time::timeout(READ_TIME, first).await;
        let first = first.map_err(|_| too_slow())?;
        self.form = Some(FormWithFile {
            form,
            file: None,
            held: before_file,
        });
        first.map_err(|error: multer::Error| broken(&error))
    }

    /// Hands it over as it comes, at most `limit` bytes. Ends when there is nothing more, or nobody takes any more.
    pub(crate) async fn pass_on(&mut self, limit: usize, to: mpsc::Sender<Result<Bytes, Problem>>) {
        let mut left = limit;
        loop {
            let next = tokio::time::timeout(PIECE_TIME, self.next_piece()).await;
            let piece = match next.unwrap_or_else(|_| Err(too_slow())) {
                Ok(None) => return,
                Ok(Some(data)) if data.len() > left => Err(too_large(limit)),
                Ok(Some(data)) => {
                    left -= data.len();
                    Ok(data)
                }
                Err(problem) => Err(problem),
            };
            let is_last = piece.is_err();
            if to.send(piece).await.is_err() || is_last {
                return;
            }
        }
    }

    /// The next bytes of the body, or of the file in the form that it was begun as.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(FormWithFile { form, file, held }) = &mut self.form {
            if file.is_none() {
                *file = form.next_field().await.map_err(|error| broken(&error))?;
                // From here on every piece is handed over before the next one is taken.
                held.store(u64::MAX, Ordering::Relaxed);
            }
            let Some(file) = file else { return Ok(None) };
            return file.chunk().await.map_err(|error| broken(&error));
        }
        while let Some(body) = &mut self.body {
            let Some(frame) = body.frame().await else {
                self.body = None;
                break;
            };
            if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Its length, where that is known beforehand.
    pub(crate) fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// 413 when it says that it is longer.
    pub(crate) fn check_length(&self, limit: usize) -> Result<(), Problem> {
        let cap = u64::try_from(limit).unwrap_or(u64::MAX);
        match self.declared {
            Some(length) if length > cap => Err(too_large(limit)),
            _ => Ok(()),
        }
    }

    /// Takes in all of a refused body, at most `limit` bytes, and throws it away.
    pub(crate) async fn discard(&mut self, limit: usize) {
        let mut left = limit;
        if self.waits || self.check_length(limit).is_err() {
            return;
        }
        while let Ok(Ok(Some(data))) = tokio::time::timeout(PIECE_TIME, self.next_piece()).await
            && data.len() <= left
        {
            left -= data.len();
        }
    }

    /// Takes in what is left of a refused body and throws it away.
    pub(crate) async fn drain(self) {
        let Some(mut body) = self.body else { return };
        if self.waits
            || body.is_end_stream()
            || self.declared.is_some_and(|length| length > DRAIN_BYTES)
        {
            return;
        }
        let rest = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, |data| data.len() as u64);
                if seen > DRAIN_BYTES {
                    break;
                }
            }
        };
        // Too slow a sender loses the connection, and perhaps the answer with it.
        let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
    }
}

async fn collect<B>(body: &mut Pin<Box<B>>, limit: usize) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if read.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// A form of which the first field was read.
struct FormWithFile {
    form: Multipart<'static>,
    /// The field after it, once that has begun.
    file: Option<Field<'static>>,
    /// How many more bytes may be held in memory.
    held: Arc<AtomicU64>,
}

/// The pieces of a body, an error after too many bytes.
struct Counted<B> {
    body: Pin<Box<B>>,
    left: Arc<AtomicU64>,
}

impl<B> Stream for Counted<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let data = match ready!(self.body.as_mut().poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(io::Error::other(error.to_string()))));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_) => continue,
                },
            };
            let left = self.left.load(Ordering::Relaxed);
            let Some(rest) = left.checked_sub(data.len() as u64) else {
                return Poll::Ready(Some(Err(io::Error::other("no file begins in it"))));
            };
            if left != u64::MAX {
                self.left.store(rest, Ordering::Relaxed);
            }
            return Poll::Ready(Some(Ok(data)));
        }
    }
}

fn broken(error: &impl std::fmt::Display) -> Problem {
    tracing::debug!(%error, "a body broke off");
    Problem::new(
        400,
        "broken_body",
        "The request broke off",
        "Send it again.",
    )
}

/// Whether a body has the type its route takes. Without a body there is nothing to have a type.
pub(crate) fn check_type(
    body: Body,
    headers: &HeaderMap,
    read: &[u8],
    declared: Option<u64>,
) -> Result<(), Problem> {
    let is_nothing = match body {
        Body::Stream | Body::Upload => declared == Some(0),
        _ => read.is_empty(),
    };
    if is_nothing {
        return Ok(());
    }
    let wanted = match body {
        Body::None | Body::Json => "application/json",
        Body::Form => "application/x-www-form-urlencoded",
        Body::Upload => "multipart/form-data",
        Body::Octets | Body::Stream => "application/octet-stream",
    };
    if !has_type(headers, wanted) {
        return Err(Problem::new(
            415,
            "unsupported_media_type",
            "The content type is not right",
            format!("Send {wanted} in UTF-8."),
        ));
    }
    let empty_object = || {
        read.iter()
            .filter(|byte| !byte.is_ascii_whitespace())
            .eq(b"{}")
    };
    let is_coded = |line: &HeaderValue| !line.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(is_coded) {
        return Err(Problem::new(
            415,
            "unsupported_encoding",
            "The body is packed",
            "Send it as it is, without Content-Encoding.",
        ));
    }
    if body == Body::None && !empty_object() {
        return Err(Problem::new(
            400,
            "unexpected_body",
            "This takes no body",
            "Send the request without one.",
        ));
    }
    Ok(())
}

/// Whether the one `Content-Type` is `wanted`, in UTF-8 if it names a charset. Other parameters mean nothing here.
pub(crate) fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(text) = line.to_str() else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))
        && parts.all(utf8)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        413,
        "too_large",
        "The request is too large",
        format!("It may have at most {limit} bytes."),
    )
}

fn too_slow() -> Problem {
    Problem::new(
        408,
        "too_slow",
        "The request took too long to arrive",
        "Send it again over a better connection.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    fn typed(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        headers
    }

    fn status(body: Body, values: &[&'static str], read: &[u8]) -> u16 {
        check_type(body, &typed(values), read, None).map_or_else(|problem| problem.status, |()| 200)
    }

    #[test]
    fn content_type_may_have_parameters_but_one_charset() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"; x=y",
        ] {
            assert_eq!(status(Body::Json, &[good], b"{}"), 200, "{good}");
        }
        for bad in [
            "application/json; charset=utf-16",
            "application/jsonx",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/json, text/plain",
            "",
        ] {
            assert_eq!(status(Body::Json, &[bad], b"{}"), 415, "{bad}");
        }
        assert_eq!(status(Body::Json, &[], b"{}"), 415);
        assert_eq!(
            status(Body::Json, &["application/json", "application/json"], b"{}"),
            415
        );
    }

    #[test]
    fn packed_body_is_not_taken_for_a_plain_one() {
        let mut headers = typed(&["application/json"]);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("Identity"));
        assert!(check_type(Body::Json, &headers, b"{}", None).is_ok());
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let problem = check_type(Body::Json, &headers, b"{}", None).unwrap_err();
        assert_eq!(problem.status, 415);
        assert_eq!(problem.code, "unsupported_encoding");
        assert!(check_type(Body::Json, &headers, b"", None).is_ok());
    }

    #[test]
    fn route_without_a_body_takes_nothing_or_an_empty_object() {
        assert_eq!(status(Body::None, &[], b""), 200);
        assert_eq!(status(Body::None, &["text/plain"], b""), 200);
        assert_eq!(status(Body::None, &["application/json"], b" {}\n"), 200);
        assert_eq!(status(Body::None, &["application/json"], b"{\"a\":1}"), 400);
        assert_eq!(status(Body::None, &["text/plain"], b"{}"), 415);
    }

    #[tokio::test]
    async fn declared_length_is_refused_before_anything_is_read() {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("11"))]);
        let mut upload = Upload::new(Never, &headers);
        assert_eq!(upload.read(10).await.unwrap_err().status, 413);
    }

    #[tokio::test]
    async fn body_of_unknown_length_is_cut_at_the_limit() {
        let body = Full::new(Bytes::from(vec![b'x'; 10_000_000]));
        let mut upload = Upload::new(body, &HeaderMap::new());
        upload.declared = None;
        assert_eq!(upload.read(65_536).await.unwrap_err().status, 413);
        upload.drain().await;
    }

    #[tokio::test]
    async fn body_is_read_once_and_judged_by_each_limit() {
        let mut upload = Upload::new(
            Full::new(Bytes::from_static(b"0123456789")),
            &HeaderMap::new(),
        );
        upload.declared = None;
        assert_eq!(upload.read(10).await.unwrap(), "0123456789");
        assert_eq!(upload.read(10).await.unwrap(), "0123456789");
        assert_eq!(upload.read(9).await.unwrap_err().status, 413);
    }

    /// A body that must not be asked for.
    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            panic!("the body was read");
        }
    }
}
