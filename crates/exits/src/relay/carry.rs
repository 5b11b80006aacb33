//! Moves what one end of a flow says to the other, both ways at once, within the kernel (splice(2)).

use std::io;

use rustix::net::Shutdown;
use rustix::pipe::{SpliceFlags, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::pipes::{Pipe, Pipes};

/// Bytes that are moved at a time: what a pipe holds (pipe(7)).
const PIECE: usize = 64 * 1024;

/// Returns once both ends have said all they had to say, which is told to the other end each time. An error ends both.
pub(super) async fn carry(one: &TcpStream, other: &TcpStream, pipes: &Pipes) -> io::Result<()> {
    tokio::try_join!(one_way(one, other, pipes), one_way(other, one, pipes))?;
    Ok(())
}

async fn one_way(from: &TcpStream, to: &TcpStream, pipes: &Pipes) -> io::Result<()> {
    loop {
        from.readable().await?;
        let pipe = pipes.take()?;
        match from.try_io(Interest::READABLE, || fill(from, &pipe)) {
            Ok(0) => {
                pipes.give(pipe);
                return match rustix::net::shutdown(to, Shutdown::Write) {
                    // It had gone before.
                    Err(rustix::io::Errno::NOTCONN) => Ok(()),
                    other => Ok(other?),
                };
            }
            Ok(count) => {
                drain(&pipe, count, to).await?;
                pipes.give(pipe);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pipes.give(pipe),
            Err(error) => return Err(error),
        }
    }
}

fn fill(from: &TcpStream, pipe: &Pipe) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(splice(from, None, &pipe.entrance, None, PIECE, flags)?)
}

async fn drain(pipe: &Pipe, mut left: usize, to: &TcpStream) -> io::Result<()> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    while left > 0 {
        to.writable().await?;
        let moved = to.try_io(Interest::WRITABLE, || {
            Ok(splice(&pipe.exit, None, to, None, left, flags)?)
        });
        match moved {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => left -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Two ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    /// Bytes that tell where in the flow they belong.
    fn numbered(count: usize, seed: u8) -> Vec<u8> {
        let byte = |index: usize| (index % 251) as u8 ^ seed;
        (0..count).map(byte).collect()
    }

    #[tokio::test]
    async fn both_ways_arrive_whole_and_each_end_is_told_when_the_other_is_done() {
        let ((mut client, inner), (outer, mut server)) = (pair().await, pair().await);
        let carried = tokio::spawn(async move { carry(&inner, &outer, &Pipes::default()).await });
        let (asked, answered) = (numbered(3_000_000, 0x5a), numbered(5_000_001, 0xa5));
        let (to_send, to_answer) = (asked.clone(), answered.clone());
        let served = tokio::spawn(async move {
            let mut heard = Vec::new();
            // Ends because the client has said all, and is answered after that.
            server.read_to_end(&mut heard).await.unwrap();
            server.write_all(&to_answer).await.unwrap();
            heard
        });
        client.write_all(&to_send).await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert!(heard == answered, "{} bytes came back", heard.len());
        let heard = served.await.unwrap();
        assert!(heard == asked, "{} bytes arrived", heard.len());
        carried.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn end_that_does_not_read_holds_back_the_other_and_nothing_is_lost() {
        let ((mut client, inner), (outer, mut server)) = (pair().await, pair().await);
        tokio::spawn(async move { carry(&inner, &outer, &Pipes::default()).await });
        let asked = numbered(40_000_000, 1);
        let to_send = asked.clone();
        let sent = tokio::spawn(async move {
            client.write_all(&to_send).await.unwrap();
            client.shutdown().await.unwrap();
            client
        });
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        // More than all that stands between them can hold.
        assert!(!sent.is_finished());
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        assert!(heard == asked, "{} bytes arrived", heard.len());
    }

    #[tokio::test]
    async fn end_that_is_torn_down_tears_down_the_other() {
        let ((client, inner), (outer, mut server)) = (pair().await, pair().await);
        let carried = tokio::spawn(async move { carry(&inner, &outer, &Pipes::default()).await });
        rustix::net::sockopt::set_socket_linger(&client, Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        assert!(carried.await.unwrap().is_err());
        let mut rest = Vec::new();
        // However it ends, it does.
        let _ = server.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
}
