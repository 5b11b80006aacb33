use super::*;

fn room() -> Arc<Room> {
    Relays::new().room
}

#[tokio::test]
async fn one_device_leaves_room_for_others_and_places_come_back() {
    let room = room();
    let [greedy, modest] = ["10.9.0.2", "10.9.0.3"].map(|text| text.parse::<IpAddr>().unwrap());
    let places: Vec<Place> = std::iter::from_fn(|| Place::take(&room, greedy)).collect();
    assert_eq!(places.len(), MOST_OF_ONE);
    assert!(Place::take(&room, modest).is_some());
    assert!(Place::take_for_names(&room).is_some());
    drop(places);
    assert!(room.of_one.lock().unwrap().is_empty());
    assert!(Place::take(&room, greedy).is_some());
}

#[test]
fn flows_are_as_many_as_there_are_descriptors_for() {
    assert_eq!(room_for(1_000_000), MOST);
    assert_eq!(room_for(1_024), 64);
    assert_eq!(room_for(100), 0);
}

#[tokio::test]
async fn there_are_only_so_many_flows() {
    let room = room();
    let most = room.flows.available_permits();
    let source = |number: usize| IpAddr::from([10, 9, 1, u8::try_from(number % 250).unwrap()]);
    let mut number = 0;
    let places: Vec<Place> = std::iter::from_fn(|| {
        number += 1;
        Place::take(&room, source(number))
    })
    .collect();
    assert_eq!(places.len(), most);
}

#[tokio::test]
async fn ways_without_their_sockets_are_an_error_and_nothing_of_them_is_in_service() {
    let relays = Relays::new();
    let way: ExitRelaySpec = serde_json::from_value(serde_json::json!({
        "listen": "127.0.0.1:9100", "names": "127.0.0.1:9100", "resolvers": [],
        "way": { "proxy": { "scheme": "http", "host": "127.0.0.1", "port": 1, "login": null } },
    }))
    .unwrap();
    let spec = ExitsSpec {
        tunnels: Default::default(),
        relays: BTreeMap::from([(Uuid::nil(), Arc::new(way))]),
        name_servers: Vec::new(),
    };
    let error = relays.replace(&spec, BTreeMap::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(relays.status().is_empty());
}
