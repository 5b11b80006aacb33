//! A service on the box itself: installed, limited by the kernel, used over TLS, and still there after the power was cut.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;

use cell_testkit::vm::{Forward, Nic};
use cell_testkit::wait_for;
use cell_tests::vm::{Appliance, BOOTS};
use cell_tests::{DOMAIN, OWNER, expect_status};
use serde_json::json;

/// Where the host forwards the box's HTTPS from.
const HTTPS: &str = "127.0.0.1:8444";
const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//cell//test//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n\
     DTSTAMP:20261126T100000Z\r\nDTSTART:20261127T100000Z\r\nSUMMARY:Breakfast\r\nEND:VEVENT\r\n\
     END:VCALENDAR\r\n";

/// What curl on the host is answered by the calendar: the status, and everything after it.
fn ask(appliance: &Appliance, ca: &str, path: &str, arguments: &[&str]) -> (u16, String) {
    let output = appliance
        .host
        .command("curl")
        .args(["--silent", "--max-time", "60", "--include", "--cacert", ca])
        .args(["--connect-to", &format!("::{HTTPS}")])
        .args(arguments)
        .arg(format!("https://calendar.{DOMAIN}{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    (status.unwrap_or_default(), text)
}

/// What was acknowledged is there.
#[track_caller]
fn assert_kept(appliance: &Appliance, ca: &str, event: &str, own: &[&str]) {
    let (status, text) = ask(appliance, ca, event, own);
    let is_kept = status == 200 && text.contains("SUMMARY:Breakfast");
    assert!(is_kept, "{text}");
}

fn wait_calendar(appliance: &Appliance, ca: &str) {
    let mut last = String::new();
    let answers = wait_for(BOOTS, || {
        let (status, text) = ask(appliance, ca, "/", &[]);
        last = text;
        // The proxy is there before the service is.
        let is_well = || appliance.get("/api/services/active")["items"][0]["state"] == "ok";
        (status == 401 && is_well()).then_some(())
    });
    let services = appliance.get("/api/services/active");
    assert!(answers.is_some(), "{last}\n{services}");
}

#[test]
#[ignore = "boots three times and starts containers; run by `cargo xtask test --long vm_long`"]
fn vm_long_calendar_is_installed_used_and_outlives_the_power() {
    let mut appliance = Appliance::start_with(|options| {
        if let Some(Nic::User(forwards)) = options.nics.first_mut() {
            forwards.push(Forward {
                protocol: "tcp",
                outside: HTTPS.parse().unwrap(),
                inside: 443,
            });
        }
    });
    appliance.set_up();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, appliance.owner.get("/ca.pem").unwrap().text()).unwrap();
    let ca = ca.display().to_string();

    let installed = appliance
        .owner
        .post("/api/store/calendar/install", &json!({}));
    expect_status(&installed.unwrap(), 201);
    wait_calendar(&appliance, &ca);

    let form = json!({ "device": "laptop" });
    let made = appliance.owner.post("/api/app-passwords", &form).unwrap();
    expect_status(&made, 201);
    let user = format!("{OWNER}:{}", made.json()["password"].as_str().unwrap());
    let calendar = format!("/{OWNER}/home/");
    let event = format!("{calendar}one.ics");
    let own = ["--user", user.as_str()];
    let make = [&own[..], &["--request", "MKCALENDAR"]].concat();
    let (status, text) = ask(&appliance, &ca, &calendar, &make);
    assert_eq!(status, 201, "{text}");
    let kind = ["--header", "Content-Type: text/calendar"];
    let put = [
        &own[..],
        &kind,
        &["--request", "PUT", "--data-binary", EVENT],
    ]
    .concat();
    let (status, text) = ask(&appliance, &ca, &event, &put);
    assert_eq!(status, 201, "{text}");

    // What was acknowledged outlives the power, and comes up by itself.
    appliance.power_cycle();
    appliance.sign_in();
    wait_calendar(&appliance, &ca);
    assert_kept(&appliance, &ca, &event, &own);

    // No version is committed whose podman does not answer.
    appliance.wait_good(BOOTS);
    let parts = appliance
        .owner
        .post("/api/parts/containers/test", &json!({}));
    let tested = parts.unwrap().json();
    assert_eq!(tested["ok"], true, "{tested}");

    // What a power cut may leave of podman's files: images, containers and networks are made again, and what is kept stays.
    appliance.open_shell_as_owner();
    let files = "storage/overlay/*/link storage/overlay-layers/layers.json networks/*.json";
    let damage = format!(
        "cd /var/lib/containers; for file in {files}; do : > $file; done; sync; find {files} -size 0 | wc -l"
    );
    let damaged: u32 = number_in(&appliance.answer(&damage));
    assert!(damaged >= 4, "{damaged}: two layers, their list, a network");
    appliance.power_cycle();
    appliance.sign_in();
    wait_calendar(&appliance, &ca);
    assert_kept(&appliance, &ca, &event, &own);
    appliance.open_shell_as_owner();
    let begun_anew = appliance.answer("grep -c 'the images are begun anew' /run/log/messages");
    assert!(number_in(&begun_anew) > 0);
}

/// The first number of a text.
fn number_in(text: &str) -> u32 {
    let mut parts = text.split(|letter: char| !letter.is_ascii_digit());
    let digits = parts.find(|part| !part.is_empty()).unwrap();
    digits.parse().unwrap()
}
