//! What is asked of services in bad faith or by mistake, all at once, or while podman is gone: refused, or brought about,
//! and never half of it.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::time::Duration;

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::CELL_WAN;
use cell_testkit::{Request, wait_for};
use cell_tests::probe::connects;
use cell_tests::services::ServiceHost;
use cell_tests::{OWNER, PASSWORD, Process, age_sessions, expect_status};
use serde_json::{Value, json};

/// Bytes of a body that no form is.
const HUGE: usize = 3 * 1024 * 1024;

/// Sends it as the owner's browser would, whatever it is. The status, and the code of the problem.
fn send(host: &ServiceHost, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let owner = &host.cell.owner;
    let token = owner.csrf_token().unwrap().unwrap();
    let request = Request::new(method, path)
        .header("Content-Type", "application/json")
        .header("X-CSRF-Token", token)
        .body(body);
    let reply = owner.send(&request).unwrap();
    let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
    (reply.status, code)
}

fn revision(host: &ServiceHost) -> Value {
    host.cell.get("/api/status")["revision"].clone()
}

#[test]
fn what_is_no_service_and_no_answer_is_refused_and_changes_nothing() {
    let host = ServiceHost::with_own_services();
    let before = revision(&host);
    let long = "x".repeat(300);
    for id in [
        "..",
        "../x",
        "..%2fx",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "proxy",
        "cell",
        "Calendar",
        "calendar%00",
        "calendar%0a",
        "%20calendar",
        "c%C3%A4lendar",
        "%FF",
        "-",
        "--help",
        "$(reboot)",
        "*",
        &long,
    ] {
        for act in ["install", "remove"] {
            let path = format!("/api/store/{id}/{act}");
            let (status, code) = send(&host, "POST", &path, b"{}");
            assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
        }
        let path = format!("/api/services/active/{id}");
        let (status, _) = send(&host, "PUT", &path, br#"{"enabled":false}"#);
        assert_eq!(status, 404, "{path}");
    }
    let answer = |value: &str| format!(r#"{{"answers":{{"keep_free_gib":{value}}}}}"#);
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!(r#""{}""#, "9".repeat(10_000));
    for body in [
        "",
        "null",
        "[]",
        "1",
        r#""files""#,
        "{",
        "{}{}",
        "{'answers':{}}",
        r#"{"moon":1}"#,
        r#"{"answers":{},"answers":{}}"#,
        r#"{"answers":[]}"#,
        r#"{"answers":null}"#,
        r#"{"answers":{"moon":1}}"#,
        r#"{"answers":{"":1}}"#,
        r#"{"answers":{"../keep":1}}"#,
        &answer("-1"),
        &answer("1001"),
        &answer("1.5"),
        &answer("1e3"),
        &answer("4294967296"),
        &answer("99999999999999999999"),
        &answer("true"),
        &answer("null"),
        &answer("\"2\""),
        &answer("\"2; reboot\""),
        &answer("{}"),
        &answer(&deep),
        &answer(&long),
    ] {
        let path = "/api/store/files/install";
        let (status, code) = send(&host, "POST", path, body.as_bytes());
        let start: String = body.chars().take(60).collect();
        assert_eq!(status, 400, "{start}: {code}");
    }
    let huge = vec![b' '; HUGE];
    let (status, code) = send(&host, "POST", "/api/store/files/install", &huge);
    assert_eq!(status, 413, "{code}");
    let other = Request::new("POST", "/api/store/files/install")
        .header("Content-Type", "text/plain")
        .header(
            "X-CSRF-Token",
            host.cell.owner.csrf_token().unwrap().unwrap(),
        );
    let reply = host.cell.owner.send(&other.body("{}")).unwrap();
    expect_status(&reply, 415);
    let none = Request::new("POST", "/api/store/files/install").json(&json!({}));
    expect_status(&host.cell.owner.send(&none).unwrap(), 403);

    assert_eq!(revision(&host), before);
    assert_eq!(host.podman(&["ps", "--all", "--quiet"]), "");
}

#[test]
fn what_is_no_word_about_the_internet_opens_nothing() {
    let host = ServiceHost::with_own_services();
    host.install("calendar");
    host.wait("calendar", "ok");
    let path = "/api/services/active/calendar";
    let before = revision(&host);
    for body in [
        r#"{"published":"yes"}"#,
        r#"{"published":"true"}"#,
        r#"{"published":1}"#,
        r#"{"published":[true]}"#,
        r#"{"published":{"internet":true}}"#,
        r#"{"published":true,"published":false}"#,
        r#"{"published":true,"moon":1}"#,
        r#"{"published":true,"answers":{"moon":1}}"#,
        r#"{"Published":true}"#,
        r#"{"published":true}}"#,
        r#"{"published":tru"#,
    ] {
        let (status, code) = send(&host, "PUT", path, body.as_bytes());
        assert_eq!(status, 400, "{body}: {code}");
    }
    for (path, status) in [
        ("/api/services/active/proxy", 404),
        ("/api/services/active/files", 404),
        ("/api/services/active/", 404),
        ("/api/services/active", 405),
    ] {
        let (found, code) = send(&host, "PUT", path, br#"{"published":true}"#);
        assert_eq!(found, status, "{path}: {code}");
    }
    // Nothing is said of it.
    for body in ["{}", r#"{"published":null}"#, r#"{"published":false}"#] {
        let (status, code) = send(&host, "PUT", path, body.as_bytes());
        assert_eq!(status, 200, "{body}: {code}");
    }
    assert_eq!(revision(&host), before);
    assert_eq!(host.service("calendar")["published"], false);
    let world = &host.cell.world;
    for port in [80, 443] {
        assert!(
            !connects(&world.internet, (CELL_WAN, port).into()),
            "{port}"
        );
    }
    for list in ["/api/store/sources", "/api/services/kept", "/api/parts"] {
        for (query, status) in [
            ("?limit=1", 200),
            ("?limit=1000", 200),
            ("?limit=0", 400),
            ("?limit=1001", 400),
            ("?cursor=nobody", 400),
            ("?moon=1", 400),
        ] {
            let reply = host.cell.owner.get(&format!("{list}{query}")).unwrap();
            assert_eq!(reply.status, status, "{list}{query}: {}", reply.text());
        }
    }
}

#[test]
fn network_of_services_is_nobody_elses() {
    let host = ServiceHost::with_own_services();
    let networks = [
        // The home's, the uplink's, the VPN's, and what holds or is held by one.
        ("192.168.77.0/24", 409, "subnet_overlap"),
        ("192.168.0.0/16", 409, "subnet_overlap"),
        ("10.31.7.0/24", 409, "subnet_overlap"),
        ("10.16.0.0/12", 409, "subnet_overlap"),
        // Nobody's to have.
        ("127.0.0.0/16", 400, "invalid_field"),
        ("8.8.8.0/24", 400, "invalid_field"),
        ("203.0.113.0/24", 400, "invalid_field"),
        ("224.0.0.0/16", 400, "invalid_field"),
        ("169.254.0.0/16", 400, "invalid_field"),
        ("0.0.0.0/0", 400, "invalid_field"),
        ("10.0.0.0/8", 400, "invalid_field"),
        ("172.20.0.0/30", 400, "invalid_field"),
        ("172.20.0.1/16", 400, "invalid_field"),
        ("172.20.0.0", 400, "invalid_field"),
        ("fd00::/16", 400, "invalid_field"),
        ("172.20.0.0/16 ", 400, "invalid_field"),
        ("", 400, "invalid_field"),
    ];
    let refuses_all = || {
        let before = revision(&host);
        for (network, status, code) in networks {
            let body = json!({ "services": { "network": network } }).to_string();
            let refused = send(&host, "PUT", "/api/config", body.as_bytes());
            assert_eq!(refused, (status, code.to_owned()), "{network}");
        }
        assert_eq!(revision(&host), before);
    };
    // Whether or not there is a service already.
    refuses_all();
    host.install("calendar");
    host.wait("calendar", "ok");
    refuses_all();
    host.wait_answer("calendar", 401);

    // Another one that is free takes the service along, with all that it keeps.
    let password = host.app_password("laptop");
    let user = format!("{OWNER}:{}", password.text);
    let make = ["--user", &user, "--request", "MKCALENDAR"];
    let (status, text) = host.ask("calendar", "/anna/work/", &make);
    assert_eq!(status, 201, "{text}");
    let other = json!({ "services": { "network": "10.200.0.0/16" } });
    let reply = host.cell.owner.put("/api/config", &other).unwrap();
    expect_status(&reply, 200);
    let moved = wait_for(PATIENCE, || {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = host.podman(&["inspect", "--format", format, "cell.calendar.radicale"]);
        address.starts_with("10.200.").then_some(())
    });
    assert!(moved.is_some(), "{}", host.service("calendar"));
    let find = ["--user", &user, "--request", "PROPFIND"];
    let found = wait_for(PATIENCE, || {
        (host.ask("calendar", "/anna/work/", &find).0 == 207).then_some(())
    });
    assert!(found.is_some(), "{}", host.service("calendar"));
}

#[test]
fn app_password_of_nobodys_device_is_not_made() {
    let host = ServiceHost::with_own_services();
    let long = "x".repeat(10_000);
    for body in [
        json!({}),
        json!({ "device": null }),
        json!({ "device": 1 }),
        json!({ "device": "" }),
        json!({ "device": " " }),
        json!({ "device": &long }),
        json!({ "device": "a\u{0}b" }),
        json!({ "device": "a\nb" }),
        json!({ "device": "\u{1b}[2J" }),
        json!({ "device": "\u{202e}enohp" }),
        json!({ "device": "Hän\u{e4}ni" }),
        json!({ "device": "<script>" }),
        json!({ "device": "phone", "moon": 1 }),
        json!({ "device": "phone", "services": [] }),
        json!({ "device": "phone", "services": "calendar" }),
        json!({ "device": "phone", "services": ["../calendar"] }),
        json!({ "device": "phone", "services": [&long] }),
        json!({ "device": "phone", "username": "" }),
        json!({ "device": "phone", "username": &long }),
    ] {
        let refused = host.post("/api/app-passwords", &body, 400);
        assert_eq!(refused["code"], "invalid_field", "{body}: {refused}");
    }
    let other = json!({ "device": "phone", "username": "nobody" });
    host.post("/api/app-passwords", &other, 404);
    for id in [
        "none",
        "..%2f",
        "%00",
        "00000000-0000-0000-0000-000000000000",
    ] {
        let (status, code) = send(&host, "DELETE", &format!("/api/app-passwords/{id}"), b"");
        assert_eq!((status, code.as_str()), (404, "not_found"), "{id}");
    }
    assert_eq!(host.cell.get("/api/app-passwords")["items"], json!([]));
}

#[test]
fn data_is_deleted_by_nobody_whose_sign_in_was_long_ago() {
    let mut host = ServiceHost::with_own_services();
    host.install("calendar");
    host.wait("calendar", "ok");
    host.cell.celld.terminate().unwrap();
    age_sessions(host.cell.celld.state_dir(), Duration::from_secs(16 * 60));
    host.cell.celld.restart().unwrap();
    let delete = json!({ "delete_data": true });
    let refused = host.post("/api/store/calendar/remove", &delete, 403);
    assert_eq!(refused["code"], "reauthentication_required", "{refused}");
    host.wait("calendar", "ok");
    // What can be taken back needs no more than a session.
    host.remove("calendar", false);
    let refused = host.post("/api/store/calendar/remove", &delete, 403);
    assert_eq!(refused["code"], "reauthentication_required", "{refused}");
    assert!(host.podman(&["volume", "ls"]).contains("cell.calendar."));

    let proof = json!({ "password": PASSWORD });
    host.post("/api/auth/reauthenticate", &proof, 204);
    host.remove("calendar", true);
    let gone = wait_for(PATIENCE, || {
        let volumes = host.podman(&["volume", "ls"]);
        (!volumes.contains("cell.calendar.")).then_some(())
    });
    assert!(gone.is_some(), "{}", host.podman(&["volume", "ls"]));
}

/// Sends all of these at the same time: the path, and how it was answered.
fn at_once<'a>(host: &ServiceHost, paths: &[&'a str], body: &Value) -> Vec<(&'a str, u16)> {
    // Fetched once, before everybody wants it.
    host.cell.owner.csrf_token().unwrap();
    std::thread::scope(|scope| {
        let sent: Vec<_> = paths
            .iter()
            .map(|&path| {
                (
                    path,
                    scope.spawn(|| host.cell.owner.post(path, body).unwrap()),
                )
            })
            .collect();
        let status = |(path, reply): (&'a str, std::thread::ScopedJoinHandle<'_, _>)| {
            let reply: cell_testkit::Reply = reply.join().unwrap();
            (path, reply.status)
        };
        sent.into_iter().map(status).collect()
    })
}

#[test]
fn of_many_who_install_at_the_same_time_one_does() {
    let host = ServiceHost::with_own_services();
    let install = "/api/store/calendar/install";
    let mut statuses: Vec<u16> = at_once(&host, &[install; 20], &json!({}))
        .into_iter()
        .map(|(_, status)| status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201, "{statuses:?}");
    assert_eq!(statuses[1..], [409; 19], "{statuses:?}");
    host.wait("calendar", "ok");

    // Whoever comes last, it is there or it is not.
    let remove = "/api/store/calendar/remove";
    for (path, status) in at_once(&host, &[install, remove].repeat(8), &json!({})) {
        let may = match path == install {
            // Installed, and gone before it could be shown.
            true => [201, 404, 409].as_slice(),
            false => &[204, 404],
        };
        assert!(may.contains(&status), "{path}: {status}");
    }
    let active = host.cell.get("/api/services/active");
    if active["items"].as_array().unwrap().is_empty() {
        host.install("calendar");
    }
    host.wait("calendar", "ok");
    host.wait_answer("calendar", 401);
    host.remove("calendar", true);
    let gone = wait_for(PATIENCE, || {
        let left = host.podman(&["ps", "--all", "--format", "{{.Names}}"]);
        (!left.contains("calendar")).then_some(())
    });
    assert!(gone.is_some(), "{}", host.podman(&["ps", "--all"]));
}

/// Ends podman's API, which is started again as on the box.
fn kill_podman(host: &ServiceHost) {
    let api = wait_for(PATIENCE, || {
        let own = host.cell.world.cell.process_ids().unwrap().into_iter();
        let mut own = own.map(|process| Process(process.cast_unsigned()));
        own.find(|process| process.command_line().starts_with("podman system service"))
    });
    api.unwrap().kill9();
}

#[test]
fn service_comes_although_podman_is_killed_again_and_again() {
    let host = ServiceHost::with_own_services();
    kill_podman(&host);
    host.install("calendar");
    // While an image is brought, while a container is made: whatever it is doing then.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(700));
        kill_podman(&host);
    }
    host.wait("calendar", "ok");
    host.wait_answer("calendar", 401);
    // What runs goes on without it, and is not started anew when it is back.
    let format = ["inspect", "--format", "{{.State.StartedAt}}"];
    let started = || host.podman(&[&format[..], &["cell.calendar.radicale"]].concat());
    let before = started();
    kill_podman(&host);
    host.wait_answer("calendar", 401);
    host.wait("calendar", "ok");
    assert_eq!(started(), before);
}
