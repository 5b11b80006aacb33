//! Three houses whose cells are linked with each other by invites alone; one has services, of which it shares one with one of
//! the others.
//!
//! ```text
//!               home (calendar, files)
//!              /                      \
//!   cabin (comes to the calendar) ── barn (comes to nothing)
//! ```
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use cell_testkit::world::HOME_GATEWAY;
use cell_testkit::{Namespace, wait_for};
use cell_tests::houses::{
    BARN, CABIN, HOME, House, connect, imports, invites, shares, states, visit,
};
use cell_tests::probe::{capture, connects, is_silent, lookup, pings};
use cell_tests::services::{AppPassword, ServiceHost};
use cell_tests::{Cell, OWNER, expect_status};
use serde_json::{Value, json};

const SERVICES: [&str; 2] = ["calendar", "files"];
const HTTPS: u16 = 443;
/// How long cells may take to find each other again: one that keeps silent is heard of every 25 s, and tries that failed are
/// up to a minute apart.
const FOUND: Duration = Duration::from_secs(180);
/// How long somebody waits for a page that is to open, and for one that is not.
const PATIENCE: Duration = Duration::from_secs(20);
const IMPATIENCE: Duration = Duration::from_secs(3);

struct Triangle {
    home: ServiceHost,
    cabin: Cell,
    barn: Cell,
    /// For a device of somebody at home, who is at the cabin or the barn just now.
    password: AppPassword,
}

impl Triangle {
    /// Three cells, strangers to each other.
    fn start() -> Self {
        let home = ServiceHost::with_own_services();
        let (cabin, barn) = (CABIN.world(), BARN.world());
        connect(0, (&HOME, &home.cell.world), (&CABIN, &cabin));
        connect(1, (&HOME, &home.cell.world), (&BARN, &barn));
        connect(2, (&CABIN, &cabin), (&BARN, &barn));
        let triangle = Self {
            cabin: CABIN.cell_in(cabin),
            barn: BARN.cell_in(barn),
            password: home.app_password("laptop"),
            home,
        };
        for (_, cell) in triangle.cells() {
            let laptop = &cell.world.laptop;
            laptop.set_resolvers(&[HOME_GATEWAY.into()]).unwrap();
        }
        for service in SERVICES {
            triangle.home.install(service);
        }
        for service in SERVICES {
            triangle.home.wait(service, "ok");
            triangle.home.wait_answer(service, 401);
        }
        triangle
    }

    fn cells(&self) -> [(House, &Cell); 3] {
        [
            (HOME, &self.home.cell),
            (CABIN, &self.cabin),
            (BARN, &self.barn),
        ]
    }

    fn cell(&self, house: House) -> &Cell {
        let mut cells = self.cells().into_iter();
        cells.find(|(own, _)| *own == house).unwrap().1
    }

    fn cell_mut(&mut self, house: House) -> &mut Cell {
        match house {
            CABIN => &mut self.cabin,
            BARN => &mut self.barn,
            _ => &mut self.home.cell,
        }
    }

    fn laptop(&self, house: House) -> &Namespace {
        &self.cell(house).world.laptop
    }

    fn logs(&self) -> String {
        self.cells()
            .map(|(_, cell)| cell.celld.log_end())
            .join("\n")
    }

    /// A house takes an invite of another's, and is linked at once.
    fn accepts_by_itself(&self, inviter: House, joiner: House) {
        let made = invites(&self.cell(inviter).owner, &json!({ "auto_accept": true }));
        let reply = imports(&self.cell(joiner).owner, &made["invite"]);
        expect_status(&reply, 201);
    }

    /// A house takes an invite of another's, where a code is compared.
    fn compares_codes(&self, inviter: House, joiner: House) {
        let owner = &self.cell(inviter).owner;
        let made = invites(owner, &json!({}));
        let reply = imports(&self.cell(joiner).owner, &made["invite"]);
        expect_status(&reply, 202);
        let code: Value = reply.json()["cell"]["code"].clone();
        let path = format!("/api/cells/{}/confirm", joiner.name);
        let confirmed = owner.post(&path, &json!({ "code": code })).unwrap();
        expect_status(&confirmed, 200);
    }

    /// What the laptop of a house is answered by a service of home's, with the password of somebody there.
    fn asks(&self, from: House, url: &str, more: &[&str], limit: Duration) -> (u16, String) {
        let user = format!("{OWNER}:{}", self.password.text);
        let own = ["--user", &*user, "--request", "PROPFIND"];
        let authority = self.home.cell.celld.ca_pem();
        let arguments = [&own[..], more].concat();
        visit(self.laptop(from), &authority, url, &arguments, limit)
    }

    /// Waits until the two have each other as linked, find each other by name, and reach each other.
    #[track_caller]
    fn find_each_other(&self, one: House, other: House) {
        for (from, to) in [(one, other), (other, one)] {
            let linked = (to.name.to_owned(), "linked".to_owned());
            let found = wait_for(FOUND, || {
                let is_linked = states(&self.cell(from).owner).contains(&linked);
                (is_linked && to.is_found_from(self.laptop(from), HOME_GATEWAY)).then_some(())
            });
            assert!(
                found.is_some(),
                "{} is not found from {}: {}\n{}",
                to.name,
                from.name,
                self.cell(from).get("/api/cells"),
                self.logs()
            );
        }
    }

    /// Waits until somebody from home opens their calendar at the laptop of another house.
    #[track_caller]
    fn opens_calendar(&self, from: House) {
        let url = url("calendar");
        let mut last = (0, String::new());
        let open = wait_for(FOUND, || {
            last = self.asks(from, &url, &[], PATIENCE);
            (last.0 == 207).then_some(())
        });
        let why = "is answered";
        assert!(
            open.is_some(),
            "{} {why} {last:?}\n{}",
            from.name,
            self.logs()
        );
    }

    /// Ends the test if a service opens to another house.
    #[track_caller]
    fn is_closed_to(&self, from: House, service: &str) {
        let (status, text) = self.asks(from, &url(service), &[], IMPATIENCE);
        assert_eq!(status, 0, "{service} opens to {}: {text}", from.name);
    }

    /// All that is to hold while the calendar is shared with this house, and nothing with the other one.
    #[track_caller]
    fn holds(&self, guest: House, other: House) {
        for (one, other) in [(HOME, CABIN), (HOME, BARN), (CABIN, BARN)] {
            self.find_each_other(one, other);
        }
        self.opens_calendar(guest);
        self.is_closed_to(guest, "files");
        // Nor where the one that is shared is said to be meant.
        let host = format!("Host: files.{}", HOME.domain);
        let (status, text) = self.asks(guest, &url("calendar"), &["--header", &host], PATIENCE);
        assert_eq!(status, 421, "{text}");
        for service in SERVICES {
            self.is_closed_to(other, service);
        }
        let laptop = self.laptop(other);
        assert!(
            !connects(laptop, (HOME.vpn, HTTPS).into()),
            "there is a door"
        );
        for (house, cell) in [(guest, self.cell(guest)), (other, self.cell(other))] {
            for port in [22, 8443] {
                let at = (HOME.vpn, port).into();
                assert!(
                    !connects(&cell.world.cell, at),
                    "{port} from {}",
                    house.name
                );
            }
        }
        for (asker, about, by) in [
            (CABIN, BARN, HOME),
            (CABIN, HOME, BARN),
            (BARN, CABIN, HOME),
        ] {
            self.says_nothing_of(asker, about, by);
        }
    }

    /// A cell gives no answers about one that both are linked with.
    #[track_caller]
    fn says_nothing_of(&self, asker: House, about: House, by: House) {
        let server = format!("@{}", by.vpn);
        let said = lookup(&self.cell(asker).world.cell, &[&server, about.domain]);
        assert_eq!(said, "", "{} says where {} is", by.name, about.name);
    }

    /// Nothing of what two say to each other passes the third.
    #[track_caller]
    fn third_sees_nothing(&self) {
        let nets = format!("net {} and net {}", CABIN.vpn_subnet(), BARN.vpn_subnet());
        let at = |house| &self.cell(house).world.cell;
        let speak = || assert!(pings(self.laptop(CABIN), BARN.vpn.into()), "they speak");
        let mut seen = String::new();
        let at_home = capture(at(HOME), "wg0", &nets, || {
            seen = capture(at(BARN), "wg0", &nets, speak);
        });
        assert!(seen.contains("ICMP echo request"), "{seen}");
        assert_eq!(at_home, "");
    }
}

fn url(service: &str) -> String {
    format!("https://{service}.{}/{OWNER}/", HOME.domain)
}

#[test]
fn three_cells_linked_by_invites_share_what_was_shared_through_restarts_and_moves() {
    let mut triangle = Triangle::start();

    // Two of them are linked with the third, and not with each other: it leads nobody from one to the other.
    triangle.accepts_by_itself(CABIN, HOME);
    triangle.accepts_by_itself(HOME, BARN);
    triangle.find_each_other(HOME, CABIN);
    triangle.find_each_other(HOME, BARN);
    for (from, to) in [(CABIN, BARN), (BARN, CABIN)] {
        triangle.says_nothing_of(from, to, HOME);
        assert_eq!(lookup(triangle.laptop(from), &[to.domain]), "");
        assert!(is_silent(triangle.laptop(from), to.vpn.into()));
    }
    for (house, service) in [(CABIN, "calendar"), (BARN, "files")] {
        triangle.is_closed_to(house, service);
    }

    triangle.compares_codes(BARN, CABIN);
    shares(&triangle.home.cell.owner, &CABIN, &["calendar"]);
    triangle.holds(CABIN, BARN);
    triangle.third_sees_nothing();

    // Each in turn starts anew: one as if its power was cut, the others in order.
    for house in [HOME, CABIN, BARN] {
        let cell = triangle.cell_mut(house);
        if house == CABIN {
            cell.celld.kill9().unwrap();
        }
        cell.celld.restart().unwrap();
        cell.sign_in();
        triangle.holds(CABIN, BARN);
    }

    // Each in turn is given another address by its provider.
    for house in [CABIN, HOME, BARN] {
        let [a, b, c, _] = house.wan.octets();
        house.is_at(&triangle.cell(house).world, Ipv4Addr::new(a, b, c, 77));
        triangle.holds(CABIN, BARN);
    }
    triangle.third_sees_nothing();

    // What was shared with one is shared with the other instead.
    shares(&triangle.home.cell.owner, &CABIN, &[]);
    let closed = wait_for(FOUND, || {
        let (status, _) = triangle.asks(CABIN, &url("calendar"), &[], IMPATIENCE);
        (status == 0).then_some(())
    });
    assert!(closed.is_some(), "{}", triangle.logs());
    shares(&triangle.home.cell.owner, &BARN, &["calendar"]);
    triangle.holds(BARN, CABIN);
}
