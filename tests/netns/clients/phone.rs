//! What a phone does that was told no more than a host and a user name: curl, over HTTP/3 where it can.

use cell_tests::OWNER;
use cell_tests::device::{Device, run};
use cell_tests::services::ServiceHost;

use crate::serving::{device, serving};

/// Asks for properties of a place, and goes where it is sent. What the phone got, and by which protocol.
fn find(
    device: &Device,
    version: &[&str],
    url: &str,
    depth: u8,
    property: &str,
) -> (String, String) {
    let body = format!(
        r#"<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop>{property}</D:prop></D:propfind>"#
    );
    let mut curl = device.program("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body", "--location"])
        .args([
            "--request",
            "PROPFIND",
            "--header",
            &format!("Depth: {depth}"),
        ])
        .args(["--header", "Content-Type: application/xml", "--data", &body])
        .args(["--write-out", "\n%{http_version}", "--cacert"])
        .arg(&device.authority)
        .args(version)
        .args([
            "--user",
            &format!("{}:{}", device.typed.username, device.typed.password),
        ])
        .arg(url);
    let said = run(&mut curl).well();
    let (text, version) = said.rsplit_once('\n').unwrap();
    (text.to_owned(), version.to_owned())
}

/// The first `href` within a property of an answer.
fn href(answer: &str, property: &str) -> String {
    let (_, behind) = answer.split_once(property).unwrap();
    let (_, behind) = behind.split_once("href>").unwrap();
    let (href, _) = behind.split_once('<').unwrap();
    href.to_owned()
}

fn walk(host: &ServiceHost, device: &Device, version: &[&str]) -> String {
    // As RFC 6764 has it: well-known place, the person's own, the calendars there.
    let at = device.typed.address.trim_end_matches('/');
    let principal = "<D:current-user-principal/>";
    let (answer, protocol) = find(
        device,
        version,
        &format!("{at}/.well-known/caldav"),
        0,
        principal,
    );
    let principal = href(&answer, "current-user-principal");
    assert_eq!(principal, format!("/{OWNER}/"), "{answer}");
    let url = format!("{at}{principal}");
    let (answer, _) = find(device, version, &url, 0, "<C:calendar-home-set/>");
    let home = href(&answer, "calendar-home-set");
    let url = format!("{at}{home}");
    let (answer, _) = find(device, version, &url, 1, "<D:displayname/>");
    assert!(
        answer.contains("/anna/calendar/"),
        "{answer} {}",
        host.cell.celld.log_end()
    );
    protocol
}

#[test]
fn phone_that_knows_a_host_finds_the_calendars() {
    let host = serving(&["calendar"]);
    let password = host.app_password("phone");
    let phone = device(&host, "calendar", "ios", &password);
    assert_eq!(walk(&host, &phone, &["--http1.1"]), "1.1");
    // Again and again: whether an answer overtakes a question is a matter of luck.
    for _ in 0..10 {
        assert_eq!(walk(&host, &phone, &["--http2"]), "2");
    }
    // Not every curl is made with it.
    let features = run(phone.program("curl").arg("--version")).well();
    if features.contains("HTTP3") {
        assert_eq!(walk(&host, &phone, &["--http3-only"]), "3");
    }
}
