//! A service that is opened to the internet: what somebody out there reaches, what they learn of the rest, and how it is
//! closed again.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_testkit::world::{CELL_WAN, PHONE};
use cell_tests::services::ServiceHost;
use cell_tests::{DOMAIN, OWNER};
use serde_json::json;

/// What somebody out there gets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    /// How curl ended: 7 and 28 are nobody there, 35 no handshake.
    exit: i32,
    status: u16,
    /// Head and body, without what is another one each time.
    text: String,
}

impl Answer {
    fn is_silence(&self) -> bool {
        [7, 28].contains(&self.exit)
    }
}

/// Asks from the internet. Whatever name is asked for is said to be the box.
fn outside(host: &ServiceHost, url: &str, arguments: &[&str]) -> Answer {
    let mut curl = host.cell.world.phone.command("curl");
    curl.args(["--silent", "--insecure", "--include", "--max-time", "5"])
        .args(["--resolve", &format!("*:443:{CELL_WAN}")])
        .args(["--resolve", &format!("*:80:{CELL_WAN}")])
        .args(arguments)
        .arg(url);
    let output = curl.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines();
    let lines = lines.filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    Answer {
        exit: output.status.code().unwrap_or(-1),
        status: text
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or_default(),
        text: lines.collect::<Vec<_>>().join("\n"),
    }
}

fn url(label: &str) -> String {
    format!("https://{label}.{DOMAIN}/")
}

fn wait_open(host: &ServiceHost, label: &str) -> Answer {
    let open = wait_for(PATIENCE, || {
        Some(outside(host, &url(label), &[])).filter(|answer| answer.status == 401)
    });
    open.unwrap_or_else(|| panic!("{:?}", outside(host, &url(label), &[])))
}

fn wait_closed(host: &ServiceHost, why: &str) {
    let closed = wait_for(PATIENCE, || {
        outside(host, &url("calendar"), &["--max-time", "2"])
            .is_silence()
            .then_some(())
    });
    assert!(
        closed.is_some(),
        "{why}: {:?}",
        outside(host, &url("calendar"), &[])
    );
    assert!(
        outside(
            host,
            &format!("http://calendar.{DOMAIN}/"),
            &["--max-time", "2"]
        )
        .is_silence()
    );
}

fn revision(host: &ServiceHost) -> u64 {
    host.cell.get("/api/status")["revision"].as_u64().unwrap()
}

#[test]
fn internet_reaches_the_service_that_was_opened_and_learns_of_no_other() {
    let host = ServiceHost::with_own_services();
    for id in ["calendar", "files"] {
        let installed = host.install(id);
        assert_eq!(installed["published"], false);
        host.wait(id, "ok");
        host.wait_answer(id, 401);
    }
    wait_closed(&host, "before");
    host.publish("calendar", true);
    let answer = wait_open(&host, "calendar");
    let head = answer.text.to_ascii_lowercase();
    assert!(
        head.contains("strict-transport-security: max-age=31536000"),
        "{head}"
    );
    let moved = outside(&host, &format!("http://calendar.{DOMAIN}/a"), &[]);
    assert!(
        moved.status == 308 && moved.text.contains(&format!("{}a", url("calendar"))),
        "{moved:?}"
    );
    // At home everything is as it was, and nothing pins the others to TLS.
    host.wait_answer("files", 401);
    let (_, home) = host.ask("files", "/", &[]);
    assert!(
        !home.to_ascii_lowercase().contains("strict-transport"),
        "{home}"
    );

    learns_of_no_other(&host);
    guesses_out_there_slow_nobody_at_home(&host);
    for port in [53, 8080, 8443] {
        let other = outside(
            &host,
            &format!("https://{CELL_WAN}:{port}/"),
            &["--max-time", "2"],
        );
        assert!(other.is_silence(), "{port}: {other:?}");
    }
    is_closed_again(&host);
}

/// Whatever is not open is to the internet as if it were not there.
fn learns_of_no_other(host: &ServiceHost) {
    let open = url("calendar");
    let unknown = format!("moon.{DOMAIN}");
    let others = [
        format!("files.{DOMAIN}"),
        format!("admin.{DOMAIN}"),
        DOMAIN.to_owned(),
    ];
    let without_name = |answer: Answer, name: &str| Answer {
        text: answer.text.replace(name, "NAME"),
        ..answer
    };
    for version in ["--http1.1", "--http2"] {
        // One name to TLS, another to HTTP.
        let mixed = |name: &str| {
            let header = format!("Host: {name}");
            outside(host, &url("calendar"), &[version, "--header", &header])
        };
        let https = |name: &str| outside(host, &format!("https://{name}/"), &[version]);
        let http = |name: &str| outside(host, &format!("http://{name}/"), &[version]);
        let ways: [&dyn Fn(&str) -> Answer; 3] = [&mixed, &https, &http];
        for (name, ask) in others.iter().flat_map(|name| ways.map(|ask| (name, ask))) {
            let found = without_name(ask(name), name);
            let nobody = without_name(ask(&unknown), &unknown);
            assert_eq!(found, nobody, "{name}");
            assert!([0, 421].contains(&found.status), "{found:?}");
        }
    }
    let address = outside(host, &format!("https://{CELL_WAN}/"), &[]);
    assert_eq!(address.exit, 35, "no name, no handshake: {address:?}");
    let address = outside(host, &format!("http://{CELL_WAN}/"), &[]);
    assert_eq!(address.status, 421, "{address:?}");
    let old = ["--http1.0", "--no-alpn", "--header", "Host:"];
    assert_eq!(outside(host, &open, &old).status, 421);
    let lie = [
        "--header",
        "X-Forwarded-For: 192.168.77.10",
        "--header",
        "Host: admin.home.cell",
    ];
    assert_eq!(outside(host, &open, &lie).status, 421);
}

/// Who guesses has to wait, wherever they say that they are.
fn guesses_out_there_slow_nobody_at_home(host: &ServiceHost) {
    let password = host.app_password("laptop");
    let user = format!("{OWNER}:{}", password.text);
    let look = ["--request", "PROPFIND", "--user", user.as_str()];
    let place = format!("{}{OWNER}/", url("calendar"));
    assert_eq!(
        outside(host, &place, &look).status,
        207,
        "with the right one"
    );
    let wrong = ["--user", "anna:guess"];
    let mut last = 0;
    for number in 0..6 {
        let lie = format!("X-Forwarded-For: 203.0.113.{number}");
        let arguments = [&wrong[..], &["--header", &lie]].concat();
        last = outside(host, &place, &arguments).status;
    }
    assert_eq!(last, 429, "from {PHONE}");
    let (status, text) = host.ask("calendar", &format!("/{OWNER}/"), &look);
    assert_eq!(status, 207, "{text}");
}

/// By all that takes it away.
fn is_closed_again(host: &ServiceHost) {
    host.publish("calendar", false);
    wait_closed(host, "closed");
    host.wait_answer("calendar", 401);

    let before = revision(host);
    host.publish("calendar", true);
    wait_open(host, "calendar");
    host.enable("calendar", false);
    wait_closed(host, "stopped");
    host.enable("calendar", true);
    wait_open(host, "calendar");

    host.post(
        &format!("/api/config/revisions/{before}/restore"),
        &json!({}),
        200,
    );
    wait_closed(host, "restored");
    assert_eq!(host.service("calendar")["published"], false);

    host.publish("calendar", true);
    wait_open(host, "calendar");
    host.remove("calendar", false);
    wait_closed(host, "removed");
    assert_eq!(host.install("calendar")["published"], false);
    host.wait_answer("calendar", 401);
    wait_closed(host, "installed again");
}
