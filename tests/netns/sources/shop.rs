//! A cell, and a publisher with a server on the internet.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cell_model::Timestamp;
use cell_model::config::Purpose;
use cell_model::container::Registry;
use cell_os::keyring::Keyring;
use cell_os::service::{Issue, publish};
use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{HOME_GATEWAY, OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{CelldOptions, HttpsServer, Manner, Reply, Request, oci, podman, wait_for};
use cell_tests::expect_status;
use cell_tests::services::ServiceHost;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an image is there that nobody needs, and more.
pub(crate) const IMAGES_GO: Duration = Duration::from_secs(150);

/// The first process of a container ends on no signal that it does not ask for.
pub(crate) const SERVE: &str =
    "trap 'exit 0' TERM; echo $WHICH > /tmp/page; httpd -f -p 8080 -h /tmp & wait";

/// Says at the box's port 8090 which release it is.
pub(crate) const PAGES: &str = r#"
schema = 1
id = "pages"
name = "Pages"
summary = "Pages of yours"
version = "RELEASE.0"
release = RELEASE

[[container]]
name = "web"
image = "IMAGE"
memory_mib = 64
cpu_percent = 50
processes = 32
scratch = ["/tmp"]
health = { http = "/page", port = 8080, start_s = 60, timeout_s = 20 }

[container.environment]
WHICH = "release RELEASE"

[[port]]
protocol = "tcp"
port = 8090
backend = "web:8080"
"#;

/// A cell without services of its own, and a publisher with a server.
pub(crate) struct Shop {
    pub(crate) host: ServiceHost,
    pub(crate) server: HttpsServer,
    pub(crate) folder: TempDir,
    pub(crate) image: oci::ImageArchive,
}

impl Shop {
    pub(crate) fn start() -> Self {
        Self::start_with(CelldOptions::default())
    }

    pub(crate) fn start_with(options: CelldOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut image = None;
        let host = ServiceHost::start_with(options, |process| {
            image = Some(pages_image(process));
            let store = path.join("built-in");
            fs::create_dir(&store).unwrap();
            oci::package_folder(&store, &[]).unwrap();
            store
        });
        let address = SocketAddr::from((OUTSIDE_WEB, 443));
        let server = HttpsServer::start_in(&host.cell.world.internet, address, OUTSIDE_NAME);
        let image = image.unwrap();
        fs::create_dir(path.join("source")).unwrap();
        oci::package_folder(&path.join("source"), &[("web", &image)]).unwrap();
        Keyring::create(&path.join("keys"), Purpose::Release).unwrap();
        Self {
            host,
            server,
            folder,
            image,
        }
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub(crate) fn keys(&self) -> Keyring {
        Keyring::read(&self.folder.path().join("keys")).unwrap()
    }

    /// Adds the source to the settings, with the keys that count now.
    pub(crate) fn trust(&self, authorities: &str) {
        let url = format!("https://{OUTSIDE_NAME}/store/");
        self.name(&json!({ "url": url, "authorities": authorities, "keys": self.keys().list }));
    }

    /// Has the settings name a source.
    pub(crate) fn name(&self, source: &Value) {
        let services = json!({ "network": "172.20.0.0/16", "sources": { "friends": source } });
        let settings = json!({ "services": services });
        let reply = self.host.cell.owner.put("/api/config", &settings).unwrap();
        expect_status(&reply, 200);
    }

    /// Makes a release, signs the catalogue and puts all of it on the server.
    pub(crate) fn release(&self, release: u32, version: u64) {
        self.write(release);
        self.issue(version, Timestamp::now() + DAY, None);
    }

    /// As [`Self::release`], with an image of 3 MiB that the box does not have.
    pub(crate) fn release_of_another_image(&self, release: u32, version: u64) {
        // Nothing that could be packed.
        let mut state = u64::from(release);
        let noise = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        let pad = oci::ImageFile {
            path: "data/pad".to_owned(),
            mode: 0o644,
            content: oci::Content::Bytes(noise.take(3 << 20).collect()),
        };
        let busybox = self.host.process.program("busybox");
        let image = oci::busybox_with(&busybox, vec![pad], &["sh", "-c", SERVE]).unwrap();
        oci::package_folder(&self.source(), &[("web", &image)]).unwrap();
        self.write_with(release, &image);
        self.issue(version, Timestamp::now() + DAY, None);
    }

    pub(crate) fn write(&self, release: u32) {
        self.write_with(release, &self.image);
    }

    pub(crate) fn write_with(&self, release: u32, image: &oci::ImageArchive) {
        let image = format!("web@{}", image.digest);
        let text = PAGES.replace("IMAGE", &image);
        let text = text.replace("RELEASE", &release.to_string());
        let folder = self.source().join("pages");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("service.toml"), text).unwrap();
    }

    pub(crate) fn issue(&self, version: u64, expires: Timestamp, registry: Option<Registry>) {
        let issue = Issue {
            version,
            expires,
            registry,
        };
        publish(&self.source(), &issue, &self.keys()).unwrap();
        let source = self.source();
        for path in files_below(&source) {
            let name = path.strip_prefix(&source).unwrap().display().to_string();
            self.server
                .put_at(&format!("/store/{name}"), fs::read(&path).unwrap());
        }
    }

    pub(crate) fn refresh(&self) -> Value {
        let refreshed = self.host.post("/api/store/refresh", &json!({}), 200);
        refreshed["items"][0].clone()
    }

    pub(crate) fn refused(&self, code: &str) -> Value {
        let item = self.refresh();
        assert_eq!(item["state"], "failed", "{item}");
        assert_eq!(item["code"], code, "{item}");
        item
    }

    pub(crate) fn page(&self) -> Option<String> {
        let url = format!("http://{HOME_GATEWAY}:8090/page");
        let mut curl = self.host.cell.world.laptop.command("curl");
        let output = curl
            .args(["--silent", "--max-time", "3", &url])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    /// Whether it says at once that it is this release.
    pub(crate) fn answers(&self, release: u32) -> bool {
        self.page().as_deref() == Some(format!("release {release}\n").as_str())
    }

    pub(crate) fn wait_page(&self, release: u32) {
        let found = wait_for(PATIENCE, || self.answers(release).then_some(()));
        assert!(found.is_some(), "{}", self.host.service("pages"));
    }

    pub(crate) fn update(&self) -> Value {
        let path = "/api/store/pages/update";
        self.host.post(path, &json!({}), 200)["service"].clone()
    }

    /// When its container was started.
    pub(crate) fn started(&self) -> String {
        let format = ["--format", "{{.State.StartedAt}}"];
        let container = ["inspect", "cell.pages.web"];
        self.host.podman(&[container, format].concat())
    }

    /// Has the rest of the next version come, and asks all the while, until it is tried. How often, and how often nobody
    /// answered.
    pub(crate) fn ask_until_tried(&self) -> (u32, u32) {
        let (mut asked, mut missed) = (0, 0);
        self.server.behave(Manner::Good);
        while self.host.service("pages")["next"] != Value::Null {
            let answered = self.answers(1);
            // It may have been tried since.
            let is_tried = self.host.service("pages")["next"] == Value::Null;
            asked += 1;
            missed += u32::from(!answered && !is_tried);
        }
        (asked, missed)
    }

    /// The images that podman has.
    pub(crate) fn images(&self) -> Vec<String> {
        let listed = self.host.podman(&["images", "--quiet"]);
        listed.lines().map(str::to_owned).collect()
    }

    pub(crate) fn wait_images(&self, number: usize) {
        let found = wait_for(IMAGES_GO, || (self.images().len() == number).then_some(()));
        let log = self.host.cell.celld.log_end();
        assert!(found.is_some(), "{:?}\n{log}", self.images());
    }

    /// Waits until no update is open.
    pub(crate) fn wait_settled(&self) -> Value {
        let found = wait_for(PATIENCE * 2, || {
            Some(self.host.service("pages")).filter(|service| service["on_trial"] == false)
        });
        found.unwrap_or_else(|| panic!("{}", self.host.service("pages")))
    }

    /// A page as the owner sees it.
    pub(crate) fn page_of(&self, path: &str) -> String {
        let reply = self.host.cell.owner.get(path).unwrap();
        expect_status(&reply, 200);
        reply.text()
    }

    /// Sends a form as the owner's browser does.
    pub(crate) fn send(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let owner = &self.host.cell.owner;
        let token = owner.csrf_token().unwrap().unwrap_or_default();
        let token = [("csrf_token", &*token)];
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain(token).collect();
        owner
            .send(&Request::new("POST", path).form(&fields))
            .unwrap()
    }

    /// Sends a form that leads on to another page.
    pub(crate) fn leads_to(&self, path: &str, fields: &[(&str, &str)], next: &str) {
        let reply = self.send(path, fields);
        assert_eq!(reply.status, 303, "{path}: {}", reply.text());
        assert_eq!(reply.header("location"), Some(next));
    }

    pub(crate) fn wait_detail(&self, what: &str) -> Value {
        let mut last = Value::Null;
        let found = wait_for(PATIENCE, || {
            last = self.host.service("pages");
            let detail = last["detail"].as_str().unwrap_or_default();
            detail.contains(what).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{last}\n{}", self.host.process.said()))
    }

    /// What is there of images that podman does not have yet.
    pub(crate) fn incoming(&self) -> Vec<PathBuf> {
        let run = self.host.cell.celld.runtime_dir();
        files_below(&run.parent().unwrap().join("incoming"))
    }
}

pub(crate) fn pages_image(process: &podman::Podman) -> oci::ImageArchive {
    oci::busybox(&process.program("busybox"), &["sh", "-c", SERVE]).unwrap()
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found
}

pub(crate) fn expect_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.json()["code"], code, "{}", reply.text());
}

pub(crate) fn largest(folder: &Path) -> PathBuf {
    let files = files_below(folder);
    let length = |path: &PathBuf| fs::metadata(path).unwrap().len();
    files.into_iter().max_by_key(length).unwrap()
}
