//! Services from a publisher's server on the internet: the real daemon, the real podman, TLS, and servers that are none.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

mod pages;
mod shop;
mod stick;
mod updates;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cell_model::Timestamp;
use cell_model::container::Registry;
use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{HttpsServer, Manner, OciRegistry, wait_for};
use cell_tests::expect_status;
use serde_json::{Value, json};

use crate::shop::{DAY, Shop, expect_problem, files_below, largest};

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
