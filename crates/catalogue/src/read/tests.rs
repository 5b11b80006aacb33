//! Manifests that are taken, and every kind that is refused.

use cell_model::container::Hand;
use cell_model::name::PartName;
use cell_model::toml_text::{Finding, TomlError};
use proptest::prelude::*;

use crate::manifest::{Accounts, LetIn, Manifest, Probe, WellKnown};
use crate::setting::SettingKind;
use crate::template::{Values, Variable};

const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";

/// A manifest with something of everything.
const WHOLE: &str = r#"schema = 1
id = "calendar"
name = "Calendar and contacts"
summary = "Calendars and contacts on all your devices"
version = "3.5.4"
release = 2
requires = ["mail"]
internet = "It fetches the feeds that people subscribe to."

[[container]]
name = "radicale"
image = "radicale@DIGEST"
command = ["radicale", "--hosts", "0.0.0.0:5232", "--zone", "{time_zone}"]
capabilities = ["NET_BIND_SERVICE"]
memory_mib = 128
cpu_percent = 50
processes = 32
scratch = ["/tmp"]
health = { http = "/.web/", port = 5232, start_s = 30 }

[container.environment]
BASE = "https://{host.calendar}/{setting.base}"

[[container.mount]]
volume = "data"
path = "/var/lib/radicale"

[[container]]
name = "feeds"
image = "feeds@DIGEST"
memory_mib = 64
cpu_percent = 10
processes = 8
health = { command = ["feeds", "--check"] }

[[volume]]
name = "data"
backup = true
max_mib = 1024

[[route]]
host = "calendar"
backend = "radicale:5232"
max_body_mib = 100
well_known = { caldav = "/", carddav = "/" }

[[port]]
protocol = "tcp"
port = 5233
backend = "radicale:5233"

[[edge]]
from = "feeds"
to = "mail/postfix:587"

[accounts]
header = "X-Remote-User"

[[setting]]
key = "base"
label = "Folder"
help = "Where calendars begin."
kind = "text"
max = 20
default = "dav"

[[setting]]
key = "feed_key"
label = "Key of the feeds"
kind = "secret"

[[guide]]
platform = "ios"
steps = ["Open Settings > Calendar, then \"Other\".", "Enter https://{host.calendar}/ and {username}."]
"#;

fn parse(text: &str) -> Result<Manifest, TomlError> {
    Manifest::parse(text.replace("DIGEST", DIGEST).as_bytes())
}

/// What is wrong when `old` is replaced in the whole manifest.
fn findings(old: &str, new: &str) -> Vec<Finding> {
    assert_eq!(WHOLE.matches(old).count(), 1, "{old}");
    let parsed = parse(&WHOLE.replace(old, new));
    parsed.expect_err(&format!("{new} is taken")).findings
}

#[test]
fn whole_manifest_is_read() {
    let manifest = parse(WHOLE).unwrap();
    assert_eq!((manifest.id.as_str(), manifest.release), ("calendar", 2));
    assert_eq!(manifest.containers.len(), 2);
    let radicale = manifest.container(&"radicale".parse().unwrap()).unwrap();
    assert_eq!(radicale.image.to_string(), format!("radicale@{DIGEST}"));
    assert_eq!(radicale.limits.memory_mib, 128);
    let probe = Probe::Http {
        port: 5232,
        path: "/.web/".to_owned(),
    };
    assert_eq!(
        (&radicale.health.probe, radicale.health.start_s),
        (&probe, 30)
    );
    assert_eq!(radicale.health.interval_s, 30, "as the docs say");
    let values = Values::from([
        (
            Variable::Host("calendar".parse().unwrap()),
            "calendar.home.cell".to_owned(),
        ),
        (Variable::Setting("base".parse().unwrap()), "dav".to_owned()),
    ]);
    let base = radicale.environment["BASE"].fill(&values).unwrap();
    assert_eq!(base, "https://calendar.home.cell/dav");
    assert_eq!(manifest.routes[0].well_known[&WellKnown::CalDav], "/");
    assert_eq!(manifest.edges[0].to.container.as_str(), "postfix");
    let accounts = Accounts {
        header: Some("X-Remote-User".to_owned()),
        ..Accounts::default()
    };
    assert_eq!(manifest.accounts, Some(accounts));
    assert_eq!(manifest.settings[1].kind, SettingKind::Secret);
    assert!(manifest.volumes[0].backup);
}

#[test]
fn each_refusal_of_the_catalogue_is_told_at_its_line() {
    let container = "memory_mib = 128\n";
    let with = |line: &str| format!("{container}{line}\n");
    let large = format!("summary = \"{}\"", "x".repeat(Manifest::MAX_BYTES));
    for (old, new, line, told) in [
        (
            container,
            with("privileged = true").as_str(),
            16,
            "container.privileged is refused",
        ),
        (
            container,
            &with("network = \"host\""),
            16,
            "namespaces of its own",
        ),
        (
            container,
            &with("network_mode = \"host\""),
            16,
            "namespaces of its own",
        ),
        (
            container,
            &with("pid = \"host\""),
            16,
            "namespaces of its own",
        ),
        (
            container,
            &with("ipc = \"host\""),
            16,
            "namespaces of its own",
        ),
        (
            container,
            &with("userns = \"host\""),
            16,
            "namespaces of its own",
        ),
        (
            container,
            &with("devices = [\"/dev/sda\"]"),
            16,
            "no device of the box",
        ),
        (
            container,
            &with("security_opt = [\"seccomp=unconfined\"]"),
            16,
            "profiles that confine",
        ),
        (
            container,
            &with("apparmor = \"unconfined\""),
            16,
            "profiles that confine",
        ),
        (
            container,
            &with("volumes = [\"/etc:/etc\"]"),
            16,
            "no folder of the box",
        ),
        (container, &with("ports = [\"80:80\"]"), 16, "[[route]]"),
        (
            "volume = \"data\"\n",
            "source = \"/var/run/podman.sock\"\n",
            25,
            "no folder of the box",
        ),
        (
            "volume = \"data\"\n",
            "volume = \"/etc\"\n",
            25,
            "lower-case letters",
        ),
        (
            "path = \"/var/lib/radicale\"",
            "path = \"/proc\"",
            26,
            "is refused: /, /proc",
        ),
        (
            "path = \"/var/lib/radicale\"",
            "path = \"../data\"",
            26,
            "must be an absolute path",
        ),
        (
            "\"NET_BIND_SERVICE\"",
            "\"SYS_ADMIN\"",
            14,
            "power over the machine",
        ),
        (
            "\"NET_BIND_SERVICE\"",
            "\"ALL\"",
            14,
            "power over the machine",
        ),
        ("\"NET_BIND_SERVICE\"", "\"FLY\"", 14, "not a capability"),
        ("radicale@DIGEST", "radicale:3.5", 12, "pinned by a digest"),
        (
            "radicale@DIGEST",
            "radicale:latest",
            12,
            "pinned by a digest",
        ),
        (
            "radicale@DIGEST",
            "docker.io/radicale@DIGEST",
            12,
            "must not name a registry",
        ),
        (
            "host = \"calendar\"",
            "host = \"admin\"",
            42,
            "the box keeps api, webui, admin",
        ),
        ("host = \"calendar\"", "host = \"ns1\"", 42, "the box keeps"),
        (
            "backend = \"radicale:5232\"\nmax",
            "backend = \"127.0.0.1:8443\"\nmax",
            43,
            "never the box itself",
        ),
        (
            "backend = \"radicale:5232\"\nmax",
            "backend = \"localhost:8443\"\nmax",
            43,
            "never the box itself",
        ),
        (
            "backend = \"radicale:5232\"\nmax",
            "backend = \"[::1]:8443\"\nmax",
            43,
            "never the box itself",
        ),
        (
            "backend = \"radicale:5232\"\nmax",
            "backend = \"celld:8443\"\nmax",
            43,
            "never the box itself",
        ),
        (
            "backend = \"radicale:5232\"\nmax",
            "backend = \"postfix:25\"\nmax",
            43,
            "of this service",
        ),
        ("\"--hosts\"", "\"a; reboot\"", 13, "shells act on it"),
        (
            "BASE = \"https://{host.calendar}/{setting.base}\"",
            "BASE = \"$(id)\"",
            22,
            "shells act on it",
        ),
        (
            "command = [\"radicale\", \"--hosts\", \"0.0.0.0:5232\", \"--zone\", \"{time_zone}\"]",
            "command = \"radicale --hosts x\"",
            13,
            "no shell reads it",
        ),
        (
            "release = 2\n",
            "release = 2\nhooks = [\"rm\"]\n",
            7,
            "a manifest is data",
        ),
        (
            "summary = \"Calendars and contacts on all your devices\"",
            &large,
            1,
            "larger than 256 KiB",
        ),
    ] {
        let found = findings(old, new);
        let first = found.iter().find(|finding| finding.message.contains(told));
        let first = first.unwrap_or_else(|| panic!("{new}: {found:?}"));
        assert_eq!(first.position.line, line, "{new}: {first}");
    }
}

/// A document of a host of its own.
const DOCUMENT: &str = "[[document]]\nhost = \"autoconfig\"\npath = \"/a.xml\"\nmedia_type = \"application/xml\"\n\
                        text = \"\"\"\n<a>\n  {host.calendar} {domain}\n</a>\n\"\"\"\n";

#[test]
fn document_is_read_with_its_places() {
    let manifest = parse(&format!("{WHOLE}\n{DOCUMENT}")).unwrap();
    let document = &manifest.documents[0];
    assert_eq!(document.host.as_str(), "autoconfig");
    assert_eq!(document.path, "/a.xml");
    let values = Values::from([
        (Variable::Domain, "home.cell".to_owned()),
        (
            Variable::Host("calendar".parse().unwrap()),
            "calendar.home.cell".to_owned(),
        ),
    ]);
    let text = document.text.fill(&values).unwrap();
    assert_eq!(text, "<a>\n  calendar.home.cell home.cell\n</a>\n");
    let mut hosts: Vec<&str> = manifest.hosts().into_iter().map(PartName::as_str).collect();
    hosts.retain(|host| ["autoconfig", "calendar"].contains(host));
    assert_eq!(hosts, ["autoconfig", "calendar"]);
}

#[test]
fn document_that_could_be_something_else_is_refused() {
    for (old, new, told) in [
        ("\"autoconfig\"", "\"calendar\"", "that of a [[route]]"),
        ("\"autoconfig\"", "\"admin\"", "the box keeps"),
        ("\"/a.xml\"", "\"a.xml\"", "begins with a slash"),
        ("\"/a.xml\"", "\"/%61.xml\"", "begins with a slash"),
        ("\"/a.xml\"", "\"/*\"", "begins with a slash"),
        ("\"/a.xml\"", "\"/b/../a.xml\"", "steps back"),
        ("\"/a.xml\"", "\"/./a.xml\"", "steps back"),
        ("\"/a.xml\"", "\"/b//a.xml\"", "steps back"),
        ("\"/a.xml\"", "\"/b/\"", "steps back"),
        ("application/xml", "text/html", "must be one of"),
        ("{domain}", "{username}", "can be told in [accounts]"),
        ("{domain}", "{host.other}", "is no host"),
    ] {
        let document = DOCUMENT.replace(old, new);
        let error = parse(&format!("{WHOLE}\n{document}")).unwrap_err();
        assert!(error.to_string().contains(told), "{new}: {error}");
    }
    let twice = DOCUMENT.replace("/a.xml", "/A.XML");
    let error = parse(&format!("{WHOLE}\n{DOCUMENT}\n{twice}")).unwrap_err();
    assert!(
        error.to_string().contains("another [[document]]"),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_together_is_told() {
    for (old, new, told) in [
        (
            "schema = 1",
            "schema = 2",
            "needs a newer version of the box",
        ),
        (
            "id = \"calendar\"",
            "id = \"Calendar\"",
            "lower-case letters",
        ),
        (
            "[\"mail\"]",
            "[\"calendar\"]",
            "must not name the service itself",
        ),
        (
            "[\"mail\"]",
            "[\"mail\", \"mail\"]",
            "must name mail only once",
        ),
        ("[\"mail\"]", "[]", "listed in requires"),
        (
            "name = \"feeds\"",
            "name = \"radicale\"",
            "that of another container",
        ),
        (
            "volume = \"data\"",
            "volume = \"other\"",
            "a [[volume]] of this service",
        ),
        (
            "name = \"data\"",
            "name = \"other\"",
            "the volume other is in no container",
        ),
        (
            "scratch = [\"/tmp\"]",
            "scratch = [\"/var\"]",
            "is in another mount or scratch folder",
        ),
        ("memory_mib = 128\n", "", "container.memory_mib is missing"),
        (
            "memory_mib = 128",
            "memory_mib = 0",
            "must be a whole number from 8 to 16384",
        ),
        (
            "memory_mib = 128",
            "memory_mib = \"128\"",
            "must be a whole number",
        ),
        ("processes = 32", "processes = -1", "must be a whole number"),
        (
            "http = \"/.web/\", port = 5232, start_s = 30",
            "",
            "must have a port, with or without http, or a command",
        ),
        ("http = \"/.web/\"", "http = \"web\"", "begins with a slash"),
        (
            "command = [\"feeds\", \"--check\"]",
            "command = []",
            "or a command",
        ),
        ("BASE =", "base =", "upper-case letters"),
        ("BASE =", "LD_PRELOAD =", "upper-case letters"),
        (
            "{setting.base}",
            "{setting.feed_key}",
            "the container finds it in /run/secrets",
        ),
        ("{setting.base}", "{setting.none}", "is no [[setting]]"),
        (
            "{host.calendar}/{setting",
            "{host.none}/{setting",
            "is no host of a [[route]]",
        ),
        (
            "\"{time_zone}\"",
            "\"{username}\"",
            "can be told in [accounts] or a [[guide]] only",
        ),
        ("backup = true\n", "", "volume.backup is missing"),
        (
            "well_known = { caldav = \"/\",",
            "well_known = { gopher = \"/\",",
            "knows caldav and carddav only",
        ),
        (
            "port = 5233\nbackend",
            "port = 8443\nbackend",
            "the box answers this port itself",
        ),
        (
            "radicale:5233",
            "radicale:5232",
            "could say that they are anybody",
        ),
        (
            "name = \"feeds\"",
            "name = \"localhost\"",
            "taken for the box itself",
        ),
        (
            "protocol = \"tcp\"",
            "protocol = \"sctp\"",
            "must be one of: tcp, udp",
        ),
        (
            "from = \"feeds\"",
            "from = \"none\"",
            "a [[container]] of this service",
        ),
        (
            "mail/postfix:587",
            "postfix:587",
            "must be a service, a slash",
        ),
        (
            "X-Remote-User",
            "Authorization",
            "begins with X- or Remote-",
        ),
        (
            "X-Remote-User",
            "X-Forwarded-For",
            "begins with X- or Remote-",
        ),
        (
            "key = \"feed_key\"",
            "key = \"base\"",
            "that of another setting",
        ),
        (
            "default = \"dav\"",
            "default = \"a longer text than twenty\"",
            "at most 20 characters",
        ),
        (
            "kind = \"secret\"",
            "kind = \"password\"",
            "must be one of: text, number",
        ),
        (
            "kind = \"secret\"",
            "kind = \"secret\"\ndefault = \"x\"",
            "setting.default is not a setting",
        ),
        (
            "platform = \"ios\"",
            "platform = \"symbian\"",
            "must be one of: android",
        ),
        (
            "backend = \"radicale:5232\"\nmax",
            "backend = \"radicale:0\"\nmax",
            "a colon and a port",
        ),
    ] {
        let found = findings(old, new);
        assert!(
            found.iter().any(|finding| finding.message.contains(told)),
            "{new}: {found:?}"
        );
    }
}

#[test]
fn what_mail_is_sent_with_is_handed_to_mail_alone() {
    for hand in ["dkim", "relay"] {
        let more = PORTS.replace("\"certificate\"]", &format!("\"certificate\", \"{hand}\"]"));
        assert!(parse(&more).is_ok(), "{hand}");
        let other = more.replace("id = \"mail\"", "id = \"post\"");
        let findings = parse(&other).expect_err(hand).findings;
        let told = format!("the hand {hand} is for the service mail alone");
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].message, told);
    }
}

/// A service that answers at ports, asks who somebody is, and is handed its certificate.
const PORTS: &str = r#"schema = 1
id = "mail"
name = "Mail"
summary = "A mailbox for everybody"
version = "1"
release = 1
internet = "It sends mail."

[[container]]
name = "dovecot"
image = "dovecot@DIGEST"
memory_mib = 128
cpu_percent = 50
processes = 32
hands = ["people", "certificate"]
reload = ["doveadm", "reload"]
internet = false
health = { port = 10024 }

[[port]]
protocol = "tcp"
port = 993
backend = "dovecot:10993"
host = "mail"

[[port]]
protocol = "tcp"
port = 4190
backend = "dovecot:14190"
host = "mail"
from = "home"

[accounts]
socket = true
remove = { container = "dovecot", command = ["remove", "{username}"] }

[[accounts.end]]
container = "dovecot"
command = ["doveadm", "kick", "{username}"]

[[accounts.end]]
container = "dovecot"
command = ["again", "{network}", "{username}"]

[[guide]]
platform = "linux"
steps = ["The server is {host.mail}."]
"#;

#[test]
fn ports_have_a_host_and_people_are_asked_for_at_a_socket() {
    let manifest = parse(PORTS).unwrap();
    let dovecot = &manifest.containers[0];
    let hands: Vec<Hand> = dovecot.hands.iter().copied().collect();
    assert_eq!(hands, [Hand::People, Hand::Certificate]);
    assert!(!dovecot.internet && dovecot.reload.len() == 2);
    let ports = manifest.ports.iter();
    let doors: Vec<_> = ports.map(|port| (port.port, port.from)).collect();
    assert_eq!(doors, [(993, LetIn::Internet), (4190, LetIn::Home)]);
    let accounts = manifest.accounts.unwrap();
    assert_eq!((accounts.header, accounts.socket), (None, true));
    let remove = accounts.remove.unwrap();
    let values = Values::from([
        (Variable::Network, "172.20.0.0/16".to_owned()),
        (Variable::Username, "anna".to_owned()),
    ]);
    let ends = accounts.end.iter().map(|end| end.command[1].fill(&values));
    let ends: Result<Vec<_>, _> = ends.collect();
    assert_eq!(ends.unwrap(), ["kick", "172.20.0.0/16"]);
    assert_eq!(remove.container.as_str(), "dovecot");
    assert_eq!(remove.command[1].fill(&values).unwrap(), "anna");
}

#[test]
fn what_is_handed_in_and_asked_for_goes_together() {
    for (old, new, told) in [
        ("socket = true\n", "", "accounts.header is missing"),
        ("hands = [\"people\", ", "hands = [", "go together"),
        ("\"certificate\"]", "\"root\"]", "must be one of: people"),
        (
            "hands = [\"people\", \"certificate\"]\n",
            "",
            "must go with hands",
        ),
        ("\"kick\", \"{username}\"", "\"kick\"", "must say whom"),
        (
            "container = \"dovecot\"\ncommand = [\"again\"",
            "container = \"none\"\ncommand = [\"again\"",
            "a [[container]] of this service",
        ),
        (
            "remove = {",
            "end = { container = \"dovecot\", command = [\"{username}\"] }\nremove = {",
            "duplicate key",
        ),
        (
            "\"doveadm\", \"reload\"",
            "\"doveadm\", \"{username}\"",
            "can be told in [accounts]",
        ),
        ("from = \"home\"", "from = \"moon\"", "must be one of: home"),
        (
            "backend = \"dovecot:10993\"\nhost = \"mail\"",
            "backend = \"dovecot:10993\"\nhost = \"admin\"",
            "the box keeps",
        ),
        ("{host.mail}", "{host.post}", "[[document]] or [[port]]"),
        (
            "internet = false",
            "internet = \"no\"",
            "must be true or false",
        ),
        (
            "health = { port = 10024 }",
            "scratch = [\"/run/box/people\"]\nhealth = { port = 10024 }",
            "/run/box are not for services",
        ),
    ] {
        assert_eq!(PORTS.matches(old).count(), 1, "{old}");
        let parsed = parse(&PORTS.replace(old, new));
        let found = parsed.expect_err(new).findings;
        assert!(
            found.iter().any(|finding| finding.message.contains(told)),
            "{new}: {found:?}"
        );
    }
    let nameless = PORTS
        .replace("host = \"mail\"\n", "")
        .replace("{host.mail}", "it");
    let found = parse(&nameless).unwrap_err().findings;
    assert!(
        found[0].message.contains("needs a [[port]] with a host"),
        "{found:?}"
    );
}

#[test]
fn people_sign_in_as_at_another_service() {
    let there = WHOLE.replace("header = \"X-Remote-User\"", "service = \"mail\"");
    let accounts = parse(&there).unwrap().accounts.unwrap();
    let mail = "mail".parse().unwrap();
    assert_eq!((accounts.header, accounts.service), (None, Some(mail)));
    for (other, told) in [("files", "listed in requires"), ("No!", "accounts.service")] {
        let text = there.replace("service = \"mail\"", &format!("service = \"{other}\""));
        let found = parse(&text).unwrap_err().findings;
        assert!(found[0].message.contains(told), "{found:?}");
    }
}

#[test]
fn one_look_tells_everything_in_the_order_of_the_text() {
    let text = WHOLE
        .replace("memory_mib = 128", "memory_mib = 0")
        .replace("host = \"calendar\"", "host = \"www\"")
        .replace("kind = \"secret\"", "kind = \"key\"");
    let found = parse(&text).unwrap_err().findings;
    let lines: Vec<_> = found.iter().map(|finding| finding.position.line).collect();
    // The two uses of the host that is gone are told as well.
    assert!(lines.is_sorted() && lines.len() >= 5, "{found:?}");
    assert!(parse("").is_err() && parse("schema = 1").is_err());
    let no_container =
        "schema = 1\nid = \"a\"\nname = \"A\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n";
    let found = parse(no_container).unwrap_err().findings;
    assert!(found[0].message.contains("nothing to run"), "{found:?}");
}

#[test]
fn text_that_is_deep_or_long_is_refused_and_costs_little() {
    let deep = |open: &str| format!("id = {}", open.repeat(100_000));
    let many = "[[container]]\n".repeat(10_000);
    let keys: String = (0..20_000)
        .map(|number| format!("k{number} = 1\n"))
        .collect();
    let long = format!("[{}]\n", vec!["a"; 60_000].join("."));
    for text in [deep("["), deep("{a="), many, keys, long] {
        let found = Manifest::parse(text.as_bytes()).unwrap_err().findings;
        assert!((1..=100).contains(&found.len()), "{}", found.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_change_of_the_text_makes_it_panic(at in 0_usize..2_000, cut in 0_usize..40, put in "[\\PC\"\\[\\]{}=\n]{0,8}") {
        let mut characters: Vec<char> = WHOLE.chars().collect();
        let at = at.min(characters.len());
        let end = (at + cut).min(characters.len());
        characters.splice(at..end, put.chars());
        let _ = parse(&characters.into_iter().collect::<String>());
    }
}
