//! What is somebody else's, by every spelling of its place and every way to say who one is.

use cell_tests::OWNER;
use cell_tests::services::ServiceHost;
use serde_json::json;

use crate::serving::serving;

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nBEGIN:VEVENT\r\nUID:secret\r\n\
                     DTSTAMP:20261126T100000Z\r\nDTSTART:20261127T100000Z\r\nSUMMARY:surprise\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// Name and app password of the owner, and of a member who has a surprise in each service.
fn two_people(host: &ServiceHost) -> [String; 2] {
    let ben = json!({ "username": "ben", "password": "another long river", "role": "member" });
    host.post("/api/auth/users", &ben, 201);
    let of_ben = host.app_password_with(&json!({ "username": "ben", "device": "phone" }));
    let [anna, ben] = [
        format!("{OWNER}:{}", host.app_password("laptop").text),
        format!("ben:{}", of_ben.text),
    ];
    let kept = [
        ("calendar", "/ben/", "PROPFIND", ""),
        ("calendar", "/ben/calendar/secret.ics", "PUT", EVENT),
        ("files", "/u/ben/secret.txt", "PUT", "surprise"),
    ];
    for (service, path, method, body) in kept {
        let arguments = ["--user", &ben, "--request", method, "--data-binary", body];
        let typed = ["--header", "Content-Type: text/calendar"];
        let (status, text) = host.ask(service, path, &[&arguments[..], &typed].concat());
        assert!((200..300).contains(&status), "{path}: {text}");
    }
    [anna, ben]
}

#[test]
fn spelling_of_a_place_leads_nobody_to_what_is_anothers() {
    let host = serving(&["calendar", "files"]);
    let [anna, ben] = two_people(&host);
    let long = format!("/u/ben/{}secret.txt", "./".repeat(3_000));
    for (service, path) in [
        ("calendar", "/ben/calendar/secret.ics"),
        ("calendar", "//ben/calendar/secret.ics"),
        ("calendar", "/anna/../ben/calendar/secret.ics"),
        ("calendar", "/anna/%2e%2e/ben/calendar/secret.ics"),
        ("calendar", "/anna/..%2fben/calendar/secret.ics"),
        ("calendar", "/anna%2f..%2fben/calendar/secret.ics"),
        ("calendar", "/anna/..%5cben/calendar/secret.ics"),
        ("calendar", "/b%65n/calendar/secret.ics"),
        ("calendar", "/ben%00/calendar/secret.ics"),
        ("calendar", "/ben/calendar/secret.ics?user=ben"),
        ("calendar", "/.web/../ben/calendar/secret.ics"),
        (
            "calendar",
            "/../../var/lib/radicale/collection-root/ben/calendar/secret.ics",
        ),
        ("files", "/u/ben/secret.txt"),
        ("files", "//u//ben//secret.txt"),
        ("files", "/U/ben/secret.txt"),
        ("files", "/u/anna/../ben/secret.txt"),
        ("files", "/u/anna/%2e%2e/ben/secret.txt"),
        ("files", "/u/anna/..%2fben%2fsecret.txt"),
        ("files", "/u/anna/..%5cben%5csecret.txt"),
        ("files", "/u/anna%2f..%2fben/secret.txt"),
        ("files", "/u/b%65n/secret.txt"),
        ("files", "/u/ben%00/secret.txt"),
        ("files", "/u/ben/secret.txt?pw=ben"),
        ("files", "/u/ben/?ls"),
        ("files", "/u/ben/?zip"),
        ("files", "/u/?tar"),
        ("files", "/u/?ls=t"),
        ("files", "/?ls"),
        ("files", "/?tree=u"),
        ("files", "/?ups"),
        ("files", "/?reload=cfg"),
        ("files", "/u/anna/../../.state/up2k.db"),
        ("files", "/../data/ben/secret.txt"),
        ("files", "/data/ben/secret.txt"),
        ("files", &long),
    ] {
        for method in ["GET", "PROPFIND"] {
            let arguments = ["--path-as-is", "--request", method, "--user", &anna];
            let (status, text) = host.ask(service, path, &arguments);
            let shown: String = path.chars().take(80).collect();
            let gives = text.contains("surprise") || text.contains("secret.");
            // A path may be told again in a refusal, and then with its status.
            assert!(!gives || status >= 400, "{method} {shown}: {text}");
            // Whatever a service makes of it, it is there for the next one.
            assert!(!(501..600).contains(&status), "{method} {shown}: {text}");
        }
    }
    // Nor by taking it over, or putting something there.
    for (service, path, method, to) in [
        ("calendar", "/ben/calendar/secret.ics", "DELETE", ""),
        ("calendar", "/ben/calendar/", "DELETE", ""),
        ("calendar", "/ben/", "DELETE", ""),
        ("calendar", "/ben/calendar/", "MOVE", "/anna/mine/"),
        (
            "calendar",
            "/ben/calendar/secret.ics",
            "MOVE",
            "/anna/calendar/1.ics",
        ),
        ("calendar", "/ben/new/", "MKCALENDAR", ""),
        ("calendar", "/ben/calendar/", "PROPPATCH", ""),
        ("files", "/u/ben/secret.txt", "DELETE", ""),
        ("files", "/u/ben/", "DELETE", ""),
        ("files", "/u/ben/secret.txt", "COPY", "/u/anna/mine.txt"),
        ("files", "/u/ben/secret.txt", "MOVE", "/u/anna/mine.txt"),
        ("files", "/u/ben/new", "MKCOL", ""),
        ("files", "/u/ben/secret.txt", "PUT", ""),
        ("files", "/u/ben/secret.txt", "LOCK", ""),
    ] {
        let destination = format!("Destination: https://{service}.home.cell{to}");
        let own = ["--user", anna.as_str(), "--request", method];
        let (status, text) = host.ask(
            service,
            path,
            &[&own[..], &["--header", &destination]].concat(),
        );
        assert!([401, 403, 404].contains(&status), "{method} {path}: {text}");
    }
    for (service, path) in [
        ("calendar", "/ben/calendar/secret.ics"),
        ("files", "/u/ben/secret.txt"),
    ] {
        let (status, text) = host.ask(service, path, &["--user", &ben]);
        assert!(status == 200 && text.contains("surprise"), "{path}: {text}");
    }
}

#[test]
fn garbage_for_a_password_is_refused_as_such() {
    let host = serving(&["calendar"]);
    let password = host.app_password("laptop").text;
    let look = |header: &str| {
        let header = format!("Authorization: {header}");
        let asked = ["--request", "PROPFIND", "--header", &header];
        host.ask("calendar", "/anna/", &asked).0
    };
    let basic = |text: &[u8]| format!("Basic {}", data_encoding::BASE64.encode(text));
    let right = basic(format!("{OWNER}:{password}").as_bytes());
    assert_eq!(look(&right), 207);
    // As people type it: the scheme and the letters in any case, with spaces for hyphens.
    assert_eq!(look(&right.replace("Basic", "bAsIc")), 207);
    let typed = format!("{OWNER}:{}", password.to_uppercase().replace('-', " "));
    assert_eq!(look(&basic(typed.as_bytes())), 207);
    for header in [
        "",
        "Basic",
        "Basic !!!!",
        "Bearer",
        &format!("Bearer {password}"),
        &format!("Digest username=\"anna\", response=\"{password}\""),
        &format!("{right}{right}"),
        &format!("{right}, {right}"),
        &basic(b""),
        &basic(b":"),
        &basic(password.as_bytes()),
        &basic(format!(":{password}").as_bytes()),
        &basic(format!("anna\0:{password}").as_bytes()),
        &basic(&[0xff, 0xfe, b':', 0xff]),
        &basic(format!("nobody:{}", "x".repeat(10_000)).as_bytes()),
        &basic(format!("{}:{password}", "a".repeat(10_000)).as_bytes()),
    ] {
        let shown: String = header.chars().take(60).collect();
        let status = look(header);
        assert!([400, 401, 429].contains(&status), "{shown}: {status}");
    }
}
