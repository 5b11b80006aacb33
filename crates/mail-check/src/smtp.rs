//! As much of SMTP as it takes to greet a server and leave (RFC 5321).

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// The longest line that is read (RFC 5321 section 4.5.3.1.5 has 512), and how many one reply may have.
const LONGEST_LINE: u64 = 2_048;
const MOST_LINES: usize = 64;

/// Why there is no talking with a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SmtpError {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// It says something else than SMTP.
    #[error("it does not speak SMTP")]
    Foreign,
}

/// What a server says at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Its lines, without code.
    pub(crate) lines: Vec<String>,
}

impl Reply {
    /// The first line: after the connection, or EHLO, the server's name and more.
    pub(crate) fn first(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// Whether an extension is offered (RFC 5321 section 4.1.1.1).
    pub(crate) fn offers(&self, keyword: &str) -> bool {
        self.lines.iter().skip(1).any(|line| {
            let mut words = line.split([' ', '=']);
            let first = words.next().unwrap_or_default();
            first.eq_ignore_ascii_case(keyword)
        })
    }
}

/// A connection to a server.
pub(crate) struct Dialogue<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Waits for the next reply.
    pub(crate) async fn reply(&mut self) -> Result<Reply, SmtpError> {
        let mut reply = Reply {
            code: 0,
            lines: Vec::new(),
        };
        for _ in 0..MOST_LINES {
            let mut line = Vec::new();
            let mut limited = (&mut self.stream).take(LONGEST_LINE);
            limited.read_until(b'\n', &mut line).await?;
            if line.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let more = match line.as_bytes().get(3) {
                Some(b'-') => true,
                Some(b' ') | None => false,
                Some(_) => return Err(SmtpError::Foreign),
            };
            reply.code = code.ok_or(SmtpError::Foreign)?;
            reply.lines.push(line.get(4..).unwrap_or("").to_owned());
            if !more {
                return Ok(reply);
            }
        }
        Err(SmtpError::Foreign)
    }

    /// Says a line, and waits for the reply.
    pub(crate) async fn say(&mut self, line: &str) -> Result<Reply, SmtpError> {
        let line = format!("{line}\r\n");
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.flush().await?;
        self.reply().await
    }

    /// Leaves; whether the other end hears it does not matter.
    pub(crate) async fn leave(mut self) {
        let _ = self.stream.write_all(b"QUIT\r\n").await;
        let _ = self.stream.flush().await;
        let _ = self.stream.shutdown().await;
    }

    /// The connection, for TLS. What came in the clear after the word for that is refused, as nobody knows whose it is.
    pub(crate) fn into_stream(self) -> Result<S, SmtpError> {
        match self.stream.buffer().is_empty() {
            true => Ok(self.stream.into_inner()),
            false => Err(SmtpError::Foreign),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(text: &str) -> Result<Reply, SmtpError> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(text.as_bytes()).await.unwrap();
        drop(theirs);
        Dialogue::new(ours).reply().await
    }

    #[tokio::test]
    async fn replies_may_have_several_lines() {
        let reply = said("250-mail.example.org\r\n250-AUTH=PLAIN\r\n250 STARTTLS\r\n");
        let reply = reply.await.unwrap();
        assert_eq!((reply.code, reply.first()), (250, "mail.example.org"));
        assert!(reply.offers("auth") && reply.offers("STARTTLS"));
        assert!(!reply.offers("mail.example.org") && !reply.offers("SIZE"));
        assert_eq!(said("220\r\n").await.unwrap().first(), "");
    }

    #[tokio::test]
    async fn what_is_not_smtp_is_refused() {
        let endless = "250-x\r\n".repeat(100);
        let long = format!("220 {}", "x".repeat(5_000));
        for text in ["HTTP/1.1 400\r\n", "22\r\n", "220_x\r\n", &endless] {
            let error = said(text).await.unwrap_err();
            assert!(matches!(error, SmtpError::Foreign), "{error:?}");
        }
        assert!(matches!(said("").await, Err(SmtpError::Io(_))));
        // Cut where the line gets too long, and no more of it is kept.
        assert!(said(&long).await.unwrap().first().len() < 2_100);
    }
}
