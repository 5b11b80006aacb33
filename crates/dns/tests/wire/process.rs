//! The core's side: sockets, memory of what is wanted, questions to the box itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cell_dns::{
    Command, Dns, DnsError, DnsServer, LinkError, Listen, LocalLink, ProcessDns, Reply, ServerLink,
};
use cell_model::spec::DnsSpec;
use cell_model::step::DnsStep;

use crate::world::{addresses, dig, free_address, label, spec};

/// A process that can be replaced by a new one, as after a crash.
#[derive(Clone, Default)]
struct Restartable(Arc<Mutex<LocalLink>>);

impl Restartable {
    fn server(&self) -> DnsServer {
        let link = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        link.server.clone()
    }

    async fn restart(&self) {
        let old = std::mem::take(&mut *self.0.lock().unwrap());
        old.server.stop().await;
    }
}

#[async_trait]
impl ServerLink for Restartable {
    async fn call(&self, command: Command, sockets: Vec<Listen>) -> Result<Reply, LinkError> {
        Ok(cell_dns::link::serve(&self.server(), command, sockets).await)
    }
}

fn listening(addresses: &[SocketAddr]) -> DnsSpec {
    let mut spec = spec(&[]);
    spec.listen = addresses.iter().copied().collect();
    spec
}

fn replace(spec: DnsSpec) -> DnsStep {
    DnsStep::Replace(Arc::new(spec))
}

fn patch(serial: u32) -> DnsStep {
    DnsStep::PatchNames {
        serial,
        remove: BTreeSet::from([label("anna")]),
        set: BTreeMap::from([(label("bob"), addresses(&["10.31.7.3"]))]),
    }
}

#[tokio::test]
async fn applied_steps_are_verified_over_the_wire() {
    let dns = ProcessDns::new(LocalLink::default());
    let step = replace(listening(&[free_address(), free_address()]));
    dns.apply(&step).await.unwrap();
    dns.verify(&step).await.unwrap();
    dns.apply(&patch(2)).await.unwrap();
    dns.verify(&patch(2)).await.unwrap();
    let status = dns.observe().await.unwrap();
    assert_eq!((status.serial, status.names), (Some(2), 1));
    // Two addresses, two steps, two questions each.
    assert_eq!(status.queries, 8);
}

#[tokio::test]
async fn verify_names_the_difference() {
    let link = LocalLink::default();
    let server = link.server.clone();
    let dns = ProcessDns::new(link);
    let step = replace(listening(&[free_address()]));
    dns.apply(&step).await.unwrap();
    server.apply(&patch(9)).unwrap();
    let error = dns.verify(&step).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("answers home.cell. SOA with serial 9 instead of serial 1"),
        "{error}"
    );
}

#[tokio::test]
async fn verify_before_setup_asks_for_localhost() {
    let dns = ProcessDns::new(LocalLink::default());
    let mut spec = listening(&[free_address()]);
    spec.zone = None;
    let step = replace(spec);
    dns.apply(&step).await.unwrap();
    dns.verify(&step).await.unwrap();
    assert_eq!(dns.observe().await.unwrap().serial, None);
}

#[tokio::test]
async fn address_that_is_not_there_does_not_take_the_others_down() {
    let dns = ProcessDns::new(LocalLink::default());
    let here = free_address();
    // TEST-NET-1 is no address of this machine.
    let gone: SocketAddr = "192.0.2.1:5353".parse().unwrap();
    let step = replace(listening(&[gone, here]));
    let error = dns.apply(&step).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:5353");
    assert!(matches!(error, DnsError::Bind { .. }));
    assert_eq!(dig(here, "+short anna.home.cell").await, "10.31.7.2\n");
    dns.verify(&step).await.unwrap();
}

#[tokio::test]
async fn port_in_use_is_bound_when_the_step_is_applied_again() {
    let dns = ProcessDns::new(LocalLink::default());
    let taken = crate::world::sockets();
    let address = taken.address;
    let step = replace(listening(&[address]));
    assert!(matches!(dns.apply(&step).await, Err(DnsError::Bind { .. })));
    drop(taken);
    dns.apply(&step).await.unwrap();
    assert_eq!(dig(address, "+short anna.home.cell").await, "10.31.7.2\n");
}

#[tokio::test]
async fn restarted_process_gets_everything_again() {
    let link = Restartable::default();
    let dns = ProcessDns::new(link.clone());
    let address = free_address();
    dns.apply(&replace(listening(&[address]))).await.unwrap();
    dns.apply(&patch(2)).await.unwrap();
    link.restart().await;
    assert_eq!(dns.observe().await.unwrap().serial, None);
    // Asked while nobody is there: the core's socket keeps the question.
    let (early, ()) = tokio::join!(dig(address, "+short bob.home.cell"), async {
        dns.replay().await.unwrap();
    });
    assert_eq!(early, "10.31.7.3\n");
    dns.verify(&patch(2)).await.unwrap();
}

#[tokio::test]
async fn replay_before_the_first_step_does_nothing() {
    let dns = ProcessDns::new(LocalLink::default());
    dns.replay().await.unwrap();
    assert_eq!(dns.observe().await.unwrap().serial, None);
}

#[tokio::test]
async fn address_no_longer_listed_is_let_go() {
    let dns = ProcessDns::new(LocalLink::default());
    let (kept, left) = (free_address(), free_address());
    let both = replace(listening(&[kept, left]));
    dns.apply(&both).await.unwrap();
    dns.apply(&replace(listening(&[kept]))).await.unwrap();
    std::net::UdpSocket::bind(left).expect("the port is free again");
    assert_eq!(dig(kept, "+short anna.home.cell").await, "10.31.7.2\n");
}

#[test]
fn commands_survive_the_way_between_processes() {
    let commands = [
        Command::Apply(replace(spec(&["192.0.2.1:53".parse().unwrap()]))),
        Command::Apply(patch(7)),
        Command::Listen(vec!["[::1]:53".parse().unwrap()]),
        Command::Status,
    ];
    for command in commands {
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }
}
