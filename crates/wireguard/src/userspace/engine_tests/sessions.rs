//! Handshakes, packets both ways, roaming.

use super::*;

#[test]
fn first_packet_shakes_hands_and_packets_go_both_ways() {
    let (mut phone, mut home) = phone_and_box();
    let ask = packet("10.8.0.2", "10.8.0.1", b"ask");
    let ask6 = packet("fd00:8::2", "fd00:8::1", b"ask");
    send(&ask, &mut phone, &mut home);
    send(&ask6, &mut phone, &mut home);
    assert_eq!(home.received, [ask, ask6]);

    let answer = packet("10.8.0.1", "10.8.0.2", b"answer");
    assert_eq!(send(&answer, &mut home, &mut phone), 1);
    assert_eq!(phone.received, [answer]);

    for (end, other) in [(&mut phone, place(2)), (&mut home, place(1))] {
        let status = end.status().remove(0);
        assert_eq!(status.endpoint, Some(other));
        assert_eq!(status.latest_handshake, Some(Timestamp::UNIX_EPOCH));
        assert!(status.received_bytes > 0 && status.sent_bytes > 0);
    }
}

#[test]
fn packets_that_waited_for_the_handshake_arrive_in_order() {
    let (mut phone, mut home) = phone_and_box();
    let packets: Vec<_> = (0..5)
        .map(|n| packet("10.8.0.2", "10.8.0.1", &[n]))
        .collect();
    let mut out = Out::default();
    for packet in &packets {
        phone.engine.from_tunnel(packet, &mut out);
    }
    assert_eq!(out.network.len(), 1, "one first message for all of them");
    deliver(out, &mut phone, &mut home);
    assert_eq!(home.received, packets);
}

#[test]
fn packet_with_a_source_that_is_not_allowed_is_dropped() {
    let (mut phone, mut home) = phone_and_box();
    send(&packet("10.8.0.3", "10.8.0.1", b"x"), &mut phone, &mut home);
    send(
        &packet("fd00:8::3", "fd00:8::1", b"x"),
        &mut phone,
        &mut home,
    );
    assert!(home.received.is_empty());
    assert!(home.status()[0].received_bytes > 0, "it was authentic");
}

#[test]
fn packet_to_nobody_is_dropped() {
    let (_, mut home) = phone_and_box();
    let mut out = Out::default();
    for stray in [
        packet("10.8.0.1", "10.8.0.9", b"x"),
        packet("10.8.0.1", "10.8.0.2", b"nowhere to send it yet"),
        Vec::new(),
        vec![0x45; 19],
        vec![0xff; 100],
    ] {
        home.engine.from_tunnel(&stray, &mut out);
    }
    assert!(out.network.is_empty());
    assert_eq!(home.engine.active_peers(), 0);
}

#[test]
fn handshake_of_an_unknown_key_gets_no_answer() {
    let (_, mut home) = phone_and_box();
    let stranger = spec(9, [(2, peer(&["0.0.0.0/0"], Some(place(2))))]);
    let mut stranger = End::new(place(9), stranger);
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    assert_eq!(send(&ask, &mut stranger, &mut home), 1);
    assert!(home.received.is_empty());
}

#[test]
fn endpoint_follows_authentic_packets_only() {
    let (mut phone, mut home) = phone_and_box();
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    send(&ask, &mut phone, &mut home);
    let mut out = Out::default();
    phone.engine.from_tunnel(&ask, &mut out);
    let (_, datagram) = out.network.remove(0);

    let mut forged = datagram.clone();
    *forged.last_mut().unwrap() ^= 1;
    home.engine
        .from_network(&forged, place(66), &mut Out::default());
    assert_eq!(home.status()[0].endpoint, Some(place(1)));

    home.engine
        .from_network(&datagram, place(77), &mut Out::default());
    assert_eq!(home.status()[0].endpoint, Some(place(77)));

    // A copy of the same datagram from elsewhere is a replay.
    home.engine
        .from_network(&datagram, place(66), &mut Out::default());
    assert_eq!(home.status()[0].endpoint, Some(place(77)));
}

#[test]
fn replayed_first_message_does_not_move_the_endpoint() {
    let (mut phone, mut home) = phone_and_box();
    let mut first = Out::default();
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    phone.engine.from_tunnel(&ask, &mut first);
    let (_, initiation) = first.network[0].clone();
    deliver(first, &mut phone, &mut home);

    let mut out = Out::default();
    home.engine.from_network(&initiation, place(66), &mut out);
    assert!(out.network.is_empty());

    // A box that was restarted cannot know that it is a replay, and still does not send there.
    let mut fresh = End::new(
        place(2),
        spec(2, [(1, peer(&["10.8.0.2/32"], Some(place(1))))]),
    );
    fresh.engine.from_network(&initiation, place(66), &mut out);
    assert_eq!(out.network.len(), 1, "an answer that leads nowhere");
    assert_eq!(fresh.status()[0].endpoint, Some(place(1)));
    assert_eq!(fresh.status()[0].latest_handshake, None);
}

#[test]
fn keepalive_calls_until_answered_and_then_fills_silence() {
    let home = spec(2, [(1, peer(&["10.8.0.2/32"], None))]);
    let mut home = End::new(place(2), home);
    let calling = WireGuardPeerSpec {
        keepalive: Some(25),
        ..peer(&["0.0.0.0/0"], Some(place(2)))
    };
    let mut phone = End::new(place(1), spec(1, [(2, calling.clone())]));
    assert_eq!(phone.engine.active_peers(), 1);
    let start = Instant::now();
    let tick = |phone: &mut End, home: &mut End, seconds| {
        let mut out = Out::default();
        let now = start + Duration::from_secs(seconds);
        phone.engine.tick(now, Timestamp::UNIX_EPOCH, &mut out);
        deliver(out, phone, home)
    };
    assert_eq!(tick(&mut phone, &mut home, 1), 3, "a whole handshake");
    assert_eq!(tick(&mut phone, &mut home, 20), 0);
    assert_eq!(tick(&mut phone, &mut home, 27), 1, "one empty packet");
    assert_eq!(tick(&mut phone, &mut home, 28), 0);

    let silent = WireGuardPeerSpec {
        keepalive: None,
        ..calling
    };
    phone.apply(patch(&[], [(2, silent)]));
    assert_eq!(tick(&mut phone, &mut home, 90), 0);
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    assert_eq!(send(&ask, &mut phone, &mut home), 1, "the session stayed");
}

#[test]
fn flood_of_handshakes_is_answered_with_cookies() {
    let (_, mut home) = phone_and_box();
    let mut cookies = 0;
    for _ in 0..300 {
        let (mut phone, _) = phone_and_box();
        let mut out = Out::default();
        phone
            .engine
            .from_tunnel(&packet("10.8.0.2", "10.8.0.1", b"x"), &mut out);
        let mut answer = Out::default();
        home.engine
            .from_network(&out.network[0].1, place(1), &mut answer);
        cookies += answer
            .network
            .iter()
            .filter(|(_, datagram)| datagram[0] == 3)
            .count();
    }
    assert!(cookies > 0);
}
