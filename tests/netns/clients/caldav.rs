//! A calendar with the library caldav of Python, which many programs are made with.

use cell_tests::OWNER;
use cell_tests::device::{Device, run};
use serde_json::json;

use crate::serving::{device, serving};

const CLIENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/netns/clients/caldav_client.py"
);

/// What the client says when it is told these words.
fn told(device: &Device, words: &[&str]) -> String {
    let mut client = device.program("/usr/bin/python3");
    client
        .args([CLIENT, &device.typed.address, &device.typed.username])
        .arg(&device.authority)
        .args(words)
        .env("PASSWORD", &device.typed.password);
    run(&mut client).well().trim().to_owned()
}

#[test]
fn calendar_is_made_searched_changed_without_losing_others_changes_and_removed() {
    let host = serving(&["calendar"]);
    let password = host.app_password("desktop");
    let mut desktop = device(&host, "calendar", "thunderbird", &password);
    assert_eq!(desktop.typed.username, OWNER);
    assert_eq!(told(&desktop, &["use"]), "done");

    let other = json!({ "username": "ben", "password": "another long river", "role": "member" });
    host.post("/api/auth/users", &other, 201);
    let look = |device: &Device, path: &str| told(device, &["look", path]);
    assert_eq!(look(&desktop, "/anna/calendar/"), "207");
    for path in ["/ben/", "/ben/calendar/", "/ben/calendar/1.ics"] {
        assert_eq!(look(&desktop, path), "refused", "{path}");
    }
    let right = std::mem::replace(&mut desktop.typed.password, "wrong".to_owned());
    assert_eq!(look(&desktop, "/anna/calendar/"), "refused");
    // A guess at somebody else's costs nothing of one's own.
    desktop.typed.password = right;
    assert_eq!(look(&desktop, "/anna/calendar/"), "207");
    host.remove_app_password(&password.id);
    assert_eq!(look(&desktop, "/anna/calendar/"), "refused");
}
