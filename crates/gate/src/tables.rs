//! What the mail service looks up for each message, on a socket of its own: whose an address is, and where mail goes.
//!
//! The protocol is Postfix's `socketmap_table(5)`: a netstring with `<table> <key>` is answered with a netstring that is
//! `OK <value>`, `NOTFOUND `, `TEMP <reason>` (try again) or `PERM <reason>`. A connection asks as often as it likes.
//! Who speaks something else is cut off; while the core does not answer, mail waits.

mod netstring;

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_control::mail::MailTable;
use cell_control::query::MailLookup;
use cell_control::{Control, ask};
use cell_model::name::ServiceId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::socket::{self, Room};

/// Each process of Postfix that looks something up has one, and keeps it for a while.
const ROOM: Room = Room {
    connections: 256,
    end_time: ANSWER_TIME,
};
/// How long a connection may rest. Postfix makes another when it has something to ask.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a question may take to come in, and an answer to go out.
const TRANSFER_TIME: Duration = Duration::from_secs(10);
/// How long the core may take. It answers from memory.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Answers on the socket until `stop` says `true` or its sender is gone; questions that are open then get their answer.
pub async fn serve_tables(
    listener: UnixListener,
    control: Arc<dyn Control>,
    service: ServiceId,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let desk = Arc::new(Desk { control, service });
    socket::accept(listener, ROOM, stop, |stream, stop| {
        let desk = Arc::clone(&desk);
        async move { desk.converse(stream, stop).await }
    })
    .await
}

/// Where the service asks.
struct Desk {
    control: Arc<dyn Control>,
    service: ServiceId,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Found(String),
    NotFound,
    Later(&'static str),
    Never(&'static str),
}

impl Desk {
    async fn converse(&self, mut stream: UnixStream, mut stop: watch::Receiver<bool>) {
        let mut buffer = BytesMut::new();
        loop {
            match netstring::take(&mut buffer) {
                Ok(Some(question)) => {
                    let answer = self.answer(&question).await.text();
                    let answer = netstring::wrap(answer.as_bytes());
                    match tokio::time::timeout(TRANSFER_TIME, stream.write_all(&answer)).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(_)) | Err(_) => return,
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(service = %self.service, %error, "a question to the tables cannot be read");
                    return;
                }
            }
            let rests = buffer.is_empty();
            let time = if rests { IDLE_TIME } else { TRANSFER_TIME };
            let read = tokio::select! {
                read = tokio::time::timeout(time, stream.read_buf(&mut buffer)) => read,
                _ = stop.wait_for(|stop| *stop), if rests => return,
            };
            match read {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return,
            }
        }
    }

    async fn answer(&self, question: &[u8]) -> Answer {
        // An address in another charset is nobody's here, and may well be somebody's elsewhere.
        let question = String::from_utf8_lossy(question);
        let Some((table, key)) = question.split_once(' ') else {
            return Answer::Never("it names no table and key");
        };
        let Ok(table) = table.parse::<MailTable>() else {
            return Answer::Never("there is no such table");
        };
        let caller = Caller {
            credential: Credential::Nobody,
            address: None,
            connected_at: now_since_boot(),
        };
        let lookup = MailLookup {
            service: self.service.clone(),
            table,
            key: key.to_owned(),
        };
        let asked = ask(self.control.as_ref(), &caller, lookup);
        match tokio::time::timeout(ANSWER_TIME, asked).await {
            Ok(Ok(Some(value))) => Answer::Found(value),
            Ok(Ok(None)) => Answer::NotFound,
            Ok(Err(problem)) => {
                tracing::debug!(service = %self.service, %problem, "a table has no answer");
                Answer::Later("the box does not answer")
            }
            Err(_) => Answer::Later("the box is slow to answer"),
        }
    }
}

impl Answer {
    fn text(self) -> String {
        let text = match self {
            Self::Found(value) => format!("OK {value}"),
            Self::NotFound => "NOTFOUND ".to_owned(),
            Self::Later(reason) => format!("TEMP {reason}"),
            Self::Never(reason) => format!("PERM {reason}"),
        };
        match text.len() <= netstring::MAX {
            true => text,
            false => "PERM the answer is too long".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
