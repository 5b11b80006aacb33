//! Devices by number, and thousands of them in the store of a stopped daemon.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use cell_model::Timestamp;
use cell_model::config::{PeerConfig, VpnConfig};
use cell_model::key::{PrivateKey, PublicKey};
use cell_model::name::PeerName;
use cell_model::subnet;
use cell_store::{Batch, Store};

use super::error::BenchError;

/// Devices in one transaction, as the store holds a whole one in memory.
const BATCH: usize = 1_000;

/// The name of the device with this number.
pub(super) fn name(number: usize) -> PeerName {
    format!("device-{number:05}")
        .parse()
        .expect("letters, digits and a hyphen")
}

/// The key of the device with this number: the same in every run, a real one, and nobody else's.
pub(super) fn key(number: usize) -> PublicKey {
    let mut bytes = [0x42; 32];
    // The first and the last byte lose bits when a private key is made of them.
    bytes[1..9].copy_from_slice(&(number as u64).to_le_bytes());
    PrivateKey::from_bytes(bytes).public_key()
}

/// Writes the devices with these numbers into a store that nobody has open. Their addresses follow from their numbers.
pub(super) fn write(
    state_dir: &Path,
    vpn: &VpnConfig,
    numbers: Range<usize>,
) -> Result<(), BenchError> {
    let store = Store::open(state_dir)?;
    let addresses = subnet::peer_addresses(vpn.subnet).skip(numbers.start);
    let devices: Vec<_> = numbers.zip(addresses).collect();
    for some in devices.chunks(BATCH) {
        let mut batch = Batch::new(Timestamp::now(), None, "devices for a bench");
        for &(number, address) in some {
            let config = PeerConfig {
                username: None,
                address,
                address6: subnet::matching_v6(vpn.subnet6, vpn.subnet, address),
                public_key: key(number),
                preshared_key: false,
                full_tunnel: true,
                peer_to_peer: false,
                services: BTreeSet::new(),
                exit_connection_id: None,
                failopen: None,
                created_at: Timestamp::now(),
                expires_at: None,
                reinstall_needed: false,
            };
            let json = serde_json::to_vec(&config).map_err(BenchError::Document)?;
            batch.set_document(format!("peer/{}", name(number)), json);
        }
        store.commit(batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_devices_share_a_name_or_a_key() {
        let devices: BTreeSet<_> = (0..300).map(|number| (name(number), key(number))).collect();
        let names: BTreeSet<_> = devices.iter().map(|(name, _)| name).collect();
        let keys: BTreeSet<_> = devices.iter().map(|(_, key)| key).collect();
        assert_eq!((names.len(), keys.len()), (300, 300));
    }

    #[test]
    fn devices_written_in_turns_have_addresses_of_their_own() {
        let state = tempfile::tempdir().unwrap();
        let vpn = VpnConfig {
            subnet: "10.64.0.0/16".parse().unwrap(),
            subnet6: "fd12:3456:789a:1::/64".parse().unwrap(),
        };
        for numbers in [0..1, 1..3, 3..1_500] {
            // A process that another test is just starting holds every descriptor until its program runs.
            let written = cell_testkit::wait_for(std::time::Duration::from_secs(10), || {
                write(state.path(), &vpn, numbers.clone()).ok()
            });
            written.unwrap();
        }
        let store = cell_testkit::wait_for(std::time::Duration::from_secs(10), || {
            Store::open(state.path()).ok()
        });
        let documents = store.unwrap().documents().unwrap();
        let addresses: BTreeSet<_> = documents
            .values()
            .map(|json| serde_json::from_slice::<PeerConfig>(json).unwrap().address)
            .collect();
        assert_eq!((documents.len(), addresses.len()), (1_500, 1_500));
        let first = serde_json::from_slice::<PeerConfig>(&documents["peer/device-00000"]).unwrap();
        assert_eq!(
            first.address6,
            "fd12:3456:789a:1::2".parse::<std::net::Ipv6Addr>().unwrap()
        );
    }
}
