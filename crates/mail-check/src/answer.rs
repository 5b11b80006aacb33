//! Questions to name servers, and what they answer.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

/// How long one server may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// How many servers are asked in turn.
const MOST_SERVERS: usize = 3;
/// Questions on the way at once: home routers drop what is more.
const AT_ONCE: usize = 8;
/// How much is looked at of what somebody else's zone says.
const MOST_VALUES: usize = 32;

/// What is in DNS under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These values, as a zone file has them but for texts, which are whole and bare.
    Values(Vec<String>),
    /// The name is there, and has none of this type.
    NoValue,
    /// There is no such name.
    NoName,
    /// Nobody could say.
    Silence,
}

impl Answer {
    /// The values; none when there are none, or none are known.
    pub(crate) fn values(&self) -> &[String] {
        match self {
            Self::Values(values) => values,
            Self::NoValue | Self::NoName | Self::Silence => &[],
        }
    }
}

/// Asks name servers, the first that answers, until a deadline: then there is silence.
pub(crate) struct Asker {
    servers: Vec<Server>,
    at_once: Semaphore,
    deadline: Instant,
}

struct Server {
    resolver: TokioResolver,
    /// It did not answer lately: the others are asked first.
    silent: AtomicBool,
}

impl Asker {
    pub(crate) fn new(servers: &[SocketAddr], deadline: Instant) -> Self {
        let resolvers = servers.iter().take(MOST_SERVERS).filter_map(resolver);
        let server = |resolver| Server {
            resolver,
            silent: AtomicBool::new(false),
        };
        Self {
            servers: resolvers.map(server).collect(),
            at_once: Semaphore::new(AT_ONCE),
            deadline,
        }
    }

    /// What is under a name, written without its final dot.
    pub(crate) async fn ask(&self, name: &str, kind: RecordType) -> Answer {
        let Ok(name) = Name::from_ascii(format!("{name}.")) else {
            return Answer::NoName;
        };
        let asked = async {
            let _permit = self.at_once.acquire().await.ok()?;
            let (silent, answering): (Vec<_>, Vec<_>) = self
                .servers
                .iter()
                .partition(|server| server.silent.load(Ordering::Relaxed));
            for server in answering.into_iter().chain(silent) {
                let answer = server.ask(&name, kind).await;
                if answer.is_some() {
                    return answer;
                }
            }
            None
        };
        let asked = timeout_at(self.deadline, asked).await;
        asked.ok().flatten().unwrap_or(Answer::Silence)
    }

    /// The addresses of a host.
    pub(crate) async fn addresses(&self, host: &str) -> Vec<Ipv4Addr> {
        let answer = self.ask(host, RecordType::A).await;
        let values = answer.values().iter();
        values.filter_map(|value| value.parse().ok()).collect()
    }
}

impl Server {
    /// `None`: it could not say.
    async fn ask(&self, name: &Name, kind: RecordType) -> Option<Answer> {
        let looked = timeout(PATIENCE, self.resolver.lookup(name.clone(), kind)).await;
        let (answer, silent) = match looked {
            Ok(Ok(found)) => (Some(values(found.answers(), kind)), false),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(absent)))) => {
                let answer = match absent.response_code {
                    ResponseCode::NXDomain => Some(Answer::NoName),
                    ResponseCode::NoError => Some(Answer::NoValue),
                    _ => None,
                };
                (answer, false)
            }
            Ok(Err(NetError::Dns(_))) => (None, false),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a name server gave no answer");
                (None, true)
            }
            Err(_) => (None, true),
        };
        self.silent.store(silent, Ordering::Relaxed);
        answer
    }
}

fn resolver(server: &SocketAddr) -> Option<TokioResolver> {
    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = server.port();
    }
    let server = NameServerConfig::new(server.ip(), true, connections.into());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut options = ResolverOpts::default();
    options.timeout = PATIENCE / 2;
    options.attempts = 2;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .ok()
}

fn values(records: &[Record], kind: RecordType) -> Answer {
    let of_kind = records.iter().filter(|record| record.record_type() == kind);
    let values: BTreeSet<String> = of_kind.map(|record| value(&record.data)).collect();
    match values.is_empty() {
        // An alias that leads nowhere.
        true => Answer::NoValue,
        false => Answer::Values(values.into_iter().take(MOST_VALUES).collect()),
    }
}

/// Names come in lower case and with the final dot.
fn value(data: &RData) -> String {
    let text = |name: &Name| {
        let text = name.to_ascii().to_ascii_lowercase();
        match text.ends_with('.') {
            true => text,
            false => format!("{text}."),
        }
    };
    match data {
        RData::A(address) => address.to_string(),
        RData::AAAA(address) => address.to_string(),
        RData::CNAME(name) => text(&name.0),
        RData::PTR(name) => text(&name.0),
        RData::MX(mx) => format!("{} {}", mx.preference, text(&mx.exchange)),
        RData::SRV(srv) => {
            let target = text(&srv.target);
            format!("{} {} {} {target}", srv.priority, srv.weight, srv.port)
        }
        RData::TXT(txt) => String::from_utf8_lossy(&txt.txt_data.concat()).into_owned(),
        data => data.to_string().to_ascii_lowercase(),
    }
}
