//! Two boxes write to each other, over an internet that has what their pages say about them; and strangers try.
//!
//! ```text
//! owner ── box alpha ── 203.0.113.0/24 ── names and strangers ── 198.51.100.0/24 ── box beta ── owner
//! ```
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cell_testkit::vm::{Forward, Nic};
use cell_testkit::{Namespace, Request, wait_for};
use cell_tests::mail::{SENDER, python, sign_in_by_openssl};
use cell_tests::vm::{Appliance, BOOTS, CABLE, lay_cable, seeded_image};
use cell_tests::{DOMAIN, OWNER, browser, expect_status, seed_answers};
use serde_json::{Value, json};

/// What is neither of the boxes, and nothing they are made of.
const OTHERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vm/mail.py");
/// Where the owners' programs ask for names, and where what they send comes from; see [`Appliance`].
const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// What QEMU gives a box, and so what a box says of where it is.
const BOX: &str = "10.0.2.15";
/// A server that is neither of the boxes; its mail is as that of others.
const STRANGER: &str = "www.example.net";
/// MiB of memory: mail has room for a GiB, of which it uses a third, and webmail comes to it.
const MEMORY: u32 = 2_048;
/// How long two boxes at once may take to fill and start what they were given: minutes of a processor that they share.
const STARTS: Duration = Duration::from_secs(3 * BOOTS.as_secs());
/// MiB that a person may keep, the least there is.
const QUOTA: u64 = 64;

/// A box, with the domain that it has mail for.
struct Post {
    appliance: Appliance,
    domain: String,
    address: Ipv4Addr,
    folder: tempfile::TempDir,
    passwords: BTreeMap<&'static str, String>,
    /// What the box says to the owner of their mail.
    own: Value,
}

impl Post {
    fn start(internet: &Namespace, name: &str, address: Ipv4Addr) -> Self {
        let domain = format!("{name}.example");
        let folder = tempfile::tempdir().unwrap();
        let router = router(address);
        let seed = format!(
            "hostname = \"{name}\"\n[network]\nwan = \"eth1\"\nlan = \"eth0\"\nlan_addressing = \"dhcp\"\n\
             wan_addressing = {{ address = \"{address}/24\", gateway = \"{router}\" }}\n{}endpoint = \"{address}\"\n",
            seed_answers().replace(DOMAIN, &domain)
        );
        let appliance = Appliance::start_with(|options| {
            options.disk = seeded_image(folder.path(), &seed);
            options.memory = MEMORY;
            if let Some(Nic::User(forwards)) = options.nics.first_mut() {
                forwards.extend([443, 465, 587, 993].map(|port| Forward {
                    protocol: "tcp",
                    outside: format!("{BOX}:{port}").parse().unwrap(),
                    inside: port,
                }));
            }
            let host = options.namespace.as_ref().unwrap();
            be_at_home(host);
            lay_cable(host, internet, name, router);
            options.nics.push(Nic::Tap(CABLE.to_owned()));
        });
        Self {
            appliance,
            domain,
            address,
            folder,
            passwords: BTreeMap::new(),
            own: Value::Null,
        }
    }

    /// Installs mail, has it reached from outside, and has names asked where those of the internet are.
    fn set_up(&mut self, names: Ipv4Addr) {
        self.appliance.sign_in();
        let owner = &self.appliance.owner;
        let installed = owner.post("/api/store/mail/install", &json!({})).unwrap();
        expect_status(&installed, 201);
        let mut config = self.appliance.get("/api/config");
        config["dns"]["upstreams"] = json!([{ "address": names.to_string() }]);
        let reply = owner.put("/api/config", &config).unwrap();
        assert!(reply.status < 300, "{}", reply.text());
        let ca = owner.get("/ca.pem").unwrap().text();
        fs::write(self.authority(), ca).unwrap();
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn wait_well(&self, service: &str) {
        let path = format!("/api/services/active/{service}");
        let view = || self.appliance.get(&path)["service"].clone();
        let well = wait_for(STARTS, || (view()["state"] == "ok").then_some(()));
        assert!(well.is_some(), "{}", view());
    }

    /// Has webmail, too.
    fn add_webmail(&self) {
        self.appliance.prove_password();
        let owner = &self.appliance.owner;
        let installed = owner.post("/api/store/webmail/install", &json!({}));
        expect_status(&installed.unwrap(), 201);
        self.wait_well("webmail");
        let host = self.webmail();
        let answers = wait_for(BOOTS, || {
            let mut curl = self.appliance.host.command("curl");
            curl.args(["--silent", "--max-time", "60", "--cacert"])
                .arg(self.authority())
                .arg(format!("https://{host}/"));
            curl.output().unwrap().status.success().then_some(())
        });
        assert!(answers.is_some(), "{host} does not answer");
    }

    fn wait_mail(&mut self) {
        self.wait_well("mail");
        self.appliance.prove_password();
        let owner = &self.appliance.owner;
        let published = owner.put("/api/services/active/mail", &json!({ "published": true }));
        expect_status(&published.unwrap(), 200);
        let ben = json!({ "username": "ben", "password": "another long river", "role": "member" });
        expect_status(&owner.post("/api/auth/users", &ben).unwrap(), 201);
        for name in [OWNER, "ben"] {
            let form = json!({ "device": "laptop", "username": name, "services": ["mail"] });
            let made = owner.post("/api/app-passwords", &form).unwrap();
            expect_status(&made, 201);
            let password = made.json()["password"].as_str().unwrap().to_owned();
            self.passwords.insert(name, password);
        }
        self.own = self.appliance.get("/api/peer/mail");
    }

    /// What the box says the internet should know of it, as a file.
    fn zone(&self) -> PathBuf {
        let records = self.appliance.get("/api/mail/records");
        let path = self.folder.path().join("zone");
        let zone = records["zone"].as_str().unwrap();
        fs::write(&path, zone).unwrap();
        path
    }

    /// Waits until the box finds a domain: while nobody answered for the internet, it learned that nobody does.
    fn wait_found(&self, domain: &str) {
        let server = format!("@{HOME}");
        let found = wait_for(BOOTS, || {
            let mut dig = self.appliance.host.command("dig");
            dig.args(["+short", "+time=5", "+tries=1", &server, domain, "MX"]);
            let output = dig.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.contains(&format!("mail.{domain}")).then_some(())
        });
        assert!(found.is_some(), "{} does not find {domain}", self.domain);
    }

    /// Has mail signed with the only key.
    fn sign(&self) {
        let keys = self.appliance.get("/api/mail/dkim");
        let selector = keys["items"][0]["selector"].as_str().unwrap();
        let path = format!("/api/mail/dkim/{selector}/sign");
        let owner = &self.appliance.owner;
        let token = owner.csrf_token().unwrap().unwrap_or_default();
        let sign = Request::new("POST", path).header("x-csrf-token", token);
        expect_status(&owner.send(&sign).unwrap(), 204);
    }

    fn webmail(&self) -> String {
        format!("webmail.{}", self.domain)
    }

    fn address(&self) -> &str {
        self.own["address"].as_str().unwrap()
    }

    /// A program of somebody's; what it says.
    fn program_of(&self, name: &str, story: &str, words: &[&str]) -> String {
        let mut own = self.own.clone();
        own["username"] = json!(name);
        let mut program = others(&self.appliance.host);
        program
            .arg(story)
            .arg(self.authority())
            .args(words)
            .env("MAIL", own.to_string())
            .env("PASSWORD", &self.passwords[name]);
        said(&mut program)
    }

    fn program(&self, story: &str, words: &[&str]) -> String {
        self.program_of(OWNER, story, words)
    }

    fn send(&self, to: &Self, subject: &str) {
        self.program("send", &[to.address(), subject]);
    }

    /// Sends a message by swaks, which begins in the clear.
    fn send_by_swaks(&self, to: &Self, subject: &str) {
        let servers = self.own["servers"].as_array().unwrap();
        let mut servers = servers.iter();
        let server = servers
            .find(|server| server["protocol"] == "smtp" && server["security"] == "start_tls")
            .unwrap();
        let mut swaks = self.appliance.host.command("swaks");
        swaks
            .args(["--server", server["host"].as_str().unwrap()])
            .args(["--port", &server["port"].to_string()])
            .args(["--tls", "--tls-verify", "--tls-ca-path"])
            .arg(self.authority())
            .args(["--auth", "PLAIN", "--auth-user"])
            .arg(self.own["username"].as_str().unwrap())
            .env("SWAKS_OPT_auth_password", &self.passwords[OWNER])
            .args(["--from", self.address(), "--to", to.address()])
            .args(["--header", &format!("Subject: {subject}")])
            .args(["--body", "Hello from here.\n"])
            .args(["--timeout", "240s"]);
        said(&mut swaks);
    }

    /// A message, and before it the folder that it lies in.
    fn fetch(&self, subject: &str) -> String {
        self.program("fetch", &[subject])
    }

    /// A server elsewhere brings something, or somebody there tries what is not theirs.
    fn is_met_from(&self, elsewhere: &Namespace, story: &str) {
        let passwords = &self.passwords;
        let known = passwords
            .iter()
            .map(|(name, text)| (*name, &**text))
            .collect();
        let at = (
            &*self.address.to_string(),
            &*format!("mail.{}", self.domain),
        );
        let mut server = python(elsewhere, SENDER, at, &self.authority(), &known);
        said(server.arg(story));
    }

    /// What mail has said of late.
    fn logs(&self) -> String {
        let logs = self
            .appliance
            .get("/api/services/active/mail/logs?limit=1000");
        logs.to_string()
    }

    /// Answers a message in a browser, and has what comes next with this word put into a folder.
    fn reply(&self, subject: &str, text: &str, word: &str, folder: &str) {
        let host = self.webmail();
        let given = json!({
            "story": "reply", "resolve": format!("MAP {host} {BOX}"), "patience_ms": 240_000,
            "username": OWNER, "password": self.passwords[OWNER], "subject": subject, "text": text,
            "rule": { "name": "Sorted", "word": word, "folder": folder },
        });
        let base = format!("https://{host}");
        let seen = browser::run(&self.appliance.host, &base, "webmail.mjs", given);
        for (step, expected) in [
            ("text", json!("Hello from here.")),
            ("elsewhere", json!([])),
            ("failed", json!([])),
            ("complaints", json!([])),
        ] {
            assert_eq!(seen[step], expected, "{step}: {seen:#}");
        }
    }

    /// Has the owner keep no more than the least quota, of which next to nothing is left.
    fn fill(&self) {
        let owner = &self.appliance.owner;
        let quota = json!({ "quotas": { OWNER: QUOTA } });
        expect_status(&owner.put("/api/mail", &quota).unwrap(), 200);
        self.program("fill", &[&(QUOTA - 1).to_string()]);
    }
}

/// The internet's own address on the cable of a box.
fn router(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, 1)
}

/// Has programs beside a box ask it for names, and reach it where it then says that it is.
fn be_at_home(host: &Namespace) {
    host.set_resolvers(&[HOME.into()]).unwrap();
    // QEMU takes only what comes from a loopback address to be from the router beside the box.
    host.ip(&format!(
        "addr add {BOX}/32 dev lo\nroute replace local {BOX} dev lo table local src {HOME} proto kernel scope host"
    ))
    .unwrap();
}

fn others(namespace: &Namespace) -> Command {
    let mut program = namespace.command("/usr/bin/python3");
    program.args(["-B", OTHERS]);
    program
}

/// What a program says that ends well.
#[track_caller]
fn said(program: &mut Command) -> String {
    let output = program.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}\n{text}\n{errors}");
    text
}

/// Names of the internet; ends when dropped.
struct Names(Child);

impl Names {
    fn start(internet: &Namespace, address: Ipv4Addr, zones: &[&Path]) -> Self {
        let mut server = others(internet)
            .args(["names", &address.to_string()])
            .args(zones)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = server.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let names = Self(server);
        assert_eq!(line, "ready\n");
        names
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whom a message is signed by, for a program that is not ours.
fn verify(internet: &Namespace, names: Ipv4Addr, message: &str) -> String {
    let mut program = others(internet);
    program.args(["verify", &names.to_string()]);
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(message.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{message}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "boots two boxes with mail; run by `cargo xtask test --long long_mail`"]
fn long_mail_goes_from_box_to_box_signed_and_no_stranger_is_served() {
    let internet = Namespace::create("internet").unwrap();
    internet.ip("link set lo up").unwrap();
    internet.set_sysctl("net.ipv4.ip_forward", "1").unwrap();
    let mut alpha = Post::start(&internet, "alpha", Ipv4Addr::new(203, 0, 113, 10));
    let mut beta = Post::start(&internet, "beta", Ipv4Addr::new(198, 51, 100, 10));
    let resolver = router(alpha.address);
    for post in [&mut alpha, &mut beta] {
        post.set_up(resolver);
    }
    for post in [&mut alpha, &mut beta] {
        post.wait_mail();
    }
    let zones = [
        alpha.zone(),
        beta.zone(),
        alpha.folder.path().join("others"),
    ];
    fs::write(&zones[2], format!("{STRANGER}. 3600 IN A {resolver}\n")).unwrap();
    let _names = Names::start(&internet, resolver, &zones.each_ref().map(PathBuf::as_path));
    for post in [&alpha, &beta] {
        post.sign();
    }
    alpha.wait_found(&beta.domain);
    beta.wait_found(&alpha.domain);

    for post in [&alpha, &beta] {
        let (host, authority) = (&post.appliance.host, post.authority());
        sign_in_by_openssl(host, &authority, &post.own, &post.passwords[OWNER]);
    }
    for (from, to) in [(&alpha, &beta), (&beta, &alpha)] {
        let subjects = ["", "by swaks "].map(|how| format!("{how}from {}", from.domain));
        from.send(to, &subjects[0]);
        from.send_by_swaks(to, &subjects[1]);
        for subject in subjects {
            let message = to.fetch(&subject);
            assert!(message.starts_with("X-Folder: INBOX\n"), "{message}");
            // What the receiving box found, and where it saw the message come from.
            for word in ["dkim=pass", "spf=pass", "dmarc=pass"] {
                assert!(message.contains(word), "{word}: {message}");
            }
            assert!(
                message.contains(&format!("[{}]", from.address)),
                "{message}"
            );
            let signed = verify(&internet, resolver, &message);
            assert_eq!(signed, format!("signed by {}\n", from.domain));
        }
    }

    strangers_are_refused(&beta, &internet, router(beta.address));

    // An answer from a browser, and rules.
    let subject = format!("from {}", alpha.domain);
    beta.add_webmail();
    beta.reply(&subject, "Gladly. Hello from here.", "minutes", "Trash");
    let answer = alpha.fetch(&format!("Re: {subject}"));
    for word in ["Gladly.", "dkim=pass", "spf=pass", "dmarc=pass"] {
        assert!(answer.contains(word), "{word}: {answer}");
    }
    let signed = verify(&internet, resolver, &answer);
    assert_eq!(signed, format!("signed by {}\n", beta.domain));
    alpha.send(&beta, "minutes of today");
    let sorted = beta.fetch("minutes of today");
    assert!(sorted.starts_with("X-Folder: Trash\n"), "{sorted}");

    // Whoever keeps too much is sent nothing more, and who writes is told.
    beta.fill();
    alpha.program("send", &[beta.address(), "large", "14"]);
    let report = alpha.fetch("Undelivered");
    assert!(report.contains("5.2.2"), "{report}");
    alpha.send(&beta, "small");
    let small = beta.fetch("small");
    assert!(small.starts_with("X-Folder: INBOX\n"), "{small}");
}

/// Strangers have nothing brought on, smuggle nothing in, break nothing and guess nothing; the real address of who tried is kept.
fn strangers_are_refused(post: &Post, internet: &Namespace, stranger: Ipv4Addr) {
    post.is_met_from(internet, "plain");
    post.is_met_from(internet, "relay");
    let denied = format!("from unknown[{stranger}]: 554 5.7.1");
    assert!(post.logs().contains(&denied), "{}", post.logs());

    post.is_met_from(internet, "smuggle");
    post.is_met_from(internet, "hostile");
    post.fetch("after all that");
    for (name, is_there) in [(OWNER, true), ("ben", false)] {
        let subjects = post.program_of(name, "subjects", &[]);
        let has = |subject| subjects.lines().any(|line| line == subject);
        assert!(!has("smuggled"), "{subjects}");
        assert_eq!(has("outer 0"), is_there, "{subjects}");
    }

    post.is_met_from(internet, "guess");
    let logs = post.logs();
    for known in [
        format!("(auth_failed): user=<ben>, method=PLAIN, rip={stranger}"),
        format!("unknown[{stranger}]: SASL PLAIN authentication failed"),
    ] {
        assert!(logs.contains(&known), "{known}: {logs}");
    }
    let found = post.appliance.get("/api/logs/search?q=account%3Dben");
    let known = format!("account=ben address={stranger} service=mail");
    assert!(found.to_string().contains(&known), "{found}");
    // Nobody at home has to wait.
    post.program_of("ben", "subjects", &[]);
}
