//! What follows from ways out to the internet beside the uplink.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cell_model::config::{
    ConnectionConfig, ConnectionSecret, PeerConfig, ProxyConfig, WayConfig, WireguardExtConfig,
};
use cell_model::endpoint::{Endpoint, Host};
use cell_model::facts::is_global;
use cell_model::spec::{
    ExitRelaySpec, ExitsSpec, FirewallExit, InterfaceWaySpec, LeavesBy, LoginSpec, NamesWay,
    ProxyWaySpec, TunnelsSpec, WayOut, WaySpec, WireGuardPeerSpec, WireGuardSpec,
};
use cell_model::status::State;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use uuid::Uuid;

use crate::lint::links::can_be_called;
use crate::resolve::{Input, MTU};

/// RFC 1035, section 4.2.
const DNS_PORT: u16 = 53;
/// Who is asked for names by a way where its owner has named nobody of the internet's: Quad9, a foundation that keeps no record
/// of who asks. Whom the uplink offers is only there for whoever comes by the uplink.
const RESOLVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(149, 112, 112, 112)];

/// Ways that the box has something to do for.
pub(crate) fn spec(input: &Input<'_>, name_servers: &[SocketAddr]) -> ExitsSpec {
    let relays = connections(input).filter_map(|(id, connection)| {
        let relay = relay(input, id, connection)?;
        Some((id, Arc::new(relay)))
    });
    let relays: BTreeMap<_, _> = relays.collect();
    ExitsSpec {
        tunnels: tunnels(input),
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
    let listen = |port: u16| SocketAddr::new(config.vpn.address().into(), port);
    Some(ExitRelaySpec {
        listen: connection.port.map(|port| listen(port.get())),
        names: names(connection)?,
        resolvers: resolvers(input, connection),
        way: match &connection.way {
            WayConfig::Proxy(proxy) => WaySpec::Proxy(by_proxy(input, id, proxy)),
            WayConfig::WireguardExt(tunnel) => WaySpec::Interface(InterfaceWaySpec {
                interface: connection.slot.interface(),
                endpoint: match &tunnel.endpoint.host {
                    Host::Name(name) => Some(name.clone()),
                    Host::Address(_) => None,
                },
            }),
        },
    })
}

/// Where the box's own name server asks by this way; `None` where it leads nowhere. On loopback: a way without a port of its
/// own has an address there.
fn names(connection: &ConnectionConfig) -> Option<SocketAddr> {
    let place = match connection.port {
        Some(port) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.get()),
        None => {
            let own = Ipv4Addr::new(127, 1, 0, connection.slot.number());
            SocketAddr::new(own.into(), DNS_PORT)
        }
    };
    connection.enabled.then_some(place)
}

fn by_proxy(input: &Input<'_>, id: Uuid, proxy: &ProxyConfig) -> ProxyWaySpec {
    let password = input
        .keys
        .connections
        .get(&(id, ConnectionSecret::Password));
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

fn tunnels(input: &Input<'_>) -> TunnelsSpec {
    let tunnels = connections(input).filter_map(|(id, connection)| {
        let WayConfig::WireguardExt(tunnel) = &connection.way else {
            return None;
        };
        let spec = by_tunnel(input, id, connection, tunnel)?;
        Some((spec.interface.clone(), Arc::new(spec)))
    });
    TunnelsSpec(tunnels.collect())
}

/// `None`: it is off, or its keys are gone.
fn by_tunnel(
    input: &Input<'_>,
    id: Uuid,
    connection: &ConnectionConfig,
    tunnel: &WireguardExtConfig,
) -> Option<WireGuardSpec> {
    let secret = |which| input.keys.connections.get(&(id, which));
    let private_key = secret(ConnectionSecret::PrivateKey)?
        .expose()
        .parse()
        .ok()?;
    let preshared_key = match tunnel.preshared_key {
        true => Some(
            secret(ConnectionSecret::PresharedKey)?
                .expose()
                .parse()
                .ok()?,
        ),
        false => None,
    };
    let mut addresses = vec![IpNet::from(IpAddr::V4(tunnel.address))];
    let mut all = vec![IpNet::V4(Ipv4Net::default())];
    if let Some(address6) = tunnel.address6 {
        addresses.push(IpNet::from(IpAddr::V6(address6)));
        all.push(IpNet::V6(Ipv6Net::default()));
    }
    let peer = WireGuardPeerSpec {
        preshared_key,
        allowed_ips: all.iter().copied().collect(),
        endpoint: place(input, id, &tunnel.endpoint),
        keepalive: tunnel.keepalive,
    };
    connection.enabled.then(|| WireGuardSpec {
        interface: connection.slot.interface(),
        private_key,
        listen_port: 0,
        mtu: tunnel.mtu.map_or(MTU, u32::from),
        addresses: addresses.into_iter().collect(),
        routes: all.into_iter().collect(),
        exit: Some(connection.slot),
        peers: [(tunnel.server_public_key, Arc::new(peer))].into(),
    })
}

/// Where the other end of a tunnel is called, as far as that is known: outside of all tunnels.
fn place(input: &Input<'_>, id: Uuid, endpoint: &Endpoint) -> Option<SocketAddr> {
    let address = match &endpoint.host {
        Host::Address(address) => *address,
        Host::Name(_) => input.exits.get(&id)?.place?,
    };
    let port = endpoint.port.unwrap_or(Endpoint::PORT);
    can_be_called(address, input.config?).then_some(SocketAddr::new(address, port))
}

fn resolvers(input: &Input<'_>, connection: &ConnectionConfig) -> Vec<SocketAddr> {
    let at = |address: IpAddr| SocketAddr::new(address, DNS_PORT);
    if !connection.resolvers.is_empty() {
        return connection.resolvers.iter().copied().map(at).collect();
    }
    let offered: &[IpAddr] = match &connection.way {
        WayConfig::WireguardExt(tunnel) => &tunnel.dns,
        WayConfig::Proxy(_) => &[],
    };
    let carries = |address: &IpAddr| match &connection.way {
        WayConfig::WireguardExt(tunnel) => address.is_ipv4() || tunnel.address6.is_some(),
        WayConfig::Proxy(_) => true,
    };
    let offered = offered.iter().filter(|address| carries(address));
    let mut offered: Vec<SocketAddr> = offered.copied().map(at).collect();
    let own = input
        .config
        .into_iter()
        .flat_map(|config| &config.dns.upstreams);
    let own: Vec<SocketAddr> = own
        .map(|upstream| upstream.socket_addr())
        .filter(|upstream| is_global(upstream.ip()))
        .take(ConnectionConfig::MAX_RESOLVERS)
        .collect();
    // After those that the provider offers: it may lead out while they are down.
    offered.extend(match own.is_empty() {
        true => RESOLVERS.map(|address| at(address.into())).into(),
        false => own,
    });
    offered
}

/// All ways, as the packet filter sees them.
pub(crate) fn firewall(input: &Input<'_>) -> Vec<FirewallExit> {
    connections(input)
        .map(|(_, connection)| FirewallExit {
            slot: connection.slot,
            by: leaves_by(connection).filter(|_| connection.enabled),
        })
        .collect()
}

fn leaves_by(connection: &ConnectionConfig) -> Option<LeavesBy> {
    match &connection.way {
        WayConfig::Proxy(_) => connection.port.map(LeavesBy::Port),
        WayConfig::WireguardExt(tunnel) => Some(LeavesBy::Interface {
            interface: connection.slot.interface(),
            ipv6: tunnel.address6.is_some(),
        }),
    }
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
    let status = input.exits.get(&id);
    let leads_nowhere =
        !connection.enabled || status.is_some_and(|status| status.state == State::Failed);
    peer.failopen == Some(true) && leads_nowhere
}

#[cfg(test)]
mod tests {
    use cell_model::Timestamp;
    use cell_model::config::{ExitSlot, RelayPort};
    use cell_model::key::PrivateKey;
    use cell_model::name::InterfaceName;
    use cell_model::secret::Secret;
    use cell_model::spec::BoxSpec;
    use cell_model::status::ExitStatus;

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
        sample.keys.connections.insert(
            (ID, ConnectionSecret::Password),
            Secret::new("s3cret".to_owned()),
        );
        sample.change_peer("phone", |peer| peer.exit_connection_id = Some(ID));
        sample
    }

    fn status(state: State, place: Option<&str>) -> ExitStatus {
        ExitStatus {
            state,
            since: Timestamp::UNIX_EPOCH,
            detail: String::new(),
            latency: None,
            place: place.map(|place| place.parse().unwrap()),
        }
    }

    /// The same, by a tunnel.
    fn tunnelled() -> Sample {
        let mut sample = sample();
        let connection: ConnectionConfig = serde_json::from_value(serde_json::json!({
            "name": "Sweden", "way": { "type": "wireguard_ext", "config": {
                "address": "10.2.0.2", "address6": "fd00:2::2", "public_key": key(1).public_key(),
                "server_public_key": key(2).public_key(), "endpoint": "vpn.example.net:51821",
                "dns": ["10.2.0.1"],
            } },
            "slot": 3, "enabled": true, "created_at": "2026-11-28T12:00:00Z",
        }))
        .unwrap();
        let config = sample.config.as_mut().unwrap();
        config.connections.insert(ID, Arc::new(connection));
        let private = key(1).expose_text();
        sample.keys.connections = [((ID, ConnectionSecret::PrivateKey), private)].into();
        sample
    }

    fn key(byte: u8) -> PrivateKey {
        PrivateKey::from_bytes([byte; 32])
    }

    #[test]
    fn device_leaves_by_the_tunnel_that_its_way_is_and_asks_by_it() {
        let mut sample = tunnelled();
        let spec = resolve(&sample.input());
        let slot = ExitSlot::of_mark(0x1030).unwrap();
        let interface: InterfaceName = "wgext_3".parse().unwrap();
        let leaves = LeavesBy::Interface {
            interface: interface.clone(),
            ipv6: true,
        };
        let by = Some(leaves);
        assert_eq!(spec.firewall.exits, [FirewallExit { slot, by }]);
        assert_eq!(out(&sample, 2), WayOut::Exit(slot));
        let relay = &spec.exits.relays[&ID];
        assert_eq!(
            (relay.listen, relay.names),
            (None, "127.1.0.3:53".parse().unwrap())
        );
        let resolvers = ["10.2.0.1:53", "9.9.9.9:53", "149.112.112.112:53"];
        assert_eq!(
            relay.resolvers,
            resolvers.map(|server| server.parse().unwrap())
        );
        let tunnel = &spec.exits.tunnels.0[&interface];
        assert_eq!(
            (tunnel.exit, tunnel.mtu, tunnel.routes.len()),
            (Some(slot), MTU, 2)
        );
        let peer = |spec: &BoxSpec| {
            let tunnel = &spec.exits.tunnels.0[&interface];
            WireGuardPeerSpec::clone(&tunnel.peers[&key(2).public_key()])
        };
        assert_eq!((peer(&spec).endpoint, peer(&spec).keepalive), (None, None));
        // Once its name was looked up; not where that leads into a tunnel.
        for (place, expected) in [
            ("198.51.100.7", Some("198.51.100.7:51821".parse().unwrap())),
            ("10.31.7.9", None),
        ] {
            sample.exits = [(ID, status(State::Failed, Some(place)))].into();
            assert_eq!(peer(&resolve(&sample.input())).endpoint, expected);
        }
        // Neither its keys nor its addresses are told to whoever asks for names by it.
        let told = serde_json::to_string(&*spec.exits).unwrap();
        assert!(
            !told.contains("10.2.0.2") && !told.contains(tunnel.private_key.expose_text().expose())
        );
    }

    #[test]
    fn tunnel_that_is_off_or_without_its_key_is_none_and_keeps_its_devices_in() {
        let slot = WayOut::Exit(ExitSlot::of_mark(0x1030).unwrap());
        let mut sample = tunnelled();
        sample.keys.connections.clear();
        let spec = resolve(&sample.input());
        assert!(spec.exits.tunnels.0.is_empty() && spec.exits.relays.len() == 1);
        assert_eq!(out(&sample, 2), slot);
        let mut sample = tunnelled();
        disable(&mut sample);
        let spec = resolve(&sample.input());
        assert!(spec.exits.tunnels.0.is_empty() && spec.exits.relays.is_empty());
        assert_eq!(
            (spec.firewall.exits[0].by.clone(), out(&sample, 2)),
            (None, slot)
        );
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
                by: Some(LeavesBy::Port(port))
            }]
        );
        let relay = &spec.exits.relays[&ID];
        assert_eq!(relay.listen, Some("10.31.7.1:9101".parse().unwrap()));
        let WaySpec::Proxy(proxy) = &relay.way else {
            panic!("{relay:?}");
        };
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
        assert_eq!(spec.firewall.exits, [FirewallExit { slot, by: None }]);
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
            sample.exits = state
                .map(|state| (ID, status(state, None)))
                .into_iter()
                .collect();
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
        sample.exits = [(ID, status(State::Failed, None))].into();
        assert_eq!(resolve(&sample.input()).dns.ways.len(), 2);
    }
}
