//! A browser: at the box's pages about services, and at a service itself.

use cell_testkit::world::HOME_GATEWAY;
use cell_tests::browser::{self, page, sent};
use cell_tests::{DOMAIN, OWNER, PASSWORD};
use cell_webui::routes::PAGES;
use serde_json::{Value, json};

use crate::serving::serving;

/// The pages about a service that is installed, and about another one of which there is only what it has kept.
fn pages_about(service: &str, kept: &str) -> Vec<Value> {
    let pages = PAGES.iter().filter(|page| page.path.contains("{service}"));
    let pages = pages.map(|shown| {
        let about = match shown.path.ends_with("/data") {
            true => kept,
            false => service,
        };
        page(&shown.path.replace("{service}", about), 200)
    });
    pages.collect()
}

#[test]
fn no_page_about_a_service_has_a_barrier() {
    let host = serving(&["calendar", "files"]);
    host.remove("files", false);
    let mut pages = pages_about("calendar", "files");
    pages.extend(["/", "/services"].map(|path| page(path, 200)));
    pages.push(sent("/services/calendar/internet", &json!({}), 200));
    let base = format!("https://{HOME_GATEWAY}:8443");
    let owner = Some((OWNER, PASSWORD));
    browser::hold(&host.cell.world.laptop, &base, owner, &pages);
}

#[test]
fn service_is_used_over_http3() {
    let host = serving(&["calendar"]);
    let password = host.app_password("laptop");
    let authority = std::fs::read_to_string(host.cell.celld.ca_pem()).unwrap();
    let given = json!({
        "authority": authority, "username": OWNER, "password": password.text,
        "paths": ["/.web/", "/.web/", "/nobody/"],
    });
    let base = format!("https://calendar.{DOMAIN}");
    let answers = browser::run(&host.cell.world.laptop, &base, "protocol.mjs", given);
    assert_eq!(answers, json!([[200, "h3"], [200, "h3"], [403, "h3"]]));
}
