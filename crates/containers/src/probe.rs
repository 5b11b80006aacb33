//! Whether a container is well: asked as its manifest says, never for longer than it says.

use std::net::SocketAddrV4;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Why a container is not well. The text is fit to be shown.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// Nobody takes the connection.
    #[error("it does not listen on port {0}")]
    Silent(u16),
    /// It took longer than it may.
    #[error("it did not answer within {0} s")]
    TimedOut(u64),
    /// It is there, and says that it cannot.
    #[error("it answers with the status {0}")]
    Status(u16),
    /// What it says is no HTTP.
    #[error("its answer is not understood")]
    Answer,
    /// Its own test says so.
    #[error("a program in it ended with the status {0}")]
    Command(i64),
}

/// Connects.
pub(crate) async fn tcp(address: SocketAddrV4) -> Result<TcpStream, Unwell> {
    let stream = TcpStream::connect(address).await;
    stream.map_err(|_| Unwell::Silent(address.port()))
}

/// Asks for a page. What it says counts for nothing but its status: a page that wants a password is a page.
pub(crate) async fn http(address: SocketAddrV4, path: &str) -> Result<(), Unwell> {
    let stream = tcp(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Unwell::Answer)?;
    let request = Request::get(path)
        .header("host", address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|_| Unwell::Answer)?;
    // Whichever ends first; a server may close as soon as it has answered.
    let response = sender.send_request(request);
    tokio::pin!(response, connection);
    let response = tokio::select! {
        biased;
        response = &mut response => response,
        _ = &mut connection => response.await,
    };
    let status = response.map_err(|_| Unwell::Answer)?.status();
    match status.is_server_error() {
        true => Err(Unwell::Status(status.as_u16())),
        false => Ok(()),
    }
}

/// Gives up when it takes longer than it may.
pub(crate) async fn within<T>(
    limit: Duration,
    probe: impl Future<Output = Result<T, Unwell>>,
) -> Result<T, Unwell> {
    let probed = tokio::time::timeout(limit, probe).await;
    probed.unwrap_or_else(|_| Err(Unwell::TimedOut(limit.as_secs())))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that says this to whoever connects, and nothing when that is empty.
    async fn serving(answer: &'static str) -> SocketAddrV4 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1_024]).await;
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port)
    }

    #[tokio::test]
    async fn page_that_wants_a_password_is_a_page_and_a_server_error_is_none() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            (
                "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
                None,
            ),
            (
                "HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n",
                Some("the status 503"),
            ),
            ("220 mail ready\r\n", Some("not understood")),
        ] {
            let probed = http(serving(answer).await, "/a").await;
            let said = probed.err().map(|unwell| unwell.to_string());
            let is_so = match (&said, expected) {
                (None, None) => true,
                (Some(said), Some(expected)) => said.contains(expected),
                _ => false,
            };
            assert!(is_so, "{answer:?}: {said:?}");
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let address = serving("").await;
        let limit = Duration::from_millis(50);
        let probed = within(limit, http(address, "/")).await;
        assert!(matches!(probed, Err(Unwell::TimedOut(_))), "{probed:?}");
    }

    #[tokio::test]
    async fn who_is_not_there_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port);
        assert!(matches!(tcp(address).await, Err(Unwell::Silent(_))));
    }
}
