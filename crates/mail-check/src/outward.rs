//! How mail leaves: servers of others are greeted, and left.
//!
//! Which ones, the command says. Nobody is sent a message, and nobody is told more than the box's name.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cell_model::facts::is_global;
use cell_model::name::Domain;
use hickory_proto::rr::RecordType;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{Answer, Asker};
use crate::finding::Verdict;
use crate::record::silent;
use crate::smtp::{Dialogue, Reply, SmtpError};
use crate::text::short;
use crate::tls::{Fault, Trusted, secure};
use crate::{Command, ProviderSpec};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take for its first words; some let strangers wait for six seconds.
const GREETING: Duration = Duration::from_secs(10);
/// How many servers of a domain are tried.
const MOST_SERVERS: usize = 2;

const OTHER_WAY: &str = "Ask whoever provides the internet connection to open port 25 outwards. If they do not, have a \
    provider bring your mail on.";

/// What came of a domain's servers.
enum Greeted {
    Answered(String),
    TurnedAway(String, String),
    NoConnection(String),
    NoServer,
}

/// Whether servers of others can be reached.
pub(crate) async fn port_25(asker: &Arc<Asker>, domains: &[Domain], port: u16) -> Verdict {
    let mut greetings = JoinSet::new();
    for domain in domains {
        let (asker, domain) = (Arc::clone(asker), domain.clone());
        greetings.spawn(async move { greet_one_of(&asker, &domain, port).await });
    }
    let mut turned_away = None;
    let mut no_connection = None;
    // One that answers is enough; the others are left alone then.
    while let Some(greeted) = greetings.join_next().await {
        match greeted.unwrap_or(Greeted::NoServer) {
            Greeted::Answered(host) => {
                return Verdict::ok(format!("Mail servers of others answer, such as {host}."));
            }
            Greeted::TurnedAway(host, words) => turned_away = Some((host, words)),
            Greeted::NoConnection(host) => no_connection = Some(host),
            Greeted::NoServer => {}
        }
    }
    match (turned_away, no_connection) {
        (Some((host, words)), _) => Verdict::failed(
            format!("{host} wants no mail from this address. It says: {words}"),
            "Look at what it says, and whether the address is on a block list. Until that is mended, have a provider bring \
             your mail on.",
        ),
        (None, Some(host)) => Verdict::failed(
            format!(
                "No connection to {host} at port {port}. Most home connections are closed for that."
            ),
            OTHER_WAY,
        ),
        (None, None) => Verdict::unknown(
            "No mail server of others was found to try.",
            "Look at the box's connection to the internet, or name another domain to try.",
        ),
    }
}

async fn greet_one_of(asker: &Asker, domain: &Domain, port: u16) -> Greeted {
    let mut outcome = Greeted::NoServer;
    for (host, address) in servers(asker, domain).await {
        match greet(SocketAddr::new(address.into(), port)).await {
            Ok(reply) if reply.code == 220 => return Greeted::Answered(host),
            Ok(reply) => {
                let words = format!("{} {}", reply.code, short(&reply.lines.join(" ")));
                outcome = Greeted::TurnedAway(host, words);
            }
            Err(error) => {
                tracing::debug!(%error, "a mail server was not reached");
                outcome = Greeted::NoConnection(host);
            }
        }
    }
    outcome
}

/// Servers of a domain with their addresses, in order (RFC 5321 section 5.1).
async fn servers(asker: &Asker, domain: &Domain) -> Vec<(String, Ipv4Addr)> {
    let answer = asker.ask(domain.as_str(), RecordType::MX).await;
    let mut exchanges: Vec<(u16, String)> = match &answer {
        Answer::Values(values) => values.iter().filter_map(|value| exchange(value)).collect(),
        Answer::NoValue => vec![(0, domain.to_string())],
        Answer::NoName | Answer::Silence => Vec::new(),
    };
    exchanges.sort();
    let mut found = Vec::new();
    for (_, host) in exchanges.into_iter().take(MOST_SERVERS) {
        // Whoever names a domain shall not look around at home with it.
        let addresses = asker.addresses(&host).await;
        let mut public = addresses
            .into_iter()
            .filter(|address| is_elsewhere(*address));
        found.extend(public.next().map(|address| (host, address)));
    }
    found
}

/// Whether an address may be spoken to because somebody named its host: not what is at home or beside the box. On its own
/// loopback the box has no mail server; tests have theirs there.
fn is_elsewhere(address: Ipv4Addr) -> bool {
    is_global(address.into()) || address.is_loopback()
}

fn exchange(value: &str) -> Option<(u16, String)> {
    let (preference, host) = value.split_once(' ')?;
    let host = host.trim_end_matches('.');
    let is_none = host.is_empty();
    (!is_none).then_some((preference.parse().ok()?, host.to_owned()))
}

async fn greet(address: SocketAddr) -> Result<Reply, SmtpError> {
    let mut dialogue = Dialogue::new(connect(address).await?);
    let reply = within(GREETING, dialogue.reply()).await?;
    dialogue.leave().await;
    Ok(reply)
}

pub(crate) async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

pub(crate) async fn within<T>(
    time: Duration,
    reply: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, SmtpError> {
    match timeout(time, reply).await {
        Ok(reply) => reply,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// Why the provider does not take mail.
enum Trouble {
    /// No connection, or it broke.
    Broken,
    /// No SMTP, or it refuses.
    Unwilling(String),
    NoStartTls,
    Tls(Fault),
    NoSignIn,
}

impl From<SmtpError> for Trouble {
    fn from(error: SmtpError) -> Self {
        match error {
            SmtpError::Io(_) => Self::Broken,
            SmtpError::Foreign => Self::Unwilling("it does not speak SMTP".to_owned()),
        }
    }
}

/// Whether the provider is there, is who it should be, and lets the box sign in.
pub(crate) async fn provider(asker: &Asker, command: &Command, provider: &ProviderSpec) -> Verdict {
    let (host, port) = (&provider.host, provider.port);
    let answer = asker.ask(host.as_str(), RecordType::A).await;
    if answer == Answer::Silence {
        return silent(&format!("the address of {host}"));
    }
    let mut addresses = answer.values().iter();
    let Some(address) = addresses.find_map(|value| value.parse::<Ipv4Addr>().ok()) else {
        return Verdict::failed(
            format!("Public DNS has no address of {host}, which is to bring your mail on."),
            "Look at how the provider writes its name.",
        );
    };
    if !is_elsewhere(address) {
        return Verdict::failed(
            format!(
                "{host} has the address {address} of a home network, or of nobody at all, which services of the box do not reach."
            ),
            "Choose a provider on the internet.",
        );
    }
    match talk(command, provider, SocketAddr::new(address.into(), port)).await {
        Ok(()) => Verdict::ok(match provider.signs_in {
            true => format!(
                "{host} answers at port {port}, proves who it is, and lets the box sign in."
            ),
            false => format!("{host} answers at port {port} and proves who it is."),
        }),
        Err(trouble) => trouble.verdict(host, port),
    }
}

async fn talk(
    command: &Command,
    provider: &ProviderSpec,
    address: SocketAddr,
) -> Result<(), Trouble> {
    let trusted = Trusted::Public(provider.authorities.as_deref());
    let stream = connect(address).await.map_err(|_| Trouble::Broken)?;
    if provider.implicit_tls {
        let stream = within_tls(secure(stream, &provider.host, trusted)).await?;
        let mut dialogue = Dialogue::new(stream);
        greeted(within(GREETING, dialogue.reply()).await?)?;
        return signed_in(command, provider, dialogue).await;
    }
    let mut dialogue = Dialogue::new(stream);
    greeted(within(GREETING, dialogue.reply()).await?)?;
    let hello = format!("EHLO {}", command.host);
    if !within(GREETING, dialogue.say(&hello))
        .await?
        .offers("STARTTLS")
    {
        dialogue.leave().await;
        return Err(Trouble::NoStartTls);
    }
    if within(GREETING, dialogue.say("STARTTLS")).await?.code != 220 {
        return Err(Trouble::NoStartTls);
    }
    let stream = dialogue.into_stream()?;
    let stream = within_tls(secure(stream, &provider.host, trusted)).await?;
    signed_in(command, provider, Dialogue::new(stream)).await
}

fn greeted(reply: Reply) -> Result<(), Trouble> {
    match reply.code {
        220 => Ok(()),
        code => Err(Trouble::Unwilling(format!(
            "it says {code} {}",
            short(&reply.lines.join(" "))
        ))),
    }
}

/// The password stays here: whether it is right, the first message shows.
async fn signed_in<S: AsyncRead + AsyncWrite + Unpin>(
    command: &Command,
    provider: &ProviderSpec,
    mut dialogue: Dialogue<S>,
) -> Result<(), Trouble> {
    let hello = format!("EHLO {}", command.host);
    let offered = within(GREETING, dialogue.say(&hello)).await?;
    dialogue.leave().await;
    match provider.signs_in && !offered.offers("AUTH") {
        true => Err(Trouble::NoSignIn),
        false => Ok(()),
    }
}

async fn within_tls<T>(secured: impl Future<Output = Result<T, Fault>>) -> Result<T, Trouble> {
    match timeout(GREETING, secured).await {
        Ok(secured) => secured.map_err(Trouble::Tls),
        Err(_) => Err(Trouble::Broken),
    }
}

impl Trouble {
    fn verdict(self, host: &Domain, port: u16) -> Verdict {
        let ask = "Compare host and port with what the provider says; 465 and 587 are usual.";
        match self {
            Self::Broken => Verdict::failed(
                format!("{host} does not answer at port {port}: no mail leaves the box."),
                ask,
            ),
            Self::Unwilling(words) => Verdict::failed(
                format!("{host} takes no mail at port {port}: {words}."),
                ask,
            ),
            Self::NoStartTls => Verdict::failed(
                format!(
                    "{host} offers no encryption at port {port}, so the box sends nothing there."
                ),
                "Choose port 465, or ask the provider.",
            ),
            Self::NoSignIn => Verdict::failed(
                format!("{host} lets nobody sign in at port {port}."),
                "Ask the provider which port is for mail of its customers.",
            ),
            Self::Tls(fault) => Verdict::failed(
                match fault {
                    Fault::Expired => format!("The certificate of {host} is over."),
                    Fault::OtherName => format!("The server at {host} is called something else."),
                    Fault::Stranger => {
                        format!("Nobody vouches for the server that says it is {host}.")
                    }
                    Fault::Other(words) => {
                        format!("There is no encrypted connection to {host}: {words}.")
                    }
                },
                "The box sends nothing there. Look at how the provider writes its name, and ask it.",
            ),
        }
    }
}
