//! Services from the store to people at home: the real daemon, the real podman, the kernel's own filter.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{CELL_WAN, HOME_GATEWAY};
use cell_testkit::{Namespace, oci, podman, wait_for};
use cell_tests::expect_status;
use cell_tests::services::ServiceHost;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A cell with a store that has a few services.
struct Host {
    host: ServiceHost,
    folder: TempDir,
}

/// Serves what is in its volume at the box's port 8090.
const PAGES: &str = r#"
schema = 1
id = "pages"
name = "Pages"
summary = "Pages of yours"
version = "1.0"
release = 1

[[container]]
name = "web"
image = "IMAGE"
memory_mib = 64
cpu_percent = 50
processes = 32
scratch = ["/tmp"]
health = { http = "/", port = 8080, start_s = 60, timeout_s = 20 }

[container.environment]
GREETING = "{setting.greeting}"

[[container.mount]]
volume = "data"
path = "/data"

[[volume]]
name = "data"
backup = true

[[port]]
protocol = "tcp"
port = 8090
backend = "web:8080"

[[setting]]
key = "greeting"
label = "What it says"
kind = "text"
max = 40
default = "hello"
"#;

/// Needs it, and may ask it.
const READER: &str = r#"
schema = 1
id = "reader"
name = "Reader"
summary = "Reads pages"
version = "1.0"
release = 1
requires = ["pages"]

[[container]]
name = "web"
image = "IMAGE"
memory_mib = 64
cpu_percent = 50
processes = 32
scratch = ["/tmp", "/data"]
health = { port = 8080, start_s = 60, timeout_s = 20 }

[[edge]]
from = "web"
to = "pages/web:8080"
"#;

impl Host {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let host = ServiceHost::start(|process| {
            make_store(&store, process);
            store.clone()
        });
        Self { host, folder }
    }

    /// What somebody gets from the port.
    fn fetch(&self, from: &Namespace, to: impl std::fmt::Display) -> Option<String> {
        let url = format!("http://{to}:8090/page");
        let output = from
            .command("curl")
            .args(["--silent", "--max-time", "3", &url])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    fn at_home(&self) -> Option<String> {
        self.fetch(&self.cell.world.laptop, HOME_GATEWAY)
    }

    fn wait_page(&self, wanted: &str) {
        let found = wait_for(PATIENCE, || {
            self.at_home().filter(|page| page.contains(wanted))
        });
        assert!(
            found.is_some(),
            "{:?}: {}",
            self.at_home(),
            self.process.said()
        );
    }
}

impl Deref for Host {
    type Target = ServiceHost;

    fn deref(&self) -> &ServiceHost {
        &self.host
    }
}

impl DerefMut for Host {
    fn deref_mut(&mut self) -> &mut ServiceHost {
        &mut self.host
    }
}

fn make_store(store: &Path, process: &podman::Podman) {
    fs::create_dir(store).unwrap();
    // The first process of a container ends on no signal that it does not ask for.
    let serve = "trap 'exit 0' TERM; [ -e /data/page ] || echo $GREETING > /data/page; httpd -f -p 8080 -h /data & wait";
    let image = oci::busybox(&process.program("busybox"), &["sh", "-c", serve]).unwrap();
    oci::package_folder(store, &[("web", &image)]).unwrap();
    for (id, manifest) in [("pages", PAGES), ("reader", READER)] {
        let pinned = manifest.replace("IMAGE", &format!("web@{}", image.digest));
        fs::create_dir(store.join(id)).unwrap();
        fs::write(store.join(id).join("service.toml"), pinned).unwrap();
    }
}

#[test]
fn service_is_installed_from_the_store_used_at_home_and_removed() {
    let mut host = Host::start();
    let offers = host.cell.get("/api/store");
    assert_eq!(offers["items"][0]["id"], "pages", "{offers}");
    assert_eq!(offers["items"][0]["installed"], Value::Null);
    assert_eq!(host.cell.get("/api/services/active")["items"], json!([]));

    let installed = host.install("pages");
    assert_eq!(installed["version"], "1.0", "{installed}");
    host.wait("pages", "ok");
    host.wait_page("hello");
    // Nobody outside, and nothing but the port.
    assert_eq!(host.fetch(&host.cell.world.phone, CELL_WAN), None);

    // Another answer makes another container; what was kept stays.
    let path = "/api/services/active/pages";
    let answers = json!({ "answers": { "greeting": "good day" } });
    let reply = host.cell.owner.put(path, &answers).unwrap();
    expect_status(&reply, 200);
    assert_eq!(reply.json()["service"]["settings"][0]["value"], "good day");
    let changed = wait_for(PATIENCE, || {
        let environment = host.podman(&["exec", "cell.pages.web", "sh", "-c", "echo $GREETING"]);
        environment.contains("good day").then_some(())
    });
    assert!(changed.is_some());
    host.wait_page("hello");

    // Stopped and started again.
    for (enabled, state) in [(false, "ok"), (true, "ok")] {
        let reply = host
            .cell
            .owner
            .put(path, &json!({ "enabled": enabled }))
            .unwrap();
        expect_status(&reply, 200);
        let reached = wait_for(PATIENCE, || {
            (host.at_home().is_some() == enabled).then_some(())
        });
        assert!(reached.is_some(), "enabled: {enabled}");
        host.wait("pages", state);
    }

    // It outlives the daemon, and a daemon that was killed finds it as it left it.
    let before = host.podman(&[
        "inspect",
        "--format",
        "{{.State.StartedAt}}",
        "cell.pages.web",
    ]);
    host.cell.celld.kill9().unwrap();
    assert_eq!(
        host.at_home().as_deref(),
        Some("hello\n"),
        "it goes on without the daemon"
    );
    host.cell.celld.restart().unwrap();
    host.cell.sign_in();
    host.wait("pages", "ok");
    let after = host.podman(&[
        "inspect",
        "--format",
        "{{.State.StartedAt}}",
        "cell.pages.web",
    ]);
    assert_eq!(before, after);

    // One that ends is started again.
    let _ = host.podman(&["kill", "cell.pages.web"]);
    let again = wait_for(PATIENCE, || {
        let started = host.podman(&[
            "inspect",
            "--format",
            "{{.State.StartedAt}}",
            "cell.pages.web",
        ]);
        (started != before && host.at_home().is_some()).then_some(())
    });
    assert!(again.is_some(), "{}", host.service("pages"));

    // Removed, its data stays until it is to go.
    host.remove("pages", false);
    assert!(wait_for(PATIENCE, || host.at_home().is_none().then_some(())).is_some());
    assert_eq!(host.cell.get("/api/store")["items"][0]["kept_data"], true);
    host.install("pages");
    host.wait("pages", "ok");
    host.wait_page("hello");
    host.remove("pages", true);
    let gone = wait_for(PATIENCE, || {
        host.podman(&["volume", "ls", "--quiet"])
            .is_empty()
            .then_some(())
    });
    assert!(gone.is_some(), "{}", host.podman(&["volume", "ls"]));
    drop(host.folder);
}

#[test]
fn what_a_service_needs_comes_with_it_and_may_be_asked() {
    let host = Host::start();
    host.install("reader");
    for id in ["pages", "reader"] {
        host.wait(id, "ok");
    }
    let read = |url: &str| {
        let line = format!("wget -T 3 -q -O - {url}");
        host.podman(&["exec", "cell.reader.web", "sh", "-c", &line])
    };
    assert_eq!(read("http://web.pages:8080/page"), "hello");
    // Not the other way round, and nobody else.
    let back = "wget -T 3 -q -O - http://172.20.0.66:8080/";
    let back = host.podman(&["exec", "cell.pages.web", "sh", "-c", back]);
    assert!(
        back.contains("timed out") || back.contains("can't connect"),
        "{back}"
    );
    for url in [
        format!("https://{HOME_GATEWAY}:8443/health"),
        format!("http://{}/", cell_testkit::world::OUTSIDE_WEB),
        format!("http://{}/", cell_testkit::world::LAPTOP),
    ] {
        let said = read(&url.replace("https", "http"));
        assert!(
            said.contains("timed out") || said.contains("can't connect"),
            "{url}: {said}"
        );
    }
    let refused = host.post("/api/store/pages/remove", &json!({}), 409);
    assert_eq!(refused["code"], "service_needed", "{refused}");
}

#[test]
fn what_cannot_be_installed_is_refused_and_changes_nothing() {
    let host = Host::start();
    host.install("pages");
    let revision = host.cell.get("/api/status")["revision"].clone();
    for (path, body, status, code) in [
        ("/api/store/moon/install", json!({}), 404, "not_found"),
        ("/api/store/Moon/install", json!({}), 404, "not_found"),
        (
            "/api/store/pages/install",
            json!({}),
            409,
            "already_installed",
        ),
        ("/api/store/moon/remove", json!({}), 404, "not_found"),
        (
            "/api/store/reader/remove",
            json!({ "delete_data": true }),
            404,
            "not_found",
        ),
        (
            "/api/store/reader/install",
            json!({ "answers": { "x": 1 } }),
            400,
            "invalid_field",
        ),
        (
            "/api/store/reader/install",
            json!({ "moon": 1 }),
            400,
            "invalid_field",
        ),
        (
            "/api/store/pages/remove",
            json!({ "delete_data": "yes" }),
            400,
            "invalid_field",
        ),
    ] {
        let refused = host.post(path, &body, status);
        assert_eq!(refused["code"], code, "{path} {body}: {refused}");
    }
    for body in [
        json!({ "answers": { "greeting": "x".repeat(41) } }),
        json!({ "answers": { "greeting": "$(reboot)" } }),
        json!({ "answers": { "greeting": 7 } }),
        json!({ "answers": { "other": null } }),
    ] {
        let reply = host
            .cell
            .owner
            .put("/api/services/active/pages", &body)
            .unwrap();
        expect_status(&reply, 400);
    }
    assert_eq!(host.cell.get("/api/status")["revision"], revision);
}

#[test]
fn altered_image_is_told_and_never_run() {
    let host = Host::start();
    let blobs = host.folder.path().join("store/blobs/sha256");
    let largest = fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let largest = largest
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    host.install("pages");
    let failed = host.wait("pages", "failed");
    assert!(
        failed["detail"].as_str().unwrap().contains("altered"),
        "{failed}"
    );
    assert_eq!(host.podman(&["ps", "--all", "--quiet"]), "");
    // The rest of the box is well, and the service can be taken away.
    host.cell.wait_ok("dns");
    host.remove("pages", true);
    assert_eq!(host.cell.get("/api/services/active")["items"], json!([]));
}
