//! An address where nobody grants one (RFC 3927): chosen by the hardware address, so that it is the same every time,
//! and taken only when nobody on the wire answers for it.

use std::net::Ipv4Addr;
use std::time::Duration;

use cell_model::name::InterfaceName;
use ipnet::Ipv4Net;
use tracing::{info, warn};

use super::process;

/// RFC 3927 section 9: PROBE_NUM.
const PROBES: &str = "3";
/// Longer than the probes take, a second apart.
const PROBE_SECONDS: &str = "4";
/// RFC 3927 section 9, MAX_CONFLICTS: so many taken ones in a row, and something is wrong with the wire.
const MAX_CONFLICTS: usize = 10;
/// RFC 3927 section 9: RATE_LIMIT_INTERVAL, how long to let the wire alone then.
const CONFLICT_PAUSE: Duration = Duration::from_secs(60);
/// All of 169.254.0.0/16 is one network (RFC 3927 section 2.8).
const PREFIX: u8 = 16;
/// 169.254.1.0 to 169.254.254.255: the first and last 256 are reserved (RFC 3927 section 2.1).
const FIRST: u32 = 0xa9fe_0100;
const COUNT: u32 = 254 * 256;

/// Addresses in the order they are tried, always the same for a hardware address.
pub(super) fn candidates(mac: [u8; 6]) -> impl Iterator<Item = Ipv4Net> {
    // FNV-1a, then a full-period generator (Numerical Recipes): spread evenly is all that is asked of them.
    let seed = mac.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    std::iter::successors(Some(seed), |state| {
        Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    })
    // The upper bits are the better ones.
    .map(|state| Ipv4Addr::from(FIRST + (state >> 8) % COUNT))
    .filter_map(|address| Ipv4Net::new(address, PREFIX).ok())
}

/// The first candidate that is free; the one in use comes first, should it not be taken by somebody meanwhile.
pub(super) async fn find(
    interface: InterfaceName,
    mac: [u8; 6],
    in_use: Option<Ipv4Net>,
) -> Option<Ipv4Net> {
    for candidate in in_use
        .into_iter()
        .chain(candidates(mac))
        .take(MAX_CONFLICTS)
    {
        if is_free(&interface, candidate.addr()).await {
            return Some(candidate);
        }
        info!(%interface, address = %candidate.addr(), "a link-local address is taken; trying another");
    }
    tokio::time::sleep(CONFLICT_PAUSE).await;
    None
}

/// Asks the wire. Where nobody can be asked, the address is taken for free: it is one of 65,024.
async fn is_free(interface: &InterfaceName, address: Ipv4Addr) -> bool {
    let mut command = process::busybox("arping");
    command
        .args(["-D", "-f", "-q", "-c", PROBES, "-w", PROBE_SECONDS])
        .args(["-I", interface.as_str(), &address.to_string()]);
    let status = match process::spawn(command) {
        Ok(mut child) => child.wait().await,
        Err(error) => Err(error),
    };
    match status.map(|status| status.code()) {
        Ok(Some(0)) => true,
        Ok(Some(1)) => false,
        outcome => {
            warn!(?outcome, %interface, "whether an address is free cannot be asked");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn boxes_of_one_maker_start_at_different_addresses() {
        let first = |last: u8| candidates([2, 0, 0, 0, 0, last]).next().unwrap();
        let firsts: BTreeSet<_> = (0..=255).map(first).collect();
        assert!(firsts.len() > 250, "{}", firsts.len());
    }

    proptest! {
        #[test]
        fn candidates_are_allowed_repeatable_and_different(mac in any::<[u8; 6]>()) {
            let some: Vec<_> = candidates(mac).take(MAX_CONFLICTS).collect();
            prop_assert_eq!(&some, &candidates(mac).take(MAX_CONFLICTS).collect::<Vec<_>>());
            for candidate in &some {
                prop_assert!(candidate.addr().is_link_local());
                prop_assert!((1..=254).contains(&candidate.addr().octets()[2]));
            }
            let different: BTreeSet<_> = some.iter().collect();
            prop_assert!(different.len() >= MAX_CONFLICTS - 1);
        }
    }
}
