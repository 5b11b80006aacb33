//! Newer versions come from a source while the one before goes on.

use cell_testkit::celld::PATIENCE;
use cell_testkit::{Manner, wait_for};
use serde_json::{Value, json};

use crate::shop::Shop;

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
