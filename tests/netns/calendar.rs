//! Calendar, contacts and files as people use them: from the laptop, by name, over TLS, with a device's own password.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::path::PathBuf;

use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_testkit::world::HOME_GATEWAY;
use cell_tests::services::ServiceHost;
use cell_tests::{DOMAIN, OWNER, PASSWORD};
use serde_json::json;

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//cell//test//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n\
                     DTSTAMP:20261126T100000Z\r\nDTSTART:20261127T100000Z\r\nSUMMARY:Breakfast\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn start() -> ServiceHost {
    let variable = std::env::var_os("CELL_SERVICES");
    let services = PathBuf::from(variable.expect("cargo xtask test sets CELL_SERVICES"));
    ServiceHost::start(|_| services)
}

/// What curl on the laptop is answered: the status, and everything after it.
fn ask(host: &ServiceHost, name: &str, path: &str, arguments: &[&str]) -> (u16, String) {
    let output = host
        .cell
        .world
        .laptop
        .command("curl")
        .args(["--silent", "--max-time", "20", "--include"])
        .arg("--cacert")
        .arg(host.cell.celld.ca_pem())
        .args(["--resolve", &format!("{name}.{DOMAIN}:443:{HOME_GATEWAY}")])
        .args(arguments)
        .arg(format!("https://{name}.{DOMAIN}{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    (status.unwrap_or_default(), text)
}

/// A new password for a device of the owner's.
fn app_password(host: &ServiceHost, device: &str) -> (String, String) {
    let made = host.post("/api/app-passwords", &json!({ "device": device }), 201);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&made["password"]), text(&made["app_password"]["id"]))
}

fn wait_answer(host: &ServiceHost, name: &str, status: u16) -> String {
    let mut last = String::new();
    let found = wait_for(PATIENCE, || {
        let (found, text) = ask(host, name, "/", &[]);
        last = text;
        (found == status).then(|| last.clone())
    });
    found.unwrap_or_else(|| {
        panic!(
            "{name} answers {last:?}\n{}\n{}\n{}",
            host.cell.get("/api/status"),
            host.log("cell.proxy.caddy"),
            host.cell.celld.log_end()
        )
    })
}

#[test]
fn calendar_is_kept_by_whoever_has_a_password_of_a_device() {
    let host = start();
    let installed = host.install("calendar");
    assert_eq!(installed["urls"][0], format!("https://calendar.{DOMAIN}/"));
    host.wait("calendar", "ok");
    let challenge = wait_answer(&host, "calendar", 401);
    assert!(
        challenge
            .to_ascii_lowercase()
            .contains("www-authenticate: basic"),
        "{challenge}"
    );

    let (password, id) = app_password(&host, "laptop");
    let user = format!("{OWNER}:{password}");
    let home = format!("/{OWNER}/");
    let calendar = format!("/{OWNER}/home/");
    let event = format!("/{OWNER}/home/one.ics");
    let (status, text) = ask(
        &host,
        "calendar",
        &home,
        &["--user", &user, "--request", "PROPFIND"],
    );
    assert_eq!(status, 207, "{text}");
    let (status, text) = ask(
        &host,
        "calendar",
        &calendar,
        &["--user", &user, "--request", "MKCALENDAR"],
    );
    assert_eq!(status, 201, "{text}");
    let put = ["--user", user.as_str(), "--upload-file", "-"];
    let (status, text) = {
        let header = [
            "--header",
            "Content-Type: text/calendar",
            "--request",
            "PUT",
            "--data-binary",
            EVENT,
        ];
        ask(
            &host,
            "calendar",
            &event,
            &[&put[..2], &header[..]].concat(),
        )
    };
    assert_eq!(status, 201, "{text}");
    let (status, text) = ask(&host, "calendar", &event, &["--user", &user]);
    assert!(
        status == 200 && text.contains("SUMMARY:Breakfast"),
        "{text}"
    );

    // Clients that know the host alone are led.
    let (status, text) = ask(&host, "calendar", "/.well-known/caldav", &[]);
    assert!(
        (300..400).contains(&status) && text.to_ascii_lowercase().contains("location: "),
        "{text}"
    );
    // Nobody else, nobody in somebody's name, and not with the password of the box.
    for (user, header) in [
        (format!("{OWNER}:{PASSWORD}"), ""),
        (format!("{OWNER}:wrong"), ""),
        (format!("nobody:{password}"), ""),
        (":".to_owned(), "X-Remote-User: anna"),
        (":".to_owned(), "X-Account: anna"),
    ] {
        let (status, text) = ask(
            &host,
            "calendar",
            &event,
            &["--user", &user, "--header", header],
        );
        assert_eq!(status, 401, "{user} {header}: {text}");
    }
    // Whose a request is, the password says, and nothing else in it.
    let forged = ["X-Remote-User: ben", "X-Account: ben", "X_Remote_User: ben"];
    let forged = forged.map(|header| ["--header", header]).concat();
    let look = ["--user", user.as_str(), "--request", "PROPFIND"];
    let (status, text) = ask(&host, "calendar", "/ben/", &[&look[..], &forged].concat());
    assert!([401, 403, 404].contains(&status), "{text}");
    // Other names lead nowhere.
    let (status, _) = ask(&host, "moon", "/", &[]);
    assert_eq!(status, 0, "there is no certificate for it");

    // It is there after the service was away, and after the proxy was.
    host.remove("calendar", false);
    assert!(
        wait_for(PATIENCE, || (ask(&host, "calendar", "/", &[]).0 == 0)
            .then_some(()))
        .is_some()
    );
    host.install("calendar");
    host.wait("calendar", "ok");
    wait_answer(&host, "calendar", 401);
    let _ = host.podman(&["kill", "cell.proxy.caddy"]);
    wait_answer(&host, "calendar", 401);
    let (status, text) = ask(&host, "calendar", &event, &["--user", &user]);
    assert!(
        status == 200 && text.contains("SUMMARY:Breakfast"),
        "{text}"
    );

    // A device that was lost.
    let reply = host
        .cell
        .owner
        .delete(&format!("/api/app-passwords/{id}"))
        .unwrap();
    assert_eq!(reply.status, 204, "{}", reply.text());
    let (status, text) = ask(&host, "calendar", &event, &["--user", &user]);
    assert_eq!(status, 401, "{text}");
}

#[test]
fn files_are_everybodys_own() {
    let host = start();
    host.install("files");
    host.wait("files", "ok");
    wait_answer(&host, "files", 401);
    let (password, _) = app_password(&host, "laptop");
    let user = format!("{OWNER}:{password}");
    let file = format!("/u/{OWNER}/note.txt");
    let own = ["--user", user.as_str()];
    let put = ["--request", "PUT", "--data-binary", "milk and bread"];
    let (status, text) = ask(&host, "files", &file, &[&own[..], &put[..]].concat());
    assert!((200..300).contains(&status), "{text}");
    let (status, text) = ask(&host, "files", &file, &own);
    assert!(status == 200 && text.ends_with("milk and bread"), "{text}");
    let list = ["--request", "PROPFIND", "--header", "Depth: 1"];
    let (status, text) = ask(
        &host,
        "files",
        &format!("/u/{OWNER}/"),
        &[&own[..], &list[..]].concat(),
    );
    assert!(status == 207 && text.contains("note.txt"), "{text}");
    // A browser finds its way.
    let (status, page) = ask(
        &host,
        "files",
        "/",
        &[&own[..], &["--location", "--user-agent", "Mozilla/5.0"]].concat(),
    );
    assert!(status < 400 && page.contains("<html"), "{page}");
    // Somebody else's are not there.
    let (status, text) = ask(&host, "files", "/u/ben/note.txt", &own);
    assert!([403, 404].contains(&status), "{text}");
}
