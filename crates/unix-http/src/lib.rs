//! HTTP over a Unix socket, as podman and Caddy are controlled: one connection a call, and everything has an end.
//!
//! Promises: a call ends within its limit; an answer is never larger than asked for; a refusal that comes before the
//! whole request was taken is an answer.
//! Must never: know what is said, or to whom.
//! Start reading at [`call`].

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Where a call ends.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The time for all of it.
    pub time: Duration,
    /// The most bytes of an answer's body.
    pub answer: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing listens at the socket.
    #[error("nothing answers at the socket")]
    Connect(#[source] io::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke")]
    Talk(#[source] hyper::Error),
    /// It took too long.
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
    /// The answer is larger than it may be.
    #[error("the answer has more than {0} bytes")]
    AnswerSize(usize),
}

/// Sends a request to whoever listens at the socket; the whole answer, whatever its status. The request is to carry
/// `Host`, which HTTP/1.1 wants.
pub async fn call<B>(
    socket: &Path,
    request: Request<B>,
    limits: Limits,
) -> Result<Response<Bytes>, CallError>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limit = limits.time;
    let answered = tokio::time::timeout(limit, exchange(socket, request, limits.answer)).await;
    answered.unwrap_or(Err(CallError::TimedOut(limit)))
}

async fn exchange<B>(
    socket: &Path,
    request: Request<B>,
    most: usize,
) -> Result<Response<Bytes>, CallError>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let stream = UnixStream::connect(socket)
        .await
        .map_err(CallError::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(CallError::Talk)?;
    let answer = async {
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(CallError::Talk)?.into_parts();
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(source) => CallError::Talk(*source),
            Err(other) => {
                debug_assert!(other.is::<LengthLimitError>());
                CallError::AnswerSize(most)
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    // The connection is driven beside the call. Who refuses a large body answers and hangs up: the answer counts.
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    const LIMITS: Limits = Limits {
        time: Duration::from_secs(1),
        answer: 100,
    };

    /// Asks somebody who reads so much, answers this and hangs up; or answers nothing when it is empty.
    async fn ask(request: usize, read: usize, answer: &[u8]) -> Result<Response<Bytes>, CallError> {
        let folder: TempDir = tempfile::tempdir().unwrap();
        let socket = folder.path().join("some.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let answer = answer.to_vec();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut vec![0; read]).await.unwrap();
            match answer.is_empty() {
                true => std::future::pending().await,
                false => stream.write_all(&answer).await.unwrap(),
            }
        });
        let body = Full::new(Bytes::from(vec![b'x'; request]));
        let request = Request::post("/").header("host", "some").body(body);
        call(&socket, request.unwrap(), LIMITS).await
    }

    #[tokio::test]
    async fn answer_is_whole_whatever_its_status() {
        let answer = ask(0, 20, b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone").await;
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (404, &b"none"[..])
        );
    }

    #[tokio::test]
    async fn refusal_amid_the_request_is_the_answer() {
        // More than the socket holds, of which little is read.
        let answer = ask(
            4_000_000,
            20,
            b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        assert_eq!(answer.unwrap().status().as_u16(), 413);
    }

    #[tokio::test]
    async fn whatever_has_no_end_is_given_up() {
        let silent = ask(0, 20, b"").await;
        assert!(matches!(silent, Err(CallError::TimedOut(_))), "{silent:?}");
        let long = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n".to_vec(),
            vec![b'x'; 101],
        ];
        let long = ask(0, 20, &long.concat()).await;
        assert!(matches!(long, Err(CallError::AnswerSize(100))), "{long:?}");
        let short = ask(0, 20, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx").await;
        assert!(matches!(short, Err(CallError::Talk(_))), "{short:?}");
        let foreign = ask(0, 20, b"SSH-2.0-x\r\n\r\n").await;
        assert!(matches!(foreign, Err(CallError::Talk(_))), "{foreign:?}");
    }

    #[tokio::test]
    async fn nobody_at_the_socket_is_told() {
        let request = Request::new(Full::<Bytes>::default());
        let answer = call(Path::new("/nowhere.sock"), request, LIMITS).await;
        assert!(matches!(answer, Err(CallError::Connect(_))), "{answer:?}");
    }
}
