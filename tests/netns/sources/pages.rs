//! Sources as their owner has them: on pages.

use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_testkit::world::OUTSIDE_NAME;
use cell_tests::expect_status;
use serde_json::json;

use crate::shop::Shop;

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
