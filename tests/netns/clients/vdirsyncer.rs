//! Calendar and contacts with vdirsyncer: folders on two computers, kept the same by way of the box.

use std::fs;
use std::path::PathBuf;

use cell_tests::services::{AppPassword, ServiceHost};
use cell_tests::{DOMAIN, OWNER};
use serde_json::json;

use crate::device::{Device, Said, restart, run, serving};

/// A computer whose folders `calendars` and `contacts` go with the box.
struct Computer(Device);

impl Computer {
    fn new(host: &ServiceHost, password: &AppPassword) -> Self {
        let device = Device::new(host, "calendar", "android", password);
        assert_eq!(device.typed.username, OWNER);
        let computer = Self(device);
        for folder in ["calendars", "contacts"] {
            fs::create_dir(computer.path(folder)).unwrap();
        }
        let address = computer.0.typed.address.clone();
        computer.set_up(&address, r#"["from a", "from b"]"#);
        computer
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.folder.path().join(name)
    }

    /// Writes the settings of the program.
    fn set_up(&self, address: &str, collections: &str) {
        let (authority, typed) = (self.0.authority.display(), &self.0.typed);
        let (username, password) = (&typed.username, &typed.password);
        let pair = |kind: &str, folder: &str, extension: &str| {
            let at = self.path(folder);
            format!(
                "[pair {folder}]\na = \"{folder}_here\"\nb = \"{folder}_box\"\ncollections = {collections}\n\
                 conflict_resolution = \"b wins\"\n\
                 [storage {folder}_here]\ntype = \"filesystem\"\npath = \"{}\"\nfileext = \"{extension}\"\n\
                 [storage {folder}_box]\ntype = \"{kind}\"\nurl = \"{address}\"\nusername = \"{username}\"\n\
                 password = \"{password}\"\nverify = \"{authority}\"\n",
                at.display()
            )
        };
        let settings = format!(
            "[general]\nstatus_path = \"{}\"\n{}{}",
            self.path("status").display(),
            pair("caldav", "calendars", ".ics"),
            pair("carddav", "contacts", ".vcf"),
        );
        fs::write(self.path("settings"), settings).unwrap();
        let _ = fs::remove_dir_all(self.path("status"));
    }

    fn ask(&self, command: &str) -> Said {
        // It asks whether a collection that is on one side only shall be made on the other.
        fs::write(self.path("yes"), "y\n".repeat(20)).unwrap();
        let yes = fs::File::open(self.path("yes")).unwrap();
        let mut program = self.0.program("vdirsyncer");
        program.arg("--config").arg(self.path("settings"));
        run(program.arg(command).stdin(yes))
    }

    /// Finds what is on both sides, and brings each to the other.
    #[track_caller]
    fn sync(&self) {
        self.ask("discover").well();
        self.ask("sync").well();
    }

    #[track_caller]
    fn is_refused(&self, words: &[&str]) {
        self.ask("discover").refused(words);
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// All that is in a folder, in the order of what is in it.
    fn holds(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut found: Vec<String> = entries
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        found.sort();
        found
    }

    /// Ends the test unless each item of a folder has one of the texts, in any order.
    #[track_caller]
    fn has(&self, folder: &str, texts: &[&str]) {
        let found = self.holds(folder);
        let is_there = |text: &&str| found.iter().any(|item| item.contains(*text));
        assert!(
            found.len() == texts.len() && texts.iter().all(is_there),
            "{folder}: {texts:?} {found:?}"
        );
    }
}

fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261126T100000Z\r\nDTSTART:20261127T100000Z\r\nSUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn card(uid: &str, name: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\nEND:VCARD\r\n")
}

#[test]
fn what_one_computer_writes_the_other_gets() {
    let host = serving(&["calendar"]);
    let (laptop, tablet) = (host.app_password("laptop"), host.app_password("tablet"));
    let (laptop, tablet) = (Computer::new(&host, &laptop), Computer::new(&host, &tablet));
    laptop.write("calendars/work/1.ics", &event("one", "Straße gießen"));
    laptop.write("contacts/friends/1.vcf", &card("ben", "Bén"));
    laptop.sync();
    tablet.sync();
    tablet.has("calendars/work", &["SUMMARY:Straße gießen"]);
    tablet.has("contacts/friends", &["FN:Bén"]);
    // Those that are there for everybody.
    for (folder, theirs) in [("calendars/calendar", 0), ("contacts/contacts", 0)] {
        assert!(tablet.path(folder).is_dir(), "{folder}");
        assert_eq!(tablet.holds(folder).len(), theirs, "{folder}");
    }

    // Back: something new, something else, something less.
    tablet.write("calendars/work/2.ics", &event("two", "Dentist"));
    tablet.write("calendars/calendar/3.ics", &event("three", "Cinema"));
    let old = fs::read_dir(tablet.path("contacts/friends"))
        .unwrap()
        .next()
        .unwrap();
    fs::write(old.unwrap().path(), card("ben", "Benjamin")).unwrap();
    tablet.sync();
    laptop.sync();
    laptop.has("calendars/work", &["Straße gießen", "SUMMARY:Dentist"]);
    laptop.has("calendars/calendar", &["SUMMARY:Cinema"]);
    laptop.has("contacts/friends", &["FN:Benjamin"]);
    fs::remove_file(laptop.path("calendars/work/1.ics")).unwrap();
    laptop.sync();

    // All of it outlives a stop, and so do the devices' ways in.
    restart(&host, "calendar");
    tablet.sync();
    tablet.has("calendars/work", &["SUMMARY:Dentist"]);
    tablet.has("contacts/friends", &["FN:Benjamin"]);
}

#[test]
fn nobody_syncs_without_a_password_of_their_own() {
    let host = serving(&["calendar"]);
    let ben = json!({ "username": "ben", "password": "another long river", "role": "member" });
    host.post("/api/auth/users", &ben, 201);
    let of_ben = host.app_password_with(&json!({ "username": "ben", "device": "phone" }));
    let mut ben = Computer::new(&host, &of_ben);
    ben.0.typed.username = "ben".to_owned();
    ben.set_up(&ben.0.typed.address, r#"["from a", "from b"]"#);
    ben.write("calendars/private/1.ics", &event("one", "Surprise"));
    ben.sync();

    // Somebody else's, by a name that was guessed.
    let password = host.app_password("laptop");
    let mut anna = Computer::new(&host, &password);
    for collection in ["ben/private/", "ben/calendar/"] {
        let address = format!("https://calendar.{DOMAIN}/{collection}");
        anna.set_up(&address, "null");
        anna.write("calendars/2.ics", &event("two", "Hello"));
        let _ = anna.ask("discover");
        anna.ask("sync").refused(&["403"]);
    }
    anna.set_up(&anna.0.typed.address, r#"["from b"]"#);
    anna.sync();
    assert!(!anna.path("calendars/private").exists());

    // An old password, and a guess. It tries more than five times, and is told to wait: nobody else is.
    host.remove_app_password(&password.id);
    anna.is_refused(&["401", "429"]);
    anna.0.typed.password = "wrong".to_owned();
    anna.set_up(&anna.0.typed.address, r#"["from b"]"#);
    anna.is_refused(&["401", "429"]);
    ben.sync();
    ben.has("calendars/private", &["SUMMARY:Surprise"]);
}
