//! Looking after a service on the box: what it says, uses and keeps, starting it anew, and what it has left once it was
//! removed; with the real daemon and the real podman.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::path::Path;

use cell_testkit::celld::PATIENCE;
use cell_testkit::{oci, podman, wait_for};
use cell_tests::expect_status;
use cell_tests::services::ServiceHost;
use serde_json::{Value, json};

const WEB: &str = "cell.talker.web";
const PATH: &str = "/api/services/active/talker";

/// Says that it starts, with what would clear a terminal, and keeps a page.
const TALKER: &str = r#"
schema = 1
id = "talker"
name = "Talker"
summary = "Says things"
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

[[container.mount]]
volume = "data"
path = "/data"

[[volume]]
name = "data"
backup = true
"#;

const SERVE: &str = "trap 'exit 0' TERM; printf 'it starts \\033[2J\\n'; echo page > /data/page; \
                     httpd -f -p 8080 -h /data & wait";

fn start() -> (ServiceHost, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let host = ServiceHost::start(|process| {
        fill(&store, process);
        store.clone()
    });
    (host, folder)
}

fn fill(store: &Path, process: &podman::Podman) {
    fs::create_dir_all(store.join("talker")).unwrap();
    let image = oci::busybox(&process.program("busybox"), &["sh", "-c", SERVE]).unwrap();
    oci::package_folder(store, &[("web", &image)]).unwrap();
    let manifest = TALKER.replace("IMAGE", &format!("web@{}", image.digest));
    fs::write(store.join("talker/service.toml"), manifest).unwrap();
}

/// What it said, line by line.
fn said(host: &ServiceHost, limit: usize) -> Vec<String> {
    let page = host.cell.get(&format!("{PATH}/logs?limit={limit}"));
    let lines = page["items"].as_array().unwrap().iter();
    lines
        .map(|line| {
            assert_eq!(line["container"], "web", "{line}");
            line["message"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn started(host: &ServiceHost) -> String {
    let format = "{{.State.StartedAt}} {{.State.Running}}";
    host.podman(&["inspect", "--format", format, WEB])
}

#[test]
fn service_is_looked_after_from_its_first_words_to_the_data_it_leaves() {
    let (host, _folder) = start();
    host.install("talker");
    host.wait("talker", "ok");
    assert_eq!(said(&host, 100), ["it starts \\u{1b}[2J"]);
    // Nothing counts what containers use here; on the box the kernel does.
    let service = host.service("talker");
    assert_eq!(service["containers"][0]["usage"], Value::Null, "{service}");
    assert_eq!(service["containers"][0]["memory_mib"], 64);
    // Nor does anything limit what it keeps, and the test of the part says so.
    let volume = &service["volumes"][0];
    assert_eq!(volume["name"], "data", "{service}");
    assert_eq!(volume["max_bytes"], Value::Null, "{volume}");
    let tested = host.post("/api/parts/containers/test", &json!({}), 200);
    assert!(tested.to_string().contains("could fill it"), "{tested}");
    // It is measured again, now that there is something.
    let size = wait_for(PATIENCE, || {
        let size = host.service("talker")["data_bytes"].as_u64();
        size.filter(|size| *size >= 4_096)
    });
    assert!(size.is_some(), "{}", host.service("talker"));

    // Anew, though it is well.
    let before = started(&host);
    host.post(&format!("{PATH}/restart"), &json!({}), 204);
    let after = started(&host);
    assert!(after != before && after.ends_with(" true"), "{after}");
    host.wait("talker", "ok");
    assert_eq!(said(&host, 100).len(), 2);
    assert_eq!(said(&host, 1).len(), 1);

    // And when it waits for its time: the pause doubles with each end, and is past a few seconds by then.
    for _ in 0..3 {
        let before = started(&host);
        let _ = host.podman(&["kill", WEB]);
        let again = wait_for(PATIENCE, || {
            let now = started(&host);
            (now != before && now.ends_with(" true")).then_some(())
        });
        assert!(again.is_some(), "{}", host.service("talker"));
    }
    let _ = host.podman(&["kill", WEB]);
    let waits = host.wait("talker", "failed");
    assert!(
        waits["detail"].as_str().unwrap().contains("ended"),
        "{waits}"
    );
    host.post(&format!("{PATH}/restart"), &json!({}), 204);
    assert!(started(&host).ends_with(" true"), "{}", started(&host));
    host.wait("talker", "ok");

    // Its log has an end, in memory and in answers.
    let flood = "head -c 4000000 /dev/zero | tr '\\0' x | fold -w 99 > /proc/1/fd/1; printf '\\nlast\\n' > /proc/1/fd/1";
    let _ = host.podman(&["exec", WEB, "sh", "-c", flood]);
    let kept = wait_for(PATIENCE, || {
        host.log(WEB)
            .ends_with("F last\n")
            .then(|| host.log(WEB).len())
    });
    assert!(kept.unwrap() < 1_200_000, "{kept:?}");
    let lines = said(&host, 1_000);
    assert_eq!(lines.last().map(String::as_str), Some("last"));
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes <= 64 * 1024, "{bytes}");

    // What does not run is not started anew.
    let stop = json!({ "enabled": false });
    expect_status(&host.cell.owner.put(PATH, &stop).unwrap(), 200);
    let refused = host.post(&format!("{PATH}/restart"), &json!({}), 409);
    assert_eq!(refused["code"], "service_stopped", "{refused}");
    host.post("/api/services/active/moon/restart", &json!({}), 404);
    let audit = host.cell.get("/api/audit?action=service.restart");
    let outcomes: Vec<&Value> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| &record["outcome"])
        .collect();
    assert_eq!(outcomes, ["refused", "refused", "ok", "ok"]);

    // What it leaves is told until it is deleted.
    assert_eq!(host.cell.get("/api/services/kept")["items"], json!([]));
    host.remove("talker", false);
    let kept = host.cell.get("/api/services/kept")["items"][0].clone();
    assert_eq!(
        (&kept["id"], &kept["name"]),
        (&json!("talker"), &json!("Talker"))
    );
    assert!(kept["data_bytes"].as_u64().unwrap() >= 4_096, "{kept}");
    host.remove("talker", true);
    assert_eq!(host.cell.get("/api/services/kept")["items"], json!([]));
}
