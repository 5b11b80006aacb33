//! What a stranger can make the box do.

use proptest::prelude::*;

use super::*;

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
