//! Services on the box itself as people have them: installed in a browser, used by programs that were told what the pages
//! say, made newer with the system, and not harmed by newer versions that are no good, nor by the power.
//!
//! The test boots several times: `cargo xtask test --long vm_long_services`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use cell_testkit::vm::{Forward, Nic};
use cell_testkit::wait_for;
use cell_tests::device::{Device, Rclone, Vdirsyncer};
use cell_tests::update::{install, restart};
use cell_tests::version::Version;
use cell_tests::vm::{Appliance, BOOTS};
use cell_tests::{DOMAIN, OWNER, PASSWORD, browser, expect_status};
use serde_json::{Value, json};

const SERVICES: [&str; 2] = ["calendar", "files"];
/// Where the system has the services that come with it.
const PACKAGES: &str = "usr/share/cell/services";
/// A file of a size that is not written in one go.
const FILM: usize = 3_000_001;
const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//cell//test//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n\
     DTSTAMP:20261126T100000Z\r\nDTSTART:20261127T100000Z\r\nSUMMARY:Breakfast\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
const CARD: &str =
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ben\r\nFN:B\u{e9}n\r\nN:B\u{e9}n;;;;\r\nEND:VCARD\r\n";

/// A box, and two computers of its owner's that are told nothing but what the pages say.
struct Home {
    appliance: Appliance,
    calendar: Vdirsyncer,
    files: Rclone,
    /// Holds the authority that the computers trust.
    _folder: tempfile::TempDir,
}

/// Whether a version of the services is any good.
#[derive(Clone, Copy, PartialEq)]
enum Quality {
    Good,
    /// Nobody answers where the manifest says.
    Mute,
}

/// A box whose HTTPS is reached at its names.
fn start() -> Appliance {
    let mut appliance = Appliance::start_with(|options| {
        if let Some(Nic::User(forwards)) = options.nics.first_mut() {
            forwards.push(Forward {
                protocol: "tcp",
                outside: "127.0.0.1:443".parse().unwrap(),
                inside: 443,
            });
        }
    });
    let hosts = SERVICES.map(|service| {
        let name = format!("{service}.{DOMAIN}");
        (Ipv4Addr::LOCALHOST.into(), name)
    });
    appliance.host.set_hosts(&hosts).unwrap();
    appliance.set_up();
    appliance
}

/// What the pages say of each service once a person has done that in a browser.
fn in_the_browser(appliance: &Appliance, act: &str, device: Option<&str>) -> Value {
    let given = json!({
        "username": OWNER, "password": PASSWORD, "act": act, "services": SERVICES, "device": device,
        "patience_ms": u64::try_from(BOOTS.as_millis()).unwrap(),
    });
    let base = "https://127.0.0.1:8443";
    browser::run(&appliance.host, base, "services.mjs", given)
}

impl Home {
    /// Has both services installed, and writes something into each.
    fn new(appliance: Appliance) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("ca.pem");
        fs::write(&authority, appliance.owner.get("/ca.pem").unwrap().text()).unwrap();
        let seen = in_the_browser(&appliance, "install", Some("laptop"));
        let password = seen["app_password"].as_str().unwrap();
        let device = |service: &str| {
            let guide = seen["services"][service]["guides"]["Android"].as_str();
            let guide = guide.unwrap_or_else(|| panic!("{seen:#}"));
            Device::new(&appliance.host, &authority, guide, password)
        };
        let home = Self {
            calendar: Vdirsyncer::new(device("calendar")),
            files: Rclone {
                device: device("files"),
            },
            appliance,
            _folder: folder,
        };
        home.calendar.write("calendars/calendar/1.ics", EVENT);
        home.calendar.write("contacts/contacts/1.vcf", CARD);
        home.calendar.sync();
        fs::write(home.files.device.path("film.mkv"), film()).unwrap();
        home.files.does(&["copy", "film.mkv", "box:films"]);
        home
    }

    /// Ends the test unless all that was written is there, on a computer that has nothing of it.
    #[track_caller]
    fn has_all(&self) {
        let kept = ["calendars/calendar", "contacts/contacts"].map(|folder| {
            let at = self.calendar.device.path(folder);
            fs::remove_dir_all(&at).unwrap();
            fs::create_dir(at).unwrap();
            folder
        });
        // What it remembers it would take for having been deleted here.
        fs::remove_dir_all(self.calendar.device.path("status")).unwrap();
        self.calendar.sync();
        self.calendar.has(kept[0], &["SUMMARY:Breakfast"]);
        self.calendar.has(kept[1], &["FN:B\u{e9}n"]);
        let back = self.files.device.path("back.mkv");
        self.files
            .does(&["copyto", "box:films/film.mkv", "back.mkv"]);
        assert!(fs::read(&back).unwrap() == film(), "bytes differ");
        fs::remove_file(back).unwrap();
    }

    fn service(&self, id: &str) -> Value {
        let path = format!("/api/services/active/{id}");
        self.appliance.get(&path)["service"].clone()
    }

    /// Waits until services are well and their pages answer.
    #[track_caller]
    fn wait_well(&self) {
        let is_well = |id: &str| {
            let service = self.service(id);
            service["state"] == "ok" && service["on_trial"] == false
        };
        let well = wait_for(BOOTS, || SERVICES.into_iter().all(is_well).then_some(()));
        let services = SERVICES.map(|id| self.service(id));
        assert!(well.is_some(), "{services:?}");
        // The proxy may not be there yet.
        let answers = wait_for(BOOTS, || {
            self.files.ask(&["lsf", "box:"]).is_well.then_some(())
        });
        assert!(answers.is_some(), "{}", self.appliance.get("/api/status"));
    }

    /// Takes a version of the system in and restarts, until it is there to stay.
    fn update_system(&mut self, version: &Version, slot: &str) {
        install(&self.appliance, version);
        let mark = self.appliance.machine.serial().mark();
        restart(&self.appliance);
        self.stays(mark, slot);
        let firmware = self.appliance.get("/api/firmware");
        assert_eq!(firmware["version"], version.release.version, "{firmware}");
    }

    fn stays(&mut self, mark: usize, slot: &str) {
        let serial = self.appliance.machine.serial();
        let good = format!("slot {slot} is good");
        serial.wait_after(mark, &good, BOOTS).unwrap();
        self.appliance.sign_in();
        self.wait_well();
    }

    fn cut_power(&mut self) {
        self.appliance.power_cycle();
        self.appliance.sign_in();
        self.wait_well();
    }
}

/// Bytes that differ from place to place.
fn film() -> Vec<u8> {
    let byte = |at: usize| (at.wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..FILM).map(byte).collect()
}

/// A version of the system that brings that release of each service along.
fn version(release: u32, quality: Quality) -> Version {
    Version::after(u64::from(release) - 1, |root| {
        fs::write(root.join("etc/cell/new"), release.to_string())?;
        let manifests = SERVICES.map(|id| root.join(PACKAGES).join(id).join("service.toml"));
        manifests
            .iter()
            .try_for_each(|path| make_newer(path, release, quality))
    })
}

fn make_newer(manifest: &PathBuf, release: u32, quality: Quality) -> io::Result<()> {
    let text = fs::read_to_string(manifest)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if line.starts_with("version = ") {
            *line = format!("version = \"{release}.0\"");
        } else if line.starts_with("release = ") {
            *line = format!("release = {release}");
        } else if line.starts_with("health = ") && quality == Quality::Mute {
            *line = "health = { http = \"/\", port = 9, start_s = 5 }".to_owned();
        }
    }
    replace(manifest, &(lines.join("\n") + "\n"))
}

/// What the image holds may not be written by anybody.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    fs::remove_file(path)?;
    fs::write(path, text)
}

#[test]
#[ignore = "boots six times and starts containers; run by `cargo xtask test --long vm_long`"]
fn vm_long_services_outlive_newer_versions_good_and_bad_of_themselves_and_of_the_system() {
    let mut home = Home::new(start());
    home.has_all();
    for id in SERVICES {
        let usage = home.service(id)["containers"][0]["usage"].clone();
        println!("{id}: {usage}");
        let used = usage["memory_bytes"].as_u64();
        assert!(used.is_some_and(|used| used > 0), "{usage}");
    }

    // The system is updated: they are as they were, and newer versions of them are there.
    home.update_system(&version(2, Quality::Good), "b");
    home.has_all();
    for id in SERVICES {
        let service = home.service(id);
        assert_eq!(service["update"]["version"], "2.0", "{service}");
    }

    // One is updated, and the power goes as soon as that was acknowledged; it is gone on with. The other in the browser.
    let path = "/api/store/calendar/update";
    let reply = home.appliance.owner.post(path, &json!({})).unwrap();
    expect_status(&reply, 200);
    home.cut_power();
    let service = home.service("calendar");
    assert_eq!(service["version"], "2.0", "{service}");
    home.has_all();
    let reply = home
        .appliance
        .owner
        .post("/api/store/files/update", &json!({}));
    expect_status(&reply.unwrap(), 200);
    home.wait_well();
    assert_eq!(home.service("files")["version"], "2.0");
    home.has_all();

    // Newer ones that do not get well: each becomes what it was, with what it had.
    home.update_system(&version(3, Quality::Mute), "a");
    let seen = in_the_browser(&home.appliance, "update", None);
    for id in SERVICES {
        let facts = &seen["services"][id]["facts"];
        let is_said = |name: &str, text: &str| facts[name].as_str().unwrap().contains(text);
        assert!(is_said("Version", "2.0"), "{facts}");
        assert!(is_said("Last update", "3.0: taken back"), "{facts}");
    }
    home.wait_well();
    home.has_all();
    home.cut_power();
    home.has_all();

    // The system of before is there still, and knows them as they are now.
    home.appliance.prove_password();
    let mark = home.appliance.machine.serial().mark();
    let reply = home.appliance.owner.post("/api/firmware/other", &json!({}));
    expect_status(&reply.unwrap(), 204);
    restart(&home.appliance);
    home.stays(mark, "b");
    home.has_all();
}
