use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{DNSClass, Name, RData};
use proptest::prelude::*;

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
fn answers_to_one_alone_are_few_and_then_for_everybody() {
    let mut wire = Wire::settled(home());
    let mut asked = question("home.local.", RecordType::A);
    asked.queries[0].set_mdns_unicast_response(true);
    let bytes = asked.to_vec().unwrap();
    let mut ask = |port| {
        wire.said.clear();
        for host in 10..210 {
            let source = SocketAddr::from(([192, 168, 77, host], port));
            wire.boxes[0].receive(&bytes, source, wire.now);
            wire.pass(Duration::ZERO);
        }
        let (alone, to_all): (Vec<_>, Vec<_>) = wire
            .heard()
            .into_iter()
            .partition(|(to, _)| matches!(to, Target::One(_)));
        wire.pass(Duration::from_secs(2));
        (alone.len(), to_all.len())
    };
    assert_eq!(ask(PORT), (30, 1));
    assert_eq!(
        ask(40_000),
        (30, 0),
        "plain resolvers do not hear everybody's"
    );
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

#[test]
fn name_that_another_has_is_left_to_it() {
    let mut wire = Wire::settled(home());
    let newcomer = spec("home", &["192.168.77.2/24"]);
    wire.boxes.push(Responder::new(newcomer, 7, wire.now));
    wire.pass(Duration::from_secs(5));
    assert_eq!(wire.labels(), ["home", "home-2"]);
}

#[test]
fn boxes_that_start_together_get_different_names() {
    let addresses = ["192.168.77.1/24", "192.168.77.2/24", "192.168.77.3/24"];
    let specs = addresses.map(|address| spec("cell", &[address]));
    let mut wire = Wire::of(&specs);
    wire.pass(Duration::from_secs(30));
    let mut labels = wire.labels();
    labels.sort();
    assert_eq!(labels, ["cell", "cell-2", "cell-3"]);
    wire.said.clear();
    wire.pass(Duration::from_secs(3_600));
    assert!(wire.said.is_empty(), "they leave each other alone");
}

#[test]
fn later_data_wins_between_two_that_ask_at_the_same_time() {
    let mut wire = Wire::of(&[spec("cell", &["192.168.77.5/24"])]);
    wire.pass(Duration::from_millis(300));
    let rival = |address: &str| {
        let mut message = question("cell.local.", RecordType::ANY);
        message.add_authority(a("cell.local.", address));
        message.to_vec().unwrap()
    };
    let from = |host: &str| format!("{host}:5353").parse().unwrap();
    let before = wire.boxes[0].deadline();
    for weaker in ["192.168.77.4", "192.168.77.5"] {
        wire.boxes[0].receive(&rival(weaker), from(weaker), wire.now);
        assert_eq!(wire.boxes[0].deadline(), before);
    }
    wire.boxes[0].receive(&rival("192.168.77.6"), from("192.168.77.6"), wire.now);
    assert_eq!(wire.boxes[0].deadline(), Some(wire.now + SECOND));
    wire.pass(Duration::from_secs(5));
    assert_eq!(wire.labels(), ["cell"], "the other went away");
}

#[test]
fn name_is_fought_over_a_few_times_and_then_left() {
    let mut wire = Wire::settled(home());
    let claim = response(vec![a("home.local.", "192.168.77.99")]);
    let other = "192.168.77.99:5353".parse().unwrap();
    for round in 0..3 {
        assert_eq!(wire.labels(), ["home"], "{round}");
        wire.boxes[0].receive(&claim, other, wire.now);
        assert_eq!(wire.labels(), ["Probing"], "{round}");
        wire.pass(Duration::from_secs(3));
    }
    assert_eq!(wire.labels(), ["home-2"]);
}

/// What everybody was told to forget.
fn taken_back(messages: &[(Target, Message)]) -> Vec<String> {
    let records = messages.iter().flat_map(|(_, message)| &message.answers);
    let gone: Vec<&Record> = records.filter(|record| record.ttl == 0).collect();
    assert!(gone.iter().all(|record| !record.mdns_cache_flush));
    let gone: Vec<Record> = gone.into_iter().cloned().collect();
    texts(&gone)
}

#[test]
fn name_that_is_lost_is_taken_back() {
    let mut wire = Wire::settled(home());
    let claim = response(vec![a("home.local.", "192.168.77.99")]);
    let other = "192.168.77.99:5353".parse().unwrap();
    wire.boxes[0].receive(&claim, other, wire.now);
    wire.pass(Duration::from_millis(10));
    assert!(taken_back(&wire.heard()).is_empty(), "it asks once more");
    wire.boxes[0].receive(&claim, other, wire.now);
    assert_eq!(wire.boxes[0].deadline(), Some(wire.now));
    wire.pass(Duration::ZERO);
    let gone = taken_back(&wire.heard());
    assert_eq!(gone.len(), 2 * 7);
    assert!(gone.contains(&"A 192.168.77.1".to_owned()));
    assert!(!gone.contains(&"PTR _https._tcp.local.".to_owned()));
    wire.pass(Duration::from_secs(5));
    assert_eq!(wire.labels(), ["home-2"]);
    assert_eq!(taken_back(&wire.heard()).len(), 2 * 7, "once");
}

#[test]
fn name_that_is_asked_for_again_is_taken_back_when_the_box_stops() {
    let claim = response(vec![a("home.local.", "192.168.77.99")]);
    let other = "192.168.77.99:5353".parse().unwrap();
    let lose = |times| {
        let mut wire = Wire::settled(home());
        for _ in 0..times {
            wire.boxes[0].receive(&claim, other, wire.now);
        }
        wire
    };
    for times in [1, 2] {
        assert_eq!(lose(times).boxes[0].farewell().len(), 2, "{times}");
        let mut wire = lose(times);
        let now = wire.now;
        let goodbye = wire.boxes[0].update(spec("hut", &["192.168.77.1/24"]), now);
        assert_eq!(goodbye.len(), 2, "{times}");
    }
}

#[test]
fn what_another_takes_back_and_the_box_has_too_is_told_again() {
    let mut wire = Wire::settled(home());
    let data = RData::PTR(PTR(name("_https._tcp.local.")));
    let all_types = name("_services._dns-sd._udp.local.");
    let mut record = Record::from_rdata(all_types, 4_500, data);
    let other = LAPTOP.parse().unwrap();
    wire.boxes[0].receive(&response(vec![record.clone()]), other, wire.now);
    wire.pass(SECOND);
    assert!(wire.said.is_empty(), "it lives as long as ours");
    record.ttl = 0;
    let goodbye = response(vec![record]);
    for _ in 0..100 {
        wire.boxes[0].receive(&goodbye, other, wire.now);
        wire.pass(Duration::from_millis(20));
    }
    let heard = wire.heard();
    assert!((4..=6).contains(&heard.len()), "{}", heard.len());
    assert_eq!(heard[0].1.answers.len(), 10);
}

#[test]
fn same_words_of_another_and_words_of_the_past_are_no_conflict() {
    let mut wire = Wire::settled(home());
    let mut gone = a("home.local.", "192.168.77.99");
    gone.ttl = 0;
    for harmless in [
        a("home.local.", "192.168.77.1"),
        gone,
        a("away.local.", "192.168.77.9"),
    ] {
        let bytes = response(vec![harmless]);
        wire.boxes[0].receive(&bytes, LAPTOP.parse().unwrap(), wire.now);
        assert_eq!(wire.labels(), ["home"]);
    }
    // Nor what comes from another port than everybody's.
    let claim = response(vec![a("home.local.", "192.168.77.99")]);
    wire.boxes[0].receive(&claim, "192.168.77.99:40000".parse().unwrap(), wire.now);
    assert_eq!(wire.labels(), ["home"]);
}

#[test]
fn box_gives_up_when_all_names_are_taken_and_tries_when_told_to() {
    let mut wire = Wire::of(&[home()]);
    for label in home().label.alternatives() {
        wire.pass(Duration::from_millis(300));
        assert_eq!(wire.labels(), ["Probing"]);
        let claim = response(vec![a(&format!("{label}.local."), "192.168.77.99")]);
        wire.boxes[0].receive(&claim, LAPTOP.parse().unwrap(), wire.now);
    }
    assert_eq!(wire.labels(), ["Taken"]);
    assert_eq!(wire.boxes[0].deadline(), None);
    let now = wire.now;
    assert!(wire.boxes[0].update(home(), now).is_empty());
    wire.pass(Duration::from_secs(5));
    assert_eq!(wire.labels(), ["home"]);
}

#[test]
fn renamed_box_takes_its_old_name_back() {
    let mut wire = Wire::settled(spec("cell", &["192.168.77.1/24"]));
    let now = wire.now;
    let goodbye = wire.boxes[0].update(spec("hut", &["192.168.77.1/24"]), now);
    assert_eq!(goodbye.len(), 2);
    let message = Message::from_vec(&goodbye[0].bytes).unwrap();
    assert!(message.answers.iter().all(|record| record.ttl == 0));
    assert!(texts(&message.answers).contains(&"A 192.168.77.1".to_owned()));
    assert_eq!(wire.labels(), ["Probing"]);
    wire.pass(Duration::from_secs(5));
    assert_eq!(wire.labels(), ["hut"]);
    let asked = question("cell.local.", RecordType::A);
    assert!(wire.ask(&asked, LAPTOP).is_empty());
}

#[test]
fn new_address_is_told_at_once_and_the_old_one_taken_back() {
    let mut wire = Wire::settled(home());
    let now = wire.now;
    let moved = spec("home", &["192.168.99.1/24", "fd77::1/64"]);
    let goodbye = wire.boxes[0].update(moved.clone(), now);
    let gone = Message::from_vec(&goodbye[0].bytes).unwrap().answers;
    assert_eq!(texts(&gone), ["A 192.168.77.1", "PTR home.local."]);
    assert_eq!(wire.labels(), ["home"]);
    wire.pass(Duration::from_secs(5));
    let heard = wire.heard();
    assert_eq!(heard.len(), 4);
    assert!(texts(&heard[0].1.answers).contains(&"A 192.168.99.1".to_owned()));
    assert!(wire.boxes[0].update(moved, wire.now).is_empty());
    assert_eq!(wire.boxes[0].deadline(), None, "nothing changed");
}

#[test]
fn name_of_a_new_service_is_asked_for_first() {
    let without = MdnsSpec {
        admin_port: None,
        ..home()
    };
    let mut wire = Wire::settled(without.clone());
    let now = wire.now;
    assert!(wire.boxes[0].update(home(), now).is_empty());
    assert_eq!(wire.labels(), ["Probing"]);
    wire.pass(Duration::from_secs(5));
    let asked = &wire.heard()[0].1.queries;
    assert!(
        asked
            .iter()
            .any(|query| *query.name() == name("home._https._tcp.local."))
    );
    assert_eq!(wire.labels(), ["home"]);
    let now = wire.now;
    assert_eq!(wire.boxes[0].update(without, now).len(), 2);
    assert_eq!(wire.labels(), ["home"], "nothing new");
}

#[test]
fn box_that_stops_takes_everything_back() {
    let mut wire = Wire::settled(home());
    let goodbye = wire.boxes[0].farewell();
    assert_eq!(goodbye.len(), 2);
    let answers = Message::from_vec(&goodbye[1].bytes).unwrap().answers;
    assert_eq!(answers.len(), 7, "all that is of this box alone");
    for record in &answers {
        assert!(record.ttl == 0 && !record.mdns_cache_flush, "{record}");
    }
    assert!(wire.boxes[0].farewell().is_empty());
    assert!(Wire::of(&[home()]).boxes[0].farewell().is_empty());
}

#[test]
fn waiting_answers_are_bounded() {
    let mut wire = Wire::settled(home());
    let mut asked = question("_https._tcp.local.", RecordType::PTR);
    asked.metadata.truncation = true;
    let bytes = asked.to_vec().unwrap();
    for _ in 0..10_000 {
        wire.boxes[0].receive(&bytes, LAPTOP.parse().unwrap(), wire.now);
    }
    assert_eq!(wire.boxes[0].pending.len(), 1, "one questioner has one");
    for source in (0..2_000).map(|port| SocketAddr::from(([192, 168, 77, 9], 10_000 + port))) {
        wire.boxes[0].receive(&bytes, source, wire.now);
    }
    assert!(wire.boxes[0].pending.len() <= 1 + 32);
}

#[test]
fn many_who_wait_keep_nobody_from_an_answer() {
    let mut wire = Wire::settled(home());
    let mut asked = question("_https._tcp.local.", RecordType::PTR);
    asked.metadata.truncation = true;
    let bytes = asked.to_vec().unwrap();
    for source in (10..=u8::MAX).map(|host| SocketAddr::from(([192, 168, 77, host], PORT))) {
        wire.boxes[0].receive(&bytes, source, wire.now);
    }
    assert_eq!(wire.boxes[0].pending.len(), 32);
    let types = question("_services._dns-sd._udp.local.", RecordType::PTR);
    for (asked, waits) in [
        (question("home.local.", RecordType::A), false),
        (types, true),
    ] {
        let bytes = asked.to_vec().unwrap();
        wire.said.clear();
        let source = "192.168.77.9:5353".parse().unwrap();
        wire.boxes[0].receive(&bytes, source, wire.now);
        wire.pass(Duration::ZERO);
        assert_eq!(wire.said.is_empty(), waits);
    }
    wire.pass(SECOND);
    let told = wire
        .heard()
        .into_iter()
        .flat_map(|(_, message)| message.answers);
    let told = texts(&told.collect::<Vec<_>>());
    assert!(
        told.contains(&"PTR _https._tcp.local.".to_owned()),
        "{told:?}"
    );
}

/// As many questions and known answers as a message holds: names are pointers to two that stand there once.
fn crammed(questions: u16, answers: u16) -> Vec<u8> {
    const HEADER: usize = 12;
    let pointer = |at: usize| (0xc000 | u16::try_from(at).unwrap()).to_be_bytes();
    let (ptr, any, class) = ([0, 12], [0, 255], [0, 1]);
    let long = [&b"\x01a".repeat(127)[..], b"\x00"].concat();
    let instance = HEADER + long.len() + 4;
    let mut bytes = [0; HEADER].to_vec();
    bytes[4..6].copy_from_slice(&(questions + 2).to_be_bytes());
    bytes[6..8].copy_from_slice(&answers.to_be_bytes());
    bytes.extend([&long[..], &ptr, &class].concat());
    let service = b"\x04home\x06_https\x04_tcp\x05local\x00";
    bytes.extend([&service[..], &any, &class].concat());
    for _ in 0..questions {
        bytes.extend([pointer(instance), any, class].concat());
    }
    for owner in [instance, instance + 5]
        .into_iter()
        .cycle()
        .take(answers.into())
    {
        bytes.extend([pointer(owner), ptr, class].concat());
        // A long life, and the long name as its data.
        bytes.extend([&[0, 0, 255, 255, 0, 2][..], &pointer(HEADER)].concat());
    }
    bytes
}

#[test]
fn message_costs_no_more_than_its_length() {
    let mut wire = Wire::settled(home());
    let bytes = crammed(700, 300);
    assert!(bytes.len() < 9_000, "{}", bytes.len());
    records::WRITTEN.set(0);
    wire.boxes[0].receive(&bytes, LAPTOP.parse().unwrap(), wire.now);
    assert_eq!(records::WRITTEN.get(), 150, "the instance has no pointer");
    assert_eq!(wire.boxes[0].pending.len(), 1);
}

/// A right message with a few wrong bytes, cut somewhere.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let claim = response(vec![a("home.local.", "192.168.77.99")]);
    let asked = question("home.local.", RecordType::ANY).to_vec().unwrap();
    let wrong = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let message = prop_oneof![Just(claim), Just(asked)];
    (message, wrong, any::<prop::sample::Index>()).prop_map(|(mut message, wrong, end)| {
        for (at, byte) in wrong {
            let at = at.index(message.len());
            message[at] = byte;
        }
        message.truncate(end.index(message.len() + 1));
        message
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_stops_it(messages in proptest::collection::vec(
        prop_oneof![damaged(), proptest::collection::vec(any::<u8>(), 0..200)], 0..30,
    )) {
        let mut wire = Wire::settled(home());
        for bytes in messages {
            wire.boxes[0].receive(&bytes, LAPTOP.parse().unwrap(), wire.now);
            wire.pass(Duration::from_millis(50));
        }
        wire.pass(Duration::from_secs(30));
        prop_assert!(wire.labels()[0].starts_with("home"));
    }
}
