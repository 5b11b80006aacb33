//! Services in containers, by the real podman: confined as asked, replaced one by one, what is kept stays.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_containers::{
    ContainerState, Containers, ContainersError, ContainersSeen, Podman, PodmanOptions, names,
};
use cell_model::container::{Capability, Hand, IdRange, ImageRef, Limits};
use cell_model::spec::{
    ContainerSpec, ContainersSpec, HealthSpec, MountSpec, ProbeSpec, ServiceSpec, VolumeSpec,
};
use cell_testkit::{Namespace, oci, podman, wait_for};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Where the service's volume is kept.
const KEPT: VolumeSpec = VolumeSpec {
    number: 1,
    copy_of: None,
    max_mib: None,
};
const PATIENCE: Duration = Duration::from_secs(30);
/// What the first user of the service is outside.
const FIRST_ID: u32 = 0x4000_0000;

/// Podman in a namespace of its own, with an image that serves what is in `/data`.
struct Host {
    podman: Podman,
    image: ImageRef,
    runtime: Runtime,
    _image: TempDir,
    process: podman::Podman,
    namespace: Namespace,
}

impl Host {
    fn start() -> Self {
        let variable = std::env::var_os("CELL_PACKAGES");
        let packages = PathBuf::from(variable.expect("cargo xtask test sets CELL_PACKAGES"));
        let settings =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../rootfs-overlay/etc/containers");
        let namespace = Namespace::create("containers").unwrap();
        namespace.ip("link set lo up").unwrap();
        let process = podman::Podman::start(&namespace, &packages, &settings).unwrap();
        let runtime = Runtime::new().unwrap();
        let podman = Podman::new(PodmanOptions {
            socket: process.socket(),
            logs: "/run".into(),
            logs_here: process.run_folder(),
            volumes: process.volumes(),
            handed: "/run/cell-handed".into(),
            wanted: None,
        });
        // The first process of a container ends on no signal that it does not ask for.
        let serve = "trap 'exit 0' TERM; httpd -f -p 8080 -h /data & wait";
        let command = ["sh", "-c", serve];
        let archive = oci::busybox(&process.program("busybox"), &command).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        fs::write(&path, &archive.bytes).unwrap();
        let file = fs::File::open(&path).unwrap();
        runtime.block_on(podman.load(file)).unwrap();
        Self {
            podman,
            image: format!("web@{}", archive.digest).parse().unwrap(),
            runtime,
            _image: folder,
            process,
            namespace,
        }
    }

    fn apply(&self, spec: &ContainersSpec) -> Result<(), ContainersError> {
        self.runtime
            .block_on(self.podman.apply(spec, &BTreeSet::new()))
    }

    fn seen(&self) -> ContainersSeen {
        self.runtime.block_on(self.podman.observe()).unwrap()
    }

    /// A container that serves `/data`.
    fn container(&self, name: &str, host: u8) -> ContainerSpec {
        ContainerSpec {
            name: name.parse().unwrap(),
            image: self.image.clone(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            capabilities: BTreeSet::new(),
            limits: Limits {
                memory_mib: 64,
                cpu_percent: 50,
                processes: 32,
            },
            mounts: vec![MountSpec {
                volume: "data".parse().unwrap(),
                path: "/data".parse().unwrap(),
                read_only: false,
            }],
            scratch: vec!["/tmp".parse().unwrap()],
            hands: BTreeSet::new(),
            reload: Vec::new(),
            address: Ipv4Addr::new(172, 20, 1, host),
            hosts: BTreeMap::new(),
            resolver: None,
            health: HealthSpec {
                probe: ProbeSpec::Tcp { port: 8_080 },
                interval_s: 5,
                timeout_s: 20,
                retries: 3,
                start_s: 30,
            },
        }
    }

    fn service(&self) -> ServiceSpec {
        ServiceSpec {
            id: "files".parse().unwrap(),
            bridge: "svc1".parse().unwrap(),
            network: "172.20.1.0/28".parse().unwrap(),
            ids: IdRange {
                first: FIRST_ID,
                size: 65_536,
            },
            volumes: BTreeMap::from([("data".parse().unwrap(), KEPT)]),
            data: 1,
            containers: vec![self.container("web", 2), self.container("second", 3)],
            names: BTreeSet::new(),
            certificate_key: None,
            end: Vec::new(),
            remove: None,
        }
    }

    /// Runs a shell line in a container, as its first user, with all that confines it.
    fn inside(&self, container: &str, line: &str) -> (bool, String) {
        let output = self.podman_command(&["exec", container, "sh", "-c", line]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.trim().to_owned())
    }

    /// Podman's own command line.
    fn podman_command(&self, arguments: &[&str]) -> std::process::Output {
        self.process.command(arguments).unwrap().output().unwrap()
    }

    /// What a container serves at a path.
    fn fetch(&self, address: &str, path: &str) -> Option<String> {
        let url = format!("http://{address}:8080/{path}");
        let output = self
            .namespace
            .command("curl")
            .args(["--silent", "--fail", "--max-time", "3", &url])
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait_page(&self, address: &str, path: &str) -> String {
        let page = wait_for(PATIENCE, || self.fetch(address, path));
        page.unwrap_or_else(|| panic!("{address} does not answer: {}", self.process.said()))
    }

    /// Podman's id of a container: another one, another container.
    fn id(&self, name: &str) -> String {
        let output =
            self.podman_command(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", name]);
        assert!(output.status.success(), "{name}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn only(service: ServiceSpec) -> ContainersSpec {
    ContainersSpec {
        services: vec![service],
        ..ContainersSpec::default()
    }
}

#[test]
fn container_is_confined_as_asked() {
    let host = Host::start();
    let mut service = host.service();
    service.containers[0].capabilities = BTreeSet::from([Capability::NetBindService]);
    service.containers[0].hosts =
        BTreeMap::from([("mail".to_owned(), Ipv4Addr::new(172, 20, 2, 2))]);
    service.containers[0].environment =
        BTreeMap::from([("PLACE".to_owned(), "here; id".to_owned())]);
    service.containers[1].mounts[0].read_only = true;
    host.apply(&only(service)).unwrap();
    let (web, second) = ("cell.files.web", "cell.files.second");

    let status = host
        .inside(
            web,
            "cat /proc/self/uid_map /proc/self/gid_map /proc/self/status",
        )
        .1;
    let words: Vec<&str> = status.split_whitespace().collect();
    assert_eq!(
        words[..3],
        ["0", &FIRST_ID.to_string(), "65536"],
        "{status}"
    );
    assert_eq!(
        words[3..6],
        ["0", &FIRST_ID.to_string(), "65536"],
        "{status}"
    );
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000400"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert!(
        host.inside(second, "cat /proc/self/status")
            .1
            .contains("CapBnd:\t0000000000000000")
    );

    // Where it may write, and where not.
    for (container, line, may) in [
        (web, "touch /data/a", true),
        (web, "touch /tmp/a", true),
        (web, "touch /etc/a", false),
        (web, "touch /a", false),
        (second, "touch /data/b", false),
        (second, "cat /data/a", true),
        (web, "touch /proc/sys/kernel/hostname", false),
        (web, "echo x > /proc/sys/net/ipv4/ip_forward", false),
        (web, "mount -t tmpfs none /tmp", false),
        (web, "ls /dev/vda /dev/sda /dev/mem", false),
    ] {
        let (done, said) = host.inside(container, line);
        assert_eq!(done, may, "{container}: {line}: {said}");
    }
    // It sees no process but its own, and the variable as it was given.
    let (_, seen) = host.inside(web, "ls -d /proc/[0-9]*; echo $PLACE");
    assert!(
        seen.lines().count() <= 6 && seen.contains("here; id"),
        "{seen}"
    );
    // It knows its service's names and those it was given; no one else's.
    let hosts = host.inside(web, "cat /etc/hosts").1;
    for line in ["172.20.1.3\tsecond", "172.20.2.2\tmail"] {
        assert!(hosts.contains(line), "{line}: {hosts}");
    }
    let names: BTreeSet<&str> = hosts
        .lines()
        .flat_map(|line| line.split_whitespace().skip(1))
        .collect();
    let own = ["localhost", "web", "second", "mail", web];
    let strange: Vec<_> = names.iter().filter(|name| !own.contains(name)).collect();
    assert!(strange.is_empty(), "{hosts}");
    // Podman itself writes no rules: the firewall is ours.
    let rules = host
        .namespace
        .command("nft")
        .args(["list", "ruleset"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&rules.stdout), "");
}

#[test]
fn change_replaces_what_it_is_about_and_what_is_kept_stays() {
    let host = Host::start();
    let service = host.service();
    host.apply(&only(service.clone())).unwrap();
    assert!(host.inside("cell.files.web", "echo kept > /data/page").0);
    assert_eq!(host.wait_page("172.20.1.2", "page"), "kept\n");
    let before = [host.id("cell.files.web"), host.id("cell.files.second")];

    // Asked for again, nothing happens.
    host.apply(&only(service.clone())).unwrap();
    assert_eq!(
        before,
        [host.id("cell.files.web"), host.id("cell.files.second")]
    );

    // One container changes.
    let mut changed = service.clone();
    changed.containers[0].environment = BTreeMap::from([("A".to_owned(), "b".to_owned())]);
    host.apply(&only(changed.clone())).unwrap();
    assert_ne!(before[0], host.id("cell.files.web"));
    assert_eq!(before[1], host.id("cell.files.second"));
    assert_eq!(host.wait_page("172.20.1.2", "page"), "kept\n");

    // The network moves, and takes its containers along.
    changed.network = "172.20.9.0/28".parse().unwrap();
    for (container, number) in changed.containers.iter_mut().zip(2..) {
        container.address = Ipv4Addr::new(172, 20, 9, number);
    }
    host.apply(&only(changed)).unwrap();
    assert_eq!(host.wait_page("172.20.9.2", "page"), "kept\n");
    assert_eq!(host.fetch("172.20.1.2", "page"), None);

    // It goes, but for what it has kept, until that is asked for.
    host.apply(&ContainersSpec::default()).unwrap();
    let seen = host.seen();
    assert!(
        seen.containers.is_empty() && seen.networks.is_empty(),
        "{seen:?}"
    );
    assert_eq!(
        seen.volumes,
        BTreeSet::from(["cell.files.data.1".to_owned()])
    );
    host.apply(&only(service.clone())).unwrap();
    assert_eq!(host.wait_page("172.20.1.2", "page"), "kept\n");
    let running = host
        .runtime
        .block_on(host.podman.remove_data(&service.id, service.data));
    assert!(
        matches!(running, Err(ContainersError::Refused { .. })),
        "{running:?}"
    );
    assert_eq!(host.wait_page("172.20.1.2", "page"), "kept\n");
    let discard = ContainersSpec {
        discarded: BTreeSet::from([(service.id, service.data)]),
        ..ContainersSpec::default()
    };
    host.apply(&discard).unwrap();
    assert!(host.seen().volumes.is_empty());
    host.apply(&discard).unwrap();
}

#[test]
fn what_ends_is_started_again_and_what_is_not_ours_is_left_alone() {
    let host = Host::start();
    let mut service = host.service();
    service.containers[1].command = ["sh", "-c", "exit 7"].map(str::to_owned).to_vec();
    let foreign = [
        "run",
        "-d",
        "--network",
        "none",
        "--cgroups",
        "disabled",
        "--name",
        "mine",
    ];
    let image = host.podman_command(&["images", "--quiet"]);
    let image = String::from_utf8_lossy(&image.stdout).trim().to_owned();
    let output = host.podman_command(&[&foreign[..], &[&image, "sleep", "1000"]].concat());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    host.apply(&only(service.clone())).unwrap();
    let ended = wait_for(PATIENCE, || {
        let seen = host.seen();
        (seen.containers["cell.files.second"].state == ContainerState::Exited(7)).then_some(seen)
    });
    let seen = ended.expect("it ends");
    assert_eq!(
        seen.containers["cell.files.web"].state,
        ContainerState::Running
    );
    assert_eq!(seen.containers.len(), 2, "{seen:?}");

    assert!(
        host.podman_command(&["kill", "cell.files.web"])
            .status
            .success()
    );
    let gone = wait_for(PATIENCE, || {
        (host.seen().containers["cell.files.web"].state != ContainerState::Running).then_some(())
    });
    assert!(gone.is_some());
    host.apply(&only(service)).unwrap();
    assert_eq!(
        host.seen().containers["cell.files.web"].state,
        ContainerState::Running
    );

    host.apply(&ContainersSpec::default()).unwrap();
    let output = host.podman_command(&["inspect", "--format", "{{.State.Status}}", "mine"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "running");
}

#[test]
fn service_without_its_image_does_not_keep_the_others() {
    let host = Host::start();
    let mut other = host.service();
    other.id = "mail".parse().unwrap();
    other.bridge = "svc2".parse().unwrap();
    other.network = "172.20.2.0/28".parse().unwrap();
    other.ids.first += other.ids.size;
    other.containers.truncate(1);
    other.containers[0].address = Ipv4Addr::new(172, 20, 2, 2);
    let mut absent = host.service();
    absent.containers[0].image = format!("web@sha256:{}", "00".repeat(32)).parse().unwrap();
    let spec = ContainersSpec {
        services: vec![absent, other],
        ..ContainersSpec::default()
    };
    let error = host.apply(&spec).unwrap_err();
    assert!(matches!(error, ContainersError::ImageMissing(_)), "{error}");
    let seen = host.seen();
    assert_eq!(
        seen.containers["cell.mail.web"].state,
        ContainerState::Running
    );
    assert!(!seen.containers.contains_key("cell.files.web"));
}

#[test]
fn container_is_well_when_it_does_what_it_is_there_for() {
    let host = Host::start();
    let service = host.service();
    host.apply(&only(service.clone())).unwrap();
    let probe = |probe: ProbeSpec, timeout_s| {
        let mut container = service.containers[0].clone();
        container.health = HealthSpec {
            probe,
            timeout_s,
            ..container.health
        };
        // From the box's side of the network.
        let asked = host.namespace.run(|| {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(host.podman.probe(&service, &container))
        });
        asked.unwrap().map_err(|error| error.to_string())
    };
    let http = |port| ProbeSpec::Http {
        port,
        path: "/none".to_owned(),
    };
    let command = |line: &str| ProbeSpec::Command(["sh", "-c", line].map(str::to_owned).to_vec());
    let listens = wait_for(PATIENCE, || probe(ProbeSpec::Tcp { port: 8_080 }, 20).ok());
    assert!(listens.is_some(), "{}", host.process.said());
    assert_eq!(
        probe(http(8_080), 20),
        Ok(()),
        "that there is no such page is an answer"
    );
    assert_eq!(probe(command("exit 0"), 20), Ok(()));
    for (asked, timeout_s, told) in [
        (
            ProbeSpec::Tcp { port: 81 },
            20,
            "does not listen on port 81",
        ),
        (http(81), 20, "does not listen on port 81"),
        (command("exit 3"), 20, "the status 3"),
        (command("sleep 60"), 2, "within 2 s"),
    ] {
        let unwell = probe(asked, timeout_s).unwrap_err();
        assert!(unwell.contains(told), "{told}: {unwell}");
    }
}

#[test]
fn container_finds_what_it_is_handed_and_cannot_change_it() {
    let host = Host::start();
    let mut service = host.service();
    service.containers[0].hands = BTreeSet::from([Hand::Relay]);
    let all = host.process.run_folder().join("cell-handed");
    let folder = |hand| names::handed(&all, &service.id, hand);
    let put = |folder: &Path, text: &str| {
        fs::write(folder.join(".new"), text).unwrap();
        fs::rename(folder.join(".new"), folder.join("login")).unwrap();
    };
    for hand in [Hand::Relay, Hand::Dkim] {
        fs::create_dir_all(folder(hand)).unwrap();
        put(&folder(hand), "first");
    }
    host.apply(&only(service.clone())).unwrap();
    let web = |line: &str| host.inside("cell.files.web", line);
    assert_eq!(web("cat /run/box/relay/login"), (true, "first".to_owned()));
    put(&folder(Hand::Relay), "second");
    assert_eq!(web("cat /run/box/relay/login"), (true, "second".to_owned()));
    for line in [
        "echo mine > /run/box/relay/login",
        "touch /run/box/relay/more",
        "rm /run/box/relay/login",
        "touch /run/box/more",
        // What it was not given.
        "ls /run/box/dkim",
    ] {
        let (done, said) = web(line);
        assert!(!done, "{line}: {said}");
    }
    let (done, said) = host.inside("cell.files.second", "ls /run/box");
    assert!(!done, "{said}");

    // It is given another one: that is another container.
    let before = [host.id("cell.files.web"), host.id("cell.files.second")];
    service.containers[0].hands = BTreeSet::from([Hand::Relay, Hand::Dkim]);
    host.apply(&only(service.clone())).unwrap();
    assert_ne!(before[0], host.id("cell.files.web"));
    assert_eq!(before[1], host.id("cell.files.second"));
    let found = host.inside("cell.files.web", "ls /run/box").1;
    assert_eq!(found, "dkim\nrelay");
}

#[test]
fn program_that_is_run_in_a_container_is_waited_for() {
    let host = Host::start();
    let service = host.service();
    host.apply(&only(service.clone())).unwrap();
    let run = |container: &str, words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let container = container.parse().unwrap();
        let run = host.podman.run(&service.id, &container, &words);
        host.runtime.block_on(run)
    };
    // Its words are no shell's.
    let write = ["sh", "-c", "echo \"$0\" > /data/words"];
    run("web", &[&write[..], &["a; touch /data/b"]].concat()).unwrap();
    run("web", &["sh", "-c", "sleep 1; touch /data/done"]).unwrap();
    let found = host.inside("cell.files.web", "ls /data; cat /data/words").1;
    assert_eq!(found, "done\nwords\na; touch /data/b");

    let status = |words: &[&str]| match run("web", words) {
        Err(ContainersError::Unwell(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(status(&["sh", "-c", "exit 3"]).contains("status 3"));
    // Confined as the container is.
    assert!(status(&["sh", "-c", "touch /etc/a"]).contains("status 1"));
    let absent = run("web", &["there-is-no-such-program"]);
    assert!(absent.is_err(), "{absent:?}");
    let unknown = run("third", &["true"]);
    assert!(
        matches!(unknown, Err(ContainersError::Refused { status: 404, .. })),
        "{unknown:?}"
    );
}

#[test]
fn podman_that_is_not_there_is_told() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let podman = Podman::new(PodmanOptions {
        socket: folder.path().join("none.sock"),
        logs: "/run".into(),
        logs_here: "/run".into(),
        volumes: folder.path().into(),
        handed: folder.path().into(),
        wanted: None,
    });
    let error = runtime.block_on(podman.observe()).unwrap_err();
    assert!(matches!(error, ContainersError::Connect(_)), "{error}");
}
