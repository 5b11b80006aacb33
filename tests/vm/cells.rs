//! Three boxes in three houses, whose owners link them by invites; then power, addresses and a day come between them.
//!
//! ```text
//! laptop ── box home (calendar) ── 203.0.113.0/24 ── internet ── 192.0.32.0/24 ── box cabin ── laptop
//!                                                       └─────── 192.0.34.0/24 ── box barn ── laptop
//! ```
//!
//! People of the cabin come to the calendar at home, people of the barn to nothing. Each box is where its laptop asks for names
//! and sends all that is not at home.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use cell_testkit::houses::{BARN, CABIN, HOME, House};
use cell_testkit::vm::Nic;
use cell_testkit::world::{HOME_GATEWAY, LAPTOP};
use cell_testkit::{Client, Namespace, wait_for};
use cell_tests::houses::{becomes, imports, invites, is_found, shares};
use cell_tests::probe::connects;
use cell_tests::update::restart;
use cell_tests::vm::{Appliance, BOOTS, CABLE, lay_cable, seeded_image};
use cell_tests::{DOMAIN, OWNER, VPN_SUBNET, expect_status, seed_answers};
use data_encoding::BASE64;
use serde_json::json;

/// The laptop's end of the wire to the box.
const WIRE: &str = "wire";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Where the barn is after it was given another address.
const MOVED: [u8; 2] = [20, 30];
const HTTPS: u16 = 443;
/// What a person waits for a page that is not to open.
const IMPATIENCE: Duration = Duration::from_secs(20);
/// What a person waits for one that is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A box in a house.
struct Place {
    house: House,
    appliance: Appliance,
    _folder: tempfile::TempDir,
}

impl Place {
    fn start(internet: &Namespace, house: House) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let answers = seed_answers()
            .replace(DOMAIN, house.domain)
            .replace(VPN_SUBNET, &house.vpn_subnet());
        let seed = format!(
            "hostname = \"{}\"\n[network]\nwan = \"eth1\"\nlan = \"eth0\"\n\
             lan_addressing = {{ address = \"{HOME_GATEWAY}/24\" }}\n\
             wan_addressing = {{ address = \"{}/24\", gateway = \"{}\" }}\n{answers}",
            house.name,
            house.wan,
            house.router()
        );
        let mut appliance = Appliance::start_with(|options| {
            options.disk = seeded_image(folder.path(), &seed);
            let laptop = options.namespace.as_ref().unwrap();
            laptop
                .ip(&format!(
                    "tuntap add dev {WIRE} mode tap\naddr add {LAPTOP}/24 dev {WIRE}\nlink set {WIRE} up\n\
                     route add default via {HOME_GATEWAY}"
                ))
                .unwrap();
            laptop.set_resolvers(&[HOME_GATEWAY.into()]).unwrap();
            lay_cable(laptop, internet, house.name, house.router());
            options.nics = [WIRE, CABLE].map(|name| Nic::Tap(name.to_owned())).into();
        });
        appliance.is_at(HOME_GATEWAY.into());
        Self {
            house,
            appliance,
            _folder: folder,
        }
    }

    /// Its owner, who has just proven that they are.
    fn owner(&self) -> &Client {
        self.appliance.prove_password();
        &self.appliance.owner
    }

    fn laptop(&self) -> &Namespace {
        &self.appliance.host
    }

    /// Gives it another address on the internet, as the owner does whose provider says so.
    fn moves_to(&self, last: u8) {
        let [a, b, c, _] = self.house.wan.octets();
        let address = Ipv4Addr::new(a, b, c, last);
        let mut network = self.appliance.get("/api/config")["network"].clone();
        network["wan"]["addressing"] = json!({
            "mode": "static", "address": format!("{address}/24"), "gateway": self.house.router(),
        });
        becomes(self.owner(), &json!({ "network": network }));
    }

    /// Restarts in order.
    fn restarts(&mut self) {
        let mark = self.appliance.machine.serial().mark();
        self.owner();
        restart(&self.appliance);
        let serial = self.appliance.machine.serial();
        serial.wait_after(mark, "is up", BOOTS).unwrap();
        self.appliance.sign_in();
    }

    fn loses_power(&mut self) {
        self.appliance.power_cycle();
        self.appliance.sign_in();
    }

    /// Sets its clock.
    fn is_then(&mut self, moment: u64) {
        self.appliance.open_shell_as_owner();
        let set = format!("date -u -s @{moment} >/dev/null && echo set");
        assert_eq!(self.appliance.answer(&set).trim(), "set");
        // Nobody is signed in for so long.
        self.appliance.sign_in();
    }
}

/// Three boxes that are linked with each other.
struct Triangle {
    home: Place,
    cabin: Place,
    barn: Place,
    /// Of a device of somebody at home.
    password: String,
    /// By how much all are ahead of the clock here.
    ahead: Duration,
    folder: tempfile::TempDir,
}

impl Triangle {
    fn start(internet: &Namespace) -> Self {
        let [home, cabin, barn] = [HOME, CABIN, BARN].map(|house| Place::start(internet, house));
        let mut triangle = Self {
            home,
            cabin,
            barn,
            password: String::new(),
            ahead: Duration::ZERO,
            folder: tempfile::tempdir().unwrap(),
        };
        for place in [&mut triangle.home, &mut triangle.cabin, &mut triangle.barn] {
            place.appliance.sign_in();
        }
        triangle.install_calendar();
        triangle
    }

    fn install_calendar(&mut self) {
        let owner = self.home.owner();
        let installed = owner.post("/api/store/calendar/install", &json!({}));
        expect_status(&installed.unwrap(), 201);
        let form = json!({ "device": "laptop" });
        let made = owner.post("/api/app-passwords", &form).unwrap();
        expect_status(&made, 201);
        let authority = owner.get("/ca.pem").unwrap().text();
        fs::write(self.authority(), authority).unwrap();
        self.password = made.json()["password"].as_str().unwrap().to_owned();
        let view = || self.home.appliance.get("/api/services/active/calendar")["service"].clone();
        let well = wait_for(BOOTS, || (view()["state"] == "ok").then_some(()));
        assert!(well.is_some(), "{}", view());
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Seconds since 1970 where the boxes are.
    fn now(&self) -> u64 {
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        (here.unwrap() + self.ahead).as_secs()
    }

    /// The first line of what the calendar answers at a laptop to somebody from home, at the time that the boxes have.
    fn calendar_at(&self, place: &Place, limit: Duration) -> String {
        let host = format!("calendar.{}", HOME.domain);
        let user = BASE64.encode(format!("{OWNER}:{}", self.password).as_bytes());
        let request = format!(
            "PROPFIND /{OWNER}/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {user}\r\nDepth: 0\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let mut openssl = place.laptop().command("timeout");
        openssl
            .arg(limit.as_secs().to_string())
            .args(["openssl", "s_client", "-quiet", "-CAfile"])
            .arg(self.authority())
            .args(["-verify_return_error", "-verify_hostname", &host])
            .args(["-attime", &self.now().to_string()])
            .args(["-servername", &host])
            .args(["-connect", &format!("{host}:{HTTPS}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = openssl.spawn().unwrap();
        // A program that has ended says below why.
        let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match text.lines().next() {
            Some(line) => line.to_owned(),
            None => String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits until the two find each other by name and reach each other.
    #[track_caller]
    fn find_each_other(one: &Place, other: &Place) {
        for (from, to) in [(one, other), (other, one)] {
            let owner = &from.appliance.owner;
            let found = is_found(&to.house, owner, from.laptop(), BOOTS);
            let cells = || from.appliance.get("/api/cells");
            let (to, from) = (to.house.name, from.house.name);
            assert!(found, "{to} is not found from {from}: {}", cells());
        }
    }

    /// All that is to hold, whatever has happened.
    #[track_caller]
    fn holds(&self) {
        for (one, other) in [
            (&self.home, &self.cabin),
            (&self.home, &self.barn),
            (&self.cabin, &self.barn),
        ] {
            Self::find_each_other(one, other);
        }
        let mut last = String::new();
        let open = wait_for(BOOTS, || {
            last = self.calendar_at(&self.cabin, PATIENCE);
            last.starts_with("HTTP/1.1 207 ").then_some(())
        });
        assert!(open.is_some(), "the calendar says to the cabin: {last}");
        let said = self.calendar_at(&self.barn, IMPATIENCE);
        assert!(
            !said.starts_with("HTTP/"),
            "the calendar opens to the barn: {said}"
        );
        let at_home = IpAddr::from(self.home.house.vpn);
        let opens = |place: &Place, port| connects(place.laptop(), (at_home, port).into());
        assert!(!opens(&self.barn, HTTPS), "there is a door for the barn");
        for (place, port) in [(&self.cabin, 22), (&self.cabin, 8443), (&self.barn, 8443)] {
            assert!(!opens(place, port), "{port} from {}", place.house.name);
        }
    }
}

/// Links a box with the one whose invite it takes.
#[track_caller]
fn pair(inviter: &Place, joiner: &Place, is_accepted_by_itself: bool) {
    let form = json!({ "auto_accept": is_accepted_by_itself });
    let made = invites(inviter.owner(), &form);
    let reply = imports(joiner.owner(), &made["invite"]);
    // It goes on by itself where the first answer takes too long.
    assert!([201, 202].contains(&reply.status), "{}", reply.text());
    if !is_accepted_by_itself {
        let name = inviter.house.name;
        let view = || joiner.appliance.get("/api/cells")["items"].clone();
        let code = wait_for(BOOTS, || {
            let cells = view();
            let mut cells = cells.as_array().unwrap().iter();
            let cell = cells.find(|cell| cell["name"] == name)?;
            cell["code"].as_str().map(str::to_owned)
        });
        let code = code.unwrap_or_else(|| panic!("no code is shown: {}", view()));
        let path = format!("/api/cells/{}/confirm", joiner.house.name);
        let confirmed = inviter.owner().post(&path, &json!({ "code": code }));
        expect_status(&confirmed.unwrap(), 200);
    }
    Triangle::find_each_other(inviter, joiner);
}

#[test]
#[ignore = "boots three boxes, some of them again; run by `cargo xtask test --long long_cells`"]
fn long_cells_in_a_triangle_find_each_other_after_power_addresses_and_a_day_have_changed() {
    let internet = Namespace::create("internet").unwrap();
    internet.set_sysctl("net.ipv4.ip_forward", "1").unwrap();
    let mut triangle = Triangle::start(&internet);
    pair(&triangle.cabin, &triangle.home, true);
    pair(&triangle.home, &triangle.barn, true);
    pair(&triangle.barn, &triangle.cabin, false);
    shares(triangle.home.owner(), &CABIN, &["calendar"]);
    triangle.holds();

    triangle.home.restarts();
    triangle.holds();
    triangle.cabin.loses_power();
    triangle.holds();
    let [first, second] = MOVED;
    triangle.barn.moves_to(first);
    triangle.holds();

    // One is away for a day, in which the others go on and become others.
    triangle.cabin.appliance.machine.cut_power().unwrap();
    triangle.ahead = DAY;
    let now = triangle.now();
    for place in [&mut triangle.home, &mut triangle.barn] {
        place.is_then(now);
    }
    let home = &mut triangle.home;
    becomes(
        home.owner(),
        &json!({ "cell": { "name": "manor", "timezone": "UTC" } }),
    );
    let vpn = json!({ "subnet": "10.77.0.0/24", "subnet6": "fd00:77::/64" });
    becomes(home.owner(), &json!({ "vpn": vpn }));
    home.house = House {
        name: "manor",
        vpn: Ipv4Addr::new(10, 77, 0, 1),
        ..HOME
    };
    triangle.barn.moves_to(second);
    Triangle::find_each_other(&triangle.home, &triangle.barn);

    let cabin = &mut triangle.cabin.appliance;
    cabin.change(|options| options.ahead = DAY);
    cabin.power_on();
    cabin.sign_in();
    triangle.holds();
    for place in [&triangle.home, &triangle.cabin, &triangle.barn] {
        let verified = place.appliance.get("/api/audit/verify");
        assert_eq!(verified["ok"], true, "{}: {verified}", place.house.name);
    }
}
