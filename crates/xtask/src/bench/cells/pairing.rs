//! Two cells that are linked by an invite, tell each other what changes, and are parted.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::link::{LinkForm, LinkUpdate};
use cell_control::query::Links;
use cell_model::config::ServiceToggle;
use cell_model::endpoint::Endpoint;
use cell_model::name::CellName;
use cell_model::subnet::cell_address;
use cell_testkit::houses;
use cell_testkit::wait_for;
use ipnet::Ipv4Net;

use super::super::cell::{Cell, HOME, House};
use super::super::error::BenchError;
use super::links::invite;
use crate::error::XtaskError;

/// Seconds between two pings.
const EVERY_S: &str = "0.01";
/// A link that was ended is none, and then one by which the end is told: in between, for a moment, nothing is there.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// Nothing is waited for any longer.
const LIMIT: Duration = Duration::from_secs(180);
/// The same for pings, in seconds.
const LIMIT_S: &str = "180";
const CABIN: House = House {
    cell_name: "cabin",
    domain: "cabin.cell",
    vpn_subnet: Ipv4Net::new_assert(Ipv4Addr::new(10, 40, 0, 0), 24),
};

/// Two set-up cells in two houses that reach each other.
pub(super) struct Pair {
    pub(super) home: Cell,
    cabin: Cell,
}

impl Pair {
    pub(super) fn set_up(binary: &Path) -> Result<Self, XtaskError> {
        let (near, far) = (houses::HOME.world()?, houses::CABIN.world()?);
        houses::connect(0, (&houses::HOME, &near), (&houses::CABIN, &far))?;
        Ok(Self {
            home: Cell::set_up_as(&HOME, near, binary.to_owned())?,
            cabin: Cell::set_up_as(&CABIN, far, binary.to_owned())?,
        })
    }

    /// Links both. Answers the time from the import of the cabin's invite to the first ping that its box answers.
    pub(super) fn link(&self) -> Result<Duration, XtaskError> {
        let invite = invite(&self.cabin)?;
        self.wait_for_listener()?;
        let form = LinkForm {
            invite,
            allow_public_domain: false,
        };
        let start = Instant::now();
        self.home
            .act("import an invite", Action::LinkCell(Box::new(form)))?;
        self.wait_for_ping()?;
        Ok(start.elapsed())
    }

    fn wait_for_listener(&self) -> Result<(), BenchError> {
        let listener = SocketAddr::from((houses::CABIN.wan, Endpoint::PORT));
        let connect = || TcpStream::connect_timeout(&listener, Duration::from_secs(1)).is_ok();
        soon(&CABIN, "listening to other cells", || {
            Ok(self.home.world.internet.run(connect).unwrap_or(false))
        })
    }

    /// Returns with the first answer to pings from home.
    fn wait_for_ping(&self) -> Result<(), BenchError> {
        let to = cell_address(CABIN.vpn_subnet).to_string();
        soon(&CABIN, "answering pings", || {
            let mut ping = self.home.world.cell.command("ping");
            ping.args(["-n", "-q", "-c", "1", "-i", EVERY_S, "-w", LIMIT_S, &to]);
            let output = ping.output().map_err(BenchError::Ping)?;
            Ok(output.status.success())
        })
    }

    /// Ends the link, and waits until neither has anything of the other, nor gets it back.
    pub(super) fn part(&self) -> Result<(), BenchError> {
        let name = cabin_name();
        self.home
            .submit("end a link", Change::RemoveLink { name })?;
        let mut alone_since = None;
        soon(&CABIN, "parted from the other", || {
            if is_alone(&self.home)? && is_alone(&self.cabin)? {
                Ok(alone_since.get_or_insert_with(Instant::now).elapsed() >= AFTERWARDS)
            } else {
                alone_since = None;
                Ok(false)
            }
        })
    }

    /// Shares something with the cabin, or no more. Answers the time from the call to when the cabin shows it.
    pub(super) fn share(&self, shared: bool) -> Result<Duration, BenchError> {
        let services: BTreeSet<_> = shared
            .then_some(ServiceToggle::Calendar)
            .into_iter()
            .collect();
        let change = Change::ChangeLink {
            name: cabin_name(),
            update: LinkUpdate {
                services: Some(services.clone()),
                ..LinkUpdate::default()
            },
        };
        let start = Instant::now();
        self.home.submit("share with a cell", change)?;
        soon(&CABIN, "told what is shared with it", || {
            let links = self.cabin.ask("tell which cells it knows", Links)?;
            let mut theirs = links.items.iter().filter_map(|link| link.theirs.as_ref());
            Ok(theirs.any(|theirs| theirs.services == services))
        })?;
        Ok(start.elapsed())
    }
}

fn is_alone(cell: &Cell) -> Result<bool, BenchError> {
    let links = cell.ask("tell which cells it knows", Links)?;
    Ok(links.items.is_empty() && cell.vpn_peers()?.is_empty())
}

fn cabin_name() -> CellName {
    CABIN.cell_name.parse().expect("a constant of the bench")
}

/// Waits until something is so at a house.
fn soon(
    house: &House,
    wanted: &'static str,
    mut is_so: impl FnMut() -> Result<bool, BenchError>,
) -> Result<(), BenchError> {
    let found = wait_for(LIMIT, || match is_so() {
        Ok(is_so) => is_so.then_some(Ok(())),
        Err(error) => Some(Err(error)),
    });
    found.unwrap_or(Err(BenchError::NoLink {
        cell: house.cell_name,
        wanted,
        limit: LIMIT,
    }))
}
