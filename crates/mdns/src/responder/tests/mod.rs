//! Made-up boxes on a made-up wire.

mod limits;
mod names;

use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{DNSClass, Name, RData};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LAPTOP: &str = "192.168.77.10:5353";

/// Two or more boxes on one wire, or one box and what is said to it, in made-up time.
struct Wire {
    boxes: Vec<Responder>,
    now: Instant,
    /// What was sent, by whom.
    said: Vec<(usize, Outgoing)>,
}

fn spec(label: &str, addresses: &[&str]) -> MdnsSpec {
    MdnsSpec {
        interface: "lan0".parse().unwrap(),
        label: label.parse().unwrap(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        admin_port: Some(8443),
    }
}

fn home() -> MdnsSpec {
    spec("home", &["192.168.77.1/24", "fd77::1/64"])
}

impl Wire {
    fn of(specs: &[MdnsSpec]) -> Self {
        let now = Instant::now();
        let numbered = specs.iter().zip(1..);
        Self {
            boxes: numbered
                .map(|(spec, seed)| Responder::new(spec.clone(), seed, now))
                .collect(),
            now,
            said: Vec::new(),
        }
    }

    /// One box that has its name already.
    fn settled(spec: MdnsSpec) -> Self {
        let mut wire = Self::of(&[spec]);
        wire.pass(Duration::from_secs(5));
        wire.said.clear();
        wire
    }

    /// Lets time pass; what a box says to everybody or to another over IPv4, is heard.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            for index in 0..self.boxes.len() {
                for message in self.boxes[index].due(self.now) {
                    self.deliver(index, message);
                }
            }
            let next = self.boxes.iter().filter_map(Responder::deadline).min();
            match next {
                Some(next) if next <= end => self.now = next.max(self.now),
                _ => break,
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, from: usize, message: Outgoing) {
        let source = address_of(&self.boxes[from]);
        for (index, other) in self.boxes.iter_mut().enumerate() {
            let hears = match message.to {
                Target::Group(via) => via == Via::V4 && index != from,
                Target::One(address) => address == address_of(other),
            };
            if hears {
                other.receive(&message.bytes, source, self.now);
            }
        }
        self.said.push((from, message));
    }

    /// Says something to the first box and answers what it says within a second.
    fn ask(&mut self, message: &Message, source: &str) -> Vec<(Target, Message)> {
        self.said.clear();
        let bytes = message.to_vec().unwrap();
        self.boxes[0].receive(&bytes, source.parse().unwrap(), self.now);
        self.pass(SECOND);
        self.heard()
    }

    fn heard(&self) -> Vec<(Target, Message)> {
        let messages = self.said.iter().map(|(_, message)| message);
        messages
            .map(|message| (message.to, Message::from_vec(&message.bytes).unwrap()))
            .collect()
    }

    fn labels(&self) -> Vec<String> {
        let labels = self.boxes.iter().map(|each| match each.status() {
            MdnsStatus::Answering { label } => label.to_string(),
            other => format!("{other:?}"),
        });
        labels.collect()
    }
}

fn address_of(responder: &Responder) -> SocketAddr {
    let mut networks = responder.spec.addresses.iter();
    let v4 = networks.find(|network| network.addr().is_ipv4()).unwrap();
    (v4.addr(), PORT).into()
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn question(text: &str, record_type: RecordType) -> Message {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name(text), record_type));
    message
}

fn a(owner: &str, address: &str) -> Record {
    let data = RData::A(address.parse::<Ipv4Addr>().unwrap().into());
    Record::from_rdata(name(owner), 120, data)
}

fn response(records: Vec<Record>) -> Vec<u8> {
    answer::message(records.into_iter()).to_vec().unwrap()
}

/// Type and data of the answers, in words.
fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| format!("{} {}", record.record_type(), record.data);
    records.iter().map(text).collect()
}

#[test]
fn name_is_asked_for_three_times_and_then_told_twice() {
    let mut wire = Wire::of(&[home()]);
    wire.pass(Duration::from_secs(60));
    assert_eq!(wire.labels(), ["home"]);
    let heard = wire.heard();
    // Each over both protocols.
    for via in Via::BOTH {
        let group = Target::Group(via);
        let messages = heard.iter().filter(|(to, _)| *to == group);
        let messages: Vec<&Message> = messages.map(|(_, message)| message).collect();
        let kinds = messages.iter().map(|message| message.metadata.message_type);
        let mut expected = vec![MessageType::Query; 3];
        expected.extend([MessageType::Response; 2]);
        assert_eq!(kinds.collect::<Vec<_>>(), expected);
        let asked = messages[0].queries.iter();
        assert!(asked.clone().all(|query| query.mdns_unicast_response));
        let asked: Vec<String> = asked
            .map(|query| format!("{} {}", query.name(), query.query_type()))
            .collect();
        assert_eq!(
            asked,
            [
                "home.local. ANY",
                "home._https._tcp.local. ANY",
                "home.local. A"
            ]
        );
        assert_eq!(
            texts(&messages[0].authorities),
            ["A 192.168.77.1", "AAAA fd77::1", "SRV 0 0 8443 home.local."]
        );
        let told = &messages[3].answers;
        assert_eq!(told.len(), 10);
        for record in told {
            let shared = record.name.to_string().starts_with('_');
            assert_eq!(record.mdns_cache_flush, !shared, "{record}");
            let long = shared || record.record_type() == RecordType::TXT;
            assert_eq!(record.ttl, if long { 4_500 } else { 120 }, "{record}");
        }
    }
    assert_eq!(heard.len(), 10);
    assert_eq!(wire.boxes[0].deadline(), None);
}

#[test]
fn nobody_is_answered_before_the_name_is_known_to_be_free() {
    let mut wire = Wire::of(&[home()]);
    let asked = question("home.local.", RecordType::A).to_vec().unwrap();
    wire.boxes[0].receive(&asked, LAPTOP.parse().unwrap(), wire.now);
    wire.pass(Duration::from_millis(740));
    let kinds = wire.heard();
    let kinds = kinds
        .iter()
        .map(|(_, message)| message.metadata.message_type);
    assert!(kinds.into_iter().all(|kind| kind == MessageType::Query));
}

#[test]
fn question_is_answered_to_everybody_with_what_is_asked_next() {
    let mut wire = Wire::settled(home());
    let heard = wire.ask(&question("HOME.local.", RecordType::A), LAPTOP);
    let [(to, answer)] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(*to, Target::Group(Via::V4));
    assert!(answer.metadata.authoritative && answer.queries.is_empty());
    assert_eq!(texts(&answer.answers), ["A 192.168.77.1"]);
    assert!(texts(&answer.additionals).contains(&"AAAA fd77::1".to_owned()));

    let heard = wire.ask(&question("_https._tcp.local.", RecordType::PTR), LAPTOP);
    assert_eq!(texts(&heard[0].1.answers), ["PTR home._https._tcp.local."]);
    let additionals = texts(&heard[0].1.additionals);
    for expected in ["A 192.168.77.1", "SRV 0 0 8443 home.local."] {
        assert!(
            additionals.contains(&expected.to_owned()),
            "{additionals:?}"
        );
    }
    let types = question("_services._dns-sd._udp.local.", RecordType::PTR);
    let heard = wire.ask(&types, LAPTOP);
    assert_eq!(texts(&heard[0].1.answers), ["PTR _https._tcp.local."]);
    let reverse = question("1.77.168.192.in-addr.arpa.", RecordType::PTR);
    let heard = wire.ask(&reverse, LAPTOP);
    assert_eq!(texts(&heard[0].1.answers), ["PTR home.local."]);
}

#[test]
fn names_that_are_not_the_boxs_are_left_to_others() {
    let mut wire = Wire::settled(home());
    for other in ["home-2.local.", "local.", "x.home.local.", "home.cell."] {
        assert!(
            wire.ask(&question(other, RecordType::ANY), LAPTOP)
                .is_empty()
        );
    }
    let mut chaos = question("home.local.", RecordType::A);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert!(wire.ask(&chaos, LAPTOP).is_empty());
}

#[test]
fn type_that_the_name_does_not_have_is_denied() {
    let mut wire = Wire::settled(spec("home", &["192.168.77.1/24"]));
    let heard = wire.ask(&question("home.local.", RecordType::AAAA), LAPTOP);
    let [denial] = &heard[0].1.answers[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(denial.record_type(), RecordType::NSEC);
    // The name itself, one block with one byte, type 1 (RFC 4034 section 4.1).
    let data = [&b"\x04home\x05local\x00"[..], &[0, 1, 0x40]].concat();
    assert_eq!(records::written(&denial.data), data);
}

#[test]
fn same_is_not_told_to_everybody_twice_in_a_second() {
    let mut wire = Wire::settled(home());
    let asked = question("home.local.", RecordType::A);
    assert_eq!(wire.ask(&asked, LAPTOP).len(), 1);
    wire.said.clear();
    let bytes = asked.to_vec().unwrap();
    for _ in 0..100 {
        wire.boxes[0].receive(&bytes, LAPTOP.parse().unwrap(), wire.now);
        wire.pass(Duration::from_millis(20));
    }
    let times = wire.said.len();
    assert!((1..=3).contains(&times), "{times}");
}

#[test]
fn who_asks_to_be_told_alone_is_unless_everybody_should_be_reminded() {
    let mut wire = Wire::settled(home());
    let mut asked = question("home.local.", RecordType::A);
    asked.queries[0].set_mdns_unicast_response(true);
    let heard = wire.ask(&asked, LAPTOP);
    assert_eq!(heard[0].0, Target::One(LAPTOP.parse().unwrap()));
    wire.pass(Duration::from_secs(40));
    let heard = wire.ask(&asked, LAPTOP);
    assert_eq!(heard[0].0, Target::Group(Via::V4));
}

#[test]
fn plain_resolver_gets_its_question_back_and_a_short_life() {
    let mut wire = Wire::settled(home());
    let mut asked = question("home.local.", RecordType::A);
    asked.metadata.id = 4_711;
    let from = "192.168.77.10:40000";
    let heard = wire.ask(&asked, from);
    let [(to, answer)] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(*to, Target::One(from.parse().unwrap()));
    assert_eq!(answer.metadata.id, 4_711);
    assert_eq!(answer.queries, asked.queries);
    for record in answer.answers.iter().chain(&answer.additionals) {
        assert!(record.ttl <= 10 && !record.mdns_cache_flush, "{record}");
    }
}

#[test]
fn what_the_questioner_knows_is_not_repeated() {
    let mut wire = Wire::settled(home());
    let mut asked = question("home.local.", RecordType::A);
    asked.add_answer(a("home.local.", "192.168.77.1"));
    assert!(wire.ask(&asked, LAPTOP).is_empty());
    // It is about to be forgotten, or is not the whole truth.
    asked.answers[0].ttl = 59;
    assert_eq!(wire.ask(&asked, LAPTOP).len(), 1);
    asked.answers[0] = a("home.local.", "192.168.77.9");
    asked.answers[0].ttl = 0;
    wire.pass(SECOND);
    assert_eq!(wire.ask(&asked, LAPTOP).len(), 1);
}

#[test]
fn rest_of_what_is_known_is_waited_for() {
    let mut wire = Wire::settled(home());
    let mut asked = question("_https._tcp.local.", RecordType::PTR);
    asked.metadata.truncation = true;
    let bytes = asked.to_vec().unwrap();
    let mut rest = Message::new(0, MessageType::Query, OpCode::Query);
    let data = RData::PTR(PTR(name("home._https._tcp.local.")));
    rest.add_answer(Record::from_rdata(name("_https._tcp.local."), 4_500, data));
    let source = LAPTOP.parse().unwrap();
    wire.boxes[0].receive(&bytes, source, wire.now);
    wire.pass(Duration::from_millis(300));
    assert!(wire.said.is_empty());
    assert!(wire.ask(&rest, LAPTOP).is_empty());
    wire.boxes[0].receive(&bytes, source, wire.now);
    wire.pass(Duration::from_millis(600));
    assert_eq!(wire.said.len(), 1);
}

#[test]
fn only_neighbours_are_heard() {
    let mut wire = Wire::settled(home());
    let asked = question("home.local.", RecordType::A);
    for stranger in ["198.51.100.2:5353", "10.31.7.2:5353", "[2001:db8::1]:5353"] {
        assert!(wire.ask(&asked, stranger).is_empty(), "{stranger}");
    }
    for neighbour in ["[fd77::10]:5353", "[fe80::10]:5353"] {
        let heard = wire.ask(&asked, neighbour);
        assert_eq!(heard[0].0, Target::Group(Via::V6), "{neighbour}");
        wire.pass(SECOND);
    }
}
