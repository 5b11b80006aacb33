//! What follows from services.

mod proxy;

use std::net::SocketAddrV4;
use std::sync::Arc;

use cell_model::secret::Secret;
use cell_model::spec::{AnswersSpec, DocumentSpec, FirewallContainers};

use super::ground::{FIRST_ID, IDS};
use super::*;
use crate::resolve::resolve as resolve_box;
use crate::sample::Sample;

const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";

/// A manifest with a head, and one container `web` that is as small as can be.
fn text(id: &str, head: &str, rest: &str) -> String {
    format!(
        "schema = 1\nid = \"{id}\"\nname = \"A\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n{head}\n\
         [[container]]\nname = \"web\"\nimage = \"a@{DIGEST}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
         health = {{ port = 80 }}\n{rest}"
    )
}

fn manifest(id: &str, head: &str, rest: &str) -> Manifest {
    let text = text(id, head, rest);
    Manifest::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn mail() -> Manifest {
    manifest(
        "mail",
        "",
        "[[port]]\nprotocol = \"tcp\"\nport = 993\nbackend = \"web:993\"\n",
    )
}

fn webmail() -> Manifest {
    let head = "requires = [\"mail\"]\ninternet = \"It asks for pictures.\"";
    let rest = r#"command = ["serve", "https://{host.post}/", "{setting.size}"]
[container.environment]
ZONE = "{time_zone}"
[[route]]
host = "post"
backend = "web:80"
well_known = { caldav = "/dav/" }
[[edge]]
from = "web"
to = "mail/web:143"
[accounts]
header = "X-Remote-User"
[[setting]]
key = "size"
label = "Size"
kind = "number"
min = 1
max = 9
default = 3
"#;
    manifest("webmail", head, rest)
}

fn no_answers() -> &'static BTreeMap<SettingKey, SettingValue> {
    static NONE: BTreeMap<SettingKey, SettingValue> = BTreeMap::new();
    &NONE
}

fn installed(manifest: &Manifest, slot: u16) -> Installed<'_> {
    Installed {
        manifest,
        data: DataConfig {
            slot,
            number: 1,
            lasting: 2,
        },
        answers: no_answers(),
        former: None,
    }
}

fn resolved(installed: &[Installed<'_>]) -> Services {
    let (domain, time_zone) = (
        "home.cell".parse().unwrap(),
        "Europe/Vienna".parse().unwrap(),
    );
    let place = Place {
        domain: &domain,
        time_zone: &time_zone,
        pool: "172.20.0.0/16".parse().unwrap(),
        resolver: Ipv4Addr::new(10, 31, 7, 1),
    };
    resolve(installed, &place)
}

/// A box with a service that answers at ports.
fn with_ports(id: &str) -> Sample {
    let rest = "hands = [\"people\", \"certificate\"]\ninternet = false\n\
        [[container]]\nname = \"out\"\nimage = \"a@DIGEST\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
        health = { port = 25 }\n\
        [[port]]\nprotocol = \"tcp\"\nport = 25\nbackend = \"out:10025\"\nhost = \"post\"\n\
        [[port]]\nprotocol = \"tcp\"\nport = 4190\nbackend = \"web:14190\"\nfrom = \"home\"\n\
        [accounts]\nsocket = true\n\
        [[accounts.end]]\ncontainer = \"web\"\ncommand = [\"kick\", \"{username}\"]\n\
        [[accounts.end]]\ncontainer = \"out\"\ncommand = [\"end\", \"{network}\", \"{username}\"]\n";
    let head = "internet = \"It sends.\"";
    let text = text(id, head, &rest.replace("DIGEST", DIGEST));
    let data = DataConfig {
        slot: 1,
        number: 1,
        lasting: 2,
    };
    let mut sample = Sample::two_armed();
    let config = sample.config.as_mut().unwrap();
    let service = ServiceConfig::new(text, data, BTreeMap::new());
    let id = id.parse().unwrap();
    config.services.installed.insert(id, Arc::new(service));
    sample
}

#[test]
fn port_is_open_for_the_service_that_has_it_alone() {
    let port = |from: &str| {
        format!(
            "[[port]]\nprotocol = \"tcp\"\nport = 25\nbackend = \"web:80\"\nfrom = \"{from}\"\n"
        )
    };
    let mut sample = Sample::two_armed();
    let config = sample.config.as_mut().unwrap();
    for (slot, (id, from, published)) in [("alpha", "home", false), ("mail", "internet", true)]
        .into_iter()
        .enumerate()
    {
        let slot = u16::try_from(slot + 1).unwrap();
        let data = DataConfig {
            slot,
            number: u32::from(slot) * 2,
            lasting: u32::from(slot) * 2 + 1,
        };
        let text = text(id, "", &port(from));
        let mut service = ServiceConfig::new(text, data, BTreeMap::new());
        service.published = published;
        let installed = &mut config.services.installed;
        installed.insert(id.parse().unwrap(), Arc::new(service));
    }
    // The second does not run: the first has its port, which is for home.
    let spec = resolve_box(&sample.input());
    assert!(spec.unfit_services.contains_key(&"mail".parse().unwrap()));
    assert_eq!(spec.firewall.containers.ports.len(), 1);
    assert!(spec.firewall.containers.public.is_empty());
    assert!(spec.firewall.services.is_empty());
}

#[test]
fn no_device_and_no_record_has_the_name_of_a_service() {
    let rest = "[[route]]\nhost = \"files\"\nbackend = \"web:80\"\n";
    let data = DataConfig {
        slot: 2,
        number: 3,
        lasting: 4,
    };
    let files = ServiceConfig::new(text("files", "", rest), data, BTreeMap::new());
    let files = Arc::new(files);
    for (name, code) in [
        ("files", "name_taken"),
        ("post", "name_taken"),
        ("phone", ""),
    ] {
        let mut sample = with_ports("mail");
        let config = sample.config.as_mut().unwrap();
        let installed = &mut config.services.installed;
        installed.insert("files".parse().unwrap(), Arc::clone(&files));
        sample.add_peer(name, 2);
        let config = sample.config.as_ref().unwrap();
        let verdict = crate::lint::check(config, &sample.facts, &crate::resolve::vpn_interface());
        let found = verdict
            .err()
            .map_or_else(String::new, |problem| problem.code.into_owned());
        assert_eq!(found, code, "{name}");
    }
}

#[test]
fn ports_are_named_vouched_for_and_open_to_the_internet_once_published() {
    let mut sample = with_ports("mail");
    let key = Secret::new(vec![1; 8]);
    let id: ServiceId = "mail".parse().unwrap();
    sample.keys.certificates.insert(id.clone(), key.clone());
    let spec = resolve_box(&sample.input());
    // Without a reverse proxy.
    let zone = spec.dns.zone.as_ref().unwrap();
    assert!(zone.services.contains(&"post".parse().unwrap()));
    let service = &spec.containers.services[0];
    assert_eq!(service.names, ["post.hut.cell".to_owned()].into());
    assert_eq!(service.certificate_key.as_ref(), Some(&key));
    let anna = "anna".parse().unwrap();
    let ends: Vec<_> = service.end.iter().map(|end| end.about(&anna)).collect();
    let network = sample.config.as_ref().unwrap().services.network.to_string();
    let second = ["end", &*network, "anna"];
    assert_eq!(ends, [&["kick", "anna"][..], &second]);
    let [web, out] = &service.containers[..] else {
        panic!("{service:?}");
    };
    assert_eq!((web.hands.len(), out.hands.len()), (2, 0));
    assert_eq!((web.resolver, out.resolver.is_some()), (None, true));
    let containers = &spec.firewall.containers;
    assert_eq!(containers.internet, [out.address].into());
    assert_eq!(containers.ports.len(), 2);
    assert_eq!(containers.public, BTreeSet::new());
    let behind: Vec<u16> = spec
        .firewall
        .services
        .iter()
        .map(|door| door.port)
        .collect();
    assert_eq!(
        behind,
        [14_190, 10_025],
        "of devices that were given mail alone"
    );

    let config = sample.config.as_mut().unwrap();
    let service = config.services.installed.get_mut(&id).unwrap();
    Arc::make_mut(service).published = true;
    let spec = resolve_box(&sample.input());
    let public = spec.firewall.containers.public.iter();
    let public: Vec<u16> = public.map(|port| port.port).collect();
    assert_eq!(public, [25], "the other one is for home");
    let config = sample.config.as_mut().unwrap();
    let service = config.services.installed.get_mut(&id).unwrap();
    Arc::make_mut(service).enabled = false;
    let spec = resolve_box(&sample.input());
    assert_eq!(
        spec.firewall.containers,
        FirewallContainers {
            resolver: spec.firewall.containers.resolver,
            ..FirewallContainers::default()
        }
    );
}

#[test]
fn toggle_of_mail_stands_for_webmail_and_not_for_others() {
    let behind = |id| {
        let spec = resolve_box(&with_ports(id).input());
        spec.firewall.services.len()
    };
    assert_eq!((behind("webmail"), behind("chat")), (2, 0));
}

#[test]
fn update_on_trial_works_on_copies_and_is_reached_by_nobody() {
    let volumes = "[[volume]]\nname = \"state\"\nbackup = true\n[[volume]]\nname = \"media\"\nbackup = true\n\
                   snapshot = false\n[[volume]]\nname = \"cache\"\nbackup = false\n";
    let ports = "[[port]]\nprotocol = \"tcp\"\nport = 993\nbackend = \"web:993\"\n";
    let mounts = |names: &[&str]| {
        let mount =
            |name| format!("[[container.mount]]\nvolume = \"{name}\"\npath = \"/{name}\"\n");
        names.iter().map(mount).collect::<String>()
    };
    let had = mounts(&["state", "media", "cache"]);
    let old = manifest("mail", "", &format!("{had}{ports}{volumes}"));
    let more = "[[volume]]\nname = \"index\"\nbackup = true\n";
    let has = had + &mounts(&["index"]);
    let new = manifest("mail", "", &format!("{has}{ports}{volumes}{more}"));
    let webmail = webmail();
    let mut updated = installed(&new, 9);
    updated.data.number = 7;
    updated.former = Some(Former {
        manifest: &old,
        number: 1,
    });
    let services = resolved(&[installed(&webmail, 4), updated.clone()]);
    assert_eq!(services.problems, BTreeMap::new());
    let mail = &services.containers.services[0];
    let kept = |name: &str| {
        let volume = mail.volumes[&name.parse::<PartName>().unwrap()];
        (volume.number, volume.copy_of)
    };
    assert_eq!(mail.data, 7);
    assert_eq!(kept("state"), (7, Some(1)));
    assert_eq!(kept("index"), (7, None), "the one before had none");
    for lasting in ["media", "cache"] {
        assert_eq!(kept(lasting), (2, None), "{lasting}");
    }
    assert!(services.flows.is_empty() && services.ports.is_empty());
    // Whoever may ask it otherwise is not made anew.
    updated.former = None;
    let after = resolved(&[installed(&webmail, 4), updated]);
    assert_eq!(
        after.containers.services[1],
        services.containers.services[1]
    );
    assert_eq!((after.flows.len(), after.ports.len()), (1, 1));
}

#[test]
fn service_reaches_what_it_was_given_and_nothing_else() {
    let (mail, webmail) = (mail(), webmail());
    let services = resolved(&[installed(&webmail, 4), installed(&mail, 9)]);
    assert_eq!(services.problems, BTreeMap::new());
    let [first, second] = &services.containers.services[..] else {
        panic!("{services:?}");
    };
    assert_eq!(
        (first.id.as_str(), second.id.as_str()),
        ("mail", "webmail"),
        "what is needed comes first"
    );
    assert_eq!(second.network, "172.20.0.128/27".parse().unwrap());
    assert_eq!(second.ids.first, FIRST_ID + 4 * IDS);
    assert_eq!(second.bridge.as_str(), "svc4");

    let web = &second.containers[0];
    assert_eq!(web.address, Ipv4Addr::new(172, 20, 0, 130));
    assert_eq!(web.command, ["serve", "https://post.home.cell/", "3"]);
    assert_eq!(web.environment["ZONE"], "Europe/Vienna");
    let mail_address = Ipv4Addr::new(172, 20, 1, 34);
    assert_eq!(
        web.hosts,
        BTreeMap::from([("web.mail".to_owned(), mail_address)])
    );
    assert_eq!(web.resolver, Some(Ipv4Addr::new(10, 31, 7, 1)));
    let flow = FlowSpec {
        from: web.address,
        to: SocketAddrV4::new(mail_address, 143),
    };
    assert_eq!(services.flows, BTreeSet::from([flow]));
    assert_eq!(services.internet, BTreeSet::from([web.address]));
    assert_eq!(
        first.containers[0].resolver, None,
        "who has no internet asks nobody for names"
    );

    let route = &services.routes[0];
    let backend = SocketAddrV4::new(web.address, 80);
    assert_eq!(route.answers, AnswersSpec::Backend(backend));
    assert_eq!(route.account_header.as_deref(), Some("X-Remote-User"));
    assert_eq!(route.well_known["caldav"], "/dav/");
    let port = services.ports.first().unwrap();
    assert_eq!(port.backend, SocketAddrV4::new(mail_address, 993));
}

/// Two documents of one host.
const DOCUMENTS: &str = "[[document]]\nhost = \"settings\"\npath = \"/a.xml\"\nmedia_type = \"application/xml\"\n\
                         text = \"<a>{host.settings}</a>\"\n\
                         [[document]]\nhost = \"settings\"\npath = \"/b.txt\"\nmedia_type = \"text/plain\"\n\
                         text = \"{domain}\"\n";

#[test]
fn documents_of_a_host_are_there_whatever_becomes_of_an_update() {
    let mail = manifest("mail", "", DOCUMENTS);
    let document = |media_type: &str, text: &str| DocumentSpec {
        media_type: media_type.to_owned(),
        text: text.to_owned(),
    };
    let expected = BTreeMap::from([
        (
            "/a.xml".to_owned(),
            document("application/xml", "<a>settings.home.cell</a>"),
        ),
        ("/b.txt".to_owned(), document("text/plain", "home.cell")),
    ]);
    let former = Former {
        manifest: &mail,
        number: 1,
    };
    for former in [None, Some(former)] {
        let mut service = installed(&mail, 9);
        service.former = former;
        let services = resolved(&[service]);
        let [route] = &services.routes[..] else {
            panic!("{services:?}");
        };
        assert_eq!(route.answers, AnswersSpec::Documents(expected.clone()));
        assert!(services.hosts().contains(&"settings".parse().unwrap()));
        assert_eq!(services.flows, BTreeSet::new());
    }
    let other = "[[route]]\nhost = \"settings\"\nbackend = \"web:1\"\n";
    let other = manifest("other", "", other);
    let twice = resolved(&[installed(&mail, 1), installed(&other, 2)]);
    assert!(
        matches!(twice.problems[&other.id], ServiceProblem::Taken { .. }),
        "{twice:?}"
    );
}

#[test]
fn answer_counts_and_a_wrong_one_keeps_the_service_alone_from_running() {
    let (mail, webmail) = (mail(), webmail());
    let run = |key: &str, value| {
        let answers = BTreeMap::from([(key.parse().unwrap(), value)]);
        let service = Installed {
            answers: &answers,
            ..installed(&webmail, 4)
        };
        resolved(&[service, installed(&mail, 9)])
    };
    let services = run("size", SettingValue::Number(7));
    assert_eq!(
        services.containers.services[1].containers[0].command[2],
        "7"
    );
    for (key, value) in [
        ("size", SettingValue::Number(10)),
        ("size", SettingValue::Switch(true)),
        ("other", SettingValue::Number(1)),
    ] {
        let services = run(key, value);
        assert_eq!(services.problems.len(), 1, "{services:?}");
        assert_eq!(services.containers.services.len(), 1);
        assert!(
            services.flows.is_empty() && services.routes.is_empty() && services.internet.is_empty()
        );
    }
}

#[test]
fn what_is_missing_or_taken_is_told() {
    let (mail, webmail) = (mail(), webmail());
    let alone = resolved(&[installed(&webmail, 4)]);
    let needs = ServiceProblem::Needs(mail.id.clone());
    assert_eq!(
        alone.problems,
        BTreeMap::from([(webmail.id.clone(), needs)])
    );
    assert_eq!(alone.containers, ContainersSpec::default());

    let again = manifest(
        "other",
        "",
        "[[port]]\nprotocol = \"tcp\"\nport = 993\nbackend = \"web:1\"\n",
    );
    let twice = resolved(&[installed(&mail, 1), installed(&again, 2)]);
    let taken = ServiceProblem::Taken {
        what: "the port 993 tcp".to_owned(),
        other: mail.id.clone(),
    };
    assert_eq!(twice.problems[&again.id], taken);

    let host = manifest(
        "host",
        "",
        "[[route]]\nhost = \"post\"\nbackend = \"web:1\"\n",
    );
    let twice = resolved(&[
        installed(&mail, 1),
        installed(&webmail, 2),
        installed(&host, 3),
    ]);
    assert!(
        matches!(twice.problems[&webmail.id], ServiceProblem::Taken { .. }),
        "{twice:?}"
    );

    let edge = "[[edge]]\nfrom = \"web\"\nto = \"mail/imap:143\"\n";
    let lost = manifest("lost", "requires = [\"mail\"]", edge);
    let services = resolved(&[installed(&mail, 1), installed(&lost, 2)]);
    assert!(matches!(
        services.problems[&lost.id],
        ServiceProblem::NoBackend { .. }
    ));

    let far = resolved(&[installed(&mail, 2_048)]);
    assert!(matches!(
        far.problems[&mail.id],
        ServiceProblem::NoNetwork(_)
    ));
}

#[test]
fn nobody_gets_past_the_question_for_the_password() {
    let (mail, webmail) = (mail(), webmail());
    let edge = "[[edge]]\nfrom = \"web\"\nto = \"webmail/web:80\"\n";
    let thief = manifest("thief", "requires = [\"webmail\"]", edge);
    let services = resolved(&[
        installed(&mail, 1),
        installed(&webmail, 2),
        installed(&thief, 3),
    ]);
    assert!(
        matches!(services.problems[&thief.id], ServiceProblem::Guarded { .. }),
        "{services:?}"
    );
}

#[test]
fn services_that_need_each_other_do_not_run() {
    let (one, two) = (
        manifest("one", "requires = [\"two\"]", ""),
        manifest("two", "requires = [\"one\"]", ""),
    );
    let services = resolved(&[installed(&one, 1), installed(&two, 2)]);
    assert_eq!(services.problems.len(), 2);
    assert!(services.containers.services.is_empty());
}

#[test]
fn no_two_slots_share_an_address_or_an_id() {
    let pool = "172.20.0.0/16".parse().unwrap();
    let grounds: Vec<_> = (0..2_048)
        .map(|slot| Ground::of(slot, pool).unwrap())
        .collect();
    for pair in grounds.windows(2) {
        assert!(pair[0].network.broadcast() < pair[1].network.network());
        assert_eq!(pair[0].ids.first + pair[0].ids.size, pair[1].ids.first);
    }
    let last = grounds.last().unwrap();
    assert!(
        last.ids
            .first
            .checked_add(last.ids.size)
            .is_some_and(|end| end < i32::MAX.unsigned_abs())
    );
    // A larger pool has networks, and no ids for them.
    let large = "172.0.0.0/8".parse().unwrap();
    assert!(Ground::of(16_383, large).is_none() && Ground::of(49_152, large).is_none());
    assert_eq!(Ground::of(2_048, pool).map(|ground| ground.network), None);
}

#[test]
fn ports_of_a_service_are_for_the_cells_that_were_given_it() {
    let mut sample = with_ports("mail");
    sample.add_link("cabin", 40);
    sample.add_link("boat", 41);
    sample.change_link(0, |link| link.services = [ServiceToggle::Mail].into());
    let firewall = resolve_box(&sample.input()).firewall;
    assert_eq!(firewall.links[0].ports, firewall.containers.ports);
    assert_eq!(firewall.links[0].ports.len(), 2);
    assert!(firewall.links[1].ports.is_empty());
}
