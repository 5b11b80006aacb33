//! Webmail, as people use it: Roundcube beside the mail service, in a real browser and by curl.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_testkit::world::{HOME_GATEWAY, LAPTOP};
use cell_tests::services::{AppPassword, ServiceHost};
use cell_tests::{DOMAIN, OWNER, PASSWORD, browser, expect_status};
use serde_json::json;

/// Another device at home, which is in truth the laptop too.
const TABLET: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 11);
/// As long as the manifest gives the filter of mail, which compiles its patterns at the first start.
const FILTER_PATIENCE: Duration = Duration::from_secs(180);
/// Wrong passwords for one person until a device has to wait.
const GUESSES: usize = 5;
/// A message with a picture that its sender would see fetched.
const LETTER: &str = "From: anna@home.cell\r\nTo: anna@home.cell\r\nSubject: A letter with a picture\r\n\
                      MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
                      <p>Look!</p><img src=\"https://www.example.net/seen.png\">\r\n";

/// A box with the webmail, and with mail since it needs that.
struct Office {
    host: ServiceHost,
    password: AppPassword,
}

impl Office {
    fn open() -> Self {
        let host = ServiceHost::with_own_services();
        let installed = host.install("webmail");
        assert_eq!(installed["urls"][0], format!("https://webmail.{DOMAIN}/"));
        let well = wait_for(FILTER_PATIENCE, || {
            (host.service("mail")["state"] == "ok").then_some(())
        });
        assert!(well.is_some(), "{}", host.service("mail"));
        host.wait("webmail", "ok");
        host.wait_answer("webmail", 200);
        let laptop = &host.cell.world.laptop;
        laptop.set_resolvers(&[HOME_GATEWAY.into()]).unwrap();
        laptop
            .ip(&format!("addr add {TABLET}/24 dev eth0"))
            .unwrap();
        let form = json!({ "device": "laptop", "services": ["mail"] });
        let password = host.app_password_with(&form);
        Self { host, password }
    }

    /// What Roundcube answers to somebody who signs in from this address: 302 is the way in, 401 is none.
    fn sign_in(&self, from: Ipv4Addr, username: &str, password: &str, header: &str) -> u16 {
        let jar = tempfile::NamedTempFile::new().unwrap();
        let jar = jar.path().to_str().unwrap();
        let from = from.to_string();
        let visitor = ["--interface", &from, "--cookie", jar, "--cookie-jar", jar];
        let (status, page) = self.host.ask("webmail", "/", &visitor);
        assert_eq!(status, 200, "{page}");
        let token = page.split("name=\"_token\" value=\"").nth(1).unwrap();
        let token = token.split('"').next().unwrap();
        let fields = [
            "_task=login".to_owned(),
            "_action=login".to_owned(),
            format!("_token={token}"),
            format!("_user={username}"),
            format!("_pass={password}"),
        ];
        let mut arguments = visitor.to_vec();
        arguments.extend(["--header", header]);
        for field in &fields {
            arguments.extend(["--data-urlencode", field]);
        }
        self.host.ask("webmail", "/?_task=login", &arguments).0
    }

    /// Has a program put a message into Anna's mailbox, as she would.
    fn send(&self, message: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), message).unwrap();
        let address = format!("{OWNER}@{DOMAIN}");
        let mut curl = self.host.cell.world.laptop.command("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--cacert"])
            .arg(self.host.cell.celld.ca_pem())
            .args(["--user", &format!("{OWNER}:{}", self.password.text)])
            .args(["--mail-from", &address, "--mail-rcpt", &address])
            .arg("--upload-file")
            .arg(file.path())
            .arg(format!("smtps://mail.{DOMAIN}:465"));
        let output = curl.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}\n{}", self.logs());
    }

    /// Where a volume is whose name begins so.
    fn volume(&self, name: &str) -> PathBuf {
        let volumes = fs::read_dir(self.host.process.volumes()).unwrap();
        let mut volumes = volumes.map(|volume| volume.unwrap().path());
        let volume = volumes.find(|path| path.to_string_lossy().contains(name));
        volume.unwrap().join("_data")
    }

    /// What is in Anna's inbox, as it came.
    fn inbox(&self) -> Vec<String> {
        let folder = self.volume("cell.mail.mail.").join(OWNER).join("Maildir");
        let files = ["new", "cur"].map(|name| fs::read_dir(folder.join(name)).unwrap());
        let files = files.into_iter().flatten();
        let texts = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        texts
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .collect()
    }

    /// Whether the webmail keeps anything of somebody.
    fn knows(&self, username: &str) -> bool {
        let database = self.volume("cell.webmail.data.").join("roundcube.db");
        let script = "import sqlite3, sys\n\
                      print(sqlite3.connect(sys.argv[1]).execute(\
                      'SELECT count(*) FROM users JOIN identities USING (user_id) WHERE username = ?', sys.argv[2:]).fetchone()[0])";
        let output = Command::new("/usr/bin/python3")
            .args(["-c", script])
            .arg(database)
            .arg(username)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        output.stdout.starts_with(b"1")
    }

    fn logs(&self) -> String {
        let of = |name| self.host.log(&format!("cell.{name}"));
        ["webmail.roundcube", "mail.dovecot", "mail.postfix"]
            .map(of)
            .join("\n")
    }
}

#[test]
fn mail_is_written_and_read_in_a_browser() {
    let office = Office::open();
    let laptop = &office.host.cell.world.laptop;
    office.send(LETTER);
    let file = tempfile::Builder::new().suffix(".bin").tempfile().unwrap();
    fs::write(file.path(), vec![0x5a; 20 << 20]).unwrap();
    let other = office
        .host
        .app_password_with(&json!({ "device": "phone", "services": ["calendar"] }));
    let given = json!({
        "story": "everyday",
        "username": "Anna",
        "password": office.password.text,
        "refused": [[OWNER, "wrong"], [OWNER, PASSWORD], [OWNER, other.text], ["nobody", office.password.text]],
        "message": {
            "to": format!("{OWNER}@{DOMAIN}"), "subject": "Milk", "text": "Three bottles, please: Größe äöü.", "file": file.path(),
        },
        "strangers_subject": "A letter with a picture",
    });
    let seen = browser::run(
        laptop,
        &format!("https://webmail.{DOMAIN}"),
        "webmail.mjs",
        given,
    );
    let logs = office.logs();
    for (step, expected) in [
        ("refused", json!(vec!["Login failed."; 4])),
        ("at", json!("?_task=mail")),
        ("who", json!(format!("{OWNER}@{DOMAIN}"))),
        ("text", json!("Three bottles, please: Größe äöü.")),
        ("file", json!(20 << 20)),
        ("blocked", json!(true)),
        ("left", json!(1)),
        ("elsewhere", json!([])),
        ("failed", json!([])),
        ("complaints", json!([])),
    ] {
        assert_eq!(seen[step], expected, "{step}: {seen:#}\n{logs}");
    }
    // The mail service knows where its visitor is, and those who get mail do not.
    let visitor = |before: &str, after: &str| logs.contains(&format!("{before}{LAPTOP}{after}"));
    assert!(
        visitor(
            "imap-login: Info: Logged in: user=<anna>, method=PLAIN, rip=",
            ","
        ),
        "{logs}"
    );
    assert!(
        visitor(
            "client=unknown[",
            "], sasl_method=PLAIN, sasl_username=anna"
        ),
        "{logs}"
    );
    let inbox = office.inbox();
    assert_eq!(inbox.len(), 2);
    for message in inbox {
        for told in [LAPTOP.to_string(), "User-Agent".to_owned()] {
            assert!(!message.contains(&told), "{told}: {message:.2000}");
        }
    }
    let secrets = [office.password.text.as_str(), PASSWORD];
    assert!(
        !secrets.iter().any(|secret| logs.contains(secret)),
        "{logs}"
    );
}

#[test]
fn who_guesses_waits_and_nobody_else_does() {
    let office = Office::open();
    let right = office.password.text.as_str();
    assert_eq!(office.sign_in(LAPTOP, OWNER, right, ""), 302);
    assert_eq!(
        office.sign_in(LAPTOP, &format!("Anna@{DOMAIN}"), right, ""),
        302
    );
    // Whose address it is, a browser cannot say.
    for guess in 0..GUESSES {
        let forged = format!("X-Forwarded-For: {TABLET}, 192.168.77.{}", 100 + guess);
        assert_eq!(office.sign_in(LAPTOP, OWNER, "wrong", &forged), 401);
    }
    let forged = format!("X-Real-IP: {TABLET}");
    let status = office.sign_in(LAPTOP, OWNER, right, &forged);
    assert_eq!(status, 401, "{}", office.logs());
    let status = office.sign_in(TABLET, OWNER, right, "");
    assert_eq!(status, 302, "{}", office.logs());
}

#[test]
fn webmail_comes_with_mail_and_mail_cannot_go_before_it() {
    let office = Office::open();
    let host = &office.host;
    let removed = |id: &str| {
        let path = format!("/api/store/{id}/remove");
        let form = json!({ "delete_data": false });
        host.cell.owner.post(&path, &form).unwrap()
    };
    let refused = removed("mail");
    expect_status(&refused, 409);
    assert_eq!(refused.json()["code"], "service_needed");
    // Who was signed in is still, after the box has started its containers anew.
    assert_eq!(
        office.sign_in(LAPTOP, OWNER, &office.password.text, ""),
        302
    );
    host.enable("webmail", false);
    let away = wait_for(PATIENCE, || {
        (host.ask("webmail", "/", &[]).0 != 200).then_some(())
    });
    assert!(away.is_some());
    host.enable("webmail", true);
    host.wait_answer("webmail", 200);
    assert_eq!(
        office.sign_in(LAPTOP, OWNER, &office.password.text, ""),
        302
    );

    // What is kept of somebody goes with them, and with nobody else.
    let ben = json!({ "username": "ben", "password": "another long river", "role": "member" });
    host.post("/api/auth/users", &ben, 201);
    let form = json!({ "device": "phone", "username": "ben" });
    let password = host.app_password_with(&form).text;
    assert_eq!(office.sign_in(LAPTOP, "ben", &password, ""), 302);
    assert!(office.knows("ben") && office.knows(OWNER));
    expect_status(&host.cell.owner.delete("/api/auth/users/ben").unwrap(), 204);
    let gone = wait_for(PATIENCE, || (!office.knows("ben")).then_some(()));
    assert!(gone.is_some(), "{}", host.cell.celld.log_end());
    assert!(office.knows(OWNER));

    // What is no page is not shown.
    for path in [
        "/config/config.inc.php",
        "/plugins/box/box.php",
        "/SQL/sqlite.initial.sql",
        "/skins/elastic/templates/login.html",
        "/installer/",
        "/temp/",
        "/index.php/x.php",
    ] {
        assert_eq!(host.ask("webmail", path, &[]).0, 403, "{path}");
    }
    let (_, page) = host.ask("webmail", "/", &[]);
    let page = page.to_ascii_lowercase();
    for told in [
        "; secure; httponly; samesite=lax",
        "x-robots-tag: noindex",
        "content-security-policy: default-src 'none'",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    expect_status(&removed("webmail"), 204);
    expect_status(&removed("mail"), 204);
}
