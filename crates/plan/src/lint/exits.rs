//! What addresses a tunnel that leads out may have here: none that are somebody's already.

use std::net::IpAddr;
use std::sync::Arc;

use cell_model::config::{Config, ConnectionConfig, ExitSlot, WayConfig};
use cell_model::endpoint::Host;
use cell_model::facts::NetworkFacts;
use cell_model::name::InterfaceName;
use cell_model::problem::Problem;
use ipnet::IpNet;

use super::links::can_be_called;
use super::occupied;

/// Whether an interface is that of a tunnel that leads out.
pub(crate) fn is_tunnel(interface: &InterfaceName) -> bool {
    interface.as_str().starts_with(ExitSlot::INTERFACES)
}

/// Whether tunnels have other addresses afterwards.
pub(super) fn takes_addresses(before: &Config, after: &Config) -> bool {
    let taken = |config: &Config| -> Vec<IpAddr> { tunnels(config).flat_map(own).collect() };
    taken(before) != taken(after)
}

fn tunnels(config: &Config) -> impl Iterator<Item = &Arc<ConnectionConfig>> {
    let connections = config.connections.values();
    connections.filter(|connection| matches!(connection.way, WayConfig::WireguardExt(_)))
}

/// Addresses of all tunnels, with what each is.
pub(super) fn addresses(config: &Config) -> Vec<(IpAddr, String)> {
    let all = tunnels(config).flat_map(|connection| {
        let whose = format!("the tunnel of the way out {}", connection.name);
        let own = own(connection).into_iter();
        own.map(move |address| (address, whose.clone()))
    });
    all.collect()
}

/// Its addresses here.
fn own(connection: &Arc<ConnectionConfig>) -> Vec<IpAddr> {
    match &connection.way {
        WayConfig::WireguardExt(tunnel) => {
            let v6 = tunnel.address6.map(IpAddr::V6);
            [IpAddr::V4(tunnel.address)].into_iter().chain(v6).collect()
        }
        WayConfig::Proxy(_) => Vec::new(),
    }
}

/// Refuses tunnels whose addresses are in a network of the box, of another cell or of services, or that would be called
/// inside one.
///
/// # Errors
/// 409, with the tunnel and whose the network is.
pub(super) fn check(
    config: &Config,
    facts: &NetworkFacts,
    vpn_interface: &InterfaceName,
) -> Result<(), Problem> {
    let occupied = occupied(config, facts, vpn_interface);
    let mut taken: Vec<(IpNet, String)> = occupied
        .into_iter()
        .map(|(network, whose)| (IpNet::V4(network), whose))
        .collect();
    let vpn = config.vpn.networks();
    taken.extend(vpn.map(|network| (network, "the VPN's network".to_owned())));
    taken.push((
        IpNet::V4(config.services.network),
        "the network of services".to_owned(),
    ));
    for link in &config.links {
        let whose = format!("the network of the cell {}", link.claims.name);
        let networks = link.claims.vpn.networks();
        taken.extend(networks.map(|network| (network, whose.clone())));
    }
    for connection in tunnels(config) {
        let name = &connection.name;
        for address in own(connection) {
            let mut holds = taken
                .iter()
                .filter(|(network, _)| network.contains(&address));
            if let Some((network, whose)) = holds.next() {
                return Err(conflict(format!(
                    "{address}, the address in the tunnel of the way out {name}, is in {whose} ({network}). Ask the \
                     provider for a file with another address, or choose another network here."
                )));
            }
        }
        if let WayConfig::WireguardExt(tunnel) = &connection.way
            && let Host::Address(address) = tunnel.endpoint.host
            && !can_be_called(address, config)
        {
            return Err(conflict(format!(
                "{address}, where the other end of the way out {name} is to be, is in a network that is reached by a \
                 tunnel itself. Ask the provider for a file with another endpoint."
            )));
        }
    }
    Ok(())
}

fn conflict(detail: String) -> Problem {
    Problem::conflict("connection_address_taken", "The address is taken", detail)
}

#[cfg(test)]
mod tests {
    use crate::lint::check;
    use crate::resolve::vpn_interface;
    use crate::sample::Sample;

    fn verdict(sample: &mut Sample, address: &str, endpoint: &str) -> Result<(), String> {
        sample.add_tunnel(address, endpoint);
        let config = sample.config.as_ref().unwrap();
        check(config, &sample.facts, &vpn_interface()).map_err(|problem| problem.code.into_owned())
    }

    #[test]
    fn address_of_a_tunnel_is_nobody_elses() {
        let mut sample = Sample::two_armed();
        sample.set_addresses("lan0", &["192.168.77.1/24"]);
        sample.set_addresses("wgext_0", &["10.2.0.2/32"]);
        let away = "vpn.example.net:51820";
        assert_eq!(verdict(&mut sample, "10.2.0.2", away), Ok(()));
        let services = sample.config.as_ref().unwrap().services.network;
        for taken in ["10.31.7.9", "192.168.77.5", &services.network().to_string()] {
            let refused = Err("connection_address_taken".to_owned());
            assert_eq!(verdict(&mut sample, taken, away), refused, "{taken}");
        }
        // Nor is its other end inside a tunnel.
        let refused = Err("connection_address_taken".to_owned());
        assert_eq!(verdict(&mut sample, "10.2.0.2", "10.31.7.3:51820"), refused);
    }
}
