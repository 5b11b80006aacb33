//! Calendar, contacts and files as people use them: from the laptop, by name, over TLS, with a device's own password.

use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_tests::services::ServiceHost;
use cell_tests::{DOMAIN, OWNER, PASSWORD};

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//cell//test//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n\
                     DTSTAMP:20261126T100000Z\r\nDTSTART:20261127T100000Z\r\nSUMMARY:Breakfast\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn calendar_is_kept_by_whoever_has_a_password_of_a_device() {
    let host = ServiceHost::with_own_services();
    let installed = host.install("calendar");
    assert_eq!(installed["urls"][0], format!("https://calendar.{DOMAIN}/"));
    host.wait("calendar", "ok");
    let challenge = host.wait_answer("calendar", 401);
    assert!(
        challenge
            .to_ascii_lowercase()
            .contains("www-authenticate: basic"),
        "{challenge}"
    );

    let password = host.app_password("laptop");
    let user = format!("{OWNER}:{}", password.text);
    let home = format!("/{OWNER}/");
    let calendar = format!("/{OWNER}/home/");
    let event = format!("/{OWNER}/home/one.ics");
    let (status, text) = host.ask(
        "calendar",
        &home,
        &["--user", &user, "--request", "PROPFIND"],
    );
    assert_eq!(status, 207, "{text}");
    let (status, text) = host.ask(
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
        host.ask("calendar", &event, &[&put[..2], &header[..]].concat())
    };
    assert_eq!(status, 201, "{text}");
    let (status, text) = host.ask("calendar", &event, &["--user", &user]);
    assert!(
        status == 200 && text.contains("SUMMARY:Breakfast"),
        "{text}"
    );

    // Clients that know the host alone are led.
    let (status, text) = host.ask("calendar", "/.well-known/caldav", &[]);
    assert!(
        (300..400).contains(&status) && text.to_ascii_lowercase().contains("location: "),
        "{text}"
    );
    // Nobody else, nobody in somebody's name, and not with the password of the box.
    for (user, header) in [
        (format!("{OWNER}:{PASSWORD}"), ""),
        (format!("{OWNER}:wrong"), ""),
        (format!("nobody:{}", password.text), ""),
        (":".to_owned(), "X-Remote-User: anna"),
        (":".to_owned(), "X-Account: anna"),
    ] {
        let (status, text) = host.ask("calendar", &event, &["--user", &user, "--header", header]);
        assert_eq!(status, 401, "{user} {header}: {text}");
    }
    // Whose a request is, the password says, and nothing else in it.
    let forged = ["X-Remote-User: ben", "X-Account: ben", "X_Remote_User: ben"];
    let forged = forged.map(|header| ["--header", header]).concat();
    let look = ["--user", user.as_str(), "--request", "PROPFIND"];
    let (status, text) = host.ask("calendar", "/ben/", &[&look[..], &forged].concat());
    assert!([401, 403, 404].contains(&status), "{text}");
    // Other names lead nowhere.
    let (status, _) = host.ask("moon", "/", &[]);
    assert_eq!(status, 0, "there is no certificate for it");

    // It is there after the service was away, and after the proxy was.
    host.remove("calendar", false);
    assert!(
        wait_for(PATIENCE, || (host.ask("calendar", "/", &[]).0 == 0)
            .then_some(()))
        .is_some()
    );
    host.install("calendar");
    host.wait("calendar", "ok");
    host.wait_answer("calendar", 401);
    let _ = host.podman(&["kill", "cell.proxy.caddy"]);
    host.wait_answer("calendar", 401);
    let (status, text) = host.ask("calendar", &event, &["--user", &user]);
    assert!(
        status == 200 && text.contains("SUMMARY:Breakfast"),
        "{text}"
    );

    // A device that was lost.
    host.remove_app_password(&password.id);
    let (status, text) = host.ask("calendar", &event, &["--user", &user]);
    assert_eq!(status, 401, "{text}");
}

#[test]
fn files_are_everybodys_own() {
    let host = ServiceHost::with_own_services();
    host.install("files");
    host.wait("files", "ok");
    host.wait_answer("files", 401);
    let password = host.app_password("laptop");
    let user = format!("{OWNER}:{}", password.text);
    let file = format!("/u/{OWNER}/note.txt");
    let own = ["--user", user.as_str()];
    let put = ["--request", "PUT", "--data-binary", "milk and bread"];
    let (status, text) = host.ask("files", &file, &[&own[..], &put[..]].concat());
    assert!((200..300).contains(&status), "{text}");
    let (status, text) = host.ask("files", &file, &own);
    assert!(status == 200 && text.ends_with("milk and bread"), "{text}");
    let list = ["--request", "PROPFIND", "--header", "Depth: 1"];
    let (status, text) = host.ask(
        "files",
        &format!("/u/{OWNER}/"),
        &[&own[..], &list[..]].concat(),
    );
    assert!(status == 207 && text.contains("note.txt"), "{text}");
    // A browser finds its way.
    let (status, page) = host.ask(
        "files",
        "/",
        &[&own[..], &["--location", "--user-agent", "Mozilla/5.0"]].concat(),
    );
    assert!(status < 400 && page.contains("<html"), "{page}");
    // Somebody else's are not there.
    let (status, text) = host.ask("files", "/u/ben/note.txt", &own);
    assert!([403, 404].contains(&status), "{text}");
}
