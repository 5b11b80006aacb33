//! Calendar and contacts with vdirsyncer: folders on two computers, kept the same by way of the box.

use std::fs;

use cell_tests::device::Vdirsyncer;
use cell_tests::services::{AppPassword, ServiceHost};
use cell_tests::{DOMAIN, OWNER};
use serde_json::json;

use crate::serving::{device, restart, serving};

fn computer(host: &ServiceHost, password: &AppPassword) -> Vdirsyncer {
    let device = device(host, "calendar", "android", password);
    assert_eq!(device.typed.username, OWNER);
    Vdirsyncer::new(device)
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
    let (laptop, tablet) = (computer(&host, &laptop), computer(&host, &tablet));
    laptop.write("calendars/work/1.ics", &event("one", "Straße gießen"));
    laptop.write("contacts/friends/1.vcf", &card("ben", "Bén"));
    laptop.sync();
    tablet.sync();
    tablet.has("calendars/work", &["SUMMARY:Straße gießen"]);
    tablet.has("contacts/friends", &["FN:Bén"]);
    // Those that are there for everybody.
    for (folder, theirs) in [("calendars/calendar", 0), ("contacts/contacts", 0)] {
        assert!(tablet.device.path(folder).is_dir(), "{folder}");
        assert_eq!(tablet.holds(folder).len(), theirs, "{folder}");
    }

    // Back: something new, something else, something less.
    tablet.write("calendars/work/2.ics", &event("two", "Dentist"));
    tablet.write("calendars/calendar/3.ics", &event("three", "Cinema"));
    let old = fs::read_dir(tablet.device.path("contacts/friends"))
        .unwrap()
        .next()
        .unwrap();
    fs::write(old.unwrap().path(), card("ben", "Benjamin")).unwrap();
    tablet.sync();
    laptop.sync();
    laptop.has("calendars/work", &["Straße gießen", "SUMMARY:Dentist"]);
    laptop.has("calendars/calendar", &["SUMMARY:Cinema"]);
    laptop.has("contacts/friends", &["FN:Benjamin"]);
    fs::remove_file(laptop.device.path("calendars/work/1.ics")).unwrap();
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
    let mut ben = computer(&host, &of_ben);
    ben.device.typed.username = "ben".to_owned();
    ben.set_up(&ben.device.typed.address, r#"["from a", "from b"]"#);
    ben.write("calendars/private/1.ics", &event("one", "Surprise"));
    ben.sync();

    // Somebody else's, by a name that was guessed.
    let password = host.app_password("laptop");
    let mut anna = computer(&host, &password);
    for collection in ["ben/private/", "ben/calendar/"] {
        let address = format!("https://calendar.{DOMAIN}/{collection}");
        anna.set_up(&address, "null");
        anna.write("calendars/2.ics", &event("two", "Hello"));
        let _ = anna.ask("discover");
        anna.ask("sync").refused(&["403"]);
    }
    anna.set_up(&anna.device.typed.address, r#"["from b"]"#);
    anna.sync();
    assert!(!anna.device.path("calendars/private").exists());

    // An old password, and a guess. It tries more than five times, and is told to wait: nobody else is.
    host.remove_app_password(&password.id);
    anna.is_refused(&["401", "429"]);
    anna.device.typed.password = "wrong".to_owned();
    anna.set_up(&anna.device.typed.address, r#"["from b"]"#);
    anna.is_refused(&["401", "429"]);
    ben.sync();
    ben.has("calendars/private", &["SUMMARY:Surprise"]);
}
