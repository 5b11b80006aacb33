//! Names that others have, names that change, and what is taken back.

use super::*;

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
