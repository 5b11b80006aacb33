//! A service that nobody here has heard of, from a folder with data alone: on the pages, by its name, over TLS, for the
//! people who have accounts.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::path::Path;

use cell_testkit::celld::PATIENCE;
use cell_testkit::oci::{Content, ImageFile};
use cell_testkit::world::HOME_GATEWAY;
use cell_testkit::{oci, podman, wait_for};
use cell_tests::probe::lookup;
use cell_tests::services::{ServiceHost, add_proxy};
use cell_tests::{DOMAIN, OWNER};
use serde_json::json;

/// Everything that is said about it, to anybody.
const MANIFEST: &str = r#"
schema = 1
id = "guestbook"
name = "Guest book"
summary = "Who was here"
version = "0.1"
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
TITLE = "{setting.title}"
PLACE = "https://{host.guests}/"

[[container.mount]]
volume = "book"
path = "/book"

[[volume]]
name = "book"
backup = true

[[route]]
host = "guests"
backend = "web:8080"

[accounts]
header = "X-Remote-User"

[[setting]]
key = "title"
label = "Title"
kind = "text"
max = 40
default = "Welcome"

[[guide]]
platform = "web"
steps = ["Open https://{host.guests}/cgi-bin/sign and sign in as {username}."]
"#;

/// Writes down who asks, and shows who was there.
const SIGN: &str = "#!/bin/sh\necho \"$HTTP_X_REMOTE_USER\" >> /book/guests\n\
                    printf 'Content-Type: text/plain\\r\\n\\r\\n%s %s\\n' \"$TITLE\" \"$PLACE\"\ncat /book/guests\n";

fn make_store(store: &Path, process: &podman::Podman) {
    let file = |path: &str, mode, content| ImageFile {
        path: path.to_owned(),
        mode,
        content,
    };
    let files = vec![
        file("book", 0o777, Content::Folder),
        file("www", 0o755, Content::Folder),
        file("www/index.html", 0o644, Content::Bytes(b"hello".to_vec())),
        file("www/cgi-bin", 0o755, Content::Folder),
        file("www/cgi-bin/sign", 0o755, Content::Bytes(SIGN.into())),
    ];
    let serve = "trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait";
    let busybox = process.program("busybox");
    let image = oci::busybox_with(&busybox, files, &["sh", "-c", serve]).unwrap();
    fs::create_dir(store).unwrap();
    oci::package_folder(store, &[("web", &image)]).unwrap();
    add_proxy(store);
    let pinned = MANIFEST.replace("IMAGE", &format!("web@{}", image.digest));
    fs::create_dir(store.join("guestbook")).unwrap();
    fs::write(store.join("guestbook/service.toml"), pinned).unwrap();
}

#[test]
fn service_of_data_alone_is_installed_found_by_name_and_knows_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let host = ServiceHost::start(|process| {
        make_store(&store, process);
        store.clone()
    });
    let page = host.cell.owner.get("/services").unwrap().text();
    assert!(page.contains("Who was here"), "{page}");
    let installed = host.install("guestbook");
    assert_eq!(
        installed["urls"],
        json!([format!("https://guests.{DOMAIN}/")])
    );
    host.wait("guestbook", "ok");
    host.wait_answer("guests", 401);
    let laptop = &host.cell.world.laptop;
    let found = lookup(
        laptop,
        &[&format!("@{HOME_GATEWAY}"), &format!("guests.{DOMAIN}")],
    );
    assert_eq!(found, HOME_GATEWAY.to_string());
    let guides = &host.service("guestbook")["guides"];
    let step = format!("Open https://guests.{DOMAIN}/cgi-bin/sign and sign in as {OWNER}.");
    assert_eq!(guides, &json!([{ "platform": "web", "steps": [step] }]));

    // Two people; what a client says of itself counts nowhere.
    let ben = json!({ "username": "ben", "password": "another long river", "role": "member" });
    host.post("/api/auth/users", &ben, 201);
    let of_ben = json!({ "username": "ben", "device": "phone", "services": ["guestbook"] });
    let [anna, ben] = [host.app_password("laptop"), host.app_password_with(&of_ben)];
    let sign = |user: &str| {
        let lie = ["--header", "X-Remote-User: eve"];
        host.ask(
            "guests",
            "/cgi-bin/sign",
            &[&["--user", user], &lie[..]].concat(),
        )
    };
    let anna = format!("{OWNER}:{}", anna.text);
    let (status, text) = sign(&anna);
    let expected = format!("Welcome https://guests.{DOMAIN}/\nanna\n");
    assert!(status == 200 && text.ends_with(&expected), "{text}");
    let (status, text) = sign(&format!("ben:{}", ben.text));
    assert!(status == 200 && text.ends_with("anna\nben\n"), "{text}");
    assert_eq!(sign("ben:wrong").0, 401);

    // What is asked for is answered, and what was kept stays.
    let title = json!({ "answers": { "title": "Good day" } });
    let reply = host
        .cell
        .owner
        .put("/api/services/active/guestbook", &title);
    assert_eq!(reply.unwrap().status, 200);
    let changed = wait_for(PATIENCE, || {
        let (_, text) = sign(&anna);
        (text.contains("Good day") && text.contains("\nben\n")).then_some(())
    });
    assert!(changed.is_some(), "{}", host.service("guestbook"));
    host.remove("guestbook", true);
    let gone = wait_for(PATIENCE, || {
        (host.ask("guests", "/", &[]).0 == 0).then_some(())
    });
    assert!(gone.is_some());
}
