//! Services from a publisher's server on the internet: the real daemon, the real podman, TLS, and servers that are none.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

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
use cell_testkit::{HttpsServer, Manner, OciRegistry, Reply, Request, oci, podman, wait_for};
use cell_tests::expect_status;
use cell_tests::services::ServiceHost;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an image is there that nobody needs, and more.
const IMAGES_GO: Duration = Duration::from_secs(150);

/// The first process of a container ends on no signal that it does not ask for.
const SERVE: &str = "trap 'exit 0' TERM; echo $WHICH > /tmp/page; httpd -f -p 8080 -h /tmp & wait";

/// Says at the box's port 8090 which release it is.
const PAGES: &str = r#"
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
struct Shop {
    host: ServiceHost,
    server: HttpsServer,
    folder: TempDir,
    image: oci::ImageArchive,
}

impl Shop {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut image = None;
        let host = ServiceHost::start(|process| {
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

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn keys(&self) -> Keyring {
        Keyring::read(&self.folder.path().join("keys")).unwrap()
    }

    /// Adds the source to the settings, with the keys that count now.
    fn trust(&self, authorities: &str) {
        let source = json!({
            "url": format!("https://{OUTSIDE_NAME}/store/"), "authorities": authorities,
            "keys": self.keys().list,
        });
        let services = json!({ "network": "172.20.0.0/16", "sources": { "friends": source } });
        let settings = json!({ "services": services });
        let reply = self.host.cell.owner.put("/api/config", &settings).unwrap();
        expect_status(&reply, 200);
    }

    /// Makes a release, signs the catalogue and puts all of it on the server.
    fn release(&self, release: u32, version: u64) {
        self.write(release);
        self.issue(version, Timestamp::now() + DAY, None);
    }

    /// As [`Self::release`], with an image of 3 MiB that the box does not have.
    fn release_of_another_image(&self, release: u32, version: u64) {
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

    fn write(&self, release: u32) {
        self.write_with(release, &self.image);
    }

    fn write_with(&self, release: u32, image: &oci::ImageArchive) {
        let image = format!("web@{}", image.digest);
        let text = PAGES.replace("IMAGE", &image);
        let text = text.replace("RELEASE", &release.to_string());
        let folder = self.source().join("pages");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("service.toml"), text).unwrap();
    }

    fn issue(&self, version: u64, expires: Timestamp, registry: Option<Registry>) {
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

    fn refresh(&self) -> Value {
        let refreshed = self.host.post("/api/store/refresh", &json!({}), 200);
        refreshed["items"][0].clone()
    }

    fn refused(&self, code: &str) -> Value {
        let item = self.refresh();
        assert_eq!(item["state"], "failed", "{item}");
        assert_eq!(item["code"], code, "{item}");
        item
    }

    fn page(&self) -> Option<String> {
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
    fn answers(&self, release: u32) -> bool {
        self.page().as_deref() == Some(format!("release {release}\n").as_str())
    }

    fn wait_page(&self, release: u32) {
        let found = wait_for(PATIENCE, || self.answers(release).then_some(()));
        assert!(found.is_some(), "{}", self.host.service("pages"));
    }

    fn update(&self) -> Value {
        let path = "/api/store/pages/update";
        self.host.post(path, &json!({}), 200)["service"].clone()
    }

    /// When its container was started.
    fn started(&self) -> String {
        let format = ["--format", "{{.State.StartedAt}}"];
        let container = ["inspect", "cell.pages.web"];
        self.host.podman(&[container, format].concat())
    }

    /// Has the rest of the next version come, and asks all the while, until it is tried. How often, and how often nobody
    /// answered.
    fn ask_until_tried(&self) -> (u32, u32) {
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
    fn images(&self) -> Vec<String> {
        let listed = self.host.podman(&["images", "--quiet"]);
        listed.lines().map(str::to_owned).collect()
    }

    fn wait_images(&self, number: usize) {
        let found = wait_for(IMAGES_GO, || (self.images().len() == number).then_some(()));
        let log = self.host.cell.celld.log_end();
        assert!(found.is_some(), "{:?}\n{log}", self.images());
    }

    /// Waits until no update is open.
    fn wait_settled(&self) -> Value {
        let found = wait_for(PATIENCE * 2, || {
            Some(self.host.service("pages")).filter(|service| service["on_trial"] == false)
        });
        found.unwrap_or_else(|| panic!("{}", self.host.service("pages")))
    }

    /// A page as the owner sees it.
    fn page_of(&self, path: &str) -> String {
        let reply = self.host.cell.owner.get(path).unwrap();
        expect_status(&reply, 200);
        reply.text()
    }

    /// Sends a form as the owner's browser does.
    fn send(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let owner = &self.host.cell.owner;
        let token = owner.csrf_token().unwrap().unwrap_or_default();
        let token = [("csrf_token", &*token)];
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain(token).collect();
        owner
            .send(&Request::new("POST", path).form(&fields))
            .unwrap()
    }

    /// Sends a form that leads on to another page.
    fn leads_to(&self, path: &str, fields: &[(&str, &str)], next: &str) {
        let reply = self.send(path, fields);
        assert_eq!(reply.status, 303, "{path}: {}", reply.text());
        assert_eq!(reply.header("location"), Some(next));
    }

    fn wait_detail(&self, what: &str) -> Value {
        let mut last = Value::Null;
        let found = wait_for(PATIENCE, || {
            last = self.host.service("pages");
            let detail = last["detail"].as_str().unwrap_or_default();
            detail.contains(what).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{last}\n{}", self.host.process.said()))
    }

    /// What is there of images that podman does not have yet.
    fn incoming(&self) -> Vec<PathBuf> {
        let run = self.host.cell.celld.runtime_dir();
        files_below(&run.parent().unwrap().join("incoming"))
    }
}

fn pages_image(process: &podman::Podman) -> oci::ImageArchive {
    oci::busybox(&process.program("busybox"), &["sh", "-c", SERVE]).unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
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

fn expect_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.json()["code"], code, "{}", reply.text());
}

#[test]
fn service_comes_from_a_source_that_the_owner_trusts_and_goes_on_without_it() {
    let mut shop = Shop::start();
    let refreshed = shop.host.post("/api/store/refresh", &json!({}), 200);
    assert_eq!(refreshed["items"], json!([]), "nobody is asked by itself");
    shop.trust(&shop.server.authority);
    assert_eq!(shop.host.cell.get("/api/store")["items"], json!([]));
    shop.release(1, 1);
    let item = shop.refresh();
    assert_eq!(item["state"], "ok", "{item}");
    assert_eq!(item["version"], 1, "{item}");
    assert_eq!(item["services"], 1, "{item}");
    let offer = shop.host.cell.get("/api/store")["items"][0].clone();
    assert_eq!(offer["source"], "friends", "{offer}");
    assert_eq!(offer["release"], 1, "{offer}");

    // The power goes in the middle of the image, and comes again.
    let before = shop.server.bytes();
    let size = fs::metadata(largest(&shop.source())).unwrap().len();
    shop.server.behave(Manner::StallsAfter(before + size / 2));
    shop.host.install("pages");
    shop.wait_detail("MiB are fetched");
    let begun = wait_for(PATIENCE, || {
        let part = shop.incoming();
        let part = part.iter().find(|path| path.extension().is_some())?;
        Some(fs::metadata(part).ok()?.len()).filter(|length| *length > size / 4)
    });
    assert!(begun.is_some(), "{:?}", shop.incoming());
    shop.host.cell.celld.kill9().unwrap();
    shop.server.behave(Manner::Good);
    let between = shop.server.bytes();
    shop.host.cell.celld.restart().unwrap();
    shop.host.cell.sign_in();
    shop.host.wait("pages", "ok");
    let again = shop.server.bytes() - between;
    println!(
        "{size} bytes: {} had come, {again} came after the cut",
        begun.unwrap()
    );
    assert!(again < size * 3 / 4 + 4_096, "{again} of {size}");
    let page = wait_for(PATIENCE, || shop.page());
    assert_eq!(page.as_deref(), Some("release 1\n"));
    let left = wait_for(PATIENCE, || shop.incoming().is_empty().then_some(()));
    assert!(left.is_some(), "{:?}", shop.incoming());

    // It stays when the source goes, and when nobody trusts it any more.
    shop.server.behave(Manner::Status(500));
    shop.refused("source_refuses");
    let offers = shop.host.cell.get("/api/store");
    assert_eq!(offers["items"][0]["installed"], 1, "what was known stays");
    let settings = json!({ "services": { "network": "172.20.0.0/16" } });
    let reply = shop.host.cell.owner.put("/api/config", &settings).unwrap();
    expect_status(&reply, 200);
    assert_eq!(shop.host.cell.get("/api/store")["items"], json!([]));
    shop.host.wait("pages", "ok");
    assert!(shop.page().is_some());
    let audit = shop.host.cell.get("/api/audit").to_string();
    assert!(audit.contains("store.refresh"), "{audit}");
}

/// With a service of release 1 that runs, and the offer of release 2, whose image the box does not have.
fn with_newer() -> Shop {
    let shop = Shop::start();
    shop.trust(&shop.server.authority);
    shop.release(1, 1);
    assert_eq!(shop.refresh()["state"], "ok");
    shop.host.install("pages");
    shop.host.wait("pages", "ok");
    shop.wait_page(1);
    shop.release_of_another_image(2, 2);
    assert_eq!(shop.refresh()["state"], "ok");
    shop
}

#[test]
fn service_answers_while_its_next_version_is_fetched_and_through_a_power_cut() {
    let mut shop = with_newer();
    let before = shop.host.service("pages");
    assert_eq!(before["update"]["release"], 2, "{before}");
    shop.server
        .behave(Manner::StallsAfter(shop.server.bytes() + (2 << 20)));
    let begun = shop.update();
    assert_eq!(begun["on_trial"], true, "{begun}");
    assert_eq!(begun["release"], 1, "{begun}");
    assert_eq!(begun["next"], json!({ "version": "2.0", "release": 2 }));
    assert_eq!(begun["update"], Value::Null, "{begun}");
    let coming = shop.wait_detail("The next version is fetched: 2 of 5 MiB.");
    assert_eq!(coming["state"], "ok", "{coming}");
    assert!(shop.answers(1));
    let again = shop.host.post("/api/store/pages/update", &json!({}), 409);
    assert_eq!(again["code"], "service_updating", "{again}");

    // The power goes: what runs is gone, and comes back as it was, without the network.
    shop.host.cell.celld.kill9().unwrap();
    let killed = shop.host.podman(&["kill", "cell.pages.web"]);
    assert_eq!(killed, "cell.pages.web");
    shop.host.cell.celld.restart().unwrap();
    shop.host.cell.sign_in();
    shop.wait_page(1);
    let service = shop.host.service("pages");
    assert_eq!(
        (&service["on_trial"], &service["release"]),
        (&json!(true), &json!(1))
    );

    let (asked, missed) = shop.ask_until_tried();
    println!("{asked} requests while it was fetched, {missed} unanswered");
    assert_eq!(missed, 0);
    let settled = shop.wait_settled();
    assert_eq!(settled["release"], 2, "{settled}");
    assert_eq!(
        (&settled["next"], &settled["failed_update"]),
        (&Value::Null, &Value::Null)
    );
    shop.wait_page(2);
    // What it was made from before goes, and what it is made from when it is removed; then that is fetched again.
    assert_eq!(shop.images().len(), 2, "{:?}", shop.images());
    shop.wait_images(1);
    shop.wait_page(2);
    shop.host.remove("pages", true);
    shop.wait_images(0);
    shop.host.install("pages");
    shop.host.wait("pages", "ok");
    shop.wait_page(2);
    let audit = shop.host.cell.get("/api/audit").to_string();
    for action in [
        "service.update\"",
        "service.update-try",
        "service.update-keep",
    ] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

#[test]
fn update_whose_image_is_not_had_is_given_up_and_nobody_notices() {
    let shop = with_newer();
    let started = shop.started();
    shop.server.behave(Manner::Status(403));
    shop.update();
    let failing = shop.wait_detail("The next version could not be fetched");
    assert_eq!(failing["state"], "ok", "{failing}");
    let settled = shop.wait_settled();
    assert_eq!(
        (&settled["release"], &settled["state"]),
        (&json!(1), &json!("ok"))
    );
    assert_eq!(settled["failed_update"]["release"], 2, "{settled}");
    let reason = settled["failed_update"]["reason"].as_str().unwrap();
    assert!(reason.contains("status 403"), "{reason}");
    assert_eq!(settled["update"]["release"], 2, "{settled}");
    assert!(shop.answers(1));
    assert_eq!(shop.started(), started, "it was not touched");

    // Removed in the middle: nothing of it is fetched any more, and nothing is left.
    shop.server
        .behave(Manner::StallsAfter(shop.server.bytes() + (2 << 20)));
    shop.update();
    shop.wait_detail("of 5 MiB");
    shop.host.remove("pages", true);
    let left = wait_for(PATIENCE, || shop.incoming().is_empty().then_some(()));
    assert!(left.is_some(), "{:?}", shop.incoming());
    shop.server.behave(Manner::Good);
    shop.host.install("pages");
    shop.host.wait("pages", "ok");
    shop.wait_page(2);
}

fn largest(folder: &Path) -> PathBuf {
    let files = files_below(folder);
    let length = |path: &PathBuf| fs::metadata(path).unwrap().len();
    files.into_iter().max_by_key(length).unwrap()
}

#[test]
fn sources_that_are_not_as_they_should_have_their_own_words_and_change_nothing() {
    let mut shop = Shop::start();
    let stranger = HttpsServer::start_here().authority.clone();
    shop.trust(&stranger);
    shop.release(3, 7);
    shop.refused("source_untrusted");
    shop.trust(&shop.server.authority);
    assert_eq!(shop.refresh()["version"], 7);
    // Keys are replaced, and the box follows.
    shop.keys()
        .replace(&shop.folder.path().join("keys"))
        .unwrap();
    shop.release(4, 8);
    let item = shop.refresh();
    assert_eq!(
        (&item["state"], &item["version"]),
        (&json!("ok"), &json!(8)),
        "{item}"
    );

    let stays = |item: &Value| assert_eq!(item["version"], 8, "{item}");
    let elsewhere = "https://elsewhere.example/".to_owned();
    for (manner, code) in [
        (Manner::Redirects(elsewhere), "source_redirects"),
        (Manner::Status(403), "source_refuses"),
        (Manner::Garbage, "source_garbled"),
        (Manner::NoSize, "source_garbled"),
        (Manner::CutsAfter(0), "source_incomplete"),
        // Half a minute.
        (Manner::StallsAfter(0), "source_too_slow"),
    ] {
        shop.server.behave(manner);
        stays(&shop.refused(code));
    }
    shop.server.behave(Manner::Good);
    shop.issue(7, Timestamp::now() + DAY, None);
    stays(&shop.refused("catalogue_rolled_back"));
    shop.host.cell.celld.kill9().unwrap();
    shop.host.cell.celld.restart().unwrap();
    shop.host.cell.sign_in();
    stays(&shop.refused("catalogue_rolled_back"));
    shop.issue(9, Timestamp::now() - Duration::from_secs(1), None);
    stays(&shop.refused("catalogue_expired"));
    let index = fs::read(shop.source().join("index.json")).unwrap();
    for (bytes, code) in [
        (index[..index.len() / 2].to_vec(), "catalogue_unreadable"),
        (vec![b' '; 300_000], "catalogue_too_large"),
    ] {
        shop.server.put_at("/store/index.json", bytes);
        stays(&shop.refused(code));
    }
    shop.write(5);
    shop.issue(10, Timestamp::now() + DAY, None);
    let other = b"schema = 1\n".to_vec();
    shop.server.put_at("/store/pages/service.toml", other);
    stays(&shop.refused("manifest_altered"));

    // What is installed is what was taken; an image that is another one is not.
    let largest = largest(&shop.source());
    let name = largest.strip_prefix(shop.source()).unwrap();
    let place = format!("/store/{}", name.display());
    let good = fs::read(&largest).unwrap();
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    shop.server.put_at(&place, wrong);
    shop.host.install("pages");
    let service = shop.wait_detail("was altered");
    assert_eq!(service["state"], "failed", "{service}");
    assert!(shop.page().is_none());
    shop.server.put_at(&place, good);
    shop.host.wait("pages", "ok");
    let page = wait_for(PATIENCE, || shop.page());
    assert_eq!(page.as_deref(), Some("release 4\n"));
}

#[test]
fn images_come_from_a_registry_by_their_digests() {
    let shop = Shop::start();
    let address = SocketAddr::from((OUTSIDE_WEB, 5000));
    let mut registry = OciRegistry::start_in(&shop.host.cell.world.internet, address, OUTSIDE_NAME);
    registry.push("cell/pages", &shop.image);
    shop.trust(&format!("{}{}", shop.server.authority, registry.authority));
    shop.write(1);
    let host = format!("{OUTSIDE_NAME}:5000");
    let place = Registry::new(&host, "cell/pages").unwrap();
    shop.issue(1, Timestamp::now() + DAY, Some(place));
    assert_eq!(shop.refresh()["state"], "ok");
    registry.stop();
    shop.host.install("pages");
    shop.wait_detail("cannot be reached");
    registry.resume();
    shop.host.wait("pages", "ok");
    let page = wait_for(PATIENCE, || shop.page());
    assert_eq!(page.as_deref(), Some("release 1\n"));
    let paths = shop.server.paths();
    assert!(
        !paths.iter().any(|path| path.contains("/blobs/")),
        "{paths:?}"
    );
}

/// The same as a person without a script does it on the pages.
#[test]
fn owner_adds_a_source_by_its_form_and_installs_from_it() {
    let shop = Shop::start();
    shop.release(1, 1);
    let page = shop.page_of("/sources");
    assert!(page.contains("No source is named."), "{page}");
    let revision = shop.host.cell.get("/api/config")["revision"].to_string();
    let (url, keys) = (
        format!("https://{OUTSIDE_NAME}/store/"),
        json!(shop.keys().list).to_string(),
    );
    let form = [
        ("name", "friends"),
        ("url", &url),
        ("keys", &keys),
        ("authorities", &shop.server.authority),
        ("revision", &revision),
    ];
    let wrong = [
        ("name", "friends"),
        ("url", "http://x/"),
        ("keys", "1f"),
        ("revision", &revision),
    ];
    let refused = shop.send("/sources/new", &wrong);
    expect_status(&refused, 422);
    assert!(
        refused.text().contains("href=\"#f-keys\""),
        "{}",
        refused.text()
    );

    // Seen first, whoever is trusted; nothing is in the settings by that.
    let review = shop.send("/sources/new", &form);
    expect_status(&review, 200);
    assert_eq!(
        review.text().matches("Fingerprint").count(),
        3,
        "{}",
        review.text()
    );
    let sources = || shop.host.cell.get("/api/store/sources")["items"].clone();
    assert_eq!(sources(), json!([]));
    let yes: Vec<(&str, &str)> = form.into_iter().chain([("reviewed", "yes")]).collect();
    shop.leads_to("/sources/new", &yes, "/sources?done=added");
    let known = sources()[0].clone();
    assert_eq!(
        (&known["source"], &known["state"]),
        (&json!("friends"), &json!("unasked"))
    );

    shop.leads_to("/sources/refresh", &[], "/sources?done=asked");
    let page = shop.page_of("/sources");
    assert!(page.contains("Version 1, with 1 service"), "{page}");
    let page = shop.page_of("/services/pages/install");
    assert!(
        page.contains("fetched from the source <strong>friends</strong>"),
        "{page}"
    );
    shop.leads_to(
        "/services/pages/install",
        &[],
        "/services/pages?done=installing",
    );
    shop.host.wait("pages", "ok");
    let page = wait_for(PATIENCE, || shop.page());
    assert_eq!(page.as_deref(), Some("release 1\n"));
    let known = sources()[0].clone();
    assert_eq!(known["installed"], json!(["pages"]), "{known}");

    let page = shop.page_of("/sources/friends/remove");
    assert!(page.contains("stays and goes on: pages"), "{page}");
    shop.leads_to("/sources/friends/remove", &[], "/sources?done=removed");
    assert_eq!(sources(), json!([]));
    shop.host.wait("pages", "ok");
}

/// What comes with a box, offered by somebody else instead: services as they are made for real, of several layers.
#[test]
fn calendar_is_installed_from_a_source() {
    let shop = Shop::start();
    let services = std::env::var_os("CELL_SERVICES").expect("cargo xtask test sets CELL_SERVICES");
    let services = PathBuf::from(services);
    for path in files_below(&services) {
        let to = shop.source().join(path.strip_prefix(&services).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&path, to).unwrap();
    }
    shop.trust(&shop.server.authority);
    shop.issue(1, Timestamp::now() + DAY, None);
    let item = shop.refresh();
    assert_eq!(item["state"], "ok", "{item}");
    let begun = std::time::Instant::now();
    let before = shop.server.bytes();
    shop.host.install("calendar");
    shop.host.wait("calendar", "ok");
    println!(
        "{} bytes in {:?}",
        shop.server.bytes() - before,
        begun.elapsed()
    );
    let left = wait_for(PATIENCE, || shop.incoming().is_empty().then_some(()));
    assert!(left.is_some(), "{:?}", shop.incoming());
}

#[test]
fn settings_refuse_sources_that_nobody_could_trust() {
    let shop = Shop::start();
    let keys = json!(shop.keys().list);
    let source = |url: &str, keys: &Value| json!({ "url": url, "keys": keys });
    let few = json!({ "threshold": 1, "keys": keys["keys"] });
    for source in [
        source("http://store.example.org/", &keys),
        source("https://anna:secret@store.example.org/", &keys),
        source("https://127.0.0.1/", &keys),
        source("https://store.example.org/", &few),
        json!({ "url": "https://store.example.org/" }),
    ] {
        let services = json!({ "network": "172.20.0.0/16", "sources": { "friends": source } });
        let settings = json!({ "services": services });
        let reply = shop.host.cell.owner.put("/api/config", &settings).unwrap();
        expect_problem(&reply, 400, "invalid_field");
    }
}
