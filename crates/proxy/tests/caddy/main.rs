//! The real Caddy does what it is told: `CELL_CADDY` is its program, version 2.11.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

mod host;
mod loading;
mod servers;

use std::process::Stdio;
use std::time::Duration;

use cell_testkit::wait_for;

use self::host::{DOCUMENT, ELSEWHERE, GUEST, Host, NAMES, PATIENCE};

const MIB: usize = 1024 * 1024;
/// A person and a password.
const ANNA: [&str; 2] = ["--user", "anna:hunter2"];

fn joined<'a>(first: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [first, rest].concat()
}

#[test]
fn names_lead_to_their_services_and_no_others() {
    let (host, _accounts) = Host::serving();
    for (version, asked) in [("1.1", "--http1.1"), ("2", "--http2")] {
        for (name, service) in [
            ("calendar.home.example", "calendar"),
            ("wiki.home.example", "wiki"),
            ("notes.home.example", "wiki"),
            ("admin.home.example", "admin"),
            ("home.example", "admin"),
        ] {
            let reply = host.curl(&[asked, &format!("https://{name}/")]);
            assert_eq!(
                (reply.status, reply.body.as_str()),
                (200, service),
                "{name}"
            );
            assert_eq!(reply.version, version, "{name}");
            assert!(!reply.headers.contains_key("server"), "{reply:?}");
            assert!(!reply.headers.contains_key("via"), "{reply:?}");
            assert_eq!(reply.headers["alt-svc"], "h3=\":443\"; ma=2592000");
            // What the service asks for counts nowhere.
            let strict = reply.headers.get("strict-transport-security");
            let public = (service == "calendar").then_some("max-age=31536000");
            assert_eq!(strict.map(String::as_str), public, "{name}");
        }
        // Another name in the request than in the handshake.
        for other in ["wiki.home.example", "files.home.example", "127.0.0.1"] {
            let header = format!("Host: {other}");
            let reply = host.curl(&[asked, "https://calendar.home.example/", "-H", &header]);
            assert_eq!((reply.status, reply.body.as_str()), (421, ""), "{other}");
            assert!(!reply.headers.contains_key("server"), "{reply:?}");
        }
    }
    assert!(host.listens_on_udp(443), "HTTP/3");
    for url in ["https://files.home.example/", "https://127.0.0.1/"] {
        let reply = host.curl(&["--insecure", url]);
        assert_eq!((reply.status, reply.exit), (0, 35), "no handshake: {url}");
    }
    for name in NAMES {
        let reply = host.curl(&[&format!("http://{name}/a/b?c=d")]);
        assert_eq!(reply.status, 308, "{name}");
        assert_eq!(reply.headers["location"], format!("https://{name}/a/b?c=d"));
        assert!(!reply.headers.contains_key("server"), "{reply:?}");
    }
    for name in ["files.home.example", "127.0.0.1"] {
        let reply = host.curl(&[&format!("http://{name}/")]);
        assert_eq!((reply.status, reply.body.as_str()), (421, ""), "{name}");
    }
    // Before anybody asks whose it is.
    for path in ["caldav", "caldav/"] {
        let url = format!("https://calendar.home.example/.well-known/{path}");
        // With a question, and with more than one is.
        for body in ["", "<propfind/>", &"x".repeat(100_000)] {
            let reply = host.curl(&["--http1.1", "-X", "PROPFIND", &url, "-d", body]);
            assert_eq!(reply.status, 301);
            assert_eq!(reply.headers["location"], "/dav/{env.HOME}/");
        }
    }
}

#[test]
fn document_is_the_same_for_everybody_however_it_is_asked_for() {
    let (host, _accounts) = Host::serving();
    let url = "https://autoconfig.home.example/mail/config.xml";
    // More than any question has.
    let large = "x".repeat(100_000);
    let asked = [
        vec![url],
        vec!["--http1.1", url, "-d", &large],
        vec!["-X", "PROPFIND", url],
        // Written otherwise, and the same path.
        vec![
            "--path-as-is",
            "https://autoconfig.home.example/..%2fmail/./config.xml",
        ],
        vec!["https://autoconfig.home.example/Mail/CONFIG.xml?address=a%40b"],
        vec![url, "-d", "<EMailAddress>anna@home.example</EMailAddress>"],
        vec![url, "-u", "eve:guess"],
    ];
    for arguments in asked {
        let reply = host.curl(&arguments);
        assert_eq!((reply.status, reply.body.as_str()), (200, DOCUMENT));
        assert_eq!(
            reply.headers["content-type"],
            "application/xml; charset=utf-8"
        );
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    }
    for path in ["", "mail", "mail/config.xml/more", "mail/config.xml%00"] {
        let other = host.curl(&[
            "--path-as-is",
            &format!("https://autoconfig.home.example/{path}"),
        ]);
        assert_eq!((other.status, other.body.as_str()), (404, ""), "{path}");
    }
}

#[test]
fn client_cannot_say_who_it_is_or_where_it_comes_from() {
    let (host, accounts) = Host::serving();
    let lies = [
        "X-Remote-User: eve",
        "x_remote_user: eve",
        "X-Remote_User: eve",
        "X-Account: eve",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Host: eve.example",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Prefix: /eve",
        "X-Forwarded-Port: 6666",
        "X-Real-IP: 6.6.6.6",
        "X-Script-Name: /eve",
        "Forwarded: for=6.6.6.6",
    ];
    let mut arguments: Vec<&str> = lies.iter().flat_map(|lie| ["-H", lie]).collect();
    arguments.extend(ANNA);
    for version in ["--http1.1", "--http2"] {
        for (name, service) in [
            ("calendar.home.example", &host.calendar),
            ("wiki.home.example", &host.wiki),
            ("admin.home.example", &host.admin),
        ] {
            let url = format!("https://{name}/");
            let reply = host.curl(&joined(&[version, &url], &arguments));
            assert_eq!(reply.status, 200, "{name}: {reply:?}");
            let asked = service.asked().pop().unwrap();
            let told = format!("{:?}", asked.headers);
            for lie in ["eve", "6.6.6.6", "gopher"] {
                assert!(!told.contains(lie), "{name}: {told}");
            }
            assert_eq!(asked.header("host"), Some(name));
            assert_eq!(asked.header("x-forwarded-for"), Some("127.0.0.1"));
            assert_eq!(asked.header("x-forwarded-host"), Some(name));
            assert_eq!(asked.header("x-forwarded-proto"), Some("https"));
            // The page knows its own.
            let port = (name != "admin.home.example").then_some("443");
            assert_eq!(asked.header("x-forwarded-port"), port, "{name}");
            let account = (name == "calendar.home.example").then_some("anna");
            assert_eq!(asked.header("x-remote-user"), account, "{name}");
        }
    }
    for asked in accounts.asked() {
        assert_eq!(asked.header("x-forwarded-for"), Some("127.0.0.1"));
        assert!(!format!("{asked:?}").contains("eve"), "{asked:?}");
    }
    // A header that is called one of the connection's is not passed on; ours are.
    let mut connection = host.connect("calendar.home.example");
    connection.send(
        "GET / HTTP/1.1\r\nHost: calendar.home.example\r\nX-Remote-User: eve\r\n\
         Connection: close, X-Remote-User, X-Account, X-Forwarded-For\r\n\r\n",
    );
    assert_eq!(connection.status().as_deref(), Some("HTTP/1.1 200 OK"));
    let asked = host.calendar.asked().pop().unwrap();
    assert_eq!(asked.header("x-remote-user"), Some("anna"));
    assert_eq!(asked.header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn box_is_asked_whose_each_request_is_and_without_its_yes_nothing_passes() {
    let (host, accounts) = Host::serving();
    let url = "https://calendar.home.example/a/b?c=d";
    let body = host.file(MIB);
    for version in ["--http1.1", "--http2"] {
        let put = [version, "--upload-file", &body, "-H", "Cookie: e=f", url];
        let reply = host.curl(&joined(&put, &ANNA));
        assert_eq!(reply.status, 200, "{reply:?}");
        let question = accounts.asked().pop().unwrap();
        assert_eq!(question.line, "GET /check?service=calendar HTTP/1.1");
        let password = question.header("authorization");
        assert_eq!(password, Some("Basic YW5uYTpodW50ZXIy"));
        assert_eq!(question.header("x-forwarded-method"), Some("PUT"));
        assert_eq!(question.header("x-forwarded-uri"), Some("/a/b?c=d"));
        for header in ["cookie", "content-length", "transfer-encoding", "expect"] {
            assert_eq!(question.header(header), None, "{header}");
        }
        assert!(!accounts.got_a_body());
        let asked = host.calendar.asked().pop().unwrap();
        assert_eq!(asked.line, "PUT /a/b?c=d HTTP/1.1");
        assert_eq!(asked.body, MIB);
        assert_eq!(asked.header("x-remote-user"), Some("anna"));
        assert_eq!(asked.header("authorization"), None);
        assert_eq!(asked.header("cookie"), Some("e=f"));
    }

    let challenge = "WWW-Authenticate: Basic realm=\"home\"\r\n";
    for (status, header, told) in [
        (
            "401 No",
            challenge,
            ("www-authenticate", "Basic realm=\"home\""),
        ),
        ("403 No", "X-Why: service\r\n", ("x-why", "service")),
        ("429 No", "Retry-After: 7\r\n", ("retry-after", "7")),
        ("503 No", "Retry-After: 9\r\n", ("retry-after", "9")),
        ("302 No", "Location: /x\r\n", ("location", "/x")),
    ] {
        accounts.say(status, header);
        let reply = host.curl(&joined(&[url], &ANNA));
        assert_eq!(reply.status.to_string(), status[..3]);
        assert_eq!(reply.headers[told.0], told.1, "{status}");
        assert_eq!(reply.body, "no\n");
    }
    // A yes that does not say whose it is.
    for header in ["", "X-Account: \r\n"] {
        accounts.say("200 OK", header);
        assert_eq!(host.curl(&[url]).status, 503, "{header:?}");
    }
    // What is said is a name and nothing else.
    accounts.say("200 OK", "X-Account: {env.HOME}\r\n");
    assert_eq!(host.curl(&[url]).status, 200);
    let asked = host.calendar.asked().pop().unwrap();
    assert_eq!(asked.header("x-remote-user"), Some("{env.HOME}"));

    drop(accounts);
    let reply = host.curl(&joined(&[url], &ANNA));
    assert_eq!(reply.status, 502, "nobody answers: {reply:?}");
    host.forget_accounts();
    assert_eq!(host.curl(&[url]).status, 502, "there is no socket");
    assert_eq!(host.curl(&["https://wiki.home.example/"]).status, 200);
    assert!(host.calendar.asked().is_empty());

    // An operator learns of it, but not what was asked for and with which password.
    let said = host.said();
    assert!(said.contains("accounts.sock"), "{said}");
    for secret in ["YW5uYTpodW50ZXIy", "hunter2", "c=d", "PRIVATE"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}

#[test]
fn body_that_is_too_large_is_refused_before_it_is_sent_where_that_can_be() {
    let (host, _accounts) = Host::serving();
    for (url, most) in [
        ("https://calendar.home.example/", 8 * MIB),
        ("https://wiki.home.example/", MIB),
    ] {
        let (fits, larger) = (host.file(most), host.file(most + 1));
        let reply = host.curl(&["--http1.1", "--upload-file", &fits, url]);
        assert_eq!(reply.status, 200, "{reply:?}");
        let reply = host.curl(&["--http1.1", "--upload-file", &larger, url]);
        assert_eq!(reply.status, 413, "{reply:?}");
        let service = match most {
            MIB => &host.wiki,
            _ => &host.calendar,
        };
        assert_eq!(service.received(), most, "nothing of the larger one came");
        let chunked = ["--http1.1", "-H", "Transfer-Encoding: chunked"];
        let reply = host.curl(&joined(&chunked, &["--upload-file", &larger, url]));
        // It may hang up before all was sent.
        assert!([413, 0].contains(&reply.status), "{reply:?}");
        assert_eq!(service.asked().len(), 1);
    }
}

#[test]
fn bodies_and_answers_pass_piece_by_piece() {
    let (host, _accounts) = Host::serving();
    let file = host.file(4 * MIB);
    let slowly = ["--limit-rate", "1M", "--upload-file", &file];
    let mut upload = host
        .curl_command(&joined(&slowly, &["https://calendar.home.example/"]))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let some = wait_for(PATIENCE, || (host.calendar.received() > 0).then_some(()));
    assert!(some.is_some());
    assert!(upload.try_wait().unwrap().is_none(), "it is under way");
    assert!(upload.wait().unwrap().success());
    assert_eq!(host.calendar.received(), 4 * MIB);

    let mut connection = host.connect("wiki.home.example");
    connection.send("GET /held HTTP/1.1\r\nHost: wiki.home.example\r\n\r\n");
    assert_eq!(connection.status().as_deref(), Some("HTTP/1.1 200 OK"));
    let mut lines = std::iter::from_fn(|| connection.line());
    assert!(lines.any(|line| line == "first"), "the rest is held back");
    host.wiki.release();
    assert!(lines.any(|line| line == "second"));

    let mut connection = host.connect("calendar.home.example");
    talk(&mut connection, "calendar.home.example");
    for word in ["one", "two"] {
        connection.send(&format!("{word}\n"));
        assert_eq!(connection.line().as_deref(), Some(word));
    }
    let asked = host.calendar.asked().pop().unwrap();
    assert_eq!(asked.header("x-remote-user"), Some("anna"));
}

/// Makes a WebSocket of a connection.
fn talk(connection: &mut host::Connection, name: &str) {
    connection.send(&format!(
        "GET /talk HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ));
    let status = connection.status();
    assert_eq!(status.as_deref(), Some("HTTP/1.1 101 Switching Protocols"));
}

#[test]
fn admin_page_is_told_where_a_client_is_and_since_when_it_may_be_connected() {
    let (host, _accounts) = Host::serving();
    let lies = [
        "-H",
        "X-Forwarded-Since: 9999999",
        "-H",
        "X-Forwarded-For: 6.6.6.6",
    ];
    for name in ["home.example", "admin.home.example"] {
        let url = format!("https://{name}/a?b=c");
        let reply = host.curl(&[&[url.as_str()], &ANNA[..], &lies].concat());
        assert_eq!((reply.status, reply.body.as_str()), (200, "admin"));
        let asked = host.admin.asked().pop().unwrap();
        assert_eq!(asked.line, "GET /a?b=c HTTP/1.1");
        assert_eq!(asked.header("host"), Some(name));
        assert_eq!(asked.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(asked.header("x-forwarded-since"), Some("1500000"));
        assert!(asked.header("authorization").is_some(), "it asks by itself");
    }
    // Nor can it have them left out.
    let mut connection = host.connect("admin.home.example");
    let ask = "HEAD / HTTP/1.1\r\nHost: admin.home.example\r\n\
               Connection: X-Forwarded-For, X-Forwarded-Since\r\n\r\n";
    connection.send(ask);
    assert_eq!(connection.status().as_deref(), Some("HTTP/1.1 200 OK"));
    let asked = host.admin.asked().pop().unwrap();
    assert_eq!(asked.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(asked.header("x-forwarded-since"), Some("1500000"));

    // Whatever is asked over a connection of before is told as that, if it is answered at all.
    let mut silent = host.connect("admin.home.example");
    silent.handshake();
    let mut later = host.spec.clone();
    later.admin.as_mut().unwrap().opened_after = Duration::from_millis(2_500);
    host.apply(&later).unwrap();
    for old in [&mut connection, &mut silent] {
        let status = old.try_send(ask).ok().and_then(|()| old.status());
        if let Some(status) = status {
            let asked = host.admin.asked().pop();
            let asked = asked.unwrap_or_else(|| panic!("{status}"));
            assert_eq!(asked.header("x-forwarded-since"), Some("1500000"));
        }
    }
    let mut connection = host.connect("admin.home.example");
    connection.send(ask);
    assert_eq!(connection.status().as_deref(), Some("HTTP/1.1 200 OK"));
    let asked = host.admin.asked().pop().unwrap();
    assert_eq!(asked.header("x-forwarded-since"), Some("2500000"));
}

#[test]
fn internet_is_answered_by_public_hosts_and_learns_of_no_others() {
    let (host, _accounts) = Host::serving();
    let elsewhere = ["--insecure", "--interface", ELSEWHERE];
    let ask = |arguments: &[&str]| host.curl(&joined(&elsewhere, arguments));
    let public = "https://calendar.home.example/";
    assert_eq!(ask(&[public]).status, 200);
    let asked = host.calendar.asked().pop().unwrap();
    assert_eq!(asked.header("x-forwarded-for"), Some(ELSEWHERE));
    let others = [
        "wiki.home.example",
        "admin.home.example",
        "home.example",
        "files.home.example",
    ];
    for name in others {
        let claim = "X-Forwarded-For: 127.0.0.1";
        let reply = ask(&["-H", claim, &format!("https://{name}/")]);
        assert_eq!((reply.status, reply.exit), (0, 35), "no handshake: {name}");
        let header = format!("Host: {name}");
        for version in ["--http1.1", "--http2"] {
            let reply = ask(&[version, public, "-H", &header]);
            assert_eq!((reply.status, reply.body.as_str()), (421, ""), "{name}");
        }
        let reply = ask(&[&format!("http://{name}/")]);
        assert_eq!((reply.status, reply.body.as_str()), (421, ""), "{name}");
    }
    assert_eq!(ask(&["https://127.0.0.1/"]).exit, 35, "no name");
    assert_eq!(ask(&["http://127.0.0.1/"]).status, 421);
    assert_eq!(
        ask(&["--no-alpn", "--http1.0", public, "-H", "Host:"]).status,
        421
    );
    let reply = ask(&["http://calendar.home.example/a"]);
    assert_eq!(reply.headers["location"], "https://calendar.home.example/a");
    assert!(host.admin.asked().is_empty() && host.wiki.asked().is_empty());

    // With nothing public, nobody there gets further than that.
    let mut private = host.spec.clone();
    private.hosts[0].public = false;
    host.apply(&private).unwrap();
    assert_eq!(ask(&[public]).exit, 35);
    assert_eq!(ask(&["http://calendar.home.example/"]).status, 421);
    assert_eq!(host.curl(&["https://admin.home.example/"]).status, 200);
}

#[test]
fn another_cell_is_answered_by_hosts_that_are_shared_with_it_and_learns_of_no_others() {
    let (host, _accounts) = Host::serving();
    let mut spec = host.spec.clone();
    spec.hosts[0].public = false;
    spec.hosts[1].guests = [format!("{GUEST}/32").parse().unwrap()].into();
    host.apply(&spec).unwrap();
    let guest = ["--insecure", "--interface", GUEST];
    let ask = |arguments: &[&str]| host.curl(&joined(&guest, arguments));
    let shared = "https://wiki.home.example/";
    assert_eq!(ask(&[shared]).status, 200);
    let asked = host.wiki.asked().pop().unwrap();
    assert_eq!(asked.header("x-forwarded-for"), Some(GUEST));
    let reply = ask(&["http://wiki.home.example/a"]);
    assert_eq!(reply.headers["location"], "https://wiki.home.example/a");
    let others = [
        "calendar.home.example",
        "admin.home.example",
        "home.example",
        "nothing.home.example",
    ];
    for name in others {
        let reply = ask(&[&format!("https://{name}/")]);
        assert_eq!((reply.status, reply.exit), (0, 35), "no handshake: {name}");
        let reply = ask(&[shared, "-H", &format!("Host: {name}")]);
        assert_eq!((reply.status, reply.body.as_str()), (421, ""), "{name}");
        let reply = ask(&[&format!("http://{name}/")]);
        assert_eq!((reply.status, reply.body.as_str()), (421, ""), "{name}");
    }
    assert!(host.admin.asked().is_empty() && host.calendar.asked().is_empty());
    let elsewhere = ["--insecure", "--interface", ELSEWHERE];
    assert_eq!(host.curl(&joined(&elsewhere, &[shared])).exit, 35);

    // What is shared no longer is as if it had never been.
    spec.hosts[1].guests.clear();
    host.apply(&spec).unwrap();
    assert_eq!(ask(&[shared]).exit, 35);
    assert_eq!(ask(&["http://wiki.home.example/"]).status, 421);
    assert_eq!(host.curl(&[shared]).status, 200);
}
