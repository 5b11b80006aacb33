//! The admin page where people look for it, without a port: by itself while there is no service, behind the real Caddy
//! from the first one on; for people at home and devices, and believing nobody who says that they are that.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{CELL_WAN, HOME_GATEWAY, LAPTOP};
use cell_testkit::{Client, Namespace, Request, WgClient, wait_for};
use cell_tests::services::ServiceHost;
use cell_tests::{Cell, DOMAIN, OWNER, PASSWORD, VPN_ADDRESS, expect_status};
use serde_json::{Value, json};

/// Says of somebody that they are at the laptop, in every way there is.
const LIES: [(&str, &str); 5] = [
    ("X-Forwarded-For", "192.168.77.99"),
    ("X-Forwarded-Since", "99999999999999"),
    ("X-Real-IP", "192.168.77.99"),
    ("Forwarded", "for=192.168.77.99"),
    ("X_Forwarded_For", "192.168.77.99"),
];

/// A browser that was told a name and no port.
fn browser(cell: &Cell, from: &Namespace, name: &str, to: Ipv4Addr) -> Client {
    Client::new(from, format!("https://{name}"), &cell.celld.ca_pem())
        .unwrap()
        .resolving(name, SocketAddr::from((to, 443)))
}

/// The same at the port that the box itself listens at.
fn direct(cell: &Cell, from: &Namespace, name: &str, to: Ipv4Addr) -> Client {
    Client::new(from, format!("https://{name}:8443"), &cell.celld.ca_pem())
        .unwrap()
        .resolving(name, SocketAddr::from((to, 8443)))
}

fn admin() -> String {
    format!("admin.{DOMAIN}")
}

/// A request that lies about where it comes from.
fn lying(request: Request) -> Request {
    let lies = LIES.into_iter();
    lies.fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

fn wrong_login(password: &str) -> Request {
    let form = json!({ "username": OWNER, "password": password });
    lying(Request::new("POST", "/api/auth/login").json(&form))
}

/// Where the last of these acts came from, as the audit has it.
fn source_of(cell: &Cell, action: &str) -> Value {
    let page = cell.get("/api/audit?limit=50");
    let mut items = page["items"].as_array().unwrap().iter();
    let found = items.find(|item| item["action"] == action);
    found.unwrap_or_else(|| panic!("{page}"))["address"].clone()
}

/// Whether somebody answers there with anything at all, whatever the certificate.
fn answers(from: &Namespace, to: impl std::fmt::Display) -> bool {
    let mut curl = from.command("curl");
    curl.args(["--silent", "--insecure", "--max-time", "3"])
        .args(["--output", "/dev/null", &format!("https://{to}/")]);
    let code = curl.status().unwrap().code();
    // Refused, or silent (EXIT CODES of curl(1)).
    !matches!(code, Some(7 | 28))
}

#[test]
fn page_needs_no_port_where_there_is_no_service() {
    let mut cell = Cell::start();
    for name in [admin(), DOMAIN.to_owned(), HOME_GATEWAY.to_string()] {
        let page = browser(&cell, &cell.world.laptop, &name, HOME_GATEWAY);
        expect_status(&page.login(OWNER, PASSWORD).unwrap(), 200);
        expect_status(&page.get("/api/auth/me").unwrap(), 200);
    }
    assert_eq!(source_of(&cell, "auth.login"), LAPTOP.to_string());
    assert!(!answers(&cell.world.phone, CELL_WAN), "not by the uplink");
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&cell.world.phone, &peer.config).unwrap();
    let page = browser(&cell, &cell.world.phone, &admin(), VPN_ADDRESS);
    expect_status(&page.login(OWNER, PASSWORD).unwrap(), 200);
    assert_eq!(source_of(&cell, "auth.login"), peer.address.to_string());
}

#[test]
fn page_behind_the_proxy_is_the_page() {
    let mut host = ServiceHost::with_own_services();
    let peer = host.cell.add_peer(&json!({ "name": "phone" }));
    host.install("calendar");
    host.wait("calendar", "ok");
    host.wait_answer("calendar", 401);
    let cell = &host.cell;
    let (laptop, phone) = (&cell.world.laptop, &cell.world.phone);

    // Signed in by one way, one is by the other: it is one host, whatever the port.
    for name in [admin(), DOMAIN.to_owned()] {
        let page = browser(cell, laptop, &name, HOME_GATEWAY);
        let login = json!({ "username": OWNER, "password": PASSWORD });
        let login = lying(Request::new("POST", "/api/auth/login").json(&login));
        let reply = page.send(&login).unwrap();
        expect_status(&reply, 200);
        assert_eq!(reply.header("strict-transport-security"), None);
        let cookie = reply.header("set-cookie").unwrap();
        assert!(cookie.starts_with("__Host-cell="), "{cookie}");
        assert_eq!(source_of(cell, "auth.login"), LAPTOP.to_string(), "no lie");
        let made = json!({ "device": format!("tablet of {}", name.len()) });
        expect_status(&page.post("/api/app-passwords", &made).unwrap(), 201);
    }

    // What is refused there is refused here.
    let front = browser(cell, laptop, &admin(), HOME_GATEWAY);
    let back = direct(cell, laptop, &admin(), HOME_GATEWAY);
    for page in [&front, &back] {
        expect_status(&page.get("/api/auth/me").unwrap(), 401);
        expect_status(&page.get("/api/nothing").unwrap(), 401);
        expect_status(&page.get("/sign-in").unwrap(), 200);
        expect_status(&page.login(OWNER, PASSWORD).unwrap(), 200);
        expect_status(&page.get("/api/nothing").unwrap(), 404);
        // Less than a bundle begins with, and more than a form may have.
        let token = page.csrf_token().unwrap().unwrap();
        let upload = Request::new("POST", "/api/firmware/bundle")
            .header("Content-Type", "application/octet-stream")
            .header("X-CSRF-Token", &token)
            .body(vec![7; 8 << 20]);
        let reply = page.send(&upload).unwrap();
        assert!((400..500).contains(&reply.status), "{}", reply.text());
        assert!(reply.json()["code"].is_string(), "the page says why");
        for origin in [
            "https://evil.example",
            &format!("https://calendar.{DOMAIN}"),
            "null",
        ] {
            let form = json!({ "device": "other" });
            let forged = Request::new("POST", "/api/app-passwords")
                .header("X-CSRF-Token", &token)
                .header("Origin", origin)
                .json(&form);
            expect_status(&page.send(&forged).unwrap(), 403);
        }
    }
    let token = front.csrf_token().unwrap().unwrap();
    let other_port = Request::new("POST", "/api/app-passwords")
        .header("X-CSRF-Token", &token)
        .header("Origin", format!("https://{}:8443", admin()))
        .json(&json!({ "device": "other" }));
    expect_status(&front.send(&other_port).unwrap(), 403);

    // Nobody of the uplink's side, by whatever name.
    for port in [80, 443, 8443] {
        assert!(!answers(phone, format!("{CELL_WAN}:{port}")), "{port}");
    }
    // Whoever guesses is slowed down by where they are, and nobody else with them.
    let guesser = browser(cell, laptop, &admin(), HOME_GATEWAY);
    for number in 0..5 {
        let guess = wrong_login(&format!("guess {number}"));
        expect_status(&guesser.send(&guess).unwrap(), 401);
    }
    expect_status(&guesser.send(&wrong_login("guess")).unwrap(), 429);
    let tunnel = WgClient::up(phone, &peer.config).unwrap();
    let page = browser(cell, phone, &admin(), VPN_ADDRESS);
    expect_status(&page.login(OWNER, PASSWORD).unwrap(), 200);
    assert_eq!(source_of(cell, "auth.login"), peer.address.to_string());
    drop(tunnel);

    no_container_gets_to_it(&host);
    page_outlives_the_proxy(&host);
}

/// Other services reach neither the page nor the proxy before it.
fn no_container_gets_to_it(host: &ServiceHost) {
    let proxy = host.podman(&[
        "inspect",
        "--format",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        "cell.proxy.caddy",
    ]);
    let names = host.podman(&["ps", "--format", "{{.Names}}"]);
    let service = names
        .lines()
        .find(|name| name.starts_with("cell.calendar."));
    let service = service.unwrap_or_else(|| panic!("{names}"));
    let targets = [
        (HOME_GATEWAY.to_string(), 443),
        (HOME_GATEWAY.to_string(), 8443),
        (VPN_ADDRESS.to_string(), 8443),
        (CELL_WAN.to_string(), 443),
        (proxy.trim().to_owned(), 8443),
        (proxy.trim().to_owned(), 8080),
    ];
    let tries: Vec<String> = targets
        .iter()
        .map(|(address, port)| format!("('{address}', {port})"))
        .collect();
    let program = format!(
        "import socket\nfor to in [{}]:\n  try:\n    socket.create_connection(to, 2)\n    print('reached', to)\n  \
         except OSError: pass\nprint('tried')",
        tries.join(", ")
    );
    let said = host.podman(&["exec", service, "python3", "-c", &program]);
    assert_eq!(said.trim(), "tried");
}

/// Without it, the box itself answers at its own port.
fn page_outlives_the_proxy(host: &ServiceHost) {
    let cell = &host.cell;
    let _ = host.podman(&["kill", "cell.proxy.caddy"]);
    let back = direct(cell, &cell.world.laptop, &admin(), HOME_GATEWAY);
    expect_status(&back.get("/health").unwrap(), 200);
    let front = browser(cell, &cell.world.laptop, &admin(), HOME_GATEWAY);
    let again = wait_for(PATIENCE, || front.get("/health").ok());
    assert_eq!(again.map(|reply| reply.status), Some(200));
}

/// A connection to the page, made now and used later: answers a line with a status, or with `gone`.
struct Connection(Child, BufReader<std::process::ChildStdout>);

const LATER: &str = r#"
import http.client, socket, ssl, sys
name, address, ca, cookie, token = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
link = http.client.HTTPSConnection(name, context=context)
link.sock = context.wrap_socket(socket.create_connection((address, 443)), server_hostname=name)
print("open", flush=True)
for line in sys.stdin:
    method, path = line.split()
    try:
        link.request(method, path, headers={"Cookie": cookie, "X-CSRF-Token": token})
        reply = link.getresponse()
        reply.read()
        print(reply.status, flush=True)
    except (OSError, http.client.HTTPException):
        print("gone", flush=True)
        break
"#;

impl Connection {
    fn open(cell: &Cell, cookie: &str, token: &str) -> Self {
        let mut python = cell.world.laptop.command("python3");
        python
            .args(["-c", LATER, &admin(), &HOME_GATEWAY.to_string()])
            .arg(cell.celld.ca_pem())
            .args([cookie, token])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut connection = Self(child, output);
        assert_eq!(connection.line(), "open");
        connection
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn ask(&mut self, request: &str) -> String {
        writeln!(self.0.stdin.as_mut().unwrap(), "{request}").unwrap();
        self.line()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn risky_change_is_confirmed_through_the_proxy_on_a_connection_of_after_it_alone() {
    let host = ServiceHost::with_own_services();
    host.install("calendar");
    host.wait_answer("calendar", 401);
    let cell = &host.cell;
    let page = browser(cell, &cell.world.laptop, &admin(), HOME_GATEWAY);
    let reply = page.login(OWNER, PASSWORD).unwrap();
    expect_status(&reply, 200);
    let cookie = reply.header("set-cookie").unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let token = page.csrf_token().unwrap().unwrap();
    let mut used = Connection::open(cell, &cookie, &token);
    assert_eq!(used.ask("GET /api/auth/me"), "200");
    let mut config = page.get("/api/config").unwrap().json();
    config["network"]["lan"]["addressing"] =
        json!({ "mode": "static", "address": format!("{HOME_GATEWAY}/24") });
    // Opened before, as browsers do in advance, and never used until then.
    let mut silent = Connection::open(cell, &cookie, &token);
    let reply = page.put("/api/config", &config).unwrap();
    expect_status(&reply, 202);
    assert!(reply.json()["confirm"].is_object(), "{}", reply.text());
    for old in [&mut used, &mut silent] {
        let answer = old.ask("POST /api/config/confirm");
        assert!(["409", "gone"].contains(&answer.as_str()), "{answer}");
    }
    let confirmed = wait_for(PATIENCE, || {
        let reply = page.post("/api/config/confirm", &json!({})).ok()?;
        (reply.status == 200).then_some(())
    });
    assert!(confirmed.is_some(), "{}", cell.celld.log_end());
    assert_eq!(source_of(cell, "config.confirm"), LAPTOP.to_string());
}
