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
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use cell_store::Store;
use cell_testkit::houses::{self, BARN, CABIN, HOME, House};
use cell_testkit::world::{HOME_GATEWAY, LAPTOP};
use cell_testkit::{Namespace, WgClient, wait_for};
use cell_tests::houses::{cell_in, imports, invites, is_found, shares, visit};
use cell_tests::probe::{capture, connect, connects, is_silent, lookup, pings};
use cell_tests::services::{AppPassword, ServiceHost};
use cell_tests::{Cell, OWNER, expect_status};
use cell_vault::{SealKey, Sealer};
use data_encoding::BASE64;
use serde_json::{Value, json};

const SERVICES: [&str; 2] = ["calendar", "files"];
const HOUSES: [House; 3] = [HOME, CABIN, BARN];
/// The VPN's.
const PORT: u16 = 51820;
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
        let (cabin, barn) = (CABIN.world().unwrap(), BARN.world().unwrap());
        houses::connect(0, (&HOME, &home.cell.world), (&CABIN, &cabin)).unwrap();
        houses::connect(1, (&HOME, &home.cell.world), (&BARN, &barn)).unwrap();
        houses::connect(2, (&CABIN, &cabin), (&BARN, &barn)).unwrap();
        let triangle = Self {
            cabin: cell_in(&CABIN, cabin),
            barn: cell_in(&BARN, barn),
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
            let cell = self.cell(from);
            let found = is_found(&to, &cell.owner, &cell.world.laptop, FOUND);
            assert!(
                found,
                "{} is not found from {}: {}\n{}",
                to.name,
                from.name,
                cell.get("/api/cells"),
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

    /// A flow from the laptop of a house to where home has its services.
    #[track_caller]
    fn comes_in(&self, from: House) -> TcpStream {
        let at = (HOME.vpn, HTTPS).into();
        let flow = connect(self.laptop(from), at, PATIENCE);
        flow.unwrap_or_else(|| panic!("no way in: {}", self.logs()))
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
        self.is_closed_to(other, "calendar");
        let door = (HOME.vpn, HTTPS).into();
        assert!(!connects(self.laptop(other), door), "there is a door");
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

    /// Nobody of another house comes to anything else.
    #[track_caller]
    fn no_other_door_opens(&self) {
        for (house, port) in [CABIN, BARN].into_iter().zip([22, 8443]) {
            for from in [&self.cell(house).world.cell, self.laptop(house)] {
                let is_open = connects(from, (HOME.vpn, port).into());
                assert!(!is_open, "{port} from {}", house.name);
            }
        }
        self.is_closed_to(BARN, "files");
    }

    /// The cabin's box stops, and somebody who has its key sends by its tunnel what the box would not: for the other cell, and
    /// for people at home. Ends the test unless home keeps it to itself.
    #[track_caller]
    fn leads_no_stranger_on(&mut self) {
        self.cabin.celld.terminate().unwrap();
        let own = key_of(&self.cabin);
        let other = self.home.cell.get("/api/wireguard/status")["public_key"].clone();
        let config = format!(
            "[Interface]\nPrivateKey = {own}\nAddress = {}/32\n\
             [Peer]\nPublicKey = {}\nEndpoint = {}:{PORT}\nAllowedIPs = {}, {}, {LAPTOP}/32\n",
            CABIN.vpn,
            other.as_str().unwrap(),
            moved(HOME),
            HOME.vpn_subnet(),
            BARN.vpn_subnet()
        );
        let outside = &self.cabin.world.internet;
        let _tunnel = WgClient::up(outside, &config).unwrap();
        let is_up = wait_for(FOUND, || pings(outside, HOME.vpn.into()).then_some(()));
        assert!(is_up.is_some(), "{}", self.logs());
        let at = |house| &self.cell(house).world.cell;
        let send = || {
            for there in [BARN.vpn, LAPTOP] {
                assert!(is_silent(outside, there.into()), "{there} answers");
            }
        };
        let (mut at_barn, mut in_the_house) = (String::new(), String::new());
        let at_home = capture(at(HOME), "wg0", "icmp", || {
            at_barn = capture(at(BARN), "wg0", "icmp", || {
                in_the_house = capture(self.laptop(HOME), "eth0", "icmp", send);
            });
        });
        for there in [BARN.vpn, LAPTOP] {
            let sent = format!("{} > {there}: ICMP echo request", CABIN.vpn);
            assert!(at_home.contains(&sent), "{sent}: {at_home}");
        }
        assert_eq!((&*at_barn, &*in_the_house), ("", ""));
    }

    /// Gives a house another address on the internet, and waits until others have heard of it.
    #[track_caller]
    fn moves(&self, house: House) {
        let address = moved(house);
        house.is_at(&self.cell(house).world, address).unwrap();
        let heard = json!([format!("{address}:{PORT}")]);
        for (_, cell) in self.cells().into_iter().filter(|(own, _)| *own != house) {
            let view = || cell.get("/api/cells")["items"].clone();
            let is_known = wait_for(FOUND, || {
                let cells = view();
                let mut cells = cells.as_array().unwrap().iter();
                let seen = cells.find(|cell| cell["name"] == house.name)?;
                (seen["endpoints"] == heard).then_some(())
            });
            assert!(is_known.is_some(), "{}\n{}", view(), self.logs());
        }
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

/// Where a house is once it was given another address.
fn moved(house: House) -> Ipv4Addr {
    let [a, b, c, _] = house.wan.octets();
    Ipv4Addr::new(a, b, c, 77)
}

/// Whether somebody says anything on a flow, to what is no TLS.
fn is_answered(flow: &mut TcpStream) -> bool {
    flow.set_read_timeout(Some(IMPATIENCE)).unwrap();
    let said = flow.write_all(b"GET / HTTP/1.0\r\n\r\n");
    said.is_ok() && flow.read(&mut [0; 64]).is_ok_and(|length| length > 0)
}

/// What the box of a cell that has stopped proves with who it is, as `wg` writes it.
fn key_of(cell: &Cell) -> String {
    const NAME: &str = "wireguard/private_key";
    let folder = cell.celld.state_dir();
    let sealed = Store::open(folder).unwrap().secret(NAME).unwrap().unwrap();
    let sealer = Sealer::new(&SealKey::on_disk(folder).unwrap());
    BASE64.encode(sealer.open(NAME, &sealed).unwrap().expose())
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
    triangle.no_other_door_opens();

    // Each in turn starts anew: one as if its power was cut, the others in order.
    for house in HOUSES {
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
        triangle.moves(house);
        triangle.holds(CABIN, BARN);
    }
    triangle.third_sees_nothing();

    // All start anew, with nothing but what they have kept of the others.
    for house in HOUSES {
        triangle.cell_mut(house).celld.terminate().unwrap();
    }
    for house in HOUSES {
        let cell = triangle.cell_mut(house);
        cell.celld.restart().unwrap();
        cell.sign_in();
    }
    triangle.holds(CABIN, BARN);

    // What was shared with one is shared with the other instead; who is in has to leave, too.
    let [mut before, mut after] = [(); 2].map(|()| triangle.comes_in(CABIN));
    assert!(is_answered(&mut before), "{}", triangle.logs());
    shares(&triangle.home.cell.owner, &CABIN, &[]);
    let closed = wait_for(FOUND, || {
        let (status, _) = triangle.asks(CABIN, &url("calendar"), &[], IMPATIENCE);
        (status == 0).then_some(())
    });
    assert!(closed.is_some(), "{}", triangle.logs());
    assert!(!is_answered(&mut after), "a flow goes on");
    shares(&triangle.home.cell.owner, &BARN, &["calendar"]);
    triangle.holds(BARN, CABIN);
    triangle.leads_no_stranger_on();
}
