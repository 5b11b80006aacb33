//! What the mail server of the box itself shows to those who come.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cell_model::mail::{FindingState, MailFinding, port};
use tokio::time::timeout;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::finding::Verdict;
use crate::outward::{connect, within};
use crate::smtp::{Dialogue, Reply, SmtpError};
use crate::text::short;
use crate::tls::{Fault, Trusted, secure};
use crate::{Command, ServedPort};

/// How long it may take, which is beside us.
const PATIENCE: Duration = Duration::from_secs(10);
/// Ports that speak TLS from the first byte on.
const ENCRYPTED: [u16; 2] = [port::SUBMISSIONS, port::IMAPS];
/// With so much left, somebody should look why there is no new certificate, in days: it is renewed well before.
const LAST_DAYS: i64 = 3;

const LOOK_AT_SERVICE: &str =
    "Look at the page of the mail service: whether it runs, and what it says in its log.";

/// What port 25 shows. `leads_here` says whether public DNS leads others to the box.
pub(crate) async fn port_25(command: &Command, leads_here: bool) -> Vec<MailFinding> {
    let Some(port) = served(command, port::SMTP) else {
        let verdict = Verdict::failed("The mail service does not take mail.", LOOK_AT_SERVICE);
        return vec![verdict.about("port_25_in")];
    };
    match hear(command, port).await {
        Ok(heard) => vec![
            inwards(command, port, leads_here).about("port_25_in"),
            name(command, &heard.greeting).about("helo"),
            encryption(heard.offers_tls).about("starttls"),
        ],
        Err(error) => {
            tracing::debug!(%error, "the mail server of the box was not reached");
            let verdict = Verdict::failed(
                "The mail server of this box does not answer at port 25, or does not take mail now.",
                LOOK_AT_SERVICE,
            );
            vec![verdict.about("port_25_in")]
        }
    }
}

struct Heard {
    greeting: String,
    offers_tls: bool,
}

async fn hear(command: &Command, port: &ServedPort) -> Result<Heard, SmtpError> {
    let mut dialogue = Dialogue::new(connect(port.address).await?);
    let greeting = willing(within(PATIENCE, dialogue.reply()).await?, 220)?;
    let hello = format!("EHLO {}", command.host);
    let offered = willing(within(PATIENCE, dialogue.say(&hello)).await?, 250)?;
    dialogue.leave().await;
    Ok(Heard {
        greeting: greeting.first().to_owned(),
        offers_tls: offered.offers("STARTTLS"),
    })
}

/// An answer of the code of those who go on.
fn willing(reply: Reply, code: u16) -> Result<Reply, SmtpError> {
    match reply.code == code {
        true => Ok(reply),
        false => Err(SmtpError::Foreign),
    }
}

/// Nobody inside can see whether the way in is open.
fn inwards(command: &Command, port: &ServedPort, leads_here: bool) -> Verdict {
    let host = &command.host;
    if !port.public {
        return Verdict::failed(
            "The mail server answers at home, and the box lets nobody in from the internet: no mail arrives.",
            "Publish the mail service on its page, and have your router pass TCP port 25 on to the box.",
        );
    }
    let not_before = match leads_here {
        true => "",
        false => " First mend its address in DNS.",
    };
    Verdict::unknown(
        format!(
            "The mail server answers, and the box lets the internet in at port 25. Whether others get through to {host} \
             cannot be seen from here."
        ),
        format!(
            "Write to yourself from a mail account elsewhere.{not_before} If nothing arrives, have your router pass TCP port \
             25 on to the box, and ask whoever provides the internet connection whether it is open."
        ),
    )
}

/// RFC 5321 section 4.1.1.1: the server gives its own name, which others compare with that of the address.
fn name(command: &Command, greeting: &str) -> Verdict {
    let host = &command.host;
    let said = greeting.split_ascii_whitespace().next().unwrap_or_default();
    match said.eq_ignore_ascii_case(host.as_str()) {
        true => Verdict::ok(format!("The mail server greets others as {host}.")),
        false => Verdict::failed(
            format!(
                "The mail server greets others as {}; it should be {host}.",
                short(said)
            ),
            "Start the mail service anew.",
        ),
    }
}

fn encryption(offered: bool) -> Verdict {
    match offered {
        true => Verdict::ok("Others can bring their mail over an encrypted connection."),
        false => Verdict::failed(
            "The mail server offers others no encryption.",
            LOOK_AT_SERVICE,
        ),
    }
}

/// What devices get to see at an encrypted port.
pub(crate) async fn certificates(command: &Command) -> Vec<MailFinding> {
    let mut findings = Vec::new();
    for port in ENCRYPTED {
        if let Some(served) = served(command, port) {
            let verdict = certificate(command, served).await;
            findings.push(verdict.about(format!("certificate:{port}")));
        }
    }
    findings
}

async fn certificate(command: &Command, port: &ServedPort) -> Verdict {
    let (host, number) = (&command.host, port.port);
    // First as a device of the house sees it, then as everybody else does.
    let own = match &command.authority {
        Some(authority) => show(command, port, Trusted::Only(authority)).await,
        None => Shown::Not(Fault::Stranger),
    };
    let (shown, whose) = match own {
        Shown::Not(Fault::Stranger) => {
            let shown = show(command, port, Trusted::Public(None)).await;
            (shown, "everybody trusts it")
        }
        own => (
            own,
            "it is from the box's own authority: devices trust it once they have the box's root certificate, and other \
             servers do not ask",
        ),
    };
    let mend = "Start the mail service anew. If that does not help, look at its log.";
    match shown {
        Shown::ForDays(days) if days < LAST_DAYS => Verdict::warning(
            format!(
                "The certificate of {host} at port {number} is over in less than {LAST_DAYS} days."
            ),
            mend,
        ),
        Shown::ForDays(days) => Verdict::ok(format!(
            "The certificate at port {number} is for {host} and good for {days} more days; {whose}."
        )),
        Shown::Not(fault) => Verdict::failed(
            match fault {
                Fault::Expired => format!("The certificate of {host} at port {number} is over."),
                Fault::OtherName => format!("The certificate at port {number} is not for {host}."),
                Fault::Stranger => format!(
                    "The certificate at port {number} is from an authority that nobody knows."
                ),
                Fault::Other(words) => {
                    format!("There is no encrypted connection to port {number}: {words}.")
                }
            },
            mend,
        ),
        Shown::Nothing => Verdict::failed(
            format!("The mail server of this box does not answer at port {number}."),
            LOOK_AT_SERVICE,
        ),
    }
}

/// What a port shows.
enum Shown {
    /// A certificate of the host, good for so long.
    ForDays(i64),
    Not(Fault),
    Nothing,
}

async fn show(command: &Command, port: &ServedPort, trusted: Trusted<'_>) -> Shown {
    let Ok(stream) = connect(port.address).await else {
        return Shown::Nothing;
    };
    match timeout(PATIENCE, secure(stream, &command.host, trusted)).await {
        Err(_) => Shown::Nothing,
        Ok(Err(fault)) => Shown::Not(fault),
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let leaf = session.peer_certificates().and_then(|chain| chain.first());
            let days = leaf.and_then(|leaf| days_left(leaf));
            days.map_or(Shown::Nothing, Shown::ForDays)
        }
    }
}

fn days_left(leaf: &[u8]) -> Option<i64> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    let end = leaf.validity().not_after.timestamp();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some((end - i64::try_from(now.as_secs()).ok()?) / 86_400)
}

fn served(command: &Command, port: u16) -> Option<&ServedPort> {
    let mut served = command.served.iter();
    served.find(|served| served.port == port)
}

/// Whether a finding says that all is well.
pub(crate) fn is_ok(finding: &MailFinding) -> bool {
    finding.state == FindingState::Ok
}
