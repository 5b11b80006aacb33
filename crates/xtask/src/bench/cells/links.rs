//! Links by number, to cells that are away: in the store of a stopped daemon, and looked for in what it has made of them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::Path;

use cell_control::action::{Action, Outcome};
use cell_control::change::Change;
use cell_control::link::{InviteText, LinkInviteForm, LinkUpdate};
use cell_model::Timestamp;
use cell_model::config::{Claims, LinkConfig, VpnConfig};
use cell_model::endpoint::{Endpoint, Host};
use cell_model::key::PublicKey;
use cell_model::name::CellName;
use cell_signed::SigningKey;
use cell_store::{Batch, Store};
use ipnet::{Ipv4Net, Ipv6Net};

use super::super::cell::Cell;
use super::super::devices;
use super::super::error::BenchError;
use crate::error::XtaskError;

/// Devices of the bench have lower numbers.
const FIRST_KEY: usize = 60_000;
/// Where the cells would be (RFC 2544); the internet drops what is sent there, as it does for a house without power.
const NOWHERE: &str = "198.18.0.0/24";

/// Whether anything passes to another cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Open,
    Paused,
}

fn name(number: usize) -> CellName {
    let name = format!("away-{number:02}").parse();
    name.expect("letters, digits and a hyphen")
}

fn key(number: usize) -> PublicKey {
    devices::key(FIRST_KEY + number)
}

/// Apart from each other, so that the packet filter cannot join two of them.
fn subnet(number: usize) -> Ipv4Net {
    let second = u8::try_from(100 + number).expect("at most 100 links");
    Ipv4Net::new_assert(Ipv4Addr::new(10, second, 0, 0), 24)
}

fn claims(number: usize) -> Result<Claims, BenchError> {
    let identity = SigningKey::generate().and_then(|key| SigningKey::from_pkcs8(key.expose()));
    let last = u16::try_from(number).expect("at most 100 links");
    Ok(Claims {
        name: name(number),
        identity: identity.map_err(BenchError::Identity)?.public().into(),
        wireguard_key: key(number),
        endpoints: vec![Endpoint {
            host: Host::Address(Ipv4Addr::from([198, 18, 0, last.to_le_bytes()[0]]).into()),
            port: Some(Endpoint::PORT),
        }],
        domain: format!("away-{number:02}.cell")
            .parse()
            .expect("a domain of homes"),
        vpn: VpnConfig {
            subnet: subnet(number),
            subnet6: Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xb, last, 0, 0, 0, 0, 0), 64),
        },
    })
}

/// From now on, what is sent to cells that are away gets lost on the internet.
pub(super) fn cut_off(cell: &Cell) -> Result<(), XtaskError> {
    let internet = &cell.world.internet;
    internet.ip(&format!("route add blackhole {NOWHERE}"))?;
    Ok(())
}

/// An invite for whoever has it.
pub(super) fn invite(cell: &Cell) -> Result<InviteText, BenchError> {
    let form = LinkInviteForm {
        auto_accept: true,
        ..LinkInviteForm::default()
    };
    match cell.act("invite a cell", Action::InviteCell(form))? {
        Outcome::CellInvited(made) => Ok(made.invite),
        _ => Err(BenchError::NoInvite),
    }
}

/// Writes the links with these numbers into a store that nobody has open. What the cells were told, the daemon then keeps
/// by itself.
pub(super) fn write(state_dir: &Path, numbers: Range<usize>) -> Result<(), BenchError> {
    let store = Store::open(state_dir)?;
    let mut batch = Batch::new(Timestamp::now(), None, "links for a bench");
    for number in numbers {
        let link = LinkConfig {
            claims: claims(number)?,
            services: Default::default(),
            paused: false,
            offers_exit: false,
            created_at: Timestamp::now(),
        };
        let json = serde_json::to_vec(&link).map_err(BenchError::Document)?;
        batch.set_document(format!("link/{}", link.claims.identity), json);
    }
    store.commit(batch)?;
    Ok(())
}

/// Closes or opens the way to a cell. Answers the milliseconds from the call to its return, at which the system has
/// followed.
pub(super) fn turn(cell: &Cell, number: usize, way: Way) -> Result<f64, BenchError> {
    let update = LinkUpdate {
        paused: Some(way == Way::Paused),
        ..LinkUpdate::default()
    };
    let change = Change::ChangeLink {
        name: name(number),
        update,
    };
    let time = cell.submit("pause or resume a link", change)?;
    Ok(time.as_secs_f64() * 1_000.0)
}

/// An error unless the VPN interface and the packet filter really have the ways to these cells, or have them not.
pub(super) fn require(cell: &Cell, numbers: Range<usize>, way: Way) -> Result<(), BenchError> {
    let peers = cell.vpn_peers()?;
    let mut nft = cell.world.cell.command("nft");
    let rules = nft
        .args(["list", "ruleset"])
        .output()
        .map_err(BenchError::Nft)?;
    let rules = String::from_utf8_lossy(&rules.stdout);
    for number in numbers {
        let (key, subnet) = (key(number), subnet(number));
        let in_tunnel = peers
            .iter()
            .any(|peer| peer.public_key == key && peer.allowed_ips.contains(&subnet.into()));
        let in_filter = rules.contains(&subnet.to_string());
        let wanted = way == Way::Open;
        if (in_tunnel, in_filter) != (wanted, wanted) {
            return Err(BenchError::NotFollowed {
                cell: name(number),
                wanted: if wanted { "open" } else { "closed" },
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_cells_claim_the_same() {
        let claims: Vec<Claims> = (0..100).map(|number| claims(number).unwrap()).collect();
        let texts = |text: fn(&Claims) -> String| claims.iter().map(text).collect::<BTreeSet<_>>();
        for text in [
            |claims: &Claims| claims.name.to_string(),
            |claims: &Claims| claims.identity.link_address().to_string(),
            |claims: &Claims| claims.wireguard_key.to_string(),
            |claims: &Claims| claims.endpoints[0].to_string(),
            |claims: &Claims| claims.domain.to_string(),
            |claims: &Claims| claims.vpn.subnet.to_string(),
            |claims: &Claims| claims.vpn.subnet6.to_string(),
        ] {
            assert_eq!(texts(text).len(), 100);
        }
        assert!(claims.iter().all(|claims| claims.check().is_ok()));
    }
}
