//! What follows from ways out to the internet beside the uplink.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cell_model::config::{ConnectionConfig, PeerConfig, ProxyConfig, WayConfig};
use cell_model::facts::is_global;
use cell_model::spec::{
    ExitRelaySpec, ExitsSpec, FirewallExit, LoginSpec, NamesWay, ProxyWaySpec, WayOut, WaySpec,
};
use cell_model::status::State;
use uuid::Uuid;

use crate::resolve::Input;

/// RFC 1035, section 4.2.
const DNS_PORT: u16 = 53;
/// Who is asked for names by a way where its owner has named nobody of the internet's: Quad9, a foundation that keeps no record
/// of who asks. Whom the uplink offers is only there for whoever comes by the uplink.
const RESOLVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(149, 112, 112, 112)];

/// Ways that a program of the box carries flows by.
pub(crate) fn spec(input: &Input<'_>, name_servers: &[SocketAddr]) -> ExitsSpec {
    let relays = connections(input).filter_map(|(id, connection)| {
        let relay = relay(input, id, connection)?;
        Some((id, Arc::new(relay)))
    });
    let relays: BTreeMap<_, _> = relays.collect();
    ExitsSpec {
        name_servers: match relays.is_empty() {
            true => Vec::new(),
            false => name_servers.to_vec(),
        },
        relays,
    }
}

fn connections<'a>(input: &Input<'a>) -> impl Iterator<Item = (Uuid, &'a ConnectionConfig)> {
    let connections = input
        .config
        .into_iter()
        .flat_map(|config| &config.connections);
    connections.map(|(id, connection)| (*id, connection.as_ref()))
}

fn relay(input: &Input<'_>, id: Uuid, connection: &ConnectionConfig) -> Option<ExitRelaySpec> {
    let config = input.config?;
    let port = connection.port.filter(|_| connection.enabled)?.get();
    Some(ExitRelaySpec {
        listen: SocketAddr::new(config.vpn.address().into(), port),
        names: names(connection)?,
        resolvers: resolvers(input, connection),
        way: match &connection.way {
            WayConfig::Proxy(proxy) => WaySpec::Proxy(by_proxy(input, id, proxy)),
        },
    })
}

/// Where the box's own name server asks by this way; `None` where it leads nowhere.
fn names(connection: &ConnectionConfig) -> Option<SocketAddr> {
    let port = connection.port.filter(|_| connection.enabled)?;
    Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.get()))
}

fn by_proxy(input: &Input<'_>, id: Uuid, proxy: &ProxyConfig) -> ProxyWaySpec {
    let password = input.keys.connections.get(&id);
    ProxyWaySpec {
        scheme: proxy.scheme,
        host: proxy.host.clone(),
        port: proxy.port,
        login: proxy
            .username
            .as_ref()
            .zip(password)
            .map(|(username, password)| LoginSpec {
                username: username.clone(),
                password: password.clone(),
            }),
    }
}

fn resolvers(input: &Input<'_>, connection: &ConnectionConfig) -> Vec<SocketAddr> {
    let at = |address: IpAddr| SocketAddr::new(address, DNS_PORT);
    if !connection.resolvers.is_empty() {
        return connection.resolvers.iter().copied().map(at).collect();
    }
    let own = input
        .config
        .into_iter()
        .flat_map(|config| &config.dns.upstreams);
    let own: Vec<SocketAddr> = own
        .map(|upstream| upstream.socket_addr())
        .filter(|upstream| is_global(upstream.ip()))
        .take(ConnectionConfig::MAX_RESOLVERS)
        .collect();
    match own.is_empty() {
        true => RESOLVERS.map(|address| at(address.into())).into(),
        false => own,
    }
}

/// All ways, as the packet filter sees them.
pub(crate) fn firewall(input: &Input<'_>) -> Vec<FirewallExit> {
    connections(input)
        .map(|(_, connection)| FirewallExit {
            slot: connection.slot,
            port: connection.port.filter(|_| connection.enabled),
        })
        .collect()
}

/// How a device leaves.
pub(crate) fn way_out(input: &Input<'_>, peer: &PeerConfig) -> WayOut {
    match (peer.full_tunnel, peer.exit_connection_id) {
        (false, _) => WayOut::None,
        (true, None) => WayOut::Uplink,
        (true, Some(id)) => match connection(input, id) {
            Some(connection) if !is_opened(input, peer, id, connection) => {
                WayOut::Exit(connection.slot)
            }
            Some(_) => WayOut::Uplink,
            None => WayOut::None,
        },
    }
}

/// The way that a device's questions take; `None`: the usual one.
pub(crate) fn names_way(input: &Input<'_>, peer: &PeerConfig) -> Option<NamesWay> {
    let id = peer.exit_connection_id?;
    match connection(input, id) {
        Some(connection) if peer.full_tunnel && is_opened(input, peer, id, connection) => None,
        connection => Some(NamesWay {
            id,
            server: connection.and_then(names),
            resolvers: connection.map_or_else(Vec::new, |connection| resolvers(input, connection)),
        }),
    }
}

fn connection<'a>(input: &Input<'a>, id: Uuid) -> Option<&'a ConnectionConfig> {
    input.config?.connections.get(&id).map(Arc::as_ref)
}

/// Whether a device goes by the uplink because its way leads nowhere, and it may. One that was not looked at yet may be well.
fn is_opened(
    input: &Input<'_>,
    peer: &PeerConfig,
    id: Uuid,
    connection: &ConnectionConfig,
) -> bool {
    let leads_nowhere = !connection.enabled || input.exits.get(&id) == Some(&State::Failed);
    peer.failopen == Some(true) && leads_nowhere
}

#[cfg(test)]
mod tests {
    use cell_model::config::{ExitSlot, RelayPort};
    use cell_model::secret::Secret;

    use super::*;
    use crate::resolve::resolve;
    use crate::sample::Sample;

    const ID: Uuid = Uuid::from_u128(7);

    fn sample() -> Sample {
        let mut sample = Sample::two_armed();
        sample.add_peer("phone", 2);
        sample.add_peer("laptop", 3);
        let connection: ConnectionConfig = serde_json::from_value(serde_json::json!({
            "name": "Work", "way": { "type": "proxy", "config": {
                "scheme": "socks5", "host": "proxy.example.org", "port": 1080, "username": "anna",
            } },
            "slot": 3, "port": 9101, "enabled": true, "created_at": "2026-11-28T12:00:00Z",
        }))
        .unwrap();
        let config = sample.config.as_mut().unwrap();
        config.connections.insert(ID, Arc::new(connection));
        sample
            .keys
            .connections
            .insert(ID, Secret::new("s3cret".to_owned()));
        sample.change_peer("phone", |peer| peer.exit_connection_id = Some(ID));
        sample
    }

    fn disable(sample: &mut Sample) {
        let config = sample.config.as_mut().unwrap();
        let connection = config.connections.get_mut(&ID).unwrap();
        Arc::make_mut(connection).enabled = false;
    }

    fn out(sample: &Sample, host: u8) -> WayOut {
        let spec = resolve(&sample.input());
        spec.firewall.peers[&Ipv4Addr::new(10, 31, 7, host)].internet
    }

    #[test]
    fn device_with_a_way_is_marked_for_it_and_asks_by_it() {
        let sample = sample();
        let spec = resolve(&sample.input());
        let slot = ExitSlot::of_mark(0x1030).unwrap();
        assert_eq!(
            (out(&sample, 2), out(&sample, 3)),
            (WayOut::Exit(slot), WayOut::Uplink)
        );
        let port = RelayPort::try_from(9101).unwrap();
        assert_eq!(
            spec.firewall.exits,
            [FirewallExit {
                slot,
                port: Some(port)
            }]
        );
        let relay = &spec.exits.relays[&ID];
        assert_eq!(relay.listen, "10.31.7.1:9101".parse().unwrap());
        let WaySpec::Proxy(proxy) = &relay.way;
        assert_eq!(proxy.login.as_ref().unwrap().password.expose(), "s3cret");
        let asks: Vec<&IpAddr> = spec.dns.ways.keys().collect();
        let peer = &sample.config.as_ref().unwrap().peers[&"phone".parse().unwrap()];
        assert_eq!(
            asks,
            [&IpAddr::from(peer.address), &IpAddr::from(peer.address6)]
        );
        let server = Some("127.0.0.1:9101".parse().unwrap());
        assert!(
            spec.dns
                .ways
                .values()
                .all(|way| way.id == ID && way.server == server)
        );
    }

    #[test]
    fn resolvers_are_those_of_the_way_then_the_owners_then_those_of_everybody() {
        let mut sample = sample();
        let asked = |sample: &Sample| {
            let spec = resolve(&sample.input());
            spec.exits.relays[&ID].resolvers.clone()
        };
        assert_eq!(asked(&sample)[0], "9.9.9.9:53".parse().unwrap());
        let config = sample.config.as_mut().unwrap();
        config.dns.upstreams =
            serde_json::from_str(r#"[{"address": "192.168.1.1"}, {"address": "198.51.100.9"}]"#)
                .unwrap();
        assert_eq!(asked(&sample), ["198.51.100.9:53".parse().unwrap()]);
        let config = sample.config.as_mut().unwrap();
        let connection = Arc::make_mut(config.connections.get_mut(&ID).unwrap());
        connection.resolvers = vec!["10.1.1.1".parse().unwrap()];
        assert_eq!(asked(&sample), ["10.1.1.1:53".parse().unwrap()]);
    }

    #[test]
    fn way_that_is_off_or_gone_keeps_its_devices_in() {
        let mut sample = sample();
        disable(&mut sample);
        let slot = ExitSlot::of_mark(0x1030).unwrap();
        let spec = resolve(&sample.input());
        assert_eq!(out(&sample, 2), WayOut::Exit(slot));
        assert_eq!(spec.firewall.exits, [FirewallExit { slot, port: None }]);
        assert!(spec.exits.relays.is_empty() && spec.exits.name_servers.is_empty());
        assert!(spec.dns.ways.values().all(|way| way.server.is_none()));
        sample.config.as_mut().unwrap().connections.clear();
        let spec = resolve(&sample.input());
        assert_eq!(out(&sample, 2), WayOut::None);
        assert!(spec.dns.ways.len() == 2 && spec.dns.ways.values().all(|way| way.server.is_none()));
    }

    #[test]
    fn only_who_may_leaves_by_the_uplink_while_the_way_leads_nowhere() {
        let slot = WayOut::Exit(ExitSlot::of_mark(0x1030).unwrap());
        for (failopen, state, expected) in [
            (Some(true), Some(State::Failed), WayOut::Uplink),
            (Some(true), Some(State::Pending), slot),
            (Some(true), Some(State::Ok), slot),
            (Some(true), None, slot),
            (Some(false), Some(State::Failed), slot),
            (None, Some(State::Failed), slot),
        ] {
            let mut sample = sample();
            sample.change_peer("phone", |peer| peer.failopen = failopen);
            sample.exits = state.map(|state| (ID, state)).into_iter().collect();
            assert_eq!(out(&sample, 2), expected, "{failopen:?} {state:?}");
            let spec = resolve(&sample.input());
            assert_eq!(spec.dns.ways.is_empty(), expected == WayOut::Uplink);
        }
        let mut sample = sample();
        disable(&mut sample);
        sample.change_peer("phone", |peer| peer.failopen = Some(true));
        assert_eq!(out(&sample, 2), WayOut::Uplink);
    }

    #[test]
    fn device_that_sends_only_what_is_the_cells_asks_by_its_way_all_the_same() {
        let mut sample = sample();
        sample.change_peer("phone", |peer| peer.full_tunnel = false);
        assert_eq!(out(&sample, 2), WayOut::None);
        assert_eq!(resolve(&sample.input()).dns.ways.len(), 2);
        // Whom it asks would be seen nowhere.
        sample.change_peer("phone", |peer| peer.failopen = Some(true));
        sample.exits = [(ID, State::Failed)].into();
        assert_eq!(resolve(&sample.input()).dns.ways.len(), 2);
    }
}
