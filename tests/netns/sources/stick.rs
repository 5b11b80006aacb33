//! Services from a USB stick: plugged in, pulled out, altered.

use std::fs;
use std::path::Path;

use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_tests::slots::Slots;
use serde_json::json;

use crate::shop::{Shop, expect_problem, files_below, largest};

/// Puts what the publisher has onto the stick.
fn copy(from: &Path, to: &Path) {
    for path in files_below(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&path, to).unwrap();
    }
}

#[test]
fn service_comes_from_a_stick_and_stays_when_that_is_pulled_out() {
    let slots = Slots::new();
    let shop = Shop::start_with(slots.options());
    let (stick, folder) = (slots.stick(), slots.stick().join("services"));
    shop.name(&json!({ "url": "usb:services", "keys": shop.keys().list }));
    let item = shop.refused("no_stick");
    let detail = item["detail"].as_str().unwrap();
    assert!(detail.contains("No USB stick is plugged in"), "{detail}");
    fs::create_dir(&stick).unwrap();
    let item = shop.refused("not_on_stick");
    let detail = item["detail"].as_str().unwrap();
    assert!(detail.contains("services/index.json"), "{detail}");

    shop.release(1, 1);
    copy(&shop.source(), &folder);
    let item = shop.refresh();
    assert_eq!(
        (&item["state"], &item["version"]),
        (&json!("ok"), &json!(1))
    );
    // It is pulled out before it is installed, and comes back damaged, then well.
    let pulled = slots.stick().with_extension("pulled");
    fs::rename(&stick, &pulled).unwrap();
    shop.host.install("pages");
    shop.wait_detail("no USB stick is plugged in");
    let blob = largest(&pulled.join("services"));
    let good = fs::read(&blob).unwrap();
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    fs::write(&blob, wrong).unwrap();
    fs::rename(&pulled, &stick).unwrap();
    shop.wait_detail("was altered");
    fs::write(largest(&folder), good).unwrap();
    shop.host.wait("pages", "ok");
    shop.wait_page(1);
    let left = wait_for(PATIENCE, || shop.incoming().is_empty().then_some(()));
    assert!(left.is_some(), "{:?}", shop.incoming());

    // An update by a stick with more on it.
    shop.release_of_another_image(2, 2);
    fs::remove_dir_all(&folder).unwrap();
    copy(&shop.source(), &folder);
    assert_eq!(shop.refresh()["version"], 2);
    shop.update();
    shop.wait_settled();
    shop.wait_page(2);
    fs::rename(&stick, &pulled).unwrap();
    assert_eq!(shop.refused("no_stick")["version"], 2, "it stays known");
    shop.host.wait("pages", "ok");
    assert!(shop.answers(2));
    assert!(shop.server.paths().is_empty(), "nobody else was asked");
}

#[test]
fn settings_refuse_sticks_without_a_folder_or_with_ways_out_of_it() {
    let shop = Shop::start();
    for url in ["usb:", "usb:/services", "usb:../services", "usb:a/../../b"] {
        let source = json!({ "url": url, "keys": shop.keys().list });
        let services = json!({ "network": "172.20.0.0/16", "sources": { "friends": source } });
        let settings = json!({ "services": services });
        let reply = shop.host.cell.owner.put("/api/config", &settings).unwrap();
        expect_problem(&reply, 400, "invalid_field");
        assert!(reply.text().contains("usb:services"), "{}", reply.text());
    }
}
