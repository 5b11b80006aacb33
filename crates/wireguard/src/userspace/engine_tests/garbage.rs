//! Whatever comes in, the engine goes on.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn garbage_from_the_network_stops_nothing(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        kinds in prop::collection::vec(1_u8..5, 20),
    ) {
        let (mut phone, mut home) = phone_and_box();
        let ask = packet("10.8.0.2", "10.8.0.1", b"x");
        send(&ask, &mut phone, &mut home);
        let mut out = Out::default();
        for (mut datagram, kind) in datagrams.into_iter().zip(kinds) {
            home.engine.from_network(&datagram, place(66), &mut out);
            // Again with a valid type, and the length that belongs to it.
            let length = [0, 148, 92, 64, datagram.len().max(32)][usize::from(kind)];
            datagram.resize(length, 0);
            datagram[..4].copy_from_slice(&[kind, 0, 0, 0]);
            home.engine.from_network(&datagram, place(66), &mut out);
        }
        prop_assert!(out.network.is_empty() && out.tunnel.is_empty());
        send(&ask, &mut phone, &mut home);
        prop_assert_eq!(home.received.len(), 2);
    }

    #[test]
    fn garbled_datagrams_stop_nothing(place_of_error in 0_usize..148, flip in 1_u8..=255) {
        let (mut phone, mut home) = phone_and_box();
        let ask = packet("10.8.0.2", "10.8.0.1", b"x");
        let mut out = Out::default();
        phone.engine.from_tunnel(&ask, &mut out);
        let mut garbled = out.network[0].1.clone();
        garbled[place_of_error] ^= flip;
        let mut answer = Out::default();
        home.engine.from_network(&garbled, place(1), &mut answer);
        // The second MAC, which only counts under load, is not looked at.
        prop_assert!(answer.network.is_empty() || place_of_error >= 132);
    }

    #[test]
    fn garbage_from_the_tunnel_stops_nothing(packet in prop::collection::vec(any::<u8>(), 0..100)) {
        let (mut phone, _) = phone_and_box();
        phone.engine.from_tunnel(&packet, &mut Out::default());
    }

    #[test]
    fn garbage_inside_the_tunnel_stops_nothing(
        version in prop::sample::select(vec![0x45_u8, 0x60, 0x40, 0x6f]),
        rest in prop::collection::vec(any::<u8>(), 19..80),
    ) {
        let (mut phone, mut home) = phone_and_box();
        let inner: Vec<u8> = [vec![version], rest].concat();
        send(&inner, &mut phone, &mut home);
        // It would have to guess an address of the phone.
        prop_assert!(home.received.is_empty());
        let ask = packet("10.8.0.2", "10.8.0.1", b"x");
        send(&ask, &mut phone, &mut home);
        prop_assert_eq!(&home.received, &[ask]);
    }
}
