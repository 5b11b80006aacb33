//! A service becomes a newer one, or what it was: with the real podman, the real daemon and the programs that people use.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::HOME_GATEWAY;
use cell_testkit::{oci, podman, wait_for};
use cell_tests::OWNER;
use cell_tests::services::ServiceHost;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long what fails has, and more.
const TAKEN_BACK: Duration = Duration::from_secs(120);

/// What every version does, after the step of its own.
const SCRIPT: &str = "trap 'exit 0' TERM
case $STEP in
    first) echo first > /data/page ;;
    second) grep -q first /data/page && echo second > /data/page ;;
    spoil) echo spoilt > /data/page; echo more > /media/more; exit 3 ;;
    slow) sleep 5; echo fourth > /data/page ;;
    hang) echo spoilt > /data/page; sleep 600 & wait ;;
esac
httpd -f -p 8080 -h /data & wait";

/// Serves its volume at the box's port 8090.
const NOTES: &str = r#"
schema = 1
id = "notes"
name = "Notes"
summary = "Notes of yours"
version = "VERSION"
release = RELEASE

[[container]]
name = "web"
image = "IMAGE"
memory_mib = 64
cpu_percent = 50
processes = 32
scratch = ["/tmp"]
health = { port = 8080, start_s = 60, timeout_s = 20 }

[container.environment]
STEP = "FIRST"

[[container.mount]]
volume = "data"
path = "/data"

[[container.mount]]
volume = "media"
path = "/media"

[[volume]]
name = "data"
backup = true

[[volume]]
name = "media"
backup = true
snapshot = false

[[port]]
protocol = "tcp"
port = 8090
backend = "web:8080"
"#;

/// A cell whose store has a service of which a test says what its next version does.
struct Host {
    host: ServiceHost,
    store: TempDir,
    image: String,
}

impl Host {
    fn start() -> Self {
        let store = tempfile::tempdir().unwrap();
        let mut image = String::new();
        let host = ServiceHost::start(|process: &podman::Podman| {
            let made = oci::busybox(&process.program("busybox"), &["sh", "-c", SCRIPT]).unwrap();
            oci::package_folder(store.path(), &[("web", &made)]).unwrap();
            image = format!("web@{}", made.digest);
            fs::create_dir(store.path().join("notes")).unwrap();
            offer(store.path(), &image, 1, "first");
            store.path().to_owned()
        });
        Self { host, store, image }
    }

    /// The store has another version.
    fn offer(&self, release: u32, step: &str) {
        offer(self.store.path(), &self.image, release, step);
    }

    fn update(&self, status: u16) -> Value {
        self.host
            .post("/api/store/notes/update", &json!({}), status)
    }

    /// What somebody at home gets.
    fn fetch(&self, path: &str) -> Option<String> {
        let url = format!("http://{HOME_GATEWAY}:8090/{path}");
        let laptop = &self.host.cell.world.laptop;
        let mut curl = laptop.command("curl");
        curl.args(["--silent", "--fail", "--max-time", "3", &url]);
        let output = curl.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    fn wait_page(&self, path: &str, wanted: &str) {
        let found = wait_for(PATIENCE, || {
            self.fetch(path).filter(|page| page.trim() == wanted)
        });
        assert!(found.is_some(), "{:?}", self.host.service("notes"));
    }

    /// Waits until it is known what became of the update; the service as it is then.
    fn wait_settled(&self) -> Value {
        wait_settled(&self.host, "notes")
    }

    /// Waits until only these volumes are there.
    fn wait_volumes(&self, wanted: &[&str]) {
        let found = wait_for(PATIENCE, || {
            let listed = self.host.podman(&["volume", "ls", "--quiet"]);
            let mut names: Vec<&str> = listed.lines().collect();
            names.sort_unstable();
            (names == wanted).then_some(())
        });
        let listed = self.host.podman(&["volume", "ls"]);
        assert!(found.is_some(), "{listed}");
    }
}

fn offer(store: &Path, image: &str, release: u32, step: &str) {
    let manifest = NOTES
        .replace("IMAGE", image)
        .replace("VERSION", &format!("{release}.0"))
        .replace("RELEASE", &release.to_string())
        .replace("FIRST", step);
    fs::write(store.join("notes/service.toml"), manifest).unwrap();
}

fn wait_settled(host: &ServiceHost, id: &str) -> Value {
    let found = wait_for(TAKEN_BACK, || {
        Some(host.service(id)).filter(|service| service["on_trial"] == false)
    });
    found.unwrap_or_else(|| {
        let log = host.log(&format!("cell.{id}.web"));
        panic!("{}\n{log}\n{}", host.service(id), host.cell.celld.log_end())
    })
}

#[test]
fn update_that_gets_well_stays_and_one_that_does_not_leaves_nothing() {
    let mut host = Host::start();
    host.host.install("notes");
    host.host.wait("notes", "ok");
    host.wait_page("page", "first");
    assert_eq!(host.host.service("notes")["update"], Value::Null);
    let refused = host.update(409);
    assert_eq!(refused["code"], "up_to_date", "{refused}");

    // The next one goes on with what was there, and changes it.
    host.offer(2, "second");
    let offered = host.host.service("notes")["update"].clone();
    assert_eq!(offered, json!({ "version": "2.0", "release": 2 }));
    let begun = host.update(200)["service"].clone();
    assert_eq!(begun["on_trial"], true, "{begun}");
    assert_eq!(begun["version"], "2.0", "{begun}");
    let settled = host.wait_settled();
    assert_eq!(settled["version"], "2.0", "{settled}");
    assert_eq!(settled["failed_update"], Value::Null, "{settled}");
    host.wait_page("page", "second");
    host.wait_volumes(&["cell.notes.data.3", "cell.notes.media.2"]);

    // One that spoils everything and ends: what it did is gone with it, but for what it was not to have a copy of.
    host.offer(3, "spoil");
    host.update(200);
    let refused = host
        .host
        .cell
        .owner
        .put("/api/services/active/notes", &json!({ "enabled": false }));
    assert_eq!(refused.unwrap().json()["code"], "service_updating");
    let reached = host.fetch("page");
    assert!(reached.as_deref() != Some("spoilt\n"), "{reached:?}");
    let settled = host.wait_settled();
    assert_eq!(settled["version"], "2.0", "{settled}");
    assert_eq!(settled["failed_update"]["version"], "3.0", "{settled}");
    let reason = settled["failed_update"]["reason"].as_str().unwrap();
    assert!(reason.contains("web ended"), "{reason}");
    host.host.wait("notes", "ok");
    host.wait_page("page", "second");
    host.wait_volumes(&["cell.notes.data.3", "cell.notes.media.2"]);
    let media = host
        .host
        .podman(&["exec", "cell.notes.web", "cat", "/media/more"]);
    assert_eq!(media, "more");

    // The daemon is killed while the next one comes: it is gone on with.
    host.offer(4, "slow");
    host.update(200);
    host.host.cell.celld.kill9().unwrap();
    host.host.cell.celld.restart().unwrap();
    host.host.cell.sign_in();
    let settled = host.wait_settled();
    assert_eq!(settled["version"], "4.0", "{settled}");
    assert_eq!(settled["failed_update"], Value::Null, "{settled}");
    host.wait_page("page", "fourth");
    host.wait_volumes(&["cell.notes.data.5", "cell.notes.media.2"]);

    // Settings of before come back without the program of before.
    let answer = host
        .host
        .post("/api/config/revisions/3/restore", &json!({}), 200);
    let service = host.host.service("notes");
    assert_eq!(service["version"], "4.0", "{answer} {service}");
    host.wait_page("page", "fourth");

    host.offer(2, "none");
    assert_eq!(host.update(409)["code"], "older_release");
    let gone = host.host.post("/api/store/moon/update", &json!({}), 404);
    assert_eq!(gone["code"], "not_found");
    host.host.remove("notes", true);
    host.wait_volumes(&[]);
    // That it is gone is kept, and none of its numbers is given again.
    let kept = wait_for(TAKEN_BACK, || {
        let audit = host.host.cell.get("/api/audit").to_string();
        audit.contains("service.data-gone").then_some(())
    });
    assert!(kept.is_some(), "{}", host.host.cell.celld.log_end());
    host.host.install("notes");
    host.host.wait("notes", "ok");
    host.wait_volumes(&["cell.notes.data.6", "cell.notes.media.7"]);
}

#[test]
fn service_that_is_removed_while_its_update_is_tried_keeps_what_it_had() {
    let host = Host::start();
    host.host.install("notes");
    host.host.wait("notes", "ok");
    host.offer(2, "hang");
    host.update(200);
    let running = wait_for(PATIENCE, || {
        let volumes = host.host.podman(&["volume", "ls", "--quiet"]);
        volumes.contains("cell.notes.data.3").then_some(())
    });
    assert!(running.is_some());
    host.host.remove("notes", false);
    host.wait_volumes(&["cell.notes.data.1", "cell.notes.media.2"]);
    host.offer(3, "none");
    host.host.install("notes");
    host.host.wait("notes", "ok");
    host.wait_page("page", "first");
}

/// The services of the box in a folder of a test's own, whose manifests it may change.
fn own_store(folder: &Path) -> PathBuf {
    let variable = std::env::var_os("CELL_SERVICES");
    let services = PathBuf::from(variable.expect("cargo xtask test sets CELL_SERVICES"));
    for entry in fs::read_dir(&services).unwrap() {
        let entry = entry.unwrap();
        let (name, from) = (entry.file_name(), entry.path());
        match from.join("service.toml").is_file() {
            true => {
                fs::create_dir(folder.join(&name)).unwrap();
                let manifest = fs::read(from.join("service.toml")).unwrap();
                fs::write(folder.join(&name).join("service.toml"), manifest).unwrap();
            }
            false => symlink(&from, folder.join(&name)).unwrap(),
        }
    }
    folder.to_owned()
}

/// Makes the next release of a service, with `change` made to its text.
fn next_release(store: &Path, id: &str, release: u32, change: impl FnOnce(String) -> String) {
    let path = store.join(id).join("service.toml");
    let text = fs::read_to_string(&path).unwrap();
    let before = text
        .lines()
        .find(|line| line.starts_with("release = "))
        .unwrap()
        .to_owned();
    let next = text.replace(&before, &format!("release = {release}"));
    fs::write(&path, change(next)).unwrap();
}

#[test]
fn calendar_and_files_survive_an_update_and_one_that_is_taken_back() {
    let store = tempfile::tempdir().unwrap();
    let host = ServiceHost::start(|_| own_store(store.path()));
    for id in ["calendar", "files"] {
        host.install(id);
        host.wait(id, "ok");
        host.wait_answer(id, 401);
    }
    let user = format!("{OWNER}:{}", host.app_password("laptop").text);
    let ask = |id: &str, path: &str, more: &[&str]| {
        let arguments = [&["--user", user.as_str()], more].concat();
        host.ask(id, path, &arguments)
    };
    let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//cell//test//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n\
                 DTSTAMP:20261126T100000Z\r\nDTSTART:20261127T100000Z\r\nSUMMARY:Breakfast\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let calendar = format!("/{OWNER}/home/");
    let (event_path, file_path) = (format!("{calendar}one.ics"), format!("/u/{OWNER}/note.txt"));
    assert_eq!(
        ask("calendar", &calendar, &["--request", "MKCALENDAR"]).0,
        201
    );
    let put = |data: &'static str| ["--request", "PUT", "--data-binary", data];
    assert_eq!(ask("calendar", &event_path, &put(event)).0, 201);
    assert_eq!(ask("files", &file_path, &put("a note")).0, 201);
    let is_there = |step: &str| {
        for (id, path, content) in [
            ("calendar", &event_path, "Breakfast"),
            ("files", &file_path, "a note"),
        ] {
            let (status, text) = ask(id, path, &[]);
            assert!(
                status == 200 && text.contains(content),
                "{step}: {id} {text}"
            );
        }
    };
    is_there("at first");
    let outcome = |id: &str, failed: Value| {
        host.post(&format!("/api/store/{id}/update"), &json!({}), 200);
        // Clients are told to come again, and to nobody is said that what they have sent was taken.
        let away = wait_for(PATIENCE, || {
            let (status, text) = ask(id, "/", &[]);
            (status == 503).then_some(text)
        });
        let away = away.unwrap_or_else(|| panic!("{}", host.service(id)));
        assert!(
            away.to_ascii_lowercase().contains("retry-after: 30"),
            "{away}"
        );
        let settled = wait_settled(&host, id);
        assert_eq!(settled["failed_update"]["release"], failed, "{settled}");
        host.wait(id, "ok");
        host.wait_answer(id, 401);
    };
    for id in ["calendar", "files"] {
        next_release(store.path(), id, 20, |text| text);
        outcome(id, Value::Null);
    }
    is_there("after the update");
    for id in ["calendar", "files"] {
        next_release(store.path(), id, 21, |text| {
            let health = text.lines().find(|line| line.starts_with("health = "));
            let health = health.unwrap().to_owned();
            text.replace(&health, "health = { port = 1, start_s = 5 }")
        });
        outcome(id, json!(21));
    }
    is_there("after the one that was taken back");
}
