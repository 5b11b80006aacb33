//! Mail, as people and as other servers use it: taken, kept and shown to whom it is for, and to nobody else.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use cell_control::Control;
use cell_control::caller::Caller;
use cell_control::change::Change;
use cell_control::remote::Remote;
use cell_model::config::MailConfig;
use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{CELL_WAN, HOME_GATEWAY, OUTSIDE_NAME, OUTSIDE_WEB, PHONE};
use cell_testkit::{Namespace, wait_for};
use cell_tests::mail::{SENDER, python, sign_in_by_openssl};
use cell_tests::probe::connects;
use cell_tests::services::{AppPassword, ServiceHost};
use cell_tests::{DOMAIN, PASSWORD, expect_status};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A program of people.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/netns/mail_client.py");
/// Somebody else's server.
const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/netns/mail_receiver.py");
/// What the box is called that has the mail.
const HOST: &str = "mail.home.cell";
/// Seconds that somebody else's server may run.
const LIMIT: &str = "120";

/// A box with mail for Anna, who owns it, and Ben.
struct Post {
    host: ServiceHost,
    passwords: BTreeMap<&'static str, AppPassword>,
}

impl Post {
    fn start() -> Self {
        let host = ServiceHost::with_own_services();
        let ben = json!({ "username": "ben", "password": "another long river", "role": "member" });
        host.post("/api/auth/users", &ben, 201);
        host.install("mail");
        // The filter gets ready with all that the processor gives, at its first start.
        let is_well = || (host.service("mail")["state"] == "ok").then_some(());
        if wait_for(2 * PATIENCE, is_well).is_none() {
            host.wait("mail", "ok");
        }
        // Everything at home asks the box for names.
        let laptop = &host.cell.world.laptop;
        laptop.set_resolvers(&[HOME_GATEWAY.into()]).unwrap();
        let made = |name: &str, service| {
            let form = json!({ "device": "laptop", "username": name, "services": [service] });
            host.app_password_with(&form)
        };
        let passwords = BTreeMap::from([
            ("anna", made("anna", "mail")),
            ("ben", made("ben", "mail")),
            ("other", made("anna", "calendar")),
        ]);
        Self { host, passwords }
    }

    /// A program that knows all passwords, on a computer somewhere.
    fn program(&self, from: &Namespace, script: &str, address: &str, words: &[&str]) -> Command {
        let mut known: BTreeMap<&str, &str> = BTreeMap::from([("account", PASSWORD)]);
        known.extend(
            self.passwords
                .iter()
                .map(|(name, made)| (*name, &*made.text)),
        );
        let authority = self.host.cell.celld.ca_pem();
        let mut program = python(from, script, (address, HOST), &authority, &known);
        program.args(words);
        program
    }

    /// A story of people at home; what it says.
    #[track_caller]
    fn at_home(&self, words: &[&str]) -> String {
        let laptop = &self.host.cell.world.laptop;
        self.told(self.program(laptop, CLIENT, HOST, words))
    }

    /// A story of another server; what it says.
    #[track_caller]
    fn outside(&self, story: &str) {
        let phone = &self.host.cell.world.phone;
        let box_there = CELL_WAN.to_string();
        self.told(self.program(phone, SENDER, &box_there, &[story]));
    }

    /// Runs a program to its good end.
    #[track_caller]
    fn told(&self, mut program: Command) -> String {
        let output = program.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{said}\n{}", self.logs());
        said
    }

    /// Other settings of mail.
    fn set(&self, update: Value) {
        let update = serde_json::from_value(update).unwrap();
        self.submit(Change::Mail(Box::new(update)));
    }

    fn submit(&self, change: Change) {
        let socket = self.host.cell.celld.control_socket();
        let submitted = Runtime::new().unwrap().block_on(async {
            let remote = Remote::connect(&socket).await.unwrap();
            remote.submit(&Caller::local(), change).await
        });
        submitted.unwrap();
    }

    /// Where somebody's mail is kept.
    fn mailbox(&self, name: &str) -> PathBuf {
        let volumes = fs::read_dir(self.host.process.volumes()).unwrap();
        let mut volumes = volumes.map(|volume| volume.unwrap().path());
        let mail = volumes.find(|path| path.to_str().unwrap().contains("cell.mail.mail."));
        mail.unwrap().join("_data").join(name)
    }

    fn logs(&self) -> String {
        let of = |name| self.host.log(&format!("cell.mail.{name}"));
        ["dovecot", "postfix", "rspamd"].map(of).join("\n")
    }
}

// One box for all of it: its filter takes seconds of processor time to get ready.
#[test]
fn mail_is_taken_kept_and_shown_to_whom_it_is_for_and_nobody_else() {
    let post = Post::start();
    programs_find_their_settings(&post);
    own_page_says_all_that_is_needed(&post);
    internet_brings_mail(&post);
    box_looks_at_its_mail(&post);
    people_write_to_each_other(&post);
    mail_leaves_as_the_owner_wants(&post);
    device_is_lost(&post);
    person_is_removed(&post);
}

/// Who knows an address finds the rest, at home; and in public DNS and from outside, once that is open.
fn programs_find_their_settings(post: &Post) {
    post.host.wait_answer("autoconfig", 404);
    let asked = |host, path, arguments: &[&str]| {
        let (status, answer) = post.host.ask(host, path, arguments);
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let path = "/mail/config-v1.1.xml";
    let settings = asked("autoconfig", path, &[]);
    for told in [
        &*format!("<emailProvider id=\"{DOMAIN}\">"),
        &*format!("<hostname>{HOST}</hostname>\n      <port>993</port>"),
        "<username>%EMAILADDRESS%</username>",
        "content-type: application/xml",
    ] {
        assert!(settings.contains(told), "{told}: {settings}");
    }
    let question = format!("<EMailAddress>anna@{DOMAIN}</EMailAddress>");
    let path = "/Autodiscover/Autodiscover.xml";
    let settings = asked("autodiscover", path, &["--data", &question]);
    assert!(
        settings.contains(&format!(
            "<Type>SMTP</Type>\n        <Server>{HOST}</Server>"
        )),
        "{settings}"
    );
    let found = |name: &str, kind: &str| {
        let mut dig = post.host.cell.world.laptop.command("dig");
        dig.args(["+short", &format!("{name}.{DOMAIN}"), kind]);
        String::from_utf8(dig.output().unwrap().stdout).unwrap()
    };
    assert_eq!(found("autoconfig", "A"), format!("{HOME_GATEWAY}\n"));
    let srv = found("_autodiscover._tcp", "SRV");
    assert_eq!(srv, format!("0 1 443 autodiscover.{DOMAIN}.\n"));

    let in_public_dns = || {
        let records = post.host.cell.get("/api/mail/records");
        let zone = records["zone"].as_str().unwrap();
        zone.contains(&format!("autoconfig.{DOMAIN}. 3600 IN CNAME {HOST}."))
    };
    let from_outside = || {
        let name = format!("autoconfig.{DOMAIN}");
        let mut curl = post.host.cell.world.phone.command("curl");
        curl.args(["--silent", "--max-time", "5", "--cacert"])
            .arg(post.host.cell.celld.ca_pem())
            .args(["--resolve", &format!("{name}:443:{CELL_WAN}")])
            .arg(format!("https://{name}/mail/config-v1.1.xml"));
        let said = curl.output().unwrap().stdout;
        String::from_utf8(said).unwrap().contains(HOST)
    };
    assert!(!in_public_dns() && !from_outside());
    post.host.publish("mail", true);
    assert!(in_public_dns());
    let open = wait_for(PATIENCE, || from_outside().then_some(()));
    assert!(open.is_some(), "{}", post.host.cell.celld.log_end());
    post.host.publish("mail", false);
    assert!(!in_public_dns());
    let closed = wait_for(PATIENCE, || (!from_outside()).then_some(()));
    assert!(closed.is_some(), "{}", post.host.cell.celld.log_end());
}

/// From outside comes mail for people here, and nothing else.
fn internet_brings_mail(post: &Post) {
    let phone = &post.host.cell.world.phone;
    let is_open = |port| connects(phone, (CELL_WAN, port).into());
    assert!(!is_open(25) && !is_open(993));
    post.host.publish("mail", true);
    let open = wait_for(PATIENCE, || is_open(25).then_some(()));
    assert!(open.is_some(), "{}", post.host.cell.celld.log_end());
    for (port, expected) in [(465, true), (587, true), (993, true), (4190, false)] {
        assert_eq!(is_open(port), expected, "{port}");
    }
    post.outside("plain");
    post.outside("relay");
    post.outside("smuggle");
    post.outside("hostile");
    // All that was taken is there, each once.
    let wanted = [
        "without TLS",
        "with TLS",
        "report",
        "outer 0",
        "after all that",
    ];
    let found = post.at_home(&[&["has", "anna"][..], &wanted].concat());
    let count = |subject| found.lines().filter(|line| *line == subject).count();
    for subject in wanted {
        assert_eq!(count(subject), 1, "{subject}: {found}");
    }
    assert_eq!(count("smuggled"), 0, "{found}");
    assert_eq!(post.at_home(&["has", "ben"]).trim(), "");

    post.outside("guess");
    // Where they were is known, in all logs, and nobody at home has to wait.
    let core = post.host.cell.celld.log_end();
    let known = format!("account=\"ben\" address={PHONE} service=mail");
    assert!(core.contains(&known), "{core}");
    let logs = post.logs();
    for known in [
        format!("(auth_failed): user=<ben>, method=PLAIN, rip={PHONE}"),
        format!("unknown[{PHONE}]: SASL PLAIN authentication failed"),
        format!("Relay access denied; from=<somebody@{OUTSIDE_NAME}>"),
    ] {
        assert!(logs.contains(&known), "{known}: {logs}");
    }
    post.at_home(&["has", "ben"]);
}

/// OpenSSL, which is told nothing but what "My mail" says, trusts each server, and is let in.
fn own_page_says_all_that_is_needed(post: &Post) {
    let own = post.host.cell.get("/api/peer/mail");
    let (laptop, authority) = (&post.host.cell.world.laptop, post.host.cell.celld.ca_pem());
    sign_in_by_openssl(laptop, &authority, &own, &post.passwords["anna"].text);
}

/// What others get to see of the server is as it should be. Here, nobody has its records, and nobody else has mail.
fn box_looks_at_its_mail(post: &Post) {
    let found = post.host.post("/api/mail/check", &json!({}), 200);
    let findings = found["findings"].as_array().unwrap();
    for (id, state) in [
        ("helo", "ok"),
        ("starttls", "ok"),
        ("certificate:465", "ok"),
        ("certificate:993", "ok"),
        ("port_25_in", "unknown"),
        ("port_25_out", "unknown"),
        ("mx", "failed"),
        ("autoconfig", "warning"),
    ] {
        let finding = findings.iter().find(|finding| finding["id"] == id);
        let seen = finding.map(|finding| &finding["state"]);
        assert_eq!(seen, Some(&json!(state)), "{id}: {found:#}");
    }
    assert_eq!(post.host.cell.get("/api/mail/check"), found);
    let own = json!({ "greet": HOST });
    let refused = post.host.cell.owner.post("/api/mail/check", &own).unwrap();
    expect_status(&refused, 400);
}

/// They have what they were sent, say what becomes of it, and keep as much as they may.
fn people_write_to_each_other(post: &Post) {
    post.at_home(&["everyday"]);
    post.set(json!({ "quotas": { "ben": MailConfig::MIN_QUOTA_MIB } }));
    for name in ["family", "sales"] {
        let targets = BTreeSet::from(["ben".parse().unwrap()]);
        post.submit(Change::PutMailAlias {
            name: name.parse().unwrap(),
            targets,
        });
    }
    post.at_home(&["aliases", "family", "sales"]);
    post.at_home(&["fill", "ben", "62"]);
    post.at_home(&["full", "ben"]);
}

/// To its receivers by itself, or not at all.
fn mail_leaves_as_the_owner_wants(post: &Post) {
    let receiver = format!("friend@{OUTSIDE_NAME}");
    let mut server = post.host.cell.world.internet.command("timeout");
    server
        .args([LIMIT, "/usr/bin/python3", "-B", RECEIVER])
        .arg(OUTSIDE_WEB.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "ready");
    post.at_home(&["abroad", &receiver]);
    let mut next = || -> Value { serde_json::from_str(&said.next().unwrap().unwrap()).unwrap() };
    let brought = next();
    let sender = brought["sender"].as_str().unwrap();
    assert!(
        sender.starts_with(&format!("MAIL FROM:<anna@{DOMAIN}>")),
        "{brought}"
    );
    assert_eq!(
        brought["receivers"],
        json!([format!("RCPT TO:<{receiver}>")])
    );
    let text = brought["text"].as_str().unwrap();
    for word in ["User-Agent", "192.168.", "172.20."] {
        assert!(!text.contains(word), "{text}");
    }

    // A relay that does not show who it is gets neither the password nor the mail.
    let relay = |port: u16| {
        let relay = json!({ "host": OUTSIDE_NAME, "port": port, "username": "box" });
        let delivery = json!({ "mode": "relay", "relay": relay });
        post.set(json!({ "delivery": delivery, "relay_password": "an old dry well" }));
        post.at_home(&["abroad", &receiver]);
    };
    relay(587);
    let waits = || {
        post.logs()
            .contains("TLS is required, but was not offered")
            .then_some(())
    };
    assert!(wait_for(PATIENCE, waits).is_some(), "{}", post.logs());
    relay(465);
    assert_eq!(
        next(),
        json!({ "beginning": "1603" }),
        "TLS from the first byte on"
    );

    post.set(json!({ "delivery": { "mode": "receive_only" } }));
    // For some seconds, Postfix remembers where it would bring what it was asked a moment ago.
    post.at_home(&["only_receives", &format!("another.{receiver}")]);
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}

/// What a device of Ben's is signed in to ends with its password.
fn device_is_lost(post: &Post) {
    let laptop = &post.host.cell.world.laptop;
    let begin = |(story, name, began)| {
        let mut device = post.program(laptop, CLIENT, HOST, &[story, name]);
        let mut device = device.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(device.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, began, "{}", post.logs());
        (device, said)
    };
    let mut devices = [("idle", "ben", "idle\n"), ("hold", "ben", "held\n")].map(begin);
    let end = |password: &str, devices: &mut [(Child, BufReader<ChildStdout>)]| {
        let lost = Instant::now();
        post.host.remove_app_password(&post.passwords[password].id);
        for (device, said) in devices {
            let mut line = String::new();
            said.read_to_string(&mut line).unwrap();
            assert!(line.ends_with("ended\n"), "{line}");
            assert!(device.wait().unwrap().success());
            let took = lost.elapsed();
            assert!(took < Duration::from_secs(5), "{took:?}\n{}", post.logs());
        }
    };
    end("ben", &mut devices);
    post.at_home(&["out", "ben"]);
    // Whoever has other passwords is in again at once, as often as one is lost.
    let again = Instant::now();
    let mut device = [begin(("hold", "anna", "held\n"))];
    end("other", &mut device);
    post.at_home(&["abroad", &format!("anna@{DOMAIN}")]);
    let took = again.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}\n{}", post.logs());
}

/// Nothing of Ben stays.
fn person_is_removed(post: &Post) {
    let mailbox = post.mailbox("ben");
    assert!(mailbox.join("Maildir").is_dir(), "{}", mailbox.display());
    let removed = post.host.cell.owner.delete("/api/auth/users/ben");
    expect_status(&removed.unwrap(), 204);
    let gone = wait_for(PATIENCE, || (!mailbox.exists()).then_some(()));
    assert!(gone.is_some(), "{}", post.logs());
    assert!(post.mailbox("anna").is_dir());
    let addresses = ["ben", "family"].map(|name| format!("{name}@{DOMAIN}"));
    post.at_home(&["out", "ben", &addresses[0], &addresses[1]]);
}
