//! The services that come with the box, in the real podman, confined as every service is: each starts, is well, keeps
//! what it is given, and shows it to whom it belongs alone.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_containers::{Containers, Podman, PodmanOptions};
use cell_model::config::DataConfig;
use cell_model::container::{IdRange, ImageRef, Limits};
use cell_model::spec::{
    ContainerSpec, ContainersSpec, HealthSpec, MountSpec, ProbeSpec, ServiceSpec, VolumeSpec,
};
use cell_packages::PackageFolder;
use cell_plan::services::{Installed, Place, resolve};
use cell_testkit::{Namespace, podman, wait_for};
use tokio::runtime::Runtime;

/// How long a service may take to be well: it is read from the disk for the first time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Podman in a namespace of its own, and what comes with the box.
struct Host {
    folder: PackageFolder,
    podman: Podman,
    runtime: Runtime,
    process: podman::Podman,
    namespace: Namespace,
}

/// What a service answered.
struct Answer {
    status: u16,
    body: String,
}

impl Host {
    fn start() -> Self {
        let variable = |name| {
            let value = std::env::var_os(name).expect("cargo xtask test sets it");
            PathBuf::from(value)
        };
        let settings =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../rootfs-overlay/etc/containers");
        let namespace = Namespace::create("services").unwrap();
        namespace.ip("link set lo up").unwrap();
        let process =
            podman::Podman::start(&namespace, &variable("CELL_PACKAGES"), &settings).unwrap();
        let podman = Podman::new(PodmanOptions {
            socket: process.socket(),
            logs: "/run".into(),
            logs_here: process.run_folder(),
            volumes: process.volumes(),
            handed: "/run/cell-handed".into(),
            wanted: None,
        });
        Self {
            folder: PackageFolder::open(variable("CELL_SERVICES")).unwrap(),
            podman,
            runtime: Runtime::new().unwrap(),
            process,
            namespace,
        }
    }

    /// A service as it is asked for when nothing was answered.
    fn resolved(&self, id: &str) -> ServiceSpec {
        let manifest = self.folder.manifest(&id.parse().unwrap()).unwrap();
        let installed = Installed {
            manifest: &manifest,
            data: DataConfig {
                slot: 1,
                number: 1,
                lasting: 2,
            },
            answers: &BTreeMap::new(),
            former: None,
        };
        let place = Place {
            domain: &"home.cell".parse().unwrap(),
            time_zone: &"Europe/Berlin".parse().unwrap(),
            pool: "172.20.0.0/16".parse().unwrap(),
            resolver: Ipv4Addr::new(172, 20, 0, 1),
        };
        let mut resolved = resolve(&[installed], &place);
        assert!(resolved.problems.is_empty(), "{:?}", resolved.problems);
        resolved.containers.services.remove(0)
    }

    /// Loads what a service is made from, starts it, and waits until it is well.
    fn run(&self, service: &ServiceSpec) {
        for container in &service.containers {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("image.tar");
            let file = File::create(&path).unwrap();
            self.folder
                .write_archive(&container.image.digest, file)
                .unwrap();
            let file = File::open(&path).unwrap();
            self.runtime.block_on(self.podman.load(file)).unwrap();
        }
        let spec = ContainersSpec {
            services: vec![service.clone()],
            ..ContainersSpec::default()
        };
        self.runtime
            .block_on(self.podman.apply(&spec, &BTreeSet::new()))
            .unwrap();
        let mut said = String::new();
        let well = wait_for(PATIENCE, || match self.probe(service, None) {
            Ok(()) => Some(()),
            Err(error) => {
                said = error;
                None
            }
        });
        assert!(well.is_some(), "{said}; {}", self.log(service));
    }

    /// Tries whether its first container is well, as its manifest says or in another way.
    fn probe(&self, service: &ServiceSpec, probe: Option<ProbeSpec>) -> Result<(), String> {
        let mut container = service.containers[0].clone();
        container.health.timeout_s = 20;
        if let Some(probe) = probe {
            container.health.probe = probe;
        }
        // From the box's side of the network.
        let probed = self.namespace.run(|| {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(self.podman.probe(service, &container))
        });
        probed.unwrap().map_err(|error| error.to_string())
    }

    /// What ran in the container ended well.
    fn is_so_inside(&self, service: &ServiceSpec, words: &[&str]) -> Result<(), String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.probe(service, Some(ProbeSpec::Command(words)))
    }

    fn log(&self, service: &ServiceSpec) -> String {
        let container = &service.containers[0].name;
        let name = format!("cell.{}.{container}.log", service.id);
        let log = std::fs::read_to_string(self.process.run_folder().join(name));
        log.unwrap_or_default() + &self.process.said()
    }

    /// Asks as this person, whose name the box has put into the header; nobody without.
    fn ask(&self, url: &str, person: Option<&str>, arguments: &[&str]) -> Answer {
        let mut curl = self.namespace.command("curl");
        curl.args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(arguments)
        .arg(url);
        if let Some(person) = person {
            curl.args(["--header", &format!("X-Remote-User: {person}")]);
        }
        let output = curl.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        Answer {
            status: status.parse().unwrap_or_default(),
            body: body.to_owned(),
        }
    }
}

/// It is nobody's process but its own user's, and has nothing to write to but what it was given.
const CONFINED: &str = "import os, sys; \
     sys.exit(os.getuid() != 1000 or os.access('/etc', os.W_OK) or not os.access('/tmp', os.W_OK))";

#[test]
fn calendar_keeps_what_a_person_enters_and_shows_it_to_nobody_else() {
    let host = Host::start();
    let service = host.resolved("calendar");
    host.run(&service);
    host.is_so_inside(&service, &["python3", "-c", CONFINED])
        .unwrap();
    let at = format!("http://{}:5232", service.containers[0].address);
    let anna = Some("anna");

    // What a phone does first; a calendar and an address book are there from then on.
    let find = ["--request", "PROPFIND", "--header", "Depth: 0", "--data"];
    let principal = r#"<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>"#;
    let found = host.ask(&format!("{at}/"), anna, &[&find[..], &[principal]].concat());
    assert_eq!(found.status, 207, "{}", host.log(&service));
    assert!(found.body.contains("<href>/anna/</href>"), "{}", found.body);
    let list = host.ask(
        &format!("{at}/anna/"),
        anna,
        &["--request", "PROPFIND", "--header", "Depth: 1"],
    );
    for collection in ["/anna/calendar/", "/anna/contacts/"] {
        assert!(list.body.contains(collection), "{}", list.body);
    }

    let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n\
        DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260102T090000\r\nSUMMARY:Dentist\r\n\
        RRULE:FREQ=YEARLY;COUNT=3\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let put = [
        "--request",
        "PUT",
        "--header",
        "Content-Type: text/calendar",
        "--data-binary",
        event,
    ];
    let place = format!("{at}/anna/calendar/1.ics");
    assert_eq!(
        host.ask(&place, anna, &put).status,
        201,
        "{}",
        host.log(&service)
    );
    assert!(host.ask(&place, anna, &[]).body.contains("SUMMARY:Dentist"));
    let range = r#"<calendar-query xmlns="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:"><D:prop><D:getetag/></D:prop>
        <filter><comp-filter name="VCALENDAR"><comp-filter name="VEVENT">
        <time-range start="20270101T000000Z" end="20270201T000000Z"/></comp-filter></comp-filter></filter></calendar-query>"#;
    let query = [
        "--request",
        "REPORT",
        "--header",
        "Depth: 1",
        "--data",
        range,
    ];
    let found = host.ask(&format!("{at}/anna/calendar/"), anna, &query);
    assert!(
        found.body.contains("/anna/calendar/1.ics"),
        "{}",
        found.body
    );

    for method in ["GET", "PUT", "PROPFIND"] {
        let refused = host.ask(&place, None, &["--request", method]).status;
        assert!([401, 403].contains(&refused), "{method}: {refused}");
    }
    for (method, expected) in [
        ("GET", 403),
        ("PUT", 403),
        ("DELETE", 403),
        ("PROPFIND", 403),
    ] {
        let refused = host.ask(&place, Some("bob"), &["--request", method]);
        assert_eq!(refused.status, expected, "{method}: {}", refused.body);
    }
    assert!(host.ask(&place, anna, &[]).body.contains("SUMMARY:Dentist"));
}

#[test]
fn files_are_a_persons_own_by_webdav_and_in_the_browser() {
    let host = Host::start();
    let service = host.resolved("files");
    host.run(&service);
    host.is_so_inside(&service, &["python3", "-c", CONFINED])
        .unwrap();
    let at = format!("http://{}:3923/u", service.containers[0].address);
    let (anna, bob) = (Some("anna"), Some("bob"));
    let place = format!("{at}/anna/letter.txt");

    let put = |text| ["--request", "PUT", "--data-binary", text];
    let stored = host.ask(&place, anna, &put("first"));
    assert_eq!(stored.status, 201, "{} {}", stored.body, host.log(&service));
    // Written to anew, as to a disk.
    assert_eq!(host.ask(&place, anna, &put("second")).status, 201);
    assert_eq!(host.ask(&place, anna, &[]).body, "second");
    let made = host.ask(&format!("{at}/anna/new"), anna, &["--request", "MKCOL"]);
    assert_eq!(made.status, 201, "{}", made.body);
    let depth = ["--request", "PROPFIND", "--header", "Depth: 1"];
    let list = host.ask(&format!("{at}/anna/"), anna, &depth);
    assert_eq!(list.status, 207, "{}", list.body);
    for name in ["letter.txt", "new"] {
        assert!(list.body.contains(name), "{}", list.body);
    }
    assert!(!list.body.contains("letter.txt-"), "{}", list.body);
    let page = host.ask(
        &format!("{at}/anna/"),
        anna,
        &["--header", "Accept: text/html"],
    );
    assert_eq!(page.status, 200, "{}", page.body);

    for person in [None, bob] {
        for arguments in [&[][..], &put("third"), &depth, &["--request", "DELETE"]] {
            let refused = host.ask(&place, person, arguments);
            let is_refused = [401, 403, 404].contains(&refused.status);
            assert!(is_refused, "{person:?} {arguments:?}: {}", refused.status);
        }
    }
    // Neither a password of its own, nor a way out of one's folder.
    let basic = host.ask(&place, None, &["--user", "anna:anna"]);
    assert!([401, 403, 404].contains(&basic.status), "{}", basic.status);
    let out = format!("{at}/bob/../anna/letter.txt");
    let out = host.ask(&out, bob, &["--path-as-is"]);
    assert!([400, 403, 404].contains(&out.status), "{}", out.status);
    assert_eq!(host.ask(&place, anna, &[]).body, "second");
    assert_eq!(host.ask(&place, anna, &["--request", "DELETE"]).status, 200);
}

#[test]
fn proxy_waits_to_be_told_what_it_answers() {
    let host = Host::start();
    let (name, digest) = host
        .folder
        .images()
        .iter()
        .find(|(name, _)| name.as_str() == "caddy")
        .unwrap();
    let mount = |volume: &str, path: &str| MountSpec {
        volume: volume.parse().unwrap(),
        path: path.parse().unwrap(),
        read_only: false,
    };
    let told = ["caddy", "reload", "--address", "unix//run/caddy/admin.sock"];
    let told = [&told[..], &["--config", "/etc/caddy/start.json"]].concat();
    let container = ContainerSpec {
        name: "caddy".parse().unwrap(),
        image: ImageRef {
            name: name.clone(),
            digest: *digest,
        },
        command: Vec::new(),
        environment: BTreeMap::new(),
        capabilities: BTreeSet::new(),
        limits: Limits {
            memory_mib: 128,
            cpu_percent: 100,
            processes: 64,
        },
        mounts: vec![mount("data", "/data"), mount("admin", "/run/caddy")],
        scratch: vec!["/tmp".parse().unwrap()],
        hands: BTreeSet::new(),
        reload: Vec::new(),
        address: Ipv4Addr::new(172, 20, 1, 2),
        hosts: BTreeMap::new(),
        resolver: None,
        health: HealthSpec {
            probe: ProbeSpec::Command(told.iter().map(|word| (*word).to_owned()).collect()),
            interval_s: 5,
            timeout_s: 20,
            retries: 3,
            start_s: 30,
        },
    };
    let kept = VolumeSpec {
        number: 1,
        copy_of: None,
        max_mib: None,
    };
    let service = ServiceSpec {
        id: "proxy".parse().unwrap(),
        bridge: "svc1".parse().unwrap(),
        network: "172.20.1.0/28".parse().unwrap(),
        ids: IdRange {
            first: 0x4000_0000,
            size: 65_536,
        },
        volumes: ["data", "admin"]
            .map(|name| (name.parse().unwrap(), kept))
            .into(),
        data: 1,
        containers: vec![container],
        names: BTreeSet::new(),
        certificate_key: None,
        end: Vec::new(),
        remove: None,
    };
    host.run(&service);
    // It listens to nobody yet, where it will and where it never does.
    for port in [8_080, 8_443, 2_019] {
        let silent = host.probe(&service, Some(ProbeSpec::Tcp { port }));
        assert!(silent.unwrap_err().contains("does not listen"), "{port}");
    }
}
