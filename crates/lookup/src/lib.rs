//! Addresses of names, asked of the name servers that it was given and of nobody else.
//!
//! For processes without power: it reads no file, neither hosts nor the system's resolvers. What comes is a stranger's, and
//! there is at most so much of it.
//! Must never: make up an address, or write down what was asked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use cell_model::name::Domain;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::time::timeout;

/// The most addresses of one name.
pub const MOST_ADDRESSES: usize = 8;

/// Asks for addresses. A copy asks the same servers, and remembers the same answers.
#[derive(Clone)]
pub struct Resolver(TokioResolver);

impl Resolver {
    /// One that asks these servers, over UDP and where that is not enough over TCP; `None` when it cannot be made.
    pub fn new(name_servers: &[SocketAddr]) -> Option<Self> {
        let servers = name_servers.iter().map(|server| {
            let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = server.port();
            }
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let mut options = ResolverOpts::default();
        options.use_hosts_file = ResolveHosts::Never;
        *builder.options_mut() = options;
        builder.build().map(Self).ok()
    }

    /// Addresses that a name has now, at most [`MOST_ADDRESSES`]; none where none came within `limit`.
    pub async fn addresses_of(&self, name: &Domain, limit: Duration) -> Vec<IpAddr> {
        // The dot at the end keeps it from being tried below anything else.
        match timeout(limit, self.0.lookup_ip(format!("{name}."))).await {
            Ok(Ok(found)) => found.iter().take(MOST_ADDRESSES).collect(),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a name was not found");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::Message;
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{RData, Record, RecordType};
    use tokio::net::UdpSocket;

    use super::*;

    const ENOUGH: Duration = Duration::from_secs(30);

    /// A name server that knows `count` addresses of everything.
    async fn server(count: u8) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let asked = Message::from_vec(&buffer[..length]).unwrap();
                let query = asked.queries[0].clone();
                let mut answer = asked.into_response();
                if query.query_type() == RecordType::A {
                    for host in 0..count {
                        let data = RData::A(A(Ipv4Addr::new(192, 0, 2, host)));
                        answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                    }
                }
                let bytes = answer.to_vec().unwrap();
                socket.send_to(&bytes, from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn name_has_its_addresses_and_not_too_many() {
        let name: Domain = "proxy.example.org".parse().unwrap();
        let resolver = Resolver::new(&[server(2).await]).unwrap();
        let found = resolver.addresses_of(&name, ENOUGH).await;
        assert_eq!(
            found,
            ["192.0.2.0", "192.0.2.1"].map(|text| text.parse::<IpAddr>().unwrap())
        );
        let resolver = Resolver::new(&[server(40).await]).unwrap();
        let found = resolver.addresses_of(&name, ENOUGH).await;
        assert_eq!(found.len(), MOST_ADDRESSES);
    }

    #[tokio::test]
    async fn name_without_addresses_and_servers_that_are_not_there_give_none() {
        let name: Domain = "localhost.example".parse().unwrap();
        let resolver = Resolver::new(&[server(0).await]).unwrap();
        assert!(resolver.addresses_of(&name, ENOUGH).await.is_empty());
        let nobody = Resolver::new(&[]).unwrap();
        assert!(nobody.addresses_of(&name, ENOUGH).await.is_empty());
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = Resolver::new(&[silent.local_addr().unwrap()]).unwrap();
        let limit = Duration::from_millis(50);
        assert!(resolver.addresses_of(&name, limit).await.is_empty());
    }
}
